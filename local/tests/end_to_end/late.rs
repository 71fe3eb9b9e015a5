//! Calls and events that are late, twice, out of order, or about what nobody tried: refused, ignored in one line, or done
//! once; and product serves on.

use std::sync::Arc;

use gateway::Response;
use local::standing::Tagged;
use local::{Stack, xml};
use serde_json::{Value, json};

use crate::stage::{
    Person, SERVICE, Service, ask, calls_since, done, execution_ended, ignored, log_lines, look, pre_product, product,
    reason, refuses, says, served, stack, teardown, unchanged_since,
};

#[tokio::test(flavor = "multi_thread")]
async fn each_late_call_is_refused_with_its_own_sentence_and_changes_nothing() {
    let stack = stack().await;
    let (r1, r2) = (ask(SERVICE, "r1"), ask(SERVICE, "r2"));
    refuses(&stack, "register", &r1, &["r1 has no running servers", "provision"]).await;
    done(&stack, "provision", &r1).await;
    refuses(&stack, "promote", &r1, &["QA did not see release r1", "nothing"]).await;
    done(&stack, "register", &r1).await;
    refuses(&stack, "teardown", &teardown(SERVICE, "r1", "finish"), &["r1 is not product"]).await;
    done(&stack, "promote", &r1).await;
    let rollback = |release| teardown(SERVICE, release, "rollback");
    refuses(&stack, "teardown", &rollback("r1"), &["r1 cannot be rolled back", "serves on"]).await;

    product(&stack, SERVICE, "r2").await;
    let mark = stack.gateway().record().mark();
    refuses(&stack, "promote", &r1, &["r1 is retired", "r2"]).await;
    refuses(&stack, "register", &r1, &["r1 was product and is retired"]).await;
    let answer = done(&stack, "teardown", &teardown(SERVICE, "r1", "finish")).await;
    says(reason(&answer), &["r1 is the way back of r2"]);
    refuses(&stack, "teardown", &teardown(SERVICE, "r9", "remove"), &["r9 is not product", "r2 is"]).await;
    unchanged_since(&stack, mark);

    done(&stack, "teardown", &teardown(SERVICE, "r2", "finish")).await;
    refuses(&stack, "teardown", &rollback("r2"), &["r2 was kept", "way back is gone"]).await;

    pre_product(&stack, SERVICE, "r3").await;
    done(&stack, "teardown", &rollback("r3")).await;
    for function in ["provision", "register", "promote", "teardown"] {
        refuses(&stack, function, &ask(SERVICE, "r3"), &["r3 was rejected", "new execution"]).await;
    }
    done(&stack, "promote", &r2).await;
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_rule_that_somebody_spoiled_stops_every_call_until_it_is_put_right() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let person = stack.aws("PERSON");
    let rules = person
        .query("elasticloadbalancing", "DescribeRules", &[("ListenerArn", &stack.account().listener_arn)])
        .await
        .unwrap();
    let rules = xml::members(&rules, "Rules", |rule| (xml::text(rule, &["Priority"]), xml::text(rule, &["RuleArn"])));
    let rule = rules.unwrap().into_iter().find(|(priority, _)| priority == "20").unwrap().1;
    let answers = [
        ("RuleArn", rule.as_str()),
        ("Actions.member.1.Type", "fixed-response"),
        ("Actions.member.1.FixedResponseConfig.StatusCode", "503"),
    ];
    person.query("elasticloadbalancing", "ModifyRule", &answers).await.unwrap();
    let mark = stack.gateway().record().mark();
    for function in ["provision", "register", "promote", "teardown"] {
        refuses(&stack, function, &ask(SERVICE, "r2"), &[&rule, "fixed-response"]).await;
    }
    refuses(&stack, "teardown", &teardown(SERVICE, "r1", "rollback"), &[&rule]).await;
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_was_launched_for_another_port_is_not_registered() {
    let stack = stack().await;
    let mut config = stack.config("ported", 1).unwrap();
    stack.put_service("ported", &config).await.unwrap();
    done(&stack, "provision", &ask("ported", "r1")).await;
    config["port"] = json!(9090);
    stack.put_service("ported", &config).await.unwrap();
    refuses(&stack, "register", &ask("ported", "r1"), &["9090", "8080", "new release"]).await;
}

/// CodePipeline, as far as events ask it: whatever the execution, there is an approval that alice rejected and one that
/// nobody answered, by the ids of their action executions.
fn pipeline_says() -> gateway::Handler {
    Arc::new(|_| {
        Box::pin(async {
            Response::json(&json!({"actionExecutionDetails": [
                {"actionExecutionId": ALICE, "updatedBy": "arn:aws:sts::123456789012:assumed-role/QA/alice"},
                {"actionExecutionId": NOBODY},
            ]}))
        })
    })
}

const ALICE: &str = "rejected-by-alice";
const NOBODY: &str = "answered-by-nobody";
const OVER: [&str; 4] = ["FAILED", "STOPPED", "SUPERSEDED", "CANCELED"];

fn execution(release: &str, state: &str) -> Value {
    execution_ended("web", release, state)
}

/// The approval of an execution, rejected by alice or answered by nobody.
fn approval(release: &str, by: &str) -> Value {
    json!({
        "source": "aws.codepipeline",
        "detail-type": "CodePipeline Action Execution State Change",
        "detail": {
            "pipeline": "web", "execution-id": release, "stage": "Keep", "action": "KeepIt",
            "action-execution-id": by, "state": "FAILED", "type": {"category": "Approval"}, "version": 1,
        },
    })
}

/// Delivers events that are all to be ignored, each in one log line with these words, without a change or a notice.
async fn ignores(stack: &Stack, events: &[Value], words: &[&str]) {
    for event in events {
        let (mark, before) = (stack.gateway().record().mark(), ignored(stack).len());
        assert_eq!(stack.bus().put(event).unwrap().len(), 1, "{event}");
        stack.idle().await.unwrap();
        unchanged_since(stack, mark);
        assert!(calls_since(stack, mark).iter().all(|call| call.service != "sns"), "told of {event}");
        let lines = ignored(stack).split_off(before);
        assert_eq!(lines.len(), 1, "{event}: {lines:?}");
        says(&lines[0], &[event["detail"]["execution-id"].as_str().unwrap()]);
        says(&lines[0], words);
    }
}

/// Delivers an event that is acted on, three times at once: it is acted on and told once.
async fn acts(service: &Service<'_>, event: &Value, words: &[&str]) {
    let stack = service.stack;
    let before = ignored(stack).len();
    stack.bus().set_duplicates(2);
    stack.bus().put(event).unwrap();
    stack.idle().await.unwrap();
    stack.bus().set_duplicates(0);
    assert_eq!(ignored(stack).len(), before + 2, "{event}: {:?}", ignored(stack).split_off(before));
    service.is_told(words).await;
    let told = service.told();
    let told = told.iter().filter(|notice| words.iter().all(|word| notice.text().contains(word)));
    assert_eq!(told.count(), 1, "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_acted_on_once_where_it_is_right_and_ignored_in_one_line_where_it_is_not() {
    let stack = stack().await;
    stack.gateway().mount("codepipeline", pipeline_says());
    let failed = |release: &str| execution(release, "FAILED");
    let all = |release: &str| {
        let executions = OVER.map(|state| execution(release, state));
        executions.into_iter().chain([approval(release, ALICE), approval(release, NOBODY)]).collect::<Vec<_>>()
    };

    // Long before its servers: nothing is there yet, and nothing of it is remembered.
    ignores(&stack, &all("w2"), &["nothing of"]).await;
    ignores(&stack, &[failed("not;an;id")], &["names no release"]).await;
    let mut foreign = failed("another-accounts");
    (foreign["account"], foreign["region"]) = (json!("999999999999"), json!("eu-west-1"));
    ignores(&stack, &[foreign], &["nothing of"]).await;

    // Before its promotion it goes, and customers' release stays.
    let waits = Service::serving(&stack, "waits", 1, "w1").await;
    waits.pre_product("w2").await;
    acts(&waits, &execution("w2", "SUPERSEDED"), &["w2 was rejected", "SUPERSEDED"]).await;
    ignores(&stack, &all("w2")[..5], &["w2 is rejected", "product is w1"]).await;
    assert_eq!(
        (waits.served().await, look(&stack).await.rule("waits", "pre-product").is_none()),
        (vec!["w1".to_owned()], true)
    );

    // While it is promoted it never had all of the weight.
    let moves = Service::serving(&stack, "moves", 2, "m1").await;
    moves.pre_product("m2").await;
    let half = [(&*moves.group("m1").await.arn, 50), (&*moves.group("m2").await.arn, 50)];
    Person(&stack).forward(&moves.rule("product").await.arn, &half).await;
    // Whoever looks next writes down since when the weights stand; then nothing is left to mend.
    stack.sweep().await.unwrap();
    ignores(&stack, &[failed("m1")], &["m1 is or was product"]).await;
    acts(&moves, &failed("m2"), &["m2 was rejected", "m1"]).await;
    assert_eq!(moves.weights("product").await, [("m1".to_owned(), 100)]);
    ignores(&stack, &all("m2")[..5], &["m2 is rejected", "product is m1"]).await;

    // Product, and its way back, outlive their executions; a person's rejection counts until they are kept.
    let serves = Service::serving(&stack, "serves", 3, "s1").await;
    serves.product("s2").await;
    for release in ["s1", "s2"] {
        ignores(&stack, &all(release)[..4], &["is or was product", "left alone"]).await;
    }
    acts(&serves, &approval("s2", ALICE), &["s2 was rejected", "KeepIt", "alice", "s1"]).await;
    assert_eq!(serves.weights("product").await, [("s1".to_owned(), 100)]);
    ignores(&stack, &all("s2")[..5], &["s2 is rejected", "product is s1"]).await;
    serves.product("s3").await;
    acts(&serves, &approval("s1", ALICE), &["s1 was rejected", "s3 is product and has nothing to go back to"]).await;
    assert_eq!(serves.served().await, ["s3"]);
    serves.done("finish", "s3").await;
    ignores(&stack, &all("s3")[..4], &["s3 was kept"]).await;
    ignores(&stack, &[approval("s3", ALICE)], &["s3 was kept"]).await;

    // The sweep, twice at once, takes away what was rejected. Events about what is gone find nothing, or nothing to do.
    stack.bus().set_duplicates(1);
    let gone = async |release: &str| Ok(look(&stack).await.is_gone(release));
    for release in ["w2", "m2", "s1", "s2"] {
        stack.sweep_until(release, || gone(release)).await.unwrap();
    }
    stack.bus().set_duplicates(0);
    let failed_sweeps = log_lines(&stack, "swept");
    assert!(failed_sweeps.iter().all(|line| line["failed"] == 0), "{failed_sweeps:?}");
    for release in ["w2", "m2", "s2"] {
        ignores(&stack, &all(release)[..5], &[release]).await;
    }
    for (service, release) in [(&waits, "w1"), (&moves, "m1"), (&serves, "s3")] {
        assert_eq!(service.weights("product").await, [(release.to_owned(), 100)]);
        assert_eq!(service.instances(release).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_nobody_answered_is_about_product_alone() {
    let stack = stack().await;
    stack.gateway().mount("codepipeline", pipeline_says());
    let keeps = Service::serving(&stack, "keeps", 2, "k1").await;
    keeps.pre_product("k2").await;
    for release in ["k1", "k2"] {
        ignores(&stack, &[approval(release, NOBODY)], &["nobody answered it in time", "keep"]).await;
    }
    let strict = Service::with(&stack, "strict", 1, |config| config["on_approval_timeout"] = json!("rollback")).await;
    strict.product("t1").await;
    strict.product("t2").await;
    ignores(&stack, &[approval("t1", NOBODY)], &["t1"]).await;
    acts(&strict, &approval("t2", NOBODY), &["t2 was rejected", "not answered in time"]).await;
    assert_eq!(strict.weights("product").await, [("t1".to_owned(), 100)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_no_rule_is_about_reach_nobody() {
    let stack = stack().await;
    let mark = stack.gateway().record().mark();
    let mut events: Vec<Value> = ["STARTED", "SUCCEEDED", "RESUMED", "STOPPING", "failed", ""]
        .map(|state| execution("r1", state))
        .into_iter()
        .collect();
    for state in ["STARTED", "SUCCEEDED", "ABANDONED", "failed"] {
        let mut event = approval("r1", ALICE);
        event["detail"]["state"] = json!(state);
        events.push(event);
    }
    let mut invoked = approval("r1", ALICE);
    invoked["detail"]["type"]["category"] = json!("Invoke");
    let mut stage = execution("r1", "FAILED");
    stage["detail-type"] = json!("CodePipeline Stage Execution State Change");
    let mut other = execution("r1", "FAILED");
    other["source"] = json!("com.example.pipeline");
    events.extend([invoked, stage, other]);
    for event in &events {
        assert!(stack.bus().put(event).unwrap().is_empty(), "{event}");
    }
    stack.idle().await.unwrap();
    assert!(calls_since(&stack, mark).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_service_whose_config_is_gone_or_broken_harm_nobody() {
    let stack = stack().await;
    stack.gateway().mount("codepipeline", pipeline_says());
    let path = |name: &str| format!("{}/{name}", stack.services_path());
    let gone = Service::serving(&stack, "gone", 1, "g1").await;
    gone.pre_product("g2").await;
    let broken = Service::new(&stack, "broken", 2).await;
    broken.pre_product("b1").await;
    let faulty = Service::new(&stack, "faulty", 3).await;
    faulty.pre_product("f1").await;
    let delete = json!({"Name": path("gone")});
    stack.moto().json("ssm", "AmazonSSM.DeleteParameter", delete).await.unwrap();
    stack.put_parameter(&path("broken"), "{\"subnets\": [").await.unwrap();
    let mut config = stack.config_of("faulty");
    config["port"] = json!("8080");
    stack.put_service("faulty", &config).await.unwrap();

    ignores(&stack, &[execution("g2", "FAILED"), approval("g1", ALICE)], &["its service is not configured"]).await;
    for _ in 0..2 {
        stack.sweep().await.unwrap();
    }
    let words =
        ["no longer configured", "SERVICE_GONE", &*gone.instances("g1").await[0].id, &gone.group("g1").await.name];
    gone.is_told(&words).await;
    assert_eq!(gone.told().iter().filter(|notice| notice.attribute("event") == "unconfigured").count(), 1);
    assert_eq!(gone.weights("product").await, [("g1".to_owned(), 100)]);
    assert_eq!(gone.instances("g2").await.len(), 2);

    // There is nothing to go by: said to its people, and nothing is changed.
    let mark = stack.gateway().record().mark();
    stack.bus().put(&execution("b1", "FAILED")).unwrap();
    stack.idle().await.unwrap();
    broken.is_told(&["the config of broken is not right", "JSON"]).await;
    unchanged_since(&stack, mark);
    // The listener is in it: enough for an event, and the other faults are told beside.
    stack.bus().put(&execution("f1", "FAILED")).unwrap();
    stack.idle().await.unwrap();
    faulty.is_told(&["f1 was rejected"]).await;
    assert!(faulty.instances("f1").await.iter().all(|one| one.tag("role") == "rejected"));
}
