//! A holder of the lease that stands still until it has run out: when it goes on, it changes nothing.
//!
//! The time is real, and more than a minute: the function goes by a clock that nobody can set.

use std::sync::Arc;
use std::time::Duration;

use gateway::fault::Hook;
use gateway::{Call, Rule, What};
use local::standing::Standing;
use local::{Options, Result, Stack, Trouble, costs};
use serde_json::{Value, json};

/// The lease, how far clocks may be apart, and a moment.
const STILL: Duration = Duration::from_secs(75 + 2 + 3);
/// Lambda would stop it before the lease runs out; here it is the lease that is tried.
const TIMEOUT: Duration = Duration::from_secs(300);
const SERVICE: &str = "mobile-web";

/// Has `promote r2` stand still after its look; meanwhile r2 is promoted by another call, and rolled back. Then it goes on.
///
/// # Errors
///
/// Where it sends a change, or anything else ends otherwise than it has to.
pub async fn run(mut say: impl FnMut(&str)) -> Result<()> {
    let change = |config: &mut Value| {
        for key in ["settle_seconds", "drain_seconds"] {
            if let Some(config) = config.as_object_mut() {
                config.insert(key.to_owned(), json!(0));
            }
        }
    };
    let options = Options { change, timeout: Some(TIMEOUT), retry_scale: 0.0, ..Options::scripted() };
    let stack = Arc::new(Stack::start(options).await?);
    for (function, release) in
        [("provision", "r1"), ("register", "r1"), ("promote", "r1"), ("provision", "r2"), ("register", "r2")]
    {
        done(&stack, function, &json!({"service": SERVICE, "release": release})).await?;
    }
    let functions = stack.functions().clone();
    let freeze: Hook = Arc::new(move |_| {
        let functions = functions.clone();
        Box::pin(async move {
            let _ = functions.freeze_serving("pointsman-promote");
        })
    });
    let look = Rule::new(What::After(freeze)).caller("PROMOTE").action("DescribeTargetHealth").times(1);
    let look = stack.gateway().faults().add(look);
    let promote = json!({"service": SERVICE, "release": "r2"});
    let held = {
        let (stack, promote) = (Arc::clone(&stack), promote.clone());
        tokio::spawn(async move { stack.invoke("promote", &promote).await })
    };
    say(&format!("promote r2 stands still for {} s, with its lease and all that it saw", STILL.as_secs()));
    tokio::time::sleep(STILL).await;
    if stack.gateway().faults().hits(look) != 1 {
        return Err(Trouble::new("promote r2 was not stopped after its look"));
    }
    done(&stack, "promote", &promote).await?;
    done(&stack, "teardown", &json!({"service": SERVICE, "release": "r2", "action": "rollback"})).await?;
    say("others promoted r2 and rolled it back; now it goes on");

    let mark = stack.gateway().record().mark();
    stack.functions().thaw();
    let answer = tokio::time::timeout(TIMEOUT, held).await???;
    let status = answer.json().get("status").and_then(Value::as_str).unwrap_or_default().to_owned();
    if answer.error.is_some() || status != "waiting" {
        return Err(Trouble::new(format!("it answered otherwise than waiting: {}", answer.json())));
    }
    let calls = stack.gateway().record().since(mark);
    let sent: Vec<&Call> = calls.iter().filter(|call| call.caller == "PROMOTE" && costs::changes(call)).collect();
    if !sent.is_empty() {
        return Err(Trouble::new(format!("it sent changes without its lease: {sent:?}")));
    }
    let account = stack.account();
    let standing = Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await?;
    let weights = standing.weights(SERVICE, "product");
    if weights != [("r1".to_owned(), 100)] {
        return Err(Trouble::new(format!("r1 is not product alone: {weights:?}")));
    }
    say("it went on, saw that its lease had run out, changed nothing, and said waiting");
    Ok(())
}

async fn done(stack: &Stack, function: &str, payload: &Value) -> Result<()> {
    let answer = stack.call_until_over(function, payload).await?;
    match answer.get("status").and_then(Value::as_str) {
        Some("done") => Ok(()),
        _ => Err(Trouble::new(format!("{function} {payload} is not done: {answer}"))),
    }
}
