//! One run on a copy of the stack: a call, cut off or not, and what comes after it, to the end.

use std::sync::Arc;
use std::time::Duration;

use gateway::{Call, Gateway};
use local::stack::Fork;
use local::{Result, Stack, Trouble};
use serde_json::Value;

use crate::ask::{Ask, Kind, SERVICE};
use crate::cut::{Cut, Way};
use crate::ends::End;
use crate::jobs::{Answer, Jobs};
use crate::names::{Name, Names};
use crate::scenario::Scenario;

/// A call that is not over after so many invocations does not end.
const INVOCATIONS_MAX: usize = 12;
/// So many sweeps leave nothing to do.
const SWEEPS_MAX: usize = 12;

/// What a call of AWS is cut off at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    pub name: Name,
    /// Which of those of its name, from 1.
    pub nth: u32,
    pub cut: Cut,
    pub way: Way,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Ran {
    pub end: End,
    /// The functions' calls of AWS.
    pub calls: Vec<Call>,
    /// How many of them the first invocation made.
    pub first: usize,
    /// Invocations after the one that was cut off, sweeps aside.
    pub invocations: usize,
    /// Whether the fault met its call.
    pub struck: bool,
    /// Whether developers were told of it.
    pub told: bool,
    /// What is not as it must be, whatever stands.
    pub faults: Vec<String>,
    /// What was done, a line each, for those who look for a fault.
    pub story: Vec<String>,
}

/// How an invocation left things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Over,
    /// It says `waiting`, or goes on with a token.
    Waiting,
    /// It was killed, or threw: Lambda delivers it again.
    Cut,
}

/// A run under way.
pub(crate) struct Run<'a> {
    fork: &'a Fork,
    jobs: Jobs,
    ask: Ask,
    /// Whether leases have run out before each invocation, and what is asked by hand has to be done.
    alone: bool,
    pub(crate) story: Vec<String>,
    pub(crate) faults: Vec<String>,
    /// How many calls of AWS the first invocation made.
    first: usize,
    /// Whether an answer said that people could not be told, which is telling too.
    told_in_answer: bool,
}

/// Makes a call on a copy of what stands: in peace, or cut off and then followed up.
///
/// # Errors
///
/// Where the copy cannot be made or looked at; what the functions do is in the answer.
pub async fn run(stack: &Stack, names: &Arc<Names>, ask: Ask, at: Option<&At>) -> Result<Ran> {
    let fork = stack.fork().await?;
    let mut run = Run::new(&fork, ask, Jobs::mounted(&fork), true);
    let (invocations, struck) = match at {
        None => (run.in_peace().await?, false),
        Some(at) => run.cut_off(at, names).await?,
    };
    if Scenario::swept_after(ask) {
        run.sweep().await?;
    }
    quiet(fork.gateway()).await;
    let end = End::look(&fork).await?;
    let calls: Vec<Call> = fork.gateway().record().calls().into_iter().filter(|call| call.caller != "LOOK").collect();
    let told = run.told_in_answer || calls.iter().any(|call| call.action == "Publish" && call.ok());
    Ok(Ran { end, calls, first: run.first, invocations, struck, told, faults: run.faults, story: run.story })
}

impl<'a> Run<'a> {
    pub(crate) fn new(fork: &'a Fork, ask: Ask, jobs: Jobs, alone: bool) -> Self {
        let (story, faults) = (Vec::new(), Vec::new());
        Self { fork, jobs, ask, alone, story, faults, first: 0, told_in_answer: false }
    }

    /// Asks beside others, by a job or an event as a rule, until it is over.
    pub(crate) async fn beside_others(&mut self, kind: Kind) -> Result<()> {
        let job = self.jobs.open();
        self.until_over(kind, self.ask, &job, &self.ask.event()).await?;
        self.answered(kind, &job, "the job", false);
        Ok(())
    }

    async fn in_peace(&mut self) -> Result<usize> {
        let job = self.jobs.open();
        let invocations = self.until_over(self.ask.kind(), self.ask, &job, &self.ask.event()).await?;
        if self.ask.kind() == Kind::Job && !matches!(self.jobs.end(&job), Some(Answer::Success { .. })) {
            self.faults.push(format!("the job ended with {:?}", self.jobs.end(&job)));
        }
        Ok(invocations)
    }

    async fn cut_off(&mut self, at: &At, names: &Arc<Names>) -> Result<(usize, bool)> {
        let (kind, job, event) = (self.ask.kind(), self.jobs.open(), self.ask.event());
        let faults = self.fork.gateway().faults();
        let rules = at.cut.rules(kind, &at.name, at.nth, names, self.fork.functions());
        let rules: Vec<_> = rules.into_iter().map(|rule| faults.add(rule)).collect();
        let left = self.invoke(kind, self.ask, &job, &event).await?;
        // What was cut off may say that it failed; what comes after it may not.
        self.faults.clear();
        let struck = rules.iter().any(|rule| faults.hits(*rule) > 0);
        faults.clear();
        quiet(self.fork.gateway()).await;
        let invocations = match at.way {
            Way::Same => self.until_over(kind, self.ask, &job, &event).await?,
            Way::New => {
                let other = self.jobs.open();
                let invocations = self.until_over(kind, self.ask, &other, &self.ask.event()).await?;
                self.answered(kind, &other, "the new job", true);
                invocations
            }
            Way::Direct if self.ask == Ask::Sweep => self.until_over(kind, self.ask, &job, &self.ask.event()).await?,
            Way::Direct => self.until_over(Kind::Direct, self.ask.by_hand(), &job, &event).await?,
            Way::Nobody => return Ok((0, struck)),
        };
        // Lambda and CodePipeline come back to what is not over, however late that is.
        if at.way != Way::Same && left != Left::Over && kind != Kind::Direct {
            self.story.push("late:".to_owned());
            self.until_over(kind, self.ask, &job, &event).await?;
        }
        // What went wrong for good failed its job; then another one follows.
        self.answered(kind, &job, "the job", false);
        Ok((invocations, struck))
    }

