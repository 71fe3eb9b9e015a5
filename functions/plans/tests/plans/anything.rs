//! What holds for every call, row by row: rejected releases that serve, strange rules, and nothing left to do.

use domain::plan::{End, Step};
use domain::request::{Request, RollbackScope};
use domain::tags::{self, Role, Tags};
use domain::world::{Action, Weighted};

use crate::account::{Account, forward_of};
use crate::build::{PRE_PRODUCT_NAME, PRODUCT_NAME, world};
use crate::course::{event, finish, job, promote, provision, register, remove, rollback, sweep};

/// A call of each verb about a release, and the sweep.
fn calls(release: &str) -> Vec<Request> {
    let events = [RollbackScope::TrafficOnly, RollbackScope::UnlessItWasProduct].map(|scope| event(release, scope));
    let calls = [provision(release), register(release), promote(release), finish(release), rollback(release), sweep()];
    calls.into_iter().chain(events).collect()
}

#[test]
fn a_rejected_release_is_found_behind_the_pre_product_rule_it_loses_that_first() {
    for request in calls("r1") {
        let account = world().product("r1").retired("r0").rejected("r2").behind_pre_product("r2");
        let course = account.call(&request);
        assert!(matches!(course.steps[0], Step::DeleteRule { .. }), "{:?}: {}", request.verb, course.story());
    }
}

#[test]
fn a_rejected_release_is_found_with_weight_and_the_other_passes_the_test_it_loses_it_first() {
    for request in calls("r2").into_iter().chain(calls("r1")) {
        let account = world().product("r2").retired("r1").rejected_while_product("r2").pre_product("r3").later(60);
        let course = account.call(&request);
        assert!(matches!(course.steps[0], Step::ModifyRule { .. }), "{:?}: {}", request.verb, course.story());
        let account = course.account;
        assert_eq!(account.forwards("product"), "r1 100", "{:?}", request.verb);
        assert_eq!(account.name(PRODUCT_NAME), account.ips("r1"));
        assert_eq!(account.role("r1"), "product", "{:?}", request.verb);
    }
}

/// A copy of a release's group, which says nothing of its role, behind the pre-product rule.
fn copied(mut account: Account, release: &str) -> Account {
    let mut copy = account.groups[&account.group_of(release).unwrap()].clone();
    copy.tags.remove(tags::ROLE);
    let arn = domain::id::GroupArn::new("arn:aws:elasticloadbalancing:targetgroup/somebodys-copy/1");
    account.groups.insert(arn.clone(), copy);
    let forward = Action::Forward(vec![Weighted { group: arn, weight: 100 }]);
    account.behind_pre_product(release).rule_does("pre-product", forward)
}

#[test]
fn a_copy_of_a_group_does_not_hide_what_the_group_itself_says() {
    // The group is all that is left of it to say so.
    let account = copied(world().product("r1").rejected("r2").dies("r2", 2).forgets(), "r2");
    let course = account.call(&provision("r2"));
    assert!(course.ended().contains("refused: release r2 was rejected"), "{}", course.story());
    assert!(course.account.rule("pre-product").is_none(), "{}", course.story());
    // Both are bad, and the other one's servers, which lost their tags, are well.
    let bad = world().product("r2").retired("r1").tagged_as("r1", Role::Rejected);
    let bad = bad.each("r1", 2, |server| server.tags.clear());
    let account = copied(bad.rejected_while_product("r2").unhealthy("r2", 2), "r1");
    for request in calls("r1").into_iter().chain(calls("r2")) {
        let course = account.clone().call(&request);
        assert_ne!(course.account.forwards("product"), "r1 100", "{:?}: {}", request.verb, course.story());
    }
}

#[test]
fn a_rejected_release_with_some_of_the_weight_loses_it() {
    let account = world().product("r1").promoting("r2", 10).rejected_while_product("r2").later(60);
    let account = account.call(&sweep()).done();
    assert_eq!((account.forwards("product"), account.role("r2")), ("r1 100".into(), "gone".into()));
}

