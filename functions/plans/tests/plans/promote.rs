//! `promote`, row by row: where the releases stand.

use domain::plan::Step;
use domain::tags::Role;

use crate::build::{PRE_PRODUCT_NAME, PRODUCT_NAME, world};
use crate::course::{job, promote, rollback, sweep};
use crate::explain::explain;

fn switches(step: &Step) -> bool {
    matches!(step, Step::ModifyRule { .. } | Step::CreateRule(_))
}

#[test]
fn r2_is_what_the_pre_product_rule_forwards_to_it_becomes_product_and_r1_the_way_back() {
    let account = world().product("r1").pre_product("r2").later(60);
    insta::assert_snapshot!(explain(&account.plan(&promote("r2"))), @"
    1. the product rule forwards to r2 100, r1 0
    2. read the product rule back
    3. tag the rule product: since (may follow later)
    3. tag i-r2-1, i-r2-2: role=product since (may follow later)
    3. tag the group of r2: role=product since (may follow later)
    3. tag i-r1-1, i-r1-2: role=retired since (may follow later)
    3. tag the group of r1: role=retired since (may follow later)
    3. delete the pre-product rule (may follow later)
    3. name mobile.corp.internal: 10.0.0.1 10.0.0.2 -> 10.0.0.3 10.0.0.4 (may follow later)
    3. name pre-mobile.corp.internal: 10.0.0.3 10.0.0.4 -> none (may follow later)
    done: release r2 is product
      r1 stays behind the rule with weight 0, healthy, the way back.
    ");
    let (ips, course) = (account.ips("r2"), account.call(&promote("r2")));
    assert_eq!(course.plans.len(), 1, "one look is enough: {}", course.story());
    assert_eq!(course.place(switches), Some(0), "the switch is the first thing that is done");
    let account = course.done();
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
    assert_eq!((account.role("r2"), account.role("r1")), ("product".into(), "retired".into()));
    assert_eq!((account.forwards("pre-product"), account.name(PRE_PRODUCT_NAME)), ("no rule".into(), String::new()));
    assert_eq!(account.name(PRODUCT_NAME), ips);
}

#[test]
fn r_is_not_what_the_pre_product_rule_forwards_to_refused_qa_did_not_see_it() {
    let account = world().product("r1").pre_product("r3").provisioned("r2");
    let words = account.call(&promote("r2")).refused();
    insta::assert_snapshot!(words, @"QA did not see release r2: the pre-product rule forwards to r3. Register r2 and have it tried, or promote what was tried");
    let words = world().product("r1").provisioned("r2").call(&promote("r2")).refused();
    insta::assert_snapshot!(words, @"QA did not see release r2: the pre-product rule forwards to nothing. Register r2 and have it tried, or promote what was tried");
}

#[test]
fn r_has_some_of_the_weight_goes_on_and_the_pre_product_rule_is_not_asked() {
    let account = world().product("r1").promoting("r2", 10).without_rule("pre-product");
    let account = account.call(&promote("r2")).done();
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
}

#[test]
fn r_is_product_already_done_and_what_a_cut_off_call_left_behind_is_mended() {
    let account = world().product("r2").retired("r1").tagged_as("r2", Role::PreProduct).tagged_as("r1", Role::Product);
    let mut account = account.behind_pre_product("r2");
    account.names.clear();
    let course = account.call(&promote("r2"));
    assert_eq!(course.count(switches), 0);
    let account = course.done();
    assert_eq!((account.role("r2"), account.role("r1")), ("product".into(), "retired".into()));
    assert_eq!(
        (account.forwards("product"), account.forwards("pre-product")),
        ("r2 100, r1 0".into(), "no rule".into())
    );
    assert_eq!((account.name(PRODUCT_NAME), account.name(PRE_PRODUCT_NAME)), (account.ips("r2"), String::new()));
}

#[test]
fn r_is_product_already_and_the_pre_product_rule_forwards_to_a_newer_release_it_stays() {
    let account = world().product("r2").retired("r1").pre_product("r3");
    let course = account.call(&promote("r2"));
    assert!(course.steps.is_empty(), "{}", course.story());
    assert_eq!(course.done().forwards("pre-product"), "r3 100");
}

#[test]
fn r_is_retired_refused_late_or_to_be_asked_as_a_rollback_of_what_is_product() {
    let behind_the_rule = world().product("r2").retired("r1");
    insta::assert_snapshot!(behind_the_rule.call(&promote("r1")).refused(), @"release r1 is retired, r2 is product: this call is late. To go back to it, roll back r2");
    let out_of_it = world().product("r2").stands("r1", Role::Retired);
    insta::assert_snapshot!(out_of_it.call(&promote("r1")).refused(), @"release r1 is retired, r2 is product: this call is late. To go back to it, roll back r2");
}

#[test]
fn r2_is_product_r1_still_retired_r2_is_the_way_back_and_r1_leaves_the_rule() {
    let account = world().product("r2").retired("r1").pre_product("r3").later(60);
    let course = account.call(&promote("r3"));
    assert_eq!(course.count(switches), 1);
    let account = course.done();
    assert_eq!(account.forwards("product"), "r3 100, r2 0");
    assert_eq!(
        (account.role("r1"), account.paid("r1")),
        ("retired".into(), 2),
        "r1 goes with the next sweep, not before"
    );
    let account = account.call(&sweep()).done();
    assert_eq!(
        (account.role("r1"), account.paid("r1"), account.forwards("product")),
        ("gone".into(), 0, "r3 100, r2 0".into())
    );
}

#[test]
fn r1_leaves_the_rule_and_its_tags_say_retired_before_it_does() {
    let account = world().product("r2").retired("r1").tagged_as("r1", Role::Product).pre_product("r3");
    insta::assert_snapshot!(explain(&account.plan(&promote("r3"))), @"
    1. tag i-r1-1, i-r1-2: role=retired since (may follow later)
    1. tag the group of r1: role=retired since (may follow later)
    2. tag i-r1-1, i-r1-2: role=retired since
    2. tag the group of r1: role=retired since
    3. the product rule forwards to r3 100, r2 0
    4. read the product rule back
    5. tag the rule product: since (may follow later)
    5. tag i-r3-1, i-r3-2: role=product since (may follow later)
    5. tag the group of r3: role=product since (may follow later)
    5. tag i-r2-1, i-r2-2: role=retired since (may follow later)
    5. tag the group of r2: role=retired since (may follow later)
    5. delete the pre-product rule (may follow later)
    5. name mobile.corp.internal: 10.0.0.1 10.0.0.2 -> 10.0.0.5 10.0.0.6 (may follow later)
    5. name pre-mobile.corp.internal: 10.0.0.5 10.0.0.6 -> none (may follow later)
    done: release r3 is product
      r2 stays behind the rule with weight 0, healthy, the way back.
    ");
    account.call(&promote("r3")).done();
}

#[test]
fn the_tags_lag_behind_a_rollback_that_was_cut_off_the_next_switch_writes_what_is_so_after_it() {
    // Traffic went back to r2, and its tags still say retired.
    let account = world().product("r2").tagged_as("r2", Role::Retired).pre_product("r3").later(60);
    let account = account.call(&promote("r3")).done();
    assert_eq!((account.role("r3"), account.role("r2")), ("product".into(), "retired".into()));
    assert_eq!(account.forwards("product"), "r3 100, r2 0");
}

#[test]
fn r2_has_the_weight_but_is_rejected_r3_takes_all_and_r2_leaves_the_rule_in_the_same_call() {
    let account = world().product("r2").rejected_while_product("r2").pre_product("r3").later(60);
    let course = account.call(&promote("r3"));
    assert_eq!(course.count(switches), 1);
    let account = course.done();
    assert_eq!(account.forwards("product"), "r3 100");
    let refused = account.clone().call(&rollback("r3")).refused();
    insta::assert_snapshot!(refused, @"release r3 cannot be rolled back: no other release stands behind the product rule. It serves on");
    let account = account.call(&sweep()).done();
    assert_eq!(account.role("r2"), "gone");
}

#[test]
fn another_release_is_being_promoted_waiting_and_at_last_refused_with_the_two_calls_that_end_it() {
    let account = world().product("r1").promoting("r2", 10).stands("r3", Role::PreProduct).behind_pre_product("r3");
    insta::assert_snapshot!(account.clone().call_once(&promote("r3")).waiting(), @"the promotion of r2 to end");
    let stuck = account.later(661);
    insta::assert_snapshot!(stuck.call(&promote("r3")).refused(), @r#"release r2 is being promoted and its weights have stood for 11 minutes: end that first, by promote r2 or by teardown r2 with "action":"rollback""#);
}

#[test]
fn fewer_healthy_targets_than_asked_for_it_waits_and_at_last_fails_and_never_switches() {
    let account = world().product("r1").pre_product("r2").unhealthy("r2", 1);
    let promote = job(promote("r2"), &account);
    let course = account.call(&promote);
    assert_eq!(course.count(switches), 0);
    insta::assert_snapshot!(course.waits[0], @"targets of r2: 1 of 2 are healthy; i-r2-1: unhealthy, Health checks failed with these codes: [502]");
    insta::assert_snapshot!(course.failed(), @"r2 was not healthy within 300 seconds: 1 of 2 are healthy; i-r2-1: unhealthy, Health checks failed with these codes: [502]. Look at the health check (HTTP / on port 8080, 200) and the server's own log, then run the pipeline again");
    assert_eq!(course.account.role("r2"), "pre-product", "it may be mended, and promoted by another call");
}

#[test]
fn half_of_the_targets_are_enough_where_the_config_says_so() {
    let account = world().configured(serde_json::json!({"min_healthy_percent": 50})).product("r1").pre_product("r2");
    let account = account.unhealthy("r2", 1).call(&promote("r2")).done();
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
}

#[test]
fn a_direct_caller_waits_for_health_no_longer_than_a_job() {
    let account = world().product("r1").pre_product("r2").unhealthy("r2", 2).later(301);
    insta::assert_snapshot!(account.call(&promote("r2")).failed(), @"r2 was not healthy within 300 seconds: 0 of 2 are healthy; i-r2-1: unhealthy, Health checks failed with these codes: [502]; i-r2-2: unhealthy, Health checks failed with these codes: [502]. Look at the health check (HTTP / on port 8080, 200) and the server's own log, then run the pipeline again");
}

#[test]
fn r_was_never_there() {
    insta::assert_snapshot!(world().product("r1").call(&promote("r9")).refused(), @"QA did not see release r9: the pre-product rule forwards to nothing. Register r9 and have it tried, or promote what was tried");
}

#[test]
fn r_is_rejected_refused_a_new_execution_is_needed_with_why() {
    insta::assert_snapshot!(world().product("r1").rejected("r2").call(&promote("r2")).refused(), @"release r2 was rejected (it was bad): a new execution is needed (a retry keeps this one's id)");
}

#[test]
fn after_the_switch_a_name_cannot_follow_done_and_it_says_what_could_not() {
    let account = world().product("r1").pre_product("r2").denies(|step| matches!(step, Step::ChangeName { .. }));
    let course = account.call(&promote("r2"));
    assert_eq!(course.not_followed.len(), 2, "{:?}", course.not_followed);
    let mut account = course.done();
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
    account.denied.clear();
    let account = account.call(&sweep()).done();
    assert_eq!(account.name(PRODUCT_NAME), account.ips("r2"), "the sweep mends it");
}

#[test]
fn after_the_switch_a_tag_cannot_follow_done_and_the_next_call_of_anything_mends_it() {
    let account = world().product("r1").pre_product("r2").denies(|step| matches!(step, Step::TagInstances { .. }));
    let course = account.call(&promote("r2"));
    assert_eq!(course.not_followed.len(), 2, "{:?}", course.not_followed);
    let mut account = course.done();
    assert_eq!(account.role("r2"), "pre-product and product");
    account.denied.clear();
    let account = account.call(&promote("r2")).done();
    assert_eq!((account.role("r2"), account.role("r1")), ("product".into(), "retired".into()));
}
