//! `promote` in steps: weights that rise, and whoever looks knows how far they have come.

use domain::plan::Step;
use domain::request::RollbackScope;
use domain::world::{Action, Weighted};
use serde_json::json;

use crate::account::Account;
use crate::build::world;
use crate::course::{Course, event, finish, kept_job, promote, provision, register, remove, rollback, sweep};
use crate::explain::explain;

fn in_steps() -> Account {
    world().configured(json!({"traffic": {"steps": [10, 50], "step_seconds": 60}}))
}

/// What the product rule was made to do, one after the other.
fn weights(course: &Course) -> Vec<String> {
    let switches = course.steps.iter().filter(|step| matches!(step, Step::ModifyRule { .. }));
    switches.map(crate::explain::explain_step).collect()
}

#[test]
fn r2_gets_ten_then_fifty_percent_then_all_each_for_as_long_as_a_step() {
    let account = in_steps().product("r1").pre_product("r2").later(60);
    let begun = account.now;
    let course = account.call(&promote("r2"));
    assert_eq!(
        weights(&course),
        [
            "the product rule forwards to r2 10, r1 90",
            "the product rule forwards to r2 50, r1 50",
            "the product rule forwards to r2 100, r1 0"
        ]
    );
    insta::assert_snapshot!(course.waits[0], @"r2 to have stood 60 s more with 10 % of the traffic; 50 % come next");
    let account = course.done();
    assert!(account.now - begun >= 120, "two steps of 60 s");
    assert_eq!((account.role("r2"), account.role("r1")), ("product".into(), "retired".into()));
}

#[test]
fn while_steps_last_tags_and_names_stay_and_so_does_the_pre_product_rule() {
    let account = in_steps().product("r1").pre_product("r2").later(60);
    let names = account.names.clone();
    let account = account.call_once(&promote("r2")).account;
    assert_eq!((account.role("r2"), account.role("r1")), ("pre-product".into(), "product".into()));
    assert_eq!((account.forwards("pre-product"), &account.names), ("r2 100".into(), &names));
}

#[test]
fn any_caller_takes_over_where_another_was_cut_off() {
    for cut in 0..6 {
        let account = in_steps().product("r1").pre_product("r2").later(60);
        let mut account = Account { cut_after: Some(cut), ..account }.call(&promote("r2")).account;
        account.cut_after = None;
        let course = account.call(&promote("r2"));
        let rose: Vec<String> = weights(&course);
        assert!(rose.last().is_some_and(|last| last.contains("r2 100, r1 0")), "cut after {cut}: {rose:?}");
        course.done();
    }
}

#[test]
fn a_release_that_is_not_healthy_gets_no_further_step_and_at_last_traffic_is_back() {
    let account = in_steps().product("r1").pre_product("r2").later(60).call_once(&promote("r2")).account;
    let account = account.unhealthy("r2", 1).later(120);
    let waits = account.clone().call_once(&promote("r2"));
    assert_eq!(waits.account.forwards("product"), "r2 10, r1 90");
    assert!(waits.waiting().contains("1 of 2 are healthy"));
    let account = account.later(300);
    let kept = account.clone().call_once(&kept_job(promote("r2"), &account));
    assert!(kept.waiting().contains("1 of 2 are healthy"), "a hold's time is not its own");
    let course = account.call(&promote("r2"));
    assert_eq!((course.account.forwards("product"), course.account.role("r2")), ("r1 100".into(), "rejected".into()));
    insta::assert_snapshot!(course.failed(), @"the servers of r2 are not healthy while it had 10 % of the traffic: 1 of 2 are healthy; i-r2-1: unhealthy, Health checks failed with these codes: [502]. Product is r1 again, in one change; r2 is rejected. Mend it and upload a new build");
}

#[test]
fn a_release_of_which_no_server_is_healthy_any_more_loses_its_traffic_at_once() {
    let steps = in_steps().product("r1").pre_product("r2").later(60).call_once(&promote("r2")).account;
    let bakes = world().configured(json!({"bake_seconds": 300})).product("r1").pre_product("r2").later(60);
    let bakes = bakes.call_once(&promote("r2")).account;
    for account in [steps, bakes] {
        let course = account.unhealthy("r2", 2).later(5).call(&promote("r2"));
        assert_eq!(course.account.forwards("product"), "r1 100");
        assert!(course.failed().contains("0 of 2 are healthy"), "{}", course.failed());
        assert_eq!(course.account.notices.len(), 1);
    }
}

#[test]
fn where_what_it_would_go_back_to_is_no_better_it_waits_for_health() {
    let account = in_steps().product("r1").pre_product("r2").later(60).call_once(&promote("r2")).account;
    let course = account.unhealthy("r1", 2).unhealthy("r2", 2).later(61).call_once(&promote("r2"));
    assert_eq!(course.account.forwards("product"), "r2 10, r1 90");
    assert!(course.waiting().contains("0 of 2 are healthy"));
}

