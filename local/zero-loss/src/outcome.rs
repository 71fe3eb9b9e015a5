//! What came of a run: its rounds added up, beside what the baselines lost, in words, tables and pictures.

use std::time::Duration;

use hdrhistogram::Histogram;
use local::report::{Part, Report, Table};
use local::terminal::Terminal;

use crate::baselines::Way;
use crate::book::Kind;
use crate::clicks::{CALL_TAKES, Click, Clicks};
use crate::journal::What;
use crate::judge::{Judge, Tally};
use crate::pictures;
use crate::run::{NODE_LAG, Round, Settings};

/// So many lost requests are told in full.
const LOST_TOLD: usize = 10;

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
        let mut ours: Option<Line> = None;
        let (mut baselines, mut lost): (Vec<Line>, Vec<String>) = (Vec::new(), Vec::new());
        for round in rounds {
            let judge = Judge::new(&round.journal, &round.deaths, &round.log, &settings.pace);
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
                    "{:.2} s into the round, {} of service {} at node {}, after {:.2} s: {} (release {}, instance {}{}). {}",
                    failure.ended.saturating_duration_since(round.book.opened).as_secs_f64(),
                    failure.kind.name(),
                    failure.site + 1,
                    failure.node + 1,
                    failure.ended.saturating_duration_since(failure.began).as_secs_f64(),
                    failure.what,
                    server.release.as_deref().unwrap_or("unknown"),
                    server.instance.as_deref().unwrap_or("unknown"),
                    let_go.map(|ago| format!(", deregistered {ago:.2} s before")).unwrap_or_default(),
                    judge.evidence(failure),
                ));
            }
        }
        Some(Self { settings, rounds, clicks, ours: ours?, baselines, lost })
    }

    /// Whether nothing was lost and no alarm was in vain, in a run that says so: rule changes reached all nodes within
    /// `settle_seconds`, and each request's fate is known.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost.is_empty() && self.proves() && self.count(What::AlarmInVain) == 0
    }

    /// Whether its machine had time enough for it.
    #[must_use]
    pub fn proves(&self) -> bool {
        self.in_time() && self.unended() == 0
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
            _ if !self.proves() => "A run that proves nothing: the machine was too busy".to_owned(),
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
        let mut words = vec![format!(
            "{} promotes and {} rollbacks of {} services side by side in {}, under {rate:.0} requests a second: {} of {} requests were lost. Some releases rose in steps, some were \
             stopped by an alarm or followed by the next one at once; promotes were killed in the middle, and so were servers.",
            self.count(What::Promoted),
            self.count(What::RolledBack),
            self.settings.services,
            spoken(took),
            grouped(tally.lost),
            grouped(tally.requests),
        )];
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

    /// What was done and measured, number by number.
    fn numbers(&self) -> Table {
        let (tally, pace) = (&self.ours.tally, &self.settings.pace);
        let late = self.rounds.iter().map(|round| round.book.late).max().unwrap_or_default();
        let count = |what| grouped(self.count(what) as u64);
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let rows = [
            ("promotes", count(What::Promoted)),
            ("rollbacks", count(What::RolledBack)),
            ("steps below 100 %", grouped(self.steps() as u64)),
            ("promotes killed by signal 9 and taken over", count(What::CutOff)),
            ("alarms that went off", count(What::Alarm)),
            ("alarms that nobody acted on", count(What::AlarmInVain)),
            ("releases followed by the next one at once", count(What::FollowedAtOnce)),
            ("servers killed, of the release that came", count(What::KilledNew)),
            ("servers killed, of the one that serves or is gone back to", count(What::KilledOld)),
            ("requests to the services that Pointsman released", grouped(tally.requests)),
            ("of them lost", grouped(tally.lost)),
            ("on a server that was killed: counted apart", grouped(tally.on_killed_server)),
            (
                "streams and WebSockets longer than their server's drain, closed as AWS does: counted apart",
                grouped(tally.outlived),
            ),
            (
                "requests in all, the baselines' among them",
                grouped(self.rounds.iter().map(|round| round.book.begun).sum()),
            ),
            ("as the load balancer itself counted them", grouped(self.rounds.iter().map(|round| round.counted).sum())),
            (
                "customers of sticky steps who came back with their cookie, and met the release that they knew",
                grouped(self.rounds.iter().map(|round| round.book.kept).sum()),
            ),
            ("the load generator began one late by, at most", format!("{:.0} ms", late.as_secs_f64() * 1000.0)),
            ("the second load-balancer node hears of a rule change later by", seconds(NODE_LAG)),
            ("a rule change took until a node went by it, at most", seconds(self.slowest_change())),
            ("settle_seconds", format!("{} s", pace.settle_seconds)),
            ("drain_seconds", format!("{} s", pace.drain_seconds)),
            ("a server listens after its start by", seconds(self.settings.boot)),
        ];
        Table {
            title: "The run in numbers".to_owned(),
            note: "Where a promote was killed, the end of its lease was brought forward: by the clock it takes 75 seconds.".to_owned(),
            header: ["", "number"].map(str::to_owned).to_vec(),
            rows: rows.map(|(name, number)| vec![name.to_owned(), number]).to_vec(),
        }
    }

    /// What was asked for and answered, by kind.
    fn kinds(&self) -> Table {
        let sites = || self.rounds.iter().flat_map(|round| &round.book.sites);
        let answered = |wanted: Kind, only_fresh: bool| -> u64 {
            let all = sites().flat_map(|site| &site.ok);
            all.filter(|((kind, fresh), _)| *kind == wanted && (*fresh || !only_fresh)).map(|(_, count)| count).sum()
        };
        let rows = Kind::ALL
            .iter()
            .map(|kind| vec![kind.name().to_owned(), grouped(answered(*kind, false)), grouped(answered(*kind, true))]);
        Table {
            title: "What was asked for, and answered as it should be".to_owned(),
            note: format!(
                "All sites. Answers, chunks of streams and messages of WebSockets: {}.",
                grouped(sites().map(|site| site.parts).sum())
            ),
            header: ["", "answered", "on new connections"].map(str::to_owned).to_vec(),
            rows: rows.collect(),
        }
    }

    fn comparison(&self) -> Table {
        let header = [
            "",
            "switches",
            "requests",
            "lost",
            "lost of 100,000",
            "closed after drain",
            "on killed servers",
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
        for table in [self.numbers(), self.comparison(), self.kinds()].into_iter().chain(click_table(self.clicks)) {
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
        parts.extend(self.rounds.first().map(pictures::of).unwrap_or_default().into_iter().map(Part::Chart));
        parts.extend(click_table(self.clicks).map(Part::Table));
        parts.extend([self.numbers(), self.kinds()].map(Part::Table));
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
    let kinds = [("Approve", &clicks.approve), ("Reject", &clicks.reject), ("alarm", &clicks.alarm)];
    let header = kinds.iter().flat_map(|(name, _)| [format!("{name} p50"), format!("{name} p99")]);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let row = |name: &str, value: &dyn Fn(&Click) -> f64| {
        let of =
            |clicks: &[Click], quantile| format!("{:.0}", at_quantile(clicks.iter().map(value).collect(), quantile));
        let cells = kinds.iter().flat_map(|(_, clicks)| [of(clicks, 0.5), of(clicks, 0.99)]);
        std::iter::once(name.to_owned()).chain(cells).collect()
    };
    Some(Table {
        title: "From the click to the customers".to_owned(),
        note: format!(
            "{} of each, functions warm, {} ms added to each AWS call, one load-balancer node. From the click, or the alarm's event, until the first request reached the new release, \
             or the last one the bad release. The switch is from the function's first AWS call to the answer of ModifyRule; the simulator's part is when at least one of its calls was with the \
             simulator, which AWS would answer itself.",
            clicks.approve.len(),
            CALL_TAKES.as_millis()
        ),
        header: std::iter::once("ms".to_owned()).chain(header).collect(),
        rows: vec![
            row("until customers had it", &|click| ms(click.seen)),
            row("the switch alone", &|click| ms(click.switch)),
            row("the simulator's part of it", &|click| ms(click.simulator)),
            row("the switch without the simulator", &|click| ms(click.switch.saturating_sub(click.simulator))),
            row("its round trips", &|click| click.round_trips as f64),
        ],
    })
}

fn at_quantile(mut values: Vec<f64>, quantile: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * quantile).ceil().max(1.0) as usize;
    values.get(rank - 1).copied().unwrap_or_default()
}

pub(crate) fn millis(micros: u64) -> f64 {
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
