//! Calls that are waited for: answers, errors, processes.

use std::time::Duration;

use lambda::{ErrorKind, Functions, InvokeError, Settings};
use serde_json::json;

use crate::stand::{PATIENCE, Stand, spec};

#[tokio::test]
async fn an_event_is_answered_and_the_process_stays_warm() {
    let stand = Stand::new().await;
    let first = stand.call(&json!({"a": 1})).await;
    let second = stand.call(&json!({"a": 2})).await;

    assert_eq!(first.error, None);
    assert_eq!(first.json()["event"], json!({"a": 1}));
    assert_eq!(first.json()["request_id"], json!(first.request_id));
    assert!(first.init_duration.is_some());
    assert_eq!(second.json()["calls"], 2);
    assert_eq!(second.json()["pid"], first.json()["pid"]);
    assert_eq!(second.init_duration, None);
    assert!(second.peak_rss_bytes.unwrap() > 1_000_000);
    assert!(first.billed_ms >= u64::try_from(first.init_duration.unwrap().as_millis()).unwrap());
}

#[tokio::test]
async fn calls_at_the_same_time_have_a_process_each() {
    let stand = Stand::new().await;
    let event = json!({"do": "wait"});
    let (one, two, ()) = tokio::join!(stand.call(&event), stand.call(&event), async {
        let (mut first, mut second) = (stand.meet().await, stand.meet().await);
        assert_eq!(stand.functions.running().len(), 2);
        first.go_on().await;
        second.go_on().await;
    });
    assert_ne!(one.json()["pid"], two.json()["pid"]);
    assert!(stand.functions.running().is_empty());
}

#[tokio::test]
async fn a_process_has_the_environment_that_lambda_gives() {
    let stand = Stand::new().await;
    let environment = stand.call(&json!({"do": "environment"})).await.json();
    let folder = stand.folder.path().canonicalize().unwrap().join("try").display().to_string();
    for (name, want) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "pointsman-try"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/pointsman-try"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "TRY"),
        ("AWS_SESSION_TOKEN", "TRY-1"),
        ("_HANDLER", "bootstrap"),
        ("LAMBDA_TASK_ROOT", &folder),
        ("CWD", &folder),
        ("TZ", ":UTC"),
        ("LEASE_TABLE", "leases"),
    ] {
        assert_eq!(environment[name], want, "{name}");
    }
    assert!(environment["AWS_ENDPOINT_URL"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(environment.get("HOME"), None);
    assert_eq!(environment.get("CARGO_MANIFEST_DIR"), None);
}

#[tokio::test]
async fn an_invocation_carries_its_deadline_and_names() {
    let stand = Stand::new().await;
    let before = std::time::UNIX_EPOCH.elapsed().unwrap();
    let answer = stand.call(&json!({"do": "headers"})).await;
    let headers = answer.json();
    let deadline: u64 = headers["Lambda-Runtime-Deadline-Ms"].as_str().unwrap().parse().unwrap();
    let from_now = Duration::from_millis(deadline) - before;
    assert!(from_now >= Duration::from_secs(19) && from_now < Duration::from_secs(20) + PATIENCE, "{from_now:?}");
    assert_eq!(
        headers["Lambda-Runtime-Invoked-Function-Arn"],
        "arn:aws:lambda:us-east-1:123456789012:function:pointsman-try"
    );
    assert!(headers["Lambda-Runtime-Trace-Id"].as_str().unwrap().starts_with("Root=1-"));
}

#[tokio::test]
async fn an_error_of_the_function_is_handed_on_and_the_process_stays() {
    let stand = Stand::new().await;
    let answer = stand.call(&json!({"do": "fail"})).await;
    let error = answer.error.clone().unwrap();
    assert_eq!(
        (error.kind, error.error_type.as_str(), error.message.as_str()),
        (ErrorKind::Function, "Refused", "no, 1")
    );
    assert_eq!(answer.json(), json!({"errorType": "Refused", "errorMessage": "no, 1"}));
    assert_eq!(stand.call(&json!({})).await.json()["calls"], 2);
}

#[tokio::test]
async fn a_process_that_ends_is_an_error_and_is_replaced() {
    let stand = Stand::new().await;
    for (status, want) in
        [(1, "Runtime exited with error: exit status 1"), (0, "Runtime exited without providing a reason")]
    {
        let answer = stand.call(&json!({"do": "exit", "status": status})).await;
        let error = answer.error.clone().unwrap();
        assert_eq!((error.kind, error.error_type.as_str()), (ErrorKind::Exit, "Runtime.ExitError"));
        assert_eq!(error.message, format!("RequestId: {} Error: {want}", answer.request_id));
        assert!(answer.log.contains(&"about to exit".to_owned()), "{:?}", answer.log);
        assert_eq!(stand.call(&json!({})).await.json()["calls"], 1);
        stand.functions.cool_down();
    }
}

#[tokio::test]
async fn a_function_is_killed_at_its_timeout_with_all_it_started() {
    let mut spec = spec("try");
    spec.timeout = Duration::from_secs(1);
    let stand = Stand::with(spec, |settings| settings).await;
    let event = json!({"do": "hang"});
    let (answer, ()) = tokio::join!(stand.call(&event), async { stand.meet().await.ended().await });
    let error = answer.error.clone().unwrap();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.ends_with("Task timed out after 1.00 seconds"), "{}", error.message);
    assert!(answer.duration >= Duration::from_secs(1));
    assert!(answer.peak_rss_bytes.is_some());
    assert!(answer.log.last().unwrap().ends_with("Status: timeout"), "{:?}", answer.log);
    assert!(stand.call(&json!({})).await.init_duration.is_some());
}

