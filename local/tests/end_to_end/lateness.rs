//! Reads that lag behind what was just done: whatever they do not show yet, everything ends as without, and nothing is made
//! twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway::{Lag, Lagging};
use local::Stack;
use local::standing::{Standing, Tagged};

use crate::stage::{SERVICE, ask, calls_since, done, look, pre_product, reason, stack, status, teardown};

const ALL: [Lagging; 5] = [Lagging::Instances, Lagging::TargetGroups, Lagging::Rules, Lagging::Names, Lagging::Tags];

/// How all of it ends: what stands, in words without ids.
const END: &str = "\
server of r3: product, with its own address
server of r3: product, with its own address
group of r3: product, kept, healthy healthy
rule product at 20: r3 100
name mobile.corp.internal: r3 r3
launched: r1 2, r2 2, r3 2";

/// A first release, a second one, the way back, a third one, and its finish.
async fn story(stack: &Stack) {
    to_product(stack, "r1").await;
    to_product(stack, "r2").await;
    done(stack, "teardown", &teardown(SERVICE, "r2", "rollback")).await;
    to_product(stack, "r3").await;
    done(stack, "teardown", &teardown(SERVICE, "r3", "finish")).await;
}

/// Brings a release to product. Reads that jump may have a call refused for what the call before saw: who made it asks again.
async fn to_product(stack: &Stack, release: &str) {
    for function in ["provision", "register", "promote"] {
        let mut refused = Vec::new();
        loop {
            let answer = stack.call_until_over(function, &ask(SERVICE, release)).await.unwrap();
            if status(&answer) == "done" {
                break;
            }
            refused.push(reason(&answer).to_owned());
            assert!(refused.len() < 5, "{function} {release}: {refused:#?}");
        }
    }
}

/// What stands, and how many instances were ever launched.
async fn end(stack: &Stack) -> String {
    let standing = look(stack).await;
    let mut lines = Vec::new();
    let about = |tagged: &dyn Tagged| {
        let kept = if tagged.tag("kept").is_empty() { "" } else { ", kept" };
        format!("of {}: {}{kept}", tagged.tag("release"), tagged.tag("role"))
    };
    for server in &standing.instances {
        let address = if server.public_ip.is_empty() { "" } else { ", with its own address" };
        lines.push(format!("server {}{address}", about(server)));
    }
    for group in &standing.groups {
        let states: Vec<&str> = group.targets.iter().map(|(_, state)| state.as_str()).collect();
        lines.push(format!("group {}, {}", about(group), states.join(" ")));
    }
    for rule in &standing.rules {
        let weights = standing.weights(rule.tag("service"), rule.tag("rule"));
        let weights: Vec<String> = weights.iter().map(|(release, weight)| format!("{release} {weight}")).collect();
        lines.push(format!("rule {} at {}: {}", rule.tag("rule"), rule.priority, weights.join(", ")));
    }
    for (name, addresses) in &standing.names {
        lines.push(format!("name {name}: {}", releases(&standing, addresses).join(" ")));
    }
    lines.push(format!("launched: {}", launched(stack).await));
    lines.join("\n")
}

fn releases<'a>(standing: &'a Standing, addresses: &BTreeSet<String>) -> Vec<&'a str> {
    let of =
        |server: &&local::standing::Instance| addresses.contains(&server.ip) || addresses.contains(&server.public_ip);
    standing.instances.iter().filter(of).map(|server| server.tag("release")).collect()
}

/// How many instances each release ever had: the simulator forgets none.
async fn launched(stack: &Stack) -> String {
    let answer = stack.moto().query("ec2", "DescribeInstances", &[]).await.unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in answer.split("<key>pointsman:release</key>").skip(1) {
        let value = tag.split("<value>").nth(1).and_then(|rest| rest.split("</value>").next()).unwrap();
        *counts.entry(value).or_default() += 1;
    }
    counts.iter().map(|(release, count)| format!("{release} {count}")).collect::<Vec<_>>().join(", ")
}

/// Has reads lag behind these all along; the end has to be the same.
async fn ends_the_same(lagging: &[Lagging], lag: Lag) {
    let stack = stack().await;
    for what in lagging {
        stack.gateway().settings().set_lag(*what, lag);
    }
    story(&stack).await;
    // A finish within seconds of its promote may not see yet that what it promoted from is retired: then the sweep ends it.
    stack.gateway().settings().clear_lags();
    let gone = || async {
        let standing = look(&stack).await;
        Ok(standing.is_gone("r1") && standing.is_gone("r2"))
    };
    if !gone().await.unwrap() {
        stack.sweep_until("r1 and r2 are gone", gone).await.unwrap();
    }
    assert_eq!(end(&stack).await, END, "{lagging:?} {lag:?}\n{}", stack.last_words());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lag() {
    ends_the_same(&[], Lag::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_instances_are_seen_late() {
    ends_the_same(&[Lagging::Instances], Lag::Reads(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_target_groups_are_seen_late() {
    ends_the_same(&[Lagging::TargetGroups], Lag::Reads(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rules_are_seen_late() {
    ends_the_same(&[Lagging::Rules], Lag::Reads(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_change_late() {
    ends_the_same(&[Lagging::Names], Lag::Reads(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_come_late() {
    ends_the_same(&[Lagging::Tags], Lag::Reads(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_late() {
    ends_the_same(&ALL, Lag::Reads(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_seconds_late() {
    ends_the_same(&ALL, Lag::Time(Duration::from_secs(5))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_jump_between_seeing_and_not_seeing() {
    ends_the_same(&[Lagging::TargetGroups, Lagging::Rules, Lagging::Names], Lag::Jumping(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_jump_between_seeing_servers_and_not_seeing_them() {
    let all_but_tags = [Lagging::Instances, Lagging::TargetGroups, Lagging::Rules, Lagging::Names];
    ends_the_same(&all_but_tags, Lag::Jumping(8)).await;
}

/// A call that waits for what it made says so, without making it again; what it waits for may take as long as it likes.
#[tokio::test(flavor = "multi_thread")]
async fn what_never_shows_is_waited_for() {
    for (what, function, made) in [
        (Lagging::Instances, "provision", "RunInstances"),
        (Lagging::TargetGroups, "register", "CreateTargetGroup"),
        (Lagging::Rules, "register", "CreateRule"),
    ] {
        let stack = stack().await;
        let settings = stack.gateway().settings();
        if function == "register" {
            done(&stack, "provision", &ask(SERVICE, "r1")).await;
        }
        settings.set_lag(what, Lag::Reads(u32::MAX));
        let mark = stack.gateway().record().mark();
        let answer = stack.call(function, &ask(SERVICE, "r1")).await.unwrap();
        assert_eq!(status(&answer), "waiting", "{what:?}: {answer:#}");
        let makes: Vec<_> = calls_since(&stack, mark).into_iter().filter(|call| call.action == made).collect();
        // One call for each of the two subnets.
        let most = if what == Lagging::Instances { 2 } else { 1 };
        assert!((1..=most).contains(&makes.len()), "{what:?}: {makes:#?}");
        settings.clear_lags();
        pre_product(&stack, SERVICE, "r1").await;
        done(&stack, "promote", &ask(SERVICE, "r1")).await;
        let standing = look(&stack).await;
        assert_eq!((standing.instances.len(), standing.groups.len(), standing.rules.len()), (2, 1, 1), "{what:?}");
    }
}
