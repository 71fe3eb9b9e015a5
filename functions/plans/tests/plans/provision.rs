//! `provision`, row by row.

use domain::plan::{End, Step};
use domain::tags::Role;
use domain::world::{Holder, InstanceState};
use serde_json::json;

use crate::account::Account;
use crate::build::{PRE_PRODUCT_NAME, world};
use crate::course::{job, kept_job, provision, rollback, sweep};
use crate::explain::explain;

fn launches(step: &Step) -> bool {
    matches!(step, Step::Launch(_))
}

/// `subnet-0a: 1, subnet-0c: 1`, of what is paid for.
fn spread(account: &Account, release: &str) -> String {
    let alive = |subnet: &str| {
        let of = account.servers_of(release).filter(|(_, s)| s.state != InstanceState::Terminated);
        of.filter(|(_, server)| server.subnet.as_str() == subnet).count()
    };
    format!("subnet-0a: {}, subnet-0c: {}", alive("subnet-0a"), alive("subnet-0c"))
}

#[test]
fn the_release_gets_its_servers_spread_over_the_subnets_and_its_name_and_nothing_routes_to_it() {
    let account = world().product("r1");
    assert_eq!(account.plan(&provision("r2")).end, End::LookForLaunch);
    let course = account.call(&provision("r2"));
    let first = course.plans.iter().find(|plan| !plan.stages.is_empty()).unwrap();
    insta::assert_snapshot!(explain(first), @"
    1. launch 1 into subnet-0a
    1. launch 1 into subnet-0c
    look again
    ");
    insta::assert_snapshot!(course.waits[0], @"servers of r2: i-r2-101: is being started; i-r2-102: is being started");
    insta::assert_snapshot!(course.ended(), @"
    done: release r2 has 2 servers, ready
      Nothing routes to it yet.
    ");
    let account = course.done();
    assert_eq!(spread(&account, "r2"), "subnet-0a: 1, subnet-0c: 1");
    assert_eq!((account.role("r2"), account.role("r1")), ("pre-product".into(), "product".into()));
    assert_eq!((account.forwards("product"), account.forwards("pre-product")), ("r1 100".into(), "no rule".into()));
    assert_eq!(account.name(PRE_PRODUCT_NAME), account.ips("r2"));
}

#[test]
fn ten_servers_in_two_subnets_are_two_launches_with_everything_on_their_tags() {
    let account = world().configured(json!({"instance_count": 10, "tags": {"team": "mobile"}}));
    let request = domain::request::Request { pipeline: Some("mobile".to_owned()), ..provision("r1") };
    let course = account.call(&request);
    assert_eq!(course.count(launches), 2);
    let Some(Step::Launch(launch)) = course.steps.iter().find(|step| launches(step)) else { panic!("no launch") };
    let tags: Vec<String> = launch.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    insta::assert_snapshot!(tags.join("\n"), @"
    Name=mobile-web-pre-product
    pointsman:ami=ami-0123
    pointsman:count=10
    pointsman:launch=subnet-0a/0/5
    pointsman:listener=arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/main/1/2
    pointsman:pipeline=mobile
    pointsman:port=8080
    pointsman:release=r1
    pointsman:role=pre-product
    pointsman:service=mobile-web
    pointsman:since=2026-11-21T10:00:00Z
    team=mobile
    ");
    assert_eq!(spread(&course.done(), "r1"), "subnet-0a: 5, subnet-0c: 5");
}

#[test]
fn r1_is_pre_product_never_promoted_it_is_superseded_by_r2_and_goes_with_the_next_sweep() {
    let account = world().product("r0").pre_product("r1").later(60);
    let course = account.call(&provision("r2"));
    insta::assert_snapshot!(course.account.notices[0].text("eu-central-1"), @"
    Release r1 was rejected: superseded by r2.
    Product is r0. The servers of r1 are drained and terminated.

    Where to look
      Product  m.example.com

    What to do next
      - Nothing: the newer release takes its place.

    Service   mobile-web
    Release   r1
    Asked by  somebody, by a direct call
    Status    done (rejected)
    ");
    let account = course.done();
    assert_eq!((account.role("r1"), account.paid("r1")), ("rejected".into(), 2));
    assert_eq!(account.forwards("pre-product"), "no rule", "a rejected release is not tried any more");
    let account = account.call(&sweep()).done();
    assert_eq!(
        (account.role("r1"), account.role("r2"), account.role("r0")),
        ("gone".into(), "pre-product".into(), "product".into())
    );
}

#[test]
fn r1_is_being_promoted_waiting_and_at_last_refused_nothing_rejected() {
    let account = world().product("r0").promoting("r1", 10);
    insta::assert_snapshot!(account.clone().call_once(&provision("r2")).waiting(), @"the promotion of r1 to end");
    let stuck = account.later(700).call(&provision("r2"));
    insta::assert_snapshot!(stuck.refused(), @r#"release r1 is being promoted and its weights have stood for 11 minutes: end that first, by promote r1 or by teardown r1 with "action":"rollback""#);
    assert_eq!(stuck.account.role("r1"), "pre-product");
}

#[test]
fn r_is_being_promoted_done_nothing_is_touched() {
    let course = world().product("r1").promoting("r2", 10).call(&provision("r2"));
    assert!(course.steps.is_empty(), "{}", course.story());
    course.done();
}

#[test]
fn r_was_rejected_before_refused_as_far_back_as_aws_remembers() {
    let rejected = world().product("r1").rejected("r2");
    insta::assert_snapshot!(rejected.clone().call(&provision("r2")).refused(), @"release r2 was rejected (it was bad): a new execution is needed (a retry keeps this one's id)");
    let gone = rejected.call(&rollback("r2")).done();
    assert_eq!(gone.paid("r2"), 0);
    insta::assert_snapshot!(gone.call(&provision("r2")).refused(), @"release r2 was rejected (it was bad): a new execution is needed (a retry keeps this one's id)");
}

#[test]
fn r_was_retired_and_torn_down_before_refused() {
    let account = world().product("r2").stands("r1", Role::Retired).call(&sweep()).done();
    assert_eq!(account.role("r1"), "gone");
    insta::assert_snapshot!(account.call(&provision("r1")).refused(), @"release r1 was torn down: a new execution is needed (a retry keeps this one's id)");
}

#[test]
fn r_is_product_or_retired_done_launches_nothing() {
    let account = world().product("r2").retired("r1").dies("r2", 1).dies("r1", 1).tidy();
    for release in ["r1", "r2"] {
        let course = account.clone().call(&provision(release));
        assert!(course.steps.is_empty(), "{}", course.story());
        course.done();
    }
    let out_of_the_rule = world().product("r2").stands("r1", Role::Retired).call(&provision("r1"));
    assert!(out_of_the_rule.steps.is_empty());
    out_of_the_rule.done();
}

#[test]
fn it_does_not_get_its_capacity_in_one_zone_the_others_take_its_share() {
    let mut account = world().configured(json!({"instance_count": 4}));
    account.full.insert(domain::id::SubnetId::new("subnet-0a"));
    let account = account.call(&provision("r1")).done();
    assert_eq!(spread(&account, "r1"), "subnet-0a: 0, subnet-0c: 4");
}

#[test]
fn it_does_not_get_its_capacity_in_any_zone_the_job_fails_and_names_the_zones() {
    let mut account = world();
    account.full = account.service.subnets.iter().cloned().collect();
    let course = account.call(&provision("r1"));
    insta::assert_snapshot!(course.failed(), @"no capacity for r1 in any zone: subnet-0a: no capacity; subnet-0c: no capacity. What was made of it goes. Run the pipeline again later, or configure another instance type or subnet");
    assert_eq!(course.account.paid("r1"), 0);
}

#[test]
fn it_gets_some_of_its_capacity_only_r_is_rejected_what_was_made_removed_the_job_failed() {
    let mut account = world().product("r0").provisioned("r1").dies("r1", 1);
    account.full = account.service.subnets.iter().cloned().collect();
    let course = account.call(&job(provision("r1"), &world()));
    insta::assert_snapshot!(course.failed(), @"no capacity for r1 in any zone: subnet-0a: no capacity; subnet-0c: no capacity. What was made of it goes. Run the pipeline again later, or configure another instance type or subnet");
    insta::assert_snapshot!(course.account.notices[0].text("eu-central-1"), @"
    Release r1 was rejected: it did not get its servers.
    no capacity for r1 in any zone: subnet-0a: no capacity; subnet-0c: no capacity. What was made of it goes. Run the pipeline again later, or configure another instance type or subnet
    Product is r0. The servers of r1 are drained and terminated.

    Where to look
      Product  m.example.com

    What to do next
      - Mend it and upload a new build; this release is not tried again.

    Service   mobile-web
    Release   r1
    Asked by  a pipeline
    Status    failed (rejected)
    ");
    let account = course.account;
    assert_eq!((account.paid("r1"), account.is_rejected("r1"), account.role("r0")), (0, true, "product".into()));
    assert!(account.call(&provision("r1")).refused().contains("rejected"));
}

#[test]
fn it_does_not_get_ready_in_time_r_is_rejected_what_was_made_removed_the_job_failed_with_what_was_missing() {
    let account = world().product("r0").provisioned("r1").each("r1", 1, |server| server.stuck = true);
    let request = job(provision("r1"), &account);
    let course = account.call(&request);
    insta::assert_snapshot!(course.failed(), @"r1 was not ready after 600 seconds: i-r1-1: its status checks are not ok yet. What was made of it goes; look at the servers' own logs, then run the pipeline again");
    assert_eq!((course.account.paid("r1"), course.account.is_rejected("r1")), (0, true));
    assert!(course.waits.len() >= 119, "it had all of its 600 seconds: {}", course.waits.len());
}

#[test]
fn who_was_kept_from_it_by_a_hold_has_all_the_time_after_that() {
    let account = world().product("r0");
    let request = kept_job(provision("r1"), &account);
    let account = account.call(&request).done();
    assert_eq!(account.paid("r1"), 2);
    let account = world().product("r0").provisioned("r1").each("r1", 1, |server| server.stuck = true);
    let request = kept_job(provision("r1"), &account);
    let course = account.call(&request);
    assert!(
        course.failed().contains("not ready after 600 seconds") && course.waits.len() >= 119,
        "{}",
        course.failed()
    );
}

#[test]
fn a_direct_callers_time_is_counted_from_what_was_launched_last() {
    let account = world().provisioned("r1").each("r1", 1, |server| server.stuck = true).later(590);
    let waiting = account.clone().call_once(&provision("r1"));
    assert_eq!(waiting.waiting(), "servers of r1: i-r1-1: its status checks are not ok yet");
    account.later(10).call(&provision("r1")).failed();
}

#[test]
fn servers_that_did_not_get_ready_are_kept_for_a_look_inside_where_the_config_says_so() {
    let account = world().configured(json!({"keep_rejected_seconds": 3600})).provisioned("r1");
    let account = account.each("r1", 1, |server| server.stuck = true);
    let request = job(provision("r1"), &account);
    let account = account.call(&request).account;
    assert_eq!((account.paid("r1"), account.role("r1")), (2, "rejected".into()));
    let account = account.later(3_000).call(&sweep()).done();
    assert_eq!(account.paid("r1"), 2);
    let account = account.later(700).call(&sweep()).done();
    assert_eq!(account.paid("r1"), 0);
}

#[test]
fn one_of_its_servers_died_meanwhile_it_is_replaced_in_the_zone_that_lacks_it() {
    let account = world().product("r1").provisioned("r2").dies("r2", 1);
    let request = job(provision("r2"), &account);
    let course = account.call(&request);
    assert_eq!(course.count(launches), 1);
    assert_eq!(spread(&course.done(), "r2"), "subnet-0a: 1, subnet-0c: 1");
}

#[test]
fn a_direct_caller_replaces_a_server_that_died_days_later() {
    let account = world().product("r1").pre_product("r2").later(2 * 86_400).dies("r2", 1);
    let course = account.call(&provision("r2"));
    assert_eq!(course.count(launches), 1);
    assert_eq!(course.done().paid("r2"), 2);
}

fn pool(size: usize) -> Account {
    let ids: Vec<String> = (1..=size).map(|n| format!("eipalloc-{n}")).collect();
    world().configured(json!({"elastic_ips": ids}))
}

fn holds(mut account: Account, release: &str) -> Account {
    let ids: Vec<_> = account.servers_of(release).map(|(id, _)| id.clone()).collect();
    let free = account.addresses.values_mut().filter(|holder| holder.is_none());
    free.zip(ids).for_each(|(holder, id)| *holder = Some(Holder::Instance(id)));
    account
}

#[test]
fn each_server_gets_an_elastic_ip_that_nobody_holds() {
    let mut account = holds(pool(5).product("r1"), "r1");
    account.addresses.insert(domain::id::AllocationId::new("eipalloc-3"), Some(Holder::Other("eni-1".to_owned())));
    let course = account.call(&provision("r2"));
    assert!(course.ended().starts_with("done"), "{}", course.story());
    let Some(End::Done(done)) = &course.end else { panic!() };
    assert_eq!(done.outputs["PublicIps"], "203.0.113.4,203.0.113.5");
}

#[test]
fn the_pool_has_too_few_refused_with_the_numbers_and_nothing_is_launched() {
    let account = holds(pool(3).product("r1"), "r1");
    insta::assert_snapshot!(account.call(&provision("r2")).refused(), @"the elastic IP pool has 1 addresses that nobody holds, r2 needs 2 more: add addresses to elastic_ips, or finish or tear down a release that holds some");
}

#[test]
fn the_pool_has_too_few_and_releases_that_are_about_to_go_hold_enough_waiting() {
    let rejected = holds(holds(pool(4).product("r1").rejected("r0"), "r1"), "r0");
    let course = rejected.clone().call_once(&provision("r2"));
    insta::assert_snapshot!(course.waiting(), @"elastic IPs: r2 needs 2 more, 0 are free and 2 are about to be");
    assert_eq!(course.count(launches), 0);
    let swept = rejected.call(&sweep()).done();
    swept.call(&provision("r2")).done();
    let retired = holds(holds(pool(4).product("r1").stands("r0", Role::Retired), "r1"), "r0");
    retired.call_once(&provision("r2")).waiting();
    let way_back = holds(holds(pool(4).product("r1").retired("r0"), "r1"), "r0");
    way_back.call_once(&provision("r2")).refused();
}

#[test]
fn a_release_that_is_superseded_now_gives_its_addresses_back_too() {
    let account = holds(holds(pool(4).product("r1").pre_product("r2"), "r1"), "r2");
    let course = account.call_once(&provision("r3"));
    course.waiting();
    assert_eq!(course.account.role("r2"), "rejected");
    let small = holds(
        holds(world().configured(json!({"elastic_ips": ["eipalloc-1", "eipalloc-2"]})).product("r1"), "r1")
            .pre_product("r2"),
        "r2",
    );
    let course = small.call(&provision("r3"));
    course.refused();
    assert_eq!(course.account.role("r2"), "pre-product", "nothing is changed for a release that cannot be had");
}
