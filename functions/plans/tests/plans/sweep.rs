//! The sweep, row by row.

use domain::id::InstanceId;
use domain::plan::Step;
use domain::tags::{self, Role};
use domain::time::Time;
use plans::begins_with;

use crate::account::Account;
use crate::build::world;
use crate::course::{promote, sweep};
use crate::explain::explain;

/// The sweep changes nothing of the releases, tells this once, and once more after a day.
fn tells_once_a_day(account: Account) -> String {
    let before: Vec<String> = ["r1", "r2", "r3"].iter().map(|release| account.role(release)).collect();
    let (weights, told) = (account.forwards("product"), account.notices.len());
    let account = account.call(&sweep()).done();
    assert_eq!(account.notices.len(), told + 1, "{:?}", account.notices);
    let account = account.later(80_000).call(&sweep()).done();
    assert_eq!(account.notices.len(), told + 1, "told twice on one day");
    let account = account.later(10_000).call(&sweep()).done();
    assert_eq!(account.notices.len(), told + 2, "not told on the next day");
    let after: Vec<String> = ["r1", "r2", "r3"].iter().map(|release| account.role(release)).collect();
    assert_eq!((after, account.forwards("product")), (before, weights));
    account.notices[told].text("eu-central-1")
}

/// Sweeps that each stop after so many of 200 services; after how many of them, at most, every service was reached.
fn all_are_reached_after(each: usize) -> usize {
    let begin = Time::parse("2026-11-21T10:00:00Z").unwrap();
    let after = |service: usize, from: i64| {
        let reaches = |sweep: &i64| (200 + service - begins_with(200, begin + (from + sweep) * 600)) % 200 < each;
        (0..200).find(reaches).map_or(200, |sweep| sweep + 1)
    };
    let longest = (0..200).flat_map(|service| (0..300).map(move |from| after(service, from))).max();
    usize::try_from(longest.unwrap()).unwrap()
}

#[test]
fn with_many_services_none_waits_for_long() {
    assert_eq!(all_are_reached_after(200), 1);
    assert_eq!(all_are_reached_after(140), 2);
    assert_eq!(all_are_reached_after(50), 5);
    assert!((0..200).all(|turn| begins_with(0, Time::parse("2026-11-21T10:00:00Z").unwrap() + turn * 600) == 0));
}

#[test]
fn all_is_well_it_changes_nothing() {
    let course = world().product("r2").retired("r1").pre_product("r3").call(&sweep());
    assert!(course.steps.is_empty(), "{}", course.story());
    insta::assert_snapshot!(course.ended(), @"done: mobile-web is swept");
}