#[test]
fn a_late_promote_of_what_gives_way_waits_and_takes_nothing() {
    let config = json!({"traffic": {"steps": [10], "step_seconds": 60}, "alarms": ["mobile-5xx"]});
    let account = world().configured(config).alarm("mobile-5xx").product("r1").pre_product("r2").later(60);
    let account = account.call_once(&promote("r2")).account;
    for account in [account.clone().later(61), account.later(20).goes_off("mobile-5xx").later(41)] {
        let course = account.call_once(&promote("r1"));
        assert_eq!(course.account.forwards("product"), "r2 10, r1 90", "{}", course.story());
        assert_eq!(course.waiting(), "the promotion of r2 to end");
    }
}

#[test]
fn a_retired_release_that_was_given_weight_by_hand_takes_nobodys_place() {
    let account = in_steps().product("r2").retired("r1").weighs("r2", 50).weighs("r1", 50).later(120);
    assert_eq!(account.call(&promote("r2")).done().forwards("product"), "r2 100, r1 0");
}

/// A promotion that somebody ended by hand: weight 0, or out of the rule.
fn taken_away() -> [Account; 2] {
    let account = in_steps().product("r1").pre_product("r2").later(60).call_once(&promote("r2")).account.later(20);
    let forward = |account: &Account| crate::account::forward_of(account.rule("product").unwrap()).to_vec();
    let of_r2 = |weighted: &Weighted| weighted.group.as_str().ends_with("/r2");
    let zero = forward(&account).into_iter().map(|w| Weighted { weight: if of_r2(&w) { 0 } else { 100 }, ..w });
    let out = forward(&account).into_iter().filter(|w| !of_r2(w));
    [zero.collect(), out.collect()].map(|forward| account.clone().rule_does("product", Action::Forward(forward)))
}

#[test]
fn a_promotion_that_somebody_ended_by_hand_goes_no_further_and_is_no_way_back() {
    for account in taken_away() {
        let before = account.forwards("product");
        let course = account.call(&promote("r2"));
        assert_eq!(course.account.forwards("product"), before, "{}", course.story());
        insta::allow_duplicates! {
            insta::assert_snapshot!(course.ended(), @"refused: somebody took the traffic of release r2 away by hand, r1 is product: it goes no further. Roll it back, or give it its weight again by hand and promote it");
        }
        let account = course.account.later(600).call(&sweep()).done();
        assert_eq!((account.role("r2"), account.forwards("product")), ("pre-product".into(), before));
        let told: Vec<&str> = account.notices.iter().map(|notice| notice.headline.as_str()).collect();
        assert_eq!(told, ["somebody took the traffic of r2 away by hand"]);
        let words = account.clone().call(&rollback("r1")).refused();
        assert!(words.contains("no other release") || words.contains("healthy"), "{words}");
        // Its failed execution, a newer release and a person end it.
        for request in [event("r2", RollbackScope::UnlessItWasProduct), provision("r3"), rollback("r2")] {
            let account = account.clone().call(&request).account;
            assert_eq!(account.role("r2"), if request == rollback("r2") { "gone" } else { "rejected" }, "{request:?}");
            let account = account.call(&sweep()).done();
            assert!(["r1 100", "r1 90"].contains(&account.forwards("product").as_str()), "all of it is one group's");
        }
    }
}

#[test]
fn one_that_gets_its_weight_back_by_hand_goes_on() {
    let [account, _] = taken_away();
    let account = account.call_once(&promote("r2")).account.later(60);
    let forward = crate::account::forward_of(account.rule("product").unwrap()).iter().cloned();
    let half = forward.map(|weighted| Weighted { weight: 50, ..weighted }).collect();
    let account = account.rule_does("product", Action::Forward(half)).later(60).call(&promote("r2")).done();
    assert_eq!((account.forwards("product"), account.role("r2")), ("r2 100, r1 0".into(), "product".into()));
}

#[test]
fn what_waits_for_a_promotion_waits_for_its_steps() {
    let account = in_steps().product("r1").pre_product("r2").provisioned("r3").later(60);
    let account = account.call_once(&promote("r2")).account;
    for request in [provision("r3"), register("r3"), promote("r3"), finish("r2"), remove("r1")] {
        let words = account.clone().call_once(&request).waiting();
        assert!(words.contains("promotion of r2"), "{request:?}: {words}");
    }
    for request in [provision("r2"), register("r2")] {
        let course = account.clone().call_once(&request);
        assert!(course.steps.is_empty(), "{}", course.story());
        course.done();
    }
}

#[test]
fn a_rollback_between_two_steps_takes_all_of_it_back() {
    let account = in_steps().product("r1").pre_product("r2").later(60).call_once(&promote("r2")).account;
    let course = account.call(&rollback("r2"));
    assert_eq!(weights(&course), ["the product rule forwards to r1 100"]);
    assert_eq!(course.done().role("r1"), "product");
}

#[test]
fn a_first_release_and_one_after_a_rejected_product_have_nobody_to_share_with() {
    let account = in_steps().pre_product("r1").later(60).call(&promote("r1")).done();
    assert_eq!(account.forwards("product"), "r1 100");
    let account = in_steps().product("r1").rejected_while_product("r1").pre_product("r2").later(60);
    let course = account.call(&promote("r2"));
    assert_eq!(weights(&course), ["the product rule forwards to r2 100"]);
}

