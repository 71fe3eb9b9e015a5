//! Calls: CodePipeline jobs in the shape that AWS documents, and direct calls.

use domain::event::{Ask, Event, read};
use domain::refusal::WaitFor;
use domain::request::{Function, RollbackScope, Verb};
use domain::time::Time;
use domain::token::Token;
use serde_json::{Value, json};

pub const FUNCTIONS: [Function; 4] = [Function::Provision, Function::Register, Function::Promote, Function::Teardown];

/// A job as "Example JSON event" of CodePipeline's user guide has it, with these `UserParameters`.
pub fn job(parameters: &str) -> Value {
    let artifact = json!({
        "location": {"s3Location": {"bucketName": "codepipeline-eu-west-1-1", "objectKey": "web/build.zip"}, "type": "S3"},
        "revision": null, "name": "Build",
    });
    json!({"CodePipeline.job": {
        "id": "11111111-abcd-1111-abcd-111111abcdef",
        "accountId": "123456789012",
        "data": {
            "actionConfiguration": {"configuration": {"FunctionName": "pointsman-provision", "UserParameters": parameters}},
            "inputArtifacts": [artifact],
            "outputArtifacts": [],
            "artifactCredentials": {"secretAccessKey": "secret", "sessionToken": "token", "accessKeyId": "AKIAEXAMPLE"},
            "continuationToken": "A continuation token if continuing job",
            "encryptionKey": {"id": "arn:aws:kms:eu-west-1:123456789012:key/1", "type": "KMS"},
        },
    }})
}

const PARAMETERS: &str = r#"{"service":"mobile-web","release":"r1"}"#;

