//! The owner of the nodes: reads what moto holds, compares, applies, and writes down the targets' health.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use gateway::{AwsError, Call, State, Target};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{mpsc, oneshot, watch};

use super::health::{Change, Check, Prober};
use super::node::Node;
use super::read::{Group, Known, Place, RegisteredTarget, Rule, View};
use super::slots::{WantedGroup, WantedTarget};
use super::{Around, Kill, Killed, Passes, SyncError};
use crate::instances;

/// How often a listener is read that changes while it is read.
const READ_TRIES: u32 = 3;

/// How long the owner waits after a pass that failed.
const FAILED_PAUSE: Duration = Duration::from_millis(100);

/// What the owner is asked for.
pub enum Order {
    Follow(String),
    Settle(oneshot::Sender<Result<(), SyncError>>),
    Kill(SocketAddr, Kill, oneshot::Sender<Result<Killed, SyncError>>),
    Count(oneshot::Sender<Result<u64, SyncError>>),
}

/// The one who changes the nodes.
pub struct Owner {
    nodes: Vec<Node>,
    around: Around,
    orders: mpsc::UnboundedReceiver<Order>,
    passed: watch::Sender<Passes>,
    listener: Option<String>,
    known: Known,
    view: View,
    prober: Prober,
    changes: mpsc::UnboundedReceiver<Change>,
    /// The targets that the health table has an entry of ours for.
    told: BTreeSet<Target>,
}

/// What a wake-up asks for.
#[derive(Default)]
struct Work {
    /// Something changed, in moto or among the targets' health.
    needed: bool,
    /// What moto holds may have changed.
    read: bool,
    /// When the first of the calls was answered that may have changed it.
    since: Option<Instant>,
    settle: Vec<oneshot::Sender<Result<(), SyncError>>>,
}

impl Work {
    fn read(&mut self) {
        self.needed = true;
        self.read = true;
    }

    fn called(&mut self, call: &Call, known: &mut Known) {
        if concerns(call) {
            self.read();
            known.forget(&call.resource);
            let ago = SystemTime::now().duration_since(call.at + call.elapsed).unwrap_or_default();
            let since = Instant::now().checked_sub(ago);
            self.since = self.since.into_iter().chain(since).min();
        }
    }
}

impl Owner {
    pub(super) fn new(
        nodes: Vec<Node>,
        around: Around,
        orders: mpsc::UnboundedReceiver<Order>,
        passed: watch::Sender<Passes>,
    ) -> Self {
        let (sender, changes) = mpsc::unbounded_channel();
        let prober = Prober::new(sender, around.check_speed);
        Self {
            nodes,
            around,
            orders,
            passed,
            listener: None,
            known: Known::default(),
            view: View::default(),
            prober,
            changes,
            told: BTreeSet::new(),
        }
    }

    /// Works until nobody can ask for anything any more.
    pub(super) async fn run(mut self) {
        let mut last_problem = None;
        while let Some(work) = self.wait().await {
            if !work.needed {
                continue;
            }
            let result = self.pass(work.read, work.since.unwrap_or_else(Instant::now)).await;
            let problem = result.as_ref().err().map(ToString::to_string);
            if let Some(problem) = problem.as_ref().filter(|_| problem != last_problem) {
                tracing::warn!(problem, "the load balancer is not what the listener says");
            }
            last_problem = problem;
            for settled in work.settle {
                let _ = settled.send(result.clone());
            }
            self.passed.send_modify(|passes| passes.count += 1);
            if matches!(result, Err(SyncError::Haproxy(_) | SyncError::Aws(_))) {
                // What is due stays due: without a pause it would be tried without end.
                tokio::time::sleep(FAILED_PAUSE).await;
            }
        }
    }

    /// Waits for the next reason to do something, and takes all others that are there with it.
    async fn wait(&mut self) -> Option<Work> {
        let mut work = Work::default();
        let next = self.nodes.iter().filter_map(Node::next).min();
        tokio::select! {
            order = self.orders.recv() => self.order(order?, &mut work).await,
            call = self.around.calls.recv() => match call {
                Ok(call) => work.called(&call, &mut self.known),
                Err(RecvError::Lagged(_)) => self.missed(&mut work),
                Err(RecvError::Closed) => return None,
            },
            change = self.changes.recv() => if let Some(change) = change { self.changed(change, &mut work); },
            () = sleep_until(next) => work.needed = true,
        }
        while let Ok(order) = self.orders.try_recv() {
            self.order(order, &mut work).await;
        }
        while let Ok(change) = self.changes.try_recv() {
            self.changed(change, &mut work);
        }
        loop {
            match self.around.calls.try_recv() {
                Ok(call) => work.called(&call, &mut self.known),
                Err(TryRecvError::Lagged(_)) => self.missed(&mut work),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(work),
            }
        }
    }

    /// Some calls were not heard of: any of them may have changed anything.
    fn missed(&mut self, work: &mut Work) {
        self.known.forget_all();
        work.read();
    }

    async fn order(&mut self, order: Order, work: &mut Work) {
        match order {
            Order::Follow(listener) => {
                self.missed(work);
                self.listener = Some(listener);
            }
            Order::Settle(done) => {
                self.missed(work);
                work.settle.push(done);
            }
            Order::Kill(address, kill, done) => drop(done.send(self.kill(address, kill).await)),
            Order::Count(done) => drop(done.send(self.count().await)),
        }
    }