#[test]
fn product_has_fewer_healthy_targets_than_asked_for_told() {
    insta::assert_snapshot!(tells_once_a_day(world().product("r1").unhealthy("r1", 1)), @"
    Product has 1 of 2 servers healthy (r1).
    i-r1-1: unhealthy, Health checks failed with these codes: [502]

    Where to look
      Product  m.example.com

    What to do next
      - Look at its servers; nothing was changed. A rollback is possible while the way back stands.

    Service   mobile-web
    Release   r1
    Asked by  nobody: Pointsman noticed it
    Status    attention (product-unhealthy)
    ");
}

#[test]
fn the_way_back_could_not_serve_now_told() {
    insta::assert_snapshot!(tells_once_a_day(world().product("r2").retired("r1").unhealthy("r1", 2)), @r#"
    r1, the way back, has 0 of 2 servers healthy.
    A rollback might be refused now.
    i-r1-1: unhealthy, Health checks failed with these codes: [502]
    i-r1-2: unhealthy, Health checks failed with these codes: [502]

    Where to look
      Product  m.example.com

    What to do next
      - Look at its servers, or keep the product release with teardown ({"action":"finish"}).

    Service   mobile-web
    Release   r1
    Asked by  nobody: Pointsman noticed it
    Status    attention (way-back-unhealthy)
    "#);
}

#[test]
fn an_adopted_way_back_could_not_serve_now_told_with_why() {
    let mut account = world().adopted(&["i-a", "i-b"]).pre_product("r1").call(&promote("r1")).done().later(60);
    for group in account.groups.values_mut().filter(|group| group.tags.is_empty()) {
        let (_, target) = group.targets.pop_first().unwrap();
        group.targets.insert(InstanceId::new("i-sick"), target);
    }
    let words = tells_once_a_day(account);
    assert!(words.contains("The adopted target group, the way back, has 1 of 2 servers healthy"), "{words}");
    assert!(words.contains("i-sick: "), "{words}");
}

#[test]
fn weights_that_nobody_moves_told() {
    let account = world().product("r1").promoting("r2", 10);
    assert_eq!(account.clone().later(600).call(&sweep()).done().notices.len(), 0);
    insta::assert_snapshot!(tells_once_a_day(account.later(661)), @r#"
    r2 has had some of the traffic for 11 minutes, and nobody moves it.

    Where to look
      Product  m.example.com

    What to do next
      - Call promote r2, or teardown r2 with {"action":"rollback"}.

    Service   mobile-web
    Release   r2
    Asked by  nobody: Pointsman noticed it
    Status    attention (promotion-stuck)
    "#);
}

#[test]
fn a_release_tagged_product_that_no_rule_names_told() {
    insta::assert_snapshot!(tells_once_a_day(world().product("r2").stands("r1", Role::Product).tidy()), @r#"
    r1 is tagged product, and no product rule names it.
    Its servers are left running: nobody retired or rejected it.

    Where to look
      Product  m.example.com

    What to do next
      - If it is to go, call teardown r1 with {"action":"rollback"}; else point the product rule at it by hand.

    Service   mobile-web
    Release   r1
    Asked by  nobody: Pointsman noticed it
    Status    attention (product-without-rule)
    "#);
}

#[test]
fn no_rule_at_all_names_product_told_and_remembered_in_the_table() {
    insta::assert_snapshot!(tells_once_a_day(world().stands("r1", Role::Product)), @r#"
    r1 is tagged product, and no product rule names it.
    Its servers are left running: nobody retired or rejected it.

    Where to look
      Product  m.example.com

    What to do next
      - If it is to go, call teardown r1 with {"action":"rollback"}; else call register r1, then promote r1, and the rule is made again.

    Service   mobile-web
    Release   r1
    Asked by  nobody: Pointsman noticed it
    Status    attention (product-without-rule)
    "#);
}

#[test]
fn several_concerns_are_told_each_by_itself_and_remembered_together() {
    let account = world().product("r2").retired("r1").unhealthy("r1", 2).unhealthy("r2", 1);
    let account = account.stands("r0", Role::Product).tidy().call(&sweep()).done();
    assert_eq!(account.notices.len(), 3, "{:?}", account.notices);
    let account = account.later(3_600).call(&sweep()).done();
    assert_eq!(account.notices.len(), 3);
}

#[test]
fn a_pre_product_release_whose_execution_is_over_rejected_gone_told() {
    let mut account = world().product("r1").pre_product("r2").later(60);
    account.executions_over.insert("r2".to_owned(), "FAILED".to_owned());
    insta::assert_snapshot!(explain(&account.plan(&sweep())), @"
    1. tag i-r2-1, i-r2-2: reason=its pipeline execution is FAILED role=rejected since
    1. tag the group of r2: reason=its pipeline execution is FAILED role=rejected since
    2. delete the pre-product rule
    3. tell (attention): release r2 was rejected: its pipeline execution is FAILED
    4. tag i-r2-1, i-r2-2: told (may follow later)
    4. tag the group of r2: told (may follow later)
    look again
    ");
    let account = account.call(&sweep()).done();
    assert_eq!((account.role("r2"), account.forwards("pre-product")), ("gone".into(), "no rule".into()));
    assert_eq!((account.forwards("product"), account.notices.len()), ("r1 100".into(), 1));
}

#[test]
fn a_pre_product_release_older_than_its_ttl_rejected_gone_told() {
    let account = world().product("r1").pre_product("r2");
    let week = 7 * 86_400;
    let account = account.later(week).call(&sweep()).done();
    assert_eq!(account.role("r2"), "pre-product");
    let account = account.later(week).call(&sweep()).done();
    insta::assert_snapshot!(account.notices[0].text("eu-central-1"), @"
    Release r2 was rejected: nobody promoted it for 192 hours.
    Product is r1. The servers of r2 are drained and terminated.

    Where to look
      Product  m.example.com

    What to do next
      - If it is still wanted, upload the build again; this release is not tried again.

    Service   mobile-web
    Release   r2
    Asked by  the sweep
    Status    attention (rejected)
    ");
    assert_eq!(account.role("r2"), "gone");
}

#[test]
fn an_execution_that_is_over_rejects_no_release_that_is_product_retired_or_being_promoted() {
    let mut account = world().product("r2").retired("r1").later(30 * 86_400);
    account.executions_over.extend(["r1", "r2"].map(|release| (release.to_owned(), "FAILED".to_owned())));
    let course = account.call(&sweep());
    assert!(course.steps.is_empty(), "{}", course.story());
    let mut account = world().product("r1").promoting("r2", 10);
    account.executions_over.insert("r2".to_owned(), "FAILED".to_owned());
    assert_eq!(account.call(&sweep()).done().forwards("product"), "r1 90, r2 10");
}

#[test]
fn it_ends_what_others_began_rejected_releases_and_retired_ones_that_left_the_rule() {
    let account = world().product("r3").retired("r2").rejected("r1").stands("r0", Role::Retired).later(60);
    let account = account.call(&sweep()).done();
    assert_eq!(
        (account.role("r1"), account.role("r0"), account.role("r2")),
        ("gone".into(), "gone".into(), "retired".into())
    );
}

#[test]
fn it_removes_a_rejected_release_that_is_still_in_the_rule_with_weight_0() {
    let account = world().product("r2").rejected("r1").weighs("r1", 0).later(60).call(&sweep()).done();
    assert_eq!((account.role("r1"), account.forwards("product")), ("gone".into(), "r2 100".into()));
}

#[test]
fn two_rejected_releases_in_the_rule_leave_it_one_after_the_other() {
    let account = world().product("r3").rejected("r1").weighs("r1", 0).rejected("r2").weighs("r2", 0).later(60);
    let account = account.call(&sweep()).done();
    assert_eq!(
        (account.role("r1"), account.role("r2"), account.forwards("product")),
        ("gone".into(), "gone".into(), "r3 100".into())
    );
}

#[test]
fn an_orphaned_group_goes_whose_servers_are_gone_and_forgotten() {
    for account in [
        world().product("r1").pre_product("r2").dies("r2", 2).forgets(),
        world().product("r1").rejected("r2").dies("r2", 2).forgets(),
        world().product("r1").stands("r2", Role::Retired).dies("r2", 2).forgets(),
    ] {
        let account = account.call(&sweep()).done();
        assert_eq!(
            (account.role("r2"), account.groups.len(), account.forwards("product")),
            ("gone".into(), 1, "r1 100".into())
        );
    }
}

#[test]
fn one_that_was_ever_product_loses_its_servers_only_when_a_call_retired_or_rejected_it() {
    let product = world().product("r2").stands("r1", Role::Product).tidy().call(&sweep()).done();
    assert_eq!(product.paid("r1"), 2);
    let no_rule = world().stands("r1", Role::Product).stands("r0", Role::Retired).tidy().call(&sweep()).done();
    assert_eq!((no_rule.paid("r1"), no_rule.paid("r0")), (2, 2), "without a rule nobody knows what serves");
}

#[test]
fn a_rejected_release_without_told_its_notice_is_sent_before_the_last_of_it_goes() {
    let account =
        world().product("r1").stands("r2", Role::Rejected).tagged("r2", tags::REASON, "it answers 500").tidy();
    let course = account.call(&sweep());
    let told = course.place(|step| matches!(step, Step::Tell(_)));
    assert!(told.is_some() && told < course.place(|step| matches!(step, Step::Terminate { .. })));
    insta::assert_snapshot!(course.account.notices[0].text("eu-central-1"), @"
    Release r2 was rejected: it answers 500.
    Product is r1. The servers of r2 are drained and terminated.

    Where to look
      Product  m.example.com

    What to do next
      - Mend it and upload a new build; this release is not tried again.

    Service   mobile-web
    Release   r2
    Asked by  the sweep
    Status    attention (rejected)
    ");
    assert_eq!(course.done().role("r2"), "gone");
}

#[test]
fn a_rejection_that_stands_on_one_resource_only_is_written_on_all() {
    let mut account = world().product("r1").pre_product("r2");
    let group = account.group_of("r2").unwrap();
    account.groups.get_mut(&group).unwrap().tags.insert(tags::ROLE.to_owned(), "rejected".to_owned());
    let account = account.call(&sweep()).done();
    assert_eq!((account.role("r2"), account.forwards("pre-product")), ("gone".into(), "no rule".into()));
}

#[test]
fn the_tags_of_a_switch_are_mended_and_the_next_promote_finds_them() {
    let account = world().product("r2").tagged_as("r2", Role::PreProduct).retired("r1").tagged_as("r1", Role::Product);
    let account = account.behind_pre_product("r2").call(&sweep()).done();
    assert_eq!(
        (account.role("r2"), account.role("r1"), account.forwards("pre-product")),
        ("product".into(), "retired".into(), "no rule".into())
    );
    let account = account.pre_product("r3").call(&promote("r3")).done();
    assert_eq!(account.forwards("product"), "r3 100, r2 0");
}

#[test]
fn weights_whose_time_is_not_theirs_count_from_now_and_it_is_written() {
    let mut account = world().product("r1").promoting("r2", 10).later(5_000);
    let arn = account.rule("product").unwrap().arn.clone();
    account
        .rules
        .get_mut(&arn)
        .unwrap()
        .tags
        .insert(tags::SINCE.to_owned(), "2026-11-20T10:00:00Z 00000000".to_owned());
    let account = account.call(&sweep()).done();
    assert_eq!(account.notices.len(), 0, "{:?}", account.notices);
    let account = account.later(700).call(&sweep()).done();
    assert_eq!(account.notices.len(), 1);
}
