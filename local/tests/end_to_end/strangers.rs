//! Servers, target groups, tags, names and addresses that somebody else changed, moved or made: every call says what it
//! found, mends what is its own, leaves alone what is not, and never harms what serves.

use std::collections::BTreeSet;

use gateway::Method;
use local::revision::Changes;
use local::stack::Approval;
use local::standing::{Instance, Tagged};
use local::{Stack, xml};
use pipeline::ExecutionStatus;
use serde_json::json;

use crate::stage::{
    Person, SERVICE, Service, ask, calls_since, done, log_lines, look, product, says, served, stack, unchanged_since,
};

async fn terminate(stack: &Stack, instance: &Instance) {
    Person(stack).ec2("TerminateInstances", &[("InstanceId.1", &instance.id)]).await;
}

async fn stop(stack: &Stack, instance: &Instance) {
    Person(stack).ec2("StopInstances", &[("InstanceId.1", &instance.id)]).await;
}

fn target<'a>(group: &'a str, instance: &'a str) -> [(&'a str, &'a str); 2] {
    [("TargetGroupArn", group), ("Targets.member.1.Id", instance)]
}

/// Whether an instance stands and runs, whatever its tags are.
async fn runs(stack: &Stack, id: &str) -> bool {
    let answer = stack.aws("LOOK").query("ec2", "DescribeInstances", &[("InstanceId.1", id)]).await.unwrap();
    let states = xml::members(&answer, "instancesSet", |node| xml::text(node, &["instanceState", "name"]));
    states.unwrap() == ["running"]
}

