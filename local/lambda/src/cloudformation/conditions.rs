//! The `Conditions` of a template: `Fn::Equals`, `Fn::And`, `Fn::Or`, `Fn::Not` and each other.

use serde_json::Value;

use super::{CONDITION_DEPTH_MAX, Document, TemplateError};

impl Document {
    /// Whether the condition of this name holds.
    pub(super) fn condition(&self, name: &str, depth: usize) -> Result<bool, TemplateError> {
        let at = format!("Conditions.{name}");
        if depth > CONDITION_DEPTH_MAX {
            return Err(self.wrong(&at, "the condition refers to itself"));
        }
        match self.body.get("Conditions").and_then(|all| all.get(name)) {
            Some(expression) => self.holds(&at, expression, depth + 1),
            None => Err(self.wrong(&at, "there is no condition of this name")),
        }
    }

    fn holds(&self, at: &str, expression: &Value, depth: usize) -> Result<bool, TemplateError> {
        let wrong = || self.wrong(at, "a condition is one of Fn::Equals, Fn::And, Fn::Or, Fn::Not and Condition");
        let mut members = expression.as_object().ok_or_else(wrong)?.iter();
        let (Some((function, argument)), None) = (members.next(), members.next()) else {
            return Err(wrong());
        };
        if function == "Condition" {
            return self.condition(argument.as_str().ok_or_else(wrong)?, depth);
        }
        let at = format!("{at}.{function}");
        match (function.as_str(), argument.as_array().map(Vec::as_slice)) {
            ("Fn::Equals", Some([left, right])) => {
                let left = self.resolve(&at, left)?;
                let right = self.resolve(&at, right)?;
                // CloudFormation compares texts: a parameter's default `1` is equal to `"1"`.
                Ok(left == right || (plain(&left).is_some() && plain(&left) == plain(&right)))
            }
            ("Fn::Not", Some([one])) => Ok(!self.holds(&at, one, depth)?),
            ("Fn::And", Some(all)) => {
                for one in all {
                    if !self.holds(&at, one, depth)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            ("Fn::Or", Some(all)) => {
                for one in all {
                    if self.holds(&at, one, depth)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Err(wrong()),
        }
    }
}

/// A text, number or boolean as CloudFormation writes it into a text.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
