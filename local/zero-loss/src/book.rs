//! The book of a load: what became of each request, how long it took, and which release answered when.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The longest latency that is told apart from longer ones.
const LATENCY_MAX_MS: u64 = 60_000;

/// Three digits of a latency in microseconds.
const DIGITS: u8 = 3;

/// What a customer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A small page.
    Get,
    /// A form with a body, answered with its length and hash.
    Post,
    /// A page that takes up to three seconds.
    Slow,
    /// An answer in chunks over time.
    Stream,
    /// A WebSocket.
    Socket,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Slow, Self::Stream, Self::Socket];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Slow => "slow",
            Self::Stream => "stream",
            Self::Socket => "WebSocket",
        }
    }

    /// Whether it may rightly outlive the drain of its server, and is closed then.
    #[must_use]
    pub fn may_outlive(self) -> bool {
        matches!(self, Self::Stream | Self::Socket)
    }
}

/// Who answered, or was to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    pub release: Option<String>,
    pub instance: Option<String>,
    /// The customer's end of the connection, by which the load balancer's log knows the request.
    pub client: Option<SocketAddr>,
}

/// A request that was answered wrongly or not at all.
#[derive(Clone, Debug)]
pub struct Failure {
    pub site: usize,
    pub kind: Kind,
    /// The load balancer's node, counted from 0.
    pub node: usize,
    pub began: Instant,
    pub ended: Instant,
    pub server: Server,
    pub what: String,
}

/// A request that was answered as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Success {
    pub kind: Kind,
    pub fresh: bool,
    /// When it was due.
    pub due: Instant,
    /// From when it was due to its answer, without the time it asked the server to take.
    pub latency: Duration,
    /// Chunks of a stream or messages of a socket.
    pub parts: u64,
}

/// When a release answered.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub first: Instant,
    pub last: Instant,
}

/// One second of a site.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// Answers, by the number of the release in the site's list.
    pub by_release: BTreeMap<usize, u32>,
    pub failed: u32,
}

/// What became of a site's requests.
#[derive(Debug)]
pub struct Site {
    pub name: String,
    pub ok: BTreeMap<(Kind, bool), u64>,
    pub parts: u64,
    pub latencies: Histogram<u64>,
    /// The releases that answered, in the order in which they came.
    pub releases: Vec<(String, Seen)>,
    /// By the second since the book was opened.
    pub seconds: BTreeMap<u64, Second>,
    pub paces: BTreeMap<u64, Pace>,
    /// The longest time without a success, and when it ended.
    pub longest_gap: (Duration, Option<Instant>),
    last_success: Option<Instant>,
    pace: (u64, Histogram<u64>),
}

/// Latencies of a second, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

/// The book.
#[derive(Debug)]
pub struct Book {
    pub opened: Instant,
    pub sites: Vec<Site>,
    pub failures: Vec<Failure>,
    /// How much later than it was due a request was begun, at most: the generator's own lag.
    pub late: Duration,
    /// How many were under way at once, at most.
    pub under_way: usize,
    /// How many were begun.
    pub begun: u64,
    /// How many brought a sticky rule's cookie, and met the release that had given it.
    pub kept: u64,
    /// When the last request was begun: what ends later says nothing of gaps.
    ended: Option<Instant>,
}

fn histogram() -> Histogram<u64> {
    // The bounds are constants that hdrhistogram takes; one that grows by itself stands in for the impossible.
    Histogram::new_with_max(LATENCY_MAX_MS * 1000, DIGITS)
        .or_else(|_| Histogram::new(DIGITS))
        .unwrap_or_else(|_| unreachable!("three digits are allowed"))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(LATENCY_MAX_MS * 1000)
}

impl Site {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ok: BTreeMap::new(),
            parts: 0,
            latencies: histogram(),
            releases: Vec::new(),
            seconds: BTreeMap::new(),
            paces: BTreeMap::new(),
            longest_gap: (Duration::ZERO, None),
            last_success: None,
            pace: (0, histogram()),
        }
    }

    /// How many requests were answered as they should be.
    #[must_use]
    pub fn succeeded(&self) -> u64 {
        self.ok.values().sum()
    }

    fn gap_ends(&mut self, now: Instant) {
        let gap = self.last_success.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        if gap > self.longest_gap.0 {
            self.longest_gap = (gap, Some(now));
        }
    }

    /// When a release answered.
    #[must_use]
    pub fn seen(&self, release: &str) -> Option<Seen> {
        self.releases.iter().rev().find(|(name, _)| name == release).map(|(_, seen)| *seen)
    }

    /// Begins another second.
    fn turn(&mut self, second: u64) {
        let (before, pace) = (self.pace.0, &mut self.pace.1);
        if !pace.is_empty() {
            let of = |quantile| pace.value_at_quantile(quantile);
            self.paces.insert(before, Pace { p50: of(0.5), p99: of(0.99), max: pace.max() });
        }
        pace.reset();
        self.pace.0 = second;
    }

    fn see(&mut self, release: &str, now: Instant) -> usize {
        // The last ones are those that answer now.
        if let Some(index) = self.releases.iter().rposition(|(name, _)| name == release) {
            if let Some((_, seen)) = self.releases.get_mut(index) {
                seen.last = seen.last.max(now);
            }
            return index;
        }
        self.releases.push((release.to_owned(), Seen { first: now, last: now }));
        self.releases.len() - 1
    }
}

