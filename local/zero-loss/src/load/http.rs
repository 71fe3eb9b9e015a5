//! Requests whose answers are pages, receipts and streams.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, COOKIE, HOST, HeaderValue, SET_COOKIE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Order, Shared, Told};
use crate::book::{Kind, Server};
use crate::server;

/// A connection that idled longer is given up: the load balancer may be about to close it.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// How far apart the chunks of a stream are.
const CHUNK_EVERY_MS: u64 = 50;

/// A customer: a connection to a node, and what he brings along from one request to the next.
#[derive(Debug)]
struct Sender {
    requests: SendRequest<Full<Bytes>>,
    client: SocketAddr,
    /// The load balancer's cookie by the number of its site, with the release that answered when he got it.
    cookies: BTreeMap<usize, (HeaderValue, String)>,
}

/// The connections that are kept alive, by node; those used last are used first.
#[derive(Debug)]
pub(super) struct Pool(Vec<Mutex<VecDeque<(Sender, Instant)>>>);

impl Pool {
    pub fn new(nodes: usize) -> Self {
        Self((0..nodes).map(|_| Mutex::default()).collect())
    }

    fn take(&self, node: usize) -> Option<Sender> {
        let mut idle = self.0.get(node)?.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.front().is_some_and(|(sender, since)| sender.requests.is_closed() || since.elapsed() > IDLE_MAX) {
            idle.pop_front();
        }
        while let Some((sender, _)) = idle.pop_back() {
            if sender.requests.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn put(&self, node: usize, sender: Sender) {
        if let Some(idle) = self.0.get(node) {
            idle.lock().unwrap_or_else(PoisonError::into_inner).push_back((sender, Instant::now()));
        }
    }
}

/// Connects to a node.
pub(super) async fn connect(address: SocketAddr) -> Result<(TcpStream, SocketAddr), String> {
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let client = stream.local_addr()?;
        std::io::Result::Ok((stream, client))
    };
    connecting.await.map_err(|error| format!("no connection: {error}"))
}

async fn sender(shared: &Shared, order: &Order) -> Result<Sender, String> {
    if !order.fresh
        && let Some(sender) = shared.pool.take(order.node)
    {
        return Ok(sender);
    }
    let (stream, client) = connect(order.address).await?;
    let (requests, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| words(&error))?;
    tokio::spawn(async move {
        // What it fails with is told to whoever waits for an answer on it.
        let _ = connection.await;
    });
    Ok(Sender { requests, client, cookies: BTreeMap::new() })
}

/// Makes a request and looks at all of its answer.
pub(super) async fn exchange(shared: &Shared, order: &Order, server: &mut Server) -> Result<Told, String> {
    let mut sender = sender(shared, order).await?;
    server.client = Some(sender.client);
    let mut request = request(order)?;
    if let Some((cookie, _)) = sender.cookies.get(&order.site) {
        request.headers_mut().insert(COOKIE, cookie.clone());
    }
    let answer = sender.requests.send_request(request).await.map_err(|error| words(&error))?;
    let head = Instant::now();
    name(answer.headers(), server);
    if answer.status() != StatusCode::OK {
        return Err(format!("status {}", answer.status().as_u16()));
    }
    let release = server.release.clone().ok_or("the answer names no release")?;
    let asked = if order.kind == Kind::Slow { order.takes } else { Duration::ZERO };
    shared.book().answered(order.site, &release, head.checked_sub(asked).unwrap_or(head));
    if let Some(cookie) = cookie(answer.headers()) {
        let before = sender.cookies.insert(order.site, (cookie, release.clone()));
        shared.book().kept += u64::from(before.is_some_and(|(_, before)| before == release));
    }
    let told = match order.kind {
        Kind::Stream => Told { parts: stream(order, answer).await?, answered: head },
        Kind::Get | Kind::Post | Kind::Slow | Kind::Socket => {
            let body = answer.into_body().collect().await.map_err(|error| words(&error))?.to_bytes();
            let wanted = server::receipt(&order.body);
            if body != wanted.as_bytes() {
                return Err(format!("wrong body: {}, not {wanted}", String::from_utf8_lossy(&body)));
            }
            Told { parts: 1, answered: Instant::now() }
        }
    };
    if !order.fresh && sender.requests.ready().await.is_ok() {
        shared.pool.put(order.node, sender);
    }
    Ok(told)
}

fn request(order: &Order) -> Result<Request<Full<Bytes>>, String> {
    let (method, path) = match order.kind {
        Kind::Get | Kind::Socket => (Method::GET, "/echo".to_owned()),
        Kind::Post => (Method::POST, "/echo".to_owned()),
        Kind::Slow => (Method::GET, format!("/slow?ms={}", order.takes.as_millis())),
        Kind::Stream => (Method::GET, format!("/stream?chunks={}&every_ms={CHUNK_EVERY_MS}", chunks(order))),
    };
    let mut request = Request::new(Full::new(order.body.clone()));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|error| format!("{path} is no path: {error}"))?;
    let host = HeaderValue::from_str(&order.host).map_err(|error| format!("{} is no host: {error}", order.host))?;
    request.headers_mut().insert(HOST, host);
    if order.fresh {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(request)
}

fn chunks(order: &Order) -> u32 {
    u32::try_from(order.takes.as_millis()).unwrap_or(u32::MAX) / u32::try_from(CHUNK_EVERY_MS).unwrap_or(1)
}

/// Reads a stream to its end; answers how many chunks it had, all of them right.
async fn stream(order: &Order, answer: Response<Incoming>) -> Result<u64, String> {
    let wanted = chunks(order);
    let (mut body, mut whole, mut seen) = (answer.into_body(), Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| format!("it broke off after {seen} of {wanted} chunks: {}", words(&error)))?;
        whole.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        // A chunk may come in pieces, or with the one before.
        while whole.len() >= server::CHUNK_BYTES {
            let rest = whole.split_off(server::CHUNK_BYTES);
            if whole != server::chunk(seen) {
                return Err(format!("wrong chunk {seen}: {}", String::from_utf8_lossy(&whole)));
            }
            (whole, seen) = (rest, seen + 1);
        }
    }
    if seen == wanted && whole.is_empty() {
        Ok(seen.into())
    } else {
        Err(format!("it ended after {seen} of {wanted} chunks"))
    }
}

/// What the load balancer gives a customer to bring along, where the rule is sticky.
fn cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let text = headers.get(SET_COOKIE)?.to_str().ok()?;
    HeaderValue::from_str(text.split(';').next()?).ok()
}

/// Notes who answered.
pub(super) fn name(headers: &HeaderMap, server: &mut Server) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    (server.release, server.instance) = (text(server::RELEASE), text(server::INSTANCE));
}

/// An error with its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
