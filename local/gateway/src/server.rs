//! The HTTP server: accepts connections, reads calls whole, and answers or resets.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};

use crate::ec2::Ec2;
use crate::elbv2::Elbv2;
use crate::forward::Upstream;
use crate::handle::{End, Shared};
use crate::journal::Journal;
use crate::late::Late;
use crate::mount::{Handler, Mounts};
use crate::route53::Route53;
use crate::{Aws, Call, Faults, Fork, Health, Limits, Record, Settings, request};

/// A running gateway. It stops when it is dropped.
pub struct Gateway {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Gateway {
    /// Starts a gateway in front of moto, on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Where no port can be had.
    pub async fn start(moto_url: &str) -> io::Result<Self> {
        let shared = Shared {
            upstream: Upstream::new(moto_url),
            mounts: Mounts::default(),
            record: Record::default(),
            journal: OnceLock::new(),
            health: Health::default(),
            faults: Faults::default(),
            settings: Settings::default(),
            limits: Limits::default(),
            late: Late::default(),
            ec2: Ec2::default(),
            elbv2: Elbv2::default(),
            route53: Route53::default(),
            items: tokio::sync::Mutex::default(),
        };
        Self::serve(shared).await
    }

    /// Starts a gateway in front of a copy of this one's moto: it remembers what this one does of AWS, and shares its
    /// health and settings. It has a record of its own, no faults, and nothing mounted.
    ///
    /// # Errors
    ///
    /// Where no port can be had.
    pub async fn fork(&self, moto: &Fork) -> io::Result<Self> {
        let shared = Shared {
            upstream: Upstream::new(moto.url()),
            mounts: Mounts::default(),
            record: Record::default(),
            journal: self.shared.journal.clone(),
            health: self.shared.health.clone(),
            faults: Faults::default(),
            settings: self.shared.settings.clone(),
            limits: Limits::default(),
            late: Late::default(),
            ec2: self.shared.ec2.fork(),
            elbv2: self.shared.elbv2.fork(),
            // What it remembers are changes that are under way.
            route53: Route53::default(),
            items: tokio::sync::Mutex::default(),
        };
        Self::serve(shared).await
    }

    async fn serve(shared: Shared) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(shared);
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { url, shared, server })
    }

    /// Where the SDK reaches it: the value for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Has a handler answer all calls of a service (by its signing name) in place of moto.
    pub fn mount(&self, service: &str, handler: Handler) {
        self.shared.mounts.add(service, handler);
    }

    /// Lists the calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.record.calls()
    }

    /// The record of calls, with marks.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.shared.record
    }

    /// Writes what the functions call, and by what AWS would allow it, into a file of this folder. The first folder counts.
    ///
    /// # Errors
    ///
    /// Where the file cannot be made.
    pub fn keep_journal(&self, folder: &Path) -> io::Result<()> {
        let journal = Journal::begin(folder)?;
        // A copy of this gateway writes into the same file.
        let _ = self.shared.journal.set(Arc::new(journal));
        Ok(())
    }

    /// Follows the calls; each is sent after it was done.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Call> {
        self.shared.record.subscribe()
    }

    /// The table that `DescribeTargetHealth` is answered from.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// How slow and how late AWS is.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// How often AWS lets the account call.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// A small client of this gateway that signs with the given access key id.
    #[must_use]
    pub fn aws(&self, access_key: &str) -> Aws {
        Aws::new(&self.url, access_key)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Accepts until it is aborted; the connections end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptor is left: some will be given back.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        if stream.set_nodelay(true).is_ok() {
            connections.spawn(serve(stream, Arc::clone(&shared)));
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let reset = Arc::new(AtomicBool::new(false));
    let connection = Connection { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request| answer(request, Arc::clone(&shared), Arc::clone(&reset)));
    // An error is the caller's going away, or a reset of our own: nobody is left to be told.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

async fn answer(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
) -> io::Result<hyper::Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    // A call that was read is carried out even if its caller goes away meanwhile, as AWS does.
    let call = tokio::spawn(async move { shared.handle(request::read(parts, body)).await });
    match call.await {
        Ok(End::Answer(answer)) => {
            let mut response = hyper::Response::new(Full::new(answer.body));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        }
        Ok(End::Reset(_)) | Err(_) => {
            reset.store(true, Ordering::SeqCst);
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// A connection that can be reset instead of closed.
struct Connection {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // With no time to linger, closing sends a reset. If it cannot be set, the caller sees a plain end.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