#[tokio::test]
async fn the_process_of_a_request_can_be_killed() {
    let stand = Stand::new().await;
    let event = json!({"do": "hang"});
    for way in ["request", "session", "function"] {
        let (answer, ()) = tokio::join!(stand.call(&event), async {
            let meeting = stand.meet().await;
            let running = stand.functions.running().pop().unwrap();
            let killed = match way {
                "request" => stand.functions.kill(&running.request_id),
                "session" => stand.functions.kill_session(&running.session),
                _ => stand.functions.kill_serving("pointsman-try") == 1,
            };
            assert!(killed, "{way}");
            meeting.ended().await;
        });
        let error = answer.error.unwrap();
        assert_eq!(error.error_type, "Runtime.ExitError");
        assert!(error.message.ends_with("signal: killed"), "{}", error.message);
    }
    assert!(!stand.functions.kill("nobody"));
}

#[tokio::test]
async fn with_the_functions_their_processes_end() {
    let stand = Stand::new().await;
    stand.functions.invoke_async("pointsman-try", &json!({"do": "hang"})).unwrap();
    let meeting = stand.meet().await;
    drop(stand);
    meeting.ended().await;
}

#[tokio::test]
async fn stopping_ends_calls_and_processes() {
    let stand = Stand::new().await;
    let event = json!({"do": "hang"});
    let (answer, ()) = tokio::join!(stand.functions.invoke("pointsman-try", &event), async {
        let meeting = stand.meet().await;
        stand.functions.stop();
        meeting.ended().await;
    });
    assert_eq!(answer.unwrap_err(), InvokeError::Stopped);
    let later = stand.functions.invoke("pointsman-try", &json!({})).await;
    assert_eq!(later.unwrap_err(), InvokeError::Stopped);
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    for (variable, kind, want) in
        [("BROKEN", ErrorKind::Exit, "exit status 1"), ("INIT_ERROR", ErrorKind::Init, "no config")]
    {
        let mut spec = spec("try");
        spec.environment.insert(variable.to_owned(), "1".to_owned());
        let stand = Stand::with(spec, |settings| settings).await;
        let answer = stand.call(&json!({})).await;
        let error = answer.error.unwrap();
        assert_eq!(error.kind, kind);
        assert!(error.message.contains(want), "{}", error.message);
        let broken = answer.log.contains(&"broken from the start".to_owned());
        assert_eq!(broken, variable == "BROKEN", "{:?}", answer.log);
    }
}

