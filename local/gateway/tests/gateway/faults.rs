//! Faults and mounts, before a service of the tests' own in place of moto.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway::{Aws, AwsError, Gateway, Handler, Response, Rule, What};
use serde_json::{Value, json};

const TARGET: &str = "CodePipeline_20150709.GetPipelineState";

struct Stage {
    gateway: Gateway,
    aws: Aws,
    done: Arc<AtomicU32>,
}

/// A gateway with a `codepipeline` that counts what it did.
async fn stage() -> Stage {
    let gateway = Gateway::start("http://127.0.0.1:9").await.unwrap();
    let done = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&done);
    let handler: Handler = Arc::new(move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Response::json(&json!({"action": request.action, "caller": request.caller})) })
    });
    gateway.mount("codepipeline", handler);
    let aws = gateway.aws("PROMOTE");
    Stage { gateway, aws, done }
}

impl Stage {
    async fn call(&self) -> Result<Value, AwsError> {
        self.aws.json("codepipeline", TARGET, json!({"name": "web"})).await
    }

    async fn code(&self) -> Option<String> {
        self.call().await.err().and_then(|problem| problem.code().map(str::to_owned))
    }
}

#[tokio::test]
async fn a_mounted_service_answers_in_place_of_moto() {
    let stage = stage().await;
    let mut followed = stage.gateway.subscribe();
    assert_eq!(stage.call().await.unwrap(), json!({"action": "GetPipelineState", "caller": "PROMOTE"}));
    let call = followed.recv().await.unwrap();
    assert_eq!((call.service.as_str(), call.resource.as_str(), call.mutating), ("codepipeline", "web", false));
    let mark = stage.gateway.record().mark();
    stage.call().await.unwrap();
    assert_eq!(stage.gateway.record().since(mark).len(), 1);
    assert_eq!(stage.gateway.calls().len(), 2);
    stage.gateway.record().clear();
    assert!(stage.gateway.calls().is_empty());
}

#[tokio::test]
async fn a_rule_strikes_what_it_matches_as_often_as_it_says() {
    let stage = stage().await;
    let faults = stage.gateway.faults();
    let rule = Rule::new(What::Throttle).caller("PROMOTE").service("codepipeline").action("GetPipelineState");
    let id = faults.add(rule.resource("we").skip(1).times(2));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(stage.code().await);
    }
    let throttled = Some("ThrottlingException".to_owned());
    assert_eq!(seen, [None, throttled.clone(), throttled, None]);
    assert_eq!(faults.hits(id), 2);
    assert_eq!(stage.done.load(Ordering::SeqCst), 2, "AWS did not see what was throttled");
    faults.add(Rule::new(What::InternalError).caller("TEARDOWN"));
    faults.add(Rule::new(What::InternalError).resource("shop"));
    assert_eq!(stage.code().await, None);
    assert_eq!(stage.gateway.calls()[1].fault.as_deref(), Some("throttle"));
}

#[tokio::test]
async fn refusals_are_in_the_words_of_each_service() {
    let stage = stage().await;
    let (aws, faults) = (&stage.aws, stage.gateway.faults());
    let id = faults.add(Rule::new(What::Throttle));
    let code = |result: Result<String, AwsError>| result.unwrap_err().code().unwrap().to_owned();
    assert_eq!(code(aws.query("ec2", "DescribeInstances", &[]).await), "RequestLimitExceeded");
    assert_eq!(code(aws.query("elasticloadbalancing", "DescribeRules", &[]).await), "Throttling");
    let get = gateway::Method::GET;
    let path = "/2013-04-01/hostedzone/Z1/rrset";
    let refused = aws.rest("route53", get, path, &[], "").await.unwrap_err();
    assert_eq!(refused.code(), Some("Throttling"));
    // Newer CloudWatch clients speak CBOR: a map of two texts.
    let path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";
    let headers = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")];
    let alarms = aws.rest("monitoring", gateway::Method::POST, path, &headers, vec![0xa0]).await.unwrap_err();
    assert_eq!(alarms.code(), Some("Throttling"));
    assert_eq!(stage.gateway.calls().last().unwrap().action, "DescribeAlarms");
    faults.remove(id);

    faults.add(Rule::new(What::AccessDenied));
    let terminated = aws.query("ec2", "TerminateInstances", &[("InstanceId.1", "i-0a")]).await.unwrap_err();
    assert_eq!(terminated.code(), Some("UnauthorizedOperation"));
    let message = terminated.to_string();
    assert!(message.contains("ec2:TerminateInstances") && message.contains("i-0a"), "{message}");
    let published = aws.query("sns", "Publish", &[("TopicArn", "arn:t")]).await.unwrap_err();
    assert_eq!(published.code(), Some("AuthorizationError"));
    faults.clear();

    faults.add(Rule::no_capacity("subnet-0a"));
    let launched = aws.query("ec2", "RunInstances", &[("SubnetId", "subnet-0a")]).await.unwrap_err();
    assert_eq!(launched.code(), Some("InsufficientInstanceCapacity"));
}

#[tokio::test]
async fn a_call_is_cut_off_before_or_after_it_is_done() {
    let stage = stage().await;
    let faults = stage.gateway.faults();
    for (what, done, status) in [(What::ResetBefore, 0, 0), (What::ResetAfter, 1, 200)] {
        stage.done.store(0, Ordering::SeqCst);
        let id = faults.add(Rule::new(what.clone()));
        let cut = stage.call().await.unwrap_err();
        assert!(matches!(cut, AwsError::Connection { .. }), "{what:?}: {cut}");
        faults.remove(id);
        assert_eq!(stage.done.load(Ordering::SeqCst), done, "{what:?}");
        let call = stage.gateway.calls().pop().unwrap();
        assert_eq!((call.status, call.cut), (status, true), "{what:?}");
        stage.call().await.unwrap();
    }
}

#[tokio::test]
async fn hooks_run_at_their_side_of_the_call_and_delays_before_it() {
    let stage = stage().await;
    let faults = stage.gateway.faults();
    let seen: Arc<std::sync::Mutex<Vec<u32>>> = Arc::default();
    let hook = || -> gateway::fault::Hook {
        let (seen, done) = (Arc::clone(&seen), Arc::clone(&stage.done));
        Arc::new(move |request| {
            assert_eq!(request.action, "GetPipelineState");
            seen.lock().unwrap().push(done.load(Ordering::SeqCst));
            Box::pin(async {})
        })
    };
    faults.add(Rule::new(What::Before(hook())));
    faults.add(Rule::new(What::After(hook())));
    faults.add(Rule::new(What::Delay(Duration::from_millis(30))));
    stage.call().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 1]);
    let call = &stage.gateway.calls()[0];
    assert!(call.elapsed >= Duration::from_millis(30) + call.simulated, "{call:?}");
    assert!(call.simulated > Duration::ZERO, "{call:?}");
}
