//! A node of the load balancer: an HAProxy of its own, which rule changes reach when they reach it.
//!
//! How fast AWS tells each node of a change is not documented. So a node here may lag: targets come, go and fall ill at
//! once everywhere, but a changed rule reaches a lagging node later, and until then it sends requests where the old rule says.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::haproxy::{Haproxy, HaproxyError};
use super::read::Rule;
use super::rules;
use super::slots::{Slots, WantedGroup};

/// One node.
#[derive(Debug)]
pub struct Node {
    haproxy: Haproxy,
    slots: Slots,
    lag: Duration,
    /// What it goes by.
    rules: Vec<Rule>,
    /// Rule changes on their way: when each was made, and when it is due here.
    coming: VecDeque<(Instant, Instant, Vec<Rule>)>,
}

impl Node {
    /// A node that hears of rule changes so much later than they are made.
    pub fn new(haproxy: Haproxy, lag: Duration) -> Self {
        Self { haproxy, slots: Slots::new(), lag, rules: Vec::new(), coming: VecDeque::new() }
    }

    /// Sends it the rules that hold since then.
    pub fn send(&mut self, rules: &[Rule], since: Instant) {
        if self.coming.back().map_or(&self.rules, |(_, _, rules)| rules) != rules {
            self.coming.push_back((since, since + self.lag, rules.to_owned()));
        }
    }

    /// Goes by what has reached it; answers when the newest of that was made.
    pub fn receive(&mut self, now: Instant) -> Option<Instant> {
        let mut newest = None;
        while let Some((since, _, rules)) = self.coming.pop_front_if(|(_, due, _)| *due <= now) {
            (newest, self.rules) = (Some(since), rules);
        }
        newest
    }

    /// The groups that its rules name, those on their way too.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let coming = self.coming.iter().flat_map(|(_, _, rules)| rules);
        self.rules.iter().chain(coming).flat_map(Rule::groups)
    }

    /// Has HAProxy do what its rules and the groups say. Answers what could not be.
    pub async fn apply(&mut self, wanted: &BTreeMap<String, WantedGroup>) -> Result<Vec<String>, HaproxyError> {
        let mut problems = self.slots.fill(&self.haproxy, wanted).await?;
        let (entries, left_out) = rules::render(&self.rules, |arn| self.slots.backend(arn, wanted));
        problems.extend(left_out);
        self.slots.route(&self.haproxy, entries).await?;
        self.slots.clear(&self.haproxy, wanted, Instant::now()).await?;
        Ok(problems)
    }

    /// Sends nothing new to an address for a moment, where its group has another target to send to. Answers which servers of
    /// HAProxy's that concerns.
    pub async fn hold(&self, address: SocketAddr) -> Result<Vec<String>, HaproxyError> {
        let servers = self.slots.rotating_beside_others(address);
        for server in &servers {
            self.haproxy.silent(&format!("set server {server} state drain")).await?;
        }
        Ok(servers)
    }

    /// Goes on sending to what was held.
    pub async fn let_go(&self, servers: &[String]) -> Result<(), HaproxyError> {
        for server in servers {
            self.haproxy.silent(&format!("set server {server} state ready")).await?;
        }
        Ok(())
    }

    /// The clients whose requests are at an address.
    pub async fn clients_at(&self, address: SocketAddr) -> Result<Vec<SocketAddr>, HaproxyError> {
        let servers = self.slots.servers_at(address);
        let sessions = self.haproxy.sessions().await?;
        Ok(sessions.into_iter().filter(|(_, server)| servers.contains(server)).map(|(client, _)| client).collect())
    }

    /// How many requests it has counted.
    pub async fn requests(&self) -> Result<u64, HaproxyError> {
        self.haproxy.requests().await
    }

    /// When there is something to do, whoever calls.
    pub fn next(&self) -> Option<Instant> {
        let due = self.coming.front().map(|(_, due, _)| *due);
        due.into_iter().chain(self.slots.next_drained()).min()
    }
}
