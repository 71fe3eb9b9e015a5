//! Two and three calls at the same time: one change at a time, and an end that one after the other would have had as well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway::fault::Hook;
use gateway::{Request, Rule, What};
use local::stack::Fork;
use local::{Options, Result, Stack, Trouble};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::ask::Ask::{self, ApprovalRejected, Finish, Promote, Provision, Register, Rollback, Sweep};
use crate::ask::{Kind, SERVICE};
use crate::ends::End;
use crate::jobs::Jobs;
use crate::points::quick;
use crate::run::{self, Run, quiet};
use crate::scenario::{NOTHING, R1, R2, R2_PRE, R2_PROVISIONED, R3};

/// So many rounds run at the same time.
const AT_ONCE: usize = 8;
/// Calls begin within so many milliseconds of each other.
const SPREAD_MS: u64 = 80;

/// How long each call of AWS takes at least: what takes a while is met by others.
const LATENCY: Duration = Duration::from_millis(3);

/// What stands, and who calls at the same time.
#[derive(Clone, Copy, Debug)]
struct Meeting {
    before: &'static [Ask],
    callers: &'static [Ask],
}

const MEETINGS: &[Meeting] = &[
    Meeting { before: NOTHING, callers: &[Provision("r1"), Provision("r1")] },
    Meeting { before: NOTHING, callers: &[Provision("r1"), Provision("r1"), Provision("r1")] },
    Meeting { before: R1, callers: &[Provision("r2"), Provision("r2"), Sweep] },
    Meeting { before: R1, callers: &[Provision("r2"), Finish("r1")] },
    Meeting { before: R2_PROVISIONED, callers: &[Register("r2"), Register("r2")] },
    Meeting { before: R2_PROVISIONED, callers: &[Register("r2"), Promote("r2"), ApprovalRejected("r2")] },
    Meeting { before: R2_PRE, callers: &[Promote("r2"), Promote("r2")] },
    Meeting { before: R2_PRE, callers: &[Promote("r2"), Promote("r2"), Promote("r2")] },
    Meeting { before: R2_PRE, callers: &[Promote("r2"), ApprovalRejected("r2")] },
    Meeting { before: R2_PRE, callers: &[Promote("r2"), Provision("r3")] },
    Meeting { before: R2_PRE, callers: &[Register("r2"), Promote("r2"), ApprovalRejected("r2")] },
    Meeting { before: R2_PRE, callers: &[Provision("r3"), Provision("r3"), Sweep] },
    Meeting { before: R2, callers: &[Finish("r2"), Finish("r2")] },
    Meeting { before: R2, callers: &[Finish("r2"), Finish("r2"), Sweep] },
    Meeting { before: R2, callers: &[ApprovalRejected("r2"), ApprovalRejected("r2")] },
    Meeting { before: R2, callers: &[Finish("r2"), ApprovalRejected("r2")] },
    Meeting { before: R2, callers: &[Rollback("r2"), Rollback("r2"), Sweep] },
    Meeting { before: R2, callers: &[Rollback("r2"), Provision("r3")] },
    Meeting { before: R3, callers: &[Sweep, Sweep, Rollback("r3")] },
    Meeting { before: R3, callers: &[Sweep, Finish("r3")] },
];

/// What became of the rounds.
#[derive(Debug, Default)]
pub struct Report {
    pub rounds: usize,
    /// Calls that changed something, beside lease, answers and notices.
    pub changes: usize,
    /// How often a caller met a busy lease: those that take it more than once.
    pub met: usize,
    pub failed: Vec<String>,
    pub took: Duration,
}

/// Has calls meet, for so many rounds, as many in each meeting.
///
/// # Errors
///
/// Where a stack does not start.
pub async fn try_rounds(rounds: usize, say: impl Fn(&str)) -> Result<Report> {
    let began = Instant::now();
    let mut report = Report::default();
    let stack = Arc::new(Stack::start(Options { change: quick, retry_scale: 0.0, ..Options::scripted() }).await?);
    let mut stands = 0;
    for before in [NOTHING, R1, R2_PROVISIONED, R2_PRE, R2, R3] {
        // Each begins with all of the one before it.
        for ask in before.get(stands..).unwrap_or_default() {
            run::advance(&stack, *ask).await?;
        }
        stands = before.len();
        let due: Vec<(usize, &Meeting)> = (0..rounds)
            .filter_map(|round| Some((round, MEETINGS.get(round % MEETINGS.len())?)))
            .filter(|(_, meeting)| meeting.before == before)
            .collect();
        let mut ends: BTreeMap<String, Arc<Vec<End>>> = BTreeMap::new();
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        for (round, meeting) in due {
            let name = name_of(meeting.callers);
            if !ends.contains_key(&name) {
                ends.insert(name.clone(), Arc::new(ends_one_by_one(&stack, meeting.callers).await?));
            }
            let (stack, slots) = (Arc::clone(&stack), Arc::clone(&slots));
            let ends = ends.get(&name).map(Arc::clone).unwrap_or_default();
            tasks.spawn(async move {
                let _slot = slots.acquire_owned().await;
                (round, meet(&stack, meeting.callers, round, &ends, Lease::Stands).await)
            });
        }
        let mut met = BTreeMap::new();
        while let Some(joined) = tasks.join_next().await {
            let (round, outcome) = joined?;
            met.insert(round, outcome?);
        }
        for outcome in met.into_values() {
            report.rounds += 1;
            report.changes += outcome.changes;
            report.met += outcome.met;
            report.failed.extend(outcome.failed);
        }
        say(&format!("after {}: {} rounds, {} failed", name_of(before), report.rounds, report.failed.len()));
    }
    report.took = began.elapsed();
    Ok(report)
}

