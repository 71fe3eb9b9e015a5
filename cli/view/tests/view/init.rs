//! A config from what serves now.

use std::collections::{BTreeMap, BTreeSet};

use domain::adopt::{Server, Serving};
use domain::config::{HealthCheck, Service};
use domain::id::{GroupArn, ListenerArn, RuleArn, ServiceName};
use domain::tags::Tags;
use domain::world::{Action, Conditions, Rule, Weighted};
use view::init::{Owner, config};

use crate::world::LISTENER;

fn serving() -> Serving {
    let server = |subnet: &str| Server {
        id: format!("i-{subnet}"),
        ami: "ami-0123".to_owned(),
        instance_type: "t3.small".to_owned(),
        subnet: subnet.to_owned(),
        security_groups: vec!["sg-01".to_owned()],
        profile: Some("arn:aws:iam::123456789012:instance-profile/mobile-web".to_owned()),
        key_name: None,
    };
    let conditions = Conditions { hosts: BTreeSet::from(["m.example.com".to_owned()]), ..Conditions::default() };
    let group = GroupArn::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/old-group/1");
    Serving {
        listener: ListenerArn::new(LISTENER),
        rule: Rule {
            arn: RuleArn::new("arn:rule/20"),
            priority: 20,
            conditions,
            action: Action::Forward(vec![Weighted { group: group.clone(), weight: 100 }]),
            tags: Tags::new(),
        },
        group,
        port: 8080,
        health_check: HealthCheck {
            protocol: "HTTP".to_owned(),
            path: "/health".to_owned(),
            interval_seconds: 10,
            timeout_seconds: 4,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            matcher: "200".to_owned(),
        },
        check_protocol: "HTTP".to_owned(),
        check_port: None,
        protocol_version: "HTTP1".to_owned(),
        drain_seconds: Some(300),
        attributes: BTreeMap::new(),
        has_user_data: Ok(false),
        servers: vec![server("subnet-0a"), server("subnet-0c")],
    }
}

fn name() -> ServiceName {
    ServiceName::new("mobile-web").unwrap()
}

fn taken() -> BTreeSet<u32> {
    BTreeSet::from([18, 19, 20])
}

#[test]
fn what_is_written_is_a_config_without_faults() {
    let (written, open) = config(&name(), &serving(), &Owner::NoStack, &taken(), None);
    let parsed = Service::parse(&name(), &written);
    assert_eq!(parsed.problems, vec![], "{written:#}");
    let service = parsed.service.unwrap();
    assert_eq!((service.pre_product.priority, service.instance_count), (17, 2), "the first free one before product's");
    assert_eq!(service.iam_instance_profile.as_deref(), Some("mobile-web"));
    assert_eq!(service.drain_seconds, 300, "as long as requests have now");
    assert!(open.iter().any(|line| line.contains("old-group") && line.contains("adopted")), "{open:?}");
}

#[test]
fn what_cannot_be_known_is_said() {
    let none = Serving { servers: Vec::new(), ..serving() };
    let (_, open) = config(&name(), &none, &Owner::NoStack, &taken(), Some("qa.example.com"));
    assert!(open.iter().any(|line| line.contains("no instances")), "{open:?}");
    assert!(!open.iter().any(|line| line.contains("guess")), "{open:?}");
}

#[test]
fn what_a_config_does_not_take_over_is_said() {
    let other = Serving {
        check_protocol: "HTTPS".to_owned(),
        check_port: Some(9000),
        protocol_version: "GRPC".to_owned(),
        attributes: BTreeMap::from([("stickiness.enabled".to_owned(), "true".to_owned())]),
        has_user_data: Ok(true),
        ..serving()
    };
    let said = |serving: &Serving, owner: &Owner| config(&name(), serving, owner, &taken(), None).1.join("\n");
    let open = said(&other, &Owner::Stack("web".to_owned()));
    for words in
        ["their check HTTPS", "port 9000", "GRPC", "stickiness.enabled=true", "user data", "belongs to the stack web"]
    {
        assert!(open.contains(words), "{words}: {open}");
    }
    let same = said(&serving(), &Owner::NoStack);
    for words in ["check", "HTTP1", "stickiness", "user data"] {
        assert!(!same.contains(words), "{words}: {same}");
    }
    assert!(same.contains("Terraform"), "{same}");
    let unseen = Serving { has_user_data: Err("denied".to_owned()), ..serving() };
    let unseen = said(&unseen, &Owner::Unseen("you may not".to_owned()));
    assert!(unseen.contains("could not be seen (denied)") && unseen.contains("(you may not)"), "{unseen}");
}
