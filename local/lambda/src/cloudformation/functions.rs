//! The intrinsic functions of a template, one by one.

use serde_json::{Map, Value};

use super::conditions::plain;
use super::{Document, TemplateError};

/// The function and its argument, if this object is a call of one: a single member with such a name.
/// `{"Condition": "X"}` is none here; outside of `Conditions` it is an ordinary member (of a policy).
pub(super) fn call(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut members = members.iter();
    let (Some((name, argument)), None) = (members.next(), members.next()) else {
        return None;
    };
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

impl Document {
    /// Evaluates one intrinsic function; nothing for `AWS::NoValue`.
    pub(super) fn evaluate(&self, at: &str, function: &str, argument: &Value) -> Result<Option<Value>, TemplateError> {
        let at = &format!("{at}.{function}");
        let value = match function {
            "Ref" => match argument.as_str() {
                Some("AWS::NoValue") => return Ok(None),
                Some(name) => self.reference(at, name)?,
                None => return Err(self.wrong(at, "Ref takes a name")),
            },
            "Fn::If" => {
                let Some([Value::String(condition), yes, no]) = slice(argument) else {
                    return Err(self.wrong(at, "Fn::If takes a condition and two values"));
                };
                let chosen = if self.condition(condition, 0)? { yes } else { no };
                return self.resolve_optional(at, chosen);
            }
            "Fn::GetAtt" => self.attribute(at, argument)?,
            "Fn::Sub" => self.substitute(at, argument)?,
            "Fn::Join" => self.join(at, argument)?,
            "Fn::Split" => self.split(at, argument)?,
            "Fn::Select" => self.select(at, argument)?,
            "Fn::FindInMap" => self.find_in_map(at, argument)?,
            "Fn::ToJsonString" => self.resolve(at, argument)?.to_string().into(),
            other => {
                let problem = format!("the function {other} is not supported here");
                return Err(self.wrong(at, problem));
            }
        };
        Ok(Some(value))
    }

    fn attribute(&self, at: &str, argument: &Value) -> Result<Value, TemplateError> {
        let argument = self.resolve(at, argument)?;
        let name = match &argument {
            Value::String(path) => path.clone(),
            Value::Array(parts) => {
                let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
                parts.join(".")
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
        };
        match self.names().get(&name) {
            Some(value) => Ok(value.clone()),
            None => Err(self.unknown(at, &name)),
        }
    }

    /// `${Name}`, `${Resource.Attribute}`, names of the call's own map, and `${!Literal}`.
    fn substitute(&self, at: &str, argument: &Value) -> Result<Value, TemplateError> {
        let (text, own) = match (argument, slice(argument)) {
            (Value::String(text), _) => (text, None),
            (_, Some([Value::String(text), Value::Object(own)])) => (text, Some(own)),
            _ => return Err(self.wrong(at, "Fn::Sub takes a text, or a text and a map")),
        };
        let mut result = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            result.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(self.wrong(at, format!("`${{` is never closed in `{text}`")));
            };
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str("${");
                result.push_str(literal);
                result.push('}');
                continue;
            }
            let name = name.trim();
            let value = match own.and_then(|own| own.get(name)) {
                Some(own) => self.resolve(at, own)?,
                None if name.contains('.') => self.attribute(at, &name.into())?,
                None => self.reference(at, name)?,
            };
            let Some(value) = plain(&value) else {
                return Err(self.wrong(at, format!("`{name}` does not stand for a text")));
            };
            result.push_str(&value);
        }
        result.push_str(rest);
        Ok(result.into())
    }

    fn join(&self, at: &str, argument: &Value) -> Result<Value, TemplateError> {
        let wrong = || self.wrong(at, "Fn::Join takes a delimiter and a list of texts");
        let argument = self.resolve(at, argument)?;
        let Some([Value::String(delimiter), Value::Array(parts)]) = slice(&argument) else {
            return Err(wrong());
        };
        let parts: Option<Vec<String>> = parts.iter().map(plain).collect();
        Ok(parts.ok_or_else(wrong)?.join(delimiter).into())
    }

    fn split(&self, at: &str, argument: &Value) -> Result<Value, TemplateError> {
        let argument = self.resolve(at, argument)?;
        match slice(&argument) {
            Some([Value::String(delimiter), Value::String(text)]) if !delimiter.is_empty() => {
                Ok(text.split(delimiter.as_str()).collect())
            }
            Some(_) | None => Err(self.wrong(at, "Fn::Split takes a delimiter and a text")),
        }
    }

    fn select(&self, at: &str, argument: &Value) -> Result<Value, TemplateError> {
        let wrong = || self.wrong(at, "Fn::Select takes an index and a list that is long enough");
        let argument = self.resolve(at, argument)?;
        let Some([index, Value::Array(items)]) = slice(&argument) else {
            return Err(wrong());
        };
        let index: Option<usize> = plain(index).and_then(|index| index.parse().ok());
        let item = index.and_then(|index| items.get(index));
        item.cloned().ok_or_else(wrong)
    }

    fn find_in_map(&self, at: &str, argument: &Value) -> Result<Value, TemplateError> {
        let argument = self.resolve(at, argument)?;
        let keys: Option<Vec<&str>> = slice(&argument).and_then(|keys| keys.iter().map(Value::as_str).collect());
        let Some([map, first, second]) = keys.as_deref() else {
            return Err(self.wrong(at, "Fn::FindInMap takes a map and two keys"));
        };
        let found = self.body.get("Mappings").and_then(|maps| maps.get(map)?.get(first)?.get(second));
        found.cloned().ok_or_else(|| self.wrong(at, format!("the mapping {map} has no {first}.{second}")))
    }
}

fn slice(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}
