//! A tiny AWS client without the SDK: for set-up, and for reading the simulator's state.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;

use crate::xml::Element;
use crate::{Request, Response, forward, protocol};

/// No call of the simulator takes this long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// AWS refused it, or failed.
    #[error("{service} {action}: {code}: {message}")]
    Service { service: String, action: String, status: u16, code: String, message: String },
    /// No answer came.
    #[error("{service} {action}: no answer: {reason}")]
    Connection { service: String, action: String, reason: String },
}

impl AwsError {
    /// AWS's error code, where AWS answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Service { code, .. } => Some(code),
            Self::Connection { .. } => None,
        }
    }
}

/// The client. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Aws {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: String,
    access_key: String,
    region: String,
}

impl Aws {
    /// Makes a client that names itself by an access key id, in us-east-1.
    #[must_use]
    pub fn new(endpoint: &str, access_key: &str) -> Self {
        Self {
            client: forward::client(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            access_key: access_key.to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    /// A client of moto itself that speaks for the caller of a request, over connections that exist.
    pub(crate) fn for_caller(client: Client<HttpConnector, Full<Bytes>>, endpoint: &str, request: &Request) -> Self {
        Self {
            client,
            endpoint: endpoint.to_owned(),
            access_key: request.caller.clone(),
            region: request.region.clone(),
        }
    }

    /// The same client in another region.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// Calls an action of the query protocol (`ec2`, `elasticloadbalancing`, `sns`, `iam`, `sts`, `monitoring` …); answers the XML.
    ///
    /// # Errors
    ///
    /// Where AWS refuses the call or does not answer.
    pub async fn query(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String, AwsError> {
        let version = match service {
            "ec2" => "2016-11-15",
            "elasticloadbalancing" => "2015-12-01",
            "sns" => "2010-03-31",
            "iam" => "2010-05-08",
            "sts" => "2011-06-15",
            "monitoring" => "2010-08-01",
            "cloudformation" => "2010-05-15",
            "autoscaling" => "2011-01-01",
            _ => "2012-11-05",
        };
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", version)
            .extend_pairs(parameters)
            .finish();
        let headers = headers(&[(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded; charset=utf-8")]);
        self.send(service, action, Method::POST, "/", headers, body.into()).await.map(|response| text(&response))
    }

    /// Calls an action of the query protocol and reads its answer.
    pub(crate) async fn query_xml(
        &self,
        service: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Element, AwsError> {
        let text = self.query(service, action, parameters).await?;
        Element::parse(&text).ok_or_else(|| AwsError::Connection {
            service: service.to_owned(),
            action: action.to_owned(),
            reason: "the answer is no XML".to_owned(),
        })
    }

    /// Calls an action of the JSON protocol by its target: `("ssm", "AmazonSSM.GetParameter", …)`.
    ///
    /// # Errors
    ///
    /// Where AWS refuses the call or does not answer.
    pub async fn json(&self, service: &str, target: &str, input: Value) -> Result<Value, AwsError> {
        let version = if matches!(service, "dynamodb" | "sqs") { "1.0" } else { "1.1" };
        let headers =
            headers(&[(CONTENT_TYPE.as_str(), &format!("application/x-amz-json-{version}")), ("x-amz-target", target)]);
        let action = target.rsplit('.').next().unwrap_or(target);
        let response = self.send(service, action, Method::POST, "/", headers, input.to_string().into()).await?;
        Ok(serde_json::from_slice(&response.body).unwrap_or(Value::Null))
    }

    /// Makes a REST call (`s3`, `route53`, `lambda`); the path may carry a query.
    ///
    /// # Errors
    ///
    /// Where AWS refuses the call or does not answer.
    pub async fn rest(
        &self,
        service: &str,
        method: Method,
        path_and_query: &str,
        extra_headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response, AwsError> {
        let action = format!("{method} {path_and_query}");
        self.send(service, &action, method, path_and_query, headers(extra_headers), body.into()).await
    }

    async fn send(
        &self,
        service: &str,
        action: &str,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, AwsError> {
        let attempt = self.try_send(service, method, path_and_query, headers, body);
        let lost = |reason: String| AwsError::Connection { service: service.into(), action: action.into(), reason };
        let response = match tokio::time::timeout(TIMEOUT, attempt).await {
            Ok(Ok(response)) => response,
            Ok(Err(problem)) => return Err(lost(problem.to_string())),
            Err(_) => return Err(lost(format!("none within {} s", TIMEOUT.as_secs()))),
        };
        if response.status < StatusCode::BAD_REQUEST {
            return Ok(response);
        }
        Err(AwsError::Service {
            service: service.to_owned(),
            action: action.to_owned(),
            status: response.status.as_u16(),
            code: response.error_code().unwrap_or_else(|| response.status.to_string()),
            message: protocol::error_message(&response).unwrap_or_default(),
        })
    }

    async fn try_send(
        &self,
        service: &str,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        // Nobody checks the signature here; what matters is who, where and which service.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=0",
            self.access_key, self.region
        );
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path_and_query}", self.endpoint))
            .body(Full::new(body))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(AUTHORIZATION, authorization.parse()?);
        let (parts, body) = self.client.request(request).await?.into_parts();
        Ok(Response { status: parts.status, headers: parts.headers, body: body.collect().await?.to_bytes() })
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect()
}

fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}
