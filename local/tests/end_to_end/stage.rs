//! What the tests stand on: a stack without servers, releases brought to where a test begins, and looks at what changed.

use std::time::Duration;

use gateway::{Call, Mark};
use lambda::LogLine;
use local::notices::Notice;
use local::revision::Changes;
use local::standing::{Group, Instance, Rule, Standing, Tagged};
use local::{Options, Stack};
use local::{costs, xml};
use pipeline::{ExecutionStatus, Pipeline};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

pub const SERVICE: &str = "mobile-web";

/// What was published is in the queue by then.
const SOON: Duration = Duration::from_secs(10);

/// A stack without servers, where nothing settles or drains, and Lambda tries again at once.
pub async fn stack() -> Stack {
    stack_with(Options { change: quick, ..Options::scripted() }).await
}

pub async fn stack_with(options: Options) -> Stack {
    Stack::start(Options { retry_scale: 0.0, ..options }).await.unwrap()
}

/// Nothing settles or drains.
pub fn quick(config: &mut Value) {
    config["settle_seconds"] = json!(0);
    config["drain_seconds"] = json!(0);
}

pub fn status(answer: &Value) -> &str {
    answer["status"].as_str().unwrap_or_default()
}

pub fn reason(answer: &Value) -> &str {
    answer["reason"].as_str().unwrap_or_default()
}

pub fn ask(service: &str, release: &str) -> Value {
    json!({"service": service, "release": release})
}

pub fn teardown(service: &str, release: &str, action: &str) -> Value {
    json!({"service": service, "release": release, "action": action})
}

/// Calls a function until it is done, which it has to be in the end.
pub async fn done(stack: &Stack, function: &str, payload: &Value) -> Value {
    let answer = stack.call_until_over(function, payload).await.unwrap();
    assert_eq!(status(&answer), "done", "{function}: {answer:#}");
    answer
}

/// Calls a function once; it has to refuse, or fail, with all of these words.
pub async fn refuses(stack: &Stack, function: &str, payload: &Value, words: &[&str]) -> Value {
    let answer = stack.call_until_over(function, payload).await.unwrap();
    assert!(["refused", "failed"].contains(&status(&answer)), "{function}: {answer:#}");
    says(reason(&answer), words);
    answer
}

/// A sentence has all of these words in it.
pub fn says(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "“{word}” is not in: {sentence}");
    }
}

/// Brings a release to pre-product.
pub async fn pre_product(stack: &Stack, service: &str, release: &str) {
    done(stack, "provision", &ask(service, release)).await;
    done(stack, "register", &ask(service, release)).await;
}

/// Brings a release to product.
pub async fn product(stack: &Stack, service: &str, release: &str) {
    pre_product(stack, service, release).await;
    done(stack, "promote", &ask(service, release)).await;
}

pub async fn look(stack: &Stack) -> Standing {
    let account = stack.account();
    Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await.unwrap()
}

/// The release that has the weight in a service's product rule.
pub async fn served(stack: &Stack, service: &str) -> Vec<String> {
    let weights = look(stack).await.weights(service, "product");
    weights.into_iter().filter(|(_, weight)| *weight > 0).map(|(release, _)| release).collect()
}

/// The event that makes teardown sweep.
pub fn sweep() -> Value {
    json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
}

/// Sends a signal to a process: `-INT`.
pub async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it has ended").to_string();
    assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
}

/// The event of a pipeline's execution that ended: `FAILED`, `STOPPED`, `SUPERSEDED`, `CANCELED`.
pub fn execution_ended(pipeline: &str, execution: &str, state: &str) -> Value {
    json!({
        "source": "aws.codepipeline",
        "detail-type": "CodePipeline Pipeline Execution State Change",
        "detail": {"pipeline": pipeline, "execution-id": execution, "state": state, "version": 1},
    })
}

