//! The mix: what the customers ask for, by chance with a seed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;

use super::{Order, Settings};
use crate::book::Kind;

/// Of a thousand requests so many are of a kind, and on a connection of their own or not.
const MIX: [(Kind, bool, u32); 8] = [
    (Kind::Get, false, 500),
    (Kind::Get, true, 120),
    (Kind::Post, false, 250),
    (Kind::Post, true, 50),
    (Kind::Slow, false, 50),
    (Kind::Slow, true, 10),
    (Kind::Stream, true, 15),
    (Kind::Socket, true, 5),
];

/// Of so many streams and sockets, one outlives the drain of its server.
const LONG_ONE_OF: u32 = 20;

/// How long a slow answer takes.
const SLOW_MS: std::ops::Range<u64> = 100..3000;

/// How long a stream or socket lasts that does not outlive anything.
const OPEN_MS: std::ops::Range<u64> = 500..2500;

/// Bytes of a form.
const BODY_BYTES: std::ops::Range<usize> = 16..16 * 1024;

pub(super) struct Mix {
    settings: Settings,
    rng: Rng,
    /// Bodies are pieces of this.
    noise: Bytes,
}

impl Mix {
    pub fn new(settings: Settings) -> Self {
        let mut rng = Rng::with_seed(settings.seed);
        let noise = (0..BODY_BYTES.end * 2).map(|_| rng.alphanumeric()).collect::<String>();
        Self { settings, rng, noise: noise.into() }
    }

    /// The request with this number.
    pub fn order(&mut self, number: u32, due: Instant) -> Order {
        let (kind, fresh) = self.kind();
        let site = usize::try_from(number).unwrap_or_default() % self.settings.hosts.len().max(1);
        let node = self.rng.usize(..self.settings.nodes.len().max(1));
        let takes = match kind {
            Kind::Get | Kind::Post => Duration::ZERO,
            Kind::Slow => Duration::from_millis(self.rng.u64(SLOW_MS)),
            Kind::Stream | Kind::Socket if self.rng.u32(..LONG_ONE_OF) == 0 => self.settings.long,
            Kind::Stream | Kind::Socket => Duration::from_millis(self.rng.u64(OPEN_MS)),
        };
        let body = match kind {
            Kind::Post => {
                let (from, bytes) = (self.rng.usize(..BODY_BYTES.end), self.rng.usize(BODY_BYTES));
                self.noise.slice(from..from + bytes)
            }
            Kind::Get | Kind::Slow | Kind::Stream | Kind::Socket => Bytes::new(),
        };
        let host = self.settings.hosts.get(site).cloned().unwrap_or_default();
        let address = self.settings.nodes.get(node).copied().unwrap_or_else(|| ([127, 0, 0, 1], 1).into());
        Order { site, host, node, address, kind, fresh, due, takes, body }
    }

    fn kind(&mut self) -> (Kind, bool) {
        let all: u32 = MIX.iter().map(|(_, _, share)| share).sum();
        let mut pick = self.rng.u32(..all);
        for (kind, fresh, share) in MIX {
            if pick < share {
                return (kind, fresh);
            }
            pick -= share;
        }
        (Kind::Get, false)
    }
}