#[tokio::test]
async fn what_the_runtime_api_does_not_take_is_refused() {
    let stand = Stand::new().await;
    let answer = stand.call(&json!({"do": "strange"})).await;
    assert_eq!(answer.json(), json!([404, 400]));

    let answer = stand.call(&json!({"do": "answer twice"})).await;
    assert_eq!(answer.json(), json!("first"));
    assert!(answer.log.contains(&"the second answer gets 400".to_owned()), "{:?}", answer.log);

    let answer = stand.call(&json!({"do": "large"})).await;
    assert_eq!(answer.error.unwrap().error_type, "Function.ResponseSizeTooLarge");
}

#[tokio::test]
async fn the_log_has_what_was_written_between_start_and_end() {
    let stand = Stand::new().await;
    let answer = stand.call(&json!({"do": "log", "n": 7})).await;
    let id = &answer.request_id;
    assert_eq!(answer.log[0], format!("START RequestId: {id} Version: $LATEST"));
    assert!(answer.log[1].contains("\"n\": 7"), "{:?}", answer.log);
    assert_eq!(answer.log[2], "to standard error");
    assert_eq!(answer.log[3], format!("END RequestId: {id}"));
    assert!(answer.log[4].starts_with(&format!("REPORT RequestId: {id}\tDuration: ")), "{:?}", answer.log);
    assert!(answer.log[4].contains("\tMax Memory Used: "), "{:?}", answer.log);
    assert_eq!(answer.log.len(), 5);

    stand.call(&json!({"do": "log", "n": 8})).await;
    let lines = stand.functions.logs("pointsman-try");
    let numbers: Vec<_> = lines.iter().filter_map(|line| Some(line.json()?["n"].clone())).collect();
    assert_eq!(numbers, [json!(7), json!(8)]);
    assert!(lines.is_sorted_by_key(|line| line.time), "{lines:?}");
}

#[tokio::test]
async fn more_calls_than_reserved_are_throttled() {
    let mut spec = spec("try");
    spec.reserved_concurrency = Some(1);
    let stand = Stand::with(spec, |settings| settings).await;
    let event = json!({"do": "wait"});
    let (first, ()) = tokio::join!(stand.call(&event), async {
        let mut meeting = stand.meet().await;
        let second = stand.functions.invoke("pointsman-try", &json!({})).await;
        assert_eq!(second.unwrap_err(), InvokeError::Throttled);
        meeting.go_on().await;
    });
    assert_eq!(first.error, None);
}

#[tokio::test]
async fn functions_that_lambda_would_not_take_are_not_started() {
    let stand = Stand::new().await;
    let start = |change: &dyn Fn(&mut lambda::FunctionSpec)| {
        let mut spec = spec("try");
        change(&mut spec);
        let settings = Settings::new(stand.folder.path(), "http://127.0.0.1:1");
        Functions::start(vec![spec], settings).err().unwrap().to_string()
    };
    let large = start(&|spec| {
        spec.environment.insert("SERVICE_MOBILE_WEB".to_owned(), "x".repeat(4096));
    });
    assert!(large.contains("exceeded the 4KB limit. String measured: {"), "{large}");
    let reserved = start(&|spec| {
        spec.environment.insert("AWS_REGION".to_owned(), "eu-central-1".to_owned());
    });
    assert!(reserved.ends_with("Reserved keys used in this request: AWS_REGION"), "{reserved}");
    let missing = start(&|spec| spec.name = "pointsman-other".to_owned());
    assert!(missing.ends_with("other/bootstrap is missing. Run `make build` first"), "{missing}");

    let unknown = stand.functions.invoke("nobody", &json!({})).await.unwrap_err();
    assert_eq!(unknown.to_string(), "Function not found: nobody");
}
