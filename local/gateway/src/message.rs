//! A call and its answer, as handlers, faults and corrections see them.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use crate::protocol::{self, Protocol};
use crate::xml::Element;

/// A boxed future, as handlers and hooks return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One call as it came in, with what the gateway made of it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// The path without the query, still percent-encoded.
    pub path: String,
    /// The query without `?`, still percent-encoded; empty where there is none.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The access key id that the call is signed with: callers are told apart by it.
    pub caller: String,
    /// The region of the signature.
    pub region: String,
    /// The signing name: `ec2`, `elasticloadbalancing`, `monitoring`, `tagging`, `codepipeline` …
    pub service: String,
    /// The operation's name: `RunInstances`. `?` where it could not be told.
    pub action: String,
    /// What the call is about: ARNs, ids or names.
    pub resources: Vec<String>,
    pub protocol: Protocol,
}

impl Request {
    /// Reads the parameters of a query-protocol call, in the order they were sent.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        let source = if self.body.is_empty() { self.query.as_bytes() } else { &self.body };
        form_urlencoded::parse(source).into_owned().collect()
    }

    /// Reads the body as JSON; `Null` where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The same call with other parameters of the query protocol.
    pub(crate) fn with_form(&self, form: &[(String, String)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        Self { query: String::new(), body: body.into(), method: Method::POST, ..self.clone() }
    }

    /// Reads a header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads one parameter of the query string.
    #[must_use]
    pub fn query_parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    /// Makes an answer of a status, a content type and a body.
    #[must_use]
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert("x-amzn-requestid", protocol::request_id());
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers,
            body: body.into(),
        }
    }

    /// Makes a good answer of AWS's JSON protocol.
    #[must_use]
    pub fn json(value: &Value) -> Self {
        Self::new(200, "application/x-amz-json-1.1", value.to_string())
    }

    /// Makes a good answer of an XML protocol.
    #[must_use]
    pub fn xml(text: impl Into<String>) -> Self {
        Self::new(200, "text/xml", text.into())
    }

    /// Makes an error in the shape that the caller's protocol has for it.
    #[must_use]
    pub fn error(request: &Request, status: u16, code: &str, message: &str) -> Self {
        protocol::error(request, status, code, message)
    }

    /// Sets a header. A name or value that HTTP does not take is left out.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Reads the body as XML; none where it is not.
    pub(crate) fn xml_body(&self) -> Option<Element> {
        Element::parse(std::str::from_utf8(&self.body).ok()?)
    }

    /// The same answer with its XML changed; unchanged where it is no XML.
    pub(crate) fn changed(mut self, change: impl FnOnce(&mut Element)) -> Self {
        if let Some(mut document) = self.xml_body() {
            change(&mut document);
            self.body = document.document().into();
            return self.without_length();
        }
        self
    }

    /// The same answer without the length of an earlier body.
    pub(crate) fn without_length(mut self) -> Self {
        self.headers.remove(CONTENT_LENGTH);
        self
    }

    /// Reads AWS's error code, where the answer is an error.
    #[must_use]
    pub fn error_code(&self) -> Option<String> {
        protocol::error_code(self)
    }
}
