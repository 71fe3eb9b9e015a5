//! Notices of each kind of end, as mail, and the answers to a direct call.

use std::collections::BTreeMap;

use domain::id::{ReleaseId, ServiceName};
use domain::plan::Done;
use domain::refusal::{Failure, Refusal, WaitFor};
use domain::report::Outcome;
use domain::request::{Request, Verb};

fn request(verb: Verb) -> Request {
    Request::new(ServiceName::new("mobile-web").unwrap(), Some(ReleaseId::new("r2").unwrap()), verb)
}

fn mail(outcome: &Outcome, verb: Verb) -> String {
    let notice = outcome.notice(&request(verb)).unwrap();
    format!("Subject: {}\n\n{}", notice.subject(), notice.text("eu-central-1"))
}

fn done() -> Outcome {
    let done = Done {
        headline: "release r2 can be tried: 2 of 2 servers are healthy".to_owned(),
        lines: vec!["Customers still get r1.".to_owned()],
        look: vec![
            ("Pre-product".to_owned(), "https://pre.m.example.com".to_owned()),
            ("Servers".to_owned(), "10.0.0.3, 10.0.0.4".to_owned()),
        ],
        next: vec!["Try it there; then approve it, or reject it.".to_owned()],
        outputs: BTreeMap::from([("Release", "r2".to_owned())]),
        nothing_to_do: false,
    };
    Outcome::Done(done, vec!["The name m.corp could not follow: throttled.".to_owned()])
}

fn refused() -> Outcome {
    let problems = vec!["port is missing; write for example 8080".to_owned(), "colour is not known".to_owned()];
    Outcome::Refused(Refusal::BadConfig { service: ServiceName::new("mobile-web").unwrap(), problems })
}

#[test]
fn done_says_what_stands_where_to_look_and_what_to_do() {
    insta::assert_snapshot!(mail(&done(), Verb::Register), @"
    Subject: mobile-web register: release r2 can be tried: 2 of 2 servers are healthy

    Release r2 can be tried: 2 of 2 servers are healthy.
    Customers still get r1.
    The name m.corp could not follow: throttled.

    Where to look
      Pre-product  https://pre.m.example.com
      Servers      10.0.0.3, 10.0.0.4

    What to do next
      - Try it there; then approve it, or reject it.

    Service   mobile-web
    Release   r2
    Asked by  somebody, by a direct call
    Status    done (register)
    ");
}

#[test]
fn refused_says_all_that_is_wrong() {
    insta::assert_snapshot!(mail(&refused(), Verb::Provision), @"
    Subject: refused: mobile-web provision: the config of mobile-web is not right:

    The config of mobile-web is not right:
    - port is missing; write for example 8080
    - colour is not known

    What to do next
      - Put right what it names, then call again. A release that was rejected needs a new execution.

    Service   mobile-web
    Release   r2
    Asked by  somebody, by a direct call
    Status    refused (provision)
    ");
}

#[test]
fn failed_says_what_was_missing() {
    let failure = Failure::NotHealthy {
        release: ReleaseId::new("r2").unwrap(),
        seconds: 300,
        missing: "1 of 2 are healthy; i-1: unhealthy, Health checks failed with these codes: [502]".to_owned(),
        check: "HTTP /health on port 8080, 200".to_owned(),
    };
    insta::assert_snapshot!(mail(&Outcome::Failed(failure), Verb::Register), @"
    Subject: FAILED: mobile-web register: r2 was not healthy within 300 seconds: 1 of 2 are healthy; i-1: unh...

    r2 was not healthy within 300 seconds: 1 of 2 are healthy; i-1: unhealthy, Health checks failed with these codes: [502]. Look at the health check (HTTP /health on port 8080, 200) and the server's own log, then run the pipeline again.

    What to do next
      - Put right what it names, then call again. A release that was rejected needs a new execution.

    Service   mobile-web
    Release   r2
    Asked by  somebody, by a direct call
    Status    failed (register)
    ");
}

#[test]
fn nobody_is_told_while_it_waits_nor_of_a_failure_whose_steps_told_already() {
    assert_eq!(Outcome::Waiting(WaitFor::Lease).notice(&request(Verb::Promote)), None);
    let release = ReleaseId::new("r2").unwrap();
    let failed = |told| Outcome::Failed(Failure::NoCapacity { release: release.clone(), zones: vec![], told });
    assert_eq!(failed(true).notice(&request(Verb::Provision)), None);
    assert!(failed(false).notice(&request(Verb::Provision)).is_some());
}

#[test]
fn answers_to_a_direct_call() {
    for (outcome, want) in [
        (done(), "done"),
        (refused(), "refused"),
        (Outcome::Waiting(WaitFor::Settling { seconds: 5 }), "waiting"),
        (Outcome::Failed(Failure::Account { what: "access denied".to_owned() }), "failed"),
    ] {
        let answer = outcome.answer(&request(Verb::Register));
        assert_eq!((&answer["status"], outcome.status()), (&serde_json::json!(want), want));
        assert!(!answer["reason"].as_str().unwrap().is_empty());
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&done().answer(&request(Verb::Register))).unwrap(), @r#"
    {
      "status": "done",
      "reason": "release r2 can be tried: 2 of 2 servers are healthy",
      "service": "mobile-web",
      "release": "r2",
      "action": "register",
      "details": [
        "Customers still get r1.",
        "The name m.corp could not follow: throttled."
      ],
      "next": [
        "Try it there; then approve it, or reject it."
      ],
      "outputs": {
        "Release": "r2"
      }
    }
    "#);
}
