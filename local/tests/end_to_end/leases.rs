//! The lease: a holder that was killed blocks for no longer than it lasts, clocks may be apart, and what was on its way when
//! its sender ended is found by the next look.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway::fault::Hook;
use gateway::{Rule, What};
use local::Stack;
use local::standing::Tagged;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::stage::{
    SERVICE, ask, calls_since, done, execution_ended, look, pre_product, product, served, stack, status,
};

/// As long as a lease lasts, by its holder's clock.
const LEASE_SECONDS: u64 = 75;

fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

async fn item(stack: &Stack) -> Value {
    let input = json!({"TableName": stack.account().lease_table, "Key": {"service": {"S": SERVICE}}});
    stack.moto().json("dynamodb", "DynamoDB_20120810.GetItem", input).await.unwrap()["Item"].clone()
}

fn ends(item: &Value) -> u64 {
    item["expires_at"]["N"].as_str().unwrap().parse().unwrap()
}

/// Somebody holds the lease until then, by the clock of this machine, which is everybody's here.
async fn hold(stack: &Stack, ends: u64) {
    let input = json!({"TableName": stack.account().lease_table, "Item": {
        "service": {"S": SERVICE}, "owner": {"S": "somebody"}, "expires_at": {"N": ends.to_string()},
    }});
    stack.moto().json("dynamodb", "DynamoDB_20120810.PutItem", input).await.unwrap();
}

fn kill_promote(stack: &Stack) -> Hook {
    let functions = stack.functions().clone();
    Arc::new(move |_| {
        let functions = functions.clone();
        Box::pin(async move { assert_eq!(functions.kill_serving("pointsman-promote"), 1) })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_killed_blocks_for_no_longer_than_its_lease() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let rule = Rule::new(What::Before(kill_promote(&stack))).caller("PROMOTE").action("DescribeTargetHealth").times(1);
    stack.gateway().faults().add(rule);
    assert!(stack.invoke("promote", &ask(SERVICE, "r2")).await.unwrap().error.is_some(), "it was killed");
    let left = item(&stack).await;
    assert!(left["owner"]["S"].is_string() && ends(&left) <= now() + LEASE_SECONDS, "{left}");

    let mark = stack.gateway().record().mark();
    let answer = stack.call("promote", &ask(SERVICE, "r2")).await.unwrap();
    assert_eq!(status(&answer), "waiting", "{answer:#}");
    crate::stage::unchanged_since(&stack, mark);
    stack.age_lease(SERVICE).await.unwrap();
    let answer = stack.call("promote", &ask(SERVICE, "r2")).await.unwrap();
    assert_eq!(status(&answer), "done", "at once: {answer:#}");
}

/// When a call first took the lease after a mark.
fn taken(stack: &Stack, mark: gateway::Mark) -> SystemTime {
    let mut took: Vec<_> = calls_since(stack, mark)
        .into_iter()
        .filter(|call| call.action == "UpdateItem" && call.ok())
        .map(|call| call.at + call.elapsed)
        .collect();
    took.sort_unstable();
    took[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_two_seconds_apart_take_no_lease_that_is_held() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    for apart in [-2_i64, 0, 2] {
        let held_until = now() + 3;
        // What a holder writes whose clock is so far ahead of everybody's, or behind.
        hold(&stack, held_until.strict_add_signed(apart)).await;
        let mark = stack.gateway().record().mark();
        done(&stack, "promote", &ask(SERVICE, "r1")).await;
        let taken = taken(&stack, mark).duration_since(UNIX_EPOCH).unwrap();
        assert!(taken >= Duration::from_secs(held_until), "{apart}: taken at {taken:?}, held until {held_until}");
        assert!(taken.as_secs() <= held_until + 10, "{apart}: and not much later: {taken:?}");
    }
}

/// A switch that is held back: a permit for the first lets it through, then the second has one.
type Held = (Arc<Semaphore>, Arc<Semaphore>);

/// Where r1 is product, `promote r2` was killed when its switch was on its way, and its lease has run out.
async fn killed_at_the_switch() -> (Stack, Held) {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let held = hold_switch(&stack);
    assert!(stack.invoke("promote", &ask(SERVICE, "r2")).await.unwrap().error.is_some(), "it was killed");
    stack.age_lease(SERVICE).await.unwrap();
    (stack, held)
}

/// Holds back the first switch that `promote` sends, and kills its sender.
fn hold_switch(stack: &Stack) -> Held {
    let (through, arrived) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (kill, gate, arrival) = (kill_promote(stack), Arc::clone(&through), Arc::clone(&arrived));
    let hold: Hook = Arc::new(move |request| {
        let (kill, gate, arrival) = (Arc::clone(&kill), Arc::clone(&gate), Arc::clone(&arrival));
        Box::pin(async move {
            kill(request).await;
            let _ = gate.acquire().await;
            arrival.add_permits(1);
        })
    });
    let rule = Rule::new(What::Before(hold)).caller("PROMOTE").action("ModifyRule").times(1);
    stack.gateway().faults().add(rule);
    (through, arrived)
}

/// Lets the switch through that was held back, and waits until AWS did it.
async fn let_through(stack: &Stack, (through, arrived): Held) {
    let mut calls = stack.gateway().subscribe();
    through.add_permits(1);
    drop(arrived.acquire().await);
    loop {
        let call = tokio::time::timeout(local::stack::PATIENCE, calls.recv()).await.unwrap().unwrap();
        if call.action == "ModifyRule" {
            assert!(call.ok(), "{call:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_comes_after_its_sender_and_another_one_changes_nothing() {
    let (stack, held) = killed_at_the_switch().await;
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    let before = look(&stack).await.weights(SERVICE, "product");
    let_through(&stack, held).await;
    assert_eq!(look(&stack).await.weights(SERVICE, "product"), before);
    let mark = stack.gateway().record().mark();
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    crate::stage::unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_switch_to_what_was_rejected_meanwhile_is_taken_back() {
    let (stack, held) = killed_at_the_switch().await;
    stack.bus().put(&execution_ended(SERVICE, "r2", "FAILED")).unwrap();
    stack.idle().await.unwrap();
    assert_eq!(look(&stack).await.group_of("r2").unwrap().tag("role"), "rejected");
    let_through(&stack, held).await;
    assert_eq!(served(&stack, SERVICE).await, ["r2"], "nothing can fence it");
    stack.sweep().await.unwrap();
    assert_eq!(served(&stack, SERVICE).await, ["r1"], "the next look finds it\n{}", stack.last_words());
    stack.sweep_until("r2 is gone", || async { Ok(look(&stack).await.is_gone("r2")) }).await.unwrap();
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_switch_after_a_newer_release_is_told_and_put_right() {
    let (stack, held) = killed_at_the_switch().await;
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    product(&stack, SERVICE, "r3").await;
    let_through(&stack, held).await;
    assert_eq!(served(&stack, SERVICE).await, ["r2"], "nothing can fence it");
    // It is one that served and still stands: nobody loses a request, and people are told.
    stack.sweep().await.unwrap();
    let standing = look(&stack).await;
    for release in ["r2", "r3"] {
        assert_eq!(standing.instances_of(release).len(), 2, "{release} stands");
    }
    let notice = stack
        .notices()
        .wait(local::stack::PATIENCE, |notice| {
            notice.attribute("status") == "attention" && notice.text().contains("r3")
        })
        .await;
    assert!(notice.is_ok(), "{:#?}\n{}", stack.notices().all(), stack.last_words());
}
