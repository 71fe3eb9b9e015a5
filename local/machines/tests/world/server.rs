//! A target whose health, and whose slow answers, the test controls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::{PATIENCE, PORT};

pub struct Server {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    name: String,
    health: AtomicU16,
    /// Requests that are not health checks.
    served: AtomicUsize,
    /// How many requests for `/slow` have come.
    slow: watch::Sender<usize>,
    /// They are answered when there is a permit.
    answer_slow: Semaphore,
}

impl Server {
    pub async fn start(name: &str, ip: &str) -> Self {
        let listener = TcpListener::bind(SocketAddr::new(ip.parse().unwrap(), PORT)).await.unwrap();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            health: AtomicU16::new(200),
            served: AtomicUsize::new(0),
            slow: watch::Sender::new(0),
            answer_slow: Semaphore::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// What `/health` answers; 0 for no answer at all.
    pub fn set_health(&self, code: u16) {
        self.shared.health.store(code, Ordering::SeqCst);
    }

    pub fn served(&self) -> usize {
        self.shared.served.load(Ordering::SeqCst)
    }

    pub async fn until_slow_requests(&self, count: usize) {
        let mut slow = self.shared.slow.subscribe();
        tokio::time::timeout(PATIENCE, slow.wait_for(|now| *now >= count)).await.unwrap().unwrap();
    }

    pub fn answer_slow(&self) {
        self.shared.answer_slow.add_permits(1);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, Arc::clone(&shared)));
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(stream.read_line(&mut head).await, Ok(1..)) {
            return;
        }
    }
    let mut status = 200;
    if head.starts_with("GET /health ") {
        status = shared.health.load(Ordering::SeqCst);
        if status == 0 {
            // The connection stays open without a word.
            return std::future::pending().await;
        }
    } else {
        shared.served.fetch_add(1, Ordering::SeqCst);
        if head.starts_with("GET /slow ") {
            shared.slow.send_modify(|count| *count += 1);
            shared.answer_slow.acquire().await.unwrap().forget();
        }
    }
    let body = format!("{}\n{head}", shared.name);
    let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let _ = stream.write_all(answer.as_bytes()).await;
}
