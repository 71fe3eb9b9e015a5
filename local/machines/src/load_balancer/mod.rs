//! The Application Load Balancer's part, with HAProxy as the listener.
//!
//! moto holds what should be; each call that changes it, and each change of a target's health, has it read and
//! applied by one owner, in order.

mod config;
mod haproxy;
mod health;
mod log;
mod node;
mod read;
mod rules;
mod slots;
mod sync;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::{Aws, AwsError, Call, Health};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use haproxy::{Haproxy, HaproxyError};
pub use log::FailedRequest;

use crate::instances::Instances;
use crate::processes::Guard;
use node::Node;
use sync::{Order, Owner};

/// How long `settle` waits; a pass takes some tens of milliseconds.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the load balancer does not do what moto holds.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    #[error("the listener could not be read: {0}")]
    Aws(Arc<AwsError>),
    #[error("{0}")]
    Haproxy(Arc<HaproxyError>),
    /// All else is as it should be.
    #[error("{}", .0.join("; "))]
    LeftOut(Vec<String>),
    #[error("a server could not be killed: {0}")]
    Kill(Arc<io::Error>),
    #[error("the load balancer has stopped, or takes longer than {} seconds", SETTLE_TIMEOUT.as_secs())]
    Stopped,
}

impl From<AwsError> for SyncError {
    fn from(error: AwsError) -> Self {
        Self::Aws(Arc::new(error))
    }
}

impl From<HaproxyError> for SyncError {
    fn from(error: HaproxyError) -> Self {
        Self::Haproxy(Arc::new(error))
    }
}

/// A running load balancer; it stops when it is dropped.
#[derive(Debug)]
pub struct LoadBalancer {
    addresses: Vec<SocketAddr>,
    log_files: Vec<PathBuf>,
    orders: mpsc::UnboundedSender<Order>,
    passes: watch::Receiver<Passes>,
    owner: JoinHandle<()>,
}

/// What kills a server.
pub type Kill = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// What was killed, and with it.
#[derive(Clone, Debug)]
pub struct Killed {
    /// When, and not when it was ordered: the load balancer may have had something else to do first.
    pub at: Instant,
    /// The clients' connections that had a request there.
    pub clients: BTreeSet<SocketAddr>,
}

/// What the load balancer has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passes {
    /// How often rules, targets or health were applied.
    pub count: u64,
    /// The longest that a rule change took, from AWS's answer until a node went by it.
    pub slowest_change: Duration,
}

/// What a load balancer reads and writes.
pub(crate) struct Around {
    /// moto itself: the gateway would count our reads among the calls.
    pub moto: Aws,
    pub instances: Instances,
    pub calls: broadcast::Receiver<Call>,
    pub health: Health,
    /// By what factor health checks come faster than configured.
    pub check_speed: f64,
}

impl LoadBalancer {
    /// Starts a node at each of these addresses; each hears of rule changes so much later than they are made.
    pub(crate) async fn start(
        guard: &Guard,
        nodes: &[(SocketAddr, Duration)],
        around: Around,
    ) -> Result<Self, HaproxyError> {
        let (mut started, mut log_files) = (Vec::new(), Vec::new());
        for (number, (address, lag)) in (1..).zip(nodes) {
            let haproxy = Haproxy::start(guard, &format!("haproxy-{number}"), *address).await?;
            log_files.push(haproxy.log_file().to_owned());
            started.push(Node::new(haproxy, *lag));
        }
        let (orders, inbox) = mpsc::unbounded_channel();
        let (passed, passes) = watch::channel(Passes::default());
        let owner = tokio::spawn(Owner::new(started, around, inbox, passed).run());
        let addresses = nodes.iter().map(|(address, _)| *address).collect();
        Ok(Self { addresses, log_files, orders, passes, owner })
    }

    /// Where its nodes listen.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What the access log tells of requests that failed so far.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn failed_requests(&self) -> io::Result<Vec<FailedRequest>> {
        let mut all = Vec::new();
        for file in &self.log_files {
            all.extend(log::read(&std::fs::read_to_string(file)?));
        }
        Ok(all)
    }

    /// Follows a listener from now on.
    pub fn follow(&self, listener_arn: &str) {
        let _ = self.orders.send(Order::Follow(listener_arn.to_owned()));
    }

    /// Waits until HAProxy does what moto held when this was called, or something newer. A lagging node may still go
    /// by the rules before.
    ///
    /// # Errors
    ///
    /// Where that cannot be, with the reason.
    pub async fn settle(&self) -> Result<(), SyncError> {
        let (done, answer) = oneshot::channel();
        self.orders.send(Order::Settle(done)).map_err(|_| SyncError::Stopped)?;
        match tokio::time::timeout(SETTLE_TIMEOUT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(SyncError::Stopped),
        }
    }

    /// Kills what serves at this address, and answers when, and which clients' connections had a request there then: HAProxy
    /// closes some of them without a word, and logs nothing. The nodes send it nothing new meanwhile, so none is missed.
    ///
    /// # Errors
    ///
    /// Where it cannot be killed, or a node does not say what it has under way.
    pub async fn kill_at(&self, address: SocketAddr, kill: Kill) -> Result<Killed, SyncError> {
        let (done, answer) = oneshot::channel();
        self.orders.send(Order::Kill(address, kill, done)).map_err(|_| SyncError::Stopped)?;
        answer.await.unwrap_or(Err(SyncError::Stopped))
    }

    /// How many requests its nodes have counted so far, all together.
    ///
    /// # Errors
    ///
    /// Where a node does not say.
    pub async fn requests(&self) -> Result<u64, SyncError> {
        let (done, answer) = oneshot::channel();
        self.orders.send(Order::Count(done)).map_err(|_| SyncError::Stopped)?;
        answer.await.unwrap_or(Err(SyncError::Stopped))
    }

    /// Changes after each time that rules, targets or health were applied: whoever waits for something looks
    /// again then.
    #[must_use]
    pub fn passes(&self) -> watch::Receiver<Passes> {
        self.passes.clone()
    }
}

impl Drop for LoadBalancer {
    fn drop(&mut self) {
        // HAProxy belongs to the owner and ends with it; the guard ends it in any case.
        self.owner.abort();
    }
}
