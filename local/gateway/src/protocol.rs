//! AWS's wire protocols: what an error looks like in each, and the codes that services use for throttling and denial.

use hyper::header::HeaderValue;
use serde_json::{Value, json};

use crate::{Request, Response};

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's own variant of the query protocol.
    Ec2,
    /// Form in, XML out: ELBv2, SNS, IAM, STS.
    Query,
    /// JSON with `X-Amz-Target`: SSM, DynamoDB, CodePipeline, tagging.
    Json,
    /// Route 53.
    RestXml,
    /// S3: XML with an error shape of its own.
    S3,
    /// Lambda.
    RestJson,
    /// Smithy RPC v2 CBOR: newer CloudWatch clients.
    Cbor,
}

/// Makes an error in the shape that the caller's protocol has for it.
pub(crate) fn error(request: &Request, status: u16, code: &str, message: &str) -> Response {
    let kind = if status >= 500 { "Receiver" } else { "Sender" };
    let id = uuid::Uuid::new_v4();
    let (code_xml, message_xml) = (escape(code), escape(message));
    match request.protocol {
        Protocol::Ec2 => Response::new(
            status,
            "text/xml;charset=UTF-8",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code_xml}</Code>\
                 <Message>{message_xml}</Message></Error></Errors><RequestID>{id}</RequestID></Response>"
            ),
        ),
        Protocol::Query | Protocol::RestXml => Response::new(
            status,
            "text/xml",
            format!(
                "<?xml version=\"1.0\"?>\n<ErrorResponse><Error><Type>{kind}</Type><Code>{code_xml}</Code>\
                 <Message>{message_xml}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
            ),
        ),
        Protocol::S3 => Response::new(
            status,
            "application/xml",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code_xml}</Code>\
                 <Message>{message_xml}</Message><RequestId>{id}</RequestId></Error>"
            ),
        ),
        Protocol::Json => {
            Response::new(status, "application/x-amz-json-1.1", json!({"__type": code, "message": message}).to_string())
                .with_header("x-amzn-errortype", code)
        }
        Protocol::RestJson => {
            let kind = if status >= 500 { "Service" } else { "User" };
            let body = json!({"Type": kind, "message": message, "Message": message});
            Response::new(status, "application/json", body.to_string()).with_header("x-amzn-errortype", code)
        }
        Protocol::Cbor => {
            let mut body = vec![0xa2]; // A map of two.
            for text in ["__type", code, "message", message] {
                cbor_text(&mut body, text);
            }
            Response::new(status, "application/cbor", body)
                .with_header("smithy-protocol", "rpc-v2-cbor")
                .with_header("x-amzn-query-error", &format!("{code};{kind}"))
        }
    }
}

/// Reads AWS's error code out of an answer; none where the answer is good or says none.
pub(crate) fn error_code(response: &Response) -> Option<String> {
    if response.status.as_u16() < 400 {
        return None;
    }
    let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(kind) = header("x-amzn-errortype") {
        return Some(bare(kind));
    }
    if let Some(code) = header("x-amzn-query-error").and_then(|value| value.split(';').next()) {
        return Some(code.to_owned());
    }
    let text = std::str::from_utf8(&response.body).ok()?;
    if text.trim_start().starts_with('{') {
        let value: Value = serde_json::from_str(text).ok()?;
        return ["__type", "code", "Code"].iter().find_map(|key| value.get(key)?.as_str()).map(bare);
    }
    between(text, "<Code>", "</Code>").map(str::to_owned)
}

/// Reads AWS's error message out of an answer.
pub(crate) fn error_message(response: &Response) -> Option<String> {
    let text = std::str::from_utf8(&response.body).ok()?;
    if text.trim_start().starts_with('{') {
        let value: Value = serde_json::from_str(text).ok()?;
        return ["message", "Message"].iter().find_map(|key| value.get(key)?.as_str()).map(str::to_owned);
    }
    let text = between(text, "<Message>", "</Message>")?;
    Some(
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&"),
    )
}

/// The service's own throttling error: status, code, message.
pub(crate) fn throttled(request: &Request) -> (u16, &'static str, &'static str) {
    match (request.protocol, request.service.as_str()) {
        (Protocol::Ec2, _) => (503, "RequestLimitExceeded", "Request limit exceeded."),
        (Protocol::S3, _) => (503, "SlowDown", "Please reduce your request rate."),
        (Protocol::RestJson, "lambda") => (429, "TooManyRequestsException", "Rate Exceeded."),
        (Protocol::Json | Protocol::RestJson, _) => (400, "ThrottlingException", "Rate exceeded"),
        (Protocol::Query | Protocol::RestXml | Protocol::Cbor, _) => (400, "Throttling", "Rate exceeded"),
    }
}

/// The service's own denial: status, code, and a message that names the action and the resource.
pub(crate) fn denied(request: &Request) -> (u16, &'static str, String) {
    let prefix = match request.service.as_str() {
        "monitoring" => "cloudwatch",
        "tagging" => "tag",
        other => other,
    };
    let resource = if request.resources.is_empty() { "*".to_owned() } else { request.resources.join(", ") };
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/{0}/{0} is not authorized to perform: {prefix}:{1} on resource: \
         {resource} because no identity-based policy allows the {prefix}:{1} action",
        request.caller, request.action
    );
    match (request.protocol, request.service.as_str()) {
        (Protocol::Ec2, _) => {
            (403, "UnauthorizedOperation", format!("You are not authorized to perform this operation. {message}"))
        }
        (_, "sns") => (403, "AuthorizationError", message),
        (Protocol::Json, _) => (400, "AccessDeniedException", message),
        (Protocol::RestJson, _) => (403, "AccessDeniedException", message),
        (Protocol::Query | Protocol::RestXml | Protocol::S3 | Protocol::Cbor, _) => (403, "AccessDenied", message),
    }
}

/// A fresh request id, as a header's value.
pub(crate) fn request_id() -> HeaderValue {
    HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("-"))
}

/// Escapes text for XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

/// Drops the namespace before `#` and the address after `:` that AWS puts around some codes.
fn bare(code: &str) -> String {
    let code = code.split(':').next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code).to_owned()
}

fn cbor_text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.push(0x7a); // A text string with a length of four bytes.
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
