//! Lambda's own API, as far as it is needed to call the functions: Invoke and the looks at them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use gateway::{Handler, Request, Response};
use hyper::Method;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::invoke::{Functions, InvokeError};
use crate::template::FunctionSpec;

/// Lambda takes an asynchronous event of up to 1 MB, and one that is waited for of up to 6 MB.
const EVENT_MAX_BYTES: usize = 1024 * 1024;
const PAYLOAD_MAX_BYTES: usize = crate::runtime_api::PAYLOAD_MAX_BYTES;

/// Answers the calls of the service `lambda`: `gateway.mount("lambda", lambda::api::handler(functions))`.
#[must_use]
pub fn handler(functions: Functions) -> Handler {
    Arc::new(move |request| {
        let functions = functions.clone();
        Box::pin(async move { answer(&functions, &request).await })
    })
}

async fn answer(functions: &Functions, request: &Request) -> Response {
    let path = request.path.trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    match (&request.method, parts.as_slice()) {
        (&Method::POST, ["2015-03-31", "functions", function, "invocations"]) => {
            invoke(functions, request, &name_of(function)).await
        }
        (&Method::GET, ["2015-03-31", "functions"]) => {
            let all: Vec<Value> = functions.specs().map(configuration).collect();
            json_response(200, &json!({"Functions": all}))
        }
        (&Method::GET, ["2015-03-31", "functions", function]) => look(
            functions,
            request,
            &name_of(function),
            |spec| json!({"Configuration": configuration(spec), "Tags": {}}),
        ),
        (&Method::GET, ["2015-03-31", "functions", function, "configuration"]) => {
            look(functions, request, &name_of(function), configuration)
        }
        _ => {
            let message = format!(
                "{} {} is not there on this machine: functions are invoked, read and listed",
                request.method, request.path
            );
            Response::error(request, 404, "UnknownOperationException", &message)
        }
    }
}

async fn invoke(functions: &Functions, request: &Request, name: &str) -> Response {
    if functions.spec(name).is_none() {
        return not_found(request, name);
    }
    // The CLI sends nothing where there is no payload; the function gets an empty object then.
    let payload = if request.body.is_empty() { "{}".into() } else { request.body.clone() };
    if let Err(error) = serde_json::from_slice::<Value>(&payload) {
        let message = format!("Could not parse request body into json: {error}");
        return Response::error(request, 400, "InvalidRequestContentException", &message);
    }
    let kind = request.header("x-amz-invocation-type").unwrap_or("RequestResponse");
    let bytes_max = if kind == "Event" { EVENT_MAX_BYTES } else { PAYLOAD_MAX_BYTES };
    if payload.len() > bytes_max {
        let message = format!("{} byte payload is too large for the {kind} invocation type", payload.len());
        return Response::error(request, 413, "RequestTooLargeException", &message);
    }
    match kind {
        "DryRun" => Response::new(204, "application/json", ""),
        "Event" => match functions.invoke_async_bytes(name, payload) {
            Ok(_) => Response::new(202, "application/json", ""),
            Err(error) => refusal(request, &error),
        },
        "RequestResponse" => match functions.invoke_bytes(name, payload).await {
            Ok(answer) => answered(request, &answer),
            Err(error) => refusal(request, &error),
        },
        other => {
            let message = format!("{other} is no invocation type: RequestResponse, Event and DryRun are");
            Response::error(request, 400, "InvalidParameterValueException", &message)
        }
    }
}

fn answered(request: &Request, answer: &Answer) -> Response {
    let mut response = Response::new(200, "application/json", answer.payload.clone())
        .with_header("x-amzn-requestid", &answer.request_id)
        .with_header("x-amz-executed-version", "$LATEST");
    if answer.error.is_some() {
        // A function of an OS-only runtime has no way to handle an error for Lambda.
        response = response.with_header("x-amz-function-error", "Unhandled");
    }
    if request.header("x-amz-log-type") == Some("Tail") {
        response = response.with_header("x-amz-log-result", &BASE64.encode(answer.log_tail()));
    }
    response
}

fn refusal(request: &Request, error: &InvokeError) -> Response {
    match error {
        InvokeError::NotFound(name) => not_found(request, name),
        InvokeError::Throttled => Response::error(request, 429, "TooManyRequestsException", "Rate Exceeded."),
        InvokeError::Stopped => Response::error(request, 500, "ServiceException", &error.to_string()),
    }
}

fn look(functions: &Functions, request: &Request, name: &str, show: impl Fn(&FunctionSpec) -> Value) -> Response {
    match functions.spec(name) {
        Some(spec) => json_response(200, &show(spec)),
        None => not_found(request, name),
    }
}

fn not_found(request: &Request, name: &str) -> Response {
    let message = format!("Function not found: {name}");
    Response::error(request, 404, "ResourceNotFoundException", &message)
}

fn json_response(status: u16, body: &Value) -> Response {
    Response::new(status, "application/json", body.to_string())
}

fn configuration(spec: &FunctionSpec) -> Value {
    json!({
        "FunctionName": spec.name,
        "FunctionArn": spec.arn,
        "Runtime": "provided.al2023",
        "Handler": spec.handler,
        "Timeout": spec.timeout.as_secs(),
        "MemorySize": spec.memory_mb,
        "Version": "$LATEST",
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Environment": {"Variables": spec.environment},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": spec.log_group},
    })
}

/// The name of a function that may be given as an ARN or with a version, percent-encoded.
fn name_of(given: &str) -> String {
    let given = decoded(given);
    match given.split_once(":function:") {
        Some((_, name)) => name.split(':').next().unwrap_or(name).to_owned(),
        None => given.split(':').next().unwrap_or(&given).to_owned(),
    }
}

fn decoded(text: &str) -> String {
    // As the value of a form, but for `+`, which a path means as it stands.
    let form = format!("={}", text.replace('+', "%2B"));
    form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
