//! What a call costs, and that a second one changes nothing.

use std::time::Duration;

use gateway::{Rule, What};
use local::costs;
use serde_json::Value;

use crate::stage::{SERVICE, ask, calls_since, done, pre_product, product, stack, teardown};

/// A call that finds nothing to do makes no more than so many of AWS's.
const NOTHING_TO_DO_MAX: usize = 11;
/// A promotion with everything in place makes no more than so many.
const PROMOTE_MAX: usize = 20;

/// Calls again what was done: nothing but the lease may be written.
async fn changes_nothing(stack: &local::Stack, function: &str, payload: &Value) {
    let mark = stack.gateway().record().mark();
    done(stack, function, payload).await;
    let calls = calls_since(stack, mark);
    let written: Vec<String> = calls
        .iter()
        .filter(|call| call.mutating && call.service != "dynamodb")
        .map(|call| format!("{} {}", call.action, call.resource))
        .collect();
    assert!(written.is_empty(), "a second {function} of {payload} wrote {written:#?}");
    let names: Vec<&str> = calls.iter().map(|call| call.action.as_str()).collect();
    assert!(calls.len() <= NOTHING_TO_DO_MAX, "a second {function} of {payload} made {} calls: {names:?}", calls.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_nothing_to_do_changes_nothing() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let (r1, r2) = (ask(SERVICE, "r1"), ask(SERVICE, "r2"));
    for function in ["provision", "register", "promote"] {
        changes_nothing(&stack, function, &r1).await;
    }
    done(&stack, "provision", &r2).await;
    changes_nothing(&stack, "provision", &r2).await;
    done(&stack, "register", &r2).await;
    changes_nothing(&stack, "register", &r2).await;
    changes_nothing(&stack, "provision", &r2).await;
    done(&stack, "promote", &r2).await;
    changes_nothing(&stack, "promote", &r2).await;
    changes_nothing(&stack, "teardown", &teardown(SERVICE, "r1", "finish")).await;
    done(&stack, "teardown", &teardown(SERVICE, "r2", "finish")).await;
    changes_nothing(&stack, "teardown", &teardown(SERVICE, "r2", "finish")).await;
    pre_product(&stack, SERVICE, "r3").await;
    done(&stack, "teardown", &teardown(SERVICE, "r3", "rollback")).await;
    changes_nothing(&stack, "teardown", &teardown(SERVICE, "r3", "rollback")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_is_one_call_and_comes_early() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    // Answers that take a while overlap where they are asked for side by side, however busy the machine is.
    let slow = stack.gateway().faults().add(Rule::new(What::Delay(Duration::from_millis(200))).caller("PROMOTE"));
    let mark = stack.gateway().record().mark();
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    stack.gateway().faults().remove(slow);
    let calls = calls_since(&stack, mark);
    let names: Vec<&str> = calls.iter().map(|call| call.action.as_str()).collect();
    assert!(calls.len() <= PROMOTE_MAX, "{} calls: {names:?}", calls.len());

    let switches: Vec<_> = calls.iter().filter(|call| call.action == "ModifyRule").collect();
    assert_eq!(switches.len(), 1, "{names:?}");
    let before: Vec<_> = calls.iter().filter(|call| call.at < switches[0].at).collect();
    assert!(costs::round_trips(&before) <= 3, "the switch is the 4th round trip at most: {names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_call_of_a_job_that_is_over_says_so_and_changes_nothing() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let mark = stack.gateway().record().mark();
    let parameters = ask(SERVICE, "r1").to_string();
    let event = serde_json::json!({"CodePipeline.job": {
        "id": "11111111-2222-3333-4444-555555555555",
        "accountId": local::account::ACCOUNT_ID,
        "data": {
            "actionConfiguration": {"configuration": {"FunctionName": "pointsman-promote", "UserParameters": parameters}},
            "inputArtifacts": [],
            "outputArtifacts": [],
            "artifactCredentials": {"accessKeyId": "a", "secretAccessKey": "s", "sessionToken": "t"},
        },
    }});
    // The pipeline knows no such job: somebody has closed it. That is no failure of the promotion.
    let answer = stack.invoke("promote", &event).await.unwrap();
    assert!(answer.error.is_none(), "{:?}", answer.error);
    crate::stage::unchanged_since(&stack, mark);
}
