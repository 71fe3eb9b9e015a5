//! People change things behind our back: rules, weights and listeners. Every call says what it found, mends what it
//! owns, refuses where it could do harm, and customers are served on.

use local::standing::Tagged;
use serde_json::json;

use crate::stage::{Person, Service, look, says, stack, unchanged_since};

/// Every call that could change something, about the service's two releases.
const CALLS: [(&str, &str); 7] = [
    ("provision", "r3"),
    ("register", "r2"),
    ("promote", "r2"),
    ("finish", "r1"),
    ("rollback", "r1"),
    ("rollback", "r2"),
    ("remove", "r1"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_product_rule_that_does_what_we_never_make_it_do_stops_every_call_and_is_told_once() {
    let stack = stack().await;
    let person = Person(&stack);
    let listener = &stack.account().listener_arn;
    let mut all = Vec::new();
    for (name, number) in [("beside", 1), ("anothers", 2), ("three", 3), ("nameless", 4), ("two-rules", 5)] {
        let service = Service::serving(&stack, name, number, "r1").await;
        service.pre_product("r2").await;
        all.push(service);
    }
    let [beside, anothers, three, nameless, two_rules] = all.as_slice() else { panic!() };
    let old = person.make_group("old-web").await;
    let older = person.make_group("older-web").await;

    let rule = beside.rule("product").await.arn;
    let own = beside.group("r1").await.arn;
    person.forward(&rule, &[(&own, 50), (&old, 25), (&older, 25)]).await;
    let mut words = vec![(beside, rule, vec!["old-web and older-web", "without our tags"])];

    let rule = anothers.rule("product").await.arn;
    let foreign = beside.group("r2").await.arn;
    person.forward(&rule, &[(&anothers.group("r1").await.arn, 50), (&foreign, 50)]).await;
    words.push((anothers, rule, vec!["is of service beside"]));

    let rule = three.rule("product").await.arn;
    let pre_product = three.group("r2").await.arn;
    person.forward(&rule, &[(&three.group("r1").await.arn, 0), (&pre_product, 0)]).await;
    words.push((three, rule, vec!["no group of it has weight"]));

    let rule = nameless.rule("product").await.arn;
    person.untag(&nameless.group("r1").await.arn, &["release"]).await;
    words.push((nameless, rule, vec!["is tagged ours, but no release is"]));

    let group = two_rules.group("r1").await.arn;
    let second = person.make_rule(listener, 523, "m2.example.com", &[(&group, 1)]).await;
    person.tag(&second, "service", "two-rules").await;
    person.tag(&second, "rule", "product").await;
    let first = two_rules.rule("product").await.arn;
    words.push((two_rules, second.clone(), vec!["two rules", "Delete the one that is not", &first]));

    let mark = stack.gateway().record().mark();
    for (service, rule, words) in &words {
        let mut words = words.clone();
        words.push(rule);
        for (call, release) in CALLS {
            service.refuses(call, release, &words).await;
        }
    }
    unchanged_since(&stack, mark);
    for _ in 0..2 {
        stack.sweep().await.unwrap();
    }
    for (service, rule, words) in &words {
        service.is_told(&["Put the rule right", words[0], rule]).await;
        let told = service.told();
        let told = told.iter().filter(|notice| notice.attribute("event") == "strange-rule");
        assert_eq!(told.count(), 1, "{}: twice swept, told once", service.name);
        assert_eq!(look(&stack).await.instances.iter().filter(|one| one.tag("service") == service.name).count(), 4);
    }

    // Put right, all goes on.
    person.elb("DeleteRule", &[("RuleArn", &second)]).await;
    two_rules.done("promote", "r2").await;
    person.forward(&words[0].1, &[(&own, 100)]).await;
    beside.done("promote", "r2").await;
    assert_eq!(beside.weights("product").await, [("r2".to_owned(), 100), ("r1".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_that_a_person_moved_are_a_promotion_that_somebody_has_to_end() {
    let stack = stack().await;
    let person = Person(&stack);
    let stuck = Service::serving(&stack, "stuck", 1, "r1").await;
    stuck.pre_product("r2").await;
    let rule = stuck.rule("product").await.arn;
    person.forward(&rule, &[(&stuck.group("r1").await.arn, 50), (&stuck.group("r2").await.arn, 50)]).await;

    // Since now, whatever stood on the rule: so whoever else calls waits.
    for (call, release) in [("provision", "r3"), ("finish", "r1"), ("remove", "r1")] {
        stuck.waits(call, release, &["promotion of r2"]).await;
    }
    let since = stuck.rule("product").await.tag("since").split(' ').nth(1).unwrap().to_owned();
    person.tag(&rule, "since", &format!("2020-01-01T00:00:00Z {since}")).await;
    let words = ["r2 is being promoted", "promote r2", "teardown r2", "rollback"];
    let mark = stack.gateway().record().mark();
    for (call, release) in
        [("provision", "r3"), ("register", "r3"), ("promote", "r3"), ("finish", "r1"), ("remove", "r1")]
    {
        stuck.refuses(call, release, &words).await;
    }
    for call in ["provision", "register"] {
        stuck.done(call, "r2").await;
    }
    unchanged_since(&stack, mark);
    stack.sweep().await.unwrap();
    stuck.is_told(&["r2 has had some of the traffic", "promote r2"]).await;
    unchanged_but_told(&stack, mark);
    stuck.done("rollback", "r2").await;
    assert_eq!(stuck.weights("product").await, [("r1".to_owned(), 100)]);

    // A retired release that got weight again is in the same case, and promote ends it too.
    stuck.product("r4").await;
    let rule = stuck.rule("product").await.arn;
    person.forward(&rule, &[(&stuck.group("r1").await.arn, 50), (&stuck.group("r4").await.arn, 50)]).await;
    stuck.waits("provision", "r5", &["promotion of r1"]).await;
    stuck.done("promote", "r4").await;
    assert_eq!(stuck.weights("product").await, [("r4".to_owned(), 100), ("r1".to_owned(), 0)]);
}

/// As `unchanged_since`, but for the tags that remember what was told.
fn unchanged_but_told(stack: &local::Stack, mark: gateway::Mark) {
    let calls = crate::stage::calls_since(stack, mark);
    let changes: Vec<_> = calls.iter().filter(|call| local::costs::changes(call) && call.action != "AddTags").collect();
    assert!(changes.is_empty(), "{changes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_priorities_that_a_person_changed_follow_the_config_again() {
    let stack = stack().await;
    let person = Person(&stack);
    let moved = Service::serving(&stack, "moved", 1, "r1").await;
    moved.pre_product("r2").await;
    for which in ["product", "pre-product"] {
        let rule = moved.rule(which).await;
        let priority = if which == "product" { "177" } else { "178" };
        let parameters =
            [("RulePriorities.member.1.RuleArn", rule.arn.as_str()), ("RulePriorities.member.1.Priority", priority)];
        person.elb("SetRulePriorities", &parameters).await;
        let host = format!("{which}.elsewhere.example.com");
        let parameters = [
            ("RuleArn", rule.arn.as_str()),
            ("Conditions.member.1.Field", "host-header"),
            ("Conditions.member.1.HostHeaderConfig.Values.member.1", &host),
        ];
        person.elb("ModifyRule", &parameters).await;
    }
    moved.done("register", "r2").await;
    moved.done("promote", "r1").await;
    let config = stack.config_of("moved");
    for (which, key) in [("product", "product"), ("pre-product", "pre_product")] {
        let rule = moved.rule(which).await;
        assert_eq!(
            (json!(rule.hosts), &rule.priority),
            (config[key]["hosts"].clone(), &config[key]["priority"].to_string())
        );
    }
    assert_eq!(moved.weights("product").await, [("r1".to_owned(), 100)]);

    // QA's rule was made to send QA to customers' release, or nowhere: nobody promotes that; register puts it back.
    let rule = moved.rule("pre-product").await.arn;
    person.forward(&rule, &[(&moved.group("r1").await.arn, 1)]).await;
    moved.refuses("promote", "r2", &["QA did not see release r2", "forwards to r1", "Register r2"]).await;
    moved.done("register", "r2").await;
    let nowhere = [
        ("RuleArn", moved.rule("pre-product").await.arn),
        ("Actions.member.1.Type", "fixed-response".to_owned()),
        ("Actions.member.1.FixedResponseConfig.StatusCode", "503".to_owned()),
    ];
    let nowhere: Vec<(&str, &str)> = nowhere.iter().map(|(key, value)| (*key, value.as_str())).collect();
    person.elb("ModifyRule", &nowhere).await;
    moved.refuses("promote", "r2", &["QA did not see release r2", "forwards to nothing"]).await;
    moved.done("register", "r2").await;
    assert_eq!(moved.weights("pre-product").await, [("r2".to_owned(), 100)]);
    person.elb("DeleteRule", &[("RuleArn", &moved.rule("pre-product").await.arn)]).await;
    moved.refuses("promote", "r2", &["QA did not see release r2", "forwards to nothing"]).await;
    moved.done("register", "r2").await;
    moved.done("promote", "r2").await;
    assert_eq!(moved.served().await, ["r2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_rule_that_was_deleted_is_made_again() {
    let stack = stack().await;
    let person = Person(&stack);
    let lost = Service::serving(&stack, "lost", 1, "r1").await;
    lost.product("r2").await;
    let again = Service::serving(&stack, "again", 2, "r1").await;
    for service in [&lost, &again] {
        person.elb("DeleteRule", &[("RuleArn", &service.rule("product").await.arn)]).await;
    }
    let mark = stack.gateway().record().mark();
    stack.sweep().await.unwrap();
    lost.is_told(&["r2 is tagged product, and no product rule names it", "call register r2, then promote r2"]).await;
    unchanged_since(&stack, mark);
    // The one that stands as product gets its rule again: QA, and then customers.
    again.refuses("finish", "r1", &["no product rule names it", "register r1, then promote it"]).await;
    again.refuses("promote", "r1", &["QA did not see release r1", "Register r1"]).await;
    again.done("register", "r1").await;
    again.done("promote", "r1").await;
    assert_eq!(again.weights("product").await, [("r1".to_owned(), 100)]);
    // A new one brings it along as its way back.
    lost.product("r3").await;
    assert_eq!(lost.weights("product").await, [("r3".to_owned(), 100), ("r2".to_owned(), 0)]);
    says(&lost.told().last().unwrap().text(), &["r3 is product"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_rule_that_lost_its_tags_or_got_wrong_ones_is_not_touched_and_serves_on() {
    let stack = stack().await;
    let person = Person(&stack);
    let bare = Service::serving(&stack, "bare", 1, "r1").await;
    let wrong = Service::serving(&stack, "wrong", 2, "r1").await;
    for service in [&bare, &wrong] {
        service.product("r2").await;
        service.pre_product("r3").await;
    }
    let (bare_rule, wrong_rule) = (bare.rule("product").await, wrong.rule("product").await);
    person.untag(&bare_rule.arn, &["service", "rule"]).await;
    person.tag(&wrong_rule.arn, "rule", "pre-product").await;

    let mark = stack.gateway().record().mark();
    for (service, rule) in [(&bare, &bare_rule), (&wrong, &wrong_rule)] {
        for (call, release) in [("promote", "r3"), ("rollback", "r2"), ("finish", "r2")] {
            service.refuses(call, release, &[&rule.arn]).await;
        }
    }
    unchanged_since(&stack, mark);
    stack.sweep().await.unwrap();
    for (service, rule) in [(&bare, &bare_rule), (&wrong, &wrong_rule)] {
        service.is_told(&[&rule.arn]).await;
        let now = look(&stack).await;
        let now = now.rules.iter().find(|one| one.arn == rule.arn).expect("the customers' rule stands");
        assert_eq!((&now.forward, &now.hosts, &now.priority), (&rule.forward, &rule.hosts, &rule.priority));
        person.tag(&rule.arn, "service", &service.name).await;
        person.tag(&rule.arn, "rule", "product").await;
        service.done("promote", "r3").await;
    }
}
