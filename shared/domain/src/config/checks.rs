//! The `checks` of a config: names of Lambda functions, and requests.

use serde_json::Value;

use super::fields::{Fields, shown};
use super::parse::Problem;
use super::{Check, HttpCheck};

/// They run side by side within one call.
const MOST: usize = 10;
/// Of a url or of what an answer has to contain.
const CHARACTERS: usize = 1024;

pub(super) fn checks(f: &mut Fields<'_>, speaks_https: bool, p: &mut Vec<Problem>) -> Vec<Check> {
    let items = match f.raw("checks") {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            let what = format!(
                r#"is {}, it is a list of functions and requests, like ["smoke-test", {{"url": "/version"}}]"#,
                shown(other)
            );
            p.push(Problem::new("checks".into(), what));
            return Vec::new();
        }
    };
    if items.len() > MOST {
        p.push(Problem::new("checks".into(), format!("are {}, at most {MOST} run side by side", items.len())));
    }
    let mut checks = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let at = format!("checks[{place}]");
        let check = match item {
            Value::String(name) if is_function(name) => Some(Check::Function(name.clone())),
            Value::String(name) => {
                let what = format!(
                    "is \"{}\", it is a Lambda function's name, with an alias after a colon or not, or its ARN",
                    crate::id::shown(name)
                );
                p.push(Problem::new(at.clone(), what));
                None
            }
            Value::Object(object) => request(Fields::new(object, &at), p),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
                let what = format!(
                    r#"is {}, it is a function's name or a request like {{"url": "/version", "expect": 200}}"#,
                    shown(other)
                );
                p.push(Problem::new(at.clone(), what));
                None
            }
        };
        match check {
            Some(Check::Http(_)) if speaks_https => p.push(Problem::new(
                at,
                "is a request, and the targets speak HTTPS, whose certificates nobody could check: write a function"
                    .into(),
            )),
            Some(check) if checks.contains(&check) => {
                p.push(Problem::new(at, format!("is there twice: {check}")));
            }
            Some(check) => checks.push(check),
            None => {}
        }
    }
    checks
}

fn request(mut r: Fields<'_>, p: &mut Vec<Problem>) -> Option<Check> {
    let url = r.required_text("url", "\"/version\"", p);
    r.raw("url");
    let expect = r.number("expect", 100, 599, p).unwrap_or(200);
    let contains = r.text("contains", p);
    for (key, text, is_url) in [("url", &url, true), ("contains", &contains, false)] {
        let Some(text) = text else { continue };
        let path = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if text.chars().count() > CHARACTERS {
            p.push(Problem::new(r.key(key), format!("has more than {CHARACTERS} characters")));
        } else if is_url && !path {
            let what = format!(
                "is \"{}\", it is a path, and a query if need be, like /version: each target is asked at its own address",
                crate::id::shown(text)
            );
            p.push(Problem::new(r.key(key), what));
        }
    }
    r.finish(p);
    url.map(|url| Check::Http(HttpCheck { url, expect, contains }))
}

/// `smoke`, `smoke:live`, `arn:aws:lambda:…:function:smoke` or the same with an alias.
fn is_function(text: &str) -> bool {
    let name = match text.split_once(":function:") {
        Some((before, name)) if before.starts_with("arn:") && before.contains(":lambda:") => name,
        Some(_) => return false,
        None => text,
    };
    let part = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_$".contains(&b))
    };
    match name.split_once(':') {
        Some((name, alias)) => part(name, 64) && part(alias, 128),
        None => part(name, 64),
    }
}
