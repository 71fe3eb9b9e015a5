//! Sending calls on to moto, over connections that are kept.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::{Aws, Request, Response};

/// The client that reaches moto.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Upstream {
    pub(crate) fn new(base: &str) -> Self {
        Self { client: client(), base: base.trim_end_matches('/').to_owned() }
    }

    /// A client that asks moto in the name of a call's caller; such calls are not recorded.
    pub(crate) fn aws(&self, request: &Request) -> Aws {
        Aws::for_caller(self.client.clone(), &self.base, request)
    }

    /// Sends a call on as it came and reads the whole answer.
    pub(crate) async fn send(&self, request: &Request) -> Response {
        match self.try_send(request).await {
            Ok(response) => response,
            Err(problem) => {
                Response::error(request, 502, "SimulatorUnreachable", &format!("moto did not answer: {problem}"))
            }
        }
    }

    async fn try_send(&self, request: &Request) -> Result<Response, BoxError> {
        let mut uri = format!("{}{}", self.base, request.path);
        if !request.query.is_empty() {
            uri.push('?');
            uri.push_str(&request.query);
        }
        let mut sent = hyper::Request::builder().method(request.method.clone()).uri(uri);
        if let Some(headers) = sent.headers_mut() {
            headers.clone_from(&request.headers);
            // They are about the caller's connection, not about the call; the length is set anew.
            for name in [CONNECTION, EXPECT, TRANSFER_ENCODING, CONTENT_LENGTH] {
                headers.remove(name);
            }
        }
        let answer = self.client.request(sent.body(Full::new(request.body.clone()))?).await?;
        let (mut parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        parts.headers.remove(CONNECTION);
        parts.headers.remove(TRANSFER_ENCODING);
        Ok(Response { status: parts.status, headers: parts.headers, body })
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An HTTP client that does not wait to fill packets.
pub(crate) fn client() -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}
