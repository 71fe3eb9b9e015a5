//! Judges each request that did not end as it should: whose fault it was.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use machines::FailedRequest;

use crate::book::{Book, Failure};
use crate::drive::Pace;
use crate::fleet::Death;
use crate::journal::Journal;

/// Whose fault a failed request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The release's: it was lost.
    Lost,
    /// A stream or socket that went on for longer than `drain_seconds` after its server was deregistered, or after the rule change
    /// that took its release's weight had settled: AWS closes it too.
    Outlived,
    /// It was on a server that was killed: by the server's own name in the answer's head, by its address in the load balancer's
    /// log while it was dead, or by its connection, which the load balancer had under way there at the kill.
    OnKilledServer,
}

/// A site's requests, judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub requests: u64,
    pub ok: u64,
    pub lost: u64,
    pub outlived: u64,
    pub on_killed_server: u64,
}

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.ok += other.ok;
        self.lost += other.lost;
        self.outlived += other.outlived;
        self.on_killed_server += other.on_killed_server;
    }
}

/// The load balancer's log and the load may tell the moment of an end so far apart.
const LOG_APART: Duration = Duration::from_secs(3);

/// What is told of a request that was lost is within this of its end.
const EVIDENCE_WITHIN: Duration = Duration::from_secs(10);

/// HAProxy's clock is read once in a while: a line may seem so much older than it is.
const LOG_EARLY: Duration = Duration::from_millis(50);

/// How the load tells that a connection was closed before an answer's head came.
const CLOSED: &str = "connection closed before message completed";

/// What a judge goes by.
#[derive(Debug)]
pub struct Judge<'a> {
    journal: &'a Journal,
    deaths: &'a [Death],
    /// `settle_seconds` and `drain_seconds` of the sites.
    settle: Duration,
    drain: Duration,
    /// What the load balancer's log says: by the client, when it failed, and at which target.
    log: HashMap<SocketAddr, Vec<(Instant, Option<SocketAddr>)>>,
}

impl<'a> Judge<'a> {
    /// A judge who knows all this.
    #[must_use]
    pub fn new(journal: &'a Journal, deaths: &'a [Death], log: &[FailedRequest], pace: &Pace) -> Self {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let mut by_client: HashMap<SocketAddr, Vec<(Instant, Option<SocketAddr>)>> = HashMap::new();
        for line in log {
            let at = now.checked_sub(clock.duration_since(line.at).unwrap_or_default());
            if let Some(at) = at {
                by_client.entry(line.client).or_default().push((at, line.target));
            }
        }
        let (settle, drain) = (Duration::from_secs(pace.settle_seconds), Duration::from_secs(pace.drain_seconds));
        Self { journal, deaths, settle, drain, log: by_client }
    }

    /// The target that the load balancer sent a request to that failed, by its log.
    fn target(&self, failure: &Failure) -> Option<SocketAddr> {
        let lines = self.log.get(&failure.server.client?)?;
        let its = |at: Instant| {
            at + LOG_APART >= failure.ended && at <= failure.ended + LOG_APART && at + LOG_EARLY >= failure.began
        };
        // A connection has one request at a time, and may have failed with the one after too: the line next to its end.
        let next_to_it =
            |at: Instant| at.saturating_duration_since(failure.ended).max(failure.ended.saturating_duration_since(at));
        let lines = lines.iter().filter_map(|(at, target)| Some((*at, (*target)?))).filter(|(at, _)| its(*at));
        lines.min_by_key(|(at, _)| next_to_it(*at)).map(|(_, target)| target)
    }

