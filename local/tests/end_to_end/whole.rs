//! The whole program, as a user has it: `local up`, what it prints to be sourced, AWS's own CLI, and its end.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use local::Options;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::signal;

/// No step of this takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a shell script with the file sourced that `local up` wrote; answers what it printed.
async fn shell(folder: &Path, script: &str) -> String {
    let venv = Options::new().venv;
    let whole = format!("set -eu\nPATH={}/bin:$PATH\n. {}/env\n{script}", venv.display(), folder.display());
    let output = Command::new("sh").args(["-c", &whole]).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Waits until the program has printed a line with these words.
async fn prints(lines: &mut tokio::io::Lines<BufReader<tokio::process::ChildStdout>>, words: &str) -> String {
    let reading = async {
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(words) {
                return line;
            }
            seen.push(line);
        }
        panic!("it ended without “{words}”:\n{}", seen.join("\n"));
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("“{words}” does not come"))
}

/// The processes whose environment or command line has this text.
fn processes_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_process = name.chars().all(|c| c.is_ascii_digit()) && name != std::process::id().to_string();
        let (command, environment) = (read("cmdline"), read("environ"));
        let has = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(text);
        if is_process && (has(&command) || has(&environment)) {
            found.push(format!("{name} {}", String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    found
}

async fn ends(mut child: Child) -> Option<i32> {
    tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_commands_work_and_ctrl_c_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut child = Command::new(env!("CARGO_BIN_EXE_local"))
        .arg("up")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    prints(&mut lines, "What happens:").await;

    shell(folder, "aws s3 cp $BUILD_ZIP s3://$SOURCE_BUCKET/$SOURCE_KEY").await;
    prints(&mut lines, "ShipIt").await;
    let curl = r#"curl -sS -H "Host: $PRE_PRODUCT_HOST" $LOAD_BALANCER_URL/version"#;
    assert_eq!(shell(folder, curl).await, "1");
    shell(
        folder,
        "token=$(aws codepipeline get-pipeline-state --name $PIPELINE --output text \
           --query 'stageStates[].actionStates[?actionName==`ShipIt`].latestExecution.token')
         aws codepipeline put-approval-result --pipeline-name $PIPELINE --stage-name Release --action-name ShipIt \
           --token $token --result status=Approved,summary=tried",
    )
    .await;
    prints(&mut lines, "KeepIt").await;
    let curl = r#"curl -sS -H "Host: $PRODUCT_HOST" $LOAD_BALANCER_URL/version"#;
    assert_eq!(shell(folder, curl).await, "1");
    let rules = "aws elbv2 describe-rules --listener-arn $LISTENER_ARN --query 'Rules[].Priority' --output text";
    assert_eq!(shell(folder, rules).await.split_whitespace().collect::<Vec<_>>(), ["20", "default"]);
    let notices = "aws sqs receive-message --endpoint-url $AWS_ENDPOINT_URL --queue-url $NOTIFY_QUEUE_URL \
                     --max-number-of-messages 10 --query 'Messages[].Body' --output text";
    assert!(shell(folder, notices).await.contains("is product"));
    let logs = "aws logs filter-log-events --log-group-name /aws/lambda/pointsman-promote \
                  --query 'events[].[message]' --output text";
    assert!(shell(folder, logs).await.contains("REPORT RequestId"));
    let sweep = r#"echo '{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}' |
         aws lambda invoke --function-name pointsman-teardown --payload fileb:///dev/stdin /dev/stdout"#;
    assert!(shell(folder, sweep).await.contains("\"done\""));

    let stop =
        "id=$(aws codepipeline start-pipeline-execution --name $PIPELINE --query pipelineExecutionId --output text)
         aws codepipeline stop-pipeline-execution --pipeline-name $PIPELINE --pipeline-execution-id $id --abandon \
           --reason 'not this one' >/dev/null
         aws codepipeline get-pipeline-execution --pipeline-name $PIPELINE --pipeline-execution-id $id \
           --query pipelineExecution.status --output text";
    assert_eq!(shell(folder, stop).await, "Stopped");
    let executions = "aws codepipeline list-pipeline-executions --pipeline-name $PIPELINE \
                        --query 'pipelineExecutionSummaries[].status' --output text";
    assert_eq!(shell(folder, executions).await.split_whitespace().collect::<Vec<_>>(), ["Stopped", "InProgress"]);

    let gateway = shell(folder, "echo $AWS_ENDPOINT_URL").await;
    assert!(!processes_of(&gateway).is_empty(), "the functions' processes are warm");
    assert!(processes_of(&folder.display().to_string()).len() > 3, "HAProxy and two servers");
    signal(&child, "-INT").await;
    assert_eq!(ends(child).await, Some(0), "to be stopped is how it ends");
    assert_eq!(processes_of(&gateway), Vec::<String>::new());
    assert_eq!(processes_of(&folder.display().to_string()), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["build.zip"], "what was to be sourced is gone with what it led to");
}
