//! `remove`, row by row.

use domain::plan::Step;
use domain::tags::Role;
use serde_json::json;

use crate::build::world;
use crate::course::{provision, remove, sweep};

#[test]
fn the_service_and_its_product_release_are_named_out_of_its_rules_all_of_it_torn_down() {
    let account = world().product("r2").retired("r1").rejected("r0").pre_product("r3").later(60);
    let course = account.call(&remove("r2"));
    let rules_gone = course.place(|step| matches!(step, Step::DeleteRule { .. }));
    assert!(rules_gone < course.place(|step| matches!(step, Step::DeregisterTargets { .. })));
    insta::assert_snapshot!(course.ended(), @"done: service mobile-web is removed: its rules, groups, servers and names are gone");
    let account = course.done();
    assert_eq!((account.rules.len(), account.groups.len(), account.names.len()), (0, 0, 0));
    assert!(["r0", "r1", "r2", "r3"].iter().all(|release| account.paid(release) == 0));
}

#[test]
fn it_waits_for_the_servers_of_all_that_goes_and_says_so() {
    let course = world().product("r2").retired("r1").later(60).call(&remove("r2"));
    let story = course.story();
    let all = "requests under way to end on i-r1-1, i-r1-2, i-r2-1, i-r2-2";
    assert!(story.contains(all), "{story}");
}

#[test]
fn it_names_another_release_than_product_refused() {
    let account = world().product("r2").retired("r1");
    insta::assert_snapshot!(account.call(&remove("r1")).refused(), @"release r1 is not product: r2 is");
    insta::assert_snapshot!(world().product("r1").rejected("r2").call(&remove("r2")).refused(), @"release r2 is not product: r1 is; why it went: it was bad");
}

#[test]
fn r_is_being_promoted_waiting() {
    let account = world().product("r1").promoting("r2", 10);
    account.clone().call_once(&remove("r1")).waiting();
    account.clone().call_once(&remove("r2")).waiting();
    account.later(661).call(&remove("r1")).refused();
}

#[test]
fn nothing_is_there_done() {
    let course = world().call(&remove("r1"));
    assert!(course.steps.is_empty(), "{}", course.story());
    course.done();
}

#[test]
fn product_has_no_rule_yet_the_tags_alone_decide() {
    let account = world().stands("r1", Role::Product).call(&remove("r1")).done();
    assert_eq!(account.role("r1"), "gone");
}

#[test]
fn a_rejected_release_serves_for_want_of_anything_else_it_is_not_product_by_that() {
    let account = world().product("r1").rejected_while_product("r1");
    let account = account.call(&remove("r1")).done();
    assert_eq!((account.role("r1"), account.forwards("product")), ("gone".into(), "no rule".into()));
}

#[test]
fn the_servers_of_a_removed_service_are_not_kept_for_a_look_inside() {
    let account = world().configured(json!({"keep_rejected_seconds": 86_400})).product("r1");
    assert_eq!(account.call(&remove("r1")).done().paid("r1"), 0);
}

#[test]
fn an_adopted_rule_goes_and_its_group_stays() {
    let account = world().adopted(&["i-theirs"]).stands("r1", Role::Product).weighs("adopted", 0).weighs("r1", 100);
    let account = account.call(&remove("r1")).done();
    assert_eq!((account.rules.len(), account.groups.len(), account.role("r1")), (0, 1, "gone".into()));
}

#[test]
fn a_strangers_rule_still_names_a_group_it_is_left_and_said() {
    let account = world().product("r1").held("r1");
    let course = account.call(&remove("r1"));
    insta::assert_snapshot!(course.ended(), @"
    done: service mobile-web is out of its rules, and not all of it could go
      mobile-web-6bceede43806 of r1 is still behind a load balancer: it is left standing until that lets it go
    ");
    let account = course.done();
    assert_eq!((account.paid("r1"), account.rules.len()), (2, 0));
    assert_eq!(account.told_in_table.len(), 1, "no rule of ours is left to be tagged");
    let mut account = account.call(&sweep()).done();
    let of_the_group = account.notices.iter().filter(|notice| notice.event == "group-left").count();
    assert_eq!(of_the_group, 1, "told once a day: {:?}", account.notices);
    account.groups.values_mut().for_each(|group| group.held = false);
    assert_eq!(account.call(&sweep()).done().role("r1"), "gone");
}

#[test]
fn a_removed_service_may_be_shipped_anew() {
    let account = world().product("r1").call(&remove("r1")).done();
    account.call(&provision("r2")).done();
}
