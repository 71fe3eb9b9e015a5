//! A run in pictures: who answered, what failed, how long it took, second by second, with the moments that matter.

use local::report::{Chart, Drawn, Mark, Series, Tone};

use crate::baselines::Way;
use crate::book::{Pace, Second, Site};
use crate::journal::{Moment, What};
use crate::outcome::millis;
use crate::run::Round;

/// So much of a round is shown: moments and releases can still be told apart.
const WINDOW_SECONDS: u64 = 120;

/// The first service of a round, in the same seconds and with the same moments each time.
#[must_use]
pub fn of(round: &Round) -> Vec<Chart> {
    let Some(site) = round.book.sites.first() else { return Vec::new() };
    let last = site.seconds.keys().next_back().copied().unwrap_or_default().min(WINDOW_SECONDS);
    let moments = round.journal.moments();
    let mut marks: Vec<Mark> =
        moments.iter().filter(|moment| moment.site == 0).filter_map(|moment| mark(round, moment, last)).collect();
    marks.sort_by(|one, other| one.at.total_cmp(&other.at));
    let chart = |title: &str, note: &str, drawn, unit: &str, series| Chart {
        title: title.to_owned(),
        note: note.to_owned(),
        drawn,
        unit: unit.to_owned(),
        seconds: (0..=last).map(|second| second as f64).collect(),
        series,
        marks: marks.clone(),
    };
    vec![
        chart(
            "Who answered: the share of one service's requests by release",
            "One of the services that Pointsman releases, second by second. Switches, steps and rollbacks are marked at AWS's answer; the second node hears of them later.",
            Drawn::Shares,
            "%",
            shares(site, last),
        ),
        chart(
            "Failed requests of the same service, and of the baselines beside it",
            "A server that is killed fails what it has: those are in Pointsman's line, and counted apart above.",
            Drawn::Lines,
            "a second",
            failed(round, last),
        ),
        chart(
            "How long the same service's answers took",
            "Milliseconds from when a request was due, without the time that it asked the server to take.",
            Drawn::Lines,
            "ms",
            latencies(site, last),
        ),
    ]
}

fn shares(site: &Site, last: u64) -> Vec<Series> {
    let count = |second: u64, release: usize| {
        let count = site.seconds.get(&second).and_then(|second| second.by_release.get(&release));
        Some(f64::from(count.copied().unwrap_or_default()))
    };
    let series = site.releases.iter().enumerate().map(|(number, (name, _))| Series {
        name: name.clone(),
        values: (0..=last).map(|second| count(second, number)).collect(),
    });
    series.filter(|series| series.values.iter().any(|value| *value != Some(0.0))).collect()
}

fn failed(round: &Round, last: u64) -> Vec<Series> {
    let of = |site: &Site| -> Vec<Option<f64>> {
        let failed = |second: &Second| f64::from(second.failed);
        (0..=last).map(|second| Some(site.seconds.get(&second).map_or(0.0, failed))).collect()
    };
    let ours = round.book.sites.iter().take(1).map(|site| ("Pointsman", site));
    let baselines = Way::ALL.iter().map(|way| way.name()).zip(round.book.sites.iter().skip(round.services));
    ours.chain(baselines).map(|(name, site)| Series { name: name.to_owned(), values: of(site) }).collect()
}

fn latencies(site: &Site, last: u64) -> Vec<Series> {
    let line = |name: &str, value: fn(&Pace) -> u64| Series {
        name: name.to_owned(),
        values: (0..=last).map(|second| site.paces.get(&second).map(value).map(millis)).collect(),
    };
    vec![line("p50", |pace| pace.p50), line("p99", |pace| pace.p99), line("longest", |pace| pace.max)]
}

fn mark(round: &Round, moment: &Moment, last: u64) -> Option<Mark> {
    let at = moment.at.checked_duration_since(round.book.opened)?.as_secs_f64();
    let release = moment.release.as_str();
    let named = |name: &str, tone| Mark { at, name: format!("{name}: of {release}"), tone };
    let mark = match moment.what {
        What::Weight(percent) => Mark::gets(at, release, percent),
        What::Back => Mark::gets_back(at, release),
        What::Alarm => Mark::alarm(at, release),
        What::CutOff => named("promote cut off", Tone::Interrupted),
        What::KilledNew | What::KilledOld => named("server killed", Tone::Trouble),
        What::Promoted | What::RolledBack | What::AlarmInVain | What::FollowedAtOnce | What::Finished => return None,
    };
    (at <= last as f64).then_some(mark)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use local::report::{Part, Report};

    use super::*;
    use crate::book::{Book, Kind, Success};
    use crate::journal::Journal;

    /// A round of two services in which the first one answered for so many seconds, and of which nothing else is known.
    fn round(seconds: u64) -> Round {
        let mut book = Book::new(&["one".to_owned(), "other".to_owned()]);
        for second in 0..seconds {
            let due = book.opened + Duration::from_secs(second);
            let latency = Duration::from_millis(2);
            book.answered(0, "s1-1", due);
            book.succeed(0, Success { kind: Kind::Get, fresh: false, due, latency, parts: 0 }, due);
        }
        book.close();
        Round {
            services: 2,
            began: Instant::now(),
            book,
            journal: Journal::default(),
            deaths: Vec::new(),
            log: Vec::new(),
            counted: 0,
            slowest_change: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn each_moment_of_the_service_is_marked_in_each_chart() {
        let round = round(60);
        let wanted = [
            (What::Weight(20), "step: s1-1 gets 20 %", "step"),
            (What::Weight(100), "switch: s1-1 gets all", "forward"),
            (What::Back, "rollback: s1-1 gets all again", "back"),
            (What::Alarm, "alarm: goes off with s1-1", "trouble"),
            (What::CutOff, "promote cut off: of s1-1", "interrupted"),
            (What::KilledNew, "server killed: of s1-1", "trouble"),
        ];
        for (second, (what, ..)) in (1..).zip(wanted) {
            round.journal.note_at(0, what, "s1-1", round.book.opened + Duration::from_secs(second));
        }
        let at = |second| round.book.opened + Duration::from_secs(second);
        round.journal.note_at(1, What::Weight(100), "s2-1", at(5));
        round.journal.note_at(0, What::Promoted, "s1-1", at(5));
        round.journal.note_at(0, What::Weight(100), "s1-9", at(90));

        let parts = of(&round).into_iter().map(Part::Chart).collect();
        let html = Report { parts, ..Report::default() }.html();
        for (second, (_, name, tone)) in (1..).zip(wanted) {
            let mark = format!("{{\"at\":{second}.0,\"name\":\"{name}\",\"tone\":\"{tone}\"}}");
            assert_eq!(html.matches(&mark).count(), 3, "{mark} is in each of the three charts");
        }
        assert_eq!(html.matches("\"tone\":").count(), 3 * wanted.len(), "and nothing else is");
    }

    #[test]
    fn all_charts_show_the_same_seconds_and_no_more_than_can_be_told_apart() {
        for (answered, shown) in [(60, 60), (500, 121)] {
            let charts = of(&round(answered));
            for chart in &charts {
                assert_eq!(chart.seconds.len(), shown, "{}", chart.title);
                assert!(chart.series.iter().all(|series| series.values.len() == shown), "{}", chart.title);
            }
            let latencies = &charts.last().unwrap().series;
            let longest =
                latencies.iter().map(|series| series.values.iter().flatten().fold(0.0, |a, b| f64::max(a, *b)));
            assert!(longest.into_iter().all(|ms| (1.9..2.1).contains(&ms)), "{latencies:?}");
        }
    }
}
