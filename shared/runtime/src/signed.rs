//! Calls of AWS services for which there is no SDK crate here, signed by the SDK's own signer and sent through its own client.
//!
//! Of Lambda's API it is two calls, of the others' one: `aws-sdk-lambda` and `aws-sdk-cloudwatchlogs` would bring event streams, with
//! which every other SDK crate would be compiled anew.

use std::borrow::Cow;
use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::Value;

use crate::clients::Clients;
use crate::errors::{AwsError, Kind};

/// How much of an answer is read: AWS sends no more than 6 MB of anything that is called here.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// The price list's name.
pub(crate) const PRICING: &str = "pricing";

pub(crate) const IAM: &str = "iam";

/// Why there is no answer, for people.
pub(crate) type NoAnswer = String;

/// One call.
pub(crate) struct Call<'a> {
    /// As endpoints and signatures name the service: `lambda`.
    pub service: &'a str,
    pub method: &'a str,
    /// From `/` on, percent-encoded.
    pub path: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: &'a str,
}

/// What AWS answered.
pub(crate) struct Answer {
    pub status: u16,
    /// Of an invocation: the function itself failed.
    pub function_failed: bool,
    /// AWS's code, where it stands in a header.
    code: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What the body says under a key; services spell `message` both ways.
    pub fn message(&self, key: &str) -> String {
        let json = self.json();
        let text = json.get(key).or_else(|| json.get("message")).and_then(Value::as_str);
        text.unwrap_or("it does not say why").chars().take(300).collect()
    }

    /// The answer as AWS's error.
    pub fn error(&self, action: &'static str, resource: &str) -> AwsError {
        let json = self.json();
        // XML, as the services that are older than JSON send it.
        let text = if json.is_null() { String::from_utf8_lossy(&self.body) } else { Cow::default() };
        let code = self.code.as_deref().or_else(|| json.get("__type").and_then(Value::as_str));
        let code = code.or_else(|| element(&text, "Code"));
        let code = code.map(|code| code.rsplit('#').next().unwrap_or(code)).map(|code| {
            // As headers have it: `ResourceNotFoundException:http://internal.amazon.com/…`.
            code.split(':').next().unwrap_or(code).to_owned()
        });
        let kind = Kind::of(code.as_deref().unwrap_or_default(), self.status >= 500);
        let message = match (&code, json.is_null()) {
            (_, true) if !text.is_empty() => element(&text, "Message").unwrap_or(&text).chars().take(300).collect(),
            _ => self.message("Message"),
        };
        AwsError { action, resource: resource.to_owned(), code, message, kind }
    }
}

/// The text of an element of this name, the first of an answer; nothing of it is unescaped.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// Signs a call and sends it.
pub(crate) async fn send(clients: &Clients, call: &Call<'_>) -> Result<Answer, NoAnswer> {
    let config = &clients.config;
    let region = config.region().map(AsRef::as_ref).unwrap_or_default();
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let (host, region) = home(call.service, region);
    let endpoint = config
        .endpoint_url()
        .map_or_else(|| format!("https://{host}.{domain}"), |url| url.trim_end_matches('/').to_owned());
    let uri = format!("{endpoint}{}", call.path);
    let provider = config.credentials_provider().ok_or("there are no credentials")?;
    let identity = provider.provide_credentials().await.map_err(|error| error.to_string())?.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(call.service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let body = SignableBody::Bytes(call.body.as_bytes());
    let signed = SignableRequest::new(call.method, uri.as_str(), call.headers.iter().copied(), body)
        .and_then(|request| sign(request, &parameters))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = signed.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(call.body));
    request.set_method(call.method).map_err(|error| error.to_string())?;
    request.set_uri(uri.as_str()).map_err(|error| error.to_string())?;
    for (name, value) in call.headers.iter().copied().chain(instructions.headers()) {
        request.headers_mut().insert(name.to_owned(), value.to_owned());
    }
    let response = unsigned(clients, request).await?;
    let status = response.status().as_u16();
    let function_failed = response.headers().contains_key("x-amz-function-error");
    let code = response.headers().get("x-amzn-errortype").map(str::to_owned);
    Ok(Answer { status, function_failed, code, body: read(response, ANSWER_BYTES).await? })
}

/// The beginning of a service's host name, and the region that a call is signed for: the price list of all regions is kept in one of
/// them, and IAM is one for all.
/// <https://docs.aws.amazon.com/general/latest/gr/billing.html>, <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>
fn home<'a>(service: &str, region: &'a str) -> (String, &'a str) {
    let (is_china, is_government) = (region.starts_with("cn-"), region.starts_with("us-gov-"));
    match service {
        PRICING if is_china => ("api.pricing.cn-northwest-1".to_owned(), "cn-northwest-1"),
        PRICING => ("api.pricing.us-east-1".to_owned(), "us-east-1"),
        IAM if is_china => ("iam.cn-north-1".to_owned(), "cn-north-1"),
        IAM if is_government => ("iam.us-gov".to_owned(), "us-gov-west-1"),
        IAM => ("iam".to_owned(), "us-east-1"),
        _ => (format!("{service}.{region}"), region),
    }
}

/// Sends a request as it is.
pub(crate) async fn unsigned(clients: &Clients, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
    clients.connector.call(request).await.map_err(|error| crate::errors::chain(&error))
}

/// A body's beginning: so much, and the rest of what came with it.
pub(crate) async fn read(response: HttpResponse, bytes: usize) -> Result<Vec<u8>, NoAnswer> {
    let mut body = ByteStream::new(response.into_body());
    let mut read = Vec::new();
    while let Some(more) = body.next().await {
        read.extend_from_slice(&more.map_err(|error| error.to_string())?);
        if read.len() >= bytes {
            break;
        }
    }
    Ok(read)
}

/// The path of a function's invocations, or of what else of it.
pub(crate) fn function_path(function: &str, what: &str) -> String {
    let function = function.replace(':', "%3A").replace('$', "%24");
    format!("/2015-03-31/functions/{function}/{what}")
}
