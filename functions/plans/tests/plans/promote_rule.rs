//! `promote`, row by row: what there is of the product rule.

use domain::plan::Step;
use domain::tags::Role;
use domain::world::Action;
use serde_json::json;

use crate::account::Account;
use crate::build::world;
use crate::course::{finish, promote, register, rollback, sweep};
use crate::explain::explain;

#[test]
fn there_is_no_product_rule_yet_the_rule_is_made() {
    let account = world().pre_product("r1");
    insta::assert_snapshot!(explain(&account.plan(&promote("r1"))), @"
    1. make the product rule, priority 20: r1 100
    look again
    ");
    let account = account.call(&promote("r1")).done();
    assert_eq!((account.forwards("product"), account.role("r1")), ("r1 100".into(), "product".into()));
    assert_eq!(account.rule("product").unwrap().priority, 20);
}

#[test]
fn there_is_no_product_rule_a_release_that_tags_name_product_becomes_retired_in_it_with_weight_0() {
    let account = world().stands("r1", Role::Product).pre_product("r2").call(&promote("r2")).done();
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
    assert_eq!((account.role("r2"), account.role("r1")), ("product".into(), "retired".into()));
}

#[test]
fn products_listener_is_not_the_configured_one_refused() {
    let other = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/other/3/4";
    let account = world().stands("r1", Role::Product).tagged("r1", "pointsman:listener", other).pre_product("r2");
    insta::assert_snapshot!(account.call(&promote("r2")).refused(), @"product runs behind the listener arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/other/3/4, the config names arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/main/1/2: remove the service there first, or put the listener back into the config");
}

#[test]
fn the_rule_stands_at_another_priority_the_same_rule_is_moved() {
    let account = world().product("r1").configured(json!({"product": {"priority": 25, "hosts": ["m.example.com"]}}));
    let arn = account.rule("product").unwrap().arn.clone();
    let account = account.pre_product("r2").call(&promote("r2")).done();
    assert_eq!((&account.rule("product").unwrap().arn, account.rule("product").unwrap().priority), (&arn, 25));
    assert_eq!((account.forwards("product"), account.rules.len()), ("r2 100, r1 0".into(), 1));
}

#[test]
fn the_rule_has_other_conditions_than_configured_the_same_rule_is_changed_with_the_switch() {
    let account = world().product("r1").configured(json!({"product": {"priority": 20, "hosts": ["www.example.com"]}}));
    let course = account.pre_product("r2").call(&promote("r2"));
    assert_eq!(course.count(|step| matches!(step, Step::ModifyRule { .. } | Step::ModifyConditions { .. })), 1);
    let account = course.done();
    let conditions = &account.rule("product").unwrap().conditions;
    assert!(conditions.hosts.contains("www.example.com") && conditions.hosts.len() == 1, "{conditions:?}");
}

#[test]
fn what_is_product_already_gets_the_configured_priority_and_conditions_too() {
    let changed = json!({"product": {"priority": 25, "hosts": ["www.example.com"]}});
    let account = world().product("r1").configured(changed).call(&promote("r1")).done();
    let rule = account.rule("product").unwrap();
    assert_eq!((rule.priority, rule.conditions.hosts.contains("www.example.com")), (25, true));
}

#[test]
fn the_configured_priority_is_taken_by_a_stranger_while_ours_stands_at_another_refused() {
    let account = world().product("r1").configured(json!({"product": {"priority": 25, "hosts": ["m.example.com"]}}));
    let words = account.pre_product("r2").unhealthy("r2", 1).rule_at(25).call(&promote("r2")).refused();
    assert!(words.contains("arn:rule/stranger-25/0"), "{words}");
}

#[test]
fn two_product_rules_are_found_refused_both_named() {
    let mut account = world().product("r1").pre_product("r2");
    let mut second = account.rule("product").unwrap().clone();
    (second.arn, second.priority) = (domain::id::RuleArn::new("arn:rule/second/0"), 30);
    account.rules.insert(second.arn.clone(), second);
    insta::assert_snapshot!(account.call(&promote("r2")).refused(), @"two rules of the listener are product rules of mobile-web: arn:rule/product/0 and arn:rule/second/0. Delete the one that is not");
}

#[test]
fn the_rule_at_the_product_priority_is_not_tagged_ours_refused_with_how_to_adopt_it() {
    let account = world().pre_product("r1").rule_at(20);
    insta::assert_snapshot!(account.clone().call(&promote("r1")).refused(), @"priority 20 of the listener holds a rule that is not ours: arn:rule/stranger-20/0. To adopt it, take it out of its stack (DeletionPolicy: Retain), then tag it pointsman:service=mobile-web and pointsman:rule=product; or configure another priority");
    let sick = account.unhealthy("r1", 1);
    let words = sick.call(&promote("r1")).refused();
    assert!(words.contains("stranger-20"), "refused at once, before anybody waits for health: {words}");
}

fn adopted() -> Account {
    world().adopted(&["i-theirs-1", "i-theirs-2"]).pre_product("r1")
}

#[test]
fn the_adopted_rule_forwards_to_a_group_without_our_tags_it_is_the_way_back_with_weight_0() {
    let account = adopted().call(&promote("r1")).done();
    assert_eq!((account.forwards("product"), account.role("r1")), ("r1 100, adopted 0".into(), "product".into()));
}

#[test]
fn a_rollback_goes_back_to_the_adopted_group() {
    let account = adopted().call(&promote("r1")).done().later(60);
    let account = account.call(&rollback("r1")).done();
    assert_eq!((account.forwards("product"), account.role("r1")), ("adopted 100".into(), "gone".into()));
    assert_eq!(account.names.len(), 0, "no name is left of servers that are gone");
}

#[test]
fn a_rollback_does_not_go_back_to_an_adopted_group_that_is_worse() {
    let account = adopted().call(&promote("r1")).done();
    let mut account = account.later(60);
    for group in account.groups.values_mut().filter(|group| group.tags.is_empty()) {
        let targets = std::mem::take(&mut group.targets);
        group.targets = targets
            .into_values()
            .zip(["sick-1", "sick-2"])
            .map(|(t, id)| (domain::id::InstanceId::new(id), t))
            .collect();
    }
    insta::assert_snapshot!(account.call(&rollback("r1")).refused(), @"release r1 cannot be rolled back: 0 of the 2 servers of the adopted target group are healthy, this one has 2. It serves on");
}

#[test]
fn finish_takes_the_adopted_group_out_of_the_rule_and_never_changes_or_deletes_it() {
    let account = adopted().call(&promote("r1")).done();
    let course = account.call(&finish("r1"));
    let touched = |step: &Step| {
        matches!(step, Step::TagGroup { group, .. } | Step::DeleteGroup { group } | Step::DeregisterTargets { group, .. }
            if group.name() == "adopted")
    };
    assert_eq!(course.count(touched), 0);
    let account = course.done();
    assert_eq!((account.forwards("product"), account.groups.len()), ("r1 100".into(), 2));
    let account = account.call(&sweep()).done();
    assert_eq!(account.groups.len(), 2);
}

#[test]
fn the_adopted_rule_gets_the_configured_conditions_with_the_first_switch() {
    let mut account = adopted();
    let arn = account.rule("product").unwrap().arn.clone();
    account.rules.get_mut(&arn).unwrap().conditions.others.insert("http-header".to_owned());
    let account = account.call(&promote("r1")).done();
    assert_eq!(account.rule("product").unwrap().conditions, account.service.product.conditions);
}

#[test]
fn an_adopted_rule_that_does_not_forward_is_not_switched() {
    let account = adopted().rule_does("product", Action::Other("fixed-response".to_owned()));
    insta::assert_snapshot!(account.call(&promote("r1")).refused(), @"the product rule arn:rule/product/0 of mobile-web does what Pointsman never makes it do: its action is fixed-response. Put it right by hand (forward to groups of mobile-web alone, or to one group without our tags); until then nothing is changed");
}

#[test]
fn somebody_deleted_the_product_rule_register_and_promote_make_it_again() {
    let account = world().product("r2").stands("r1", Role::Retired).without_rule("product").tidy().later(60);
    let refused = account.clone().call(&finish("r2")).ended();
    assert!(refused.contains("r2 is tagged product, and no product rule names it: register r2"), "{refused}");
    // Only what a rule names is health-checked: so QA's comes first.
    let account = account.call(&register("r2")).done().call(&promote("r2")).done();
    assert_eq!((account.forwards("product"), account.forwards("pre-product")), ("r2 100".into(), "no rule".into()));
    assert_eq!((account.role("r2"), account.paid("r2")), ("product".into(), 2));
}
