//! What came of a run: its rounds added up, beside what the baselines lost, in words, tables and pictures.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use local::report::{Chart, Drawn, Mark, Part, Report, Series, Table, Tone};
use local::terminal::Terminal;

use crate::baselines::Way;
use crate::book::Kind;
use crate::clicks::{CALL_TAKES, Click, Clicks};
use crate::journal::{Moment, What};
use crate::judge::{Judge, Tally};
use crate::run::{NODE_LAG, Round, Settings};

/// So many lost requests are told in full.
const LOST_TOLD: usize = 10;

/// So much of a round is shown release by release.
const WINDOW_SECONDS: u64 = 120;

/// The requests of one way to release.
#[derive(Debug)]
struct Line {
    name: String,
    releases: usize,
    tally: Tally,
    latencies: Histogram<u64>,
    gap: Duration,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome<'a> {
    settings: &'a Settings,
    rounds: &'a [Round],
    clicks: &'a Clicks,
    ours: Line,
    baselines: Vec<Line>,
    /// The requests that Pointsman lost, in words.
    lost: Vec<String>,
}

impl<'a> Outcome<'a> {
    /// Adds up what came of the rounds; none where there was none.
    #[must_use]
    pub fn of(settings: &'a Settings, rounds: &'a [Round], clicks: &'a Clicks) -> Option<Self> {
        let drain = Duration::from_secs(settings.pace.drain_seconds);
        let mut ours: Option<Line> = None;
        let (mut baselines, mut lost): (Vec<Line>, Vec<String>) = (Vec::new(), Vec::new());
        for round in rounds {
            let judge = Judge::new(&round.journal, &round.deaths, &round.log, drain);
            let (tallies, failures) = judge.tallies(&round.book);
            for (number, (site, tally)) in round.book.sites.iter().zip(tallies).enumerate() {
                let moments = round.journal.moments();
                let releases = moments.iter().filter(|one| one.site == number && one.what.is_switch()).count();
                let way = number.checked_sub(round.services).and_then(|way| Way::ALL.get(way));
                let name = way.map_or("Pointsman", |way| way.name()).to_owned();
                let line = Line { name, releases, tally, latencies: site.latencies.clone(), gap: site.longest_gap.0 };
                match (way, &mut ours) {
                    (Some(_), _) => baselines.push(line),
                    (None, Some(ours)) => ours.add(line),
                    (None, ours) => *ours = Some(line),
                }
            }
            for failure in failures.into_iter().filter(|failure| failure.site < round.services) {
                let server = &failure.server;
                let let_go = server.instance.as_deref().and_then(|instance| round.journal.let_go(instance));
                let let_go = let_go.map(|at| failure.ended.saturating_duration_since(at).as_secs_f64());
                lost.push(format!(
                    "{:.2} s into the round, {} of service {} at node {}, after {:.2} s: {} (release {}, instance {}{})",
                    failure.ended.saturating_duration_since(round.book.opened).as_secs_f64(),
                    failure.kind.name(),
                    failure.site + 1,
                    failure.node + 1,
                    failure.ended.saturating_duration_since(failure.began).as_secs_f64(),
                    failure.what,
                    server.release.as_deref().unwrap_or("unknown"),
                    server.instance.as_deref().unwrap_or("unknown"),
                    let_go.map(|ago| format!(", deregistered {ago:.2} s before")).unwrap_or_default(),
                ));
            }
        }
        Some(Self { settings, rounds, clicks, ours: ours?, baselines, lost })
    }

