//! `docs/service.schema.json`, which editors read, says what the code takes; and `docs/configuration.md` says the same.

use std::collections::BTreeSet;

use domain::config::{Parsed, Service};
use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
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
        let of_tag = format!("{}{key}.", self.path);
        let all = problems(&(self.holding)(json!({ key: value })));
        // That a promotion takes too long is no fault of one key.
        let own = |problem: &String| [&start, &of_list, &of_tag].into_iter().any(|start| problem.starts_with(start));
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

/// A text of the config: where it stands, the schema of it, and one that is good.
struct Text<'o> {
    object: &'o Object,
    key: &'o str,
    schema: &'o Value,
    good: &'o str,
    /// The key's value that has it in it.
    within: fn(&str) -> Value,
}

impl Text<'_> {
    fn faults(&self, text: &str) -> Vec<String> {
        self.object.faults(self.key, &(self.within)(text))
    }

    fn name(&self) -> String {
        format!("{}{}", self.object.path, self.key)
    }
}

/// All of them: values, the items of lists, and the values of tags.
fn texts(objects: &[Object]) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    for (object, (key, schema)) in objects.iter().flat_map(|object| object.keys.iter().map(move |key| (object, key))) {
        // The last, for a parameter's name has no such limits as what it stands for.
        let example = schema["examples"].as_array().and_then(|examples| examples.last()).unwrap_or(&Value::Null);
        let (schema, good, within): (_, _, fn(&str) -> Value) = match schema["type"].as_str() {
            Some("string") => (schema, example, |text| json!(text)),
            Some("array") if key == "checks" => (&schema["items"]["anyOf"][0], &example[0], |text| json!([text])),
            Some("array") if schema["items"]["type"] == "string" => {
                (&schema["items"], &example[0], |text| json!([text]))
            }
            Some("object") if key == "tags" => {
                (&schema["additionalProperties"], &example["team"], |text| json!({ "team": text }))
            }
            _ => continue,
        };
        let good = good.as_str().unwrap_or_else(|| panic!("{key} has no example"));
        texts.push(Text { object, key, schema, good, within });
    }
    texts
}

#[test]
fn what_its_patterns_let_through_the_code_takes() {
    let objects = objects();
    let mut runner = TestRunner::deterministic();
    let mut count = 0;
    for text in texts(&objects) {
        let Some(pattern) = text.schema["pattern"].as_str() else { continue };
        // What no pattern says: that an address is one, and that a range rises.
        if ["source_ips", "matcher"].iter().any(|key| text.key.ends_with(key)) {
            continue;
        }
        count += 1;
        let begun = pattern.strip_prefix('^').map_or_else(|| format!(".*{pattern}"), ToOwned::to_owned);
        let whole = begun.strip_suffix('$').map_or_else(|| format!("{begun}.*"), ToOwned::to_owned);
        let any = string_regex(&whole).unwrap();
        let most = text.schema["maxLength"].as_u64().unwrap_or(u64::MAX);
        for _ in 0..200 {
            let value = any.new_tree(&mut runner).unwrap().current();
            if u64::try_from(value.len()).unwrap() <= most {
                assert_eq!(text.faults(&value), Vec::<String>::new(), "{} {value:?}", text.name());
            }
        }
    }
    assert!(count > 20, "only {count} patterns were tried");
}