#[test]
fn a_rejected_release_with_some_of_the_weight_and_nothing_to_go_back_to_gives_way_to_the_next_one() {
    let steps = serde_json::json!({"traffic": {"steps": [10, 50], "step_seconds": 60}});
    for percent in [10, 50] {
        let account = world().configured(steps.clone()).product("r1").promoting("r2", percent);
        let account = account.rejected_while_product("r2").unhealthy("r1", 2).later(60);
        // Neither of the two calls that end a promotion would end this.
        assert!(account.clone().call(&promote("r2")).ended().contains("was rejected"));
        assert!(account.clone().call(&rollback("r2")).ended().contains("refused"));
        let account = account.call(&provision("r3")).done().call(&register("r3")).done();
        assert_eq!(account.call(&promote("r3")).done().forwards("product"), "r3 100, r1 0");
    }
}

#[test]
fn a_rejected_release_with_weight_and_nothing_to_go_back_to_serves_on_told_once_a_day_and_is_not_torn_down() {
    let alone = world().product("r2");
    let worse = world().product("r2").retired("r1").unhealthy("r1", 2);
    for account in [alone, worse] {
        let account = account.rejected_while_product("r2");
        for request in calls("r2") {
            let course = account.clone().call(&request);
            assert!(!matches!(course.end, None | Some(End::Wait(_))), "{}", course.story());
            let account = course.account;
            assert_eq!((account.paid("r2"), account.role("r2")), (2, "rejected".into()), "{:?}", request.verb);
            let told = account.notices.iter().filter(|notice| notice.event == "rejected-serves").count();
            assert_eq!(told, 1, "{:?}: {:?}", request.verb, account.notices);
            let account = account.call(&sweep()).account;
            assert_eq!(account.notices.iter().filter(|notice| notice.event == "rejected-serves").count(), 1);
        }
    }
}