    /// What is known of the moment of a request that was lost, from its end on: the load balancer's lines about its connection,
    /// and the servers that were dead.
    #[must_use]
    pub fn evidence(&self, failure: &Failure) -> String {
        let seconds = |at: Instant| match at.checked_duration_since(failure.ended) {
            Some(later) => format!("+{:.3} s", later.as_secs_f64()),
            None => format!("-{:.3} s", failure.ended.saturating_duration_since(at).as_secs_f64()),
        };
        let is_near = |at: Instant| at + EVIDENCE_WITHIN >= failure.ended && at <= failure.ended + EVIDENCE_WITHIN;
        let logged = failure.server.client.and_then(|client| self.log.get(&client)).into_iter().flatten();
        let logged = logged.filter(|(at, _)| is_near(*at)).map(|(at, target)| {
            let target = target.map_or_else(|| "no target".to_owned(), |target| target.to_string());
            format!("logged at {} with {target}", seconds(*at))
        });
        let dead = self.deaths.iter().filter(|death| {
            death.from <= failure.ended + EVIDENCE_WITHIN
                && death.until.is_none_or(|until| until + EVIDENCE_WITHIN >= failure.began)
        });
        let dead = dead.map(|death| {
            let until = death.until.map(|until| format!(" to {}", seconds(until))).unwrap_or_default();
            format!("{} ({}) dead from {}{until}", death.address, death.instance, seconds(death.from))
        });
        logged.chain(dead).collect::<Vec<_>>().join("; ")
    }

    /// Whose fault it was. What cannot be shown to be excused is lost.
    #[must_use]
    pub fn verdict(&self, failure: &Failure) -> Verdict {
        let (instance, target) = (failure.server.instance.as_deref(), self.target(failure));
        let is_its = |death: &&Death| instance == Some(death.instance.as_str()) || target == Some(death.address);
        let while_dead =
            |death: &Death| failure.ended >= death.from && death.until.is_none_or(|until| failure.began <= until);
        if self.deaths.iter().filter(is_its).any(while_dead) {
            return Verdict::OnKilledServer;
        }
        // Where a target dies before it has answered, ALB says 502. HAProxy does so too, with a line in its log, but for a connection
        // that served a request before: that one it closes, silently, and names no target. So it was asked at the kill. (A line soon
        // after may be of another connection from the same port.)
        let silent = instance.is_none() && failure.what.starts_with(CLOSED);
        let there = |death: &Death| failure.server.client.is_some_and(|client| death.clients.contains(&client));
        let at_kill = |death: &Death| failure.began <= death.from && failure.ended >= death.from && there(death);
        if silent && self.deaths.iter().any(at_kill) {
            return Verdict::OnKilledServer;
        }
        let let_go = instance.and_then(|instance| self.journal.let_go(instance)).map(|at| at + self.drain);
        let left = failure.server.release.as_deref().and_then(|release| self.journal.left(release));
        let left = left.map(|at| at + self.settle + self.drain);
        let over = |at: Option<Instant>| at.is_some_and(|at| failure.ended >= at);
        if failure.kind.may_outlive() && (over(let_go) || over(left)) {
            return Verdict::Outlived;
        }
        Verdict::Lost
    }

