//! The functions behind the gateway, as the AWS CLI meets them, and their logs.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gateway::{Aws, Gateway, Request, Response};
use hyper::Method;
use serde_json::{Value, json};

use crate::stand::{Stand, spec};

/// Nobody listens there: whatever is not mounted fails.
const NOWHERE: &str = "http://127.0.0.1:1";

async fn gateway(stand: &Stand) -> (Gateway, Aws) {
    let gateway = Gateway::start(NOWHERE).await.unwrap();
    gateway.mount("lambda", lambda::api::handler(stand.functions.clone()));
    let aws = gateway.aws("SOMEBODY");
    (gateway, aws)
}

fn invocations(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/invocations")
}

#[tokio::test]
async fn a_function_is_called() {
    let stand = Stand::new().await;
    let (_gateway, aws) = gateway(&stand).await;
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Apointsman-try";
    for name in ["pointsman-try", "pointsman-try:$LATEST", arn] {
        let answer = aws
            .rest("lambda", Method::POST, &invocations(name), &[("x-amz-log-type", "Tail")], r#"{"do": "log", "n": 1}"#)
            .await
            .unwrap();
        let payload: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status.as_u16(), &payload["event"]["n"]), (200, &json!(1)));
        assert_eq!(answer.headers["x-amz-executed-version"], "$LATEST");
        assert!(!answer.headers.contains_key("x-amz-function-error"));
        let log = BASE64.decode(&answer.headers["x-amz-log-result"]).unwrap();
        let log = String::from_utf8(log).unwrap();
        assert!(log.starts_with("START RequestId: ") && log.contains("\nREPORT RequestId: "), "{log}");
    }
}

#[tokio::test]
async fn an_error_of_the_function_is_an_answer() {
    let stand = Stand::new().await;
    let (_gateway, aws) = gateway(&stand).await;
    let answer =
        aws.rest("lambda", Method::POST, &invocations("pointsman-try"), &[], r#"{"do": "fail"}"#).await.unwrap();
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.headers["x-amz-function-error"], "Unhandled");
    assert!(!answer.headers.contains_key("x-amz-log-result"));
}

#[tokio::test]
async fn an_event_is_taken_and_run_later() {
    let stand = Stand::new().await;
    let (_gateway, aws) = gateway(&stand).await;
    let mut answers = stand.functions.subscribe();
    for (kind, status) in [("Event", 202), ("DryRun", 204)] {
        let headers = [("x-amz-invocation-type", kind)];
        let answer = aws.rest("lambda", Method::POST, &invocations("pointsman-try"), &headers, "").await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
    }
    stand.functions.idle().await;
    assert_eq!(answers.try_recv().unwrap().json()["event"], json!({}));
    assert!(answers.try_recv().is_err());
}

#[tokio::test]
async fn functions_can_be_looked_at() {
    let stand = Stand::new().await;
    let (_gateway, aws) = gateway(&stand).await;
    let get = async |path: &str| {
        let answer = aws.rest("lambda", Method::GET, path, &[], "").await.unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    let one = get("/2015-03-31/functions/pointsman-try").await;
    assert_eq!(one["Configuration"]["Timeout"], 20);
    assert_eq!(get("/2015-03-31/functions/pointsman-try/configuration").await["MemorySize"], 256);
    assert_eq!(get("/2015-03-31/functions/").await["Functions"][0]["FunctionName"], "pointsman-try");
}

#[tokio::test]
async fn what_lambda_would_refuse_is_refused() {
    let stand = Stand::new().await;
    let (_gateway, aws) = gateway(&stand).await;
    let call = invocations("pointsman-try");
    for (method, path, headers, body, want) in [
        (Method::POST, invocations("nobody"), vec![], "{}", "ResourceNotFoundException: Function not found: nobody"),
        (Method::GET, "/2015-03-31/functions/nobody".to_owned(), vec![], "", "ResourceNotFoundException"),
        (
            Method::POST,
            call.clone(),
            vec![],
            "{",
            "InvalidRequestContentException: Could not parse request body into json",
        ),
        (Method::POST, call, vec![("x-amz-invocation-type", "Later")], "{}", "InvalidParameterValueException"),
        (Method::DELETE, "/2015-03-31/functions/pointsman-try".to_owned(), vec![], "", "UnknownOperationException"),
    ] {
        let error = aws.rest("lambda", method, &path, &headers, body).await.unwrap_err().to_string();
        assert!(error.contains(want), "{path}: {error}");
    }
}

/// Stands for CloudWatch Logs: the group is there already, and all that is put is kept.
fn logs(put: &Arc<Mutex<Vec<Value>>>) -> gateway::Handler {
    let put = Arc::clone(put);
    Arc::new(move |request: Request| {
        let response = match request.action.as_str() {
            "CreateLogGroup" => Response::error(
                &request,
                400,
                "ResourceAlreadyExistsException",
                "The specified log group already exists",
            ),
            "PutLogEvents" => {
                put.lock().unwrap().push(request.json());
                Response::json(&json!({}))
            }
            _ => Response::json(&json!({})),
        };
        Box::pin(async { response })
    })
}

#[tokio::test]
async fn logs_go_to_cloudwatch_logs() {
    let put = Arc::default();
    let gateway = Gateway::start(NOWHERE).await.unwrap();
    gateway.mount("logs", logs(&put));
    let aws = gateway.aws("LAMBDA");
    let stand = Stand::with(spec("try"), |settings| settings.logs_to(aws)).await;
    let answer = stand.call(&json!({"do": "log", "n": 1})).await;
    assert_eq!(stand.functions.idle().await, None);

    let put = put.lock().unwrap();
    let call = &put[0];
    assert_eq!(call["logGroupName"], "/aws/lambda/pointsman-try");
    assert!(call["logStreamName"].as_str().unwrap().contains("/[$LATEST]"), "{call}");
    let messages: Vec<&str> =
        call["logEvents"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect();
    assert_eq!(messages, answer.log);
}

#[tokio::test]
async fn logs_that_cannot_be_sent_are_told() {
    let aws = Aws::new(NOWHERE, "LAMBDA");
    let stand = Stand::with(spec("try"), |settings| settings.logs_to(aws)).await;
    stand.call(&json!({})).await;
    let problem = stand.functions.idle().await.unwrap();
    assert!(problem.starts_with("logs CreateLogGroup: no answer"), "{problem}");
    assert_eq!(stand.functions.logs("pointsman-try").len(), 3);
}
