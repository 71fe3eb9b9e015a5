//! The alarms of this project's template: each about a metric that somebody writes, and told where everything is told.

use std::collections::BTreeSet;

use domain::metrics::{Metric, NAMESPACE};
use domain::request::{RollbackScope, Verb};
use serde_json::Value;

use super::*;

fn document() -> Document {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let mut document = Document::read(&path, &Names::default().with("NotifyKey", "the-key")).unwrap();
    derived::names(&mut document).unwrap();
    document
}

/// The logical id and the properties of each alarm.
fn alarms(document: &Document) -> Vec<(String, Value)> {
    let ids = document.resources_of_type("AWS::CloudWatch::Alarm").unwrap();
    ids.into_iter()
        .map(|id| {
            let properties = document.properties(&id).unwrap();
            (id, properties)
        })
        .collect()
}

/// What one alarm looks at: namespace, metric, and whose (`*` for whichever there are).
fn watched(alarm: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |metric: &Value| {
        let dimensions = metric["Dimensions"].as_array().unwrap();
        assert_eq!(dimensions.len(), 1, "{metric}");
        (text(&metric["Namespace"]), text(&metric["MetricName"]), text(&dimensions[0]["Value"]))
    };
    let Some(queries) = alarm["Metrics"].as_array() else { return vec![one(alarm)] };
    let returned: Vec<&Value> = queries.iter().filter(|query| query["ReturnData"] != false).collect();
    assert_eq!(returned.len(), 1, "CloudWatch compares one of them: {alarm}");
    let expression = returned[0]["Expression"].as_str().unwrap();
    match expression.split_once(" FROM SCHEMA(") {
        Some((select, of)) => vec![selected(select, of)],
        None => {
            assert!(["SUM(METRICS())", "MAX(METRICS())"].contains(&expression), "{expression}");
            queries.iter().filter_map(|query| query.get("MetricStat")).map(|stat| one(&stat["Metric"])).collect()
        }
    }
}

/// `SELECT SUM(Metric) FROM SCHEMA(Namespace, "dimension", "dimension")`, and perhaps `WHERE "dimension" = 'value'`. Each dimension is
/// quoted, for it may be a reserved word.
fn selected(select: &str, of: &str) -> (String, String, String) {
    let name = select.strip_prefix("SELECT SUM(").and_then(|rest| rest.strip_suffix(')')).unwrap();
    let (schema, condition) = of.split_once(')').unwrap();
    let mut schema = schema.split(", ");
    assert_eq!(schema.next(), Some(NAMESPACE));
    let unquoted = schema.map(|name| name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap());
    let dimensions: Vec<&str> = unquoted.collect();
    let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name).unwrap();
    assert!(metric.dimensions().contains(&dimensions.as_slice()), "{name} has no dimensions {dimensions:?}");
    let rollback = Verb::Rollback { reason: String::new(), scope: RollbackScope::ToTheEnd };
    assert!(["", &format!(" WHERE \"action\" = '{rollback}'")].contains(&condition), "{condition}");
    (NAMESPACE.to_owned(), name.to_owned(), "*".to_owned())
}

#[test]
fn they_watch_errors_throttles_ages_and_letters_of_all_four_the_pulse_refused_rollbacks_and_bugs() {
    let functions = ["pointsman-promote", "pointsman-provision", "pointsman-register", "pointsman-teardown"];
    let of_functions = ["AsyncEventAge", "Errors", "Throttles"]
        .into_iter()
        .flat_map(|metric| functions.into_iter().map(move |function| ("AWS/Lambda", metric, function)));
    let others = [
        ("AWS/Events", "Invocations", "TeardownFunctionSweep"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "pointsman-dead-letters"),
        (NAMESPACE, "Refusals", "*"),
        (NAMESPACE, "Bugs", "*"),
    ];
    let wanted: BTreeSet<_> =
        of_functions.chain(others).map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).collect();
    let found: Vec<_> = alarms(&document()).iter().flat_map(|(_, alarm)| watched(alarm)).collect();
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), wanted);
    assert_eq!(found.len(), wanted.len(), "each by one alarm: {found:#?}");
}

#[test]
fn they_say_what_to_do_and_are_told_on_the_topic() {
    let document = document();
    let topic = document.names().get("NotifyTopic").unwrap();
    for (id, alarm) in alarms(&document) {
        assert_eq!(alarm["AlarmActions"], Value::from(vec![topic.clone()]), "{id}");
        let description = alarm["AlarmDescription"].as_str().unwrap();
        assert!(description.len() > 80 && description.ends_with(['.', ')']), "{id}: {description}");
        // Whoever sees no metric may be well, but for the pulse.
        let silence = if id == "SweepAlarm" { "breaching" } else { "notBreaching" };
        assert_eq!(alarm["TreatMissingData"], silence, "{id}");
        assert!(alarm["AlarmName"].as_str().unwrap().starts_with("pointsman-"), "{id}");
    }
}
