//! Upgrading in place: what a version before this one wrote is read, and what a later one may write is no error.
//!
//! A release in flight carries tags and a continuation token of the version that made it. The rule that keeps them apart:
//! a tag's value never changes its shape, another shape gets another key; and the token says its version. These lines are
//! what version 0.1 writes. They are to be added to, never changed. The lease's item, and a pipeline under way that other processes
//! bring to its end, are in `local/tests/end_to_end/upgrade.rs`.

use domain::event::{Event, read};
use domain::id::ReleaseId;
use domain::refusal::WaitFor;
use domain::request::Function;
use domain::tags::{self, Read, Role, Tags, read_begun, read_weights_since};
use domain::time::Time;
use domain::token::Token;
use serde_json::json;

use crate::jobs::job;

const SINCE: Time = Time::from_seconds(1_795_258_800);

/// The tags of an instance of version 0.1.
fn instance() -> Tags {
    [
        ("pointsman:service", "mobile-web"),
        ("pointsman:release", "7a9a5b1e-0f2d"),
        ("pointsman:role", "pre-product"),
        ("pointsman:since", "2026-11-21T11:00:00Z"),
        ("pointsman:count", "2"),
        ("pointsman:port", "8080"),
        ("pointsman:launch", "subnet-0a/0/1"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

#[test]
fn tags_of_version_0_1_are_read() {
    let mut found = instance();
    assert_eq!(found.release().unwrap().as_str(), "7a9a5b1e-0f2d");
    assert_eq!(found.since(), Some(SINCE));
    assert_eq!((found.number(tags::COUNT), found.number(tags::PORT)), (Some(2), Some(8080)));
    for (value, role) in [
        ("pre-product", Role::PreProduct),
        ("product", Role::Product),
        ("retired", Role::Retired),
        ("rejected", Role::Rejected),
    ] {
        found.insert("pointsman:role".to_owned(), value.to_owned());
        assert_eq!(found.role(), Some(role));
    }
}

#[test]
fn weights_of_version_0_1_are_read() {
    let release = ReleaseId::new("r2").unwrap();
    assert_eq!(read_weights_since("2026-11-21T11:00:00Z 1a2b3c4d", "1a2b3c4d"), Some(SINCE));
    let begun = tags::weights_since_begun(SINCE, "1a2b3c4d", SINCE, &release);
    assert_eq!(begun, "2026-11-21T11:00:00Z 1a2b3c4d 2026-11-21T11:00:00Z db77fd01");
    assert_eq!(read_begun(&begun, &release), Some(SINCE));
    // What a later version adds behind it is left alone.
    assert_eq!(read_weights_since("2026-11-21T11:00:00Z 1a2b3c4d more", "1a2b3c4d"), Some(SINCE));
}

#[test]
fn tags_of_a_later_version_are_as_if_they_were_not_there() {
    let mut found = instance();
    found.insert("pointsman:role".to_owned(), "shadow".to_owned());
    found.insert("pointsman:since".to_owned(), "yesterday".to_owned());
    found.insert("pointsman:count".to_owned(), "2 of 3".to_owned());
    found.insert("pointsman:mirror".to_owned(), "r1".to_owned());
    assert_eq!((found.role(), found.since(), found.number(tags::COUNT)), (None, None, None));
    assert_eq!(found.release().unwrap().as_str(), "7a9a5b1e-0f2d");
}

/// A job in flight while the functions are replaced: its waits begin anew, and it goes on.
#[test]
fn a_token_of_version_0_1_goes_on_and_one_of_another_begins_anew() {
    let called = |token: &str| {
        let mut payload = job(r#"{"service":"mobile-web","release":"r1"}"#);
        payload["CodePipeline.job"]["data"]["continuationToken"] = json!(token);
        match read(&payload, Function::Provision) {
            Ok(Event::Job { ask: Ok(_), token, .. }) => token,
            other => panic!("{token}: {other:?}"),
        }
    };
    let going_on = Token::first(SINCE).next(&WaitFor::Time, SINCE);
    assert_eq!(called(r#"{"v":1,"started":1795258800,"attempt":2}"#), Some(going_on));
    for other in [
        r#"{"v":2,"started":1795258800,"attempt":2}"#,
        r#"{"v":2,"since":"2026-11-21T11:00:00Z"}"#,
        r#"{"v":"1.0","started":1795258800,"attempt":2}"#,
        "2;1795258800;2",
        "",
    ] {
        assert_eq!(called(other), None, "{other}");
    }
}
