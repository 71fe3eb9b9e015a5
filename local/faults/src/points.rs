//! The points: each call of AWS in each scenario × each fault × who comes next; and what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::Call;
use local::standing::Standing;
use local::{Options, Result, Stack, Trouble};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::ask::Ask;
use crate::cut::{Cut, Way};
use crate::names::{Name, Names};
use crate::run::{self, At, Ran};
use crate::scenario::Scenario;

/// So many points are tried at the same time: where one waits, others go on.
const AT_ONCE: usize = 8;

/// So often a point is tried again whose fault met no call, or whose copy could not be made or looked at.
const NOT_MET_MAX: usize = 3;

/// What is to be tried.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A point's name has all of these in it.
    pub filters: Vec<String>,
    /// Every so-manieth point only, for a part that is quick.
    pub every: usize,
}

/// One point.
#[derive(Clone, Debug)]
pub struct Point {
    pub row: &'static str,
    pub ask: Ask,
    pub at: At,
    pub changes: bool,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let At { name, nth, cut, way } = &self.at;
        write!(f, "{}/{}/{name} #{nth}/{}/{}", self.row, self.ask.name(), cut.name(), way.name())
    }
}

/// What became of the points of one row and fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub tried: usize,
    pub converged: usize,
    /// The most invocations that it took after the one that was cut off.
    pub longest: usize,
}

/// What became of all.
#[derive(Debug, Default)]
pub struct Report {
    pub tallies: BTreeMap<(usize, Cut), Tally>,
    pub failed: Vec<String>,
    /// Of the functions, in peace.
    pub calls: usize,
    pub took: Duration,
}

impl Report {
    /// Scenario × fault: points tried, converged, longest recovery in calls.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("\n{:<24}", "tried/converged/longest");
        for name in Cut::ALL.iter().map(|cut| cut.name()).chain(["all"]) {
            text.push_str(&format!("{name:>17}"));
        }
        text.push('\n');
        for (number, row) in rows().iter().enumerate() {
            let of = |cut: &Cut| self.tallies.get(&(number, *cut)).copied().unwrap_or_default();
            let all = Cut::ALL.iter().map(of).fold(Tally::default(), Tally::and);
            if all.tried == 0 {
                continue;
            }
            text.push_str(&format!("{row:<24}"));
            for tally in Cut::ALL.iter().map(of).chain([all]) {
                text.push_str(&format!("{:>17}", tally.to_string()));
            }
            text.push('\n');
        }
        let all = self.tallies.values().copied().fold(Tally::default(), Tally::and);
        text.push_str(&format!(
            "{} calls of AWS, {} points, {} came to the same end, after {} more invocations at most, in {:.0} s\n",
            self.calls,
            all.tried,
            all.converged,
            all.longest,
            self.took.as_secs_f64()
        ));
        text
    }
}

impl Tally {
    fn and(self, other: Self) -> Self {
        Self {
            tried: self.tried + other.tried,
            converged: self.converged + other.converged,
            longest: self.longest.max(other.longest),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tried {
            0 => f.write_str("-"),
            tried => write!(f, "{tried}/{}/{}", self.converged, self.longest),
        }
    }
}

/// The rows of the table, in their order.
#[must_use]
pub fn rows() -> Vec<&'static str> {
    let mut rows: Vec<&'static str> = Vec::new();
    for scenario in crate::scenario::SCENARIOS {
        if !rows.contains(&scenario.row) {
            rows.push(scenario.row);
        }
    }
    rows
}

/// Nothing settles or drains, so that no run waits.
pub fn quick(config: &mut Value) {
    if let Some(config) = config.as_object_mut() {
        config.insert("settle_seconds".to_owned(), json!(0));
        config.insert("drain_seconds".to_owned(), json!(0));
    }
}

/// Tries all the points of these scenarios that are wanted; says each call's count as it goes.
///
/// # Errors
///
/// Where a stack does not start, or a run in peace does not end as it must.
pub async fn try_all(scenarios: &[Scenario], wanted: &Wanted, say: impl Fn(&str)) -> Result<Report> {
    let began = Instant::now();
    let mut report = Report::default();
    let mut counted = 0;
    for scenario in scenarios {
        if !scenario.calls.iter().any(|ask| may_have(scenario, *ask, wanted)) {
            continue;
        }
        let stack = Stack::start(Options { change: quick, retry_scale: 0.0, ..Options::scripted() }).await?;
        for ask in scenario.before {
            run::advance(&stack, *ask).await?;
        }
        let stack = Arc::new(stack);
        for ask in scenario.calls {
            if may_have(scenario, *ask, wanted) {
                let began = Instant::now();
                let before = (report.failed.len(), counted);
                try_call(&stack, scenario, *ask, wanted, &mut counted, &mut report).await?;
                say(&format!(
                    "{}, {}: {} points in {:.0} s, {} failed",
                    scenario.row,
                    ask.name(),
                    counted - before.1,
                    began.elapsed().as_secs_f64(),
                    report.failed.len() - before.0
                ));
                for failed in report.failed.iter().skip(before.0) {
                    say(&format!("\n{failed}\n"));
                }
            }
            run::advance(&stack, *ask).await?;
        }
    }
    report.took = began.elapsed();
    Ok(report)
}

