//! What calls the functions: event patterns and schedules, of the functions' `Events` and as
//! resources of their own.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{FunctionSpec, text_at};
use crate::cloudformation::{Document, TemplateError};
use crate::pattern::Pattern;

/// A rule of EventBridge, or a schedule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name; as SAM makes it of the function's and the event's logical ids where it has none.
    pub name: String,
    pub arn: String,
    pub enabled: bool,
    pub trigger: Trigger,
    pub targets: Vec<Target>,
    /// The topics that it publishes to, and what.
    pub topics: Vec<(String, Input)>,
}

/// What makes a rule call its targets.
#[derive(Clone, Debug)]
pub enum Trigger {
    Pattern(Pattern),
    /// A scheduled rule. `every` is there for `rate(…)`; a `cron(…)` is called by hand here.
    Schedule {
        expression: String,
        every: Option<Duration>,
    },
    /// A schedule of EventBridge Scheduler, whose event looks otherwise.
    Scheduler {
        expression: String,
        every: Option<Duration>,
    },
}

/// A function that a rule calls, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub function: String,
    pub input: Input,
}

/// What a target gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The event as it is.
    Event,
    /// The part of the event at a path (`$.detail`).
    Path(String),
    /// A constant, as JSON text.
    Constant(String),
    /// A template, filled in from parts of the event.
    Template { paths: Vec<(String, String)>, template: String },
}

pub(super) fn of(document: &Document, functions: &[FunctionSpec]) -> Result<Vec<Rule>, TemplateError> {
    let mut rules = Vec::new();
    for function in functions {
        let events = document
            .raw_properties(&function.logical_id)
            .and_then(|properties| properties.get("Events"))
            .and_then(Value::as_object);
        for (event, written) in events.into_iter().flatten() {
            let at = format!("Resources.{}.Properties.Events.{event}", function.logical_id);
            let written = document.resolve(&at, written)?;
            let name = format!("{}{event}", function.logical_id);
            rules.extend(event_of_function(document, &at, name, function, &written)?);
        }
    }
    for id in document.resources_of_type("AWS::Events::Rule")? {
        rules.push(rule_resource(document, &id, functions)?);
    }
    Ok(rules)
}

fn event_of_function(
    document: &Document,
    at: &str,
    name: String,
    function: &FunctionSpec,
    written: &Value,
) -> Result<Option<Rule>, TemplateError> {
    let none = Value::Object(Map::new());
    let properties = written.get("Properties").unwrap_or(&none);
    let expression = || match text_at(properties, &["Schedule"]).or(text_at(properties, &["ScheduleExpression"])) {
        Some(expression) => Ok((every(document, at, &expression)?, expression)),
        None => Err(document.wrong(at, "a schedule needs an expression, such as rate(10 minutes)")),
    };
    let (trigger, kind) = match text_at(written, &["Type"]).as_deref() {
        Some("EventBridgeRule" | "CloudWatchEvent") => {
            (Trigger::Pattern(pattern(document, at, properties.get("Pattern"))?), "rule")
        }
        Some("Schedule") => {
            let (every, expression) = expression()?;
            (Trigger::Schedule { expression, every }, "rule")
        }
        Some("ScheduleV2") => {
            let (every, expression) = expression()?;
            (Trigger::Scheduler { expression, every }, "schedule/default")
        }
        // Other kinds of callers (an API, a queue) have nothing to do with the bus.
        Some(_) | None => return Ok(None),
    };
    let name = ["RuleName", "Name"].iter().find_map(|key| text_at(properties, &[key])).unwrap_or(name);
    Ok(Some(Rule {
        arn: arn(document, kind, &name),
        name,
        enabled: enabled(properties),
        trigger,
        targets: vec![Target { function: function.name.clone(), input: input(document, at, properties)? }],
        topics: Vec::new(),
    }))
}