/// Texts that the code refuses, by what the page says of them; for a new one there has to be a line here.
fn bad(schema: &Value) -> &'static [&'static str] {
    match schema["patternErrorMessage"].as_str() {
        None => &[""],
        Some("not empty") => &["", "  "],
        Some("`subnet-`, then letters, digits and hyphens") => &["net-1", "subnet-", "subnet-0_a", " subnet-0a"],
        Some("`sg-`, then letters, digits and hyphens") => &["01", "sg-", "sg-0 1"],
        Some("`eipalloc-`, then letters, digits and hyphens") => &["1.2.3.4", "eipalloc-", "eipalloc-0/1"],
        Some("`ami-`, then letters, digits and hyphens; or `resolve:ssm:` and a parameter's name") => {
            &["0123", "ami-", "ami-0 1", "resolve:ssm:"]
        }
        Some("the ARN of such a listener") => &["arn:aws:elasticloadbalancing:eu:1:listener/net/web/1/2", "web"],
        Some("begins with `/`") => &["health", "http://m.example.com/"],
        Some("codes from 200 to 499, and ranges, with commas between") => {
            &["199", "500", "200-", "200,", "2xx", "200 201"]
        }
        Some("a full name") => &["mobile", "mobile..corp", "mobile corp.internal", ".corp"],
        Some("a function's name or ARN, with an alias after a colon or not") => {
            &["", "two words", "arn:aws:sns:eu:1:smoke", "smoke:", "a:b:c"]
        }
        Some("begins with `/`; no spaces, no `#`") => &["version", "/a b", "/a#b", "/ä"],
        Some("begins with `arn:`; no spaces") => &["topic", "arn:a b"],
        Some("letters, digits, spaces and `+ - = . _ : / @`") => &["a,b", "a\nb", "(a)"],
        Some("a host name; `*` and `?` are wildcards") => &["", "m example.com", "m.example.com/"],
        Some("a path; `*` and `?` are wildcards") => &["", "health", "/a b"],
        Some("CIDR") => &["10.0.0.0", "10.0.0.0/33", "m.example.com"],
        Some(other) => panic!("the test has no bad text for: {other}"),
    }
}

#[test]
fn its_texts_have_the_limits_of_the_code() {
    let objects = objects();
    for text in texts(&objects) {
        assert_eq!(text.faults(text.good), Vec::<String>::new(), "{}", text.name());
        for bad in bad(text.schema) {
            assert_eq!(text.faults(bad).len(), 1, "{} {bad:?}", text.name());
        }
        let Some(most) = text.schema["maxLength"].as_u64() else { continue };
        let most = usize::try_from(most).unwrap();
        // The labels of a name have a limit of their own.
        let is_name = text.schema["patternErrorMessage"] == "a full name";
        let long = |length: usize| {
            let more = length - text.good.len();
            let (letters, labels) = if is_name { (more % 2, more / 2) } else { (more, 0) };
            format!("{}{}{}", text.good, "a".repeat(letters), ".a".repeat(labels))
        };
        assert_eq!((long(most).len(), long(most + 1).len()), (most, most + 1));
        assert_eq!(text.faults(&long(most)), Vec::<String>::new(), "{} {most}", text.name());
        assert_eq!(text.faults(&long(most + 1)).len(), 1, "{} {}", text.name(), most + 1);
    }
}

#[test]
fn its_lists_have_the_limits_of_the_code() {
    let mut count = 0;
    for object in objects() {
        for (key, schema) in object.keys.iter().filter(|(_, schema)| schema["type"] == "array") {
            count += 1;
            let least = usize::from(schema["minItems"] == 1);
            assert_eq!(object.faults(key, &json!([])).len(), least, "{}{key} empty", object.path);
            let item = &schema["examples"][0][0];
            assert_eq!(schema["uniqueItems"], true, "{key}");
            assert_eq!(object.faults(key, &json!([item, item])).len(), 1, "{}{key} twice", object.path);
            let Some(most) = schema["maxItems"].as_u64() else { continue };
            let of = |length: u64| (0..length).map(|n| format!("check-{n}")).collect::<Vec<_>>();
            assert_eq!(object.faults(key, &json!(of(most))), Vec::<String>::new(), "{}{key} {most}", object.path);
            assert_eq!(object.faults(key, &json!(of(most + 1))).len(), 1, "{}{key} {}", object.path, most + 1);
        }
    }
    assert!(count >= 11, "only {count} lists were tried");
}