    /// Whether nothing was lost, in a run that says so: rule changes reached all nodes within `settle_seconds`, and each request's
    /// fate is known.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost.is_empty() && self.in_time() && self.unended() == 0
    }

    fn unended(&self) -> u64 {
        self.rounds.iter().map(|round| round.book.unended()).sum()
    }

    /// How many requests the baselines lost.
    #[must_use]
    pub fn lost_by_baselines(&self) -> u64 {
        self.baselines.iter().map(|line| line.tally.lost).sum()
    }

    fn in_time(&self) -> bool {
        self.slowest_change() < Duration::from_secs(self.settings.pace.settle_seconds)
    }

    fn slowest_change(&self) -> Duration {
        self.rounds.iter().map(|round| round.slowest_change).max().unwrap_or_default()
    }

    fn count(&self, what: What) -> usize {
        self.rounds.iter().map(|round| round.journal.count_of(what, round.services)).sum()
    }

    fn title(&self) -> String {
        match self.lost.len() {
            _ if !self.in_time() || self.unended() > 0 => {
                "A run that proves nothing: the machine was too busy".to_owned()
            }
            0 => format!("Not one request lost of {}", grouped(self.ours.tally.requests)),
            lost => format!("{lost} requests lost of {}", grouped(self.ours.tally.requests)),
        }
    }

    /// How it went, in sentences.
    fn words(&self) -> Vec<String> {
        let took: Duration = self.rounds.iter().map(|round| round.took).sum();
        let tally = &self.ours.tally;
        let rate: f64 = {
            let (begun, loaded) = self.rounds.iter().fold((0, Duration::ZERO), |(begun, loaded), round| {
                (begun + round.book.begun, loaded + round.book.lasted())
            });
            per_second(begun, loaded)
        };
        let late = self.rounds.iter().map(|round| round.book.late).max().unwrap_or_default();
        let mut words = vec![
            format!(
                "{} promotes and {} rollbacks of {} services side by side in {}: {} requests, {} lost. {} were on a server that was killed, and {} \
                 streams and WebSockets went on for longer than their server's drain and were closed, as AWS does; both are counted apart.",
                self.count(What::Promoted),
                self.count(What::RolledBack),
                self.settings.services,
                spoken(took),
                grouped(tally.requests),
                tally.lost,
                grouped(tally.on_killed_server),
                grouped(tally.outlived),
            ),
            format!(
                "Of the services a third takes each release in steps, and a third watches it for a while before it is done: {} steps below 100 %. Disturbed were: promotes cut off by \
                 signal 9 and taken over (the lease's end was brought forward, as 75 seconds would): {}; releases stopped by their alarm: {}; followed by the next one at once: {}; servers \
                 killed of the release that came: {}; of the one gone back to: {}.",
                self.steps(),
                self.count(What::CutOff),
                self.count(What::Alarm),
                self.count(What::FollowedAtOnce),
                self.count(What::KilledNew),
                self.count(What::KilledOld),
            ),
            format!(
                "Load: {rate:.0} requests a second in all, {} begun (the load balancer counted {}), over two load-balancer nodes, of which the second hears of rule changes {:.1} s later; the generator began each at \
                 most {:.0} ms late. settle_seconds {}, drain_seconds {}; servers listen {:.1} s after their start.",
                grouped(self.rounds.iter().map(|round| round.book.begun).sum()),
                grouped(self.rounds.iter().map(|round| round.counted).sum()),
                NODE_LAG.as_secs_f64(),
                late.as_secs_f64() * 1000.0,
                self.settings.pace.settle_seconds,
                self.settings.pace.drain_seconds,
                self.settings.boot.as_secs_f64(),
            ),
            format!("Asked for were: {}.", self.kinds()),
        ];
        if !self.in_time() {
            words.push(format!(
                "This run proves nothing: a rule change took {:.1} s to reach a node, and settle_seconds is {}. The machine was too busy.",
                self.slowest_change().as_secs_f64(),
                self.settings.pace.settle_seconds
            ));
        }
        if self.unended() > 0 {
            words.push(format!(
                "This run proves nothing: {} requests had no end when it stopped.",
                grouped(self.unended())
            ));
        }
        words
    }

    fn steps(&self) -> usize {
        let of = |round: &Round| {
            let moments = round.journal.moments();
            moments.iter().filter(|one| matches!(one.what, What::Weight(percent) if percent < 100)).count()
        };
        self.rounds.iter().map(of).sum()
    }

    /// What was asked for and answered, by kind.
    fn kinds(&self) -> String {
        let sites = self.rounds.iter().flat_map(|round| &round.book.sites);
        let mut counts: Vec<(Kind, u64, u64)> = Kind::ALL.iter().map(|kind| (*kind, 0, 0)).collect();
        let mut parts = 0;
        for site in sites {
            parts += site.parts;
            for ((kind, fresh), count) in &site.ok {
                for (_, all, on_new) in counts.iter_mut().filter(|(one, ..)| one == kind) {
                    *all += count;
                    *on_new += if *fresh { *count } else { 0 };
                }
            }
        }
        let texts = counts.iter().map(|(kind, all, fresh)| {
            format!("{} {} ({} on new connections)", grouped(*all), kind.name(), grouped(*fresh))
        });
        format!("{}; {} answers, chunks and messages in all", texts.collect::<Vec<_>>().join(", "), grouped(parts))
    }

    fn comparison(&self) -> Table {
        let header = [
            "",
            "switches",
            "requests",
            "lost",
            "of 100,000",
            "closed as AWS",
            "on killed",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "longest gap ms",
        ];
        let rows = std::iter::once(&self.ours).chain(&self.baselines).map(Line::row).collect();
        Table {
            title: "What each way to release lost, under the same load".to_owned(),
            note: "A request is lost that was not answered as it should be: another status, a reset, no end in time, a wrong or broken-off body.".to_owned(),
            header: header.map(str::to_owned).to_vec(),
            rows,
        }
    }

    /// Tells it on a terminal.
    pub fn tell(&self, terminal: &Terminal) {
        terminal.heading("What came of it");
        for words in self.words() {
            terminal.say(&words);
        }
        for table in std::iter::once(self.comparison()).chain(click_table(self.clicks)) {
            tell_table(&table, terminal);
        }
        if !self.lost.is_empty() {
            terminal.heading("Lost with Pointsman");
            for lost in self.lost.iter().take(LOST_TOLD) {
                terminal.say(lost);
            }
            if self.lost.len() > LOST_TOLD {
                terminal.say(&format!("and {} more", self.lost.len() - LOST_TOLD));
            }
        }
    }

    /// The same with pictures.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut parts = vec![Part::Table(self.comparison())];
        if let Some(first) = self.rounds.first() {
            parts.push(Part::Chart(shares(first)));
            parts.push(Part::Chart(lost_by_second(first)));
        }
        parts.extend(click_table(self.clicks).map(Part::Table));
        parts.push(Part::Chart(latencies(self.rounds)));
        Report { title: self.title(), words: self.words(), parts }
    }
}