fn rule_resource(document: &Document, id: &str, functions: &[FunctionSpec]) -> Result<Rule, TemplateError> {
    let at = format!("Resources.{id}.Properties");
    let name = text_of(document, id, "Name")?.unwrap_or_else(|| id.to_owned());
    let trigger = match text_of(document, id, "ScheduleExpression")? {
        Some(expression) => Trigger::Schedule { every: every(document, &at, &expression)?, expression },
        None => Trigger::Pattern(pattern(document, &at, document.property(id, "EventPattern")?.as_ref())?),
    };
    let state = document.property(id, "State")?;
    let targets = document.property(id, "Targets")?.unwrap_or_default();
    let (mut ours, mut topics) = (Vec::new(), Vec::new());
    for target in targets.as_array().into_iter().flatten() {
        let arn = text_at(target, &["Arn"]).unwrap_or_default();
        // A rule may have other targets (a queue, a log group); they are not called here.
        if let Some(function) = functions.iter().find(|function| function.arn == arn) {
            ours.push(Target { function: function.name.clone(), input: input(document, &at, target)? });
        } else if arn.starts_with("arn:aws:sns:") {
            topics.push((arn, input(document, &at, target)?));
        }
    }
    Ok(Rule {
        arn: arn(document, "rule", &name),
        name,
        enabled: state.as_ref().and_then(Value::as_str) != Some("DISABLED"),
        trigger,
        targets: ours,
        topics,
    })
}

fn text_of(document: &Document, id: &str, property: &str) -> Result<Option<String>, TemplateError> {
    let value = document.property(id, property)?;
    Ok(value.as_ref().and_then(Value::as_str).map(str::to_owned))
}

fn arn(document: &Document, kind: &str, name: &str) -> String {
    let names = document.names();
    let service = if kind == "rule" { "events" } else { "scheduler" };
    format!("arn:aws:{service}:{}:{}:{kind}/{name}", names.region(), names.account())
}

fn enabled(properties: &Value) -> bool {
    text_at(properties, &["State"]).as_deref() != Some("DISABLED")
        && properties.get("Enabled").and_then(Value::as_bool) != Some(false)
}

fn pattern(document: &Document, at: &str, written: Option<&Value>) -> Result<Pattern, TemplateError> {
    let written = written.ok_or_else(|| document.wrong(at, "a rule needs a pattern or a schedule"))?;
    Pattern::parse(written).map_err(|error| document.wrong(at, error.to_string()))
}

fn input(document: &Document, at: &str, target: &Value) -> Result<Input, TemplateError> {
    if let Some(constant) = text_at(target, &["Input"]) {
        return Ok(Input::Constant(constant));
    }
    if let Some(path) = text_at(target, &["InputPath"]) {
        return Ok(Input::Path(path));
    }
    let Some(transformer) = target.get("InputTransformer") else {
        return Ok(Input::Event);
    };
    let template = text_at(transformer, &["InputTemplate"])
        .ok_or_else(|| document.wrong(at, "an InputTransformer needs an InputTemplate"))?;
    let paths = transformer.get("InputPathsMap").and_then(Value::as_object);
    let paths = paths.into_iter().flatten();
    let paths = paths.filter_map(|(key, path)| Some((key.clone(), path.as_str()?.to_owned()))).collect();
    Ok(Input::Template { paths, template })
}

/// The interval of a `rate(…)`; nothing for a `cron(…)` or an `at(…)`.
fn every(document: &Document, at: &str, expression: &str) -> Result<Option<Duration>, TemplateError> {
    if expression.starts_with("cron(") || expression.starts_with("at(") {
        return Ok(None);
    }
    let rate = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let seconds = rate.and_then(|rate| rate.split_once(' ')).and_then(|(number, unit)| {
        let unit = match unit {
            "minute" | "minutes" => 60,
            "hour" | "hours" => 3600,
            "day" | "days" => 86_400,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit).filter(|seconds| *seconds > 0)
    });
    match seconds {
        Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
        None => Err(document.wrong(at, format!("`{expression}` is not a schedule; rate(10 minutes) is one"))),
    }
}