fn name_of(asks: &[Ask]) -> String {
    asks.iter().map(|ask| ask.name()).collect::<Vec<_>>().join(" + ")
}

/// The ends that the callers have one after the other, in each order.
async fn ends_one_by_one(stack: &Stack, callers: &[Ask]) -> Result<Vec<End>> {
    let mut ends: Vec<End> = Vec::new();
    for order in orders(callers) {
        let fork = stack.fork().await?;
        let jobs = Jobs::mounted(&fork);
        for ask in order {
            Run::new(&fork, ask, jobs.clone(), false).beside_others(ask.kind()).await?;
        }
        let end = end_of(&fork, jobs).await?.0;
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
    Ok(ends)
}

/// All the orders of two or three.
fn orders(asks: &[Ask]) -> Vec<Vec<Ask>> {
    let Some((first, rest)) = asks.split_first() else { return vec![Vec::new()] };
    let mut all: Vec<Vec<Ask>> = Vec::new();
    for order in orders(rest) {
        for at in 0..=order.len() {
            let mut order = order.clone();
            order.insert(at, *first);
            if !all.contains(&order) {
                all.push(order);
            }
        }
    }
    all
}

/// Where it ends, once the sweeps have done the rest; and what is not right.
async fn end_of(fork: &Fork, jobs: Jobs) -> Result<(End, Vec<String>)> {
    let mut sweeps = Run::new(fork, Sweep, jobs, true);
    sweeps.sweep().await?;
    quiet(fork.gateway()).await;
    Ok((End::look(fork).await?, sweeps.faults))
}

/// What one round came to.
struct Outcome {
    changes: usize,
    met: usize,
    failed: Option<String>,
}

/// Has two first calls meet whose lease is taken away at once, over and over: what the watch says of it.
///
/// # Errors
///
/// Where a stack does not start.
pub async fn without_lease() -> Result<Option<String>> {
    let stack = Stack::start(Options { change: quick, retry_scale: 0.0, ..Options::scripted() }).await?;
    let callers = [Provision("r1"), Provision("r1")];
    let ends = ends_one_by_one(&stack, &callers).await?;
    Ok(meet(&stack, &callers, 0, &ends, Lease::IsTaken).await?.failed)
}

/// Whether a lease is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lease {
    Stands,
    /// Anybody gets it at any time, and its holder does not know.
    IsTaken,
}