impl Line {
    fn add(&mut self, other: Self) {
        self.releases += other.releases;
        self.tally.add(&other.tally);
        // Both have the same bounds.
        let _ = self.latencies.add(&other.latencies);
        self.gap = self.gap.max(other.gap);
    }

    fn row(&self) -> Vec<String> {
        let ms = |quantile| format!("{:.1}", millis(self.latencies.value_at_quantile(quantile)));
        let tally = &self.tally;
        let of = if tally.requests == 0 { 0.0 } else { tally.lost as f64 * 100_000.0 / tally.requests as f64 };
        vec![
            self.name.clone(),
            self.releases.to_string(),
            grouped(tally.requests),
            grouped(tally.lost),
            format!("{of:.1}"),
            grouped(tally.outlived),
            grouped(tally.on_killed_server),
            ms(0.5),
            ms(0.99),
            ms(0.999),
            format!("{:.0}", self.gap.as_secs_f64() * 1000.0),
        ]
    }
}

/// Tells a table on a terminal.
pub fn tell_table(table: &Table, terminal: &Terminal) {
    terminal.heading(&table.title);
    terminal.say(&table.note);
    let header: Vec<&str> = table.header.iter().map(String::as_str).collect();
    terminal.table(&header, &table.rows);
}

/// How long clicks took; none where there were none.
#[must_use]
pub fn click_table(clicks: &Clicks) -> Option<Table> {
    if clicks.approve.is_empty() {
        return None;
    }
    let rows = [
        ("Approve, until the first request reached the new release", &clicks.approve),
        ("Reject, until the last request reached the bad release", &clicks.reject),
    ];
    let header = ["click", "p50 ms", "p99 ms", "switch p50 ms", "switch p99 ms", "round trips p50", "round trips p99"];
    Some(Table {
        title: "From the click to the customers".to_owned(),
        note: format!(
            "{} clicks each, functions warm, {} ms added to each AWS call, one load-balancer node. The switch is from the function's first AWS call to the answer of ModifyRule.",
            clicks.approve.len(),
            CALL_TAKES.as_millis()
        ),
        header: header.map(str::to_owned).to_vec(),
        rows: rows.iter().map(|(name, clicks)| click_row(name, clicks)).collect(),
    })
}

fn click_row(name: &str, clicks: &[Click]) -> Vec<String> {
    let of = |value: fn(&Click) -> f64, quantile: f64| {
        let mut values: Vec<f64> = clicks.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let rank = (values.len() as f64 * quantile).ceil().max(1.0) as usize;
        values.get(rank - 1).copied().unwrap_or_default()
    };
    let ms = |value: fn(&Click) -> f64, quantile| format!("{:.0}", of(value, quantile));
    let seen: fn(&Click) -> f64 = |click| click.seen.as_secs_f64() * 1000.0;
    let switch: fn(&Click) -> f64 = |click| click.switch.as_secs_f64() * 1000.0;
    let trips: fn(&Click) -> f64 = |click| click.round_trips as f64;
    let mut row = vec![name.to_owned()];
    for value in [seen, switch, trips] {
        row.extend([ms(value, 0.5), ms(value, 0.99)]);
    }
    row
}

fn seconds_of(round: &Round, at: Instant) -> f64 {
    at.saturating_duration_since(round.book.opened).as_secs_f64()
}