/// The functions' calls since a mark.
pub fn calls_since(stack: &Stack, mark: Mark) -> Vec<Call> {
    let functions = ["PROVISION", "REGISTER", "PROMOTE", "TEARDOWN"];
    let calls = stack.gateway().record().since(mark);
    calls.into_iter().filter(|call| functions.contains(&call.caller.as_str())).collect()
}

/// The functions changed nothing since a mark beside leases, answers and notices.
pub fn unchanged_since(stack: &Stack, mark: Mark) {
    let changes: Vec<String> = calls_since(stack, mark)
        .iter()
        .filter(|call| costs::changes(call))
        .map(|call| format!("{} {} {}", call.caller, call.action, call.resource))
        .collect();
    assert!(changes.is_empty(), "{changes:#?}");
}

/// The lines of teardown's log with this message.
pub fn log_lines(stack: &Stack, message: &str) -> Vec<Value> {
    let lines = stack.functions().logs("pointsman-teardown");
    lines.iter().filter_map(LogLine::json).filter(|line| line["message"] == message).collect()
}

/// What teardown ignored so far: what it was about, and why.
pub fn ignored(stack: &Stack) -> Vec<String> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    log_lines(stack, "ignored").iter().map(|line| format!("{}: {}", text(line, "event"), text(line, "why"))).collect()
}

/// Ships a build by a service's own pipeline, which has to fail; answers what the failed actions say.
pub async fn ship_fails(stack: &Stack, pipeline: &str) -> String {
    let execution = stack.ship(pipeline, "1", &Changes::default()).await.unwrap();
    assert_eq!(stack.over(pipeline, &execution).await.unwrap(), ExecutionStatus::Failed);
    stack.failures(pipeline, &execution).unwrap().join("\n")
}

/// Runs a pipeline whose one action calls `provision` with these parameters; none if there are none.
pub async fn pipeline_that_asks(stack: &Stack, name: &str, parameters: Option<&str>) {
    let parameters = parameters.map(|text| format!(", UserParameters: '{text}'")).unwrap_or_default();
    pipeline_with(
        stack,
        name,
        &format!(
            "Name: Provision
              ActionTypeId: {{Category: Invoke, Owner: AWS, Provider: Lambda, Version: '1'}}
              Configuration: {{FunctionName: pointsman-provision{parameters}}}"
        ),
    )
    .await;
}

/// Runs a pipeline of a source and one more action.
pub async fn pipeline_with(stack: &Stack, name: &str, action: &str) {
    let template = format!(
        "
Resources:
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Name: {name}
      ArtifactStore: {{Type: S3, Location: artifacts}}
      Stages:
        - Name: Source
          Actions:
            - Name: Source
              ActionTypeId: {{Category: Source, Owner: AWS, Provider: S3, Version: '1'}}
              Configuration: {{S3Bucket: {bucket}, S3ObjectKey: build.zip}}
              OutputArtifacts: [{{Name: Build}}]
        - Name: Release
          Actions:
            - {action}
",
        bucket = local::stack::bucket(name),
    );
    let pipeline = Pipeline::parse("pipeline.yaml", &template, &local::account::names()).unwrap();
    stack.run_pipeline(pipeline, Vec::new(), Vec::new()).await.unwrap();
}

/// One service of a stack that has several, each with rules, hosts and names of its own: a failure names its case by it.
pub struct Service<'a> {
    pub stack: &'a Stack,
    pub name: String,
}

impl<'a> Service<'a> {
    /// Configures a service of two servers without elastic IPs.
    pub async fn new(stack: &'a Stack, name: &str, number: u32) -> Self {
        Self::with(stack, name, number, |_| {}).await
    }

    /// The same with another config.
    pub async fn with(stack: &'a Stack, name: &str, number: u32, change: impl FnOnce(&mut Value)) -> Self {
        let mut config = stack.config(name, number).unwrap();
        quick(&mut config);
        config["elastic_ips"] = json!([]);
        change(&mut config);
        stack.put_service(name, &config).await.unwrap();
        Self { stack, name: name.to_owned() }
    }

