//! `promote` under its alarms: what is red before it begins, and what goes off while it is under way.

use domain::plan::{End, Step};
use domain::request::RollbackScope;
use domain::tags::{self, Role};
use serde_json::json;

use crate::account::Account;
use crate::build::world;
use crate::course::{event, freeze, freeze_since, job, promote, promote_despite, rollback, sweep};

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

fn frozen() -> Account {
    let config = json!({
        "traffic": {"steps": [10], "step_seconds": 60}, "alarms": ["mobile-5xx"], "on_alarm": "freeze",
    });
    watched().configured(config).call_once(&promote("r2")).account.later(20)
}

#[test]
fn a_failed_execution_leaves_frozen_weights_where_they_are() {
    let failed = event("r2", RollbackScope::UnlessItWasProduct);
    let account = frozen().goes_off("mobile-5xx").later(5).call(&promote("r2")).account;
    let course = account.later(3).call(&failed);
    assert!(course.steps.is_empty(), "{}", course.story());
    insta::assert_snapshot!(course.ended(), @"done: the weights of release r2 are frozen: people decide what becomes of it");
    // What was not frozen is taken back, and people may take back what was.
    assert_eq!(frozen().call(&failed).done().forwards("product"), "r1 100");
    assert_eq!(course.account.call(&rollback("r2")).done().forwards("product"), "r1 100");
}

