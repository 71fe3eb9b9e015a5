//! Promise 3: a call may be cut off anywhere, and the next one finishes the work: the same end as without the cut.

use domain::request::{Request, RollbackScope};
use domain::tags::Role;

use crate::account::Account;
use crate::build::world;
use crate::course::{event, finish, job, promote, provision, register, remove, rollback, sweep};

/// What counts at the end: who serves, what stands in which role, what it costs, what names say.
fn picture(account: &Account) -> String {
    let releases = ["r0", "r1", "r2", "r3"].map(|r| format!("{r} {} {}", account.role(r), account.paid(r)));
    let names: Vec<String> = account.names.keys().map(|name| format!("{name} {}", account.name(name))).collect();
    format!(
        "product: {}; pre-product: {}; {}; groups: {}; names: {}; launched: {}",
        account.forwards("product"),
        account.forwards("pre-product"),
        releases.join(", "),
        account.groups.len(),
        names.join(", "),
        account.launched
    )
}

/// Cuts a call off after each of its steps, calls again, and sweeps.
fn cut_anywhere(account: &Account, request: &Request) {
    let uncut = account.clone().call(request);
    let steps = uncut.steps.len();
    assert!(steps > 0, "nothing to cut: {}", uncut.story());
    let want = picture(&uncut.account.call(&sweep()).account);
    for cut in 0..steps {
        let mut account = account.clone();
        account.cut_after = Some(cut);
        let mut account = account.call(request).account;
        account.cut_after = None;
        let again = account.call(request);
        let mut story = again.story();
        let account = again.account.call(&sweep());
        story.push_str(&account.story());
        assert_eq!(picture(&account.account), want, "{:?} cut after {cut} of {steps} steps:\n{story}", request.verb);
    }
}

/// Cuts a call off after each of its steps, and only the sweep comes after it: what it leaves is as it would be.
fn cut_and_swept(account: &Account, request: &Request) {
    let steps = account.clone().call(request).steps.len();
    for cut in 0..steps {
        let mut account = account.clone();
        account.cut_after = Some(cut);
        let mut account = account.call(request).account;
        account.cut_after = None;
        let account = account.call(&sweep()).account;
        let once = picture(&account);
        let twice = picture(&account.later(60).call(&sweep()).account);
        assert_eq!(once, twice, "the sweep after {cut} of {steps} steps leaves work to the next");
    }
}

#[test]
fn provisioning() {
    let account = world().product("r1").pre_product("r2").later(60);
    let request = job(provision("r3"), &account);
    cut_anywhere(&account, &request);
    cut_and_swept(&account, &request);
}

#[test]
fn provision_with_addresses_and_several_zones() {
    let pool: Vec<String> = (1..=5).map(|n| format!("eipalloc-{n}")).collect();
    let mut account = world().configured(serde_json::json!({"instance_count": 5, "elastic_ips": pool}));
    account.launch_lag_seconds = 10;
    let request = job(provision("r1"), &account);
    cut_anywhere(&account, &request);
}

#[test]
fn a_provision_that_is_given_up() {
    let mut account = world().product("r0").provisioned("r1").dies("r1", 1).tidy();
    account.full = account.service.subnets.iter().cloned().collect();
    let request = job(provision("r1"), &account);
    cut_anywhere(&account, &request);
}

#[test]
fn registering() {
    let account = world().product("r1").rejected("r0").behind_pre_product("r0").provisioned("r2").later(60);
    cut_anywhere(&account, &register("r2"));
    cut_and_swept(&account, &register("r2"));
}

#[test]
fn promoting() {
    let account = world().product("r2").retired("r1").pre_product("r3").later(60);
    cut_anywhere(&account, &promote("r3"));
    cut_and_swept(&account, &promote("r3"));
    cut_anywhere(&world().pre_product("r1"), &promote("r1"));
    cut_anywhere(&world().stands("r1", Role::Product).pre_product("r2").later(60), &promote("r2"));
    cut_anywhere(&world().adopted(&["i-theirs"]).pre_product("r1"), &promote("r1"));
    let rejected = world().product("r2").rejected_while_product("r2").pre_product("r3").later(60);
    cut_anywhere(&rejected, &promote("r3"));
}

#[test]
fn promoting_to_another_priority_with_other_conditions() {
    let account = world().product("r1").pre_product("r2").later(60);
    let account = account.configured(serde_json::json!({"product": {"priority": 25, "hosts": ["www.example.com"]}}));
    cut_anywhere(&account, &promote("r2"));
}

#[test]
fn rolling_back() {
    for account in [
        world().product("r2").retired("r1").later(60),
        world().product("r1").promoting("r2", 10).later(60),
        world().product("r1").retired("r0").promoting("r2", 10).later(60),
        world().product("r1").pre_product("r2").later(60),
        world().product("r3").retired("r2").later(60),
    ] {
        for request in [rollback("r2"), event("r2", RollbackScope::TrafficOnly)] {
            cut_anywhere(&account, &request);
            cut_and_swept(&account, &request);
        }
    }
}

#[test]
fn finishing() {
    let account = world().product("r2").retired("r1").rejected("r0").pre_product("r3").later(60);
    cut_anywhere(&account, &finish("r2"));
    cut_and_swept(&account, &finish("r2"));
    cut_anywhere(
        &world().adopted(&["i-theirs"]).stands("r1", Role::Product).weighs("adopted", 0).weighs("r1", 100),
        &finish("r1"),
    );
}

#[test]
fn removing() {
    let account = world().product("r2").retired("r1").rejected("r0").pre_product("r3").later(60);
    cut_anywhere(&account, &remove("r2"));
    let serves = world().product("r2").rejected_while_product("r2").later(60);
    cut_anywhere(&serves, &remove("r2"));
}

#[test]
fn sweeping() {
    let mut account = world().product("r2").retired("r1").rejected("r0").pre_product("r3").later(60);
    account.executions_over.insert("r3".to_owned(), "STOPPED".to_owned());
    cut_anywhere(&account, &sweep());
    cut_and_swept(&account, &sweep());
}