    /// The same with a first release that is product.
    pub async fn serving(stack: &'a Stack, name: &str, number: u32, release: &str) -> Self {
        let service = Self::new(stack, name, number).await;
        service.product(release).await;
        service
    }

    pub async fn pre_product(&self, release: &str) {
        pre_product(self.stack, &self.name, release).await;
    }

    pub async fn product(&self, release: &str) {
        product(self.stack, &self.name, release).await;
    }

    /// Calls a function, or an action of teardown (`rollback`), until it is done.
    pub async fn done(&self, what: &str, release: &str) -> Value {
        let (function, payload) = self.payload(what, release);
        done(self.stack, function, &payload).await
    }

    /// Calls a function, or an action of teardown: refused, or failed, with these words.
    pub async fn refuses(&self, what: &str, release: &str, words: &[&str]) -> Value {
        let (function, payload) = self.payload(what, release);
        refuses(self.stack, function, &payload, words).await
    }

    /// Calls a function once: it has to wait, for these words.
    pub async fn waits(&self, what: &str, release: &str, words: &[&str]) {
        let (function, payload) = self.payload(what, release);
        let answer = self.stack.call(function, &payload).await.unwrap();
        assert_eq!(status(&answer), "waiting", "{what}: {answer:#}");
        says(reason(&answer), words);
    }

    fn payload<'w>(&self, what: &'w str, release: &str) -> (&'w str, Value) {
        match what {
            "finish" | "rollback" | "remove" => ("teardown", teardown(&self.name, release, what)),
            function => (function, ask(&self.name, release)),
        }
    }

    /// One of its rules, `product` or `pre-product`.
    pub async fn rule(&self, which: &str) -> Rule {
        let standing = look(self.stack).await;
        standing.rule(&self.name, which).unwrap_or_else(|| panic!("{} has no {which} rule", self.name)).clone()
    }

    /// The releases and weights of one of its rules.
    pub async fn weights(&self, which: &str) -> Vec<(String, u32)> {
        look(self.stack).await.weights(&self.name, which)
    }

    pub async fn served(&self) -> Vec<String> {
        served(self.stack, &self.name).await
    }

    pub async fn group(&self, release: &str) -> Group {
        let standing = look(self.stack).await;
        let of_it = |group: &&Group| group.tag("service") == self.name && group.tag("release") == release;
        standing.groups.iter().find(of_it).unwrap_or_else(|| panic!("{release} has no group")).clone()
    }

    pub async fn instances(&self, release: &str) -> Vec<Instance> {
        let of_it = |instance: &Instance| instance.tag("service") == self.name && instance.tag("release") == release;
        look(self.stack).await.instances.into_iter().filter(of_it).collect()
    }

    /// What people were told of this service so far.
    pub fn told(&self) -> Vec<Notice> {
        let all = self.stack.notices().all();
        all.into_iter().filter(|notice| notice.attribute("service") == self.name).collect()
    }

    /// Waits until people were told something with these words.
    pub async fn is_told(&self, words: &[&str]) {
        let about = |notice: &Notice| {
            notice.attribute("service") == self.name && words.iter().all(|word| notice.text().contains(word))
        };
        if self.stack.notices().wait(SOON, about).await.is_err() {
            let told: Vec<String> = self.told().iter().map(Notice::text).collect();
            panic!("{}: nobody was told {words:?}, but:\n{}", self.name, told.join("\n"));
        }
    }
}

/// A person at the console, or another tool.
pub struct Person<'a>(pub &'a Stack);

