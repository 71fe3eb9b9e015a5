//! The metrics in the functions' logs, as CloudWatch would read them out of the lines (its embedded metric format).

use std::time::SystemTime;

use lambda::LogLine;
use local::{Options, Stack};
use serde_json::{Value, json};

use crate::alarms;
use crate::stage::{
    Person, SERVICE, ask, done, look, pre_product, product, quick, refuses, stack, stack_with, teardown,
};

/// What CloudWatch takes as a unit, of those that we use.
const UNITS: [&str; 3] = ["Count", "Seconds", "None"];

/// The metrics of a function's log, one text for each line and set of dimensions: `mobile-web promote: Promotes 1, Duration`.
fn metrics(stack: &Stack, function: &str) -> Vec<String> {
    let lines = stack.functions().logs(&format!("pointsman-{function}"));
    lines
        .iter()
        .filter_map(LogLine::json)
        .filter(|line| line.get("_aws").is_some())
        .flat_map(|line| read(&line))
        .collect()
}

/// The same without what only waited: on a busy machine any call may.
fn ends(stack: &Stack, function: &str) -> Vec<String> {
    metrics(stack, function).into_iter().filter(|line| !line.ends_with(": Waits 1")).collect()
}

/// Reads a line as CloudWatch does, and fails where it would find no metric in it.
fn read(line: &Value) -> Vec<String> {
    let at = line["_aws"]["Timestamp"].as_u64().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    assert!(now.abs_diff(u128::from(at)) < 600_000, "{line}");
    let mut found = Vec::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "Pointsman", "{line}");
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(!metrics.is_empty(), "{line}");
        let values: Vec<String> = metrics.iter().map(|metric| value(line, metric)).collect();
        for dimensions in directive["Dimensions"].as_array().unwrap() {
            let names = dimensions.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let of = names.map(|name| {
                assert!(["service", "action", "function"].contains(&name), "each value of it costs: {line}");
                line[name].as_str().unwrap_or_else(|| panic!("no {name}: {line}"))
            });
            found.push(format!("{}: {}", of.collect::<Vec<_>>().join(" "), values.join(", ")));
        }
    }
    assert!(!found.is_empty(), "{line}");
    found
}

/// A metric's name, with its value where that is no time.
fn value(line: &Value, metric: &Value) -> String {
    let (name, unit) = (metric["Name"].as_str().unwrap(), metric["Unit"].as_str().unwrap());
    assert!(UNITS.contains(&unit), "{line}");
    let value = line[name].as_f64().unwrap_or_else(|| panic!("{name} is no number: {line}"));
    assert!((0.0..600.0).contains(&value), "{line}");
    if unit == "Seconds" { name.to_owned() } else { format!("{name} {value}") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promote_a_refusal_and_a_rollback_are_counted_each_once() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    done(&stack, "promote", &ask(SERVICE, "r2")).await;
    refuses(&stack, "promote", &ask(SERVICE, "r3"), &["QA did not see"]).await;
    refuses(&stack, "promote", &ask("nobodys", "r1"), &["not configured"]).await;
    refuses(&stack, "promote", &json!({"service": SERVICE}), &["release"]).await;
    let promoted = "mobile-web promote: Promotes 1, Duration";
    // Called again, it finds everything done: that is no metric.
    let want = [promoted, promoted, "mobile-web promote: Refusals 1", "promote: Refusals 1", "promote: Refusals 1"];
    assert_eq!(ends(&stack, "promote"), want);
    for (function, action) in [("provision", "provision"), ("register", "register")] {
        let of_it = metrics(&stack, function);
        assert!(of_it.contains(&format!("mobile-web {action}: Duration")), "{of_it:?}");
    }

    stack.sweep().await.unwrap();
    assert_eq!(metrics(&stack, "teardown"), ["mobile-web: RollbackReady 1"]);
    let one = look(&stack).await.instances_of("r1")[0].id.clone();
    Person(&stack).ec2("TerminateInstances", &[("InstanceId.1", &one)]).await;
    stack.sweep().await.unwrap();
    let swept = metrics(&stack, "teardown");
    assert_eq!(swept[1], "mobile-web: RollbackReady 0");

    refuses(&stack, "teardown", &teardown(SERVICE, "r2", "rollback"), &["1 of the 2"]).await;
    pre_product(&stack, SERVICE, "r3").await;
    done(&stack, "promote", &ask(SERVICE, "r3")).await;
    done(&stack, "teardown", &teardown(SERVICE, "r3", "rollback")).await;
    let after: Vec<String> = metrics(&stack, "teardown").split_off(swept.len());
    assert_eq!(after[0], "mobile-web rollback: Refusals 1");
    let back: Vec<&String> = after.iter().filter(|line| line.contains("Rollbacks")).collect();
    assert_eq!(back.len(), 1, "{after:?}");
    assert!(back[0].starts_with("mobile-web rollback: Rollbacks 1"), "{after:?}");
    assert!(after.last().unwrap().ends_with("Duration"), "{after:?}");

    // Nothing is behind product any more.
    let before = metrics(&stack, "teardown").len();
    stack.sweep().await.unwrap();
    let swept: Vec<String> = metrics(&stack, "teardown").split_off(before);
    assert!(swept.iter().all(|line| !line.contains("RollbackReady")), "{swept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_during_the_steps_is_a_rollback_though_promote_was_called() {
    let change = |config: &mut Value| {
        quick(config);
        config["traffic"] = json!({"steps": [10], "step_seconds": 3600});
        config["alarms"] = json!(["mobile-5xx"]);
    };
    let stack = stack_with(Options { change, ..Options::scripted() }).await;
    alarms::turn(&stack, "mobile-5xx", "OK").await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    stack.call("promote", &ask(SERVICE, "r2")).await.unwrap();
    alarms::turn(&stack, "mobile-5xx", "ALARM").await;
    refuses(&stack, "promote", &ask(SERVICE, "r2"), &["mobile-5xx"]).await;
    let all = metrics(&stack, "promote");
    assert!(all.contains(&"mobile-web promote: Waits 1".to_owned()), "{all:?}");
    let want = ["mobile-web promote: Promotes 1, Duration", "mobile-web promote: Rollbacks 1, Failures 1"];
    assert_eq!(ends(&stack, "promote"), want);
}
