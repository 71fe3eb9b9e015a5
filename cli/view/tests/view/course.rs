//! What a call would do, foreseen to its end.

use domain::request::{RollbackScope, Verb};
use domain::tags;
use view::course;
use view::foresee::{Ending, foresee};
use view::policy::{self, Beside};

use crate::plain;
use crate::world::{found, found_with, now, request, sicken, tag, world};

fn rollback() -> Verb {
    Verb::Rollback { reason: "rolled back by a call".to_owned(), scope: RollbackScope::ToTheEnd }
}

fn told(verb: Verb, release: &str) -> String {
    let (_, service) = found();
    let (world, request) = (world(&service), request(verb, release));
    plain(&course::text(&request, &foresee(&request, &service, &world, now()), &world))
}

#[test]
fn a_promote() {
    insta::assert_snapshot!(told(Verb::Promote, "r3"), @"");
}

#[test]
fn a_rollback_is_told_until_the_bad_release_is_gone() {
    insta::assert_snapshot!(told(rollback(), "r2"), @"");
}

#[test]
fn a_finish_is_told_until_what_was_before_is_gone() {
    insta::assert_snapshot!(told(Verb::Finish, "r2"), @"");
}

#[test]
fn a_promote_in_steps_waits_between_them() {
    let (_, service) = found_with(|config| {
        config["traffic"] = serde_json::json!({"steps": [10, 50], "step_seconds": 60});
        config["bake_seconds"] = 300.into();
    });
    let (world, request) = (world(&service), request(Verb::Promote, "r3"));
    let course = foresee(&request, &service, &world, now());
    let text = plain(&course::text(&request, &course, &world));
    for words in ["r3 10 %", "r3 50 %", "r3 100 %", "(1 min)", "(5 min)"] {
        assert!(text.contains(words), "{words} is not in:\n{text}");
    }
    assert!(matches!(course.ending, Ending::Done { nothing_to_do: false, .. }), "{text}");
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let text = told(Verb::Promote, "r1");
    assert!(text.contains("release r1 is retired"), "{text}");
    let (_, service) = found();
    let mut world = world(&service);
    sicken(&mut world, "r1");
    tag(&mut world, "r2", tags::KEPT, "2026-11-21T09:30:00Z");
    let request = request(rollback(), "r2");
    let course = foresee(&request, &service, &world, now());
    assert!(matches!(course.ending, Ending::Refused(_)), "{:?}", course.ending);
    assert!(course.parts.is_empty(), "{:?}", course.parts);
}

#[test]
fn asked_for_again_there_is_nothing_to_do() {
    let (_, service) = found();
    let (world, request) = (world(&service), request(Verb::Promote, "r2"));
    let course = foresee(&request, &service, &world, now());
    assert!(matches!(course.ending, Ending::Done { nothing_to_do: true, .. }), "{course:?}");
}

#[test]
fn the_policy_names_what_the_plan_touches_and_nothing_else() {
    let (_, service) = found();
    let (world, request) = (world(&service), request(rollback(), "r2"));
    let course = foresee(&request, &service, &world, now());
    let scope = plans::scope(&request.verb, &service);
    let beside = Beside { scope, lease_table: Some("leases"), topic: None };
    let policy = policy::policy(&service, &course, &beside);
    insta::assert_snapshot!(format!("{policy:#}"), @"");
}