impl Person<'_> {
    pub async fn elb(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.call("elasticloadbalancing", action, parameters).await
    }

    pub async fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.call("ec2", action, parameters).await
    }

    async fn call(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> String {
        let answer = self.0.aws("PERSON").query(service, action, parameters).await;
        answer.unwrap_or_else(|error| panic!("{action} {parameters:?}: {error}"))
    }

    /// Writes a tag on a rule or a group.
    pub async fn tag(&self, arn: &str, key: &str, value: &str) {
        let key = format!("pointsman:{key}");
        let tag = [("ResourceArns.member.1", arn), ("Tags.member.1.Key", key.as_str()), ("Tags.member.1.Value", value)];
        self.elb("AddTags", &tag).await;
    }

    /// Takes tags of ours from a rule or a group.
    pub async fn untag(&self, arn: &str, keys: &[&str]) {
        for key in keys {
            let key = format!("pointsman:{key}");
            self.elb("RemoveTags", &[("ResourceArns.member.1", arn), ("TagKeys.member.1", &key)]).await;
        }
    }

    /// Writes a tag on a server.
    pub async fn tag_instance(&self, id: &str, key: &str, value: &str) {
        let key = format!("pointsman:{key}");
        self.ec2("CreateTags", &[("ResourceId.1", id), ("Tag.1.Key", &key), ("Tag.1.Value", value)]).await;
    }

    /// Makes a rule forward to these groups, with these weights.
    pub async fn forward(&self, rule: &str, groups: &[(&str, u32)]) {
        let parameters = forward_to(groups);
        let mut parameters: Vec<(&str, &str)> = parameters.iter().map(|(key, value)| (&**key, &**value)).collect();
        parameters.push(("RuleArn", rule));
        self.elb("ModifyRule", &parameters).await;
    }

    /// Makes a rule of a listener, without tags; answers its ARN.
    pub async fn make_rule(&self, listener: &str, priority: u32, host: &str, groups: &[(&str, u32)]) -> String {
        let (parameters, priority) = (forward_to(groups), priority.to_string());
        let mut parameters: Vec<(&str, &str)> = parameters.iter().map(|(key, value)| (&**key, &**value)).collect();
        parameters.extend([
            ("ListenerArn", listener),
            ("Priority", &priority),
            ("Conditions.member.1.Field", "host-header"),
            ("Conditions.member.1.HostHeaderConfig.Values.member.1", host),
        ]);
        xml::first(&self.elb("CreateRule", &parameters).await, "RuleArn").unwrap()
    }

    /// Makes a target group; answers its ARN.
    pub async fn make_group(&self, name: &str) -> String {
        let vpc = &self.0.account().vpc;
        let parameters = [("Name", name), ("Protocol", "HTTP"), ("Port", "8080"), ("VpcId", vpc)];
        xml::first(&self.elb("CreateTargetGroup", &parameters).await, "TargetGroupArn").unwrap()
    }

    /// Launches a server, without tags; answers its id.
    pub async fn launch(&self) -> String {
        let account = self.0.account();
        let parameters = [
            ("ImageId", account.ami.as_str()),
            ("InstanceType", "t3.small"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("SubnetId", &account.subnets[0].id),
        ];
        xml::first(&self.ec2("RunInstances", &parameters).await, "instanceId").unwrap()
    }

    /// Another listener of the load balancer; answers its ARN.
    pub async fn make_listener(&self, port: u16) -> String {
        let port = port.to_string();
        let parameters = [
            ("LoadBalancerArn", self.0.account().load_balancer_arn.as_str()),
            ("Protocol", "HTTP"),
            ("Port", &port),
            ("DefaultActions.member.1.Type", "fixed-response"),
            ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "404"),
        ];
        xml::first(&self.elb("CreateListener", &parameters).await, "ListenerArn").unwrap()
    }
}

fn forward_to(groups: &[(&str, u32)]) -> Vec<(String, String)> {
    let list = "Actions.member.1.ForwardConfig.TargetGroups.member";
    let mut parameters = vec![("Actions.member.1.Type".to_owned(), "forward".to_owned())];
    for ((group, weight), index) in groups.iter().zip(1..) {
        parameters.push((format!("{list}.{index}.TargetGroupArn"), (*group).to_owned()));
        parameters.push((format!("{list}.{index}.Weight"), weight.to_string()));
    }
    parameters
}
