//! Reads the members of a request, and says in AWS's words what is wrong with one.

use serde_json::Value;

use crate::refusal::{Code, Refusal};

/// The members of a request, or of a structure in it.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    members: &'a Value,
    /// Where it stands in the request, with a dot at its end; empty for the request itself.
    at: &'a str,
}

impl<'a> Input<'a> {
    pub(crate) fn of(members: &'a Value) -> Self {
        Self { members, at: "" }
    }

    /// A structure in the request; empty if it is not there.
    pub(crate) fn structure(&self, name: &str, at: &'a str) -> Self {
        Self { members: self.members.get(name).unwrap_or(&Value::Null), at }
    }

    /// A text that must be there.
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Refusal> {
        self.maybe_text(name)?.ok_or_else(|| self.wrong(name, "null", "Member must not be null"))
    }

    pub(crate) fn maybe_text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, &other.to_string(), "Member must be a string")),
        }
    }

    /// A text whose length has limits.
    pub(crate) fn text_within(&self, name: &str, min: usize, max: usize) -> Result<Option<String>, Refusal> {
        let Some(text) = self.maybe_text(name)? else { return Ok(None) };
        let characters = text.chars().count();
        if characters < min {
            let constraint = format!("Member must have length greater than or equal to {min}");
            return Err(self.wrong(name, &format!("'{text}'"), &constraint));
        }
        if characters > max {
            let constraint = format!("Member must have length less than or equal to {max}");
            return Err(self.wrong(name, &format!("of {characters} characters"), &constraint));
        }
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.members.get(name).and_then(Value::as_u64)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.members.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        self.members.get(name).and_then(Value::as_array).into_iter().flatten()
    }

    /// The texts of a map.
    pub(crate) fn map(&self, name: &str) -> impl Iterator<Item = (String, String)> {
        let members = self.members.get(name).and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
    }

    /// One of a set of words.
    pub(crate) fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T, Refusal> {
        let text = self.text(name)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let constraint = format!("Member must satisfy enum value set: [{}]", words.join(", "));
            self.wrong(name, &format!("'{text}'"), &constraint)
        })
    }

    pub(crate) fn wrong(&self, name: &str, value: &str, constraint: &str) -> Refusal {
        Code::Validation.because(format!(
            "1 validation error detected: Value {value} at '{}{name}' failed to satisfy constraint: {constraint}",
            self.at
        ))
    }
}

/// Cuts one page out of a list: `maxResults` of it, from where `nextToken` says. Gives the page and the next token.
pub(crate) fn page<T>(input: Input<'_>, all: Vec<T>, most: u64) -> Result<(Vec<T>, Option<String>), Refusal> {
    let from: usize = match input.maybe_text("nextToken")? {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| Code::InvalidNextToken.because(format!("The next token {token} is not one of this list.")))?,
    };
    let size = input.number("maxResults").unwrap_or(most).clamp(1, most);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let end = from.saturating_add(size);
    let next = (end < all.len()).then(|| end.to_string());
    Ok((all.into_iter().skip(from).take(size).collect(), next))
}
