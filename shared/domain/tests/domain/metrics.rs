//! What CloudWatch reads out of the line about a call's end.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::id::{ReleaseId, ServiceName};
use domain::metrics::{Came, Metric, NAMESPACE, Switched, of_bad_call, of_call, of_way_back};
use domain::plan::Done;
use domain::refusal::{Failure, Refusal, WaitFor};
use domain::report::Outcome;
use domain::request::{Function, Request, RollbackScope, Verb};
use domain::time::Time;
use serde_json::Value;

const NOW: Time = Time::from_seconds(1_795_258_800);

fn request(verb: Verb) -> Request {
    Request::new(ServiceName::new("mobile-web").unwrap(), Some(ReleaseId::new("r2").unwrap()), verb)
}

fn rollback() -> Request {
    request(Verb::Rollback { reason: "rolled back by hand".to_owned(), scope: RollbackScope::ToTheEnd })
}

fn refused() -> Outcome {
    Outcome::Refused(Refusal::NoServers { release: ReleaseId::new("r2").unwrap() })
}

fn failed() -> Outcome {
    Outcome::Failed(Failure::Account { what: "ec2:RunInstances failed".to_owned() })
}

/// The metrics of a call that took 1.25 s.
fn came(request: &Request, outcome: &Outcome, switched: &[Switched], bug: bool) -> Option<Value> {
    let line = of_call(&Came {
        function: Function::Promote,
        request,
        outcome,
        switched: &switched.iter().copied().collect::<BTreeSet<_>>(),
        bug,
        took: Duration::from_micros(1_250_400),
        at: NOW,
    });
    line.inspect(is_valid)
}

/// As the embedded metric format has it, and with no more dimensions than a metric may have.
fn is_valid(line: &Value) {
    let aws = &line["_aws"];
    assert_eq!(aws["Timestamp"], NOW.seconds() * 1000);
    let directives = aws["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty());
    for directive in directives {
        assert_eq!(directive["Namespace"], NAMESPACE);
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(!metrics.is_empty(), "{line}");
        for metric in metrics {
            let known = Metric::ALL.into_iter().find(|known| metric["Name"] == known.name()).unwrap();
            assert_eq!(metric["Unit"], known.unit());
            assert!(line[known.name()].is_number(), "{line}");
            for set in directive["Dimensions"].as_array().unwrap() {
                let set: Vec<&str> = set.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                assert!(known.dimensions().contains(&set.as_slice()), "{} by {set:?}", known.name());
                assert!(set.iter().all(|name| line[name].is_string()), "{line}");
            }
        }
    }
}

/// The names and values alone.
fn values(line: Option<Value>) -> String {
    let Some(Value::Object(line)) = line else { return "nothing".to_owned() };
    let values = line.iter().filter(|(_, value)| value.is_number());
    values.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_promote_that_switched_is_one_line_for_cloudwatch() {
    let line = came(&request(Verb::Promote), &Outcome::Done(Done::default(), Vec::new()), &[Switched::Forth], false);
    insta::assert_snapshot!(line.unwrap(), @r#"{"service":"mobile-web","action":"promote","Promotes":1,"Duration":1.25,"_aws":{"Timestamp":1795258800000,"CloudWatchMetrics":[{"Namespace":"Pointsman","Dimensions":[["service","action"]],"Metrics":[{"Name":"Promotes","Unit":"Count"},{"Name":"Duration","Unit":"Seconds"}]}]}}"#);
}

#[test]
fn each_end_counts_as_what_it_is() {
    let done = Outcome::Done(Done::default(), Vec::new());
    let nothing = Outcome::Done(Done { nothing_to_do: true, ..Done::default() }, Vec::new());
    let waiting = Outcome::Waiting(WaitFor::Lease);
    let unanswered = Outcome::Waiting(WaitFor::Aws { what: "no answer".to_owned() });
    let job = Request { started: Some(NOW + -90), ..request(Verb::Promote) };
    let alarm = failed();
    let spared = Outcome::Refused(Refusal::IsWayBack { release: ReleaseId::new("r1").unwrap(), product: None });
    let freeze = request(Verb::Freeze { reason: "alarm mobile-5xx: 12 > 5".to_owned(), since: NOW });
    let (back, both) = ([Switched::Back], [Switched::Forth, Switched::Back]);
    for (why, request, outcome, switched, bug, want) in [
        ("done", request(Verb::Finish), &done, &[][..], false, "Duration 1.25"),
        ("everything was done before", request(Verb::Promote), &nothing, &[], false, "nothing"),
        ("a job that only waited for time to pass", job.clone(), &nothing, &[], false, "Duration 90.0"),
        ("a job counts from its first call", job.clone(), &done, &[], false, "Duration 90.0"),
        ("a call that waits", request(Verb::Register), &waiting, &[], false, "Waits 1"),
        (
            "a rollback that is back, and waits for its drain",
            rollback(),
            &waiting,
            &back,
            false,
            "Rollbacks 1, Waits 1",
        ),
        ("an alarm during a promotion", job, &alarm, &back, false, "Rollbacks 1, Failures 1"),
        (
            "a rejected release gave way, then the next came",
            request(Verb::Promote),
            &done,
            &both,
            false,
            "Promotes 1, Rollbacks 1, Duration 1.25",
        ),
        ("refused", rollback(), &refused(), &[], false, "Refusals 1"),
        ("refused, and nobody has what it would take away", rollback(), &spared, &[], false, "nothing"),
        ("a freeze that is refused", freeze, &refused(), &[], false, "Refusals 1"),
        ("failed", request(Verb::Provision), &failed(), &[], false, "Failures 1"),
        ("a fault of ours is no failure of AWS", request(Verb::Provision), &failed(), &[], true, "Bugs 1"),
        ("a fault of ours that may pass", request(Verb::Provision), &unanswered, &[], true, "Waits 1, Bugs 1"),
    ] {
        assert_eq!(values(came(&request, outcome, switched, bug)), want, "{why}");
    }
}

#[test]
fn what_callers_make_up_becomes_no_dimension() {
    let refusal = Refusal::UnknownService { service: ServiceName::new("typo").unwrap(), known: vec![] };
    let unknown = came(&request(Verb::Promote), &Outcome::Refused(refusal), &[], false).unwrap();
    assert_eq!(unknown["_aws"]["CloudWatchMetrics"][0]["Dimensions"], serde_json::json!([["function"]]));
    let bad_call = of_bad_call(Function::Promote, NOW).unwrap();
    is_valid(&bad_call);
    assert_eq!(unknown, bad_call);
    for line in [came(&rollback(), &refused(), &[], false), came(&rollback(), &failed(), &[Switched::Back], false)] {
        let text = line.unwrap().to_string();
        assert!(!text.contains("r2") && !text.contains("RunInstances"), "{text}");
    }
}

#[test]
fn the_way_back_of_a_service_is_ready_or_not() {
    let sweep = Request::new(ServiceName::new("mobile-web").unwrap(), None, Verb::Sweep);
    let line = of_way_back(&sweep, true, NOW).unwrap();
    is_valid(&line);
    insta::assert_snapshot!(line, @r#"{"service":"mobile-web","RollbackReady":1,"_aws":{"Timestamp":1795258800000,"CloudWatchMetrics":[{"Namespace":"Pointsman","Dimensions":[["service"]],"Metrics":[{"Name":"RollbackReady","Unit":"None"}]}]}}"#);
    assert_eq!(of_way_back(&sweep, false, NOW).unwrap()["RollbackReady"], 0);
}
