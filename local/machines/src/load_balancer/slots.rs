//! HAProxy's slots: which backend stands for which target group, and which server for which target.
//!
//! What is to be is compared with what is, and only the difference is sent: first what may take requests
//! now, then the rules, then what may take none any more. So there is a way for a request at every moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::config;
use super::haproxy::{Haproxy, HaproxyError};
use super::rules::Entry;

/// A target, by its id and port.
pub type TargetKey = (String, u16);

/// What a group is to be.
#[derive(Clone, Debug, Default)]
pub struct WantedGroup {
    /// How long a target that is not wanted any more may finish what it has under way.
    pub drain: Duration,
    pub targets: BTreeMap<TargetKey, WantedTarget>,
}

/// What a target is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedTarget {
    pub address: SocketAddr,
    pub in_rotation: bool,
}

/// All slots, and what HAProxy was told of them.
#[derive(Debug)]
pub struct Slots {
    /// The longest unused first: requests of a group that is gone may still be under way in the others.
    free: VecDeque<usize>,
    used: BTreeMap<String, Backend>,
    map: Option<Vec<Entry>>,
}

#[derive(Debug)]
struct Backend {
    index: usize,
    free: VecDeque<usize>,
    used: BTreeMap<TargetKey, Server>,
}

#[derive(Debug)]
struct Server {
    index: usize,
    address: SocketAddr,
    in_rotation: bool,
    drained_at: Option<Instant>,
}

impl Slots {
    /// All slots free, as HAProxy starts.
    pub fn new() -> Self {
        Self { free: (0..config::BACKENDS).collect(), used: BTreeMap::new(), map: None }
    }

    /// Gives each wanted group and target its slot and puts those that are in rotation there. Answers what
    /// found no slot.
    pub async fn fill(
        &mut self,
        haproxy: &Haproxy,
        wanted: &BTreeMap<String, WantedGroup>,
    ) -> Result<Vec<String>, HaproxyError> {
        let mut problems = Vec::new();
        for (arn, group) in wanted {
            if !self.used.contains_key(arn) {
                let Some(index) = self.free.pop_front() else {
                    problems.push(format!(
                        "target group {arn} is left out: HAProxy was given {} at once",
                        config::BACKENDS
                    ));
                    continue;
                };
                self.used.insert(
                    arn.clone(),
                    Backend { index, free: (0..config::SERVERS).collect(), used: BTreeMap::new() },
                );
            }
            let Some(backend) = self.used.get_mut(arn) else { continue };
            for (key, target) in &group.targets {
                if !backend.ensure(haproxy, key, target).await? {
                    problems.push(format!(
                        "target {} of {arn} is left out: HAProxy was given {} for a group",
                        key.0,
                        config::SERVERS
                    ));
                }
            }
        }
        Ok(problems)
    }

    /// The backend that requests for a group go to; none where nothing in it takes requests.
    pub fn backend(&self, arn: &str, wanted: &BTreeMap<String, WantedGroup>) -> Option<String> {
        let takes = wanted.get(arn).is_some_and(|group| group.targets.values().any(|target| target.in_rotation));
        self.used.get(arn).filter(|_| takes).map(|backend| config::backend(backend.index))
    }

    /// Changes the rules, all in one step, if they are others now.
    pub async fn route(&mut self, haproxy: &Haproxy, entries: Vec<Entry>) -> Result<(), HaproxyError> {
        if self.map.as_ref() != Some(&entries) {
            // Until it has succeeded, it is not known what HAProxy holds.
            self.map = None;
            haproxy.replace_map(&entries).await?;
            self.map = Some(entries);
        }
        Ok(())
    }

