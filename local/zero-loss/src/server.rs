//! The server of a release: small, cheap, and it says of each answer which release and instance it is from.
//!
//! ```text
//! /health                      200 as long as it serves
//! /echo                        what it received: length and hash
//! /slow?ms=N                   the same, N milliseconds later
//! /stream?chunks=N&every_ms=M  N chunks, one each M milliseconds
//! /socket                      a WebSocket that says what it is told
//! ```

use std::convert::Infallible;
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use local::{Result, Trouble};
use tokio::net::TcpSocket;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The headers that say who answered.
pub const RELEASE: &str = "x-release";
pub const INSTANCE: &str = "x-instance";

/// Connections that wait to be accepted, in a busy moment.
const BACKLOG: u32 = 1024;

type Answer = Response<Either<Full<Bytes>, Chunks>>;

/// Who a server is, and where.
#[derive(Clone, Debug)]
pub struct Identity {
    pub release: String,
    pub instance: String,
    pub address: SocketAddr,
    /// How long it takes from its start until it listens, as an application's does.
    pub boot: Duration,
}

impl Identity {
    /// The variables that tell a server process who it is.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("RELEASE", self.release.clone()),
            ("INSTANCE_ID", self.instance.clone()),
            ("BIND_ADDRESS", self.address.ip().to_string()),
            ("PORT", self.address.port().to_string()),
            ("BOOT_MS", self.boot.as_millis().to_string()),
        ]
    }

    fn from_environment() -> Result<Self> {
        let variable =
            |name: &str| std::env::var(name).map_err(|_| Trouble::new(format!("a server needs the variable {name}")));
        let ip: IpAddr = variable("BIND_ADDRESS")?.parse()?;
        let boot = variable("BOOT_MS").ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        Ok(Self {
            release: variable("RELEASE")?,
            instance: variable("INSTANCE_ID")?,
            address: SocketAddr::new(ip, variable("PORT")?.parse()?),
            boot: Duration::from_millis(boot),
        })
    }
}

/// Serves until it is ended, as the environment says.
///
/// # Errors
///
/// Where the environment lacks something, or the address is taken.
pub async fn run() -> Result<()> {
    let identity = Identity::from_environment()?;
    tokio::time::sleep(identity.boot).await;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(identity.address)?;
    let listener = socket.listen(BACKLOG)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let identity = identity.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(identity.clone(), request));
            // Whoever went away in the middle is no matter of the server's.
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.with_upgrades().await;
        });
    }
}

/// The hash that the server answers and the customer compares.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// What `/echo` and `/slow` answer to this body.
#[must_use]
pub fn receipt(body: &[u8]) -> String {
    format!("{} {:016x}\n", body.len(), hash(body))
}

/// The chunk of a stream with this number, counted from 0.
#[must_use]
pub fn chunk(number: u32) -> Bytes {
    Bytes::from(format!("chunk {number:08}\n"))
}

/// How long a chunk is.
pub const CHUNK_BYTES: usize = 15;

async fn answer(identity: Identity, request: Request<Incoming>) -> std::result::Result<Answer, Infallible> {
    let number = |key: &str| {
        let pairs = request.uri().query().unwrap_or_default().split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .and_then(|(_, value)| value.parse().ok())
    };
    let mut answer = match request.uri().path() {
        "/health" => whole(StatusCode::OK, "ok\n".to_owned()),
        "/echo" => received(request, Duration::ZERO).await,
        "/slow" => {
            let pause = Duration::from_millis(number("ms").unwrap_or_default());
            received(request, pause).await
        }
        "/stream" => {
            let every = Duration::from_millis(number("every_ms").unwrap_or_default());
            let chunks = number("chunks").and_then(|chunks| u32::try_from(chunks).ok()).unwrap_or_default();
            Response::new(Either::Right(Chunks::new(chunks, every)))
        }
        "/socket" => socket(request),
        _ => whole(StatusCode::NOT_FOUND, "there is no such page\n".to_owned()),
    };
    let headers = answer.headers_mut();
    for (name, value) in [(RELEASE, &identity.release), (INSTANCE, &identity.instance)] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    Ok(answer)
}

fn whole(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    *answer.status_mut() = status;
    answer
}

async fn received(request: Request<Incoming>, pause: Duration) -> Answer {
    match request.into_body().collect().await {
        Ok(body) => {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            whole(StatusCode::OK, receipt(&body.to_bytes()))
        }
        Err(error) => whole(StatusCode::BAD_REQUEST, format!("the body broke off: {error}\n")),
    }
}

fn socket(mut request: Request<Incoming>) -> Answer {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes())) else {
        return whole(StatusCode::BAD_REQUEST, "this is a WebSocket\n".to_owned());
    };
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(&mut request).await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            let told = message.is_text() || message.is_binary();
            if told && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut answer = whole(StatusCode::SWITCHING_PROTOCOLS, String::new());
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, hyper::header::HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, hyper::header::HeaderValue::from_static("websocket"));
    if let Ok(key) = key.parse() {
        headers.insert(SEC_WEBSOCKET_ACCEPT, key);
    }
    answer
}

/// A body of chunks over time.
pub struct Chunks {
    sent: u32,
    chunks: u32,
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl Chunks {
    fn new(chunks: u32, every: Duration) -> Self {
        Self { sent: 0, chunks, every, next: Box::pin(tokio::time::sleep(Duration::ZERO)) }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        if self.sent == self.chunks {
            return Poll::Ready(None);
        }
        std::task::ready!(self.next.as_mut().poll(context));
        let next = Instant::now() + self.every;
        self.next.as_mut().reset(next);
        let number = self.sent;
        self.sent += 1;
        Poll::Ready(Some(Ok(Frame::data(chunk(number)))))
    }
}