#[test]
fn customers_keep_their_release_while_steps_last_and_not_after() {
    let traffic = json!({"traffic": {"steps": [10], "step_seconds": 60, "stickiness_seconds": 300}});
    let course = world().configured(traffic).product("r1").pre_product("r2").later(60).call(&promote("r2"));
    assert_eq!(
        weights(&course),
        ["the product rule forwards to r2 10, r1 90, sticky for 300 s", "the product rule forwards to r2 100, r1 0"]
    );
}

#[test]
fn weights_that_somebody_moved_by_hand_stand_as_long_as_a_step_then_go_on_and_people_are_told() {
    let account = in_steps().product("r1").promoting("r2", 30).later(60);
    let course = account.weighs("r2", 30).call(&promote("r2"));
    assert_eq!(
        weights(&course),
        ["the product rule forwards to r2 50, r1 50", "the product rule forwards to r2 100, r1 0"]
    );
    let told: Vec<&str> = course.account.notices.iter().map(|notice| notice.headline.as_str()).collect();
    assert_eq!(told, ["r2 has 30 % of the traffic, which is none of its steps (10 %, 50 %)"]);
}

#[test]
fn a_release_bakes_before_promote_is_done_and_is_product_meanwhile() {
    let account = world().configured(json!({"bake_seconds": 300})).product("r1").pre_product("r2").later(60);
    let begun = account.now;
    let course = account.call(&promote("r2"));
    insta::assert_snapshot!(course.waits[0], @"r2 to be watched for 300 s more; it has all of the traffic");
    assert_eq!(weights(&course).len(), 1);
    let account = course.done();
    assert!(account.now - begun >= 300);
    // The next release bakes too; what waits for it waits until then.
    let account = account.pre_product("r3").later(300).call_once(&promote("r3")).account;
    assert_eq!((account.role("r3"), account.role("r2")), ("product".into(), "retired".into()));
    for request in [provision("r4"), finish("r3"), remove("r3")] {
        let words = account.clone().call_once(&request).waiting();
        assert!(words.contains("r3"), "{request:?}: {words}");
    }
    let account = account.later(300).call(&finish("r3")).done();
    assert!(account.servers_of("r2").all(|(_, server)| server.state == domain::world::InstanceState::Terminated));
}

#[test]
fn after_a_rollback_nothing_bakes_and_the_next_release_need_not_wait() {
    let account = world().configured(json!({"bake_seconds": 300})).product("r1").pre_product("r2").later(60);
    let account = account.call_once(&promote("r2")).account.call(&rollback("r2")).done();
    let course = account.call_once(&provision("r3"));
    assert!(!course.ended().contains("promotion"), "{}", course.ended());
}

#[test]
fn a_way_back_goes_after_its_time_and_people_are_told_before() {
    let account = world().configured(json!({"retired_ttl_seconds": 7200})).product("r2").retired("r1");
    let account = account.later(5000).call(&sweep()).done();
    assert_eq!((account.forwards("product"), account.notices.len()), ("r2 100, r1 0".into(), 0));
    let account = account.later(1000).call(&sweep()).done();
    let told: Vec<&str> = account.notices.iter().map(|notice| notice.headline.as_str()).collect();
    assert!(matches!(told.as_slice(), [one] if one.starts_with("r1, the way back, goes at")), "{told:?}");
    let account = account.later(1300).call(&sweep()).done();
    assert_eq!(account.forwards("product"), "r2 100");
    assert!(account.servers_of("r1").all(|(_, server)| server.state == domain::world::InstanceState::Terminated));
}

#[test]
fn no_way_back_goes_of_which_nobody_was_told_whatever_was_told_of_another_one() {
    let account = world().configured(json!({"retired_ttl_seconds": 7200})).product("r2").retired("r1");
    let account = account.later(7000).call(&sweep()).done().later(600).call(&sweep()).done();
    assert_eq!((account.forwards("product"), account.notices.len()), ("r2 100".into(), 1));
    // The next release's way back, on the same day, and a sweep that comes too late to tell of it in time.
    let account = account.pre_product("r3").later(60).call(&promote("r3")).done().later(7300).call(&sweep()).done();
    assert_eq!(account.forwards("product"), "r3 100, r2 0", "it was not told yet");
    let told: Vec<&str> = account.notices.iter().map(|notice| notice.headline.as_str()).collect();
    assert_eq!(told[1..], ["r2, the way back, goes with the next sweep"]);
    assert_eq!(account.later(600).call(&sweep()).done().forwards("product"), "r3 100");
}

#[test]
fn the_plan_of_a_step_reads_well() {
    let account = in_steps().product("r1").pre_product("r2").later(60);
    insta::assert_snapshot!(explain(&account.plan(&promote("r2"))), @"
    1. the product rule forwards to r2 10, r1 90
    2. read the product rule back
    3. tag the rule product: since (may follow later)
    look again
    ");
}
