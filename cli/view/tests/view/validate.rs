//! A config against the account.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{AllocationId, GroupArn, ImageId, ListenerArn, SubnetId};
use domain::world::{Address, Image, LaunchFacts, Listener, Subnet};
use view::validate::{self, Finding, Processors, Room};

use crate::plain;
use crate::world::{LISTENER, found, found_with, world};

fn sentences(findings: &[Finding]) -> String {
    plain(&validate::text("mobile-web", findings))
}

/// Limits as AWS has them, and nothing that was counted.
fn full() -> Room {
    let limits = [
        ("rules-per-application-load-balancer", 100),
        ("target-groups-per-application-load-balancer", 100),
        ("target-groups", 3000),
        ("targets-per-application-load-balancer", 1000),
    ];
    Room { limits: limits.map(|(name, limit)| (name.to_owned(), limit)).into(), ..Room::default() }
}

#[test]
fn what_serves_well_has_no_findings() {
    let (_, service) = found();
    let world = world(&service);
    assert_eq!(validate::rules(&service, &world, &BTreeMap::new()), vec![]);
    assert_eq!(
        validate::room(&service, &world, &Room { rules: Some(100), ..full() }),
        vec![],
        "both of its rules are among them"
    );
    assert_eq!(validate::place(&service, "eu-west-1"), None);
    assert_eq!(sentences(&[]), "mobile-web: good\n");
}

#[test]
fn each_fault_is_found() {
    let (_, service) = found_with(|config| config["alarms"] = serde_json::json!(["mobile-5xx"]));
    let mut world = world(&service);
    world.rules[0].tags.insert("aws:cloudformation:stack-name".to_owned(), "web".to_owned());
    world.rules[1].tags.clear();
    world.listener = Some(Listener {
        arn: ListenerArn::new(LISTENER),
        protocol: "HTTP".to_owned(),
        port: 80,
        dns_name: "web.elb".to_owned(),
        vpc: "vpc-1".to_owned(),
        zones: BTreeSet::from(["eu-west-1a".to_owned()]),
    });
    let subnet = |zone: &str| Subnet { vpc: "vpc-1".to_owned(), zone: zone.to_owned() };
    world.launch = Some(LaunchFacts {
        subnets: BTreeMap::from([(SubnetId::new("subnet-0c"), subnet("eu-west-1c"))]),
        image: Ok(Image { id: ImageId::new("ami-0123"), root_device: "/dev/xvda".to_owned() }),
        user_data: Err("there is no parameter /x".to_owned()),
    });
    let mut findings: Vec<Finding> = validate::place(&service, "us-east-1").into_iter().collect();
    findings.extend(validate::launch(&service, &world));
    findings.extend(validate::alarms(&service, &world));
    findings.extend(validate::rules(&service, &world, &BTreeMap::new()));
    insta::assert_snapshot!(sentences(&findings), @"
    mobile-web: 7 faults
      fault    listener_arn: it is in eu-west-1, and this looks at us-east-1; use --region eu-west-1
      fault    subnets: subnet-0a does not exist in this account and region
      fault    subnets: subnet-0c is in eu-west-1c, where the load balancer is not (eu-west-1a): add the zone to it, or take the subnet out
      fault    user_data: there is no parameter /x
      fault    alarms: there is no alarm mobile-5xx in this account and region
      fault    product: the rule arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/11/22/product belongs to the stack web, whose next update would undo a switch: take it out of the template, with DeletionPolicy: Retain before
      fault    pre_product.priority: 10 is taken by arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/11/22/pre-product, which is not this service's pre-product rule. Choose another
    ");
}

#[test]
fn elastic_ips_that_are_not_there_or_too_few_for_two_releases_are_found() {
    let (_, service) =
        found_with(|config| config["elastic_ips"] = serde_json::json!(["eipalloc-01", "eipalloc-02", "eipalloc-03"]));
    let mut world = world(&service);
    let there = |id: &str| Address { id: AllocationId::new(id), ip: "203.0.113.1".to_owned(), holder: None };
    world.addresses = vec![there("eipalloc-01"), there("eipalloc-03")];
    insta::assert_snapshot!(sentences(&validate::addresses(&service, &world)), @"
    mobile-web: 1 fault
      fault    elastic_ips: eipalloc-02 does not exist in this account and region
      warning  elastic_ips: 3 addresses for releases of 2; two releases stand side by side, up to three may
    ");
    let (_, without) = found();
    assert_eq!(validate::addresses(&without, &world), vec![]);
}

#[test]
fn a_stack_is_known_by_cloudformation_itself_where_no_tag_says_it() {
    let (_, service) = found();
    let mut world = world(&service);
    let rule = world.rules[0].arn.clone();
    assert!(validate::untold(&service, &world).contains(&rule));
    let stacks = BTreeMap::from([(rule.clone(), "web".to_owned())]);
    let findings = validate::rules(&service, &world, &stacks);
    assert!(findings.len() == 1 && findings[0].fault && findings[0].what.contains("the stack web"), "{findings:?}");
    world.rules[0].tags.insert("aws:cloudformation:stack-name".to_owned(), "web".to_owned());
    assert!(!validate::untold(&service, &world).contains(&rule), "nobody has to be asked");
}

#[test]
fn each_quota_is_looked_at() {
    let (_, service) = found();
    let mut world = world(&service);
    world.rules.pop();
    let groups =
        |count: usize| Some((0..count).map(|n| GroupArn::new(format!("arn:group/other/{n}"))).collect::<Vec<_>>());
    let processors =
        |running| Some(Processors { quota: "Running On-Demand Standard".to_owned(), limit: 32, running, each: 2 });
    let servers = u64::from(service.instance_count);
    let few = |name: &str, limit| {
        let mut room = full();
        room.limits.insert(name.to_owned(), limit);
        room
    };
    for (why, room, words) in [
        (
            "one rule is missing",
            Room { rules: Some(100), ..full() },
            Some("rules of the load balancer: there are 100, the service needs 1 more"),
        ),
        ("one is free", Room { rules: Some(99), ..full() }, None),
        (
            "two groups are free",
            Room { groups: groups(98), ..full() },
            Some("target groups of the load balancer: there are 98, the service needs 3 more"),
        ),
        ("three are", Room { groups: groups(97), ..full() }, None),
        (
            "of the region",
            Room { groups_of_all: groups(2998), ..full() },
            Some("target groups of the region: there are 2998"),
        ),
        (
            "three releases are too many targets",
            few("targets-per-application-load-balancer", 3 * servers - 1),
            Some("targets of the load balancer"),
        ),
        ("and fit just so", few("targets-per-application-load-balancer", 3 * servers), None),
        ("processors", Room { processors: processors(33 - 2 * servers), ..full() }, Some("instance_type: ")),
        ("just enough of them", Room { processors: processors(32 - 2 * servers), ..full() }, None),
    ] {
        let findings = validate::room(&service, &world, &room);
        assert_eq!(findings.len(), usize::from(words.is_some()), "{why}: {findings:?}");
        assert!(
            words.is_none_or(|words| findings[0].what.starts_with(words) && findings[0].fault),
            "{why}: {findings:?}"
        );
    }
}
