//! The load: customers who come at a set rate, whatever the answers, and know what became of each request.
//!
//! It is an open loop: a request is begun when it is due, and its latency counts from then, so that a moment in which
//! nothing is answered shows in full. It has a thread of its own, so that the control plane does not hold it up.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use local::{Result, Trouble};
use tokio::sync::watch;

use crate::book::{Book, Failure, Kind, Server, Success};

mod http;
mod mix;
mod socket;

use http::Pool;
use mix::Mix;

/// How much longer than it was asked to take an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// More requests under way at once are not begun: the generator could not tell their fates apart from its own.
const UNDER_WAY_MAX: usize = 20_000;

/// How long after the last request was begun the load waits for the ends of those under way.
const GRACE: Duration = Duration::from_secs(40);

/// What load there is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The load balancer's nodes; customers are spread over them.
    pub nodes: Vec<SocketAddr>,
    /// The hosts that are asked for, in turn.
    pub hosts: Vec<String>,
    /// Requests a second, in all.
    pub rate: f64,
    /// How long some streams and sockets last, which are to outlive the drain of their server.
    pub long: Duration,
    pub seed: u64,
}

/// A load that runs.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What all requests share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    book: Mutex<Book>,
    pool: Pool,
    under_way: AtomicUsize,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is to be made.
#[derive(Clone, Debug)]
struct Order {
    site: usize,
    host: String,
    node: usize,
    address: SocketAddr,
    kind: Kind,
    /// On a connection of its own.
    fresh: bool,
    due: Instant,
    /// How long the server is asked to take.
    takes: Duration,
    body: Bytes,
}

impl Load {
    /// Begins.
    ///
    /// # Errors
    ///
    /// Where there is nothing to ask for, or no thread to be had.
    pub fn start(settings: Settings) -> Result<Self> {
        if settings.nodes.is_empty() || settings.hosts.is_empty() || settings.rate <= 0.0 {
            return Err(Trouble::new("a load needs a node, a host and a rate"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let book = Mutex::new(Book::new(&settings.hosts));
        let pool = Pool::new(settings.nodes.len());
        let shared = Arc::new(Shared { settings, book, pool, under_way: AtomicUsize::new(0) });
        let (stop, stopped) = watch::channel(false);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || runtime.block_on(run(for_thread, stopped)))?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// Looks into the book while it is written; the load waits meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.shared.book())
    }

    /// Begins no more requests, waits for those under way, and hands over the book.
    ///
    /// # Errors
    ///
    /// Where the generator itself failed.
    pub async fn stop(mut self) -> Result<Book> {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
            joined.map_err(|_| Trouble::new("the load generator failed"))?;
        }
        let mut book = std::mem::replace(&mut *self.shared.book(), Book::new(&[]));
        book.close();
        Ok(book)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

async fn run(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut mix = Mix::new(shared.settings.clone());
    let began = Instant::now();
    let mut number: u32 = 0;
    let between = Duration::from_secs_f64(1.0 / shared.settings.rate);
    loop {
        let due = began + between * number;
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => break,
            () = tokio::time::sleep_until(due.into()) => {}
        }
        number += 1;
        let under_way = shared.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        let order = mix.order(number, due);
        shared.book().begin(due, Instant::now(), under_way);
        if under_way > UNDER_WAY_MAX {
            let what = format!("it was not begun: {UNDER_WAY_MAX} requests were under way");
            end(&shared, &order, Server::default(), Err(what));
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let (server, outcome) = made(&shared, &order).await;
            end(&shared, &order, server, outcome);
        });
    }
    shared.book().end(Instant::now());
    let end = Instant::now() + GRACE;
    while shared.under_way.load(Ordering::Relaxed) > 0 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a request that ended well has to tell: how many parts it had, and when the first of them came.
struct Told {
    parts: u64,
    answered: Instant,
}

/// Makes a request; answers who served it, and how it ended.
async fn made(shared: &Shared, order: &Order) -> (Server, std::result::Result<Told, String>) {
    let mut server = Server::default();
    let exchange = async {
        match order.kind {
            Kind::Get | Kind::Post | Kind::Slow | Kind::Stream => http::exchange(shared, order, &mut server).await,
            Kind::Socket => socket::exchange(shared, order, &mut server).await,
        }
    };
    let outcome = tokio::time::timeout(order.takes + PATIENCE, exchange).await;
    let outcome = outcome
        .unwrap_or_else(|_| Err(format!("no end within {} seconds more than it was to take", PATIENCE.as_secs())));
    (server, outcome)
}

fn end(shared: &Shared, order: &Order, server: Server, outcome: std::result::Result<Told, String>) {
    shared.under_way.fetch_sub(1, Ordering::Relaxed);
    let now = Instant::now();
    let mut book = shared.book();
    match outcome {
        Ok(told) => {
            let waited = told.answered.saturating_duration_since(order.due);
            let asked = if order.kind == Kind::Slow { order.takes } else { Duration::ZERO };
            let success = Success {
                kind: order.kind,
                fresh: order.fresh,
                due: order.due,
                latency: waited.saturating_sub(asked),
                parts: told.parts,
            };
            book.succeed(order.site, success, now);
        }
        Err(what) => book.fail(Failure {
            site: order.site,
            kind: order.kind,
            node: order.node,
            began: order.due,
            ended: now,
            server,
            what,
        }),
    }
}
