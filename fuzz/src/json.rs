//! JSON spoilt: fields dropped, doubled, of the wrong type, huge, nested deeply; and JSON of any shape.

use serde_json::{Map, Value, json};

use crate::choices::Choices;
use crate::text;

/// Any scalar.
fn scalar(c: &mut Choices) -> Value {
    match c.below(7) {
        0 => Value::Null,
        1 => json!(c.chance(50)),
        2 | 3 => json!(c.number()),
        4 => json!(c.pick(&[0.5, -0.0, 1e308, 1e-308, 80.0, -1.5]).copied().unwrap_or_default()),
        5 => json!(u64::MAX),
        _ => json!(text::wild(c)),
    }
}

/// JSON of any shape, with these keys here and there.
pub fn any(c: &mut Choices, keys: &[&str], depth: u32) -> Value {
    match c.below(if depth == 0 { 2 } else { 5 }) {
        0 | 1 => scalar(c),
        2 => Value::Array((0..c.upto(3)).map(|_| any(c, keys, depth - 1)).collect()),
        _ => Value::Object((0..c.upto(5)).map(|_| (text::like(c, keys, 80), any(c, keys, depth - 1))).collect()),
    }
}

/// Changes something, somewhere in it.
pub fn spoil(c: &mut Choices, value: &mut Value, keys: &[&str]) {
    // Further down in most cases: that is where the fields are.
    let inside = match value {
        Value::Object(object) if !object.is_empty() && c.chance(85) => {
            let at = c.upto(object.len() - 1);
            if c.chance(30) {
                spoil_field(c, object, at, keys);
                return;
            }
            object.values_mut().nth(at)
        }
        Value::Array(items) if !items.is_empty() && c.chance(70) => {
            let at = c.upto(items.len() - 1);
            match c.below(6) {
                0 => {
                    items.remove(at);
                    return;
                }
                1 => {
                    items.extend_from_within(at..);
                    return;
                }
                _ => items.get_mut(at),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match inside {
        Some(inside) => spoil(c, inside, keys),
        None => *value = instead(c, value, keys),
    }
}

/// Drops a field, doubles it under another name, renames it, or puts one beside it.
fn spoil_field(c: &mut Choices, object: &mut Map<String, Value>, at: usize, keys: &[&str]) {
    let Some(key) = object.keys().nth(at).cloned() else { return };
    match c.below(4) {
        0 => {
            object.shift_remove(&key);
        }
        1 => {
            let name = text::spoilt(c, &key);
            let value = object.get(&key).cloned().unwrap_or_default();
            object.insert(name, value);
        }
        2 => {
            let value = object.shift_remove(&key).unwrap_or_default();
            object.insert(text::spoilt(c, &key), value);
        }
        _ => {
            let value = any(c, keys, 1);
            object.insert(text::like(c, keys, 60), value);
        }
    }
}

/// Another value in its place.
fn instead(c: &mut Choices, value: &Value, keys: &[&str]) -> Value {
    match c.below(8) {
        0 | 1 => scalar(c),
        2 => any(c, keys, 2),
        3 => match value {
            Value::String(text) => json!(text::spoilt(c, text)),
            Value::Number(number) => json!(number.as_i64().unwrap_or_default().wrapping_add(c.number())),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => json!({}),
        },
        4 => json!(value.to_string()),
        5 => Value::Array(vec![value.clone(); c.upto(20)]),
        6 => (0..c.upto(100)).fold(value.clone(), |inner, _| Value::Array(vec![inner])),
        _ => {
            let key = text::like(c, keys, 60);
            json!({ key: value })
        }
    }
}

/// A JSON text of it, with a few characters changed.
pub fn spoilt_text(c: &mut Choices, value: &Value) -> String {
    let mut text = value.to_string();
    if c.chance(20) {
        // A field twice.
        if let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).filter(|t| !t.is_empty()) {
            text = format!("{{{inner},{inner}}}");
        }
    }
    if c.chance(50) { text::spoilt(c, &text) } else { text }
}