fn running(instances: &[Instance]) -> usize {
    instances.iter().filter(|instance| instance.state == "running").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_died_are_named_replaced_before_they_serve_and_counted_before_a_way_back() {
    let stack = stack().await;
    let died = Service::serving(&stack, "died", 1, "r1").await;
    died.done("provision", "r2").await;
    terminate(&stack, &died.instances("r2").await[0]).await;
    died.refuses("register", "r2", &["r2 has 1 running servers, 2 were asked for", "provision r2 again"]).await;
    died.done("provision", "r2").await;
    died.done("register", "r2").await;
    let stopped = died.instances("r2").await.remove(0);
    stop(&stack, &stopped).await;
    died.refuses("promote", "r2", &["what QA saw of release r2 is gone", &stopped.id, "no longer runs"]).await;
    died.refuses("register", "r2", &["r2 has 1 running servers, 2 were asked for"]).await;
    died.done("provision", "r2").await;
    died.done("register", "r2").await;
    assert_eq!((running(&died.instances("r2").await), died.group("r2").await.targets.len()), (2, 2));
    assert_eq!(died.served().await, ["r1"]);
    died.done("promote", "r2").await;

    // Servers of product and of its way back die: nothing is changed by itself, and people are told once.
    let (product, retired) = (died.instances("r2").await, died.instances("r1").await);
    terminate(&stack, &retired[0]).await;
    let mark = stack.gateway().record().mark();
    stack.sweep().await.unwrap();
    died.is_told(&["r1, the way back, has 1 of 2 servers healthy"]).await;
    died.refuses("rollback", "r2", &["1 of the 2 servers of r1 are healthy, this one has 2", "serves on"]).await;
    let gone = product.iter().find(|instance| instance.state == "running").unwrap();
    terminate(&stack, gone).await;
    stack.sweep().await.unwrap();
    died.is_told(&["product has 1 of 2 servers healthy (r2)"]).await;
    died.done("provision", "r2").await;
    died.done("register", "r2").await;
    died.done("promote", "r2").await;
    let changed: Vec<_> = calls_since(&stack, mark)
        .into_iter()
        .filter(|call| local::costs::changes(call) && !["AddTags", "ChangeResourceRecordSets"].contains(&&*call.action))
        .collect();
    assert!(changed.is_empty(), "{changed:#?}");
    // As good as what serves is good enough to go back to.
    died.done("rollback", "r2").await;
    died.is_told(&["r2 was rejected", "Only 1 of the 2 servers of r1 are healthy"]).await;
    assert_eq!(died.weights("product").await, [("r1".to_owned(), 100)]);
    assert!(look(&stack).await.is_gone("r2"), "the stopped ones too: {}", look(&stack).await.left_of("r2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_registers_again_while_a_pipeline_waits_is_not_what_is_approved_there() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let id = stack.ship(SERVICE, "2", &Changes::default()).await.unwrap();
    stack.approval(SERVICE, &id, "ShipIt").await.unwrap();
    terminate(&stack, look(&stack).await.instances_of(&id)[0]).await;
    for function in ["provision", "register"] {
        done(&stack, function, &ask(SERVICE, &id)).await;
    }
    // QA looked before that.
    stack.answer(SERVICE, &id, "ShipIt", Approval::Approved, "it is good").await.unwrap();
    assert_eq!(stack.over(SERVICE, &id).await.unwrap(), ExecutionStatus::Failed);
    let words = ["what QA saw of release", &id, "its fingerprint was"];
    says(&stack.failures(SERVICE, &id).unwrap().join(" "), &words);
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_and_groups_that_somebody_changed_are_put_right_before_they_serve() {
    let stack = stack().await;
    let person = Person(&stack);
    let groups = Service::serving(&stack, "groups", 1, "r1").await;
    groups.pre_product("r2").await;
    let guest = person.launch().await;
    let group = groups.group("r2").await;
    person.elb("RegisterTargets", &target(&group.arn, &guest)).await;
    groups.done("register", "r2").await;
    let targets = |targets: &[(String, String)]| targets.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
    let own: BTreeSet<String> = groups.instances("r2").await.into_iter().map(|instance| instance.id).collect();
    assert_eq!(targets(&groups.group("r2").await.targets), own, "the guest is no target any more");

    for id in &own {
        person.elb("DeregisterTargets", &target(&group.arn, id)).await;
    }
    for id in &own {
        let words = [id.as_str(), "is no target of its group", &group.name];
        groups.waits("promote", "r2", &[&["0 of 2 are healthy"], words.as_slice()].concat()).await;
    }
    groups.done("register", "r2").await;
    assert_eq!(targets(&groups.group("r2").await.targets), own);

    person.elb("DeleteRule", &[("RuleArn", &groups.rule("pre-product").await.arn)]).await;
    person.elb("DeleteTargetGroup", &[("TargetGroupArn", &group.arn)]).await;
    groups.refuses("promote", "r2", &["QA did not see release r2", "Register r2"]).await;
    groups.done("register", "r2").await;
    groups.done("promote", "r2").await;

    // The way back was emptied: going back would be worse, so r2 serves on.
    let back = groups.group("r1").await;
    for (id, _) in &back.targets {
        person.elb("DeregisterTargets", &target(&back.arn, id)).await;
    }
    groups.refuses("rollback", "r2", &["0 of the 2 servers of r1 are healthy", "serves on"]).await;
    stack.sweep().await.unwrap();
    groups.is_told(&["r1, the way back, has 0 of 2 servers healthy"]).await;

    // What is about to go may have a guest: it is let go, and nothing more.
    person.elb("RegisterTargets", &target(&back.arn, &guest)).await;
    groups.done("finish", "r2").await;
    assert!(look(&stack).await.is_gone("r1"), "{}", look(&stack).await.left_of("r1"));
    assert!(runs(&stack, &guest).await);

    // Product's targets were taken out: told, with nothing changed; put back by hand, all is well.
    let product = groups.group("r2").await;
    for (id, _) in &product.targets {
        person.elb("DeregisterTargets", &target(&product.arn, id)).await;
    }
    let mark = stack.gateway().record().mark();
    stack.sweep().await.unwrap();
    let words = ["product has 0 of 2 servers healthy (r2)", "is no target of its group", &product.name];
    groups.is_told(&words).await;
    assert!(calls_since(&stack, mark).iter().all(|call| call.action != "TerminateInstances"));
    assert_eq!(groups.served().await, ["r2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_not_ours_keeps_the_group_it_forwards_to() {
    let stack = stack().await;
    let person = Person(&stack);
    let (here, there) =
        (Service::serving(&stack, "here", 1, "h1").await, Service::serving(&stack, "there", 2, "t1").await);
    let listener = person.make_listener(81).await;
    let mut rules = Vec::new();
    for (service, listener, old) in [(&here, &stack.account().listener_arn, "h1"), (&there, &listener, "t1")] {
        let new = old.replace('1', "2");
        service.product(&new).await;
        let group = service.group(old).await;
        let rule = person.make_rule(listener, 977, "reports.example.com", &[(&group.arn, 1)]).await;
        if service.name == "there" {
            service.waits("finish", &new, &["the load balancer to let go of", &group.name]).await;
            person.tag(&group.arn, "out", "2020-01-01T00:00:00Z").await;
        }
        let answer = service.done("finish", &new).await;
        says(&answer["details"].to_string(), &[&group.name, "still behind a load balancer"]);
        assert_eq!(service.weights("product").await, [(new, 100)]);
        rules.push((service, rule, group, old));
    }
    for _ in 0..2 {
        stack.sweep().await.unwrap();
    }
    for (service, rule, group, old) in &rules {
        service.is_told(&[&group.name, "still behind a load balancer", "Take the group out of that rule"]).await;
        let told = service.told();
        assert_eq!(
            told.iter().filter(|notice| notice.attribute("event") == "group-left").count(),
            1,
            "told once a day"
        );
        assert_eq!((service.instances(old).await.len(), service.group(old).await.targets.len()), (2, 2));
        person.elb("DeleteRule", &[("RuleArn", rule)]).await;
    }
    for (_, _, _, old) in &rules {
        stack.sweep_until(old, || async { Ok(look(&stack).await.is_gone(old)) }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_somebody_changed_are_mended_and_never_have_anything_taken_that_serves() {
    let stack = stack().await;
    let person = Person(&stack);
    let tags = Service::serving(&stack, "tags", 1, "r1").await;
    tags.product("r2").await;
    let (product, servers) = (tags.group("r2").await, tags.instances("r2").await);

    // Roles follow traffic.
    person.tag(&product.arn, "role", "retired").await;
    person.tag_instance(&servers[0].id, "role", "banana").await;
    tags.done("promote", "r2").await;
    assert_eq!(tags.group("r2").await.tag("role"), "product");
    assert!(tags.instances("r2").await.iter().all(|instance| instance.tag("role") == "product"));

    // A server of product that says it is of the release that goes: that one waits until it is put right.
    person.tag_instance(&servers[0].id, "release", "r1").await;
    let answer = tags.done("finish", "r2").await;
    says(&answer.to_string(), &[&product.name]);
    stack.sweep().await.unwrap();
    assert_eq!(running(&tags.instances("r1").await), 3);
    assert!(runs(&stack, &servers[0].id).await);
    person.tag_instance(&servers[0].id, "release", "r2").await;
    tags.done("finish", "r2").await;
    assert!(look(&stack).await.is_gone("r1"), "{}", look(&stack).await.left_of("r1"));

    // A server without our tags is nobody's to terminate, and serves on.
    let untag = [("ResourceId.1", servers[1].id.as_str()), ("Tag.1.Key", "pointsman:service")];
    person.ec2("DeleteTags", &untag).await;
    tags.product("r3").await;
    tags.done("finish", "r3").await;
    assert!(!runs(&stack, &servers[0].id).await && runs(&stack, &servers[1].id).await);

    // Customers' group without our tags is an adopted one: the way back, and never deleted.
    let product = tags.group("r3").await;
    person.untag(&product.arn, &["service", "release", "role"]).await;
    tags.refuses("promote", "r3", &["r3"]).await;
    tags.product("r4").await;
    let rule = tags.rule("product").await;
    assert!(rule.forward.contains(&(product.arn.clone(), 0)), "{rule:?}");
    stack.sweep().await.unwrap();
    tags.is_told(&["r3 is tagged product, and no product rule names it"]).await;
    tags.done("rollback", "r4").await;
    assert_eq!(tags.rule("product").await.forward.iter().map(|(group, _)| group).collect::<Vec<_>>(), [&product.arn]);
    // Even then: what is behind a rule is not taken away.
    let answer = tags.done("rollback", "r3").await;
    says(&answer.to_string(), &[&product.name]);
    assert_eq!(running(&tags.instances("r3").await), 2);

    // Somebody's server that says it is of a service that nobody has: told, and left alone.
    let guest = person.launch().await;
    for (key, value) in [("service", "nobodys"), ("release", "r1"), ("role", "rejected")] {
        person.tag_instance(&guest, key, value).await;
    }
    stack.sweep().await.unwrap();
    assert!(runs(&stack, &guest).await);
    let told = stack.notices().all();
    let told = told.iter().find(|notice| notice.attribute("service") == "nobodys").expect("people are told");
    says(&told.text(), &["no longer configured", &guest, "remove"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_listener_was_changed_or_deleted_says_so_and_serves_on() {
    let stack = stack().await;
    let person = Person(&stack);
    let (here, there) = (&stack.account().listener_arn, person.make_listener(82).await);
    let moves = Service::serving(&stack, "moves", 1, "r1").await;
    let mut config = stack.config_of("moves");
    config["listener_arn"] = json!(there);
    stack.put_service("moves", &config).await.unwrap();
    // Processes believe a config for a minute.
    stack.functions().cool_down();
    moves.pre_product("r2").await;
    let mark = stack.gateway().record().mark();
    let words = [here.as_str(), &there, "remove the service there first", "put the listener back"];
    moves.refuses("promote", "r2", &words).await;
    unchanged_since(&stack, mark);
    assert_eq!(moves.weights("product").await, [("r1".to_owned(), 100)]);

    // The listener is gone, and with it all rules: nobody makes or takes anything until the config names another one.
    person.elb("DeleteListener", &[("ListenerArn", &there)]).await;
    let mark = stack.gateway().record().mark();
    let words = ["listener_arn", "does not exist", &there];
    for (call, release) in [
        ("provision", "r3"),
        ("register", "r2"),
        ("promote", "r2"),
        ("finish", "r1"),
        ("rollback", "r2"),
        ("remove", "r1"),
    ] {
        moves.refuses(call, release, &words).await;
    }
    stack.sweep().await.unwrap();
    unchanged_since(&stack, mark);
    let why = log_lines(&stack, "the service could not be swept");
    says(why[0]["why"].as_str().unwrap(), &words);

    // Put back: QA's rule is made where it belongs, and the release that waited goes on.
    config["listener_arn"] = json!(here);
    stack.put_service("moves", &config).await.unwrap();
    stack.functions().cool_down();
    moves.done("register", "r2").await;
    moves.done("promote", "r2").await;
    assert_eq!(moves.weights("product").await, [("r2".to_owned(), 100), ("r1".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_addresses_that_were_moved_come_back_where_nobody_else_holds_them() {
    let stack = stack().await;
    let person = Person(&stack);
    let service = Service::with(&stack, "names", 1, |config| {
        config["elastic_ips"] = json!(stack.account().elastic_ips);
    })
    .await;
    service.product("r1").await;
    service.done("provision", "r2").await;

    let zone = &stack.account().zone_id;
    let batch = String::from(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes><Change>\
         <Action>UPSERT</Action><ResourceRecordSet><Name>names.corp.internal</Name><Type>A</Type><TTL>300</TTL>\
         <ResourceRecords><ResourceRecord><Value>10.9.9.9</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>\
         </Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>",
    );
    let path = format!("/2013-04-01/hostedzone/{zone}/rrset/");
    stack.aws("PERSON").rest("route53", Method::POST, &path, &[], batch).await.unwrap();
    assert!(look(&stack).await.names["names.corp.internal"].contains("10.9.9.9"));
    service.done("promote", "r1").await;
    let own: BTreeSet<String> = service.instances("r1").await.into_iter().map(|instance| instance.ip).collect();
    assert_eq!(look(&stack).await.names["names.corp.internal"], own);

    // An address of QA's release was given to somebody: another is taken, and that one is theirs.
    let guest = person.launch().await;
    let own = service.instances("r2").await;
    let moved = held(&stack).await.into_iter().find(|(_, holder)| *holder == own[0].id).unwrap().0;
    let parameters = [("AllocationId", moved.as_str()), ("InstanceId", &guest), ("AllowReassociation", "true")];
    person.ec2("AssociateAddress", &parameters).await;
    service.done("provision", "r2").await;
    let now = held(&stack).await;
    assert!(now.contains(&(moved, guest)), "{now:?}");
    assert!(own.iter().all(|instance| now.iter().any(|(_, holder)| *holder == instance.id)), "{now:?}");
}

/// The addresses of the pool that somebody holds, and who.
async fn held(stack: &Stack) -> Vec<(String, String)> {
    let answer = stack.aws("LOOK").query("ec2", "DescribeAddresses", &[]).await.unwrap();
    let all = xml::members(&answer, "addressesSet", |node| {
        (xml::text(node, &["allocationId"]), xml::text(node, &["instanceId"]))
    });
    all.unwrap().into_iter().filter(|(_, holder)| !holder.is_empty()).collect()
}
