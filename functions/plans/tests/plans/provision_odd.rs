//! `provision` where EC2 or the account is not as one would like.

use std::collections::BTreeSet;

use domain::id::{ImageId, InstanceId, SubnetId};
use domain::plan::Step;
use domain::tags;
use domain::world::{Image, Scope, Subnet};
use serde_json::json;

use crate::account::Account;
use crate::build::world;
use crate::course::{job, provision, sweep};

fn paid(account: Account, release: &str) -> (usize, u32) {
    (account.paid(release), account.launched)
}

#[test]
fn a_count_that_no_config_may_ask_for_is_not_believed() {
    for count in ["0", "501", "4294967295", "many"] {
        let account = world().provisioned("r1").tagged("r1", tags::COUNT, count).dies("r1", 1);
        let account = account.call(&provision("r1")).done();
        assert_eq!(paid(account.clone(), "r1"), (2, 1), "{count}");
        let replaced = account.servers_of("r1").find(|(_, server)| server.tags[tags::COUNT] != count);
        assert!(replaced.is_some(), "what is launched says how many were asked for");
    }
}

#[test]
fn a_launch_cannot_be_seen_for_a_while_nothing_is_launched_twice() {
    let mut account = world().configured(json!({"instance_count": 5}));
    account.launch_lag_seconds = 40;
    assert_eq!(paid(account.call(&provision("r1")).done(), "r1"), (5, 5));
}

#[test]
fn a_launch_is_seen_in_part_nothing_is_launched_twice() {
    for hidden in 101..=105 {
        let mut account = world().configured(json!({"instance_count": 5}));
        account.lagging.insert(InstanceId::new(format!("i-r1-{hidden}")));
        assert_eq!(paid(account.call(&provision("r1")).done(), "r1"), (5, 5), "i-r1-{hidden} hidden");
    }
}

#[test]
fn a_launch_that_took_another_zones_share_cannot_be_seen_yet_nothing_is_launched_twice() {
    for hidden in 101..=104 {
        let mut account = world().configured(json!({"instance_count": 4}));
        account.full.insert(SubnetId::new("subnet-0a"));
        account.launch_lag_seconds = 10;
        account.lagging.insert(InstanceId::new(format!("i-r1-{hidden}")));
        let course = account.call(&provision("r1"));
        assert_eq!(paid(course.done(), "r1"), (4, 4));
    }
}

#[test]
fn a_server_dies_of_those_that_replaced_others_each_launch_has_a_token_of_its_own() {
    let mut account = world().provisioned("r1").dies("r1", 2);
    for _ in 0..3 {
        let request = job(provision("r1"), &account);
        account = account.call(&request).done().dies("r1", 99);
    }
    assert_eq!(account.launched, 6);
}

#[test]
fn ec2_has_forgotten_the_first_servers_the_replacements_still_have_tokens_of_their_own() {
    let account = world().call(&provision("r1")).done().dies("r1", 1);
    let request = job(provision("r1"), &account);
    let account = account.call(&request).done().forgets();
    let request = job(provision("r1"), &account);
    let account = account.dies("r1", 1);
    let account = account.call(&request).done();
    assert_eq!(account.paid("r1"), 2);
}

#[test]
fn the_account_does_not_fit_the_config_every_fault_at_once_and_nothing_is_changed() {
    let mut account = world().product("r0").pre_product("r1");
    account.facts.subnets.insert(SubnetId::new("subnet-0a"), Subnet { vpc: "vpc-2".into(), zone: "us-east-1a".into() });
    account.facts.subnets.insert(SubnetId::new("subnet-0c"), Subnet { vpc: "vpc-1".into(), zone: "us-east-1f".into() });
    account.facts.image = Err("the AMI ami-0123 does not exist here".to_owned());
    account.facts.user_data = Err("there is no parameter /ud".to_owned());
    let course = account.call(&provision("r2"));
    insta::assert_snapshot!(course.refused(), @"the account does not fit the config of mobile-web: subnets: subnet-0a is in vpc-2, the load balancer is in vpc-1; subnets: subnet-0c is in us-east-1f, the load balancer serves us-east-1a, us-east-1c: its targets would never be used; ami: ami-0123: the AMI ami-0123 does not exist here; user_data: there is no parameter /ud");
    assert_eq!(course.account.role("r1"), "pre-product", "r1 is not superseded by what cannot be had");
    let mut account = world();
    account.facts.subnets.remove(&SubnetId::new("subnet-0a"));
    account.listener = None;
    insta::assert_snapshot!(account.call(&provision("r2")).refused(), @"the account does not fit the config of mobile-web: listener_arn: arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/main/1/2 does not exist");
}

