//! Event patterns of EventBridge: which events a rule is about.
//!
//! A pattern is read once, so that a mistake in it is known when the template is read and not
//! by an event that never comes.

use serde_json::{Map, Value};

mod condition;

use condition::Condition;

/// What is wrong with a pattern, in the words of EventBridge where it has some.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the event pattern is not valid at `{at}`: {problem}")]
pub struct PatternError {
    at: String,
    problem: String,
}

impl PatternError {
    fn new(at: &str, problem: impl Into<String>) -> Self {
        Self { at: at.to_owned(), problem: problem.into() }
    }
}

/// An event pattern: each field of it has to match.
#[derive(Clone, Debug)]
pub struct Pattern {
    fields: Vec<(String, Field)>,
    /// Each `$or`: one of its patterns has to match.
    either: Vec<Vec<Pattern>>,
}

#[derive(Clone, Debug)]
enum Field {
    /// A field with fields of its own.
    Nested(Pattern),
    /// A leaf: one of these has to hold.
    AnyOf(Vec<Condition>),
}

impl Pattern {
    /// Reads a pattern, and says what is wrong with it.
    pub fn parse(written: &Value) -> Result<Self, PatternError> {
        match written.as_object().filter(|members| !members.is_empty()) {
            Some(members) => Self::members("$", members),
            None => Err(PatternError::new("$", "a pattern is an object with at least one field")),
        }
    }

    fn members(at: &str, members: &Map<String, Value>) -> Result<Self, PatternError> {
        let mut pattern = Self { fields: Vec::new(), either: Vec::new() };
        for (key, written) in members {
            let at = format!("{at}.{key}");
            if key == "$or" {
                pattern.either.push(Self::either(&at, written)?);
                continue;
            }
            let field = match written {
                Value::Object(members) if members.is_empty() => {
                    return Err(PatternError::new(&at, "empty objects are not allowed"));
                }
                Value::Object(members) => Field::Nested(Self::members(&at, members)?),
                Value::Array(conditions) if conditions.is_empty() => {
                    return Err(PatternError::new(&at, "empty arrays are not allowed"));
                }
                Value::Array(conditions) => {
                    let conditions = conditions.iter().map(|written| Condition::parse(&at, written));
                    Field::AnyOf(conditions.collect::<Result<_, _>>()?)
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(PatternError::new(&at, format!("\"{key}\" must be an object or an array")));
                }
            };
            pattern.fields.push((key.clone(), field));
        }
        Ok(pattern)
    }

    fn either(at: &str, written: &Value) -> Result<Vec<Self>, PatternError> {
        let wrong = || PatternError::new(at, "$or takes an array of two patterns or more");
        let alternatives = written.as_array().filter(|all| all.len() > 1).ok_or_else(wrong)?;
        let parse = |one: &Value| match one.as_object().filter(|members| !members.is_empty()) {
            Some(members) => Self::members(at, members),
            None => Err(wrong()),
        };
        alternatives.iter().map(parse).collect()
    }

    /// Whether the event is one that the rule is about.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        self.matches_some(Some(event))
    }

    /// As `matches`; nothing where the event has no such field, which only `exists: false` matches.
    fn matches_some(&self, event: Option<&Value>) -> bool {
        // In an array of objects, one of them has to match as a whole.
        if let Some(Value::Array(items)) = event
            && !items.is_empty()
        {
            return items.iter().any(|item| self.matches_some(Some(item)));
        }
        let fields = self.fields.iter().all(|(key, field)| {
            let value = event.and_then(|event| event.get(key));
            match field {
                Field::Nested(pattern) => pattern.matches_some(value),
                Field::AnyOf(conditions) => conditions.iter().any(|condition| condition.holds(value)),
            }
        });
        let either = |alternatives: &Vec<Self>| alternatives.iter().any(|one| one.matches_some(event));
        fields && self.either.iter().all(either)
    }
}

#[cfg(test)]
mod tests;
