//! What was done.

use domain::time::Time;
use serde_json::{Value, json};
use view::history::{self, Approval};

use crate::plain;
use crate::world::now;

fn line(after: i64, release: &str, action: &str, more: Value) -> (Time, String) {
    let mut line = json!({"message": "end", "service": "mobile-web", "release": release, "action": action});
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (now() + after, line.to_string())
}

#[test]
fn a_release_is_told_step_by_step_with_how_long_each_took() {
    let waits = json!({"status": "waiting", "wait_for": "servers of r2"});
    let lines = [
        line(0, "r1", "promote", json!({"status": "done", "reason": "release r1 is product"})),
        line(10, "r2", "provision", waits.clone()),
        line(40, "r2", "provision", waits),
        line(95, "r2", "provision", json!({"status": "done", "reason": "r2 has 2 servers", "Duration": 101.4})),
        line(100, "r2", "promote", json!({"status": "refused", "reason": "alarm x is red"})),
        line(160, "r2", "promote", json!({"status": "done", "reason": "release r2 is product"})),
        line(170, "r2", "promote", json!({"status": "done", "reason": "a duplicate"})),
        (now(), "no JSON".to_owned()),
        (
            now(),
            json!({"message": "end", "service": "another", "release": "x", "action": "promote", "status": "done"})
                .to_string(),
        ),
    ];
    let mut stories = history::read("mobile-web", &lines);
    let by = Some("arn:aws:sts::123456789012:assumed-role/QA/alice");
    stories[0].approvals = [("ShipIt", "Succeeded", 150), ("KeepIt", "Failed", 180)]
        .map(|(action, status, at)| Approval::new(action, status, by, Some(now() + at)))
        .to_vec();
    insta::assert_snapshot!(plain(&history::text("mobile-web", &stories)), @"
    r2
      2026-11-21T10:01:35Z  provision done     1 min 41 s, 3 calls  r2 has 2 servers
      2026-11-21T10:01:40Z  promote   refused  0 s     alarm x is red
      2026-11-21T10:02:30Z  ShipIt approved by alice
      2026-11-21T10:02:40Z  promote   done     1 min   release r2 is product
      2026-11-21T10:03:00Z  KeepIt rejected by alice
    r1
      2026-11-21T10:00:00Z  promote   done     0 s     release r1 is product
    ");
    assert!(history::text("mobile-web", &[]).contains("Nothing was done"));
}

#[test]
fn who_asked_who_held_it_and_what_became_of_a_superseded_release_have_their_rows() {
    let alice = "alice, as a direct call says";
    let held = json!({
        "status": "waiting", "wait_for": "bob to release the service: it moves", "held_by": "bob", "asked_by": alice,
    });
    let told = |by: &str| json!({"message": "step", "step": "Tell", "resource": "release r1 was rejected: superseded by r2", "asked_by": by});
    let lines = [
        line(0, "r2", "provision", told("a pipeline")),
        line(5, "r2", "provision", json!({"status": "done", "reason": "r2 has 2 servers", "asked_by": "a pipeline"})),
        line(10, "r2", "promote", held.clone()),
        line(70, "r2", "promote", held),
        line(80, "r2", "promote", json!({"status": "waiting", "wait_for": "r2 to be watched", "asked_by": alice})),
        line(90, "r2", "promote", json!({"status": "done", "reason": "release r2 is product", "asked_by": alice})),
        // What its own rollback says of it is said by its end.
        line(95, "r1", "rollback", told(alice)),
    ];
    insta::assert_snapshot!(plain(&history::text("mobile-web", &history::read("mobile-web", &lines))), @"
    r2
      2026-11-21T10:00:05Z  provision done     0 s     r2 has 2 servers (a pipeline)
      2026-11-21T10:01:10Z  promote   held     1 min, 2 calls  waiting for bob to release the service: it moves (alice, as a direct call says)
      2026-11-21T10:01:30Z  promote   done     10 s, 2 calls  release r2 is product (alice, as a direct call says)
    r1
      2026-11-21T10:00:00Z  rejected  done     0 s     superseded by r2 (a pipeline)
    ");
}
