//! A service's own checks, carried out: its functions called, and its targets asked.
//!
//! Of Lambda's API it is one call, so it is signed here with the SDK's own signer and sent through its own client: the crate
//! `aws-sdk-lambda` brings event streams, with which every other SDK crate would be compiled anew.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use domain::check::{Answered, Examination, Verdict};
use domain::config::{Check, HttpCheck};
use domain::id::InstanceId;

use crate::clients::{CHECK_TIMEOUT, Clients};
use crate::together;

/// How long a target may take: it has answered the load balancer's checks.
const TARGET_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const BODY_BYTES: usize = 256 * 1024;
/// How often a function is called that Lambda could not call, and the pause between.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// All of an examination's checks, side by side.
pub(crate) async fn examine(clients: &Clients, examination: &Examination) -> Vec<(String, Verdict)> {
    let verdicts = together::all(examination.checks.iter().map(|check| async move {
        match check {
            Check::Function(function) => call(clients, function, examination).await,
            Check::Http(request) => ask_all(clients, request, &examination.targets).await,
        }
    }));
    let names = examination.checks.iter().map(ToString::to_string);
    names.zip(verdicts.await).collect()
}

/// Why there is no answer that could be judged, for people.
type NoAnswer = String;

async fn call(clients: &Clients, function: &str, examination: &Examination) -> Verdict {
    let payload = examination.payload().to_string();
    let calls = async {
        let mut attempt = 1;
        loop {
            match invoke(clients, function, &payload).await {
                // Lambda's own trouble, or too many calls at once: it passes.
                Ok((429 | 500.., _, _)) | Err(_) if attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                answered => return answered,
            }
        }
    };
    let Ok(answered) = tokio::time::timeout(CHECK_TIMEOUT, calls).await else {
        return Verdict::None(format!("it did not answer within {} s", CHECK_TIMEOUT.as_secs()));
    };
    match answered {
        Ok((200, false, body)) => Verdict::of_function(&body),
        Ok((200, true, body)) => Verdict::None(format!("it failed: {}", message(&body, "errorMessage"))),
        Ok((403, _, body)) => Verdict::None(format!(
            "it may not be called: {}. Allow lambda:InvokeFunction on it in this function's role (parameter CheckFunctionArns)",
            message(&body, "Message")
        )),
        Ok((404, ..)) => Verdict::None("there is no such function in this account and region".to_owned()),
        Ok((status, _, body)) => Verdict::None(format!("Lambda answered {status}: {}", message(&body, "Message"))),
        Err(why) => Verdict::None(format!("Lambda could not be reached: {why}")),
    }
}

/// What Lambda's or the function's error says; services spell the key both ways.
fn message(body: &[u8], key: &str) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = json.get(key).or_else(|| json.get("message")).and_then(serde_json::Value::as_str);
    text.unwrap_or("it does not say why").chars().take(300).collect()
}

/// One `Invoke`: the status, whether the function itself failed, and the payload.
async fn invoke(clients: &Clients, function: &str, payload: &str) -> Result<(u16, bool, Vec<u8>), NoAnswer> {
    let config = &clients.config;
    let region = config.region().map(AsRef::as_ref).unwrap_or_default();
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let endpoint = config
        .endpoint_url()
        .map_or_else(|| format!("https://lambda.{region}.{domain}"), |url| url.trim_end_matches('/').to_owned());
    let function = function.replace(':', "%3A").replace('$', "%24");
    let uri = format!("{endpoint}/2015-03-31/functions/{function}/invocations");
    let provider = config.credentials_provider().ok_or("there are no credentials")?;
    let identity = provider.provide_credentials().await.map_err(|error| error.to_string())?.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("lambda")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let headers = [("content-type", "application/json")];
    let body = SignableBody::Bytes(payload.as_bytes());
    let signed = SignableRequest::new("POST", uri.as_str(), headers.into_iter(), body)
        .and_then(|request| sign(request, &parameters))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = signed.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(payload));
    request.set_method("POST").map_err(|error| error.to_string())?;
    request.set_uri(uri.as_str()).map_err(|error| error.to_string())?;
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        request.headers_mut().insert(name.to_owned(), value.to_owned());
    }
    let response = send(clients, request).await?;
    let failed = response.headers().contains_key("x-amz-function-error");
    Ok((response.status().as_u16(), failed, read(response).await?))
}

async fn ask_all(clients: &Clients, check: &HttpCheck, targets: &[(InstanceId, String)]) -> Verdict {
    let answers = together::all(targets.iter().map(|(target, address)| async move {
        let url = format!("{address}{}", check.url);
        let answer = tokio::time::timeout(TARGET_TIMEOUT, ask(clients, &url)).await;
        let late = |_| Err(format!("it did not answer within {} s", TARGET_TIMEOUT.as_secs()));
        (target.clone(), answer.unwrap_or_else(late))
    }));
    Verdict::of_targets(check, &answers.await)
}

async fn ask(clients: &Clients, url: &str) -> Answered {
    let mut request = HttpRequest::get(url).map_err(|error| error.to_string())?;
    request.headers_mut().insert("user-agent", "pointsman");
    let response = send(clients, request).await?;
    let status = response.status().as_u16();
    Ok((status, String::from_utf8_lossy(&read(response).await?).into_owned()))
}

async fn send(clients: &Clients, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
    clients.connector.call(request).await.map_err(|error| crate::errors::chain(&error))
}

/// A body's beginning.
async fn read(response: HttpResponse) -> Result<Vec<u8>, NoAnswer> {
    let mut body = ByteStream::new(response.into_body());
    let mut read = Vec::new();
    while let Some(bytes) = body.next().await {
        read.extend_from_slice(&bytes.map_err(|error| error.to_string())?);
        if read.len() >= BODY_BYTES {
            break;
        }
    }
    Ok(read)
}
