//! The script by itself: what it says and how it ends, where servers do not matter.

use std::process::{Output, Stdio};
use std::sync::Arc;

use gateway::{Bytes, Rule, What};
use local::{Options, Stack};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::workspace::{BUCKET, KEY, PATIENCE, Workspace, variables};
use crate::stage::{
    Person, SERVICE, look, pre_product, product, quick, says, served, signal, stack_with, unchanged_since,
};

/// r1 is product, and r2 pre-product.
async fn stack(change: fn(&mut Value)) -> Stack {
    let stack = stack_with(Options { change, ..Options::scripted() }).await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    stack
}

/// A promotion stands at its first step for as long as anybody looks.
fn slow(config: &mut Value) {
    quick(config);
    config["traffic"] = json!({"steps": [10], "step_seconds": 3600});
}

fn command(workspace: &Workspace<'_>, release: &str, arguments: &[&str]) -> Command {
    let mut environment = Workspace::keys();
    let settings = [("SERVICE", SERVICE), ("RELEASE", release), ("AWS_REGION", "us-east-1"), ("BUILDS_BUCKET", BUCKET)];
    environment.extend(variables(&settings));
    // A shell traps no signal that was ignored when it began, as a background job's are.
    workspace.command(&[&["env", "--default-signal", "./release.sh"], arguments].concat(), &environment)
}

/// It ends with this code, and says these words.
async fn ends(mut command: Command, code: i32, words: &[&str]) {
    let output: Output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it hangs").unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    says(&said, words);
}

/// Starts to deploy r2, and reads these words in its first line.
async fn deploys(workspace: &Workspace<'_>, words: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut deploy = command(workspace, "r2", &["deploy", "revision"]);
    deploy.env("PAUSE_SECONDS", "0");
    let mut child = deploy.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it says nothing");
    says(&first.unwrap().expect("it ended"), words);
    (child, lines)
}

/// Stops it by this signal: it ends with this code, and says what stays.
async fn stopped(child: Child, (name, code): (&str, i32), words: &str) {
    signal(&child, name).await;
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it goes on").unwrap();
    assert_eq!(ended.status.code(), Some(code));
    says(&String::from_utf8_lossy(&ended.stderr), &["stopped. What mobile-web r2 has come to stays", words]);
}

