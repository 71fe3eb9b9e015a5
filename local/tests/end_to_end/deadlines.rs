//! AWS that answers slowly, or never: a call ends by itself before Lambda stops it, and gives its lease back.

use std::time::Duration;

use gateway::{Rule, RuleId, What};
use lambda::Answer;
use local::revision::Changes;
use local::stack::Approval;
use local::{Options, Stack};
use pipeline::ExecutionStatus;
use serde_json::{Value, json};

use crate::stage::{
    SERVICE, ask, calls_since, done, execution_ended, look, pre_product, product, quick, served, stack_with, status,
    sweep, teardown,
};

/// Room for a few changes: none is sent with less than 12 s left.
const TIMEOUT: Duration = Duration::from_secs(18);
/// Several round trips of this are more than there is time for.
const SLOW: Duration = Duration::from_millis(1700);
/// A lease that is held on for what reads do not show yet ends so soon.
const MOMENT_SECONDS: u64 = 5;
/// What the runtime allows one change, retries included.
const CHANGE_NEEDS_MS: u64 = 12_000;

const CALLERS: [&str; 4] = ["PROVISION", "REGISTER", "PROMOTE", "TEARDOWN"];

async fn short_stack() -> Stack {
    stack_with(Options { change: quick, timeout: Some(TIMEOUT), ..Options::scripted() }).await
}

/// Has all of AWS's answers to the functions take a while.
fn slow(stack: &Stack) -> Vec<RuleId> {
    CALLERS.map(|caller| stack.gateway().faults().add(Rule::new(What::Delay(SLOW)).caller(caller))).to_vec()
}

fn fast(stack: &Stack, slow: Vec<RuleId>) {
    slow.into_iter().for_each(|id| stack.gateway().faults().remove(id));
}

/// Nobody holds the lease, or not for longer than reads lag.
async fn lease_is_given_back(stack: &Stack) {
    let input = json!({"TableName": stack.account().lease_table, "Key": {"service": {"S": SERVICE}}});
    let answer = stack.moto().json("dynamodb", "DynamoDB_20120810.GetItem", input).await.unwrap();
    let item = &answer["Item"];
    if item["owner"].is_null() {
        return;
    }
    let ends: u64 = item["expires_at"]["N"].as_str().unwrap().parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(ends <= now + MOMENT_SECONDS, "the lease is held on for {} s", ends - now);
}

/// It was the function that ended the call, and not Lambda.
fn ended_by_itself(answer: &Answer) {
    let stopped = answer.error.as_ref().filter(|error| error.kind != lambda::ErrorKind::Function);
    assert!(stopped.is_none(), "{stopped:?}\n{}", answer.log.join("\n"));
    assert!(answer.duration < Duration::from_secs(26), "{:?}", answer.duration);
}

