//! From the click to the customers: how long after Approve the first request reaches the new release, and after Reject or an
//! alarm's event the last one the bad release, with a pause injected into each of the functions' AWS calls.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use gateway::{Call, Mark, Rule, What};
use local::revision::Changes;
use local::stack::Approval;
use local::standing::Standing;
use local::{Options, Result, Stack, Trouble, alarms, costs, service};
use serde_json::json;

use crate::alarm;
use crate::load::{self, Load};

/// How long each of the functions' AWS calls takes longer here than it does on one machine.
pub const CALL_TAKES: Duration = Duration::from_millis(10);

/// Requests a second: how finely a switch is seen.
const RATE: f64 = 400.0;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A release that got no request for so long gets none any more.
const QUIET: Duration = Duration::from_millis(1500);

const ALARM: &str = "clicks-5xx";

/// What was measured of one click.
#[derive(Clone, Copy, Debug)]
pub struct Click {
    /// From the click until the first request reached the new release, or the last the bad one.
    pub seen: Duration,
    /// From the function's first AWS call until the rule was changed.
    pub switch: Duration,
    /// The part of that in which at least one of its calls was with the simulator.
    pub simulator: Duration,
    /// The function's AWS calls one after the other, the change of the rule among them.
    pub round_trips: usize,
}

/// The clicks of a run, and its alarms.
#[derive(Clone, Debug, Default)]
pub struct Clicks {
    pub approve: Vec<Click>,
    pub reject: Vec<Click>,
    pub alarm: Vec<Click>,
}

/// What tells that a release is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bad {
    Rejected,
    Alarm,
}

/// Ships and approves so many releases by the example's pipeline, after one that warms the functions, and rejects them; then as
/// many more of a service with an alarm, which goes off with each.
///
/// # Errors
///
/// Where something does not get where it has to.
pub async fn measure(options: fn() -> Options, program: &Path, releases: usize) -> Result<Clicks> {
    let mut clicks = Clicks::default();
    if releases > 0 {
        for (approve, reject) in there_and_back(options(), program, releases, Bad::Rejected).await? {
            clicks.approve.push(approve);
            clicks.reject.push(reject);
        }
        // What has alarms looks at them in each call: approvals are those of the plain service.
        let watched = Options { change: |config| config["alarms"] = json!([ALARM]), ..options() };
        let back = there_and_back(watched, program, releases, Bad::Alarm).await?;
        clicks.alarm.extend(back.into_iter().map(|(_, alarm)| alarm));
    }
    Ok(clicks)
}

/// Approves and takes back so many releases, in an account of their own.
async fn there_and_back(options: Options, program: &Path, releases: usize, bad: Bad) -> Result<Vec<(Click, Click)>> {
    let name = options.service.clone();
    let changes = serves(&options, program)?;
    let stack = Stack::start(options).await?;
    alarm::make(&stack, ALARM).await?;
    let config = stack.config_of(&name);
    ship_and_keep(&stack, &name, &changes).await?;
    let nodes = stack.machines().map(|machines| machines.load_balancer().addresses().to_vec()).unwrap_or_default();
    let hosts = vec![service::host(&config, "product")];
    let load = Load::start(load::Settings { nodes, hosts, rate: RATE, long: Duration::from_secs(2), seed: 2 })?;
    for caller in ["PROMOTE", "TEARDOWN"] {
        stack.gateway().faults().add(Rule::new(What::Delay(CALL_TAKES)).caller(caller));
    }
    let mut clicks = Vec::new();
    for number in 0..=releases {
        clicks.push(one(&stack, &load, &name, &format!("click-{number}"), &changes, bad).await?);
    }
    load.stop().await?;
    // The first one starts the functions.
    clicks.remove(0);
    Ok(clicks)
}

/// The example's build with our server in it.
fn serves(options: &Options, program: &Path) -> Result<Changes> {
    let path = options.repository.join(service::EXAMPLE).join("revision/scripts/start.sh");
    let script = std::fs::read_to_string(path)?;
    let python = "python3 -S -E \"$application/server.py\"";
    let ours = format!("env RELEASE=\"$(cat \"$application/VERSION\")\" \"{}\" server", program.display());
    if !script.contains(python) {
        return Err(Trouble::new(format!("start.sh of the example does not start its server by {python}")));
    }
    Ok(Changes { files: vec![("scripts/start.sh".to_owned(), script.replace(python, &ours))] })
}

async fn ship_and_keep(stack: &Stack, name: &str, changes: &Changes) -> Result<()> {
    let id = stack.ship(name, "first", changes).await?;
    for approval in ["ShipIt", "KeepIt"] {
        stack.answer(name, &id, approval, Approval::Approved, "it is the first").await?;
    }
    stack.over(name, &id).await?;
    Ok(())
}

