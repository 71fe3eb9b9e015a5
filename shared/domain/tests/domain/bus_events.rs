//! `docs/events.schema.json` says of our events what the code puts on the bus.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{ReleaseId, ServiceName};
use domain::notice::{Level, Notice, Status};
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../../docs/events.schema.json");
const PAGE: &str = include_str!("../../../../docs/notifications.md");
const ALL: [Status; 4] = [Status::Done, Status::Refused, Status::Failed, Status::Attention];

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn least() -> Notice {
    Notice::new(ServiceName::new("mobile-web").unwrap(), "promote", Status::Done, "it is so")
}

fn most() -> Notice {
    Notice {
        release: Some(ReleaseId::new("7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11").unwrap()),
        asked_by: "the pipeline mobile-web".into(),
        pipeline: Some("mobile-web".into()),
        lines: vec!["More of it.".into()],
        look: vec![("Product".into(), "m.example.com".into())],
        next: vec!["Do something.".into()],
        outputs: BTreeMap::from([("Release", "r2".to_owned())]),
        ..least()
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Whether a value is of a schema's type, as far as ours go.
fn fits(value: &Value, schema: &Value) -> bool {
    if let Some(one) = schema.get("const") {
        return value == one;
    }
    if let Some(allowed) = schema.get("enum") {
        return allowed.as_array().unwrap().contains(value);
    }
    match schema["type"].as_str().unwrap() {
        "string" => value.is_string(),
        "array" => value.as_array().is_some_and(|items| items.iter().all(|item| fits(item, &schema["items"]))),
        "object" => value.as_object().is_some_and(|members| {
            let of = |key: &str| schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
            let required = schema.get("required").map(texts).unwrap_or_default();
            members.iter().all(|(key, member)| of(key).is_some_and(|schema| fits(member, schema)))
                && required.iter().all(|key| members.contains_key(key))
        }),
        other => panic!("this test knows no {other}"),
    }
}

#[test]
fn an_event_has_what_the_schema_says() {
    let schema = schema();
    let (least, most) = (least().detail("eu-central-1"), most().detail("eu-central-1"));
    assert!(fits(&least, &schema), "{least:#}");
    assert!(fits(&most, &schema), "{most:#}");
    assert_eq!(keys(&least), texts(&schema["required"]), "required is what is always there");
    assert_eq!(keys(&most), keys(&schema["properties"]), "the schema has what may be there");
}

#[test]
fn the_schema_knows_each_status_and_level() {
    let schema = schema();
    let statuses = ALL.map(|status| status.as_str().to_owned());
    assert_eq!(texts(&schema["properties"]["status"]["enum"]), BTreeSet::from(statuses));
    let levels = [Level::Quiet, Level::Normal, Level::Loud].map(|level| level.as_str().to_owned());
    assert_eq!(texts(&schema["properties"]["level"]["enum"]), BTreeSet::from(levels));
}

#[test]
fn the_page_names_each_detail_type() {
    for event in [
        "provision",
        "register",
        "promote",
        "finish",
        "rollback",
        "spared",
        "freeze",
        "remove",
        "rejected",
        "unhealthy",
        "teardown",
    ] {
        for status in ALL {
            let detail_type = Notice { status, event: event.into(), ..least() }.detail_type();
            assert!(PAGE.contains(&format!("| `{detail_type}` |")), "{detail_type}");
        }
    }
}
