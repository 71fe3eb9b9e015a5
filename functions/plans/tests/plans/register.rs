//! `register`, row by row.

use domain::plan::Step;
use domain::tags::{self, Role};
use serde_json::json;

use crate::account::forward_of;
use crate::build::world;
use crate::course::{job, kept_job, promote, provision, register, rollback};
use crate::explain::explain;

fn on_rules(step: &Step) -> bool {
    matches!(
        step,
        Step::CreateRule(_)
            | Step::ModifyRule { .. }
            | Step::ModifyConditions { .. }
            | Step::MoveRule { .. }
            | Step::DeleteRule { .. }
    )
}

#[test]
fn the_release_gets_a_group_its_targets_and_the_pre_product_rule_in_this_order() {
    let account = world().product("r1").provisioned("r2");
    let course = account.call(&register("r2"));
    insta::assert_snapshot!(course.story(), @"
    1. make the group of r2, HTTP 8080
    look again
    ---
    1. register i-r2-1, i-r2-2 with the group of r2, port 8080
    2. make the pre-product rule, priority 10: r2 100
    look again
    ---
    wait for targets of r2: 0 of 2 are healthy; i-r2-1: initial, Initial health checks in progress; i-r2-2: initial, Initial health checks in progress
    ---
    1. tag the group of r2: fingerprint=360c0bd022ce i-r2-1 i-r2-2
    done: release r2 can be tried: 2 of 2 servers are healthy
      Customers still get r1.
    ");
    let account = course.done();
    assert_eq!((account.forwards("pre-product"), account.forwards("product")), ("r2 100".into(), "r1 100".into()));
    let rule = account.rule("pre-product").unwrap();
    assert_eq!((rule.priority, &rule.conditions), (10, &account.service.pre_product.conditions));
}

#[test]
fn people_are_told_where_to_look() {
    let course = world().product("r1").provisioned("r2").call(&register("r2"));
    let Some(domain::plan::End::Done(done)) = &course.end else { panic!("{}", course.story()) };
    assert_eq!(done.outputs["PreProductUrl"], "https://pre.m.example.com");
    assert_eq!(done.outputs["InstanceIds"], "i-r2-1,i-r2-2");
    let look: Vec<String> = done.look.iter().map(|(label, place)| format!("{label}: {place}")).collect();
    insta::assert_snapshot!(look.join("\n"), @"
    Pre-product: https://pre.m.example.com
    Private name: pre-mobile.corp.internal
    Servers: 10.0.0.3, 10.0.0.4
    Fingerprint: 360c0bd022ce
    ");
}

#[test]
fn the_pre_product_rule_forwards_to_another_releases_group_it_forwards_to_r_now() {
    let account = world().product("r1").rejected("r2").behind_pre_product("r2").provisioned("r3");
    assert_eq!(account.call(&register("r3")).done().forwards("pre-product"), "r3 100");
    let account = world().product("r1").behind_pre_product("r1").provisioned("r3");
    let course = account.call(&register("r3"));
    assert_eq!(course.done().forwards("pre-product"), "r3 100");
}

#[test]
fn the_rules_conditions_and_priority_follow_the_config() {
    let changed = json!({"pre_product": {"priority": 11, "hosts": ["beta.m.example.com"]}});
    let account = world().product("r1").pre_product("r2").configured(changed);
    let arn = account.rule("pre-product").unwrap().arn.clone();
    let account = account.call(&register("r2")).done();
    let rule = account.rule("pre-product").unwrap();
    assert_eq!((&rule.arn, rule.priority), (&arn, 11));
    assert_eq!(rule.conditions, account.service.pre_product.conditions);
}

#[test]
fn r_is_product_done_no_rule_is_touched() {
    let course = world().product("r1").pre_product("r2").call(&register("r1"));
    assert!(course.steps.is_empty(), "{}", course.story());
    course.done();
}

#[test]
fn r_is_being_promoted_done_nothing_is_touched() {
    let course = world().product("r1").promoting("r2", 10).call(&register("r2"));
    assert!(course.steps.is_empty(), "{}", course.story());
    course.done();
}

#[test]
fn another_release_is_being_promoted_waiting_and_at_last_refused() {
    let account = world().product("r1").promoting("r2", 10).provisioned("r3");
    account.clone().call_once(&register("r3")).waiting();
    assert!(account.later(661).call(&register("r3")).refused().contains("promote r2"));
}

#[test]
fn r_is_retired_refused() {
    insta::assert_snapshot!(world().product("r2").retired("r1").call(&register("r1")).refused(), @"release r1 was product and is retired, r2 is product: it is not registered again. Ship anew");
    world().product("r2").stands("r1", Role::Retired).call(&register("r1")).refused();
}

#[test]
fn r_is_rejected_refused_with_why() {
    insta::assert_snapshot!(world().product("r1").rejected("r2").call(&register("r2")).refused(), @"release r2 was rejected (it was bad): a new execution is needed (a retry keeps this one's id)");
}

#[test]
fn the_configured_priority_holds_a_rule_that_is_not_ours_refused_with_its_arn_before_anything_is_made() {
    let course = world().product("r1").provisioned("r2").rule_at(10).call(&register("r2"));
    insta::assert_snapshot!(course.refused(), @"priority 10 of the listener holds a rule that is not ours: arn:rule/stranger-10/0. Configure another priority for pre_product, or move that rule");
}

#[test]
fn its_group_has_another_port_or_protocol_than_the_config_refused() {
    let port = world().product("r1").pre_product("r2").configured(json!({"port": 9090}));
    insta::assert_snapshot!(port.call(&register("r2")).refused(), @"target group mobile-web-214e1f73d664 is for port 8080, from its launch, the config asks for port 9090: a new release is needed");
    let protocol = json!({"health_check": {"protocol": "HTTPS"}});
    insta::assert_snapshot!(world().pre_product("r2").configured(protocol).call(&register("r2")).refused(), @"target group mobile-web-214e1f73d664 is for HTTP 8080, the config asks for HTTPS 8080: a new release is needed");
}

#[test]
fn it_was_launched_for_another_port_than_the_config_refused_before_its_group_is_made() {
    let course = world().product("r1").provisioned("r2").configured(json!({"port": 9090})).call(&register("r2"));
    insta::assert_snapshot!(course.refused(), @"target group mobile-web-214e1f73d664 is for port 8080, from its launch, the config asks for port 9090: a new release is needed");
}

#[test]
fn a_group_of_its_name_is_not_ours_refused() {
    let mut account = world().pre_product("r2").without_rule("pre-product");
    account.groups.values_mut().for_each(|group| group.tags.clear());
    insta::assert_snapshot!(account.call(&register("r2")).refused(), @"a target group named mobile-web-214e1f73d664 exists that is not tagged as mobile-web's: arn:aws:elasticloadbalancing:targetgroup/mobile-web-214e1f73d664/r2. Tag it pointsman:service=mobile-web and pointsman:release=r2 if it is, else delete it");
}

#[test]
fn a_job_waits_a_minute_for_the_tags_of_a_group_of_its_name_which_may_be_its_own() {
    let mut account = world().pre_product("r2").without_rule("pre-product");
    let job = job(register("r2"), &account);
    account.groups.values_mut().for_each(|group| group.tags.clear());
    let course = account.later(59).call(&job);
    insta::assert_snapshot!(course.waits[0], @"AWS: it does not show the tags of arn:aws:elasticloadbalancing:targetgroup/mobile-web-214e1f73d664/r2");
    insta::assert_snapshot!(course.refused(), @"a target group named mobile-web-214e1f73d664 exists that is not tagged as mobile-web's: arn:aws:elasticloadbalancing:targetgroup/mobile-web-214e1f73d664/r2. Tag it pointsman:service=mobile-web and pointsman:release=r2 if it is, else delete it");
    assert!(course.account.call(&job).waits.is_empty());
}

#[test]
fn r_has_no_servers_or_too_few_refused() {
    insta::assert_snapshot!(world().product("r1").call(&register("r2")).refused(), @"release r2 has no running servers: provision it first");
    let account = world().product("r1").provisioned("r2").dies("r2", 1).tidy();
    insta::assert_snapshot!(account.call(&register("r2")).refused(), @"release r2 has 1 running servers, 2 were asked for: provision r2 again, it replaces what is missing");
}

#[test]
fn health_does_not_come_in_time_it_fails_with_what_is_wrong_with_each_target_and_rejects_nothing() {
    let account = world().product("r1").provisioned("r2").unhealthy("r2", 1);
    for request in [job(register("r2"), &account), register("r2")] {
        let course = account.clone().call(&request);
        insta::allow_duplicates!(
            insta::assert_snapshot!(course.failed(), @"r2 was not healthy within 300 seconds: 1 of 2 are healthy; i-r2-1: unhealthy, Health checks failed with these codes: [502]. Look at the health check (HTTP / on port 8080, 200) and the server's own log, then run the pipeline again")
        );
        assert_eq!(course.account.role("r2"), "pre-product");
    }
}

#[test]
fn who_was_kept_from_it_by_a_hold_waits_for_health_from_then_on() {
    let account = world().product("r1").provisioned("r2").unhealthy("r2", 1);
    let request = kept_job(register("r2"), &account);
    let course = account.call(&request);
    assert!(course.failed().contains("within 300 seconds") && course.waits.len() >= 59, "{}", course.failed());
}

#[test]
fn a_server_that_died_hours_later_and_was_replaced_is_waited_for_by_a_direct_caller_too() {
    let account = world().product("r1").pre_product("r2").later(7_200).dies("r2", 1);
    let account = account.call(&provision("r2")).done().call(&register("r2")).done().later(60);
    let group = account.group_of("r2").unwrap();
    assert_eq!((account.groups[&group].targets.len(), account.healthy(&group)), (2, 2));
}

#[test]
fn one_of_its_servers_died_and_was_replaced_the_dead_target_leaves_and_the_new_one_comes() {
    let account = world().product("r1").pre_product("r2").dies("r2", 1);
    let request = job(provision("r2"), &account);
    let course = account.call(&request).done().call(&register("r2"));
    assert_eq!(course.count(on_rules), 0);
    let account = course.done().later(60);
    let group = account.group_of("r2").unwrap();
    assert_eq!((account.groups[&group].targets.len(), account.healthy(&group)), (2, 2));
    account.call(&promote("r2")).done();
}

#[test]
fn two_pre_product_rules_one_of_them_goes() {
    let mut account = world().product("r1").pre_product("r2");
    let mut second = account.rule("pre-product").unwrap().clone();
    (second.arn, second.priority) = (domain::id::RuleArn::new("arn:rule/second/0"), 12);
    account.rules.insert(second.arn.clone(), second);
    let account = account.call(&register("r2")).done();
    let ours: Vec<u32> =
        account.rules.values().filter(|rule| !forward_of(rule).is_empty()).map(|r| r.priority).collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
    assert_eq!(account.rule("pre-product").unwrap().priority, 10);
}

#[test]
fn the_whole_path_from_nothing_to_product_and_back() {
    let account = world().call(&provision("r1")).done().call(&register("r1")).done().call(&promote("r1")).done();
    let account = account.later(600).call(&provision("r2")).done().call(&register("r2")).done();
    insta::assert_snapshot!(explain(&account.plan(&promote("r2"))), @"
    1. the product rule forwards to r2 100, r1 0
    2. read the product rule back
    3. tag the rule product: since (may follow later)
    3. tag i-r2-103, i-r2-104: role=product since (may follow later)
    3. tag the group of r2: role=product since (may follow later)
    3. tag i-r1-101, i-r1-102: role=retired since (may follow later)
    3. tag the group of r1: role=retired since (may follow later)
    3. delete the pre-product rule (may follow later)
    3. name mobile.corp.internal: 10.0.0.1 10.0.0.2 -> 10.0.0.3 10.0.0.4 (may follow later)
    3. name pre-mobile.corp.internal: 10.0.0.3 10.0.0.4 -> none (may follow later)
    done: release r2 is product
      r1 stays behind the rule with weight 0, healthy, the way back.
    ");
    let account = account.call(&promote("r2")).done();
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
    let account = account.later(60).call(&rollback("r2")).done();
    assert_eq!(
        (account.forwards("product"), account.role("r2"), account.role("r1")),
        ("r1 100".into(), "gone".into(), "product".into())
    );
}

#[test]
fn what_a_person_wrote_on_a_server_does_not_keep_its_group_from_being_made() {
    let account = world().provisioned("r1").tagged("r1", tags::COUNT, "!x, y").tagged("r1", tags::PIPELINE, "a#b");
    let plan = account.plan(&register("r1"));
    let Step::CreateGroup(group) = &plan.stages[0].steps[0] else { panic!("{}", explain(&plan)) };
    assert_eq!((group.tags[tags::COUNT].as_str(), group.tags[tags::PIPELINE].as_str()), ("x y", "a b"));
}

#[test]
fn the_rule_that_a_cut_off_promote_left_before_product_is_used_and_not_deleted() {
    let account = world().product("r1").behind_pre_product("r1").stands("r2", Role::PreProduct).tidy();
    insta::assert_snapshot!(explain(&account.plan(&register("r2"))), @"
    1. the pre-product rule forwards to r2 100
    look again
    ");
    // Any other call deletes it, as before.
    insta::assert_snapshot!(explain(&account.plan(&promote("r1"))), @"
    1. delete the pre-product rule (may follow later)
    done: release r1 is product
      There was nothing before it to go back to.
    ");
}