/// Whether a call of a scenario can have a point that is wanted, as far as its name begins.
fn may_have(scenario: &Scenario, ask: Ask, wanted: &Wanted) -> bool {
    let begins = format!("{}/{}/", scenario.row, ask.name());
    wanted.filters.iter().all(|filter| !filter.contains('/') || filter.starts_with(&begins) || begins.contains(filter))
}

async fn try_call(
    stack: &Arc<Stack>,
    scenario: &Scenario,
    ask: Ask,
    wanted: &Wanted,
    counted: &mut usize,
    report: &mut Report,
) -> Result<()> {
    let account = stack.account();
    let standing = Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await?;
    let names = Arc::new(Names::of(account, &standing));
    let (one, other) = (run::run(stack, &names, ask, None).await?, run::run(stack, &names, ask, None).await?);
    let differences = one.end.differences(&other.end);
    if !differences.is_empty() {
        return Err(Trouble::new(format!("{} in peace ends in two ways: {differences:#?}", ask.name())));
    }
    let peace = if one.first <= other.first { one } else { other };
    if !peace.faults.is_empty() {
        let story = peace.story.join("\n  ");
        return Err(Trouble::new(format!("{} in peace: {:?}\n  {story}", ask.name(), peace.faults)));
    }
    let points = points(scenario, ask, &peace, &names);
    report.calls += first_calls(&peace).len();
    let every = wanted.every.max(1);
    let points = points.into_iter().filter(|point| {
        let name = point.to_string();
        wanted.filters.iter().all(|filter| name.contains(filter.as_str()))
    });
    let row = rows().iter().position(|row| *row == scenario.row).unwrap_or_default();
    let (slots, peace) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(peace));
    let mut tasks = JoinSet::new();
    for (number, point) in points.enumerate() {
        if !(number + *counted).is_multiple_of(every) {
            continue;
        }
        let (stack, names, slots, peace) =
            (Arc::clone(stack), Arc::clone(&names), Arc::clone(&slots), Arc::clone(&peace));
        tasks.spawn(async move {
            let _slot = slots.acquire_owned().await;
            let mut ran = run::run(&stack, &names, point.ask, Some(&point.at)).await;
            for _ in 0..NOT_MET_MAX {
                // On a busy machine a try of the SDK's may end early, and its calls come in other numbers; or the copy hangs.
                if ran.as_ref().map_or(true, |ran| !ran.struck) {
                    ran = run::run(&stack, &names, point.ask, Some(&point.at)).await;
                }
            }
            (number, judged(&point, ran, &peace), point)
        });
    }
    let mut judged = BTreeMap::new();
    while let Some(joined) = tasks.join_next().await {
        let (number, verdict, point) = joined?;
        judged.insert(number, (verdict, point));
    }
    for (verdict, point) in judged.into_values() {
        *counted += 1;
        let tally = report.tallies.entry((row, point.at.cut)).or_default();
        tally.tried += 1;
        match verdict {
            Ok(invocations) => {
                tally.converged += 1;
                tally.longest = tally.longest.max(invocations);
            }
            Err(why) => report.failed.push(why),
        }
    }
    Ok(())
}

/// How many invocations it took; or all that is to be said of a point that did not come to the same end.
fn judged(point: &Point, ran: Result<Ran>, peace: &Ran) -> std::result::Result<usize, String> {
    let again = format!("again: cargo run -p faults -- points '{point}'");
    let ran = ran.map_err(|trouble| format!("{point}\n  {trouble}\n  {again}"))?;
    let mut lines = peace.end.differences(&ran.end);
    lines.extend(ran.faults);
    if peace.told && !ran.told {
        lines.push("nobody was told".to_owned());
    }
    if !ran.struck {
        lines.push("the fault did not meet the call: it was not made".to_owned());
    }
    if lines.is_empty() {
        return Ok(ran.invocations);
    }
    lines.push("what was done:".to_owned());
    lines.extend(ran.story.iter().map(|line| format!("  {line}")));
    lines.push(again);
    Err(format!("{point}\n  {}", lines.join("\n  ")))
}

/// The calls of AWS that the call under test makes itself: without the sweeps after it.
fn first_calls(peace: &Ran) -> &[Call] {
    peace.calls.get(..peace.first).unwrap_or(&peace.calls)
}

/// The points of a call: for what changes something, every fault and every way; for a read, one of each in rotation.
fn points(scenario: &Scenario, ask: Ask, peace: &Ran, names: &Names) -> Vec<Point> {
    let mut counts: BTreeMap<Name, (u32, bool)> = BTreeMap::new();
    for call in first_calls(peace) {
        let entry = counts.entry(names.of_call(call)).or_insert((0, call.mutating));
        entry.0 += 1;
    }
    let mut points = Vec::new();
    let mut rotation = 0;
    for (name, (count, changes)) in counts {
        for nth in 1..=count {
            for cut in Cut::ALL {
                let ways: BTreeSet<Way> = match (changes, cut.is_healed()) {
                    (true, false) => Way::ALL.into(),
                    (true, true) | (false, _) => Way::ALL.get(rotation % 3).copied().into_iter().collect(),
                };
                let is_its_turn = Cut::ALL.get(rotation % Cut::ALL.len()) == Some(&cut);
                if changes || is_its_turn {
                    points.extend(ways.into_iter().map(|way| Point {
                        row: scenario.row,
                        ask,
                        at: At { name: name.clone(), nth, cut, way },
                        changes,
                    }));
                }
            }
            rotation += 1;
        }
    }
    points
}
