//! Load: many services release at once, in an account that AWS lets call only so often.
//!
//! Each service has a caller of its own, which calls again while the answer is `waiting`, as a script or a pipeline does: a
//! first release to product, and, where more are asked for, others behind which the one before stays as the way back.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use gateway::Call;
use lambda::ErrorKind;
use local::standing::Standing;
use local::{Options, Result, Stack, Trouble};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// One machine runs no more of one function at a time and still starts them in time; who comes then waits here.
const AT_ONCE: usize = 12;
/// How long a caller pauses before it calls again, at least and at most, in milliseconds: no two keep step. CodePipeline
/// takes about half a minute.
const PAUSE: std::ops::Range<u64> = 5_000..20_000;
/// How often is said how far all have come.
const SAID_EVERY: Duration = Duration::from_secs(30);
/// The SDK's attempts of an operation.
const ATTEMPTS: u32 = 3;

/// How much, and for how long at most.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub services: u32,
    /// How many releases each service has, one after the other.
    pub releases: usize,
    /// The share that the account has of AWS's default limits.
    pub share: f64,
    pub patience: Duration,
}

/// What became of it.
#[derive(Debug)]
pub struct Report {
    pub load: Load,
    pub took: Duration,
    /// From a service's first call to its last answer.
    pub times: Vec<Duration>,
    pub invocations: usize,
    pub waited: usize,
    pub longest_invocation: Duration,
    /// Services of which something that only follows the switch was left for the sweep.
    pub for_the_sweep: usize,
    /// By AWS service.
    pub calls: BTreeMap<String, Calls>,
    /// How long the SDK paused between attempts, the shortest first.
    pub pauses: Vec<Duration>,
}

/// The calls of one AWS service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    pub all: usize,
    pub throttled: usize,
    pub retries: usize,
    /// Operations of which the last attempt was throttled too.
    pub given_up: usize,
}

/// What one call of a function came to.
struct Invoked {
    took: Duration,
    waits: bool,
}

/// Runs the load to its end, and checks it: all is done, nothing is there twice, no call was stopped by Lambda.
///
/// # Errors
///
/// Where a service does not come to its end, or ends otherwise; the sentence says which and how.
pub async fn run(load: Load, mut say: impl FnMut(&str)) -> Result<Report> {
    let stack = Stack::start(Options { retry_scale: 0.0, ..Options::scripted() }).await?;
    let names: Vec<String> = (1..=load.services).map(|number| format!("svc-{number:03}")).collect();
    for (name, number) in names.iter().zip(1..) {
        let mut config = stack.config(name, number)?;
        if let Some(config) = config.as_object_mut() {
            config.insert("elastic_ips".to_owned(), json!([]));
            config.insert("settle_seconds".to_owned(), json!(0));
            config.insert("drain_seconds".to_owned(), json!(0));
        }
        stack.put_service(name, &config).await?;
    }
    stack.gateway().limits().set(load.share);
    let (mark, began) = (stack.gateway().record().mark(), Instant::now());
    let slots = ["provision", "register", "promote"].map(|function| (function, Semaphore::new(AT_ONCE)));
    let stage = Arc::new(Stage { stack, slots, load, done: AtomicUsize::new(0), waiting: AtomicUsize::new(0) });
    let mut callers = JoinSet::new();
    for name in &names {
        callers.spawn(release(Arc::clone(&stage), name.clone()));
    }
    let (mut times, mut invoked) = (Vec::new(), Vec::new());
    let mut said = tokio::time::interval(SAID_EVERY);
    loop {
        tokio::select! {
            _ = said.tick() => {
                let (services, seconds) = (names.len(), began.elapsed().as_secs());
                let [done, waiting] = [&stage.done, &stage.waiting].map(|count| count.load(Ordering::Relaxed));
                say(&format!(
                    "{seconds} s: {} of {services} services done; of the calls {done} said done, {waiting} waiting",
                    times.len()
                ));
            }
            caller = callers.join_next() => {
                let Some(caller) = caller else { break };
                let (took, calls) = caller??;
                times.push(took);
                invoked.extend(calls);
            }
        }
    }
    times.sort_unstable();
    let took = began.elapsed();
    let stack = &stage.stack;
    stack.gateway().limits().clear();
    let calls = stack.gateway().record().since(mark);
    let for_the_sweep = followed_later(stack, &names).await?;
    check(stack, &names, load.releases).await?;
    let (calls, pauses) = count(&calls);
    Ok(Report {
        load,
        took,
        times,
        invocations: invoked.len(),
        waited: invoked.iter().filter(|invoked| invoked.waits).count(),
        longest_invocation: invoked.iter().map(|invoked| invoked.took).max().unwrap_or_default(),
        for_the_sweep,
        calls,
        pauses,
    })
}

