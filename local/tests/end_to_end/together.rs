//! Calls at the same time, events that come twice, calls that are cut off: the end is the same.

use std::sync::Arc;

use gateway::{Rule, What};
use local::Stack;
use local::revision::Changes;
use local::stack::Approval;
use local::standing::Tagged;
use pipeline::ExecutionStatus;

use crate::stage::{SERVICE, ask, calls_since, done, look, pre_product, product, served, stack, teardown};

/// Product is this release, and all that stands says so: rule, tags, names.
async fn all_says_product(stack: &Stack, release: &str) {
    let standing = look(stack).await;
    assert_eq!(served(stack, SERVICE).await, [release]);
    assert!(standing.rule(SERVICE, "pre-product").is_none(), "{:?}", standing.rules);
    assert_eq!(standing.group_of(release).unwrap().tag("role"), "product");
    assert!(standing.instances_of(release).iter().all(|instance| instance.tag("role") == "product"));
    let ips = standing.instances_of(release).iter().map(|instance| instance.ip.clone()).collect();
    assert_eq!(standing.names.get("mobile.corp.internal"), Some(&ips));
    assert!(!standing.names.contains_key("pre-mobile.corp.internal"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_promotions_at_once_switch_once() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let mark = stack.gateway().record().mark();
    let (payload, other) = (ask(SERVICE, "r2"), ask(SERVICE, "r2"));
    tokio::join!(done(&stack, "promote", &payload), done(&stack, "promote", &other));
    let switches = calls_since(&stack, mark).iter().filter(|call| call.action == "ModifyRule").count();
    assert_eq!(switches, 1);
    all_says_product(&stack, "r2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_is_killed_right_after_its_switch_is_finished_by_the_next_call() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let functions = stack.functions().clone();
    let kill: gateway::fault::Hook = Arc::new(move |_| {
        let functions = functions.clone();
        Box::pin(async move { assert_eq!(functions.kill_serving("pointsman-promote"), 1) })
    });
    let rule = Rule::new(What::After(kill)).caller("PROMOTE").action("ModifyRule").times(1);
    stack.gateway().faults().add(rule);
    let cut = stack.invoke("promote", &ask(SERVICE, "r2")).await.unwrap();
    assert!(cut.error.is_some(), "it was killed: {}", cut.json());
    let standing = look(&stack).await;
    assert_eq!(standing.group_of("r2").unwrap().tag("role"), "pre-product", "traffic is the truth, tags follow");
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);

    // The one that was killed gave its lease to nobody; it stands until it expires.
    let answer = stack.call("promote", &ask(SERVICE, "r2")).await.unwrap();
    assert_eq!(answer["status"], "waiting", "{answer:#}");
    let input = serde_json::json!({"TableName": stack.account().lease_table, "Key": {"service": {"S": SERVICE}}});
    stack.moto().json("dynamodb", "DynamoDB_20120810.DeleteItem", input).await.unwrap();

    let mark = stack.gateway().record().mark();
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    assert!(calls_since(&stack, mark).iter().all(|call| call.action != "ModifyRule"), "it is not switched again");
    all_says_product(&stack, "r2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_twice_roll_back_once() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    stack.bus().set_duplicates(1);
    let id = stack.ship(SERVICE, "2", &Changes::default()).await.unwrap();
    stack.answer(SERVICE, &id, "ShipIt", Approval::Approved, "tried").await.unwrap();
    stack.approval(SERVICE, &id, "KeepIt").await.unwrap();
    let mark = stack.gateway().record().mark();
    stack.answer(SERVICE, &id, "KeepIt", Approval::Rejected, "it is slow").await.unwrap();
    assert_eq!(stack.over(SERVICE, &id).await.unwrap(), ExecutionStatus::Failed);
    stack.idle().await.unwrap();
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
    let switches = calls_since(&stack, mark).iter().filter(|call| call.action == "ModifyRule").count();
    assert_eq!(switches, 1);
    stack.sweep_until("2 is gone", || async { Ok(look(&stack).await.is_gone(&id)) }).await.unwrap();
    all_says_product(&stack, "r1").await;
    let told =
        stack.notices().all().iter().filter(|n| n.release() == id && n.attribute("status") == "attention").count();
    assert_eq!(told, 1, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_release_supersedes_one_that_was_never_promoted() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    pre_product(&stack, SERVICE, "r3").await;
    let standing = look(&stack).await;
    assert_eq!(standing.group_of("r2").unwrap().tag("role"), "rejected");
    crate::stage::says(standing.group_of("r2").unwrap().tag("reason"), &["r3"]);
    assert_eq!(standing.weights(SERVICE, "pre-product"), [("r3".to_owned(), 100)]);
    crate::stage::refuses(&stack, "promote", &ask(SERVICE, "r2"), &["r2", "rejected", "a new execution is needed"])
        .await;
    stack.sweep_until("r2 is gone", || async { Ok(look(&stack).await.is_gone("r2")) }).await.unwrap();
    done(&stack, "promote", &ask(SERVICE, "r3")).await;
    all_says_product(&stack, "r3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_removed_whole() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    product(&stack, SERVICE, "r2").await;
    crate::stage::refuses(&stack, "teardown", &teardown(SERVICE, "r1", "remove"), &["r2"]).await;
    done(&stack, "teardown", &teardown(SERVICE, "r2", "remove")).await;
    let standing = look(&stack).await;
    assert!(standing.instances.is_empty() && standing.groups.is_empty() && standing.rules.is_empty(), "{standing:#?}");
    assert!(standing.names.is_empty(), "{:?}", standing.names);
}
