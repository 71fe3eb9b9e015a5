//! CloudWatch as newer SDKs speak it: CBOR, which moto does not know. It is handed on as JSON, and the answer handed back.

use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::aws::AwsError;
use crate::forward::Upstream;
use crate::{Request, Response, cbor};

/// Answers a call that came in CBOR.
pub(crate) async fn answer(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    let Some(input) = cbor::read(&request.body) else {
        return Ok(Response::error(request, 400, "SerializationException", "the body is no CBOR that is known here"));
    };
    let target = format!("GraniteServiceVersion20100801.{}", request.action);
    let mut plain =
        Request { method: Method::POST, path: "/".to_owned(), body: input.to_string().into(), ..request.clone() };
    for name in ["smithy-protocol", "accept", "content-length"] {
        plain.headers.remove(name);
    }
    plain.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(target) = HeaderValue::from_str(&target) {
        plain.headers.insert("x-amz-target", target);
    }
    let response = moto.send(&plain).await;
    if let Some(code) = response.error_code() {
        let message = crate::protocol::error_message(&response).unwrap_or_default();
        return Ok(Response::error(request, response.status.as_u16(), &code, &message));
    }
    let output = serde_json::from_slice(&response.body).unwrap_or_default();
    Ok(Response::new(200, "application/cbor", cbor::write(&output)).with_header("smithy-protocol", "rpc-v2-cbor"))
}
