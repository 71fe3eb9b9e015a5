//! `docs/service.schema.json`, which editors read, says what the code takes; and `docs/configuration.md` says the same.

use std::collections::BTreeSet;

use domain::config::{Parsed, Service};
use serde_json::{Map, Value, json};

use crate::config::{least, name, with};

const SCHEMA: &str = include_str!("../../../../docs/service.schema.json");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn parse(config: &Value) -> Parsed {
    Service::parse(&name("mobile-web"), config)
}

fn problems(config: &Value) -> Vec<String> {
    parse(config).problems.iter().map(ToString::to_string).collect()
}

/// An object of the config: where it stands, the schema's keys of it, and a config in which it has these.
struct Object {
    path: &'static str,
    keys: Map<String, Value>,
    holding: fn(Value) -> Value,
}

fn objects() -> Vec<Object> {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap().as_object().unwrap().clone();
    let rule = || at("/$defs/rule/properties");
    vec![
        Object { path: "", keys: at("/properties"), holding: |keys| with(&keys) },
        Object {
            path: "health_check.",
            keys: at("/properties/health_check/properties"),
            // Its timeout has to be below the interval.
            holding: |keys| {
                let roomy = keys.get("timeout_seconds").is_some().then_some(("interval_seconds", 300));
                let short = keys.get("interval_seconds").is_some().then_some(("timeout_seconds", 2));
                with(&json!({"health_check": over(json!({}), keys, roomy.or(short))}))
            },
        },
        Object {
            path: "traffic.",
            keys: at("/properties/traffic/properties"),
            holding: |keys| with(&json!({"traffic": over(json!({"steps": [10]}), keys, None)})),
        },
        Object {
            path: "dns.",
            keys: at("/properties/dns/properties"),
            holding: |keys| with(&json!({"dns": over(json!({"zone_id": "Z01"}), keys, None)})),
        },
        Object {
            path: "product.",
            keys: rule(),
            holding: |keys| with(&json!({"product": over(least()["product"].clone(), keys, None)})),
        },
        Object {
            path: "pre_product.",
            keys: rule(),
            holding: |keys| with(&json!({"pre_product": over(least()["pre_product"].clone(), keys, None)})),
        },
        Object {
            path: "checks[0].",
            keys: at("/properties/checks/items/anyOf/1/properties"),
            holding: |keys| with(&json!({"checks": [over(json!({"url": "/version"}), keys, None)]})),
        },
    ]
}

fn over(mut base: Value, keys: Value, more: Option<(&str, u32)>) -> Value {
    for (key, value) in keys.as_object().unwrap() {
        base[key] = value.clone();
    }
    if let Some((key, number)) = more {
        base[key] = json!(number);
    }
    base
}

impl Object {
    /// The faults of a config in which this key has this value, those of this key alone.
    fn faults(&self, key: &str, value: &Value) -> Vec<String> {
        let start = format!("{}{key} ", self.path);
        let of_list = format!("{}{key}[", self.path);
        let all = problems(&(self.holding)(json!({ key: value })));
        // That a promotion takes too long is no fault of one key.
        let own = |problem: &String| problem.starts_with(&start) || problem.starts_with(&of_list);
        all.into_iter().filter(own).filter(|problem| !problem.contains("longer than a CodePipeline job")).collect()
    }
}

#[test]
fn it_has_the_keys_that_the_code_knows() {
    for object in objects() {
        let all = problems(&(object.holding)(json!({"colour": "red"}))).join("\n");
        let known = all.split("colour is not known; the keys here are ").nth(1).unwrap().lines().next().unwrap();
        let known: BTreeSet<&str> = known.split(", ").collect();
        let said: BTreeSet<&str> = object.keys.keys().map(String::as_str).collect();
        assert_eq!(said, known, "{}", object.path);
    }
}

#[test]
fn its_numbers_have_the_limits_of_the_code() {
    for object in objects() {
        for (key, schema) in object.keys.iter().filter(|(_, schema)| schema["type"] == "integer") {
            let (least, most) = (schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64().unwrap());
            for good in [least, most] {
                assert_eq!(object.faults(key, &json!(good)), Vec::<String>::new(), "{}{key} {good}", object.path);
            }
            for bad in [least - 1, most + 1] {
                assert_eq!(object.faults(key, &json!(bad)).len(), 1, "{}{key} {bad}", object.path);
            }
        }
    }
}

#[test]
fn its_choices_are_those_of_the_code() {
    for object in objects() {
        for (key, schema) in &object.keys {
            let Some(choices) = schema["enum"].as_array() else { continue };
            let words: Vec<&str> = choices.iter().map(|choice| choice.as_str().unwrap()).collect();
            for choice in choices {
                assert_eq!(object.faults(key, choice), Vec::<String>::new(), "{}{key}", object.path);
            }
            let fault = object.faults(key, &json!("zebra")).join("\n");
            let listed: BTreeSet<&str> = fault.split("it is one of ").nth(1).unwrap().split(", ").collect();
            assert_eq!(words.into_iter().collect::<BTreeSet<_>>(), listed, "{}{key}", object.path);
        }
    }
}

