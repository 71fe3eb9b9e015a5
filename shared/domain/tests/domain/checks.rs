//! A service's own checks: how a config writes them, and how their answers are read.

use domain::check::{Answered, NoAnswer, Verdict};
use domain::config::{HttpCheck, Service};
use domain::id::InstanceId;
use serde_json::{Value, json};

use crate::config::{name, with};

fn parsed(config: &Value) -> (Vec<String>, String) {
    let parsed = Service::parse(&name("mobile-web"), &with(config));
    let problems: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
    (parsed.service.unwrap().checks.iter().map(ToString::to_string).collect(), problems.join("\n"))
}

#[test]
fn checks_are_functions_and_requests() {
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:smoke-2:live";
    let (checks, problems) = parsed(&json!({"checks": ["smoke", "smoke:live", arn, {"url": "/version?x=1"}]}));
    assert_eq!(
        (checks.join(", ").as_str(), problems.as_str()),
        ("smoke, smoke:live, smoke-2:live, GET /version?x=1", "")
    );
}

#[test]
fn every_faulty_check_is_named_with_what_would_be_right() {
    let config = json!({"checks": [
        "my smoke", "arn:aws:s3:::function:x", 3, {"url": "http://a/b"}, {"expect": 200}, {"url": "/v", "expect": 99},
        {"url": "/v", "status": 200}, "smoke", "smoke",
    ]});
    insta::assert_snapshot!(parsed(&config).1, @r#"
    checks[0] is "my smoke", it is a Lambda function's name, with an alias after a colon or not, or its ARN
    checks[1] is "arn:aws:s3:::function:x", it is a Lambda function's name, with an alias after a colon or not, or its ARN
    checks[2] is 3, it is a function's name or a request like {"url": "/version", "expect": 200}
    checks[3].url is "http://a/b", it is a path, and a query if need be, like /version: each target is asked at its own address
    checks[4].url is missing; write for example "/version"
    checks[5].expect is 99, it is a whole number from 100 to 599
    checks[6].status is not known; the keys here are url, expect, contains
    checks[6] is there twice: GET /v
    checks[8] is there twice: smoke
    "#);
}

#[test]
fn functions_are_asked_with_all_of_the_traffic_too_so_a_release_bakes_for_them() {
    let bakes = |config| Service::parse(&name("mobile-web"), &with(&config)).service.unwrap().bake_seconds;
    assert_eq!(bakes(json!({"checks": ["smoke"]})), 60);
    assert_eq!(bakes(json!({"checks": ["smoke"], "bake_seconds": 0})), 0, "unless the config says otherwise");
    assert_eq!(bakes(json!({"checks": [{"url": "/v"}]})), 0, "requests are not sent to what has traffic");
}

#[test]
fn a_request_goes_to_targets_that_speak_http() {
    let config = json!({"checks": [{"url": "/v"}, "smoke"], "health_check": {"protocol": "HTTPS"}});
    insta::assert_snapshot!(parsed(&config).1, @"checks[0] is a request, and the targets speak HTTPS, whose certificates nobody could check: write a function");
}

#[test]
fn a_function_says_ok_or_not_and_anything_else_is_no_verdict() {
    assert_eq!(Verdict::of_function(br#"{"ok":true}"#), Verdict::Good);
    let bad = Verdict::of_function(b"{\"ok\":false,\"reason\":\"checkout\\n answers 500\"}");
    assert_eq!(bad, Verdict::Bad("checkout answers 500".to_owned()));
    assert_eq!(Verdict::of_function(br#"{"ok":false}"#), Verdict::Bad("it gave no reason".to_owned()));
    for answer in ["null", "\"ok\"", r#"{"ok":"yes"}"#, "", "<html>", r#"{"statusCode":200}"#] {
        assert!(matches!(Verdict::of_function(answer.as_bytes()), Verdict::None(_)), "{answer}");
    }
    let Verdict::None(words) = Verdict::of_function(b"null") else { panic!() };
    insta::assert_snapshot!(words, @r#"it answered null; it is to answer {"ok":true} or {"ok":false,"reason":"…"}"#);
}

fn silent() -> Answered {
    Err(NoAnswer::Silent("it did not answer within 10 s".to_owned()))
}

fn not_reached(why: &str) -> Answered {
    Err(NoAnswer::NotReached(why.to_owned()))
}

fn answers(status: u16, body: &str) -> Answered {
    Ok((status, body.to_owned()))
}

fn asked(answers: &[Answered]) -> Verdict {
    let check = HttpCheck { url: "/version".to_owned(), expect: 200, contains: Some("8f3a".to_owned()) };
    let answers: Vec<_> =
        answers.iter().cloned().zip(["i-0a", "i-0b"]).map(|(answer, id)| (InstanceId::new(id), answer)).collect();
    Verdict::of_targets(&check, &answers)
}

#[test]
fn each_target_has_to_answer_as_expected() {
    assert_eq!(asked(&[answers(200, "build 8f3a"), answers(200, "8f3a")]), Verdict::Good);
    let Verdict::Bad(words) = asked(&[answers(500, "8f3a"), answers(200, "build 1c2d")]) else { panic!() };
    insta::assert_snapshot!(words, @r#"i-0a: it answered 500, 200 is expected; i-0b: its answer does not contain "8f3a": build 1c2d"#);
    assert!(matches!(asked(&[answers(200, "8f3a"), not_reached("refused")]), Verdict::Bad(_)));
}

#[test]
fn a_target_that_takes_the_request_and_says_nothing_has_not_passed() {
    let Verdict::Bad(words) = asked(&[silent()]) else { panic!() };
    insta::assert_snapshot!(words, @"i-0a: it did not answer within 10 s");
    assert!(matches!(asked(&[not_reached("refused"), silent()]), Verdict::Bad(_)));
}

#[test]
fn where_no_target_is_reached_it_is_the_network() {
    let Verdict::None(words) = asked(&[not_reached("no route"), not_reached("refused")]) else { panic!() };
    insta::assert_snapshot!(words, @"no target could be reached (no route), and the load balancer finds them healthy: put the function into subnets that reach them, and allow its security group on their port");
}