/// What the callers share.
struct Stage {
    stack: Stack,
    /// Room for so many calls of each function.
    slots: [(&'static str, Semaphore); 3],
    load: Load,
    /// How many calls said so.
    done: AtomicUsize,
    waiting: AtomicUsize,
}

/// Brings a service's releases to product, one after the other.
async fn release(stage: Arc<Stage>, service: String) -> Result<(Duration, Vec<Invoked>)> {
    let began = Instant::now();
    let mut invoked = Vec::new();
    for release in 1..=stage.load.releases {
        for (function, slots) in &stage.slots {
            let payload = json!({"service": service, "release": format!("{service}-r{release}")});
            loop {
                let slot = slots.acquire().await?;
                let answer = stage.stack.invoke(function, &payload).await?;
                drop(slot);
                let answered = answer.json();
                let status = answered.get("status").and_then(Value::as_str).unwrap_or_default();
                invoked.push(Invoked { took: answer.duration, waits: status == "waiting" });
                match (&answer.error, status) {
                    (None, "done") => {
                        stage.done.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    // A process that did not come up in time says something of this machine only; Lambda tries it again.
                    (Some(error), _) if error.kind == ErrorKind::Timeout && answer.duration.is_zero() => {}
                    (None, "waiting") if began.elapsed() < stage.load.patience => {
                        stage.waiting.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(any_of(PAUSE))).await;
                    }
                    (Some(error), _) if error.kind == ErrorKind::Timeout => {
                        let log = answer.log.join("\n  ");
                        return Err(Trouble::new(format!(
                            "Lambda stopped {function} of {service}: {}\n  {log}",
                            error.message
                        )));
                    }
                    _ => return Err(Trouble::new(format!("{function} of {service} does not end: {answered}"))),
                }
            }
        }
    }
    Ok((began.elapsed(), invoked))
}

/// A number of the range, another one each time.
fn any_of(range: std::ops::Range<u64>) -> u64 {
    let random = uuid::Uuid::new_v4().as_u64_pair().0;
    range.start + random % (range.end - range.start)
}

/// Lets the sweep do what a throttled call left to it: what only follows a switch does not keep it from being done.
async fn followed_later(stack: &Stack, names: &[String]) -> Result<usize> {
    let left = async || {
        let account = stack.account();
        let standing = Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await?;
        let is_left = |name: &&String| {
            standing.rule(name, "pre-product").is_some()
                || standing.names.contains_key(&format!("pre-{name}.corp.internal"))
        };
        Ok::<usize, Trouble>(names.iter().filter(is_left).count())
    };
    let first = left().await?;
    if first > 0 {
        stack.sweep_until("pre-product rules and names are gone", || async { Ok(left().await? == 0) }).await?;
    }
    Ok(first)
}

/// The last release of each service is product, the one before it its way back, and nothing was launched beside.
async fn check(stack: &Stack, names: &[String], releases: usize) -> Result<()> {
    let account = stack.account();
    let standing = Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await?;
    for name in names {
        let mut weights = standing.weights(name, "product");
        weights.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        let behind = (releases > 1).then(|| (format!("{name}-r{}", releases - 1), 0));
        let wanted: Vec<(String, u32)> = std::iter::once((format!("{name}-r{releases}"), 100)).chain(behind).collect();
        if weights != wanted {
            return Err(Trouble::new(format!("the product rule of {name} forwards to {weights:?}")));
        }
        for release in 1..=releases {
            let count = standing.instances_of(&format!("{name}-r{release}")).len();
            if count != 2 {
                return Err(Trouble::new(format!("release {release} of {name} has {count} instances")));
            }
        }
    }
    let groups = names.len() * releases;
    if standing.instances.len() != groups * 2 || standing.groups.len() != groups {
        let (instances, groups) = (standing.instances.len(), standing.groups.len());
        return Err(Trouble::new(format!("{instances} instances and {groups} groups stand, too many")));
    }
    Ok(())
}

/// Counts calls by service, and the pauses between the attempts of one operation.
fn count(calls: &[Call]) -> (BTreeMap<String, Calls>, Vec<Duration>) {
    let mut counts: BTreeMap<String, Calls> = BTreeMap::new();
    let mut ended: HashMap<(&str, u32), SystemTime> = HashMap::new();
    for call in calls {
        let count = counts.entry(call.service.clone()).or_default();
        count.all += 1;
        count.throttled += usize::from(call.limit.is_some());
        count.retries += usize::from(call.attempt > 1);
        count.given_up += usize::from(call.attempt == ATTEMPTS && call.limit.is_some());
        ended.insert((&call.operation, call.attempt), call.at + call.elapsed);
    }
    let mut pauses: Vec<Duration> = calls
        .iter()
        .filter_map(|call| {
            let before = ended.get(&(call.operation.as_str(), call.attempt.checked_sub(1)?))?;
            call.at.duration_since(*before).ok()
        })
        .collect();
    pauses.sort_unstable();
    (counts, pauses)
}

impl Report {
    /// The time within which this share of the services was done.
    #[must_use]
    pub fn time(&self, percent: usize) -> Duration {
        at(&self.times, percent)
    }

    /// The pause that this share of the pauses between attempts was no longer than.
    #[must_use]
    pub fn pause(&self, percent: usize) -> Duration {
        at(&self.pauses, percent)
    }
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { services, releases, share, .. } = self.load;
        writeln!(
            f,
            "{services} services had {releases} releases each in {:.0} s, with {share} of AWS's default limits.",
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "A service took {:.0} s (half of them), {:.0} s (nine of ten), {:.0} s (the last).",
            self.time(50).as_secs_f64(),
            self.time(90).as_secs_f64(),
            self.time(100).as_secs_f64()
        )?;
        writeln!(
            f,
            "{} invocations, of which {} said waiting; the longest took {:.1} s.",
            self.invocations,
            self.waited,
            self.longest_invocation.as_secs_f64()
        )?;
        writeln!(f, "Of {} services the sweep had to finish what follows the switch.", self.for_the_sweep)?;
        writeln!(
            f,
            "The SDK paused {} times before it tried again: {} ms (one of ten), {} ms (half), {} ms (nine of ten).",
            self.pauses.len(),
            self.pause(10).as_millis(),
            self.pause(50).as_millis(),
            self.pause(90).as_millis()
        )?;
        writeln!(f, "\n{:<22} {:>7} {:>10} {:>8} {:>9}", "calls of", "all", "throttled", "retries", "given up")?;
        for (service, calls) in &self.calls {
            let Calls { all, throttled, retries, given_up } = calls;
            writeln!(f, "{service:<22} {all:>7} {throttled:>10} {retries:>8} {given_up:>9}")?;
        }
        Ok(())
    }
}