#[test]
fn the_notice_of_a_rejected_release_that_serves_on() {
    let account = world().product("r2").rejected_while_product("r2").call(&sweep()).done();
    insta::assert_snapshot!(account.notices[0].text("eu-central-1"), @"
    Release r2 was rejected and serves on: there is nothing to go back to.
    No other release of the product rule stands and is healthy enough to take over.

    Where to look
      Product  m.example.com

    What to do next
      - Ship a new release now; its promote takes the rejected one out of the rule.

    Service   mobile-web
    Release   r2
    Asked by  nobody: Pointsman noticed it
    Status    attention (rejected-serves)
    ");
}

#[test]
fn the_way_back_of_a_rejected_release_becomes_healthy_it_takes_over() {
    let account = world().product("r2").retired("r1").unhealthy("r1", 2).rejected_while_product("r2").later(60);
    let account = account.call(&sweep()).done();
    assert_eq!(account.forwards("product"), "r2 100, r1 0");
    let account = account.each("r1", 2, |server| server.sick = None).call(&sweep()).done();
    assert_eq!(
        (account.forwards("product"), account.role("r2"), account.role("r1")),
        ("r1 100".into(), "gone".into(), "product".into())
    );
}

/// A group of the product rule beside what is there.
fn beside(mut account: Account, tags: Tags, weight: u32) -> Account {
    let mut forward = forward_of(account.rule("product").unwrap()).to_vec();
    let mut group = account.groups.values().next().unwrap().clone();
    group.tags = tags;
    let arn = domain::id::GroupArn::new("arn:aws:elasticloadbalancing:targetgroup/strange/strange");
    account.groups.insert(arn.clone(), group);
    forward.push(Weighted { group: arn, weight });
    account.rule_does("product", Action::Forward(forward))
}

fn strange_rules() -> Vec<(&'static str, Account)> {
    let sound = || world().product("r2").retired("r1").rejected("r0").pre_product("r3").later(60);
    let of = |tags: &[(&str, &str)]| tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Tags>();
    let nothing: Vec<Weighted> = Vec::new();
    let mut unreadable = sound();
    let group = unreadable.group_of("r1").unwrap();
    unreadable.groups.remove(&group);
    vec![
        ("a stranger's group beside two of ours", beside(sound(), Tags::new(), 0)),
        ("a stranger's group with weight", beside(sound(), Tags::new(), 10)),
        ("another service's group", beside(sound(), of(&[(tags::SERVICE, "other"), (tags::RELEASE, "r7")]), 0)),
        ("a group tagged ours, of no release", beside(sound(), of(&[(tags::SERVICE, "mobile-web")]), 0)),
        (
            "a copy of a group, tags included",
            beside(sound(), of(&[(tags::SERVICE, "mobile-web"), (tags::RELEASE, "r2")]), 0),
        ),
        ("a fixed response", sound().rule_does("product", Action::Other("fixed-response".to_owned()))),
        ("no group at all", sound().rule_does("product", Action::Forward(nothing))),
        ("no weight at all", sound().weighs("r2", 0)),
        ("three groups with weight", sound().weighs("r1", 10).weighs("r3", 10)),
        ("a group that cannot be read", unreadable),
    ]
}

#[test]
fn the_product_rule_does_what_we_never_do_no_roles_change_nothing_is_removed_refused() {
    for (why, account) in strange_rules() {
        for request in calls("r3").into_iter().chain([remove("r2"), rollback("r2"), rollback("r0")]) {
            let course = account.clone().call(&request);
            let Some(End::Refuse(refusal)) = &course.end else {
                panic!("{why}, {:?}: {}", request.verb, course.story())
            };
            assert!(refusal.to_string().contains("never makes it do"), "{why}: {refusal}");
            let changed = course.count(|step| step.changes_account() && !matches!(step, Step::TagRule { .. }));
            assert_eq!(changed, 0, "{why}, {:?}: {}", request.verb, course.story());
        }
    }
}

#[test]
fn the_product_rule_does_what_we_never_do_the_sweep_tells_once_a_day() {
    let (_, account) = strange_rules().remove(0);
    let account = account.call(&sweep()).account;
    insta::assert_snapshot!(account.notices[0].text("eu-central-1"), @"
    The product rule is not as Pointsman makes it.
    the product rule arn:rule/product/0 of mobile-web does what Pointsman never makes it do: it forwards to strange, without our tags, beside other groups. Put it right by hand (forward to groups of mobile-web alone, or to one group without our tags); until then nothing is changed

    Where to look
      Product  m.example.com

    What to do next
      - Put the rule right; until then no call changes anything of this service.

    Service   mobile-web
    Asked by  nobody: Pointsman noticed it
    Status    attention (strange-rule)
    ");
    let account = account.later(3_600).call(&sweep()).account;
    assert_eq!(account.notices.len(), 1);
    assert_eq!(account.later(90_000).call(&sweep()).account.notices.len(), 2);
}

/// The customers' rule, tagged as QA's by somebody.
fn mistagged(account: Account) -> Account {
    let arn = account.rule("product").unwrap().arn.clone();
    let mut account = account;
    account.rules.get_mut(&arn).unwrap().tags.insert(tags::RULE.to_owned(), "pre-product".to_owned());
    account
}

#[test]
fn the_customers_rule_is_tagged_as_qas_it_is_not_taken_for_hers() {
    let two = || world().product("r2").retired("r1").rejected("r0").later(60);
    let alone = || world().product("r2").rejected("r0").later(60);
    let moved = serde_json::json!({"product": {"priority": 30, "hosts": ["m.example.com"]}});
    let cases = [
        ("beside hers", mistagged(two().pre_product("r3")), "it stands at product's priority"),
        ("and there is none of hers", mistagged(two()), "it stands at product's priority"),
        ("it stands elsewhere by now", mistagged(two()).configured(moved.clone()), "it forwards to several groups"),
        ("it stands elsewhere, to one group", mistagged(alone()).configured(moved), "what is product by its tags"),
    ];
    for (why, account, found) in cases {
        let before = (account.rules.clone(), account.groups.len(), account.paid("r0"));
        for request in calls("r3").into_iter().chain([remove("r2"), rollback("r2"), register("r2"), rollback("r0")]) {
            let course = account.clone().call(&request);
            let Some(End::Refuse(refusal)) = &course.end else {
                panic!("{why}, {:?}: {}", request.verb, course.story())
            };
            assert!(refusal.to_string().contains(found), "{why}: {refusal}");
            let after = course.account;
            assert_eq!((after.rules, after.groups.len()), (before.0.clone(), before.1), "{why}, {:?}", request.verb);
            assert_eq!(after.servers, account.servers, "{why}, {:?}", request.verb);
        }
        let told = account.call(&sweep()).account.notices;
        assert!(told.len() == 1 && told[0].text("eu-central-1").contains(found), "{why}: {told:?}");
    }
}

#[test]
fn the_product_rule_lost_its_tags_what_would_take_it_for_gone_is_refused() {
    let mut account = world().product("r2").retired("r1").pre_product("r3").later(60);
    let arn = account.rule("product").unwrap().arn.clone();
    account.rules.get_mut(&arn).unwrap().tags.clear();
    let events = [RollbackScope::TrafficOnly, RollbackScope::OnlyProduct].map(|scope| event("r2", scope));
    let calls = [rollback("r2"), rollback("r1"), finish("r2"), remove("r2"), promote("r3")];
    for request in calls.into_iter().chain(events) {
        let course = account.clone().call(&request);
        let refused = matches!(&course.end, Some(End::Refuse(refusal)) if refusal.to_string().contains(arn.as_str()));
        assert!(refused && course.steps.is_empty(), "{:?}: {}", request.verb, course.story());
    }
    let account = account.call(&sweep()).done();
    assert_eq!(account.notices.len(), 1);
    assert_eq!(account.notices[0].event, "strange-rule");
    assert!(
        account.notices[0].text("eu-central-1").contains(arn.as_str()),
        "{}",
        account.notices[0].text("eu-central-1")
    );
    assert_eq!((account.paid("r2"), account.paid("r1"), account.paid("r3")), (2, 2, 2));
}

#[test]
fn the_first_product_rule_lost_its_tags_before_its_release_got_its_own_it_is_not_rejected() {
    // Promote was cut off behind the switch, and then somebody took the rule's tags.
    let mut account = world().pre_product("r1").weighs("r1", 100).later(60);
    let arn = account.rule("product").unwrap().arn.clone();
    account.rules.get_mut(&arn).unwrap().tags.clear();
    account.executions_over.insert("r1".to_owned(), "Failed".to_owned());
    let swept = account.clone().call(&sweep());
    assert_eq!((swept.account.role("r1"), swept.account.paid("r1")), ("pre-product".into(), 2), "{}", swept.story());
    let provisioned = account.clone().call(&provision("r2"));
    assert_eq!(provisioned.account.role("r1"), "pre-product", "{}", provisioned.story());
    let course = account.call(&register("r1"));
    assert!(course.steps.is_empty() && course.ended().contains(arn.as_str()), "{}", course.story());
}

#[test]
fn nothing_is_left_to_do_done_and_nothing_is_changed() {
    let account = world().product("r2").retired("r1").pre_product("r3").call(&register("r3")).done();
    for request in
        [provision("r3"), register("r3"), promote("r2"), provision("r2"), register("r2"), finish("r1"), sweep()]
    {
        let course = account.clone().call(&request);
        assert!(course.steps.is_empty(), "{:?}: {}", request.verb, course.story());
        let Some(End::Done(done)) = &course.end else { panic!("{}", course.story()) };
        assert!(done.nothing_to_do, "{:?}", request.verb);
    }
}

#[test]
fn whoever_calls_mends_names_tags_and_the_time_of_the_weights_and_its_answer_stays() {
    for request in [provision("r3"), register("r3"), promote("r2"), promote("r1"), finish("r1"), sweep()] {
        let sound = world().product("r2").retired("r1").pre_product("r3");
        let want = sound.clone().call(&request).ended();
        let mut account = sound.tagged_as("r2", Role::PreProduct).tagged_as("r1", Role::Product);
        account.names.clear();
        let arn = account.rule("product").unwrap().arn.clone();
        account.rules.get_mut(&arn).unwrap().tags.remove(tags::SINCE);
        let course = account.call(&request);
        assert_eq!(course.ended(), want, "{:?}", request.verb);
        let account = course.account;
        assert_eq!(
            (account.role("r2"), account.role("r1")),
            ("product".into(), "retired".into()),
            "{:?}",
            request.verb
        );
        assert_eq!(account.name(PRODUCT_NAME), account.ips("r2"));
        assert_eq!(account.name(PRE_PRODUCT_NAME), account.ips("r3"));
        assert!(account.rule("product").unwrap().tags.contains_key(tags::SINCE));
    }
}

#[test]
fn the_earliest_since_of_a_role_counts_and_menders_copy_it() {
    let mut account = world().product("r1").later(3_600);
    let group = account.group_of("r1").unwrap();
    account.groups.get_mut(&group).unwrap().tags.insert(tags::ROLE.to_owned(), "pre-product".to_owned());
    account.groups.get_mut(&group).unwrap().tags.insert(tags::SINCE.to_owned(), "2026-11-20T08:00:00Z".to_owned());
    let account = account.call(&sweep()).done();
    assert_eq!(account.groups[&group].tags[tags::SINCE], "2026-11-21T10:00:00Z");
}

#[test]
fn a_server_that_died_in_an_earlier_role_says_nothing_about_who_is_promoted() {
    let account = world().product("r1").dies("r1", 1).tagged_as("r1", Role::Retired);
    // r1 is product again; its dead server still says retired.
    let mut account = account.promoting("r2", 10).tagged_as("r1", Role::Product);
    let dead = domain::id::InstanceId::new("i-r1-1");
    account.servers.get_mut(&dead).unwrap().tags.insert(tags::ROLE.to_owned(), "retired".to_owned());
    let waiting = account.call_once(&provision("r3")).waiting();
    assert_eq!(waiting, "the promotion of r2 to end");
}

#[test]
fn two_releases_with_weight_are_a_promotion_whatever_their_tags_say() {
    for role in [Role::PreProduct, Role::Product, Role::Retired] {
        let account = world().product("r1").promoting("r2", 50).tagged_as("r1", role).tagged_as("r2", role);
        account.clone().call_once(&provision("r3")).waiting();
        account.clone().call_once(&finish("r1")).waiting();
        assert_eq!(account.clone().call(&promote("r2")).done().forwards("product"), "r2 100, r1 0");
        assert_eq!(account.call(&rollback("r2")).done().forwards("product"), "r1 100");
    }
}

#[test]
fn a_release_and_an_adopted_group_with_weight_are_a_promotion_whatever_its_tags_say() {
    for role in [Role::PreProduct, Role::Product, Role::Retired] {
        let account = world().adopted(&["i-a", "i-b"]).stands("r1", role).weighs("r1", 100).weighs("adopted", 50);
        for request in [provision("r3"), register("r3"), promote("r3"), finish("r1"), remove("r1")] {
            let account = account.clone().pre_product("r3");
            assert_eq!(account.call_once(&request).waiting(), "the promotion of r1 to end", "{:?}", request.verb);
        }
        assert_eq!(account.call(&promote("r1")).done().forwards("product"), "r1 100, adopted 0");
    }
}

#[test]
fn a_rejected_release_is_refused_by_every_verb_with_why() {
    for request in [provision("r2"), register("r2"), promote("r2"), finish("r2")] {
        let account = world().product("r1").rejected("r2");
        let request = job(request, &account);
        let words = account.call(&request).refused();
        assert_eq!(
            words, "release r2 was rejected (it was bad): a new execution is needed (a retry keeps this one's id)",
            "{:?}",
            request.verb
        );
    }
}
