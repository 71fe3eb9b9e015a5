//! Plain HTTP requests to the load balancer, as a browser sends them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::header::{COOKIE, HOST, SET_COOKIE};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::trouble::{Result, Trouble, While};

/// Whoever waits longer for a page has gone.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one address, with connections that it keeps, and the last cookie of each site.
#[derive(Clone, Debug)]
pub struct Web {
    client: Client<HttpConnector, Empty<Bytes>>,
    url: String,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub status: u16,
    pub body: String,
}

impl Web {
    #[must_use]
    pub fn new(url: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, url: url.to_owned(), cookies: Arc::default() }
    }

    /// Gets a page of a site.
    ///
    /// # Errors
    ///
    /// Where no answer comes. An answer that is an error is a page.
    pub async fn get(&self, host: &str, path: &str) -> Result<Page> {
        let mut request = hyper::Request::get(format!("{}{path}", self.url)).header(HOST, host);
        if let Some(cookie) = self.cookies.lock().unwrap_or_else(PoisonError::into_inner).get(host) {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(Empty::new())?;
        let exchange = async {
            let answer = self.client.request(request).await?;
            let status = answer.status().as_u16();
            let cookie = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok()?.split(';').next());
            if let Some(cookie) = cookie {
                let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
                cookies.insert(host.to_owned(), cookie.to_owned());
            }
            let body = answer.into_body().collect().await?.to_bytes();
            Ok(Page { status, body: String::from_utf8_lossy(&body).trim().to_owned() })
        };
        let answer: Result<Page> = tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(Trouble::new(format!("no answer within {} seconds", TIMEOUT.as_secs()))));
        answer.when(format_args!("{host}{path}"))
    }
}