async fn take_away(fork: &Fork) -> Trouble {
    loop {
        if let Err(trouble) = fork.age_lease(SERVICE).await {
            return trouble;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn meet(stack: &Stack, callers: &[Ask], round: usize, ends: &[End], lease: Lease) -> Result<Outcome> {
    let fork = stack.fork().await?;
    let jobs = Jobs::mounted(&fork);
    let watch = Watch::over(&fork, if lease == Lease::Stands { LATENCY } else { LATENCY * 20 });
    let mut tasks = Vec::new();
    for (number, ask) in callers.iter().enumerate() {
        let (fork, jobs) = (&fork, jobs.clone());
        // Who asks, and when, differs from round to round, and is the same in each run of a round.
        let mixed = u64::try_from((round * 7 + number * 13) % 101).unwrap_or_default();
        let kind = if ask.kind() == Kind::Job && mixed % 3 == 0 { Kind::Direct } else { ask.kind() };
        tasks.push(async move {
            tokio::time::sleep(Duration::from_millis(mixed * 37 % SPREAD_MS)).await;
            let mut run = Run::new(fork, *ask, jobs, false);
            run.beside_others(kind).await.map(|()| run)
        });
    }
    let mut lines = Vec::new();
    let mut story = Vec::new();
    let runs = match lease {
        Lease::Stands => together(tasks).await,
        Lease::IsTaken => tokio::select! {
            runs = together(tasks) => runs,
            trouble = take_away(&fork) => return Err(trouble),
        },
    };
    for run in runs {
        let run = run?;
        lines.extend(run.faults);
        story.extend(run.story);
    }
    quiet(fork.gateway()).await;
    let (holds, overlaps) = watch.judge();
    lines.extend(overlaps);
    let (end, faults) = end_of(&fork, jobs).await?;
    lines.extend(faults);
    if !ends.contains(&end) {
        lines.push("the end is none of those that one after the other has; against the first of them:".to_owned());
        lines.extend(ends.first().map(|first| first.differences(&end)).unwrap_or_default());
    }
    let failed = (!lines.is_empty()).then(|| {
        let story = story.join("\n    ");
        format!("round {round}, {}\n  {}\n  what was done:\n    {story}", name_of(callers), lines.join("\n  "))
    });
    let changes = holds.iter().map(|hold| hold.changes).sum();
    Ok(Outcome { changes, met: watch.tries().saturating_sub(holds.len()), failed })
}

/// Waits for all of two or three.
async fn together<T, F: Future<Output = T>>(futures: Vec<F>) -> Vec<T> {
    let mut pinned: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, value) in &mut pinned {
            if value.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(ready) => *value = Some(ready),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    pinned.into_iter().filter_map(|(_, value)| value).collect()
}

/// Watches who changes what, and under which lease.
struct Watch(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    /// The lease that each process asked for last, by its session.
    owners: BTreeMap<String, String>,
    tries: usize,
    changes: Vec<Change>,
}

struct Change {
    /// The session, and the owner that it took the lease as.
    hold: (String, String),
    what: String,
    /// Tells the call from others of its process: the SDK's operation.
    operation: String,
    began: Instant,
    ended: Option<Instant>,
}

/// The changes under one lease.
struct Hold {
    who: (String, String),
    began: Instant,
    ended: Instant,
    first: String,
    last: String,
    changes: usize,
}

impl Watch {
    fn over(fork: &Fork, latency: Duration) -> Self {
        let watched: Arc<Mutex<Watched>> = Arc::default();
        let hook = |note: fn(&mut Watched, &Request)| -> Hook {
            let watched = Arc::clone(&watched);
            Arc::new(move |request: Request| {
                note(&mut watched.lock().unwrap_or_else(PoisonError::into_inner), &request);
                Box::pin(async {})
            })
        };
        let faults = fork.gateway().faults();
        faults.add(Rule::new(What::Before(hook(Watched::began))));
        faults.add(Rule::new(What::Delay(latency)));
        faults.add(Rule::new(What::After(hook(Watched::ended))));
        Self(watched)
    }

    fn tries(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).tries
    }

    /// The leases under which something was changed, and which of them were no leases: others changed something meanwhile.
    fn judge(&self) -> (Vec<Hold>, Vec<String>) {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut holds: Vec<Hold> = Vec::new();
        for change in &watched.changes {
            let ended = change.ended.unwrap_or(change.began);
            match holds.iter_mut().find(|hold| hold.who == change.hold) {
                Some(hold) => {
                    hold.ended = hold.ended.max(ended);
                    hold.changes += 1;
                    hold.last.clone_from(&change.what);
                }
                None => holds.push(Hold {
                    who: change.hold.clone(),
                    began: change.began,
                    ended,
                    first: change.what.clone(),
                    last: change.what.clone(),
                    changes: 1,
                }),
            }
        }
        let mut overlaps = Vec::new();
        for (at, hold) in holds.iter().enumerate() {
            for other in holds.iter().skip(at + 1) {
                if hold.began < other.ended && other.began < hold.ended {
                    overlaps.push(format!(
                        "{} changed {} … {} while {} changed {} … {}",
                        hold.who.0, hold.first, hold.last, other.who.0, other.first, other.last
                    ));
                }
            }
        }
        (holds, overlaps)
    }
}

impl Watched {
    fn began(&mut self, request: &Request) {
        let session = request.header("x-amz-security-token").unwrap_or_default().to_owned();
        if session.is_empty() {
            return;
        }
        if request.service == "dynamodb" {
            let input = request.json();
            let text = |pointer: &str| input.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            if text("/UpdateExpression").contains("fence") {
                self.tries += 1;
                self.owners.insert(session, text("/ExpressionAttributeValues/:me/S"));
            }
            return;
        }
        if !changes(request) {
            return;
        }
        let owner = self.owners.get(&session).cloned().unwrap_or_default();
        self.changes.push(Change {
            hold: (session, owner),
            what: format!("{} {}", request.action, request.resources.join(",")),
            operation: operation(request),
            began: Instant::now(),
            ended: None,
        });
    }

    fn ended(&mut self, request: &Request) {
        let operation = operation(request);
        let open = self.changes.iter_mut().rev().find(|change| change.operation == operation && change.ended.is_none());
        if let Some(change) = open {
            change.ended = Some(Instant::now());
        }
    }
}

fn operation(request: &Request) -> String {
    request.header("amz-sdk-invocation-id").unwrap_or_default().to_owned()
}

/// Whether a call changes something beside the lease, the job and what people are told.
fn changes(request: &Request) -> bool {
    let reads = ["Describe", "Get", "List"].iter().any(|word| request.action.starts_with(word));
    !reads && !matches!(request.service.as_str(), "dynamodb" | "codepipeline" | "sns" | "events")
}