    /// Takes out of rotation what is not wanted there, and gives back the slots of what is gone.
    pub async fn clear(
        &mut self,
        haproxy: &Haproxy,
        wanted: &BTreeMap<String, WantedGroup>,
        now: Instant,
    ) -> Result<(), HaproxyError> {
        for (arn, backend) in &mut self.used {
            if let Some(group) = wanted.get(arn) {
                backend.clear(haproxy, group, now).await?;
            }
        }
        let gone: BTreeSet<String> = self.used.keys().filter(|arn| !wanted.contains_key(*arn)).cloned().collect();
        for arn in gone {
            // No rule leads there any more. What is under way goes on.
            if let Some(backend) = self.used.get(&arn) {
                for server in backend.used.values() {
                    haproxy.silent(&format!("set server {} state maint", backend.name(server.index))).await?;
                }
                self.free.push_back(backend.index);
            }
            self.used.remove(&arn);
        }
        Ok(())
    }

    /// HAProxy's names of the servers with this address, draining ones included.
    pub fn servers_at(&self, address: SocketAddr) -> Vec<String> {
        let at = |backend: &'_ Backend| {
            let servers = backend.used.values().filter(|server| server.address == address);
            servers.map(|server| backend.name(server.index)).collect::<Vec<_>>()
        };
        self.used.values().flat_map(at).collect()
    }

    /// Those of them that take requests, beside others of their group.
    pub fn rotating_beside_others(&self, address: SocketAddr) -> Vec<String> {
        let beside = |backend: &&Backend| backend.used.values().any(|one| one.in_rotation && one.address != address);
        let at = |backend: &'_ Backend| {
            let servers = backend.used.values().filter(|server| server.address == address && server.in_rotation);
            servers.map(|server| backend.name(server.index)).collect::<Vec<_>>()
        };
        self.used.values().filter(beside).flat_map(at).collect()
    }

    /// When the next target has had its time to drain.
    pub fn next_drained(&self) -> Option<Instant> {
        self.used.values().flat_map(|backend| backend.used.values()).filter_map(|server| server.drained_at).min()
    }
}

impl Backend {
    fn name(&self, server: usize) -> String {
        format!("{}/{}", config::backend(self.index), config::server(server))
    }

    /// Gives a target a slot and, if wanted, a place in rotation; false where no slot is free.
    async fn ensure(
        &mut self,
        haproxy: &Haproxy,
        key: &TargetKey,
        target: &WantedTarget,
    ) -> Result<bool, HaproxyError> {
        let known = self.used.get(key);
        let Some(index) = known.map(|server| server.index).or_else(|| self.free.pop_front()) else { return Ok(false) };
        let name = self.name(index);
        let (at, rotating) = known.map_or((None, false), |server| (Some(server.address), server.in_rotation));
        if at != Some(target.address) {
            haproxy.set_address(&name, target.address).await?;
        }
        if target.in_rotation && !rotating {
            haproxy.silent(&format!("set server {name} state ready")).await?;
        }
        let server =
            Server { index, address: target.address, in_rotation: rotating || target.in_rotation, drained_at: None };
        self.used.insert(key.clone(), server);
        Ok(true)
    }

    async fn clear(&mut self, haproxy: &Haproxy, group: &WantedGroup, now: Instant) -> Result<(), HaproxyError> {
        let mut drained = Vec::new();
        for (key, server) in &mut self.used {
            let name = format!("{}/{}", config::backend(self.index), config::server(server.index));
            let target = group.targets.get(key);
            if server.in_rotation && !target.is_some_and(|target| target.in_rotation) {
                haproxy.silent(&format!("set server {name} state drain")).await?;
                server.in_rotation = false;
            }
            if target.is_none() {
                let end = *server.drained_at.get_or_insert(now + group.drain);
                if end <= now {
                    // The deregistration delay is over: what is still under way is cut off.
                    haproxy.silent(&format!("shutdown sessions server {name}")).await?;
                    haproxy.silent(&format!("set server {name} state maint")).await?;
                    drained.push(key.clone());
                }
            }
        }
        for key in drained {
            if let Some(server) = self.used.remove(&key) {
                self.free.push_back(server.index);
            }
        }
        Ok(())
    }
}
