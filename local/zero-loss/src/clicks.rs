//! From the click to the customers: how long after Approve the first request reaches the new release, and after Reject the
//! last one the bad release, with a pause injected into each of the functions' AWS calls.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use gateway::{Call, Mark, Rule, What};
use local::revision::Changes;
use local::stack::Approval;
use local::standing::Standing;
use local::{Options, Result, Stack, Trouble, costs, service};

use crate::load::{self, Load};

/// How long each of the functions' AWS calls takes longer here than it does on one machine.
pub const CALL_TAKES: Duration = Duration::from_millis(10);

/// Requests a second: how finely a switch is seen.
const RATE: f64 = 400.0;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A release that got no request for so long gets none any more.
const QUIET: Duration = Duration::from_millis(1500);

/// What was measured of one click.
#[derive(Clone, Copy, Debug)]
pub struct Click {
    /// From the click until the first request reached the new release, or the last the bad one.
    pub seen: Duration,
    /// From the function's first AWS call until the rule was changed.
    pub switch: Duration,
    /// The function's AWS calls one after the other, the change of the rule among them.
    pub round_trips: usize,
}

/// The clicks of a run.
#[derive(Clone, Debug, Default)]
pub struct Clicks {
    pub approve: Vec<Click>,
    pub reject: Vec<Click>,
}

/// Ships, approves and rejects so many releases by the example's pipeline, after one that warms the functions.
///
/// # Errors
///
/// Where something does not get where it has to.
pub async fn measure(options: Options, program: &Path, releases: usize) -> Result<Clicks> {
    let mut clicks = Clicks::default();
    if releases == 0 {
        return Ok(clicks);
    }
    let name = options.service.clone();
    let changes = serves(&options, program)?;
    let stack = Stack::start(options).await?;
    let config = stack.config_of(&name);
    ship_and_keep(&stack, &name, &changes).await?;
    let nodes = stack.machines().map(|machines| machines.load_balancer().addresses().to_vec()).unwrap_or_default();
    let hosts = vec![service::host(&config, "product")];
    let load = Load::start(load::Settings { nodes, hosts, rate: RATE, long: Duration::from_secs(2), seed: 2 })?;
    for caller in ["PROMOTE", "TEARDOWN"] {
        stack.gateway().faults().add(Rule::new(What::Delay(CALL_TAKES)).caller(caller));
    }
    for number in 0..=releases {
        let version = format!("click-{number}");
        let (approve, reject) = there_and_back(&stack, &load, &name, &version, &changes).await?;
        // The first one starts the functions.
        if number > 0 {
            clicks.approve.push(approve);
            clicks.reject.push(reject);
        }
    }
    load.stop().await?;
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

/// Approves a release, sees it serve, rejects it, and sees it serve no more.
async fn there_and_back(
    stack: &Stack,
    load: &Load,
    name: &str,
    version: &str,
    changes: &Changes,
) -> Result<(Click, Click)> {
    let id = stack.ship(name, version, changes).await?;
    stack.approval(name, &id, "ShipIt").await?;
    let (mark, clicked) = (stack.gateway().record().mark(), Instant::now());
    stack.answer(name, &id, "ShipIt", Approval::Approved, "go").await?;
    let first = seen(load, version, |first, _| Some(first)).await?;
    stack.approval(name, &id, "KeepIt").await?;
    let approve = click(first.saturating_duration_since(clicked), &stack.gateway().record().since(mark), "PROMOTE")?;

    let (mark, clicked) = (stack.gateway().record().mark(), Instant::now());
    stack.answer(name, &id, "KeepIt", Approval::Rejected, "it is bad").await?;
    let last =
        seen(load, version, |_, last| (clicked.elapsed() > QUIET && last.elapsed() > QUIET).then_some(last)).await?;
    let reject = click(last.saturating_duration_since(clicked), &until_switched(stack, mark).await?, "TEARDOWN")?;
    stack.over(name, &id).await?;
    let account = stack.account();
    stack
        .sweep_until(&format!("{version} is gone"), || async {
            let standing = Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await?;
            Ok(standing.is_gone(&id))
        })
        .await?;
    stack.gateway().record().clear();
    Ok((approve, reject))
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
    Ok(Click { seen, switch, round_trips: costs::round_trips(&until) })
}
