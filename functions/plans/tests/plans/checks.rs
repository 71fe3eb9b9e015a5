//! A service's own checks: when a release is examined, by what, and what becomes of one that does not pass.

use domain::check::{Examination, Verdict};
use domain::plan::{End, Step};
use serde_json::json;

use crate::account::Account;
use crate::build::world;
use crate::course::{Course, promote, promote_despite, register};

const REQUEST: &str = "GET /version";

fn examined() -> Account {
    let config = json!({
        "traffic": {"steps": [10], "step_seconds": 60}, "bake_seconds": 300,
        "checks": ["smoke", {"url": "/version", "contains": "r2"}],
    });
    world().configured(config).product("r1").pre_product("r2").later(60)
}

fn bad() -> Verdict {
    Verdict::Bad("checkout answers 500".to_owned())
}

/// The phases of a course's examinations, and who made each.
fn phases(course: &Course) -> Vec<String> {
    let by = |examination: &Examination| {
        let checks: Vec<String> = examination.checks.iter().map(ToString::to_string).collect();
        format!("{} {}: {}", examination.phase.as_str(), examination.phase.percent(), checks.join(", "))
    };
    course.examined.iter().map(by).collect()
}

#[test]
fn a_release_is_examined_when_its_targets_are_healthy_and_before_people_are_told() {
    let course = examined().call(&register("r2"));
    assert_eq!(phases(&course), ["register 0: smoke, GET /version"]);
    course.done();
}

#[test]
fn a_check_function_is_told_where_to_look() {
    let course = examined().call(&register("r2"));
    let payload = json!({
        "service": "mobile-web", "release": "r2", "phase": "register", "percent": 0, "url": "https://pre.m.example.com",
        "targets": ["http://10.0.0.3:8080", "http://10.0.0.4:8080"],
    });
    assert_eq!(course.examined[0].payload(), payload);
}

#[test]
fn a_release_is_asked_on_the_port_that_it_was_launched_for() {
    let course = examined().configured(json!({"port": 9090})).call_once(&promote("r2"));
    assert_eq!(course.examined[0].payload()["targets"][0], "http://10.0.0.3:8080");
}

#[test]
fn one_that_does_not_pass_after_register_is_rejected_and_the_job_fails_with_the_reason() {
    let course = examined().says("smoke", bad()).call(&register("r2"));
    insta::assert_snapshot!(course.failed(), @"release r2 did not pass its checks after register: check smoke: checkout answers 500. It is rejected, and customers have not seen it. Mend it and upload a new build");
    assert!(matches!(&course.end, Some(End::Fail(failure)) if failure.was_told()));
    assert!(course.account.is_rejected("r2"));
    assert_eq!((course.account.forwards("product"), course.account.notices.len()), ("r1 100".into(), 1));
}

#[test]
fn one_that_does_not_pass_before_promote_never_gets_traffic() {
    let course = examined().says(REQUEST, Verdict::Bad("i-0a: it answered 500".to_owned())).call(&promote("r2"));
    assert_eq!(phases(&course), ["promote 0: smoke, GET /version"]);
    assert!(course.failed().contains("check GET /version: i-0a: it answered 500"), "{}", course.failed());
    assert!(course.account.is_rejected("r2"));
    assert!(!course.steps.iter().any(|step| matches!(step, Step::ModifyRule { .. })));
}

#[test]
fn functions_examine_it_again_at_each_step_and_while_it_bakes() {
    let account = examined();
    let first = account.call_once(&promote("r2"));
    assert_eq!(phases(&first), ["promote 0: smoke, GET /version"]);
    let stands = first.account.later(20).call_once(&promote("r2"));
    assert_eq!(phases(&stands), Vec::<String>::new(), "before the step has stood");
    let second = stands.account.later(45).call_once(&promote("r2"));
    assert_eq!(phases(&second), ["step 10: smoke", "step 100: smoke"]);
    let examination = &second.examined[0];
    assert_eq!(examination.url.as_deref(), Some("https://m.example.com"), "customers' address");
}