#[test]
fn later_config_is_for_later_releases_a_replacement_is_as_many_as_were_asked_for() {
    let account = world().provisioned("r1").dies("r1", 1).configured(json!({"instance_count": 6}));
    let request = job(provision("r1"), &account);
    assert_eq!(paid(account.call(&request).done(), "r1"), (2, 1));
}

#[test]
fn later_config_is_for_later_releases_a_replacement_has_the_ami_of_the_others() {
    let account = world().call(&provision("r1")).done().dies("r1", 1);
    let mut account = account.configured(json!({"ami": "ami-0999", "port": 9090}));
    account.facts.image = Ok(Image { id: ImageId::new("ami-0999"), root_device: "/dev/sda1".to_owned() });
    let request = job(provision("r1"), &account);
    let course = account.call(&request);
    let Some(Step::Launch(launch)) = course.steps.iter().find(|step| matches!(step, Step::Launch(_))) else {
        panic!("{}", course.story())
    };
    assert_eq!((launch.tags["pointsman:port"].as_str(), launch.tags["pointsman:count"].as_str()), ("8080", "2"));
    course.done();
}

#[test]
fn it_runs_out_of_time_while_qa_may_reach_it_its_targets_are_drained_before_they_go() {
    let mut account = world().product("r0").pre_product("r1").dies("r1", 1).tidy();
    account.full = account.service.subnets.iter().cloned().collect();
    let request = job(provision("r1"), &account);
    let course = account.call(&request);
    course.failed();
    let account = course.account.call(&sweep()).done();
    assert_eq!((account.role("r1"), account.forwards("pre-product")), ("gone".into(), "no rule".into()));
}

#[test]
fn it_runs_out_of_time_while_a_group_that_lost_its_tags_serves_of_it_nothing_of_it_is_terminated() {
    let mut account = world().provisioned("r1").dies("r1", 1).adopted(&["i-r1-2"]);
    account.full = account.service.subnets.iter().cloned().collect();
    let request = job(provision("r1"), &account);
    let course = account.call(&request);
    course.failed();
    assert_eq!(course.count(|step| matches!(step, Step::Terminate { .. })), 0);
    let course = course.account.call(&sweep());
    assert_eq!(course.account.paid("r1"), 1, "nor does the sweep: {}", course.story());
}

#[test]
fn provision_asks_for_no_targets_and_a_group_without_our_tags_may_have_its_servers() {
    let account = world().provisioned("r1").dies("r1", 1).adopted(&["i-r1-2"]);
    let request = job(provision("r1"), &account);
    let scope = Scope { launch: true, listener: true, ..plans::scope(&request.verb, &account.service) };
    let mut world = account.look(&request, scope, &BTreeSet::new());
    for subnet in &account.service.subnets {
        world.no_capacity.insert(subnet.clone(), format!("{subnet}: no capacity"));
    }
    for group in &mut world.groups {
        group.targets = None;
    }
    let plan = plans::plan(&request, &account.service, &world, account.now);
    let steps: Vec<&Step> = plan.stages.iter().flat_map(|stage| &stage.steps).collect();
    assert!(steps.iter().any(|step| matches!(step, Step::Tell(_))), "{steps:#?}");
    assert!(!steps.iter().any(|step| matches!(step, Step::Terminate { .. })), "{steps:#?}");
}

#[test]
fn the_elastic_ips_of_running_servers_do_not_wait_for_the_others() {
    let account = world().configured(json!({"elastic_ips": ["eipalloc-1", "eipalloc-2"], "ready_when": "running"}));
    let course = account.call(&provision("r1"));
    assert_eq!(course.count(|step| matches!(step, Step::AssociateAddress { .. })), 2);
    course.done();
}

#[test]
fn a_superseded_release_was_rejected_and_the_call_cut_off_before_its_people_were_told() {
    let mut account = world().product("r0").pre_product("r1");
    account.cut_after = Some(1);
    let mut account = account.call(&provision("r2")).account;
    account.cut_after = None;
    assert!(account.notices.is_empty() && account.is_rejected("r1"));
    let account = account.call(&sweep()).done();
    assert_eq!((account.role("r1"), account.notices.len()), ("gone".into(), 1));
}

#[test]
fn a_tag_that_somebody_edited_is_copied_as_elb_takes_it() {
    let account = world().provisioned("r1").tagged("r1", tags::PORT, "8080, or [so]").dies("r1", 1);
    let course = account.call(&provision("r1"));
    let launched =
        course.steps.iter().find_map(|step| if let Step::Launch(launch) = step { Some(launch) } else { None });
    assert_eq!(launched.unwrap().tags[tags::PORT], "8080 or so");
}
