//! A config against the account.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{AllocationId, ImageId, ListenerArn, SubnetId};
use domain::world::{Address, Image, LaunchFacts, Listener, Subnet};
use view::validate::{self, Finding};

use crate::plain;
use crate::world::{LISTENER, found, found_with, world};

fn sentences(findings: &[Finding]) -> String {
    plain(&validate::text("mobile-web", findings))
}

#[test]
fn what_serves_well_has_no_findings() {
    let (_, service) = found();
    let world = world(&service);
    let limits = BTreeMap::from([("rules-per-application-load-balancer".to_owned(), 100)]);
    assert_eq!(validate::rules(&service, &world), vec![]);
    assert_eq!(validate::room(&service, &world, 100, &limits), None, "both of its rules are among them");
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
    findings.extend(validate::rules(&service, &world));
    let limits = BTreeMap::from([("rules-per-application-load-balancer".to_owned(), 100)]);
    findings.extend(validate::room(&service, &world, 100, &limits));
    insta::assert_snapshot!(sentences(&findings), @"
    mobile-web: 8 faults
      fault    listener_arn: it is in eu-west-1, and this looks at us-east-1; use --region eu-west-1
      fault    subnets: subnet-0a does not exist in this account and region
      fault    subnets: subnet-0c is in eu-west-1c, where the load balancer is not (eu-west-1a): add the zone to it, or take the subnet out
      fault    user_data: there is no parameter /x
      fault    alarms: there is no alarm mobile-5xx in this account and region
      fault    product: the rule arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/11/22/product belongs to the stack web, whose next update would undo a switch: take it out of the template, with DeletionPolicy: Retain before
      fault    pre_product.priority: 10 is taken by arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/11/22/pre-product, which is not this service's pre-product rule. Choose another
      fault    the listener has 100 rules and the service needs 1 more; the account allows 100 for each load balancer (quota rules-per-application-load-balancer)
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