/// A direct call while everything is slow says `waiting`; the next ones, while it is not, get to the end.
async fn waits_while_it_is_slow(stack: &Stack, function: &str, payload: &Value) {
    let rules = slow(stack);
    let answer = stack.invoke(function, payload).await.unwrap();
    ended_by_itself(&answer);
    assert!(answer.error.is_none(), "{:?}", answer.error);
    assert_eq!(status(&answer.json()), "waiting", "{function}: {}\n{}", answer.json(), answer.log.join("\n"));
    lease_is_given_back(stack).await;
    fast(stack, rules);
    done(stack, function, payload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_calls_end_by_themselves() {
    let stack = short_stack().await;
    product(&stack, SERVICE, "r1").await;
    waits_while_it_is_slow(&stack, "provision", &ask(SERVICE, "r2")).await;
    waits_while_it_is_slow(&stack, "register", &ask(SERVICE, "r2")).await;
    waits_while_it_is_slow(&stack, "promote", &ask(SERVICE, "r2")).await;
    waits_while_it_is_slow(&stack, "teardown", &teardown(SERVICE, "r2", "finish")).await;
    let standing = look(&stack).await;
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);
    assert_eq!((standing.instances.len(), standing.groups.len()), (2, 1), "{standing:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_with_a_continuation() {
    let stack = short_stack().await;
    let mut answers = stack.functions().subscribe();
    // Of each function's first call, and a little of its second.
    for caller in CALLERS {
        let rule = Rule::new(What::Delay(SLOW)).caller(caller).times(13);
        stack.gateway().faults().add(rule);
    }
    let id = stack.ship(SERVICE, "1", &Changes::default()).await.unwrap();
    stack.answer(SERVICE, &id, "ShipIt", Approval::Approved, "tried").await.unwrap();
    stack.answer(SERVICE, &id, "KeepIt", Approval::Approved, "good").await.unwrap();
    assert_eq!(stack.over(SERVICE, &id).await.unwrap(), ExecutionStatus::Succeeded);
    let mut waited = 0;
    while let Ok(answer) = answers.try_recv() {
        ended_by_itself(&answer);
        assert!(answer.error.is_none(), "{:?}", answer.error);
        waited += usize::from(status(&answer.json()) == "waiting");
    }
    assert!(waited >= 2, "{waited} jobs went on");
    assert_eq!(look(&stack).await.instances.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_has_no_time_is_thrown_and_delivered_again() {
    let stack = short_stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let mut answers = stack.functions().subscribe();
    // More than one try gets through.
    stack.gateway().faults().add(Rule::new(What::Delay(SLOW)).caller("TEARDOWN").times(9));
    stack.bus().put(&execution_ended(SERVICE, "r2", "FAILED")).unwrap();
    stack.idle().await.unwrap();
    let mut tries = Vec::new();
    while let Ok(answer) = answers.try_recv() {
        ended_by_itself(&answer);
        tries.push(answer.error.is_none());
    }
    assert_eq!(tries.first(), Some(&false), "the first has no time: {tries:?}\n{}", stack.last_words());
    assert_eq!(tries.last(), Some(&true), "a later one has: {tries:?}\n{}", stack.last_words());
    lease_is_given_back(&stack).await;
    let group = look(&stack).await.group_of("r2").cloned();
    assert!(group.is_none_or(|group| local::standing::Tagged::tag(&group, "role") == "rejected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_ends_by_itself_and_goes_on_the_next_time() {
    let stack = short_stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    done(&stack, "provision", &ask(SERVICE, "r3")).await;
    let rules = slow(&stack);
    let answer = stack.invoke("teardown", &sweep()).await.unwrap();
    ended_by_itself(&answer);
    assert!(answer.error.is_none(), "{:?}", answer.error);
    lease_is_given_back(&stack).await;
    fast(&stack, rules);
    stack.sweep_until("r2 is gone", || async { Ok(look(&stack).await.is_gone("r2")) }).await.unwrap();
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}

/// More often than the SDK tries an operation by itself, twice over.
const THROTTLED: u32 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_throttled_for_a_while_is_asked_again_by_the_same_call() {
    let stack = stack_with(Options { change: quick, ..Options::scripted() }).await;
    let faults = stack.gateway().faults();
    let reads = ["DescribeRules", "DescribeTargetGroups", "DescribeTargetHealth"];
    let changes = ["RunInstances", "RegisterTargets", "ModifyRule"];
    for (release, actions) in [("r1", reads), ("r2", changes)] {
        for (function, action) in ["provision", "register", "promote"].into_iter().zip(actions) {
            let rule = Rule::new(What::Throttle).caller(&function.to_uppercase()).action(action).times(THROTTLED);
            let throttled = faults.add(rule);
            let answer = stack.invoke(function, &ask(SERVICE, release)).await.unwrap();
            assert_eq!(faults.hits(throttled), THROTTLED, "{action}: {}", answer.json());
            assert_eq!(status(&answer.json()), "done", "{action}: {}\n{}", answer.json(), answer.log.join("\n"));
        }
    }
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_throttled_for_longer_than_a_call_lasts_is_waited_for() {
    let stack = short_stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let faults = stack.gateway().faults();
    for action in ["DescribeRules", "ModifyRule"] {
        let throttled = faults.add(Rule::new(What::Throttle).caller("PROMOTE").action(action));
        let answer = stack.invoke("promote", &ask(SERVICE, "r2")).await.unwrap();
        ended_by_itself(&answer);
        assert_eq!(status(&answer.json()), "waiting", "{action}: {}\n{}", answer.json(), answer.log.join("\n"));
        lease_is_given_back(&stack).await;
        faults.remove(throttled);
    }
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
}

/// An action that AWS never answers: all of the SDK's attempts end within what a change may take.
async fn never(stack: &Stack, function: &str, payload: &Value, action: &str, step: &str) {
    let faults = stack.gateway().faults();
    let mark = stack.gateway().record().mark();
    let rule = Rule::new(What::Delay(Duration::from_secs(3600))).caller(&function.to_uppercase()).action(action);
    let never = faults.add(rule);
    let answer = stack.invoke(function, payload).await.unwrap();
    ended_by_itself(&answer);
    assert_eq!(status(&answer.json()), "waiting", "{action}: {}\n{}", answer.json(), answer.log.join("\n"));
    let attempts = faults.hits(never);
    assert!((2..=6).contains(&attempts), "{action} was sent {attempts} times");
    let lines: Vec<Value> = answer.log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let steps: Vec<&Value> = lines.iter().filter(|line| line["step"] == step && line["result"] == "failed").collect();
    assert!(!steps.is_empty(), "{step}: {lines:#?}");
    for line in steps {
        let took = line["duration_ms"].as_u64().unwrap();
        assert!((4_000..CHANGE_NEEDS_MS).contains(&took), "{step} took {took} ms");
    }
    let late = calls_since(stack, mark).into_iter().filter(|call| local::costs::changes(call) && call.action == action);
    assert_eq!(late.count(), 0, "nobody answered");
    lease_is_given_back(stack).await;
    faults.remove(never);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_answered_ends_inside_what_a_change_needs() {
    // With time for one such change, and for an end.
    let options = || Options { change: quick, timeout: Some(Duration::from_secs(26)), ..Options::scripted() };
    let (provision, others) = tokio::join!(stack_with(options()), stack_with(options()));
    let launch = async {
        let payload = ask(SERVICE, "r1");
        never(&provision, "provision", &payload, "RunInstances", "Launch").await;
        done(&provision, "provision", &payload).await;
        assert_eq!(look(&provision).await.instances.len(), 2, "none is launched twice");
        never(&provision, "register", &payload, "CreateTargetGroup", "CreateGroup").await;
        done(&provision, "register", &payload).await;
    };
    let switch = async {
        product(&others, SERVICE, "r1").await;
        pre_product(&others, SERVICE, "r2").await;
        never(&others, "promote", &ask(SERVICE, "r2"), "ModifyRule", "ModifyRule").await;
        done(&others, "promote", &ask(SERVICE, "r2")).await;
        never(&others, "teardown", &teardown(SERVICE, "r2", "finish"), "ModifyRule", "ModifyRule").await;
        done(&others, "teardown", &teardown(SERVICE, "r2", "finish")).await;
    };
    tokio::join!(launch, switch);
}