/// The first service's requests by release, for as long as single releases can be told apart.
fn shares(round: &Round) -> Chart {
    let site = round.book.sites.first();
    let last = site.and_then(|site| site.seconds.keys().next_back()).copied().unwrap_or_default().min(WINDOW_SECONDS);
    let count = |second: u64, release: usize| {
        let second = site.and_then(|site| site.seconds.get(&second));
        second.and_then(|second| second.by_release.get(&release)).map(|count| f64::from(*count))
    };
    let releases = site.map(|site| site.releases.as_slice()).unwrap_or_default();
    let series = releases.iter().enumerate().map(|(number, (name, _))| Series {
        name: name.clone(),
        values: (0..=last).map(|second| Some(count(second, number).unwrap_or(0.0))).collect(),
    });
    let series = series.filter(|series| series.values.iter().any(|value| *value != Some(0.0))).collect();
    let moments = round.journal.moments();
    let marks = moments.iter().filter(|moment| moment.site == 0).filter_map(|moment| mark(round, moment, last));
    Chart {
        title: "Who answered: the share of one service's requests by release".to_owned(),
        note: "One of the services that Pointsman releases, second by second. Switches, steps and rollbacks are marked at AWS's answer; the second node hears of them later."
            .to_owned(),
        drawn: Drawn::Shares,
        unit: "%".to_owned(),
        seconds: (0..=last).map(|second| second as f64).collect(),
        series,
        marks: marks.collect(),
    }
}

fn mark(round: &Round, moment: &Moment, last: u64) -> Option<Mark> {
    let release = &moment.release;
    let (name, tone) = match moment.what {
        What::Weight(100) => (format!("switch: all to {release}"), Tone::Forward),
        What::Weight(percent) => (format!("step: {percent} % to {release}"), Tone::Forward),
        What::Back => (format!("rollback: all to {release}"), Tone::Back),
        What::Alarm => (format!("alarm: of {release}"), Tone::Trouble),
        What::CutOff => (format!("promote cut off: of {release}"), Tone::Trouble),
        What::KilledNew | What::KilledOld => (format!("server killed: of {release}"), Tone::Trouble),
        What::Promoted | What::RolledBack | What::FollowedAtOnce | What::Finished => return None,
    };
    let at = seconds_of(round, moment.at);
    (moment.at >= round.book.opened && at <= last as f64).then_some(Mark { at, name, tone })
}

/// Failures of each second, ours and the baselines'.
fn lost_by_second(round: &Round) -> Chart {
    let sites = &round.book.sites;
    let last = sites.iter().filter_map(|site| site.seconds.keys().next_back()).max().copied().unwrap_or_default();
    let failed = |from: usize, to: usize| -> Vec<Option<f64>> {
        let of = |second: u64| {
            let all = sites.iter().skip(from).take(to - from).filter_map(|site| site.seconds.get(&second));
            all.map(|second| f64::from(second.failed)).sum::<f64>()
        };
        (0..=last).map(|second| Some(of(second))).collect()
    };
    let ours = Series {
        name: format!(
            "Pointsman, all {} services (those on killed servers and closed as AWS does among them)",
            round.services
        ),
        values: failed(0, round.services),
    };
    let ways = (round.services..sites.len()).zip(Way::ALL);
    let baselines = ways.map(|(site, way)| Series { name: way.name().to_owned(), values: failed(site, site + 1) });
    Chart {
        title: "Failed requests, second by second".to_owned(),
        note: "The first round, in which the baselines release too. A server that is killed fails what it has: those are in Pointsman's line, and counted apart above.".to_owned(),
        drawn: Drawn::Lines,
        unit: "a second".to_owned(),
        seconds: (0..=last).map(|second| second as f64).collect(),
        series: std::iter::once(ours).chain(baselines).collect(),
        marks: Vec::new(),
    }
}

/// Latencies of the whole run; between two rounds there is no load.
fn latencies(rounds: &[Round]) -> Chart {
    let began = rounds.first().map(|round| round.began);
    let (mut seconds, mut p50, mut p99, mut max) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in rounds {
        let opened = began.map_or(0.0, |began| round.book.opened.saturating_duration_since(began).as_secs_f64());
        for (second, pace) in &round.book.paces {
            seconds.push(opened + *second as f64);
            for (values, value) in [(&mut p50, pace.p50), (&mut p99, pace.p99), (&mut max, pace.max)] {
                values.push(Some(millis(value)));
            }
        }
        seconds.push(seconds.last().map_or(0.0, |last| last + 0.5));
        for values in [&mut p50, &mut p99, &mut max] {
            values.push(None);
        }
    }
    let named = [("p50", p50), ("p99", p99), ("longest", max)];
    Chart {
        title: "Latency, second by second, all sites".to_owned(),
        note: "Milliseconds from when a request was due, without the time that it asked the server to take.".to_owned(),
        drawn: Drawn::Lines,
        unit: "ms".to_owned(),
        seconds,
        series: named.map(|(name, values)| Series { name: name.to_owned(), values }).to_vec(),
        marks: Vec::new(),
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 120 { format!("{seconds} seconds") } else { format!("{} minutes", seconds / 60) }
}
