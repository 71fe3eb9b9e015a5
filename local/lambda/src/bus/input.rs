//! What a target gets of an event: all of it, a part, a constant, or a template filled in.

use serde_json::Value;

use crate::template::{Input, Rule};

/// What the target of a rule gets.
pub(super) fn of(input: &Input, rule: &Rule, event: &Value) -> Result<Value, String> {
    match input {
        Input::Event => Ok(event.clone()),
        Input::Path(path) => part(path, event),
        Input::Constant(text) => {
            let time = event.get("time").and_then(Value::as_str).unwrap_or_default();
            let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
            let text = text
                .replace("<aws.scheduler.scheduled-time>", time)
                .replace("<aws.scheduler.execution-id>", id)
                .replace("<aws.scheduler.schedule-arn>", &rule.arn)
                .replace("<aws.scheduler.attempt-number>", "1");
            serde_json::from_str(&text).map_err(|error| format!("the Input is no JSON: {error}"))
        }
        Input::Template { paths, template } => {
            let value = |name: &str| match name {
                "aws.events.rule-arn" => Ok(rule.arn.clone().into()),
                "aws.events.rule-name" => Ok(rule.name.clone().into()),
                "aws.events.event.json" | "aws.events.event" => Ok(event.clone()),
                "aws.events.event.ingestion-time" => part("$.time", event),
                _ => match paths.iter().find(|(key, _)| key == name) {
                    // What is not in the event is left empty.
                    Some((_, path)) => Ok(part(path, event).unwrap_or_default()),
                    None => Err(format!("the template has <{name}>, which no path stands for")),
                },
            };
            let filled = fill(template, value)?;
            serde_json::from_str(&filled).map_err(|error| format!("the filled-in template is no JSON: {error}"))
        }
    }
}

/// The part of the event at a path such as `$.detail.items[0].name`.
fn part(path: &str, event: &Value) -> Result<Value, String> {
    let wrong = || format!("there is nothing at {path} in the event");
    let rest = path.strip_prefix('$').ok_or_else(|| format!("{path} is not a path: it starts with $"))?;
    let steps = rest.split(['.', '[']).filter(|step| !step.is_empty());
    let found = steps.into_iter().try_fold(event, |value, step| match step.strip_suffix(']') {
        Some(index) => value.get(index.parse::<usize>().ok()?),
        None => value.get(step),
    });
    found.cloned().ok_or_else(wrong)
}

/// Replaces each `<name>`. Within quotes a text is put in as it is; elsewhere every value is JSON.
fn fill(template: &str, value: impl Fn(&str) -> Result<Value, String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut quoted = false;
    let mut rest = template;
    while let Some(at) = rest.find(['<', '"', '\\']) {
        let (before, after) = rest.split_at(at);
        filled.push_str(before);
        let mut characters = after.chars();
        match characters.next() {
            Some('"') => {
                quoted = !quoted;
                filled.push('"');
            }
            Some('\\') => {
                filled.push('\\');
                filled.extend(characters.next());
            }
            _ => {
                let Some((name, after)) = characters.as_str().split_once('>') else {
                    return Err("a `<` of the template is never closed".to_owned());
                };
                filled.push_str(&written(&value(name)?, quoted));
                rest = after;
                continue;
            }
        }
        rest = characters.as_str();
    }
    filled.push_str(rest);
    Ok(filled)
}

fn written(value: &Value, quoted: bool) -> String {
    match (value, quoted) {
        (_, false) => value.to_string(),
        (Value::Null, true) => String::new(),
        (Value::String(text), true) => inside_quotes(text),
        (other, true) => inside_quotes(&other.to_string()),
    }
}

fn inside_quotes(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or_default().to_owned()
}
