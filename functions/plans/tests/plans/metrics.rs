//! What the metrics are told: where customers were moved, and whether they could be moved back.

use std::collections::BTreeSet;

use domain::metrics::Switched;
use domain::plan::Step;
use domain::request::Request;
use domain::tags::{Role, WhichRule};
use domain::world::Action;
use serde_json::json;

use crate::account::Account;
use crate::build::world;
use crate::course::{finish, promote, provision, register, remove, rollback, sweep};

/// Where a call moves customers, and whether it changes the product rule at all.
fn moves(account: Account, request: &Request) -> (Vec<Switched>, bool) {
    let course = account.call_once(request);
    let of_product = |step: &Step| {
        matches!(step, Step::ModifyRule { which: WhichRule::Product, .. })
            || matches!(step, Step::CreateRule(new) if new.which == WhichRule::Product)
    };
    (course.switched.iter().copied().collect(), course.count(of_product) > 0)
}

#[test]
fn customers_move_forth_with_a_promote_and_back_with_all_else() {
    let steps = json!({"traffic": {"steps": [10]}});
    let (forth, back) = (vec![Switched::Forth], vec![Switched::Back]);
    let rejected_serves = || world().product("r2").retired("r1").tagged_as("r2", Role::Rejected);
    for (why, account, request, want) in [
        ("a first release", world().pre_product("r1"), promote("r1"), &forth),
        ("a switch", world().product("r1").pre_product("r2"), promote("r2"), &forth),
        (
            "the last step",
            world().configured(steps).product("r1").promoting("r2", 10).later(3_600),
            promote("r2"),
            &forth,
        ),
        ("a rollback", world().product("r2").retired("r1"), rollback("r2"), &back),
        ("one from the midst of its steps", world().product("r1").promoting("r2", 10), rollback("r2"), &back),
        ("a rejected release that was left with weight, whoever sees it", rejected_serves(), sweep(), &back),
        (
            "the same, and then another one is promoted",
            rejected_serves().pre_product("r3"),
            promote("r3"),
            &vec![Switched::Forth, Switched::Back],
        ),
    ] {
        assert_eq!(moves(account, &request), (want.clone(), true), "{why}");
    }
}

#[test]
fn what_moves_nobody_is_no_switch_whether_it_changes_the_product_rule_or_not() {
    let steps = json!({"traffic": {"steps": [10]}});
    for (why, account, request, changes) in [
        ("a first step", world().configured(steps).product("r1").pre_product("r2"), promote("r2"), true),
        ("the way back leaves the rule", world().product("r2").retired("r1"), finish("r2"), true),
        ("a rejected release leaves it", world().product("r2").rejected("r1").weighs("r1", 0), sweep(), true),
        ("called twice", world().product("r2").retired("r1"), promote("r2"), false),
        ("pre-product only", world().product("r1").provisioned("r2"), register("r2"), false),
        ("nothing routes", world().product("r1"), provision("r2"), false),
        ("the service goes", world().product("r1"), remove("r1"), false),
    ] {
        assert_eq!(moves(account, &request), (Vec::new(), changes), "{why}");
    }
}

#[test]
fn the_way_back_is_ready_if_it_could_serve_now() {
    let ready = |account: &Account| {
        let world = account.look(&sweep(), plans::scope(&sweep().verb, &account.service), &BTreeSet::new());
        plans::readiness(&account.service, &world, account.now).map(|found| (found.way_back.to_string(), found.ready))
    };
    let of_r1 = |ready: bool| Some(("r1".to_owned(), ready));
    let both = || world().product("r2").retired("r1");
    for (why, account, want) in [
        ("healthy, as large as it was", both(), of_r1(true)),
        ("one of two is sick", both().unhealthy("r1", 1), of_r1(false)),
        ("one of two is gone", both().dies("r1", 1), of_r1(false)),
        (
            "as many as the config wants",
            both().configured(json!({"min_healthy_percent": 50})).unhealthy("r1", 1),
            of_r1(true),
        ),
        (
            "no worse than product, and yet not as large as it was",
            both().unhealthy("r1", 1).unhealthy("r2", 1),
            of_r1(false),
        ),
        ("product is sick, which is what it is kept for", both().unhealthy("r2", 2), of_r1(true)),
        ("a third comes", both().pre_product("r3"), of_r1(true)),
        ("nothing is behind", world().product("r2"), None),
        ("what is behind was rejected", world().product("r2").rejected("r1").weighs("r1", 0), None),
        ("the other one has weight too: no way back, but a promotion", world().product("r1").promoting("r2", 10), None),
        ("it has left the rule", world().product("r2").stands("r1", Role::Retired), None),
        ("product was kept", both().tagged("r2", domain::tags::KEPT, "2026-11-21T12:00:00Z"), None),
        ("no rule", world().stands("r1", Role::Product), None),
        (
            "a rule that does what we never do",
            both().rule_does("product", Action::Other("a fixed response".into())),
            None,
        ),
    ] {
        assert_eq!(ready(&account), want, "{why}");
    }
}
