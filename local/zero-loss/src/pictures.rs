//! A run in pictures: who answered, what failed, how long it took, second by second.

use std::time::Instant;

use local::report::{Chart, Drawn, Mark, Series, Tone};

use crate::baselines::Way;
use crate::journal::{Moment, What};
use crate::outcome::millis;
use crate::run::Round;

/// So much of a round is shown release by release.
const WINDOW_SECONDS: u64 = 120;

fn seconds_of(round: &Round, at: Instant) -> f64 {
    at.saturating_duration_since(round.book.opened).as_secs_f64()
}

/// The first service's requests by release, for as long as single releases can be told apart.
pub fn shares(round: &Round) -> Chart {
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
        What::Weight(percent) => (format!("step: {percent} % to {release}"), Tone::Step),
        What::Back => (format!("rollback: all to {release}"), Tone::Back),
        What::Alarm => (format!("alarm: of {release}"), Tone::Trouble),
        What::CutOff => (format!("promote cut off: of {release}"), Tone::Interrupted),
        What::KilledNew | What::KilledOld => (format!("server killed: of {release}"), Tone::Trouble),
        What::Promoted | What::RolledBack | What::AlarmInVain | What::FollowedAtOnce | What::Finished => return None,
    };
    let at = seconds_of(round, moment.at);
    (moment.at >= round.book.opened && at <= last as f64).then_some(Mark { at, name, tone })
}

/// Failures of each second, ours and the baselines'.
pub fn lost_by_second(round: &Round) -> Chart {
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
        title: "Failed requests".to_owned(),
        note: "The first round, in which the baselines release too. A server that is killed fails what it has: those are in Pointsman's line, and counted apart above.".to_owned(),
        drawn: Drawn::Lines,
        unit: "a second".to_owned(),
        seconds: (0..=last).map(|second| second as f64).collect(),
        series: std::iter::once(ours).chain(baselines).collect(),
        marks: Vec::new(),
    }
}

/// Latencies of the whole run; between two rounds there is no load.
pub fn latencies(rounds: &[Round]) -> Chart {
    let began = rounds.first().map(|round| round.book.opened);
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
        title: "How long answers took, all sites".to_owned(),
        note: "Milliseconds from when a request was due, without the time that it asked the server to take.".to_owned(),
        drawn: Drawn::Lines,
        unit: "ms".to_owned(),
        seconds,
        series: named.map(|(name, values)| Series { name: name.to_owned(), values }).to_vec(),
        marks: Vec::new(),
    }
}
