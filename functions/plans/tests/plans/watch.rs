//! `promote` under its alarms: what is red before it begins, and what goes off while it is under way.

use domain::plan::{End, Step};
use domain::tags::Role;
use serde_json::json;

use crate::account::Account;
use crate::build::world;
use crate::course::{job, promote, promote_despite};

fn watched() -> Account {
    let config = json!({
        "traffic": {"steps": [10], "step_seconds": 60}, "bake_seconds": 300, "alarms": ["mobile-5xx"],
    });
    world().configured(config).alarm("mobile-5xx").product("r1").pre_product("r2").later(60)
}

fn is_switch(step: &Step) -> bool {
    matches!(step, Step::ModifyRule { .. })
}

#[test]
fn an_alarm_that_goes_off_during_the_steps_puts_traffic_back_and_fails_the_job_with_its_reason() {
    let account = watched().call_once(&promote("r2")).account;
    let course = account.later(20).goes_off("mobile-5xx").later(5).call(&promote("r2"));
    assert_eq!(course.account.forwards("product"), "r1 100");
    assert!(course.account.is_rejected("r2"));
    insta::assert_snapshot!(course.failed(), @"alarm mobile-5xx (Threshold crossed: 12 > 5) is red while r2 had 10 % of the traffic. Product is r1 again, in one change; r2 is rejected. Mend it and upload a new build");
    assert!(matches!(&course.end, Some(End::Fail(failure)) if failure.was_told()));
    assert_eq!(course.account.notices.len(), 1);
}

#[test]
fn an_alarm_that_goes_off_while_it_bakes_does_the_same() {
    let account = watched().call_once(&promote("r2")).account.later(61).call_once(&promote("r2")).account;
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
    let course = account.later(100).goes_off("mobile-5xx").later(5).call(&promote("r2"));
    assert_eq!((course.account.forwards("product"), course.account.role("r2")), ("r1 100".into(), "rejected".into()));
    assert!(course.failed().contains("100 %"), "{}", course.failed());
}

#[test]
fn one_that_went_off_while_it_baked_is_seen_by_the_call_that_finds_the_bake_over() {
    let account = watched().call_once(&promote("r2")).account.later(61).call_once(&promote("r2")).account;
    let baked = account.later(290).goes_off("mobile-5xx").later(30);
    let course = baked.clone().call(&promote("r2"));
    assert_eq!((course.account.forwards("product"), course.account.role("r2")), ("r1 100".into(), "rejected".into()));
    assert_eq!(baked.later(600).call(&promote("r2")).done().forwards("product"), "r2 100, r1 0", "a late duplicate");
}

#[test]
fn one_that_goes_off_after_the_bake_is_its_events() {
    let account = watched().call_once(&promote("r2")).account.later(61).call_once(&promote("r2")).account;
    let account = account.later(301).goes_off("mobile-5xx").later(5);
    assert_eq!(account.call(&promote("r2")).done().forwards("product"), "r2 100, r1 0");
}

#[test]
fn one_that_went_off_in_an_earlier_step_counts_in_a_later_one() {
    let config = json!({
        "traffic": {"steps": [10, 50], "step_seconds": 60}, "alarms": ["mobile-5xx"], "on_alarm": "freeze",
    });
    let account = watched().configured(config).call_once(&promote("r2")).account;
    // It went off just before the second step, and is seen only after it.
    let red = account.clone().later(59).goes_off("mobile-5xx").alarms;
    let mut account = account.later(61).call_once(&promote("r2")).account;
    assert_eq!(account.forwards("product"), "r2 50, r1 50");
    account.alarms = red;
    assert!(account.later(5).call(&promote("r2")).failed().contains("mobile-5xx"));
}

#[test]
fn too_little_data_is_no_alarm_and_one_that_was_red_and_is_green_again_neither() {
    let account = watched().goes_off("mobile-5xx").later(60).alarm("mobile-5xx");
    assert_eq!(account.call(&promote("r2")).done().forwards("product"), "r2 100, r1 0");
}