#[test]
fn one_that_does_not_pass_a_step_loses_its_traffic() {
    let account = examined().call_once(&promote("r2")).account;
    let course = account.later(61).says("smoke", bad()).call(&promote("r2"));
    assert_eq!(course.account.forwards("product"), "r1 100");
    assert!(course.account.is_rejected("r2"));
    insta::assert_snapshot!(course.failed(), @"release r2 did not pass its checks while it had 10 % of the traffic: check smoke: checkout answers 500. Product is r1 again, in one change; r2 is rejected. Mend it and upload a new build");
    assert_eq!(course.account.notices.len(), 1);
}

#[test]
fn one_that_does_not_pass_while_it_bakes_loses_it_too() {
    let account = examined().call_once(&promote("r2")).account.later(61).call_once(&promote("r2")).account;
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
    let course = account.later(30).says("smoke", bad()).call(&promote("r2"));
    assert_eq!(course.account.forwards("product"), "r1 100");
    assert!(course.failed().contains("while it had 100 % of the traffic"), "{}", course.failed());
}

#[test]
fn freeze_leaves_the_weights_at_a_step_and_rejects_before_there_are_any() {
    let config = json!({"traffic": {"steps": [10]}, "checks": ["smoke"], "on_alarm": "freeze"});
    let account = world().configured(config).product("r1").pre_product("r2").later(60);
    let course = account.clone().call_once(&promote("r2")).account.later(61).says("smoke", bad()).call(&promote("r2"));
    assert_eq!(course.account.forwards("product"), "r2 10, r1 90");
    insta::assert_snapshot!(course.failed(), @r#"release r2 did not pass its checks while it had 10 % of the traffic: check smoke: checkout answers 500. The weights stay where they are (on_alarm is freeze): go on with promote r2 and "despite_alarms":true when its checks pass, or go back with teardown r2 and "action":"rollback""#);
    let decided = course.account.later(30).says("smoke", Verdict::Good).call(&promote_despite("r2"));
    assert_eq!(decided.done().forwards("product"), "r2 100, r1 0");
    assert!(account.says("smoke", bad()).call(&promote("r2")).account.is_rejected("r2"));
}

#[test]
fn less_than_one_percent_by_hand_is_traffic_too() {
    let account = examined().call_once(&promote("r2")).account.weighs("r2", 1).weighs("r1", 999).later(61);
    let course = account.says("smoke", bad()).call(&promote("r2"));
    assert_eq!(course.account.forwards("product"), "r1 100");
    assert!(course.failed().contains("while it had 1 % of the traffic"), "{}", course.failed());
}

#[test]
fn a_check_that_says_nothing_holds_the_release_where_it_is() {
    let hangs = Verdict::None("it did not answer within 15 s".to_owned());
    let words = examined().says("smoke", hangs.clone()).call(&promote("r2")).refused();
    insta::assert_snapshot!(words, @"release r2 could not be examined before it had any traffic: check smoke: it did not answer within 15 s. Nothing is held against it, and it goes no further: mend the check, then call again");
    let account = examined().call_once(&promote("r2")).account.later(61).says("smoke", hangs).call(&promote("r2"));
    assert_eq!(account.account.forwards("product"), "r2 10, r1 90");
    assert!(account.refused().contains("while it had 10 % of the traffic"));
}

#[test]
fn what_is_product_and_no_longer_watched_is_not_examined() {
    let account = examined().call(&promote("r2")).done();
    let course = account.later(3_600).says("smoke", bad()).call(&promote("r2"));
    assert_eq!(phases(&course), Vec::<String>::new());
    course.done();
}

#[test]
fn a_first_release_is_examined_too() {
    let config = json!({"checks": ["smoke"]});
    let account = world().configured(config).pre_product("r1").later(60);
    let course = account.clone().call(&promote("r1"));
    assert_eq!(phases(&course), ["promote 0: smoke"]);
    assert_eq!(course.done().forwards("product"), "r1 100");
    assert!(account.says("smoke", bad()).call(&promote("r1")).account.is_rejected("r1"));
}
