//! What a call made, and looks that show it or not.

use domain::config::HealthCheck;
use domain::id::{GroupArn, ImageId, InstanceId, ListenerArn, ReleaseId, RuleArn, ServiceName, SubnetId};
use domain::plan::{Launch, NewGroup, NewRule, Step};
use domain::tags::{self, Role, Tags, WhichRule};
use domain::time::Time;
use domain::world::{Action, Conditions, Group, Instance, InstanceState, Readiness, Rule, World};

fn service() -> ServiceName {
    ServiceName::new("mobile-web").unwrap()
}

fn birth() -> Tags {
    let time = Time::from_seconds(1_000);
    tags::birth_tags(&service(), &ReleaseId::new("r1").unwrap(), Role::PreProduct, time, &Tags::new())
}

/// Shown a while later, in another role by now.
fn later() -> Tags {
    let time = Time::from_seconds(1_005);
    tags::birth_tags(&service(), &ReleaseId::new("r1").unwrap(), Role::Product, time, &Tags::new())
}

fn world() -> World {
    World::default()
}

#[test]
fn a_group_is_shown_when_its_tags_are() {
    let step = Step::CreateGroup(Box::new(NewGroup {
        name: "mobile-web-1".into(),
        vpc: "vpc-1".into(),
        protocol: "HTTP".into(),
        port: 8080,
        health_check: HealthCheck {
            protocol: "HTTP".into(),
            path: "/".into(),
            interval_seconds: 10,
            timeout_seconds: 4,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            matcher: "200".into(),
        },
        drain_seconds: 30,
        tags: birth(),
    }));
    let group = |name: &str, tags| {
        let arn = GroupArn::new(format!("arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/{name}/0"));
        World { groups: vec![Group { arn, tags, details: None, targets: None }], ..world() }
    };
    for (why, world, shown) in [
        ("nothing is there", world(), false),
        ("another group", group("mobile-web-2", birth()), false),
        ("its tags are not there yet", group("mobile-web-1", Tags::new()), false),
        ("there it is", group("mobile-web-1", later()), true),
    ] {
        assert_eq!(step.shows_in(&world), shown, "{why}");
    }
    assert!(step.makes());
}

#[test]
fn a_rule_is_shown_when_its_tags_are() {
    let tags = |which| tags::rule_tags(&service(), which, &Tags::new());
    let step = Step::CreateRule(Box::new(NewRule {
        listener: ListenerArn::new("arn:listener"),
        which: WhichRule::Product,
        priority: 20,
        conditions: Conditions::default(),
        forward: Vec::new(),
        tags: tags(WhichRule::Product),
    }));
    let rule = |priority, tags| {
        let (arn, conditions) = (RuleArn::new("arn:rule"), Conditions::default());
        World { rules: vec![Rule { arn, priority, conditions, action: Action::Forward(Vec::new()), tags }], ..world() }
    };
    for (why, world, shown) in [
        ("nothing is there", world(), false),
        ("its tags are not there yet", rule(20, Tags::new()), false),
        ("the other rule", rule(20, tags(WhichRule::PreProduct)), false),
        ("at another priority", rule(10, tags(WhichRule::Product)), false),
        ("there it is", rule(20, tags(WhichRule::Product)), true),
    ] {
        assert_eq!(step.shows_in(&world), shown, "{why}");
    }
    assert!(step.makes());
}

#[test]
fn a_launch_is_shown_by_any_of_its_instances_and_another_count_is_the_same_launch() {
    let launched = |launch: &str| {
        let mut tags = birth();
        tags.insert(tags::LAUNCH.into(), launch.into());
        tags
    };
    let step = Step::Launch(Box::new(Launch {
        subnet: SubnetId::new("subnet-0a"),
        count: 2,
        token: "token".into(),
        image: ImageId::new("ami-1"),
        root_device: "/dev/xvda".into(),
        instance_type: "t3.small".into(),
        security_groups: Vec::new(),
        iam_instance_profile: None,
        key_name: None,
        user_data: None,
        tags: launched("subnet-0a/1/2"),
    }));
    let instance = |tags| {
        let (id, state) = (InstanceId::new("i-1"), InstanceState::Pending);
        let instance = Instance { id, state, subnet: None, private_ip: None, tags, readiness: Readiness::default() };
        World { instances: vec![instance], ..world() }
    };
    let mut of_another = launched("subnet-0a/1/2");
    of_another.insert(tags::RELEASE.into(), "r2".into());
    for (why, world, shown) in [
        ("nothing is there", world(), false),
        ("an attempt before", instance(launched("subnet-0a/0/2")), false),
        ("into another subnet", instance(launched("subnet-0c/1/2")), false),
        ("of another release", instance(of_another), false),
        ("there it is", instance(launched("subnet-0a/1/2")), true),
        ("planned for with another count before", instance(launched("subnet-0a/1/1")), true),
    ] {
        assert_eq!(step.shows_in(&world), shown, "{why}");
    }
    assert!(step.makes());
}

#[test]
fn what_makes_nothing_has_nothing_to_show() {
    let step = Step::DeleteGroup { group: GroupArn::new("arn:group") };
    assert!(!step.makes() && step.shows_in(&world()));
}
