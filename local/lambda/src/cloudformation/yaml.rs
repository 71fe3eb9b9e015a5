//! YAML to JSON: short tags (`!Ref X`) become the long form (`{"Ref": "X"}`), so that only one form
//! has to be resolved.

use serde_json::{Map, Value};
use serde_yaml_ng::Value as Yaml;

/// Reads YAML, of which JSON is a part.
pub fn parse(text: &str) -> Result<Value, String> {
    let yaml: Yaml = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    json(yaml)
}

fn json(yaml: Yaml) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => self::number(&number),
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (key, value) in members {
                object.insert(self::key(&key)?, json(value)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            long_form(tag.trim_start_matches('!'), json(tagged.value)?)
        }
    })
}

fn number(number: &serde_yaml_ng::Number) -> Value {
    if let Some(whole) = number.as_i64() {
        whole.into()
    } else if let Some(whole) = number.as_u64() {
        whole.into()
    } else {
        number.as_f64().map_or(Value::Null, Value::from)
    }
}

fn key(key: &Yaml) -> Result<String, String> {
    match key {
        Yaml::String(text) => Ok(text.clone()),
        Yaml::Bool(value) => Ok(value.to_string()),
        Yaml::Number(number) => Ok(number.to_string()),
        Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => {
            Err(format!("a key has to be a text, and {key:?} is none"))
        }
    }
}

/// `!Ref` and `!Condition` keep their names, all others are functions. `!GetAtt A.B` is the one
/// whose argument is written otherwise in the long form.
fn long_form(tag: &str, argument: Value) -> Value {
    let (name, argument) = match (tag, &argument) {
        ("Ref" | "Condition", _) => (tag.to_owned(), argument),
        ("GetAtt", Value::String(path)) => {
            let parts = path.splitn(2, '.').collect();
            ("Fn::GetAtt".to_owned(), parts)
        }
        _ => (format!("Fn::{tag}"), argument),
    };
    Value::Object(Map::from_iter([(name, argument)]))
}