    async fn kill(&mut self, address: SocketAddr, kill: Kill) -> Result<Killed, SyncError> {
        let (mut held, mut clients) = (Vec::new(), BTreeSet::new());
        for node in &self.nodes {
            held.push(node.hold(address).await?);
        }
        for node in &self.nodes {
            clients.extend(node.clients_at(address).await?);
        }
        let at = Instant::now();
        let killed = kill();
        for (node, servers) in self.nodes.iter().zip(held) {
            node.let_go(&servers).await?;
        }
        killed.map(|()| Killed { at, clients }).map_err(|error| SyncError::Kill(error.into()))
    }

    async fn count(&self) -> Result<u64, SyncError> {
        let mut all = 0;
        for node in &self.nodes {
            all += node.requests().await?;
        }
        Ok(all)
    }

    fn changed(&mut self, change: Change, work: &mut Work) {
        self.prober.take(change);
        work.needed = true;
    }

    async fn pass(&mut self, read: bool, since: Instant) -> Result<(), SyncError> {
        if read && let Some(listener) = self.listener.clone() {
            self.view = self.read(&listener).await?;
            for node in &mut self.nodes {
                node.send(&self.view.rules, since);
            }
        }
        let now = Instant::now();
        let mut received = Vec::new();
        for node in &mut self.nodes {
            received.push(node.receive(now));
        }
        let named = self.named();
        self.view.groups.retain(|arn, _| named.contains(arn));
        self.prober.set(&checks(&self.view));
        let wanted = self.wanted();
        let mut problems = Vec::new();
        for (node, made) in self.nodes.iter_mut().zip(received) {
            for problem in node.apply(&wanted).await? {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            if let Some(made) = made {
                let took = made.elapsed();
                self.passed.send_modify(|passes| passes.slowest_change = passes.slowest_change.max(took));
            }
        }
        // Health is told once requests go by it.
        self.tell();
        if problems.is_empty() { Ok(()) } else { Err(SyncError::LeftOut(problems)) }
    }

    /// Reads the listener; again where a group went away between two of the calls.
    async fn read(&mut self, listener: &str) -> Result<View, AwsError> {
        let (moto, instances, named) = (&self.around.moto, &self.around.instances, self.named());
        for _ in 1..READ_TRIES {
            match self.known.read(moto, instances, listener, &named).await {
                Err(AwsError::Service { .. }) => {}
                other => return other,
            }
        }
        self.known.read(moto, instances, listener, &named).await
    }

    /// The groups that the rules of any node name.
    fn named(&self) -> BTreeSet<String> {
        self.nodes.iter().flat_map(Node::groups).map(str::to_owned).collect()
    }

    /// What HAProxy is to hold. Where no target of a group is healthy, all take requests: the group fails open.
    fn wanted(&self) -> BTreeMap<String, WantedGroup> {
        let group = |arn: &String, group: &Group| {
            let healthy = |target: &RegisteredTarget| {
                let health = self.prober.health(&Target::new(arn, &target.id, target.port));
                health.is_some_and(|health| health.state == State::Healthy)
            };
            let any_healthy = group.targets.iter().any(healthy);
            let targets = group
                .targets
                .iter()
                .filter_map(|target| {
                    let wanted = WantedTarget {
                        address: address(target, target.port)?,
                        in_rotation: !any_healthy || healthy(target),
                    };
                    Some(((target.id.clone(), target.port), wanted))
                })
                .collect();
            WantedGroup { drain: group.drain, targets }
        };
        self.view.groups.iter().map(|(arn, one)| (arn.clone(), group(arn, one))).collect()
    }

    /// Writes down the health of the targets that are checked. What drains, or is not in use, or does not run,
    /// the gateway knows by itself.
    fn tell(&mut self) {
        let table = &self.around.health;
        let in_use: BTreeSet<&str> = self.view.rules.iter().flat_map(Rule::groups).collect();
        let checked = self.prober.targets().filter(|target| in_use.contains(target.target_group_arn.as_str()));
        let checked: BTreeSet<Target> = checked.cloned().collect();
        for gone in self.told.difference(&checked) {
            table.forget(gone);
        }
        for target in &checked {
            if let Some(health) = self.prober.health(target) {
                table.set(target.clone(), health.clone());
            }
        }
        self.told = checked;
    }
}

/// Whether a call may have changed what the load balancer does.
fn concerns(call: &Call) -> bool {
    call.mutating
        && match call.service.as_str() {
            "elasticloadbalancing" => !matches!(call.action.as_str(), "AddTags" | "RemoveTags"),
            _ => instances::concerns(call),
        }
}

fn address(target: &RegisteredTarget, port: u16) -> Option<SocketAddr> {
    match target.place {
        Place::Address(ip) => Some((ip, port).into()),
        Place::NotRunning(_) => None,
    }
}

fn checks(view: &View) -> HashMap<Target, Check> {
    let mut checks = HashMap::new();
    for (arn, group) in &view.groups {
        for target in &group.targets {
            if let Some(address) = address(target, group.check.port.unwrap_or(target.port)) {
                let check = Check { address, settings: group.check.clone() };
                checks.insert(Target::new(arn, &target.id, target.port), check);
            }
        }
    }
    checks
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end.into()).await,
        None => pending().await,
    }
}
