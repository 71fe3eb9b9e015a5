//! The project's SAM template: which functions there are, what they get, and what calls them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::cloudformation::{Document, Names, TemplateError};

mod derived;
mod rules;

pub use rules::{Input, Rule, Target, Trigger};

/// What Lambda gives a function whose template does not say otherwise.
const TIMEOUT_SECONDS: u64 = 3;
const MEMORY_MB: u64 = 128;
/// Lambda calls an asynchronous event up to two times more, for at most six hours.
const RETRY_ATTEMPTS: u64 = 2;
const EVENT_AGE_MAX_SECONDS: u64 = 21_600;

/// One function, as the template describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    pub logical_id: String,
    /// `FunctionName`, or the logical id where there is none.
    pub name: String,
    pub arn: String,
    pub handler: String,
    pub timeout: Duration,
    pub memory_mb: u64,
    /// The variables of the template, without those that Lambda adds.
    pub environment: BTreeMap<String, String>,
    pub log_group: String,
    /// How often an asynchronous event is tried again after an error of the function.
    pub retry_attempts: u64,
    /// How long an asynchronous event is tried.
    pub event_age_max: Duration,
    /// The queue or topic that gets the events that were given up.
    pub dead_letter_arn: Option<String>,
    /// The destination that gets a record of each event that was given up.
    pub on_failure_arn: Option<String>,
    /// At most so many invocations at a time.
    pub reserved_concurrency: Option<usize>,
}

impl FunctionSpec {
    /// The last part of the name (`promote` of `pointsman-promote`): the folder of its binary, and in
    /// capitals the access key that its calls are told apart by.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.rsplit('-').next().unwrap_or(&self.name)
    }
}

/// The functions of a template and the rules that call them.
#[derive(Clone, Debug)]
pub struct Template {
    pub functions: Vec<FunctionSpec>,
    pub rules: Vec<Rule>,
}

impl Template {
    /// Reads a template from a file. Names of functions, and of resources whose template names them, need
    /// not be given: what `Ref` and `Fn::GetAtt` give for those is known from their properties.
    pub fn read(path: &Path, names: &Names) -> Result<Self, TemplateError> {
        Self::of(Document::read(path, names)?)
    }

    /// Reads a template from its text; `file` is only for the messages.
    pub fn parse(file: &str, text: &str, names: &Names) -> Result<Self, TemplateError> {
        Self::of(Document::parse(file, text, names)?)
    }

    fn of(mut document: Document) -> Result<Self, TemplateError> {
        derived::names(&mut document)?;
        let ids = document.resources_of_type("AWS::Serverless::Function")?;
        let mut functions = Vec::new();
        for id in ids {
            functions.push(function(&document, &id)?);
        }
        let rules = rules::of(&document, &functions)?;
        Ok(Self { functions, rules })
    }

    /// The function of this name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionSpec> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The rule of this name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

/// Reads one property at a time: a role or a policy may name what nobody here knows.
struct Properties<'a> {
    document: &'a Document,
    at: String,
    members: Map<String, Value>,
}

impl Properties<'_> {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        match self.members.get(name) {
            Some(value) => self.document.resolve_optional(&self.place(name), value),
            None => Ok(None),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, TemplateError> {
        match self.get(name)? {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a text", &other)),
            None => Ok(None),
        }
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, TemplateError> {
        match self.get(name)? {
            Some(value) => whole(&value).ok_or_else(|| self.wrong(name, "a whole number", &value)),
            None => Ok(default),
        }
    }

    fn place(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }

    fn wrong(&self, name: &str, wanted: &str, found: &Value) -> TemplateError {
        self.document.wrong(&self.place(name), format!("this has to be {wanted}, and is {found}"))
    }
}

fn function(document: &Document, id: &str) -> Result<FunctionSpec, TemplateError> {
    let properties = merged_properties(document, id);
    let name = properties.text("FunctionName")?.unwrap_or_else(|| id.to_owned());
    let invoke = properties.get("EventInvokeConfig")?.unwrap_or_default();
    let invoke_number = |key: &str, default: u64| match invoke.get(key) {
        Some(value) => {
            whole(value).ok_or_else(|| properties.wrong(&format!("EventInvokeConfig.{key}"), "a whole number", value))
        }
        None => Ok(default),
    };
    let reserved = properties.get("ReservedConcurrentExecutions")?;
    let logging = properties.get("LoggingConfig")?.unwrap_or_default();
    let log_group = text_at(&logging, &["LogGroup"]);
    let dead_letters = properties.get("DeadLetterQueue")?.unwrap_or_default();
    Ok(FunctionSpec {
        logical_id: id.to_owned(),
        arn: derived::function_arn(document.names(), &name),
        handler: properties.text("Handler")?.unwrap_or_else(|| "bootstrap".to_owned()),
        timeout: Duration::from_secs(properties.number("Timeout", TIMEOUT_SECONDS)?),
        memory_mb: properties.number("MemorySize", MEMORY_MB)?,
        environment: environment(&properties)?,
        log_group: log_group.unwrap_or_else(|| format!("/aws/lambda/{name}")),
        retry_attempts: invoke_number("MaximumRetryAttempts", RETRY_ATTEMPTS)?,
        event_age_max: Duration::from_secs(invoke_number("MaximumEventAgeInSeconds", EVENT_AGE_MAX_SECONDS)?),
        dead_letter_arn: text_at(&dead_letters, &["TargetArn"]),
        on_failure_arn: text_at(&invoke, &["DestinationConfig", "OnFailure", "Destination"]),
        reserved_concurrency: reserved.as_ref().and_then(whole).and_then(|n| n.try_into().ok()),
        name,
    })
}

/// The properties of a function over `Globals.Function`, merged as SAM does: maps key by key, lists one
/// after the other, anything else is replaced.
fn merged_properties<'a>(document: &'a Document, id: &str) -> Properties<'a> {
    let globals = document.section("Globals").find(|(key, _)| *key == "Function");
    let mut merged = globals.map_or(Value::Object(Map::new()), |(_, globals)| globals.clone());
    if let Some(own) = document.raw_properties(id) {
        merge(&mut merged, own);
    }
    Properties {
        document,
        at: format!("Resources.{id}.Properties"),
        members: merged.as_object().cloned().unwrap_or_default(),
    }
}

fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            // A call of an intrinsic function is one value, and not a map to be merged into another.
            let is_call = |map: &Map<String, Value>| {
                map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
            };
            if is_call(base) || is_call(over) {
                *base = over.clone();
                return;
            }
            for (key, value) in over {
                match base.get_mut(key) {
                    Some(below) => merge(below, value),
                    None => {
                        base.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(over)) => base.extend(over.iter().cloned()),
        (base, over) => *base = over.clone(),
    }
}

fn environment(properties: &Properties) -> Result<BTreeMap<String, String>, TemplateError> {
    let variables = properties.get("Environment")?.unwrap_or_default();
    let mut environment = BTreeMap::new();
    let variables = variables.get("Variables").and_then(Value::as_object);
    for (name, value) in variables.into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                let place = format!("Environment.Variables.{name}");
                return Err(properties.wrong(&place, "a text, a number or a boolean", value));
            }
        };
        environment.insert(name.clone(), text);
    }
    Ok(environment)
}

fn text_at(value: &Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(value, |value, key| value.get(key))?;
    found.as_str().map(str::to_owned)
}

/// A whole number, which CloudFormation takes as a text too.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod alarms;
#[cfg(test)]
mod dashboard;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod tests;
