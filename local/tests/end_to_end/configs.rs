//! Bad calls and bad configs: one clear sentence, nothing changed, and a job's failure says it.

use serde_json::json;

use crate::stage::{SERVICE, ask, pipeline_that_asks, reason, refuses, says, ship_fails, stack, unchanged_since};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_service_is_told_which_are_known() {
    let stack = stack().await;
    let mark = stack.gateway().record().mark();
    for function in ["provision", "register", "promote", "teardown"] {
        refuses(&stack, function, &ask("shop", "r1"), &["shop", "not configured", SERVICE, "SERVICE_SHOP"]).await;
    }
    stack.add_pipeline("shop").await.unwrap();
    says(&ship_fails(&stack, "shop").await, &["shop", "not configured", SERVICE]);
    stack.idle().await.unwrap();
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_are_not_right_are_told_to_the_job() {
    let stack = stack().await;
    let mark = stack.gateway().record().mark();
    let right = r#"{"service":"mobile-web","release":"#;
    let cases = [
        ("missing", None, vec!["UserParameters is missing", right]),
        ("no-json", Some("mobile-web"), vec!["UserParameters is not a JSON object", right]),
        ("no-object", Some("[1]"), vec!["UserParameters is not a JSON object", right]),
        ("empty", Some("{}"), vec!["\"service\" is missing", "\"release\" is missing"]),
        (
            "unknown-key",
            Some(r##"{"service":"mobile-web","release":"r1","realese":"r1"}"##),
            vec!["\"realese\"", "service, release, pipeline"],
        ),
        ("bad-release", Some(r#"{"service":"mobile-web","release":"r1;drop"}"#), vec!["r1;drop", "release"]),
        ("bad-type", Some(r#"{"service":"mobile-web","release":7}"#), vec!["\"release\" is 7"]),
    ];
    for (name, parameters, words) in cases {
        pipeline_that_asks(&stack, name, parameters).await;
        says(&ship_fails(&stack, name).await, &words);
    }
    stack.idle().await.unwrap();
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_call_with_unknown_keys_is_refused() {
    let stack = stack().await;
    let mark = stack.gateway().record().mark();
    let call = json!({"service": SERVICE, "release": "r1", "force": true});
    refuses(&stack, "promote", &call, &["\"force\"", "service, release, pipeline"]).await;
    let call = json!({"service": SERVICE, "release": "r1", "action": "undo"});
    refuses(&stack, "teardown", &call, &["undo", "finish", "rollback", "remove"]).await;
    let answer = stack.invoke("promote", &json!({"detail": 1})).await.unwrap();
    let error = answer.error.expect("an event of no kind is an error");
    says(&error.message, &["promote", "CodePipeline job"]);
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_config_is_named_at_once() {
    let stack = stack().await;
    let mut config = stack.config("faulty", 1).unwrap();
    config["instance_cuont"] = json!(2);
    config["port"] = json!("8080");
    config["product"]["priority"] = json!(0);
    config["product"]["paths"] = json!(["all"]);
    config["health_check"]["path"] = json!("health");
    config["tags"] = json!({"owner": "a;b"});
    config.as_object_mut().unwrap().shift_remove("instance_type");
    stack.put_service("faulty", &config).await.unwrap();
    let words =
        ["instance_cuont", "port", "product.priority", "product.paths", "health_check.path", "tags", "instance_type"];
    let mark = stack.gateway().record().mark();
    refuses(&stack, "provision", &ask("faulty", "r1"), &words).await;
    stack.add_pipeline("faulty").await.unwrap();
    says(&ship_fails(&stack, "faulty").await, &words);
    stack.idle().await.unwrap();
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pre_product_rule_that_would_catch_customers_is_refused() {
    let stack = stack().await;
    let mut config = stack.config("wide", 1).unwrap();
    config["pre_product"]["hosts"] = config["product"]["hosts"].clone();
    config["pre_product"].as_object_mut().unwrap().shift_remove("source_ips");
    stack.put_service("wide", &config).await.unwrap();
    let mark = stack.gateway().record().mark();
    refuses(&stack, "provision", &ask("wide", "r1"), &["pre_product"]).await;
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_is_no_json_is_named() {
    let stack = stack().await;
    let path = format!("{}/broken", stack.services_path());
    stack.put_parameter(&path, "{\"subnets\": [").await.unwrap();
    let mark = stack.gateway().record().mark();
    let answer = refuses(&stack, "provision", &ask("broken", "r1"), &["broken", "JSON"]).await;
    says(reason(&answer), &[&path]);
    stack.add_pipeline("broken").await.unwrap();
    says(&ship_fails(&stack, "broken").await, &["JSON", &path]);
    stack.idle().await.unwrap();
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_below_services_path_is_shipped() {
    let stack = stack().await;
    let mut config = stack.config("shop", 1).unwrap();
    crate::stage::quick(&mut config);
    stack.put_service("shop", &config).await.unwrap();
    stack.add_pipeline("shop").await.unwrap();
    let execution = stack.ship("shop", "1", &local::revision::Changes::default()).await.unwrap();
    stack.approval("shop", &execution, "ShipIt").await.unwrap();
    let standing = crate::stage::look(&stack).await;
    assert_eq!(standing.weights("shop", "pre-product"), [(execution.clone(), 100)]);
    let calls = stack.gateway().calls();
    let of = |caller: &str| calls.iter().filter(|call| call.service == "ssm" && call.caller == caller).count();
    assert_eq!((of("PROVISION"), of("REGISTER")), (1, 1), "the parameter is read once");
}
