//! The dashboard of this project's template: right JSON, and only metrics that somebody writes.

use std::collections::BTreeSet;

use domain::metrics::{Metric, NAMESPACE};
use serde_json::Value;

use super::*;

/// What AWS itself writes, and by which dimensions the dashboard asks for it.
const OF_AWS: [(&str, &[&str], &[&str]); 4] = [
    (
        "AWS/ApplicationELB",
        &["LoadBalancer", "TargetGroup"],
        &["RequestCount", "HTTPCode_Target_5XX_Count", "HealthyHostCount", "UnHealthyHostCount", "TargetResponseTime"],
    ),
    ("AWS/ApplicationELB", &["LoadBalancer"], &["HTTPCode_ELB_5XX_Count"]),
    ("AWS/Lambda", &["FunctionName"], &["Errors", "Throttles", "Duration"]),
    ("AWS/SQS", &["QueueName"], &["ApproximateNumberOfMessagesVisible"]),
];

/// One metric that the dashboard shows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    namespace: String,
    metric: String,
    dimensions: Vec<String>,
}

/// The dashboard's body, with this value of the parameter.
fn body(load_balancer: &str) -> (Document, Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let mut document = Document::read(&path, &Names::default().with("DashboardLoadBalancer", load_balancer)).unwrap();
    derived::names(&mut document).unwrap();
    let body = document.property("Dashboard", "DashboardBody").unwrap().unwrap();
    let json = serde_json::from_str(body.as_str().unwrap()).unwrap();
    (document, json)
}

fn widgets(body: &Value) -> &[Value] {
    body["widgets"].as_array().unwrap()
}

/// Every search of the dashboard and every metric that it names.
fn shown(document: &Document, body: &Value) -> BTreeSet<Shown> {
    let lists = widgets(body).iter().flat_map(|widget| widget["properties"]["metrics"].as_array().unwrap());
    lists
        .map(|metric| {
            let metric = metric.as_array().unwrap();
            match metric[0]["expression"].as_str() {
                Some(expression) => searched(expression),
                None => named(document, metric),
            }
        })
        .collect()
}

/// `SEARCH('{Namespace,Dimension} MetricName="Name"', 'Sum')`, and no more than an exact filter beside.
fn searched(expression: &str) -> Shown {
    let (query, statistic) = expression.strip_prefix("SEARCH('{").unwrap().split_once("', '").unwrap();
    let statistic = statistic.strip_suffix("')").unwrap();
    assert!(["Sum", "Minimum", "Maximum", "p99"].contains(&statistic), "{expression}");
    assert!(expression.len() <= 1024, "CloudWatch takes no longer one: {expression}");
    let (schema, terms) = query.split_once("} MetricName=\"").unwrap();
    let (metric, filter) = terms.split_once('"').unwrap();
    assert!(filter.is_empty() || filter == " LoadBalancer=\"app/web/0123456789abcdef\"", "{expression}");
    let mut schema = schema.split(',').map(str::to_owned);
    Shown { namespace: schema.next().unwrap(), metric: metric.to_owned(), dimensions: schema.collect() }
}

/// `[namespace, metric, dimension, value, options]`, of a function or the queue of the template.
fn named(document: &Document, metric: &[Value]) -> Shown {
    let text = |place: usize| metric[place].as_str().unwrap().to_owned();
    let value = document.names().get("DeadLetters.QueueName").unwrap().clone();
    let ids = document.resources_of_type("AWS::Serverless::Function").unwrap();
    let names = ids.iter().map(|id| document.names().get(id).unwrap().clone());
    let known: Vec<Value> = names.chain([value]).collect();
    assert!(known.contains(&metric[3]), "{} is in no resource", metric[3]);
    Shown { namespace: text(0), metric: text(1), dimensions: vec![text(2)] }
}

#[test]
fn it_shows_only_metrics_that_are_written_and_every_one_of_ours() {
    let of_ours = Metric::ALL.into_iter().flat_map(|metric| {
        let sets = metric.dimensions().iter();
        sets.map(move |dimensions| (NAMESPACE, *dimensions, metric.name()))
    });
    let of_aws = OF_AWS.into_iter().flat_map(|(namespace, dimensions, metrics)| {
        metrics.iter().map(move |metric| (namespace, dimensions, *metric))
    });
    let written: BTreeSet<Shown> = of_ours
        .chain(of_aws)
        .map(|(namespace, dimensions, metric)| Shown {
            namespace: namespace.to_owned(),
            metric: metric.to_owned(),
            dimensions: dimensions.iter().map(|name| (*name).to_owned()).collect(),
        })
        .collect();
    let (document, body) = body("");
    assert_eq!(shown(&document, &body), written);
}

#[test]
fn it_shows_one_load_balancer_or_all_of_them() {
    let searches = |load_balancer: &str| -> Vec<String> {
        let (document, body) = body(load_balancer);
        shown(&document, &body);
        let text = body.to_string();
        text.match_indices("{AWS/ApplicationELB")
            .map(|(at, _)| text[at..].split("')").next().unwrap().to_owned())
            .collect()
    };
    let (all, one) = (searches(""), searches("app/web/0123456789abcdef"));
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|search| !search.contains("LoadBalancer=")), "{all:#?}");
    let filter = r#" LoadBalancer=\"app/web/0123456789abcdef\""#;
    assert!(one.iter().all(|search| search.contains(filter)), "{one:#?}");
}

#[test]
fn its_widgets_stand_side_by_side_in_one_region() {
    let (_, body) = body("");
    let mut taken = BTreeSet::new();
    for widget in widgets(&body) {
        assert_eq!(widget["type"], "metric");
        assert_eq!(widget["properties"]["region"], "us-east-1", "{widget}");
        assert!(widget["properties"]["title"].as_str().is_some_and(|title| !title.is_empty()), "{widget}");
        let at = |key: &str| widget[key].as_u64().unwrap();
        assert!(at("x") + at("width") <= 24, "a dashboard is 24 wide: {widget}");
        for x in at("x")..at("x") + at("width") {
            for y in at("y")..at("y") + at("height") {
                assert!(taken.insert((x, y)), "two widgets at {x}, {y}: {widget}");
            }
        }
    }
}