/// Starts a promotion of r2 that has come to its first step, and waits there.
async fn promotes(workspace: &Workspace<'_>) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut promote = command(workspace, "r2", &["promote"]);
    let mut child = promote.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it says nothing while it waits");
    says(&first.unwrap().expect("it ended before it waited"), &["waiting for r2 to have stood", "10 %"]);
    (child, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_called_again_for_as_long_as_it_waits() {
    let stack = stack(slow).await;
    let workspace = Workspace::new(&stack).await;
    let (child, mut lines) = promotes(&workspace).await;
    // Somebody does not want to wait so long.
    let standing = look(&stack).await;
    let [r1, r2] = ["r1", "r2"].map(|release| standing.group_of(release).unwrap().arn.clone());
    let rule = &standing.rule(SERVICE, "product").unwrap().arn;
    Person(&stack).forward(rule, &[(&r2, 100), (&r1, 0)]).await;
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it goes on").unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push_str(&format!("{line}\n"));
    }
    says(&said, &["done: release r2 is product\n  r1 stays behind the rule"]);

    ends(command(&workspace, "r2", &["rollback"]), 0, &["done: release r2 is rejected and gone"]).await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
    ends(command(&workspace, "r1", &["finish"]), 0, &["done:"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_not_called_right_changes_nothing() {
    let stack = stack(quick).await;
    let workspace = Workspace::new(&stack).await;
    let mark = stack.gateway().record().mark();
    ends(command(&workspace, "r9", &["promote"]), 3, &["release.sh promote: refused: QA did not see release r9"]).await;
    let mut other = command(&workspace, "r2", &["promote"]);
    other.env("FINGERPRINT", "0123abcd");
    ends(other, 3, &["refused: ", "0123abcd"]).await;
    let mut nobody = command(&workspace, "r9", &["provision"]);
    nobody.env("SERVICE", "nobody");
    ends(nobody, 3, &["nobody is not configured"]).await;

    ends(command(&workspace, "r9", &[]), 2, &["release.sh rollback", "143: stopped"]).await;
    ends(command(&workspace, "r9", &["explode"]), 2, &["release.sh rollback"]).await;
    ends(command(&workspace, "", &["promote"]), 2, &["SERVICE, RELEASE and FINGERPRINT"]).await;
    ends(command(&workspace, "r9\",\"x\":\"", &["promote"]), 2, &["SERVICE, RELEASE and FINGERPRINT"]).await;
    ends(command(&workspace, "r9", &["deploy", "."]), 2, &["a folder with appspec.yml"]).await;
    unchanged_since(&stack, mark);
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_throttled_or_comes_to_nothing_is_made_again() {
    let stack = stack(quick).await;
    let workspace = Workspace::new(&stack).await;
    let faults = stack.gateway().faults();
    let rule = |what: What| Rule::new(what).caller(KEY).service("lambda");
    let throws = || {
        What::Alter(Arc::new(|_, mut response| {
            response.body = Bytes::from_static(br#"{"errorMessage":"Task timed out after 60.00 seconds"}"#);
            response.with_header("x-amz-function-error", "Unhandled")
        }))
    };

    faults.add(rule(What::Throttle).times(1));
    faults.add(rule(throws()).times(2));
    let words =
        ["gave no answer, it is called again: {\"errorMessage\":\"Task timed out", "done: release r2 is product"];
    ends(command(&workspace, "r2", &["promote"]), 0, &words).await;
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);

    let id = faults.add(rule(throws()));
    ends(command(&workspace, "r2", &["promote"]), 1, &["pointsman-promote gave no answer three times"]).await;
    faults.remove(id);
    faults.add(rule(What::AccessDenied));
    ends(command(&workspace, "r2", &["promote"]), 5, &["AccessDenied", "pointsman-promote could not be called"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_fails_says_why() {
    let stack = stack(quick).await;
    let workspace = Workspace::new(&stack).await;
    ends(command(&workspace, "r2", &["deploy", "revision"]), 0, &["deployment d-", "done: r2 is on its servers"]).await;
    stack.deployments().fail_with(Some("no module named basket"));
    ends(command(&workspace, "r2", &["deploy", "revision"]), 1, &["failed: no module named basket"]).await;
    let mut elsewhere = command(&workspace, "r2", &["deploy", "revision"]);
    elsewhere.env("BUILDS_BUCKET", "not-there");
    ends(elsewhere, 1, &["not-there", "revision could not be uploaded"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_an_earlier_build_left_is_waited_for_and_none_for_ever() {
    let stack = stack(quick).await;
    let workspace = Workspace::new(&stack).await;
    stack.deployments().hold();
    let mut late = command(&workspace, "r2", &["deploy", "revision"]);
    late.env("WAIT_SECONDS", "0");
    ends(late, 6, &["not done in time: waiting for deployment d-000000001, which is InProgress"]).await;

    let waits = ["waiting for another deployment to end", "d-000000001"];
    let (child, _lines) = deploys(&workspace, &waits).await;
    stopped(child, ("-TERM", 143), "a call under way in AWS goes on for up to a minute").await;
    let (mut child, _lines) = deploys(&workspace, &waits).await;
    stack.deployments().fail_with(None);
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it goes on").unwrap();
    assert!(ended.success());

    stack.deployments().hold();
    let (child, _lines) = deploys(&workspace, &["deployment d-"]).await;
    stopped(child, ("-INT", 130), "its deployment goes on, and a later one waits for its end").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_it_is_told_what_stays_and_can_undo_it() {
    let stack = stack(slow).await;
    let workspace = Workspace::new(&stack).await;
    let mut late = command(&workspace, "r2", &["promote"]);
    late.env("WAIT_SECONDS", "0");
    ends(late, 6, &["not done in time: waiting for"]).await;

    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let (child, _lines) = promotes(&workspace).await;
        stopped(child, (name, code), "'rollback' undoes it").await;
    }
    let mut weights = look(&stack).await.weights(SERVICE, "product");
    weights.sort();
    assert_eq!(weights, [("r1".to_owned(), 90), ("r2".to_owned(), 10)]);
    ends(command(&workspace, "r2", &["rollback"]), 0, &["done: release r2 is rejected and gone"]).await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}