#[test]
fn an_alarm_that_is_red_already_refuses_the_promotion() {
    let words = watched().goes_off("mobile-5xx").later(60).call(&promote("r2")).refused();
    insta::assert_snapshot!(words, @r#"alarm mobile-5xx (Threshold crossed: 12 > 5) is red before r2 has any traffic, which would hide what r2 does: wait until it is green; or, where what is product now is what makes it red, promote with "despite_alarms":true"#);
}

#[test]
fn despite_alarms_a_fix_goes_out_and_everybody_is_told() {
    let account = watched().goes_off("mobile-5xx").later(60);
    let fix = job(promote_despite("r2"), &account);
    let course = account.call(&fix);
    let told: Vec<&str> = course.account.notices.iter().map(|notice| notice.headline.as_str()).collect();
    assert_eq!(told, ["r2 is being promoted though mobile-5xx is red"]);
    assert_eq!(course.done().forwards("product"), "r2 100, r1 0");
}

#[test]
fn an_alarm_that_was_green_once_since_counts_again() {
    let account = watched().goes_off("mobile-5xx").later(60);
    let fix = job(promote_despite("r2"), &account);
    let account = account.call_once(&fix).account;
    let account = account.later(10).alarm("mobile-5xx").later(10).goes_off("mobile-5xx").later(5);
    let course = account.call(&fix);
    assert_eq!(course.account.forwards("product"), "r1 100");
    assert!(course.failed().contains("mobile-5xx"));
}

#[test]
fn freeze_leaves_the_weights_and_people_decide() {
    let config = json!({
        "traffic": {"steps": [10], "step_seconds": 60}, "alarms": ["mobile-5xx"], "on_alarm": "freeze",
    });
    let account = watched().configured(config).call_once(&promote("r2")).account;
    let course = account.later(20).goes_off("mobile-5xx").later(5).call(&promote("r2"));
    assert_eq!(course.count(is_switch), 0);
    assert_eq!(course.account.forwards("product"), "r2 10, r1 90");
    insta::assert_snapshot!(course.failed(), @r#"alarm mobile-5xx (Threshold crossed: 12 > 5) is red while r2 had 10 % of the traffic. The weights stay where they are (on_alarm is freeze): go on with promote r2 and "despite_alarms":true, or go back with teardown r2 and "action":"rollback""#);
    assert!(matches!(&course.end, Some(End::Fail(failure)) if !failure.was_told()));
    let account = course.account.later(30);
    let fix = job(promote_despite("r2"), &account);
    assert_eq!(account.call(&fix).done().forwards("product"), "r2 100, r1 0");
}

#[test]
fn with_nothing_to_go_back_to_it_serves_on_and_the_job_fails() {
    let account = watched().call_once(&promote("r2")).account.unhealthy("r1", 2).unhealthy("r2", 0);
    let course = account.later(20).goes_off("mobile-5xx").later(5).call(&promote("r2"));
    assert_eq!(course.account.forwards("product"), "r2 10, r1 90");
    assert!(course.failed().contains("It serves on"), "{}", course.failed());
    assert!(!course.account.is_rejected("r2"));
}

#[test]
fn an_alarm_that_does_not_exist_is_a_fault_of_the_config() {
    let mut account = watched();
    account.alarms.clear();
    let words = account.call(&promote("r2")).refused();
    insta::assert_snapshot!(words, @"the config of mobile-web is not right: alarms: there is no alarm mobile-5xx in this account and region; make it, or take it out");
}

#[test]
fn an_alarm_of_before_says_nothing_about_what_is_product_already() {
    let account =
        world().configured(json!({"alarms": ["mobile-5xx"]})).product("r2").retired("r1").goes_off("mobile-5xx");
    assert_eq!(account.tagged_as("r2", Role::Product).call(&promote("r2")).done().forwards("product"), "r2 100, r1 0");
}