impl Book {
    /// An empty book of these sites, opened now.
    #[must_use]
    pub fn new(sites: &[String]) -> Self {
        Self {
            opened: Instant::now(),
            sites: sites.iter().map(|name| Site::new(name)).collect(),
            failures: Vec::new(),
            late: Duration::ZERO,
            under_way: 0,
            begun: 0,
            kept: 0,
            ended: None,
        }
    }

    /// The second of the book that this moment is in.
    #[must_use]
    pub fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.opened).as_secs()
    }

    /// A request begins.
    pub fn begin(&mut self, due: Instant, now: Instant, under_way: usize) {
        self.begun += 1;
        self.late = self.late.max(now.saturating_duration_since(due));
        self.under_way = self.under_way.max(under_way);
    }

    /// A request reached a release, which has answered; the rest of the answer may still come.
    pub fn answered(&mut self, site: usize, release: &str, now: Instant) {
        let second = self.second(now);
        if let Some(site) = self.sites.get_mut(site) {
            let release = site.see(release, now);
            *site.seconds.entry(second).or_default().by_release.entry(release).or_default() += 1;
        }
    }

    /// A request ended as it should.
    pub fn succeed(&mut self, site: usize, success: Success, now: Instant) {
        let second = self.second(now);
        let latency = micros(success.latency);
        let Some(site) = self.sites.get_mut(site) else { return };
        if site.pace.0 != second {
            site.turn(second);
        }
        // Within the bounds nothing is refused.
        let _ = site.pace.1.record(latency);
        let _ = site.latencies.record(latency);
        *site.ok.entry((success.kind, success.fresh)).or_default() += 1;
        site.parts += success.parts;
        if self.ended.is_none() {
            site.gap_ends(now);
            site.last_success = Some(now);
        }
    }

    /// A request ended as it should not.
    pub fn fail(&mut self, failure: Failure) {
        let second = self.second(failure.ended);
        if let Some(site) = self.sites.get_mut(failure.site) {
            site.seconds.entry(second).or_default().failed += 1;
        }
        self.failures.push(failure);
    }

    /// For how long requests were begun.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.ended.map_or(Duration::ZERO, |ended| ended.saturating_duration_since(self.opened))
    }

    /// How many requests were begun and have no end in the book.
    #[must_use]
    pub fn unended(&self) -> u64 {
        let ended: u64 = self.sites.iter().map(Site::succeeded).sum();
        self.begun.saturating_sub(ended).saturating_sub(self.failures.len() as u64)
    }

    /// No more requests are begun.
    pub fn end(&mut self, now: Instant) {
        for site in &mut self.sites {
            site.gap_ends(now);
        }
        self.ended = Some(now);
    }

    /// Closes the book: no more requests end.
    pub fn close(&mut self) {
        for site in &mut self.sites {
            let after = site.pace.0 + 1;
            site.turn(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(due: Instant, latency_ms: u64) -> Success {
        Success { kind: Kind::Get, fresh: false, due, latency: Duration::from_millis(latency_ms), parts: 0 }
    }

    #[test]
    fn gaps_latencies_and_releases_are_kept() {
        let mut book = Book::new(&["a".to_owned()]);
        let began = book.opened;
        let at = |ms: u64| began + Duration::from_millis(ms);
        for (ms, release) in [(0, "1"), (10, "1"), (510, "2"), (1520, "2"), (1530, "1")] {
            book.answered(0, release, at(ms));
            book.succeed(0, success(at(ms), 5), at(ms));
        }
        book.close();
        let site = &book.sites[0];
        assert_eq!(site.succeeded(), 5);
        assert_eq!(site.longest_gap.0, Duration::from_millis(1010));
        assert_eq!(site.seen("2").unwrap().first, at(510));
        assert_eq!(site.seen("1").unwrap().last, at(1530));
        assert_eq!(site.seconds[&0].by_release, BTreeMap::from([(0, 2), (1, 1)]));
        assert_eq!(site.seconds[&1].by_release, BTreeMap::from([(0, 1), (1, 1)]));
        assert!((4990..5010).contains(&site.paces[&1].p99), "{:?}", site.paces);
    }
}