#[test]
fn its_defaults_are_what_a_service_has_that_does_not_say_them() {
    for object in objects() {
        let without = parse(&(object.holding)(json!({})));
        for (key, schema) in &object.keys {
            let Some(default) = schema.get("default") else { continue };
            if key == "steps" {
                // Its config here has steps, for the keys that are about them.
                continue;
            }
            let with = parse(&(object.holding)(json!({ key: default })));
            let same = |parsed: &Parsed| parsed.service.clone().map(|service| (service, parsed.problems.clone()));
            if ["interval_seconds", "timeout_seconds"].contains(&key.as_str()) {
                let said = parse(&crate::config::with(&json!({"health_check": { key: default }})));
                assert_eq!(same(&said), same(&parse(&least())), "{key}");
                continue;
            }
            assert_eq!(same(&with), same(&without), "{}{key}", object.path);
        }
    }
}

#[test]
fn its_examples_are_good_and_what_it_requires_is() {
    let schema = schema();
    for (key, schema) in schema["properties"].as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            assert_eq!(problems(&with(&json!({ key: example }))), Vec::<String>::new(), "{key}");
        }
    }
    let required: BTreeSet<&str> =
        schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(required, least().as_object().unwrap().keys().map(String::as_str).collect());
    for key in required {
        let mut config = least();
        config.as_object_mut().unwrap().remove(key);
        assert!(problems(&config).iter().any(|problem| problem.starts_with(&format!("{key} is missing"))), "{key}");
    }
}

/// The page's tables, as the schema has them.
fn tables() -> String {
    let schema = schema();
    let required: Vec<&str> = schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    let mut text = String::new();
    let all = schema["properties"].as_object().unwrap();
    let (must, may): (Vec<_>, Vec<_>) = all.iter().partition(|(key, _)| required.contains(&key.as_str()));
    text.push_str(
        "\n### What a service has to say\n\n| key | what it is | takes | example |\n| --- | --- | --- | --- |\n",
    );
    for (key, schema) in must {
        text.push_str(&format!("| `{key}` | {} | {} | {} |\n", what(schema), takes(schema), example(schema)));
    }
    text.push_str(
        "\n### What it may say\n\n| key | what it is | takes | default | example |\n| --- | --- | --- | --- | --- |\n",
    );
    for (key, schema) in may {
        let default = default(schema);
        text.push_str(&format!(
            "| `{key}` | {} | {} | {default} | {} |\n",
            what(schema),
            takes(schema),
            example(schema)
        ));
    }
    for (title, object) in [
        ("`health_check`", &all["health_check"]["properties"]),
        ("`product` and `pre_product`", &schema["$defs"]["rule"]["properties"]),
        ("`traffic`", &all["traffic"]["properties"]),
        ("`dns`", &all["dns"]["properties"]),
        ("A request of `checks`", &all["checks"]["items"]["anyOf"][1]["properties"]),
    ] {
        text.push_str(&format!("\n### {title}\n\n| key | what it is | takes | default |\n| --- | --- | --- | --- |\n"));
        for (key, schema) in object.as_object().unwrap() {
            text.push_str(&format!("| `{key}` | {} | {} | {} |\n", what(schema), takes(schema), default(schema)));
        }
    }
    text
}

fn what(schema: &Value) -> String {
    schema["description"].as_str().unwrap().to_owned()
}

fn takes(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        let words: Vec<String> = choices.iter().map(|choice| format!("`{}`", choice.as_str().unwrap())).collect();
        return words.join(", ");
    }
    match schema["type"].as_str() {
        Some("integer") => format!("{} to {}", schema["minimum"], schema["maximum"]),
        Some("array") if schema["items"]["type"] == "integer" => {
            format!("a list of {} to {}", schema["items"]["minimum"], schema["items"]["maximum"])
        }
        Some("array") => "a list".to_owned(),
        Some("string") => "a text".to_owned(),
        _ => "an object".to_owned(),
    }
}

fn default(schema: &Value) -> String {
    schema.get("default").map_or_else(String::new, |default| format!("`{default}`"))
}

fn example(schema: &Value) -> String {
    schema["examples"].get(0).map_or_else(String::new, |example| format!("`{example}`"))
}

#[test]
fn the_page_on_configuration_says_what_it_says() {
    const BEGINS: &str = "<!-- made from service.schema.json: UPDATE_DOCS=1 cargo test -p domain schema -->\n";
    const ENDS: &str = "<!-- end -->\n";
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGINS).unwrap();
    let (tables_there, after) = rest.split_once(ENDS).unwrap();
    let wanted = format!("{}\n", tables());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGINS}{wanted}{ENDS}{after}")).unwrap();
    } else {
        assert!(
            tables_there == wanted,
            "docs/configuration.md is not made from the schema: UPDATE_DOCS=1 cargo test -p domain schema"
        );
    }
}