    /// A job has had its answer.
    fn answered(&mut self, kind: Kind, job: &str, which: &str, must_succeed: bool) {
        match self.jobs.end(job) {
            _ if kind != Kind::Job => {}
            None => self.faults.push(format!("{which} got no answer")),
            Some(Answer::Success { summary }) => self.told_in_answer |= summary.contains("could not be told"),
            Some(Answer::Failure { kind, message }) => {
                self.told_in_answer |= message.contains("could not be told");
                if must_succeed {
                    self.faults.push(format!("{which} failed, {kind}: {message}"));
                }
            }
            Some(Answer::Again { .. }) => {}
        }
    }

    /// Invokes, with the lease run out, until the call is over; at least once.
    async fn until_over(&mut self, kind: Kind, ask: Ask, job: &str, event: &Value) -> Result<usize> {
        for invocation in 1..=INVOCATIONS_MAX {
            if self.alone {
                self.fork.age_lease(SERVICE).await?;
            }
            if self.invoke(kind, ask, job, event).await? == Left::Over {
                return Ok(invocation);
            }
        }
        self.faults.push(format!("{} is not over after {INVOCATIONS_MAX} invocations", ask.name()));
        Ok(INVOCATIONS_MAX)
    }

    async fn invoke(&mut self, kind: Kind, ask: Ask, job: &str, event: &Value) -> Result<Left> {
        let payload = match kind {
            Kind::Job => {
                self.jobs.hand_out(job);
                ask.job(job, &self.jobs)
            }
            Kind::Direct => ask.direct(),
            Kind::Event => event.clone(),
        };
        let answer = self.fork.invoke(ask.function(), &payload).await?;
        if self.story.is_empty() {
            self.first = self.fork.gateway().record().calls().len();
        }
        let said = answer.json();
        self.story.push(format!("{} as {kind:?}: {said}", ask.name()));
        if answer.error.is_some() {
            self.story.extend(answer.log.iter().map(|line| format!("    {}", in_short(line))));
            return Ok(Left::Cut);
        }
        let status = said.get("status").and_then(Value::as_str).unwrap_or_default();
        self.told_in_answer |= said.get("untold").is_some();
        Ok(match (kind, status) {
            (Kind::Job | Kind::Direct, "waiting") => Left::Waiting,
            // Nobody can be told any more that it goes on; its log says so.
            (Kind::Job, "closed") if ends_waiting(&answer.log) => Left::Waiting,
            (Kind::Direct, "refused" | "failed") if self.alone => {
                self.faults.push(format!("{} by hand: {said}", ask.name()));
                Left::Over
            }
            _ => Left::Over,
        })
    }

    /// Lets sweeps come until one finds nothing to do.
    pub(crate) async fn sweep(&mut self) -> Result<()> {
        for _ in 0..SWEEPS_MAX {
            self.fork.age_lease(SERVICE).await?;
            let answer = self.fork.invoke(Ask::Sweep.function(), &Ask::Sweep.event()).await?;
            let said = answer.json();
            self.story.push(format!("sweep: {said}"));
            let count = |key: &str| said.get(key).and_then(Value::as_u64).unwrap_or(1);
            let failed = said.get("failed").and_then(Value::as_array).is_none_or(|failed| !failed.is_empty());
            if count("worked") == 0 && count("busy") == 0 && !failed {
                return Ok(());
            }
        }
        self.faults.push(format!("after {SWEEPS_MAX} sweeps there is still something to do"));
        Ok(())
    }
}

/// Whether the last line about an end says that the call waits.
fn ends_waiting(log: &[String]) -> bool {
    let lines = log.iter().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let field = |line: &Value, name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let last = lines.into_iter().find(|line| field(line, "message") == "end");
    last.is_some_and(|line| field(&line, "status") == "waiting")
}

/// A log line without what is the same in each.
fn in_short(line: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let same = ["time", "level", "function", "request_id", "job", "service", "release", "action"];
    let told = fields.iter().filter(|(key, _)| !same.contains(&key.as_str()));
    told.map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ")
}

/// Waits until what a killed caller had sent is done.
pub(crate) async fn quiet(gateway: &Gateway) {
    while gateway.record().under_way() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Makes a call in peace on the stack itself, so that the next one's turn comes.
///
/// # Errors
///
/// Where it does not end as it must.
pub async fn advance(stack: &Stack, ask: Ask) -> Result<()> {
    let jobs = Jobs::default();
    stack.gateway().mount("codepipeline", jobs.handler());
    let job = jobs.open();
    for _ in 0..INVOCATIONS_MAX {
        let payload = match ask.kind() {
            Kind::Job => {
                jobs.hand_out(&job);
                ask.job(&job, &jobs)
            }
            Kind::Direct => ask.direct(),
            Kind::Event => ask.event(),
        };
        let answer = stack.call(ask.function(), &payload).await?;
        if answer.get("status").and_then(Value::as_str) != Some("waiting") {
            stack.idle().await?;
            return match jobs.end(&job) {
                Some(Answer::Failure { message, .. }) => Err(Trouble::new(format!("{}: {message}", ask.name()))),
                Some(Answer::Success { .. } | Answer::Again { .. }) | None => Ok(()),
            };
        }
    }
    Err(Trouble::new(format!("{} does not end", ask.name())))
}
