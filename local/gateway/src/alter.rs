//! Answers as AWS never gives them, or hardly ever: fields missing, values that nobody knows, half a body, a page of HTML.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use crate::cbor;
use crate::xml::Element;
use crate::{Request, Response};

/// Gives a number below another one: what is altered, and how.
pub type Choose<'c> = &'c mut dyn FnMut(u32) -> u32;

/// What stands where AWS would say something else.
const WORDS: &[&str] = &[
    "",
    "unknown-to-us",
    "-1",
    "0",
    "99999999999999999999",
    "1e400",
    "NaN",
    "true",
    "2026-02-31T25:61:61Z",
    "0000-01-01T00:00:00Z",
    "arn:aws:nothing",
    "a b, c\u{2028}<>&\"\u{1f600}",
];
const NUMBERS: &[i64] = &[0, -1, 1, i64::MAX, i64::MIN, 70_000];

/// Alters an answer: now and then the whole of it, else one to three of its fields.
#[must_use]
pub fn alter(request: &Request, answer: Response, choose: Choose<'_>) -> Response {
    match choose(12) {
        0 => {
            let length = u32::try_from(answer.body.len()).unwrap_or(u32::MAX);
            let kept = usize::try_from(choose(length.max(1))).unwrap_or_default();
            with_body(answer.clone(), answer.body.slice(..kept.min(answer.body.len())))
        }
        1 => {
            let mut page = with_body(answer, "<html><head><title>503</title><body><p>Sorry<br></body></html>");
            page.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
            page
        }
        2 => with_body(answer, ""),
        3 => {
            let odd = ["null", "[]", "{}", "0", "<a/>", "<?xml version=\"1.0\"?>", "\u{0}", "\u{a0}"];
            let odd = odd.get(usize::try_from(choose(8)).unwrap_or_default()).copied().unwrap_or_default();
            with_body(answer, odd)
        }
        _ => (0..=choose(3)).fold(answer, |answer, _| field(request, answer, choose)),
    }
}

fn with_body(mut answer: Response, body: impl Into<bytes::Bytes>) -> Response {
    answer.body = body.into();
    answer.without_length()
}

/// Alters one field, whatever the protocol; an answer that is none of them stays as it is.
fn field(request: &Request, answer: Response, choose: Choose<'_>) -> Response {
    if request.protocol == crate::Protocol::Cbor {
        let Some(mut value) = cbor::read(&answer.body) else { return answer };
        json(&mut value, choose);
        return with_body(answer, cbor::write(&value));
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(&answer.body) {
        json(&mut value, choose);
        return with_body(answer, value.to_string());
    }
    answer.changed(|document| xml(document, choose))
}

/// How many elements there are below this one.
fn count(element: &Element) -> u32 {
    element.children.iter().map(|child| 1 + count(child)).sum()
}

fn xml(element: &mut Element, choose: Choose<'_>) {
    let all = count(element);
    if all > 0 {
        nth(element, choose(all), choose);
    }
}

/// Alters the element at this place below, in document order.
fn nth(element: &mut Element, mut place: u32, choose: Choose<'_>) {
    for at in 0..element.children.len() {
        let Some(child) = element.children.get_mut(at) else { return };
        let below = count(child);
        if place == 0 {
            match choose(5) {
                0 | 1 => {
                    element.children.remove(at);
                }
                2 => {
                    child.children.clear();
                    child.text.clear();
                }
                3 if child.children.is_empty() => child.text = word(choose),
                3 => child.name.push('X'),
                _ => {
                    let twice = child.clone();
                    element.children.insert(at, twice);
                }
            }
            return;
        }
        if place <= below {
            return nth(child, place - 1, choose);
        }
        place -= 1 + below;
    }
}

fn word(choose: Choose<'_>) -> String {
    let place = choose(u32::try_from(WORDS.len()).unwrap_or(1));
    WORDS.get(usize::try_from(place).unwrap_or_default()).copied().unwrap_or_default().to_owned()
}

fn json(value: &mut Value, choose: Choose<'_>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            let at = usize::try_from(choose(u32::try_from(object.len()).unwrap_or(1))).unwrap_or_default();
            let Some(key) = object.keys().nth(at).cloned() else { return };
            if choose(3) == 0 {
                object.remove(&key);
            } else if let Some(inside) = object.get_mut(&key) {
                json(inside, choose);
            }
        }
        Value::Array(items) if !items.is_empty() && choose(4) > 0 => {
            let at = usize::try_from(choose(u32::try_from(items.len()).unwrap_or(1))).unwrap_or_default();
            if let Some(item) = items.get_mut(at) {
                json(item, choose);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            let number = NUMBERS.get(usize::try_from(choose(6)).unwrap_or_default()).copied().unwrap_or_default();
            *value = match choose(5) {
                0 => Value::Null,
                1 => Value::from(number),
                2 => Value::Array(Vec::new()),
                3 => Value::Object(serde_json::Map::new()),
                _ => Value::from(word(choose)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_of_a_document_can_be_altered() {
        let text = "<a><b><c>1</c></b><d>2</d></a>";
        let mut seen = std::collections::BTreeSet::new();
        for place in 0..3 {
            let mut element = Element::parse(text).unwrap();
            nth(&mut element, place, &mut |_| 0);
            seen.insert(element.document());
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(seen.iter().all(|document| document.matches('<').count() < 8));
    }
}
