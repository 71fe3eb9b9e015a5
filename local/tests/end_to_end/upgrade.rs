//! Upgrading in place: what version 0.1 left in flight is gone on with by other processes, on to the end.
//!
//! What stands here as text is what version 0.1 writes: it is to be added to, never changed. Values of tags and tokens, one
//! by one, are in `shared/domain/tests/domain/upgrade.rs`.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use gateway::{Rule, What};
use lambda::LogLine;
use local::revision::Changes;
use local::stack::PATIENCE;
use local::standing::Tagged;
use local::{Result, Stack, account};
use pipeline::ExecutionStatus;
use serde_json::{Value, json};

use crate::stage::{Person, SERVICE, ask, done, look, product, reason, says, served, stack, status};

/// The keys of ours on a server, behind `pointsman:`.
const OF_A_SERVER: [&str; 10] =
    ["ami", "count", "launch", "listener", "pipeline", "port", "release", "role", "service", "since"];
/// The same on a target group, when QA has its turn.
const OF_A_GROUP: [&str; 9] = ["ami", "count", "listener", "pipeline", "port", "release", "role", "service", "since"];

fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// What somebody told of a day ago is remembered beside whatever else an item holds.
fn item(more: &Value) -> Value {
    let mut item = json!({
        "service": {"S": SERVICE}, "fence": {"N": "41"},
        "told": {"M": {"product-rule": {"N": (now() - 3600).to_string()}}},
    });
    for (key, value) in more.as_object().unwrap() {
        item[key] = value.clone();
    }
    item
}

async fn put_item(stack: &Stack, item: Value) {
    let input = json!({"TableName": stack.account().lease_table, "Item": item});
    stack.moto().json("dynamodb", "DynamoDB_20120810.PutItem", input).await.unwrap();
}

async fn get_item(stack: &Stack) -> Value {
    let input = json!({"TableName": stack.account().lease_table, "Key": {"service": {"S": SERVICE}}});
    stack.moto().json("dynamodb", "DynamoDB_20120810.GetItem", input).await.unwrap()["Item"].clone()
}

/// Which tags of ours a thing has that version 0.1 does not write; those that it writes have to be there.
fn later_tags(thing: &impl Tagged, keys: &[&str]) -> Vec<String> {
    let there: BTreeSet<&str> = thing.tags().keys().filter_map(|key| key.strip_prefix("pointsman:")).collect();
    let missing: Vec<&&str> = keys.iter().filter(|key| !there.contains(*key)).collect();
    assert!(missing.is_empty(), "{missing:?} of {there:?}");
    there.into_iter().filter(|key| !keys.contains(key)).map(str::to_owned).collect()
}

