//! Servers: spread evenly, launched with all they need, with addresses, and what happens where there are none to be had.

use std::collections::{BTreeMap, BTreeSet};

use gateway::Rule;
use local::{Options, Stack, xml};
use serde_json::{Value, json};

use crate::stage::{
    SERVICE, ask, calls_since, done, look, product, quick, refuses, says, ship_fails, stack, stack_with, teardown,
};

fn without_addresses(config: &mut Value, count: u32) {
    quick(config);
    config["instance_count"] = json!(count);
    config["elastic_ips"] = json!([]);
}

async fn stack_of(change: fn(&mut Value)) -> Stack {
    stack_with(Options { change, ..Options::scripted() }).await
}

/// How many instances of a release each subnet has.
async fn spread(stack: &Stack, release: &str) -> Vec<usize> {
    let standing = look(stack).await;
    let subnets = &stack.account().subnets;
    let count = |id: &str| standing.instances_of(release).iter().filter(|instance| instance.subnet == id).count();
    subnets.iter().map(|subnet| count(&subnet.id)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_instances_over_two_subnets_are_two_launches() {
    let stack = stack_of(|config| without_addresses(config, 10)).await;
    let mark = stack.gateway().record().mark();
    let answer = done(&stack, "provision", &ask(SERVICE, "r1")).await;
    let launches = calls_since(&stack, mark).iter().filter(|call| call.action == "RunInstances").count();
    assert_eq!(launches, 2);
    assert_eq!(spread(&stack, "r1").await, [5, 5]);
    let ids = answer["outputs"]["InstanceIds"].as_str().unwrap();
    assert_eq!(ids.split(',').count(), 10);

    let aws = stack.aws("LOOK");
    let described = aws.query("ec2", "DescribeInstances", &[]).await.unwrap();
    let tokens = xml::members(&described, "instancesSet", |node| xml::text(node, &["metadataOptions", "httpTokens"]));
    assert_eq!(tokens.unwrap(), vec!["required"; 10], "IMDSv2 alone");
    let volumes = aws.query("ec2", "DescribeVolumes", &[]).await.unwrap();
    let volumes = xml::members(&volumes, "volumeSet", |node| {
        let tags = xml::tags(node, &["tagSet"]);
        (xml::text(node, &["encrypted"]), tags.get("pointsman:service").cloned(), tags.get("team").cloned())
    })
    .unwrap();
    let wanted = ("true".to_owned(), Some(SERVICE.to_owned()), Some("mobile".to_owned()));
    assert_eq!(volumes, vec![wanted; 10], "encrypted, and tagged by the launch");
    let tagging = calls_since(&stack, mark).iter().filter(|call| call.action == "CreateTags").count();
    assert_eq!(tagging, 0, "all tags are in the launch");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_zone_takes_the_share_of_one_without_capacity() {
    let stack = stack_of(|config| without_addresses(config, 4)).await;
    let full = &stack.account().subnets[0].id;
    stack.gateway().faults().add(Rule::no_capacity(full));
    done(&stack, "provision", &ask(SERVICE, "r1")).await;
    assert_eq!(spread(&stack, "r1").await, [0, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_capacity_anywhere_fails_the_job_and_leaves_nothing() {
    let stack = stack_of(|config| without_addresses(config, 2)).await;
    for subnet in &stack.account().subnets {
        stack.gateway().faults().add(Rule::no_capacity(&subnet.id));
    }
    let zones = ["no capacity", stack.account().subnets[0].id.as_str(), stack.account().subnets[1].id.as_str()];
    says(&ship_fails(&stack, SERVICE).await, &zones);
    stack.idle().await.unwrap();
    assert!(look(&stack).await.instances.is_empty());
    let notice =
        stack.notices().wait(local::stack::PATIENCE, |notice| notice.attribute("status") == "failed").await.unwrap();
    says(&notice.text(), &["no capacity"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_launched_before_the_last_zone_was_full_goes_again() {
    let stack = stack_of(|config| without_addresses(config, 2)).await;
    // The first zone has room for one launch, and none for what the other one does not take.
    stack.gateway().faults().add(Rule::no_capacity(&stack.account().subnets[0].id).skip(1));
    stack.gateway().faults().add(Rule::no_capacity(&stack.account().subnets[1].id));
    let answer = refuses(&stack, "provision", &ask(SERVICE, "r1"), &["no capacity"]).await;
    assert_eq!(answer["status"], "failed");
    let standing = look(&stack).await;
    assert!(standing.is_gone("r1"), "{}", standing.left_of("r1"));
    refuses(&stack, "provision", &ask(SERVICE, "r1"), &["r1", "a new execution is needed"]).await;
}

/// The addresses of the pool by who holds them.
async fn held(stack: &Stack) -> BTreeMap<String, String> {
    let answer = stack.aws("LOOK").query("ec2", "DescribeAddresses", &[]).await.unwrap();
    let all = xml::members(&answer, "addressesSet", |node| {
        (xml::text(node, &["allocationId"]), xml::text(node, &["instanceId"]))
    });
    all.unwrap().into_iter().filter(|(_, holder)| !holder.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_gets_an_address_that_nobody_holds() {
    let stack = stack().await;
    let mut holders = BTreeSet::new();
    for (release, expected) in [("r1", 2), ("r2", 4), ("r3", 6)] {
        product(&stack, SERVICE, release).await;
        let now = held(&stack).await;
        assert_eq!(now.len(), expected);
        let of_release: BTreeSet<String> =
            look(&stack).await.instances_of(release).iter().map(|instance| instance.id.clone()).collect();
        holders.extend(of_release);
        assert_eq!(now.values().cloned().collect::<BTreeSet<_>>(), holders, "nobody lost one");
    }
    // Three releases stand: one is out of the rule and about to go, so its addresses are worth the wait.
    let answer = stack.call("provision", &ask(SERVICE, "r4")).await.unwrap();
    assert_eq!(answer["status"], "waiting", "{answer:#}");
    says(answer["reason"].as_str().unwrap(), &["elastic IPs", "2"]);
    stack.sweep().await.unwrap();
    done(&stack, "provision", &ask(SERVICE, "r4")).await;
    assert_eq!(held(&stack).await.len(), 6);
    done(&stack, "teardown", &teardown(SERVICE, "r4", "rollback")).await;
    assert_eq!(held(&stack).await.len(), 4, "what goes gives its addresses back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_too_small_is_refused_with_the_numbers() {
    let stack = stack_of(|config| {
        quick(config);
        config["elastic_ips"].as_array_mut().unwrap().truncate(3);
    })
    .await;
    product(&stack, SERVICE, "r1").await;
    refuses(&stack, "provision", &ask(SERVICE, "r2"), &["1 address", "2 more"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ami_by_its_parameter_is_launched() {
    let stack = stack_of(|config| {
        without_addresses(config, 1);
        config["ami"] = json!("resolve:ssm:/pointsman/amis/web");
        config["user_data"] = json!("ssm:/pointsman/user-data/web");
    })
    .await;
    stack.put_parameter("/pointsman/amis/web", &stack.account().ami).await.unwrap();
    stack.put_parameter("/pointsman/user-data/web", "#!/bin/sh\ntrue\n").await.unwrap();
    done(&stack, "provision", &ask(SERVICE, "r1")).await;
    assert_eq!(look(&stack).await.instances_of("r1")[0].tags["pointsman:ami"], stack.account().ami);
}
