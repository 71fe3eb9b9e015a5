//! `rollback` as somebody calls it, row by row.

use domain::plan::Step;
use domain::request::{Request, RollbackScope};
use domain::tags::{self, Role};
use serde_json::json;

use crate::build::{PRE_PRODUCT_NAME, PRODUCT_NAME, world};
use crate::course::{event, finish, promote, provision, rollback, sweep};
use crate::explain::explain;

fn switches(step: &Step) -> bool {
    matches!(step, Step::ModifyRule { .. })
}

#[test]
fn r_is_pre_product_it_is_rejected_and_gone_product_was_never_touched() {
    let course = world().product("r1").pre_product("r2").call(&rollback("r2"));
    assert_eq!(course.count(switches), 0);
    insta::assert_snapshot!(course.ended(), @"
    done: release r2 is rejected and gone; product is r1
      Why: it answers 500.
    ");
    insta::assert_snapshot!(course.account.notices[0].text("eu-central-1"), @"
    Release r2 was rejected: it answers 500.
    Product is r1. The servers of r2 are drained and terminated.

    Where to look
      Product  m.example.com

    What to do next
      - Mend it and upload a new build; this release is not tried again.

    Service   mobile-web
    Release   r2
    Asked by  somebody, by a direct call
    Status    attention (rollback)
    ");
    let account = course.done();
    assert_eq!((account.role("r2"), account.paid("r2")), ("gone".into(), 0));
    assert_eq!((account.forwards("product"), account.forwards("pre-product")), ("r1 100".into(), "no rule".into()));
    assert_eq!(account.name(PRE_PRODUCT_NAME), "");
}

#[test]
fn r_has_servers_only_they_go() {
    let account = world().product("r1").provisioned("r2").call(&rollback("r2")).done();
    assert_eq!((account.role("r2"), account.paid("r2")), ("gone".into(), 0));
}

#[test]
fn r_is_product_another_release_in_the_rule_stands_healthy_one_modify_rule_and_r_torn_down() {
    let account = world().product("r2").retired("r1").later(60);
    insta::assert_snapshot!(explain(&account.plan(&rollback("r2"))), @"
    1. tag i-r2-1, i-r2-2: reason=it answers 500 role=rejected since (may follow later)
    1. tag the group of r2: reason=it answers 500 role=rejected since (may follow later)
    2. the product rule forwards to r1 100
    3. read the product rule back
    4. tag the rule product: since (may follow later)
    5. tell (attention): release r2 was rejected: it answers 500
    6. tag i-r2-1, i-r2-2: told (may follow later)
    6. tag the group of r2: told (may follow later)
    look again
    ");
    let course = account.call(&rollback("r2"));
    assert_eq!(course.count(switches), 1);
    let tagged = course.place(|step| matches!(step, Step::TagGroup { tags, .. } if tags[tags::ROLE] == "rejected"));
    assert!(tagged < course.place(switches), "rejected is written before traffic is taken");
    assert_eq!(course.plans[0].stages[1].steps.len(), 1);
    insta::assert_snapshot!(course.ended(), @"
    done: release r2 is rejected and gone; product is r1
      Why: it answers 500.
    ");
    insta::assert_snapshot!(course.account.notices[0].text("eu-central-1"), @"
    Release r2 was rejected: it answers 500.
    Product is r1 again, in one change of the product rule.
    The servers of r2 are drained and terminated.

    Where to look
      Product  m.example.com

    What to do next
      - Mend it and upload a new build; this release is not tried again.

    Service   mobile-web
    Release   r2
    Asked by  somebody, by a direct call
    Status    attention (rollback)
    ");
    let account = course.done();
    assert_eq!(
        (account.forwards("product"), account.role("r1"), account.role("r2")),
        ("r1 100".into(), "product".into(), "gone".into())
    );
    assert_eq!(account.name(PRODUCT_NAME), account.ips("r1"));
}

#[test]
fn r_is_being_promoted_the_other_takes_all_again() {
    let account = world().product("r1").promoting("r2", 10).later(60).call(&rollback("r2")).done();
    assert_eq!((account.forwards("product"), account.role("r2")), ("r1 100".into(), "gone".into()));
    assert_eq!(account.forwards("pre-product"), "no rule");
}

#[test]
fn r_is_being_promoted_what_else_is_in_the_rule_stays_the_way_back() {
    let account = world().product("r1").retired("r0").promoting("r2", 10).later(60).call(&rollback("r2")).done();
    assert_eq!((account.forwards("product"), account.role("r0")), ("r1 100, r0 0".into(), "retired".into()));
}

#[test]
fn the_tags_cannot_be_written_traffic_is_back_all_the_same_and_the_call_is_not_done() {
    let denied: crate::account::Denied = |step| matches!(step, Step::TagGroup { .. } | Step::TagInstances { .. });
    let alarm = RollbackScope::Alarm { since: world().now };
    for scope in [RollbackScope::ToTheEnd, RollbackScope::TrafficOnly, RollbackScope::OnlyProduct, alarm] {
        let course = world().product("r2").retired("r1").denies(denied).call(&event("r2", scope));
        assert_eq!(course.account.forwards("product"), "r1 100");
        assert!(course.end.is_none(), "{scope:?}: {}", course.story());
        let mut account = course.account;
        account.denied.clear();
        // An event is delivered again.
        let account = account.call(&event("r2", scope)).done().call(&sweep()).done();
        assert_eq!((account.role("r2"), account.role("r1")), ("gone".into(), "product".into()), "{scope:?}");
    }
}

#[test]
fn the_retired_release_has_fewer_healthy_targets_than_asked_for_but_no_fewer_than_r() {
    let account = world().product("r2").retired("r1").unhealthy("r1", 1).unhealthy("r2", 1);
    let course = account.call(&rollback("r2"));
    insta::assert_snapshot!(course.account.notices[0].text("eu-central-1"), @"
    Release r2 was rejected: it answers 500.
    Product is r1 again, in one change of the product rule.
    Only 1 of the 2 servers of r1 are healthy: that is no fewer than r2 had, so it took over. Look at it now.
    The servers of r2 are drained and terminated.
    i-r2-1: unhealthy, Health checks failed with these codes: [502]

    Where to look
      Product  m.example.com

    What to do next
      - Mend it and upload a new build; this release is not tried again.

    Service   mobile-web
    Release   r2
    Asked by  somebody, by a direct call
    Status    attention (rollback)
    ");
    assert_eq!(course.done().forwards("product"), "r1 100");
}

#[test]
fn the_retired_release_is_worse_than_r_or_has_none_refused_r_serves_on() {
    let worse = world().product("r2").retired("r1").unhealthy("r1", 1);
    let course = worse.call(&rollback("r2"));
    insta::assert_snapshot!(course.refused(), @"release r2 cannot be rolled back: 1 of the 2 servers of r1 are healthy, this one has 2. It serves on");
    assert_eq!(course.account.role("r2"), "product");
    let none = world().product("r2").retired("r1").unhealthy("r1", 2).unhealthy("r2", 2);
    insta::assert_snapshot!(none.call(&rollback("r2")).refused(), @"release r2 cannot be rolled back: 0 of the 2 servers of r1 are healthy, this one has 0. It serves on");
}

#[test]
fn there_is_nothing_to_go_back_to_refused() {
    insta::assert_snapshot!(world().product("r1").call(&rollback("r1")).refused(), @"release r1 cannot be rolled back: no other release stands behind the product rule. It serves on");
}

#[test]
fn a_rejected_release_is_never_what_a_rollback_goes_back_to() {
    let account = world().product("r2").rejected("r1").weighs("r1", 0);
    insta::assert_snapshot!(account.call(&rollback("r2")).refused(), @"release r2 cannot be rolled back: r1 was rejected before. It serves on");
}

#[test]
fn r_is_product_and_was_kept_refused_ship_anew() {
    let account = world().product("r2").retired("r1").call(&finish("r2")).done();
    insta::assert_snapshot!(account.call(&rollback("r2")).refused(), @"release r2 was kept: its way back is gone. Ship anew");
}

#[test]
fn r_has_no_weight_and_is_in_no_rule_whatever_its_tags_it_is_rejected_and_gone() {
    for role in [Role::PreProduct, Role::Product, Role::Retired] {
        let course = world().product("r3").stands("r2", role).tidy().call(&rollback("r2"));
        let account = course.done();
        assert_eq!((account.role("r2"), account.forwards("product")), ("gone".into(), "r3 100".into()), "{role}");
    }
}

#[test]
fn r_is_rejected_whatever_is_left_of_the_rollback_is_done() {
    let account = world().product("r1").rejected("r2").call(&rollback("r2")).done();
    assert_eq!(account.role("r2"), "gone");
    let course = account.call(&rollback("r2"));
    assert!(course.steps.is_empty(), "{}", course.story());
    insta::assert_snapshot!(course.ended(), @"
    done: release r2 is rejected and gone; product is r1
      Why: it was bad.
    ");
}

#[test]
fn r_is_the_way_back_and_the_call_spares_it_refused() {
    let late = |release: &str| Request { spare_way_back: true, ..rollback(release) };
    let account = world().product("r2").retired("r1").later(60);
    let course = account.call(&late("r1"));
    assert!(course.steps.is_empty(), "{}", course.story());
    insta::assert_snapshot!(course.refused(), @"release r1 is the way back, r2 is product, and this call spares it (it is late, or a build before was tried again). To go back to r1, roll back r2");
    assert_eq!(
        (course.account.forwards("product"), course.account.role("r1")),
        ("r2 100, r1 0".into(), "retired".into())
    );
    // What is product goes back as ever, and so does what nobody would go back to.
    let account = course.account.call(&late("r2")).done();
    assert_eq!((account.forwards("product"), account.role("r2")), ("r1 100".into(), "gone".into()));
    let account = world().product("r1").pre_product("r2").call(&late("r2")).done();
    assert_eq!((account.forwards("product"), account.role("r2")), ("r1 100".into(), "gone".into()));
}

#[test]
fn r_is_retired_already_it_is_rejected_and_gone_and_the_notice_says_that_r2_has_nothing_to_go_back_to() {
    let course = world().product("r2").retired("r1").later(60).call(&rollback("r1"));
    insta::assert_snapshot!(course.account.notices[0].text("eu-central-1"), @"
    Release r1 was rejected: it answers 500.
    Product is r2. The servers of r1 are drained and terminated.
    r2 is product and has nothing to go back to now.

    Where to look
      Product  m.example.com

    What to do next
      - Mend it and upload a new build; this release is not tried again.

    Service   mobile-web
    Release   r1
    Asked by  somebody, by a direct call
    Status    attention (rollback)
    ");
    let account = course.done();
    assert_eq!(
        (account.forwards("product"), account.role("r1"), account.role("r2")),
        ("r2 100".into(), "gone".into(), "product".into())
    );
}

#[test]
fn r_was_torn_down_or_never_there_done_nothing_is_changed() {
    for course in [
        world().product("r2").call(&rollback("r9")),
        world().product("r2").stands("r1", Role::Retired).call(&sweep()).done().call(&rollback("r1")),
    ] {
        assert!(course.steps.is_empty(), "{}", course.story());
        course.done();
    }
}

#[test]
fn its_servers_are_kept_for_a_look_inside_where_the_config_says_so() {
    let account = world().configured(json!({"keep_rejected_seconds": 3600})).product("r1").pre_product("r2");
    let course = account.call(&rollback("r2"));
    insta::assert_snapshot!(course.ended(), @"
    done: release r2 is rejected; product is r1
      Why: it answers 500.
      the servers of r2 are left for a look inside until 2026-11-21T11:00:00Z
    ");
    let account = course.done();
    assert_eq!((account.paid("r2"), account.groups.len()), (2, 1));
    assert_eq!(account.later(4_000).call(&sweep()).done().paid("r2"), 0);
}

#[test]
fn nothing_is_deregistered_before_the_rule_change_has_settled_nor_terminated_before_it_is_drained() {
    // Out of all rules a group need not drain when it is deregistered: requests have drain_seconds before. Here it drains once more.
    let course = world().product("r2").retired("r1").later(60).call(&rollback("r2"));
    let waits: Vec<String> = course.waits.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(waits.join("\n"), @"
    the rule change to reach every load-balancer node, 16 s more
    the rule change to reach every load-balancer node, 11 s more
    the rule change to reach every load-balancer node, 6 s more
    the rule change to reach every load-balancer node, 1 s more
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    requests under way to end on i-r2-1, i-r2-2
    ");
}

#[test]
fn with_a_faulty_config_of_which_only_the_listener_is_known_traffic_is_back() {
    let mut account = world().product("r2").retired("r1");
    let faulty = json!({"listener_arn": crate::build::LISTENER, "port": "no", "product": 7});
    let parsed = domain::config::Service::parse(&account.service.name, &faulty);
    account.service = parsed.service.unwrap();
    let account = account.call(&rollback("r2")).done();
    assert_eq!((account.forwards("product"), account.role("r2")), ("r1 100".into(), "gone".into()));
}

#[test]
fn a_promote_after_a_rollback_is_of_the_next_release() {
    let account = world().product("r2").retired("r1").call(&rollback("r2")).done();
    let account = account.pre_product("r3").call(&promote("r3")).done();
    assert_eq!(account.forwards("product"), "r3 100, r1 0");
}

#[test]
fn of_two_rejected_releases_that_somebody_gave_weight_the_healthier_one_is_what_a_way_back_has_to_match() {
    let account = world().product("r2").rejected("r1").rejected("r3").unhealthy("r2", 1).unhealthy("r3", 2);
    let account = account.weighs("r3", 100).weighs("r1", 10).weighs("r2", 0);
    let course = account.call_once(&provision("r4"));
    assert_eq!(course.count(switches), 0, "{}", course.story());
    assert_eq!(course.account.forwards("product"), "r3 100, r1 10, r2 0");
}
