//! The demo in pictures: what customers got while releases came and went.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::customers::{Answer, Tally};
use crate::report::{Chart, Drawn, Mark, Part, Report, Series};
use crate::shares::Share;
use crate::story::Release;

/// What there is to draw.
#[derive(Clone, Debug)]
pub struct Told {
    /// What customers got.
    pub tally: Tally,
    /// What the product rule sent them to, change by change.
    pub shares: Vec<Share>,
    /// The releases that came to customers, in the order in which they came.
    pub releases: Vec<Release>,
    /// When alarms went off, and the version that came then.
    pub alarms: Vec<(SystemTime, String)>,
}

/// Draws what customers got, with the moments of each step, switch, alarm and rollback.
#[must_use]
pub fn of(told: &Told) -> Report {
    let tally = &told.tally;
    let began = tally.answers.iter().map(|answer| answer.at).min().unwrap_or_else(SystemTime::now);
    let mut seconds: BTreeMap<u64, Vec<&Answer>> = BTreeMap::new();
    for answer in &tally.answers {
        seconds.entry(since(began, answer.at).as_secs()).or_default().push(answer);
    }
    let last = seconds.keys().next_back().copied().unwrap_or_default();
    let of_second = |second: u64| seconds.get(&second).map(Vec::as_slice).unwrap_or_default();
    let chart = |title: &str, drawn, unit: &str, series| Chart {
        title: title.to_owned(),
        note: String::new(),
        drawn,
        unit: unit.to_owned(),
        seconds: (0..=last).map(|second| second as f64).collect(),
        series,
        marks: marks(began, told),
    };
    let line = |name: &str, value: &dyn Fn(&[&Answer]) -> Option<f64>| Series {
        name: name.to_owned(),
        values: (0..=last).map(|second| value(of_second(second))).collect(),
    };
    let shares = tally.versions.keys().map(|version| {
        let of = |answers: &[&Answer]| {
            Some(answers.iter().filter(|answer| answer.version.as_ref() == Some(version)).count() as f64)
        };
        line(&format!("release {version}"), &of)
    });
    let failed = |answers: &[&Answer]| Some(answers.iter().filter(|answer| answer.version.is_none()).count() as f64);
    let took = |of: fn(&[f64]) -> Option<f64>| {
        move |answers: &[&Answer]| {
            let mut all: Vec<f64> = answers.iter().map(|answer| answer.took.as_secs_f64() * 1000.0).collect();
            all.sort_by(f64::total_cmp);
            of(&all)
        }
    };
    let (middle, longest) = (took(|all| all.get(all.len() / 2).copied()), took(|all| all.last().copied()));
    Report {
        title: "Five releases, as customers saw them".to_owned(),
        words: vec![format!(
            "Customers asked {} times while releases were shipped, promoted and rejected, and {} requests failed.",
            tally.requests, tally.failures
        )],
        parts: vec![
            Part::Chart(chart("Who answered: share of requests by release", Drawn::Shares, "%", shares.collect())),
            Part::Chart(chart("Failed requests", Drawn::Lines, "a second", vec![line("failed", &failed)])),
            Part::Chart(chart(
                "How long answers took",
                Drawn::Lines,
                "ms",
                vec![line("in the middle", &middle), line("longest", &longest)],
            )),
        ],
    }
}

/// The moments since then in which customers were sent elsewhere, and those of the alarms.
fn marks(began: SystemTime, told: &Told) -> Vec<Mark> {
    let at = |moment: SystemTime| moment.duration_since(began).ok().map(|since| since.as_secs_f64());
    let place = |id: &str| told.releases.iter().position(|release| release.id == id);
    let mut marks: Vec<Mark> =
        told.alarms.iter().filter_map(|(moment, version)| Some(Mark::alarm(at(*moment)?, version))).collect();
    for (before, now) in told.shares.iter().zip(told.shares.iter().skip(1)) {
        let Some(at) = at(now.at) else { continue };
        let all: u32 = now.weights.iter().map(|(_, weight)| weight).sum();
        let newest_loser =
            before.weights.iter().filter(|(id, had)| weight(now, id) < *had).filter_map(|(id, _)| place(id)).max();
        for (id, has) in now.weights.iter().filter(|(id, has)| *has > weight(before, id)) {
            let place = place(id);
            let version = place.and_then(|place| told.releases.get(place)).map_or(&**id, |release| &release.version);
            // Whoever gets what a newer one had was there before.
            marks.push(match newest_loser > place {
                true => Mark::gets_back(at, version),
                false => Mark::gets(at, version, (has * 100).checked_div(all).unwrap_or_default()),
            });
        }
    }
    marks.sort_by(|one, other| one.at.total_cmp(&other.at));
    marks
}

/// What a release has of the weights.
fn weight(share: &Share, id: &str) -> u32 {
    share.weights.iter().find(|(release, _)| release == id).map(|(_, weight)| *weight).unwrap_or_default()
}

fn since(began: SystemTime, at: SystemTime) -> Duration {
    at.duration_since(began).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The release 1 is product; 2 comes and is put back, and 3 rises in a step, until its alarm goes off.
    fn told(began: SystemTime) -> Told {
        let at = |second: u64| began + Duration::from_secs(second);
        let share = |second, weights: &[(&str, u32)]| Share {
            at: at(second),
            weights: weights.iter().map(|(id, weight)| ((*id).to_owned(), *weight)).collect(),
        };
        let answer = |second| Answer { at: at(second), took: Duration::from_millis(4), version: Some("1".to_owned()) };
        let release = |version: &str| Release { version: version.to_owned(), id: format!("id-{version}") };
        Told {
            tally: Tally { answers: (0..9).map(answer).collect(), ..Tally::default() },
            shares: vec![
                share(0, &[("id-1", 100)]),
                share(1, &[("id-2", 100), ("id-1", 0)]),
                share(2, &[("id-1", 100)]),
                // Another rule was changed.
                share(3, &[("id-1", 100)]),
                share(4, &[("id-3", 10), ("id-1", 90)]),
                share(6, &[("id-1", 100)]),
            ],
            releases: ["1", "2", "3"].map(release).to_vec(),
            alarms: vec![(at(5), "3".to_owned())],
        }
    }

    #[test]
    fn each_step_switch_alarm_and_rollback_is_marked_in_each_chart() {
        let told = told(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
        let html = of(&told).html();
        for (at, name, tone) in [
            (1.0, "switch: 2 gets all", "forward"),
            (2.0, "rollback: 1 gets all again", "back"),
            (4.0, "step: 3 gets 10 %", "step"),
            (5.0, "alarm: goes off with 3", "trouble"),
            (6.0, "rollback: 1 gets all again", "back"),
        ] {
            let mark = serde_json::json!({"at": at, "name": name, "tone": tone}).to_string();
            assert_eq!(html.matches(&mark).count(), 3, "{mark} is in each of the three charts");
        }
        assert_eq!(html.matches("\"tone\":").count(), 3 * 5, "and nothing else is");
    }

    #[test]
    fn what_was_before_the_customers_is_not_marked() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut told = told(began);
        told.shares.insert(0, Share { at: began - Duration::from_secs(2), weights: Vec::new() });
        told.shares[1].at = began - Duration::from_secs(1);
        assert_eq!(marks(began, &told).len(), 5);
    }
}
