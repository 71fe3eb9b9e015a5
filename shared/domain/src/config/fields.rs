//! Reads a JSON object key by key and collects every fault, where serde would stop at the first.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::parse::Problem;
use crate::id;
use crate::nearest::did_you_mean;

/// One object of the config that is being read. What was not asked for when it is finished is unknown.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub fn new(object: &'a Map<String, Value>, path: &str) -> Self {
        Self { object, path: path.to_owned(), asked: Vec::new() }
    }

    /// The key as problems name it: `health_check.path`.
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The raw value; an explicit null is none.
    pub fn raw(&mut self, key: &'static str) -> Option<&'a Value> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// An object inside this one, to be read by the same means.
    pub fn object(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<Fields<'a>> {
        let path = self.key(key);
        let value = self.raw(key)?;
        let object = value.as_object();
        if object.is_none() {
            problems.push(Problem::new(path.clone(), format!("is {}, it is an object", shown(value))));
        }
        object.map(|object| Fields::new(object, &path))
    }

    /// A text that is not empty.
    pub fn text(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<String> {
        let path = self.key(key);
        let value = self.raw(key)?;
        let text = value.as_str().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            problems.push(Problem::new(path, format!("is {}, it is a text that is not empty", shown(value))));
        }
        text.map(str::to_owned)
    }

    /// A text that has to be there.
    pub fn required_text(&mut self, key: &'static str, example: &str, problems: &mut Vec<Problem>) -> Option<String> {
        self.require(key, example, problems).then(|| self.text(key, problems)).flatten()
    }

    /// A text with a known beginning, as ids have it.
    pub fn id(&mut self, key: &'static str, start: &str, problems: &mut Vec<Problem>) -> Option<String> {
        let text = self.text(key, problems)?;
        if text.starts_with(start) && !text.contains(char::is_whitespace) {
            return Some(text);
        }
        problems.push(Problem::new(self.key(key), format!("is \"{}\", it begins with {start}", id::shown(&text))));
        None
    }

    /// A whole number within bounds.
    pub fn number(&mut self, key: &'static str, least: u32, most: u32, problems: &mut Vec<Problem>) -> Option<u32> {
        let path = self.key(key);
        let value = self.raw(key)?;
        let number = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (least..=most).contains(n));
        if number.is_none() {
            problems
                .push(Problem::new(path, format!("is {}, it is a whole number from {least} to {most}", shown(value))));
        }
        number
    }

    /// One of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let text = self.text(key, problems)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            problems.push(Problem::new(
                self.key(key),
                format!("is \"{}\", it is one of {}", id::shown(&text), words.join(", ")),
            ));
        }
        found
    }

    /// A list of texts, each checked; a faulty one is reported with its place and left out.
    pub fn list(
        &mut self,
        key: &'static str,
        problems: &mut Vec<Problem>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Vec<String>> {
        let path = self.key(key);
        let Value::Array(items) = self.raw(key)? else {
            problems.push(Problem::new(path, "is not a list of texts".to_owned()));
            return None;
        };
        let mut good = Vec::new();
        let mut seen = BTreeSet::new();
        for (place, item) in items.iter().enumerate() {
            let at = format!("{path}[{place}]");
            match item.as_str() {
                Some(text) if !seen.insert(text) => {
                    problems.push(Problem::new(at, format!("\"{}\" stands twice", id::shown(text))));
                }
                Some(text) => match check(text) {
                    Ok(()) => good.push(text.to_owned()),
                    Err(why) => problems.push(Problem::new(at, format!("is \"{}\", {why}", id::shown(text)))),
                },
                None => problems.push(Problem::new(at, format!("is {}, it is a text", shown(item)))),
            }
        }
        Some(good)
    }

    /// Reports a key that has to be there and is not.
    pub fn require(&self, key: &'static str, example: &str, problems: &mut Vec<Problem>) -> bool {
        let there = self.object.get(key).is_some_and(|value| !value.is_null());
        if !there {
            problems.push(Problem::new(self.key(key), format!("is missing; write for example {example}")));
        }
        there
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self, problems: &mut Vec<Problem>) {
        let unknown = self.object.keys().filter(|key| !self.asked.contains(&key.as_str()));
        for (place, key) in unknown.enumerate() {
            let meant = did_you_mean(key, self.asked.iter().copied());
            let known =
                if place == 0 { format!("; the keys here are {}", self.asked.join(", ")) } else { String::new() };
            problems.push(Problem::new(self.key(&id::shown(key)), format!("is not known{meant}{known}")));
        }
    }
}

/// A value as a problem shows it: short, and never a whole document.
pub(super) fn shown(value: &Value) -> String {
    id::shown(&value.to_string())
}
