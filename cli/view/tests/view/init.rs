//! A config from what serves now.

use std::collections::BTreeSet;

use domain::config::Service;
use domain::id::{ListenerArn, ServiceName};
use domain::world::Conditions;
use view::init::{Server, Serving, config};

use crate::world::LISTENER;

fn serving() -> Serving {
    let server = |subnet: &str| Server {
        ami: "ami-0123".to_owned(),
        instance_type: "t3.small".to_owned(),
        subnet: subnet.to_owned(),
        security_groups: vec!["sg-01".to_owned()],
        profile: Some("arn:aws:iam::123456789012:instance-profile/mobile-web".to_owned()),
        key_name: None,
    };
    Serving {
        listener: ListenerArn::new(LISTENER),
        rule: "arn:rule/20".to_owned(),
        priority: 20,
        conditions: Conditions { hosts: BTreeSet::from(["m.example.com".to_owned()]), ..Conditions::default() },
        taken: BTreeSet::from([18, 19, 20]),
        group: "old-group".to_owned(),
        protocol: "HTTP".to_owned(),
        port: 8080,
        health_check: ("/health".to_owned(), 10, 4, 2, 2, "200".to_owned()),
        servers: vec![server("subnet-0a"), server("subnet-0c")],
    }
}

#[test]
fn what_is_written_is_a_config_without_faults() {
    let (written, open) = config(&serving(), None);
    let parsed = Service::parse(&ServiceName::new("mobile-web").unwrap(), &written);
    assert_eq!(parsed.problems, vec![], "{written:#}");
    let service = parsed.service.unwrap();
    assert_eq!((service.pre_product.priority, service.instance_count), (17, 2), "the first free one before product's");
    assert_eq!(service.iam_instance_profile.as_deref(), Some("mobile-web"));
    assert!(open.iter().any(|line| line.contains("old-group") && line.contains("adopted")), "{open:?}");
}

#[test]
fn what_cannot_be_known_is_said() {
    let (_, open) = config(&Serving { servers: Vec::new(), ..serving() }, Some("qa.example.com"));
    assert!(open.iter().any(|line| line.contains("no instances")), "{open:?}");
    assert!(!open.iter().any(|line| line.contains("guess")), "{open:?}");
}
