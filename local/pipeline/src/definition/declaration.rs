//! The declaration of a pipeline as `GetPipeline` answers it: the template's properties under the API's names.

use serde_json::{Map, Value};

use super::ExecutionMode;
use super::stages::RUN_ORDER_DEFAULT;

/// The structure version. It never changes here: a pipeline is read once.
pub(crate) const VERSION: u64 = 1;

/// Properties of the resource that are no part of the declaration.
const NOT_DECLARED: [&str; 4] = ["Tags", "RestartExecutionOnUpdate", "DisableInboundStageTransitions", "ExecutionMode"];

pub(super) fn of(name: &str, properties: &Value, mode: ExecutionMode) -> Value {
    let mut declaration = Map::new();
    declaration.insert("name".to_owned(), name.into());
    for (key, value) in properties.as_object().into_iter().flatten() {
        if key != "Name" && !NOT_DECLARED.contains(&key.as_str()) {
            declaration.insert(lower_first(key), camel_case(key, value));
        }
    }
    declaration.entry("pipelineType").or_insert_with(|| "V1".into());
    declaration.insert("executionMode".to_owned(), mode.name().into());
    declaration.insert("version".to_owned(), VERSION.into());
    Value::Object(declaration)
}

/// CloudFormation writes `RunOrder` where the API writes `runOrder`. An action's configuration has keys of its own.
fn camel_case(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) if key == "Configuration" => {
            members.iter().map(|(key, value)| (key.clone(), text(value))).collect()
        }
        Value::Object(members) => {
            let mut named: Map<String, Value> =
                members.iter().map(|(key, value)| (lower_first(key), camel_case(key, value))).collect();
            if named.contains_key("actionTypeId") {
                named.entry("runOrder").or_insert_with(|| RUN_ORDER_DEFAULT.into());
            }
            Value::Object(named)
        }
        Value::Array(items) => items.iter().map(|item| camel_case("", item)).collect(),
        Value::String(written) if key == "RunOrder" || key == "TimeoutInMinutes" => {
            written.parse::<u64>().map_or_else(|_| value.clone(), Value::from)
        }
        Value::Number(_) if key == "Version" => text(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn text(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.to_string().into(),
        Value::Bool(value) => value.to_string().into(),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}

fn lower_first(key: &str) -> String {
    let mut characters = key.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