/// Has a release carry the tags that version 0.1 writes, and no others of ours.
async fn as_version_0_1(stack: &Stack, release: &str) {
    let (person, standing) = (Person(stack), look(stack).await);
    for server in standing.instances_of(release) {
        for key in later_tags(server, &OF_A_SERVER) {
            let tag = [("ResourceId.1", server.id.as_str()), ("Tag.1.Key", &format!("pointsman:{key}"))];
            person.ec2("DeleteTags", &tag).await;
        }
    }
    let group = standing.group_of(release).unwrap();
    let later = later_tags(group, &OF_A_GROUP);
    person.untag(&group.arn, &later.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_under_way_is_brought_to_its_end() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    // A process was replaced while it held the lease.
    let owner = "5c1f0a9e3b7d24866b1f0d2ac94e7351";
    put_item(&stack, item(&json!({"owner": {"S": owner}, "expires_at": {"N": (now() + 3600).to_string()}}))).await;
    let mut calls = stack.gateway().subscribe();
    let execution = stack.ship(SERVICE, "1", &Changes::default()).await.unwrap();
    let waits = async { while calls.recv().await.unwrap().action != "PutJobSuccessResult" {} };
    tokio::time::timeout(PATIENCE, waits).await.expect("the job does not wait for the lease");
    assert!(look(&stack).await.instances_of(&execution).is_empty(), "the lease is held");
    assert_eq!(get_item(&stack).await["owner"]["S"], owner);

    stack.functions().cool_down();
    stack.age_lease(SERVICE).await.unwrap();
    stack.approval(SERVICE, &execution, "ShipIt").await.unwrap();
    as_version_0_1(&stack, &execution).await;
    stack.functions().cool_down();
    for approval in ["ShipIt", "KeepIt"] {
        let approved = local::stack::Approval::Approved;
        stack.answer(SERVICE, &execution, approval, approved, "tried").await.unwrap();
    }
    assert_eq!(stack.over(SERVICE, &execution).await.unwrap(), ExecutionStatus::Succeeded);
    assert_eq!(served(&stack, SERVICE).await, [execution]);
    assert!(look(&stack).await.is_gone("r1"), "{}", look(&stack).await.left_of("r1"));
    let left = get_item(&stack).await;
    assert_eq!((left.get("owner"), &left["told"]["M"]["product-rule"]["N"].is_string()), (None, &true), "{left}");
    assert!(left["fence"]["N"].as_str().unwrap().parse::<u32>().unwrap() > 41, "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_everybody_until_it_ends() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let held_until = |until: u64| {
        item(&json!({
            "held_by": {"S": "alice"}, "held_for": {"S": "the database is being moved"},
            "held_until": {"N": until.to_string()}, "expires_at": {"N": (until + 86_400).to_string()},
        }))
    };
    put_item(&stack, held_until(now() + 3600)).await;
    let answer = stack.call("promote", &ask(SERVICE, "r1")).await.unwrap();
    assert_eq!(status(&answer), "waiting", "{answer:#}");
    says(reason(&answer), &["alice", "the database is being moved"]);
    put_item(&stack, held_until(now() - 1)).await;
    done(&stack, "promote", &ask(SERVICE, "r1")).await;
}

/// How the last call of `register` ended, by its log.
fn last_end(stack: &Stack) -> Option<String> {
    let lines = stack.functions().logs("pointsman-register");
    let mut ends = lines.iter().filter_map(LogLine::json).filter(|line| line["message"] == "end");
    ends.next_back().and_then(|line| line["status"].as_str().map(str::to_owned))
}

/// Calls `register` for a job with this token.
async fn job(stack: &Stack, token: &str) -> Result<()> {
    let parameters = ask(SERVICE, "r1").to_string();
    let event = json!({"CodePipeline.job": {
        "id": "11111111-2222-3333-4444-555555555555",
        "accountId": account::ACCOUNT_ID,
        "data": {
            "actionConfiguration": {"configuration": {"FunctionName": "pointsman-register", "UserParameters": parameters}},
            "inputArtifacts": [],
            "outputArtifacts": [],
            "artifactCredentials": {"accessKeyId": "a", "secretAccessKey": "s", "sessionToken": "t"},
            "continuationToken": token,
        },
    }});
    let answer = stack.invoke("register", &event).await?;
    assert!(answer.error.is_none(), "{:?}", answer.error);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_aws_hinders_fails_when_that_has_lasted_and_not_when_the_job_has() {
    let stack = stack().await;
    done(&stack, "provision", &ask(SERVICE, "r1")).await;
    stack.gateway().faults().add(Rule::new(What::Throttle).caller("REGISTER").action("DescribeTargetGroups"));
    // Each of the two waits out most of its call.
    let began = now() - 3_600;
    let began_long_ago = format!(r#"{{"v":1,"started":{began},"attempt":9}}"#);
    let hindered_for_long = format!(r#"{{"v":1,"started":{began},"attempt":9,"troubled":{}}}"#, now() - 700);
    for (token, status) in [(began_long_ago, "waiting"), (hindered_for_long, "failed")] {
        job(&stack, &token).await.unwrap();
        assert_eq!(last_end(&stack).as_deref(), Some(status), "{token}: {}", stack.last_words());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_no_longer_for_being_gone_on_with_by_another_version() {
    let stack = stack().await;
    done(&stack, "provision", &ask(SERVICE, "r1")).await;
    stack.gateway().health().set_scripted_healthy(false);
    let since = |version: u64, seconds: u64| {
        let started = now() - seconds;
        format!(r#"{{"v":{version},"started":{started},"attempt":2}}"#)
    };
    for token in [since(1, 10), since(2, 3600)] {
        job(&stack, &token).await.unwrap();
        assert_eq!(last_end(&stack).as_deref(), Some("waiting"), "{token}");
    }
    stack.functions().cool_down();
    job(&stack, &since(1, 3600)).await.unwrap();
    assert_eq!(last_end(&stack).as_deref(), Some("failed"), "{}", stack.last_words());
}