    /// The tallies of a book's sites, and the requests that were lost.
    #[must_use]
    pub fn tallies<'b>(&self, book: &'b Book) -> (Vec<Tally>, Vec<&'b Failure>) {
        let ok = |ok| Tally { requests: ok, ok, ..Tally::default() };
        let mut tallies: Vec<Tally> = book.sites.iter().map(|site| ok(site.succeeded())).collect();
        let mut lost = Vec::new();
        for failure in &book.failures {
            let Some(tally) = tallies.get_mut(failure.site) else { continue };
            tally.requests += 1;
            match self.verdict(failure) {
                Verdict::Lost => {
                    tally.lost += 1;
                    lost.push(failure);
                }
                Verdict::Outlived => tally.outlived += 1,
                Verdict::OnKilledServer => tally.on_killed_server += 1,
            }
        }
        (tallies, lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::{Kind, Server};

    const PACE: Pace = Pace { settle_seconds: 2, drain_seconds: 4 };

    fn after(began: Instant, ms: u64) -> Instant {
        began + Duration::from_millis(ms)
    }

    fn failure(began: Instant, ended_ms: u64, kind: Kind, server: Server) -> Failure {
        let ended = after(began, ended_ms);
        Failure { site: 0, kind, node: 0, began: after(began, 1000), ended, server, what: "status 502".to_owned() }
    }

    #[test]
    fn only_what_can_be_shown_is_excused() {
        let began = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let (address, client) = (([127, 0, 0, 9], 80).into(), ([127, 0, 0, 1], 4000).into());
        let death = |from, until| Death {
            clients: [client].into(),
            instance: "i-1".to_owned(),
            address,
            from: after(began, from),
            until: Some(after(began, until)),
        };
        let named = Server { instance: Some("i-1".to_owned()), ..Server::default() };
        let logged = Server { client: Some(client), ..Server::default() };
        let line = |ms| FailedRequest {
            at: SystemTime::now() - began.elapsed() + Duration::from_millis(ms),
            client,
            target: Some(address),
            status: Some(502),
        };
        let elsewhere = |ms| FailedRequest { target: Some(([127, 0, 0, 8], 80).into()), ..line(ms) };
        let get = |ended, server: &Server| failure(began, ended, Kind::Get, server.clone());
        let stranger = Server { client: Some(([127, 0, 0, 1], 4001).into()), ..Server::default() };
        let closed = |ended, server: &Server| Failure { what: CLOSED.to_owned(), ..get(ended, server) };
        for (why, deaths, log, failure, verdict) in [
            ("nobody knows where it was", vec![death(0, 9000)], vec![], get(1100, &Server::default()), Verdict::Lost),
            (
                "closed silently, and was there",
                vec![death(1050, 3000)],
                vec![],
                closed(1100, &logged),
                Verdict::OnKilledServer,
            ),
            (
                "closed silently, and its port failed again",
                vec![death(1050, 3000)],
                vec![elsewhere(1600)],
                closed(1100, &logged),
                Verdict::OnKilledServer,
            ),
            ("closed silently elsewhere", vec![death(1050, 3000)], vec![], closed(1100, &stranger), Verdict::Lost),
            ("closed silently before", vec![death(1150, 3000)], vec![], closed(1100, &logged), Verdict::Lost),
            ("begun on that connection later", vec![death(900, 3000)], vec![], closed(1100, &logged), Verdict::Lost),
            ("had another answer", vec![death(1050, 3000)], vec![], get(1100, &logged), Verdict::Lost),
            ("its server was dead", vec![death(1050, 3000)], vec![], get(1100, &named), Verdict::OnKilledServer),
            ("so the log says", vec![death(500, 3000)], vec![line(1100)], get(1100, &logged), Verdict::OnKilledServer),
            (
                "the log is about a later one",
                vec![death(500, 3000)],
                vec![line(9000)],
                get(1100, &logged),
                Verdict::Lost,
            ),
            ("the log is about one before", vec![death(500, 3000)], vec![line(900)], get(1100, &logged), Verdict::Lost),
            (
                "the connection failed elsewhere later",
                vec![death(500, 3000)],
                vec![line(1101), elsewhere(2500)],
                get(1100, &logged),
                Verdict::OnKilledServer,
            ),
            ("it was back already", vec![death(200, 900)], vec![], get(1100, &named), Verdict::Lost),
            ("it died later", vec![death(1200, 3000)], vec![], get(1100, &named), Verdict::Lost),
        ] {
            let journal = Journal::default();
            assert_eq!(Judge::new(&journal, &deaths, &log, &PACE).verdict(&failure), verdict, "{why}");
        }
    }

    #[test]
    fn a_stream_may_be_closed_once_its_server_has_drained_and_nothing_else_may() {
        let began = Instant::now();
        let journal = Journal::default();
        journal.let_go_at("i-1", began);
        journal.has_weight("r2", false, began);
        let named = Server { instance: Some("i-1".to_owned()), ..Server::default() };
        let of_release =
            Server { instance: Some("i-2".to_owned()), release: Some("r2".to_owned()), ..Server::default() };
        for (why, ended, verdict) in
            [("settled and drained", 6000, Verdict::Outlived), ("not drained yet", 5900, Verdict::Lost)]
        {
            let failure = failure(began, ended, Kind::Stream, of_release.clone());
            assert_eq!(Judge::new(&journal, &[], &[], &PACE).verdict(&failure), verdict, "{why}");
        }
        for (why, kind, ended, verdict) in [
            ("a stream, drained", Kind::Stream, 4000, Verdict::Outlived),
            ("a socket, drained", Kind::Socket, 4100, Verdict::Outlived),
            ("a stream, too early", Kind::Stream, 3900, Verdict::Lost),
            ("a slow page", Kind::Slow, 4100, Verdict::Lost),
        ] {
            let failure = failure(began, ended, kind, named.clone());
            assert_eq!(Judge::new(&journal, &[], &[], &PACE).verdict(&failure), verdict, "{why}");
        }
    }
}