fn asked(payload: &Value, function: Function) -> Result<Ask, Vec<String>> {
    match read(payload, function) {
        Ok(Event::Job { ask, .. } | Event::Direct(ask)) => ask,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_is_read_with_its_id_what_it_asks_and_its_token() {
    let mut payload = job(r#"{"service":"mobile-web","release":"7a9a5b1e-0f2d","pipeline":"mobile-web"}"#);
    let token = Token::first(Time::from_seconds(1_795_258_800)).next(&WaitFor::Time, Time::from_seconds(1_795_258_860));
    payload["CodePipeline.job"]["data"]["continuationToken"] = json!(token.write());
    let Ok(Event::Job { id, ask: Ok(ask), token: found }) = read(&payload, Function::Provision) else { panic!() };
    assert_eq!((id.as_str(), found), ("11111111-abcd-1111-abcd-111111abcdef", Some(token)));
    assert_eq!(
        (ask.service.as_str(), ask.release.as_str(), &ask.verb),
        ("mobile-web", "7a9a5b1e-0f2d", &Verb::Provision)
    );
    assert_eq!(ask.pipeline.as_deref(), Some("mobile-web"));
    let request = ask.request(found);
    assert_eq!(request.started, Some(Time::from_seconds(1_795_258_800)));
}

#[test]
fn a_token_that_is_not_ours_or_none_begins_the_jobs_time() {
    let Ok(Event::Job { token, .. }) = read(&job(PARAMETERS), Function::Provision) else { panic!() };
    assert_eq!(token, None);
    let mut first = job(PARAMETERS);
    first["CodePipeline.job"]["data"].as_object_mut().unwrap().remove("continuationToken");
    first["CodePipeline.job"]["data"].as_object_mut().unwrap().remove("encryptionKey");
    assert!(asked(&first, Function::Provision).is_ok());
}

#[test]
fn what_it_asks_is_the_functions_verb_and_for_teardown_the_actions() {
    let rollback = Verb::Rollback { reason: "rolled back by a call".to_owned(), scope: RollbackScope::ToTheEnd };
    for (function, action, want) in [
        (Function::Provision, "", Verb::Provision),
        (Function::Register, "", Verb::Register),
        (Function::Promote, "", Verb::Promote),
        (Function::Teardown, "", Verb::Finish),
        (Function::Teardown, r#","action":"finish""#, Verb::Finish),
        (Function::Teardown, r#","action":"rollback""#, rollback),
        (Function::Teardown, r#","action":"remove""#, Verb::Remove),
    ] {
        let parameters = format!(r#"{{"service":"mobile-web","release":"r1"{action}}}"#);
        assert_eq!(asked(&job(&parameters), function).unwrap().verb, want);
        let direct: Value = serde_json::from_str(&parameters).unwrap();
        assert_eq!(asked(&direct, function).unwrap().verb, want);
    }
}

#[test]
fn user_parameters_that_are_missing_or_malformed_are_answered_with_what_to_write() {
    for (parameters, want) in [
        ("", "UserParameters is missing; write {\"service\""),
        ("some-input-such-as-a-URL", "UserParameters is not a JSON object: write"),
        ("[]", "UserParameters is not a JSON object"),
        ("{\"service\":", "UserParameters is not a JSON object"),
        ("{}", "\"service\" is missing"),
        (r#"{"service":"mobile-web"}"#, "\"release\" is missing"),
        (r#"{"service":7,"release":"r1"}"#, "\"service\" is 7; it is a string"),
        (r#"{"service":"Mobile_Web","release":"r1"}"#, "\"Mobile_Web\" is not a service name"),
        (r#"{"service":"mobile-web","release":"a,b"}"#, "\"a,b\" is not a release"),
        (r##"{"service":"mobile-web","release":"#{Provision.Release}"}"##, "is not a release"),
        (r#"{"service":"mobile-web","release":"r1","weight":10}"#, "\"weight\" is not a key of promote's parameters"),
        (
            r#"{"service":"mobile-web","release":"r1","action":"finish"}"#,
            "\"action\" is not a key of promote's parameters",
        ),
        (r#"{"service":"mobile-web","release":"r1","pipeline":null}"#, "\"pipeline\" is null; it is a string"),
    ] {
        let problems = asked(&job(parameters), Function::Promote).unwrap_err();
        assert!(problems.iter().any(|problem| problem.contains(want)), "{parameters}: {problems:?}");
    }
}

#[test]
fn all_that_is_wrong_with_the_parameters_is_said_at_once() {
    let problems =
        asked(&job(r#"{"servce":"mobile-web","release":"a,b","action":"undo"}"#), Function::Teardown).unwrap_err();
    insta::assert_snapshot!(problems.join("\n"), @r##"
    "servce" is not a key of teardown's parameters (did you mean service?); they are service, release, pipeline, by, action, spare
    "service" is missing; write {"service":"mobile-web","release":"#{Provision.Release}","action":"finish"}
    "a,b" is not a release: 1 to 100 letters, digits, spaces (not at its ends) and + - = . _ : / @, since it becomes a tag
    "action" is "undo"; it is "finish" (the default), "rollback" or "remove"
    "##);
}

#[test]
fn a_job_without_parameters_or_of_another_shape_still_has_an_id_to_be_answered() {
    let mut without = job(PARAMETERS);
    without["CodePipeline.job"]["data"]["actionConfiguration"]["configuration"] = json!({"FunctionName": "x"});
    let mut shapeless = job(PARAMETERS);
    shapeless["CodePipeline.job"]["data"] = json!("nothing");
    for (payload, want) in [(without, "UserParameters is missing"), (shapeless, "not as AWS documents it")] {
        let Ok(Event::Job { id, ask: Err(problems), token: None }) = read(&payload, Function::Promote) else {
            panic!()
        };
        assert_eq!(id, "11111111-abcd-1111-abcd-111111abcdef");
        assert!(problems[0].contains(want), "{problems:?}");
    }
}

#[test]
fn a_job_without_an_id_cannot_be_answered_and_is_an_error() {
    for payload in [json!({"CodePipeline.job": {"data": {}}}), json!({"CodePipeline.job": 7})] {
        assert!(read(&payload, Function::Promote).unwrap_err().contains("has no id"));
    }
}

#[test]
fn a_direct_call_is_as_strict_as_a_job() {
    let problems = asked(&json!({"service": "mobile-web", "relase": "r1"}), Function::Promote).unwrap_err();
    insta::assert_snapshot!(problems.join("\n"), @r##"
    "relase" is not a key of promote's parameters (did you mean release?); they are service, release, pipeline, by, despite_alarms, fingerprint
    "release" is missing; write {"service":"mobile-web","release":"#{Provision.Release}"}
    "##);
    let ask = asked(&json!({"service": "mobile-web", "release": "r1"}), Function::Promote).unwrap();
    assert_eq!(ask.request(None).started, None);
}

#[test]
fn who_calls_may_say_so_and_what_a_late_rollback_is_to_spare() {
    let call = |more: Value| {
        let mut call = json!({"service": "mobile-web", "release": "r1", "action": "rollback"});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call
    };
    let request = asked(&call(json!({"by": "alice", "spare": "way-back"})), Function::Teardown).unwrap().request(None);
    assert!(request.spare_way_back);
    assert_eq!(request.asked_by(), "alice, as a direct call says");
    let request = asked(&call(json!({})), Function::Teardown).unwrap().request(None);
    assert!(!request.spare_way_back);
    assert_eq!(request.asked_by(), "somebody, by a direct call");
    for (more, want) in [
        (json!({"by": " "}), "\"by\" is \" \"; it is a name of 1 to 128 characters on one line"),
        (json!({"by": "alice\nStatus  done"}), "on one line"),
        (json!({"by": "a".repeat(129)}), "1 to 128 characters"),
        (json!({"spare": "product"}), "\"spare\" is \"product\"; it is \"way-back\""),
        (json!({"spare": "way-back", "action": "finish"}), "\"spare\" is for \"action\":\"rollback\" alone"),
    ] {
        let problems = asked(&call(more), Function::Teardown).unwrap_err();
        assert!(problems.iter().any(|problem| problem.contains(want)), "{want}: {problems:?}");
    }
}

#[test]
fn an_event_that_is_none_of_them_names_what_was_expected() {
    insta::assert_snapshot!(read(&json!({"Records": [{}]}), Function::Promote).unwrap_err(), @r##"this event is nothing that promote knows: it has the keys Records. It takes a CodePipeline job, or a direct call like {"service":"mobile-web","release":"#{Provision.Release}"}"##);
    insta::assert_snapshot!(read(&json!([]), Function::Teardown).unwrap_err(), @r##"this event is nothing that teardown knows: it is not a JSON object. It takes a CodePipeline job, an EventBridge event (a pipeline execution that ended, a failed approval, an alarm, the schedule), or a direct call like {"service":"mobile-web","release":"#{Provision.Release}","action":"finish"}"##);
    for function in FUNCTIONS {
        assert!(read(&json!({}), function).unwrap_err().contains(function.as_str()));
        assert!(read(&json!(null), function).is_err());
    }
}
