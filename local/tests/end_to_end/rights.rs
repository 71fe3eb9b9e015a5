//! What each function may do and hardly ever does: so that `make permissions` sees every right used.

use std::sync::Arc;

use gateway::{Method, Response, Rule, What};
use local::Stack;
use local::standing::Tagged;
use serde_json::json;

use crate::stage::*;

const ELSEWHERE: &str = "10.9.9.9";

/// A person points a name elsewhere.
async fn point_name(stack: &Stack, name: &str) {
    let batch = format!(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes><Change>\
         <Action>UPSERT</Action><ResourceRecordSet><Name>{name}</Name><Type>A</Type><TTL>300</TTL>\
         <ResourceRecords><ResourceRecord><Value>{ELSEWHERE}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>\
         </Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    );
    let path = format!("/2013-04-01/hostedzone/{}/rrset/", stack.account().zone_id);
    stack.aws("PERSON").rest("route53", Method::POST, &path, &[], batch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_release_loses_its_traffic_whichever_function_is_called_next() {
    let stack = stack().await;
    let person = Person(&stack);
    for (number, function) in (1..).zip(["provision", "register", "promote"]) {
        let service = Service::serving(&stack, function, number, "r1").await;
        service.product("r2").await;
        // All but its tags: a rollback that was cut off.
        person.tag(&service.group("r2").await.arn, "role", "rejected").await;
        let release = if function == "provision" { "r3" } else { "r2" };
        stack.call_until_over(function, &ask(&service.name, release)).await.unwrap();
        assert_eq!(service.served().await, ["r1"], "{function}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_names_follow_traffic_whichever_function_is_called_next() {
    let stack = stack().await;
    let person = Person(&stack);
    for (number, function) in (1..).zip(["provision", "register", "promote"]) {
        let service = Service::serving(&stack, function, number, "r1").await;
        service.pre_product("r2").await;
        let (rule, servers) = (service.rule("product").await.arn, service.instances("r1").await);
        person.untag(&rule, &["since"]).await;
        person.tag(&service.group("r1").await.arn, "role", "pre-product").await;
        person.tag_instance(&servers[0].id, "role", "pre-product").await;
        let name = stack.config(&service.name, number).unwrap()["dns"]["product"].as_str().unwrap().to_owned();
        point_name(&stack, &name).await;

        service.done(function, "r2").await;
        let role = if function == "promote" { "retired" } else { "product" };
        assert_eq!(service.group("r1").await.tag("role"), role, "{function}");
        assert!(service.instances("r1").await.iter().all(|server| server.tag("role") == role), "{function}");
        assert!(!service.rule("product").await.tag("since").is_empty(), "{function}");
        assert!(!look(&stack).await.names[&name].contains(ELSEWHERE), "{function}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_each_function_is_told_what_is_wrong() {
    let stack = stack().await;
    for function in ["provision", "register", "promote", "teardown"] {
        let action = format!(
            "Name: Ask
              ActionTypeId: {{Category: Invoke, Owner: AWS, Provider: Lambda, Version: '1'}}
              Configuration: {{FunctionName: pointsman-{function}, UserParameters: '{{}}'}}"
        );
        pipeline_with(&stack, function, &action).await;
        says(&ship_fails(&stack, function).await, &["\"service\" is missing"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_an_image_of_awss_own_wait_for_their_agent() {
    let stack = stack().await;
    let image = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let service = Service::with(&stack, "agents", 1, |config| {
        config["ready_when"] = json!("ssm_online");
        config["ami"] = json!(format!("resolve:ssm:{image}"));
    })
    .await;
    // The simulator knows neither.
    let ami = stack.account().ami.clone();
    let parameter = move |_: &gateway::Request, _: Response| Response::json(&json!({"Parameter": {"Value": ami}}));
    let agents = |_: &gateway::Request, _: Response| Response::json(&json!({"InstanceInformationList": []}));
    let faults = stack.gateway().faults();
    let is_image = move |request: &gateway::Request| request.json()["Name"] == image;
    faults.add(Rule::new(What::Alter(Arc::new(parameter))).action("GetParameter").when(is_image));
    faults.add(Rule::new(What::Alter(Arc::new(agents))).action("DescribeInstanceInformation"));
    service.waits("provision", "r1", &["SSM"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_asks_whether_an_execution_still_runs_and_a_removal_takes_the_customers_rule() {
    let stack = stack().await;
    let service = Service::serving(&stack, "removed", 1, "r1").await;
    let mut release = ask(&service.name, "r2");
    release["pipeline"] = json!("removed");
    done(&stack, "provision", &release).await;
    let mark = stack.gateway().record().mark();
    stack.sweep().await.unwrap();
    let asked = calls_since(&stack, mark).iter().any(|call| call.action == "GetPipelineExecution");
    assert!(asked, "the sweep asked about the execution");
    service.done("rollback", "r2").await;
    service.done("remove", "r1").await;
    assert!(look(&stack).await.rule(&service.name, "product").is_none());
}
