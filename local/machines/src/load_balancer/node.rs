//! A node of the load balancer: an HAProxy of its own, which rule changes reach when they reach it.
//!
//! How fast AWS tells each node of a change is not documented. So a node here may lag: targets come, go and fall ill at
//! once everywhere, but a changed rule reaches a lagging node later, and until then it sends requests where the old rule says.

use std::collections::{BTreeMap, VecDeque};
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

    /// When there is something to do, whoever calls.
    pub fn next(&self) -> Option<Instant> {
        let due = self.coming.front().map(|(_, due, _)| *due);
        due.into_iter().chain(self.slots.next_drained()).min()
    }
}
