//! The demo in pictures: what customers got while releases came and went.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use gateway::Call;

use crate::customers::{Answer, Tally};
use crate::report::{Chart, Drawn, Mark, Part, Report, Series, Tone};

/// A rule change reaches the load balancer by then.
const REACHES_WITHIN: Duration = Duration::from_millis(500);

/// Draws what customers got, with the moments in which a rule was changed, by the calls of AWS that the functions made.
#[must_use]
pub fn of(tally: &Tally, calls: &[Call]) -> Report {
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
        marks: marks(began, tally, calls),
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
        title: "Four releases, as customers saw them".to_owned(),
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

/// The moments in which customers were sent to another release: those changes of a rule after which another one answers.
fn marks(began: SystemTime, tally: &Tally, calls: &[Call]) -> Vec<Mark> {
    let mut answers: Vec<&Answer> = tally.answers.iter().filter(|answer| answer.version.is_some()).collect();
    answers.sort_by_key(|answer| answer.at);
    let changes = calls.iter().filter(|call| call.action == "ModifyRule" && call.ok());
    let marks = changes.filter_map(|call| {
        let changed = call.at + call.elapsed;
        let before = answers.iter().rev().find(|answer| answer.at < call.at)?.version.as_ref()?;
        let after = answers.iter().find(|answer| answer.at >= changed + REACHES_WITHIN)?.version.as_ref()?;
        let (kind, tone) = match call.caller.as_str() {
            "PROMOTE" => ("switch", Tone::Forward),
            "TEARDOWN" => ("rollback", Tone::Back),
            _ => return None,
        };
        let name = format!("{kind}: all to {after}");
        (before != after).then(|| Mark { at: since(began, changed).as_secs_f64(), name, tone })
    });
    marks.collect()
}

fn since(began: SystemTime, at: SystemTime) -> Duration {
    at.duration_since(began).unwrap_or_default()
}