#[test]
fn its_tags_have_the_limits_of_the_code() {
    let objects = objects();
    let schema = &objects[0].keys["tags"];
    let faults = |tags: Map<String, Value>| objects[0].faults("tags", &Value::Object(tags)).len();
    let many = |count: u64| (0..count).map(|n| (format!("tag-{n}"), json!("x"))).collect::<Map<_, _>>();
    let most = schema["maxProperties"].as_u64().unwrap();
    assert_eq!((faults(many(most)), faults(many(most + 1))), (0, 1));
    let named = |key: String| [(key, json!("x"))].into_iter().collect::<Map<_, _>>();
    let most = usize::try_from(schema["propertyNames"]["maxLength"].as_u64().unwrap()).unwrap();
    assert_eq!((faults(named("k".repeat(most))), faults(named("k".repeat(most + 1)))), (0, 1));
    for reserved in ["aws:team", "pointsman:role", "Name", ""] {
        assert_eq!(faults(named(reserved.to_owned())), 1, "{reserved}");
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
fn each_key_has_an_example_and_it_is_good() {
    for object in objects() {
        for (key, schema) in &object.keys {
            let examples =
                schema["examples"].as_array().unwrap_or_else(|| panic!("{}{key} has no example", object.path));
            for example in examples {
                assert_eq!(object.faults(key, example), Vec::<String>::new(), "{}{key} {example}", object.path);
                // At the top nothing else of the config is at fault for it either.
                if object.path.is_empty() {
                    assert_eq!(problems(&with(&json!({ key: example }))), Vec::<String>::new(), "{key}");
                }
            }
        }
    }
}

#[test]
fn what_it_requires_has_to_be_there() {
    let schema = schema();
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
    let all = schema["properties"].as_object().unwrap();
    let (must, may): (Map<_, _>, Map<_, _>) =
        all.clone().into_iter().partition(|(key, _)| required.contains(&key.as_str()));
    let of = |value: &Value| value.as_object().unwrap().clone();
    let objects = [
        ("What a service has to say", must),
        ("What it may say", may),
        ("`health_check`", of(&all["health_check"]["properties"])),
        ("`product` and `pre_product`", of(&schema["$defs"]["rule"]["properties"])),
        ("`traffic`", of(&all["traffic"]["properties"])),
        ("`dns`", of(&all["dns"]["properties"])),
        ("A request of `checks`", of(&all["checks"]["items"]["anyOf"][1]["properties"])),
    ];
    let mut text = String::new();
    for (title, keys) in objects {
        text.push_str(&format!("\n### {title}\n\n| key | what it is | type | limits | default | example |\n"));
        text.push_str("| --- | --- | --- | --- | --- | --- |\n");
        for (key, schema) in keys {
            let code = |value: Option<&Value>| value.map_or_else(String::new, |value| format!("`{value}`"));
            let cells = [
                format!("`{key}`"),
                schema["description"].as_str().unwrap().to_owned(),
                kind(&schema),
                limits(&schema),
                code(schema.get("default")),
                code(schema["examples"].get(0)),
            ];
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    text
}

fn kind(schema: &Value) -> String {
    let kind = match schema["type"].as_str() {
        Some("integer") => "number",
        Some("array") if schema["items"]["type"] == "integer" => "list of numbers",
        Some("array") if schema["items"]["type"] == "string" => "list of texts",
        Some("array") => "list",
        Some("object") if schema["additionalProperties"]["type"] == "string" => "object of texts",
        Some("object") => "object",
        None if schema.get("$ref").is_some() => "object",
        _ => "text",
    };
    kind.to_owned()
}

/// What a value may be, as far as the schema says it.
fn limits(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        let words: Vec<String> = choices.iter().map(|choice| format!("`{}`", choice.as_str().unwrap())).collect();
        return words.join(", ");
    }
    let mut all = Vec::new();
    if schema["type"] == "integer" {
        all.push(format!("{} to {}", schema["minimum"], schema["maximum"]));
    }
    all.extend(schema["patternErrorMessage"].as_str().map(ToOwned::to_owned));
    all.extend(schema.get("minLength").map(|_| "not empty".to_owned()));
    all.extend(schema.get("maxLength").map(|most| format!("at most {most} characters")));
    for each in [schema.get("items"), schema.get("additionalProperties")].into_iter().flatten() {
        let each = each.get("anyOf").map_or_else(|| limits(each), |any| format!("{}; or a request", limits(&any[0])));
        all.extend(Some(each).filter(|each| !each.is_empty()).map(|each| format!("each: {each}")));
    }
    all.extend(schema.get("minItems").map(|least| format!("at least {least}")));
    all.extend(schema.get("maxItems").or(schema.get("maxProperties")).map(|most| format!("at most {most}")));
    if kind(schema) == "object" {
        all.push("below".to_owned());
    }
    all.extend(schema.get("uniqueItems").map(|_| "none twice".to_owned()));
    all.join("; ")
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
