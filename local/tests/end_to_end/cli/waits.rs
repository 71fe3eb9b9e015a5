//! What the tool does while it waits: Ctrl-C, an alarm that freezes what it waits for, a call on the way that is refused.

use std::process::Stdio;

use gateway::Target;
use local::Stack;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

use super::{PATIENCE, Said, command, run};
use crate::alarms;
use crate::stage::{Person, Service, says, signal, stack};
use crate::unhealthy::unhealthy;

#[tokio::test]
async fn ctrl_c_while_it_waits_says_what_goes_on() {
    let stack = stack().await;
    let service = slow(&stack, |_| ()).await;
    let last = stopped_while_it_waits(&stack, &["promote", "slow", "--yes"], ("-INT", 130)).await;
    says(&last, &["goes on", "Promote again to go on"]);
    let mut weights = service.weights("product").await;
    weights.sort();
    assert_eq!(weights, [("r1".to_owned(), 90), ("r2".to_owned(), 10)]);
    stopped_while_it_waits(&stack, &["promote", "slow", "--yes"], ("-TERM", 143)).await;

    let last = stopped_while_it_waits(&stack, &["rollback", "slow", "--yes"], ("-INT", 130)).await;
    says(&last, &["goes on", "Customers are back", "the sweep tears the rejected release down"]);
    assert_eq!(service.served().await, ["r1"]);
    let last = stopped_while_it_waits(&stack, &["remove", "slow", "--yes"], ("-INT", 130)).await;
    says(&last, &["goes on", "goes with the next call or sweep"]);

    let service = Service::with(&stack, "kept", 3, |config| config["settle_seconds"] = json!(300)).await;
    service.product("r1").await;
    service.product("r2").await;
    let last = stopped_while_it_waits(&stack, &["finish", "kept", "--yes"], ("-INT", 130)).await;
    says(&last, &["goes on", "goes with the next call or sweep"]);
    assert_eq!(service.served().await, ["r2"]);
}

#[tokio::test]
async fn an_alarm_that_freezes_the_weights_while_it_waits_is_no_alarm_of_before() {
    let stack = stack().await;
    alarms::turn(&stack, "slow-5xx", "OK").await;
    let service = slow(&stack, |config| {
        config["alarms"] = json!(["slow-5xx"]);
        config["on_alarm"] = json!("freeze");
    })
    .await;
    let mut command = command(&stack, &["promote", "slow", "--yes", "--despite-alarms"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _lines = until_it_waits(&mut child).await;
    alarms::turn_with_event(&stack, "slow-5xx", "ALARM").await;
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it went on").unwrap();
    Said::of(ended).ended(1, &["10 %", "promote slow", "--despite-alarms"]);
    let mut weights = service.weights("product").await;
    weights.sort();
    assert_eq!(weights, [("r1".to_owned(), 90), ("r2".to_owned(), 10)]);
}

#[tokio::test]
async fn who_is_refused_on_the_way_is_told_that_what_was_done_stays() {
    let stack = stack().await;
    let service = slow(&stack, |_| ()).await;
    let mut command = command(&stack, &["promote", "slow", "--yes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _lines = until_it_waits(&mut child).await;
    let back = [(&*service.group("r1").await.arn, 100), (&*service.group("r2").await.arn, 0)];
    Person(&stack).forward(&service.rule("product").await.arn, &back).await;
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it went on").unwrap();
    let words = ["somebody took the traffic of release r2 away by hand", "What the calls before it did stays"];
    Said::of(ended).ended(3, &words);
}

#[tokio::test]
async fn a_promotion_that_would_only_put_traffic_back_is_called_too() {
    let stack = stack().await;
    let service = slow(&stack, |_| ()).await;
    service.waits("promote", "r2", &["10 %"]).await;
    let group = service.group("r2").await;
    for (instance, _) in &group.targets {
        stack.gateway().health().set(Target::new(&group.arn, instance, 8080), unhealthy());
    }
    run(&stack, &["plan", "promote", "slow"]).await.ended(1, &["Then it fails: the servers of r2 are not healthy"]);
    assert_eq!(service.weights("product").await.len(), 2, "a plan changes nothing");
    let promoted = run(&stack, &["promote", "slow", "--yes"]).await;
    promoted.ended(1, &["failed: the servers of r2 are not healthy", "Product is r1 again"]);
    assert_eq!(service.weights("product").await, [("r1".to_owned(), 100)]);
}

/// r1 is product, and a promotion of r2 will stand at its first step; whatever goes takes its time.
pub(super) async fn slow(stack: &Stack, change: fn(&mut Value)) -> Service<'_> {
    let service = Service::with(stack, "slow", 2, |config| {
        config["traffic"] = json!({"steps": [10], "step_seconds": 600});
        config["settle_seconds"] = json!(300);
        change(config);
    })
    .await;
    service.pre_product("r1").await;
    service.done("promote", "r1").await;
    service.pre_product("r2").await;
    service
}

/// Runs it until it waits, and stops it by this signal; answers what it says then, and it ends with this code.
async fn stopped_while_it_waits(stack: &Stack, arguments: &[&str], (name, code): (&str, i32)) -> String {
    let mut command = command(stack, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = until_it_waits(&mut child).await;
    signal(&child, name).await;
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it is not ended").unwrap().code();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        last += &line;
    }
    assert_eq!(ended, Some(code), "{arguments:?}: {last}");
    last
}

/// Reads what it says until it waits; answers the lines that come then.
async fn until_it_waits(child: &mut Child) -> Lines<BufReader<ChildStderr>> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = async {
        let next = async |lines: &mut Lines<_>| lines.next_line().await.unwrap().expect("it ended before it waited");
        while !next(&mut lines).await.contains("waiting for") {}
    };
    tokio::time::timeout(PATIENCE, waits).await.expect("it says nothing while it waits");
    lines
}
