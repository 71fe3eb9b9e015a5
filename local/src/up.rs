//! `local up`: the whole system, to play with, until it is stopped.

use std::path::{Path, PathBuf};

use crate::account::REGION;
use crate::narrator::Narrator;
use crate::revision::{self, Changes};
use crate::service::{self, EXAMPLE};
use crate::stack::{Options, Stack, bucket};
use crate::terminal::Terminal;
use crate::trouble::{Result, While};

/// The version of the build that lies ready.
const VERSION: &str = "1";

/// Runs it.
///
/// # Errors
///
/// Where a part does not start.
pub async fn run(terminal: &Terminal, options: Options) -> Result<()> {
    terminal.say("Starting a simulated AWS, the functions, the pipeline and the load balancer …");
    let stack = Stack::start(options).await?;
    let folder = stack.options().folder.clone();
    let build = folder.join("build.zip");
    let zip = revision::build(&stack.options().repository.join(EXAMPLE), VERSION, &Changes::default())?;
    std::fs::write(&build, zip).when(build.display())?;
    let sourced = Sourced::write(folder.join("env"), &variables(&stack, &build))?;
    terminal.say(&screen(&stack, &sourced.path));
    let _narrator = Narrator::of(&stack, terminal);
    stack.bus().run_schedules();
    std::future::pending::<()>().await;
    Ok(())
}

/// What is to be sourced: how AWS's tools and curl reach all of it.
fn variables(stack: &Stack, build: &Path) -> Vec<(&'static str, String)> {
    let account = stack.account();
    let service = stack.options().service.clone();
    let config = stack.config_of(&service);
    vec![
        ("AWS_ENDPOINT_URL", stack.gateway().url().to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        // They open nothing; the tools want some.
        ("AWS_ACCESS_KEY_ID", "DEVELOPER".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "stand-in".to_owned()),
        ("AWS_PAGER", String::new()),
        ("LOAD_BALANCER_URL", stack.load_balancer_url()),
        ("PRODUCT_HOST", service::host(&config, "product")),
        ("PRE_PRODUCT_HOST", service::host(&config, "pre_product")),
        ("SOURCE_BUCKET", bucket(&service)),
        ("SOURCE_KEY", "build.zip".to_owned()),
        ("BUILD_ZIP", build.display().to_string()),
        ("NOTIFY_QUEUE_URL", by_gateway(stack, &account.queue_url)),
        ("LISTENER_ARN", account.listener_arn.clone()),
        ("PIPELINE", service),
    ]
}

/// A queue's URL, which leads to the simulator itself, by way of the gateway.
fn by_gateway(stack: &Stack, queue_url: &str) -> String {
    let path = queue_url.splitn(4, '/').nth(3).unwrap_or_default();
    format!("{}/{path}", stack.gateway().url())
}

/// The file with the variables; it goes when the system does, for what it names is gone then.
struct Sourced {
    path: PathBuf,
}

impl Sourced {
    fn write(path: PathBuf, variables: &[(&str, String)]) -> Result<Self> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let lines = variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
        let text = format!(
            "# The local system, while it runs: source this file. The credentials are stand-ins.\n\
             unset AWS_PROFILE AWS_SESSION_TOKEN\n{}",
            lines.collect::<String>()
        );
        std::fs::write(&path, text).when(path.display())?;
        Ok(Self { path })
    }
}

impl Drop for Sourced {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn screen(stack: &Stack, sourced: &Path) -> String {
    let repository = &stack.options().repository;
    let shown = |path: &Path| path.strip_prefix(repository).unwrap_or(path).display().to_string();
    let config = stack.config_of(&stack.options().service);
    format!(
        "
All of it runs. Ctrl-C ends it.

  AWS            {aws}
  load balancer  {web}
  product        {product}
  pre-product    {pre_product}
  pipeline       {pipeline}
  sweep          every 10 minutes; by hand see below

In another terminal, here in the repository:

  . {env}
  aws s3 cp $BUILD_ZIP s3://$SOURCE_BUCKET/$SOURCE_KEY
                                                     # ships; that is all a developer does
  curl -H \"Host: $PRE_PRODUCT_HOST\" $LOAD_BALANCER_URL/version
  curl -H \"Host: $PRODUCT_HOST\" $LOAD_BALANCER_URL/version

Approve (or reject: status=Rejected) what waits; ShipIt is in the stage Release, KeepIt in Keep:

  token=$(aws codepipeline get-pipeline-state --name $PIPELINE --output text \\
      --query 'stageStates[].actionStates[?actionName==`ShipIt`].latestExecution.token')
  aws codepipeline put-approval-result --pipeline-name $PIPELINE --stage-name Release --action-name ShipIt \\
      --token $token --result status=Approved,summary=tried

Look around:

  aws codepipeline list-action-executions --pipeline-name $PIPELINE --output table \\
      --query 'actionExecutionDetails[].[actionName,status,output.executionResult.externalExecutionSummary]'
  aws elbv2 describe-rules --listener-arn $LISTENER_ARN
  aws ec2 describe-instances --query 'Reservations[].Instances[].[InstanceId,State.Name,Tags]'
  aws sqs receive-message --endpoint-url $AWS_ENDPOINT_URL --queue-url $NOTIFY_QUEUE_URL \\
      --max-number-of-messages 10 --query 'Messages[].Body' --output text
  aws logs filter-log-events --log-group-name /aws/lambda/pointsman-promote --query 'events[].[message]' --output text

A person at a terminal ({tool}, if you copy it to where your shell finds it):

  pointsman status
  pointsman plan promote $PIPELINE

Call a function by hand; the sweep is an event:

  echo '{{\"source\":\"aws.events\",\"detail-type\":\"Scheduled Event\",\"detail\":{{}}}}' |
      aws lambda invoke --function-name pointsman-teardown --payload fileb:///dev/stdin /dev/stdout

The next build: write another version into {revision}/VERSION, then
  (cd {revision} && zip -qr - .) | aws s3 cp - s3://$SOURCE_BUCKET/$SOURCE_KEY

What happens:
",
        aws = stack.gateway().url(),
        web = stack.load_balancer_url(),
        product = service::host(&config, "product"),
        pre_product = service::host(&config, "pre_product"),
        pipeline = stack.options().service,
        env = shown(sourced),
        tool = shown(&stack.options().bootstraps.join("pointsman/bootstrap")),
        revision = format_args!("{}/revision", EXAMPLE),
    )
}