/// Approves a release, sees it serve, takes it back, and sees it serve no more.
async fn one(
    stack: &Stack,
    load: &Load,
    name: &str,
    version: &str,
    changes: &Changes,
    bad: Bad,
) -> Result<(Click, Click)> {
    let id = stack.ship(name, version, changes).await?;
    stack.approval(name, &id, "ShipIt").await?;
    let (mark, clicked) = (stack.gateway().record().mark(), Instant::now());
    stack.answer(name, &id, "ShipIt", Approval::Approved, "go").await?;
    let first = seen(load, version, |first, _| Some(first)).await?;
    stack.approval(name, &id, "KeepIt").await?;
    let approve = click(first.saturating_duration_since(clicked), &stack.gateway().record().since(mark), "PROMOTE")?;

    if bad == Bad::Alarm {
        alarms::turn(stack, ALARM, "ALARM").await?;
    }
    let (mark, clicked) = (stack.gateway().record().mark(), Instant::now());
    match bad {
        Bad::Rejected => stack.answer(name, &id, "KeepIt", Approval::Rejected, "it is bad").await?,
        Bad::Alarm => drop(stack.bus().put(&alarms::event(ALARM, "ALARM"))?),
    }
    let calls = until_switched(stack, mark).await?;
    // On a busy machine a release may be quiet for a while before it has lost its traffic.
    let switched = Instant::now();
    let last =
        seen(load, version, |_, last| (switched.elapsed() > QUIET && last.elapsed() > QUIET).then_some(last)).await?;
    let back = click(last.saturating_duration_since(clicked), &calls, "TEARDOWN")?;
    if bad == Bad::Alarm {
        alarms::turn(stack, ALARM, "OK").await?;
        stack.answer(name, &id, "KeepIt", Approval::Rejected, "its alarm went off").await?;
    }
    stack.over(name, &id).await?;
    let account = stack.account();
    stack
        .sweep_until(&format!("{version} is gone"), || async {
            let standing = Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await?;
            Ok(standing.is_gone(&id))
        })
        .await?;
    stack.gateway().record().clear();
    Ok((approve, back))
}

/// Waits until the load's book says when.
async fn seen(load: &Load, release: &str, when: impl Fn(Instant, Instant) -> Option<Instant>) -> Result<Instant> {
    let began = Instant::now();
    loop {
        let seen = load.look(|book| book.sites.first().and_then(|site| site.seen(release)));
        if let Some(at) = seen.and_then(|seen| when(seen.first, seen.last)) {
            return Ok(at);
        }
        if began.elapsed() > PATIENCE {
            return Err(Trouble::new(format!(
                "{release} was not seen to serve, or to stop, within {} seconds",
                PATIENCE.as_secs()
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The calls since a mark, once the rule was changed.
async fn until_switched(stack: &Stack, mark: Mark) -> Result<Vec<Call>> {
    let began = Instant::now();
    loop {
        let calls = stack.gateway().record().since(mark);
        if calls.iter().any(|call| call.action == "ModifyRule") || began.elapsed() > PATIENCE {
            return Ok(calls);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn click(seen: Duration, calls: &[Call], caller: &str) -> Result<Click> {
    let switch = calls.iter().find(|call| call.caller == caller && call.action == "ModifyRule");
    let switch = switch.ok_or_else(|| Trouble::new(format!("{caller} has changed no rule")))?;
    let switched = switch.at + switch.elapsed;
    // Another process of the function may be at work for the next event.
    let mine = calls.iter().filter(|call| call.caller == caller && call.session == switch.session);
    let until: Vec<&Call> = mine.filter(|call| call.at + call.elapsed <= switched).collect();
    let first = until.iter().map(|call| call.at).min().unwrap_or(SystemTime::UNIX_EPOCH);
    let switch = switched.duration_since(first).unwrap_or_default();
    Ok(Click { seen, switch, simulator: simulated(&until), round_trips: costs::round_trips(&until) })
}

/// For how long at least one of the calls was with the simulator.
fn simulated(calls: &[&Call]) -> Duration {
    let answered = calls.iter().map(|call| (call.at + call.elapsed, call.simulated));
    together(answered.map(|(until, took)| (until.checked_sub(took).unwrap_or(until), until)).collect())
}

/// How long these times are together, each moment counted once.
fn together(mut spans: Vec<(SystemTime, SystemTime)>) -> Duration {
    spans.sort_unstable();
    let (mut all, mut counted) = (Duration::ZERO, SystemTime::UNIX_EPOCH);
    for (from, until) in spans {
        all += until.duration_since(from.max(counted)).unwrap_or_default();
        counted = counted.max(until);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_overlap_are_counted_once() {
        let at = |ms: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + ms);
        for (why, spans, ms) in [
            ("none", vec![], 0),
            ("one after the other, in any order", vec![(30, 35), (10, 20)], 15),
            ("side by side", vec![(10, 20), (15, 25)], 15),
            ("one within the other", vec![(10, 30), (12, 14), (29, 31)], 21),
        ] {
            let spans = spans.into_iter().map(|(from, until)| (at(from), at(until))).collect();
            assert_eq!(together(spans), Duration::from_millis(ms), "{why}");
        }
    }
}