#[test]
fn the_event_of_an_alarm_freezes_too_people_are_told_once_and_no_promotion_goes_on_by_itself() {
    let course = frozen().goes_off("mobile-5xx").call(&freeze("r2"));
    insta::assert_snapshot!(course.account.notices[0].text("eu-central-1"), @r#"
    The weights of r2 are frozen: alarm mobile-5xx: Threshold crossed: 12 > 5.
    They stay where they are (on_alarm is freeze).

    Where to look
      Product  m.example.com

    What to do next
      - To go on: promote r2 and "despite_alarms":true.
      - To go back: teardown r2 and "action":"rollback".

    Service   mobile-web
    Release   r2
    Asked by  an event: alarm mobile-5xx: Threshold crossed: 12 > 5
    Status    attention (alarm)
    "#);
    let account = course.done().later(5);
    let again = account.call(&freeze("r2"));
    assert_eq!((again.steps.len(), again.account.notices.len()), (0, 1), "events come twice");
    // Green again: it goes no further all the same.
    let account = again.account.alarm("mobile-5xx").later(60);
    let course = account.clone().call(&promote("r2"));
    insta::assert_snapshot!(course.failed(), @r#"the weights of r2 (10 %) were frozen at 2026-11-21T10:01:20Z (on_alarm is freeze): go on with promote r2 and "despite_alarms":true, or go back with teardown r2 and "action":"rollback""#);
    assert_eq!(course.account.forwards("product"), "r2 10, r1 90");
    // A job that began before says nothing about what was frozen since.
    let before = job(promote_despite("r2"), &watched());
    assert!(account.clone().call(&before).failed().contains("frozen"));
    let course = account.call(&promote_despite("r2"));
    let told: Vec<&str> = course.account.notices.iter().map(|notice| notice.headline.as_str()).collect();
    assert_eq!(told[1..], ["r2 is being promoted though its weights were frozen"]);
    assert_eq!(course.done().forwards("product"), "r2 100, r1 0");
}

#[test]
fn an_event_that_comes_again_freezes_nothing_that_people_went_on_with() {
    let red_since = frozen().now;
    let config = json!({"traffic": {"steps": [10, 50], "step_seconds": 60}});
    let account = frozen().configured(config).goes_off("mobile-5xx").call(&freeze_since("r2", red_since)).account;
    let account = account.later(5).call_once(&promote_despite("r2")).account;
    let course = account.later(1).call(&freeze_since("r2", red_since));
    assert!(course.steps.is_empty(), "{}", course.story());
    insta::assert_snapshot!(course.ended(), @"done: people went on with release r2 though that was so at 2026-11-21T10:01:20Z");
    // Red once more, it is another alarm.
    let account = course.account.alarm("mobile-5xx").later(5).goes_off("mobile-5xx");
    let again = account.now;
    assert!(account.call(&freeze_since("r2", again)).ended().contains("are frozen"));
}

/// r2 has all of the traffic and r1 stands behind it, bakes for so long, and was frozen some seconds after its switch.
fn frozen_at_all(bake_seconds: u32, seconds: i64) -> Account {
    let config = json!({
        "traffic": {"steps": []}, "bake_seconds": bake_seconds, "alarms": ["mobile-5xx"], "on_alarm": "freeze",
    });
    let account = watched().configured(config).call_once(&promote("r2")).account;
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
    let account = account.later(seconds).goes_off("mobile-5xx");
    let since = account.now;
    account.call(&freeze_since("r2", since)).done().later(5)
}

#[test]
fn what_was_frozen_with_all_of_the_traffic_goes_on_by_the_same_call_and_the_next_alarm_freezes_it_again() {
    // Nothing bakes; or the bake is over when people decide, with the alarm still red.
    for account in [frozen_at_all(0, 60), frozen_at_all(300, 290).later(60)] {
        let account = account.call(&promote_despite("r2")).done();
        let told: Vec<&str> = account.notices.iter().map(|notice| notice.headline.as_str()).collect();
        assert_eq!(told.last(), Some(&"r2 stays product though mobile-5xx is red"));
        let account = account.later(3_600).alarm("mobile-5xx").later(60).goes_off("mobile-5xx");
        let (again, told) = (account.now, account.notices.len());
        let course = account.call(&freeze_since("r2", again));
        assert!(course.ended().contains("the weights of r2 are frozen"), "{}", course.ended());
        assert_eq!(course.account.notices.len(), told + 1, "people decide anew");
    }
}

#[test]
fn a_job_whose_release_was_frozen_while_it_baked_fails_though_the_alarm_is_green_and_the_bake_over() {
    let account = frozen_at_all(300, 290).alarm("mobile-5xx").later(60);
    assert!(account.clone().call(&promote("r2")).failed().contains("were frozen"));
    assert_eq!(account.later(900).call(&promote("r2")).done().forwards("product"), "r2 100, r1 0", "a late duplicate");
}

#[test]
fn nothing_goes_by_itself_while_people_decide() {
    // An approval that nobody answers takes nothing back, and the way back does not go.
    let config = json!({"retired_ttl_seconds": 7_200});
    let account = frozen_at_all(0, 60).configured(config);
    let course = account.call(&event("r2", RollbackScope::OnlyProduct));
    assert!(course.steps.is_empty() && course.ended().contains("frozen"), "{}", course.story());
    let account = course.account.later(7_200).call(&sweep()).done().later(600).call(&sweep()).done();
    assert_eq!((account.forwards("product"), account.notices.len()), ("r2 100, r1 0".into(), 1));
    let account = account.later(86_400).call(&sweep()).done().later(600).call(&sweep()).done();
    let told: Vec<&str> = account.notices.iter().map(|notice| notice.headline.as_str()).collect();
    assert_eq!(told[1..], ["r2 has been frozen since 2026-11-21T10:02:00Z, and nobody decides"]);
    let account = account.call(&promote_despite("r2")).done().call(&sweep()).done().later(600).call(&sweep()).done();
    assert_eq!(account.forwards("product"), "r2 100");
}

#[test]
fn an_alarm_that_was_about_what_gave_way_meanwhile_takes_nothing_from_what_came() {
    let since = world().now;
    let alarm = event("r1", RollbackScope::Alarm { since });
    let canary = world().product("r1").promoting("r2", 10);
    for account in [canary, world().product("r2").retired("r1")] {
        let course = account.clone().call(&alarm);
        assert!(course.steps.is_empty() && course.ended().contains("gave way meanwhile"), "{}", course.story());
        let course = account.call(&freeze_since("r1", since));
        assert!(course.steps.is_empty() && course.ended().starts_with("done"), "{}", course.story());
    }
    // Nor does one that people went on with.
    let went_on = frozen_at_all(0, 60);
    let red_since = went_on.now;
    let went_on = went_on.call(&promote_despite("r2")).done();
    let course = went_on.call(&event("r2", RollbackScope::Alarm { since: red_since }));
    assert!(course.steps.is_empty() && course.ended().contains("people went on"), "{}", course.story());
    let account = world().product("r1").retired("r0").call(&alarm).done();
    assert_eq!((account.role("r1"), account.forwards("product")), ("rejected".into(), "r0 100".into()));
}

#[test]
fn nothing_is_frozen_that_nobody_can_decide() {
    let kept = world().product("r2").retired("r1").tagged("r2", tags::KEPT, "2026-11-21T10:00:00Z");
    for account in [kept, world().product("r2"), world().product("r1").pre_product("r2")] {
        let course = account.call(&freeze("r2"));
        assert!(course.steps.is_empty() && course.account.notices.is_empty(), "{}", course.story());
        course.done();
    }
}

#[test]
fn what_somebody_went_on_despite_counts_again_for_who_calls_and_calls() {
    let account = watched().goes_off("mobile-5xx").later(60).call_once(&promote_despite("r2")).account;
    let account = account.later(10).alarm("mobile-5xx").later(10).goes_off("mobile-5xx").later(5);
    let course = account.call(&promote_despite("r2"));
    assert_eq!(course.account.forwards("product"), "r1 100", "{}", course.story());
    assert!(course.failed().contains("mobile-5xx"));
}

#[test]
fn everybody_is_told_of_each_release_that_goes_out_despite_an_alarm_and_before_it_does() {
    let account = watched().goes_off("mobile-5xx").later(60);
    let course = account.call_once(&promote_despite("r2"));
    let told = course.place(|step| matches!(step, Step::Tell(_)));
    assert!(told < course.place(is_switch), "{}", course.story());
    let account = course.account.later(61).call(&promote_despite("r2")).done().pre_product("r3").later(600);
    let course = account.call_once(&promote_despite("r3"));
    let told: Vec<&str> = course.account.notices.iter().map(|notice| notice.headline.as_str()).collect();
    assert_eq!(
        told,
        ["r2 is being promoted though mobile-5xx is red", "r3 is being promoted though mobile-5xx is red"],
        "{}",
        course.story()
    );
}

#[test]
fn an_alarm_that_goes_off_while_who_switched_is_cut_off_before_it_could_write_when_counts() {
    let config = json!({"traffic": {"steps": [10], "step_seconds": 60}, "bake_seconds": 300, "alarms": ["mobile-5xx"]});
    let at_once = json!({"traffic": {"steps": []}, "bake_seconds": 300, "alarms": ["mobile-5xx"]});
    for config in [config, at_once] {
        let account = watched().configured(config);
        let cut = Account { cut_after: Some(1), ..account }.call(&promote("r2")).account;
        assert_ne!(cut.forwards("product"), "r1 100", "it was cut off after the switch");
        let cut = Account { cut_after: None, ..cut };
        let course = cut.clone().later(5).goes_off("mobile-5xx").later(75).call(&promote("r2"));
        assert_eq!(course.account.forwards("product"), "r1 100", "{}", course.story());
        assert_eq!(cut.later(75).call(&promote("r2")).done().forwards("product"), "r2 100, r1 0");
    }
}

#[test]
fn an_alarm_that_is_gone_is_told_by_the_sweep() {
    let mut account = watched();
    account.alarms.clear();
    let account = account.call(&sweep()).done();
    let told: Vec<&str> = account.notices.iter().map(|notice| notice.headline.as_str()).collect();
    assert_eq!(told, ["alarms that the config names do not exist"]);
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
