//! One account with the functions, and what is asked after each of their calls.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fuzz::choices::Choices;
use gateway::alter::alter;
use gateway::{Mark, Response, Rule, What};
use lambda::{Answer, ErrorKind};
use local::standing::{Standing, Tagged};
use local::{Options, Result, Stack, Trouble};
use serde_json::{Value, json};

use crate::jobs::Jobs;

/// The first service.
pub const SERVICE: &str = "mobile-web";
/// The alarm that it lists.
const ALARM: &str = "mobile-5xx";
/// The four functions.
pub const FUNCTIONS: [&str; 4] = ["provision", "register", "promote", "teardown"];
/// When the functions are stopped: so soon that none waits long for what does not come, and late enough for a change.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How many calls of a function it takes at most until it has an answer.
const CALLS_MOST: usize = 40;

/// One account with the functions.
pub struct Lane {
    pub stack: Stack,
    pub jobs: Jobs,
    /// What was altered in the call that runs now.
    pub altered: Arc<Mutex<Vec<String>>>,
    number: u64,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Direct,
    Job,
    Event,
}

/// One call of a function that is over.
pub struct Called {
    pub what: String,
    pub answer: Answer,
    /// What was put to its job.
    pub put: Option<Vec<&'static str>>,
    pub altered: Vec<String>,
}

impl Called {
    /// `done`, `waiting`, `refused`, `failed`; of a job what was put to it.
    pub fn status(&self) -> String {
        match &self.answer.error {
            Some(error) => format!("error {:?}", error.kind),
            None => {
                let json = self.answer.json();
                json.get("status").and_then(Value::as_str).unwrap_or("none").to_owned()
            }
        }
    }

    /// The call with what was altered and logged.
    pub fn story(&self) -> String {
        let mut story = format!("{}\nanswered {}\n", self.what, String::from_utf8_lossy(&self.answer.payload));
        let _ = writeln!(story, "put to the job: {:?}", self.put);
        for altered in &self.altered {
            let _ = writeln!(story, "altered: {altered}");
        }
        let last = self.answer.log.len().saturating_sub(25);
        for line in self.answer.log.iter().skip(last) {
            let _ = writeln!(story, "  {line}");
        }
        story
    }
}

impl Lane {
    /// Starts an account in which nothing settles or drains.
    ///
    /// # Errors
    /// Where a part does not start.
    pub async fn start() -> Result<Self> {
        let options = Options { change: quick, timeout: Some(TIMEOUT), retry_scale: 0.0, ..Options::scripted() };
        let stack = Stack::start(options).await?;
        let jobs = Jobs::default();
        stack.gateway().mount("codepipeline", jobs.handler());
        let alarm = [
            ("AlarmName", ALARM),
            ("MetricName", "HTTPCode_Target_5XX_Count"),
            ("Namespace", "AWS/ApplicationELB"),
            ("Period", "60"),
            ("EvaluationPeriods", "1"),
            ("Statistic", "Sum"),
            ("Threshold", "1"),
            ("ComparisonOperator", "GreaterThanThreshold"),
        ];
        stack.moto().query("monitoring", "PutMetricAlarm", &alarm).await?;
        Ok(Self { stack, jobs, altered: Arc::default(), number: 0 })
    }

    /// Calls a function as it is asked to be.
    ///
    /// # Errors
    /// Where there is no such function.
    pub async fn call(&mut self, function: &str, ask: &Value, how: How) -> Result<Called> {
        self.number += 1;
        let id = format!("job-{}", self.number);
        let payload = match how {
            How::Direct | How::Event => ask.clone(),
            How::Job => {
                let mut job = fuzz::events::job(&ask.to_string(), None);
                if let Some(place) = job.pointer_mut("/CodePipeline.job/id") {
                    *place = json!(id);
                }
                job
            }
        };
        self.altered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let answer = self.stack.functions().invoke(&format!("pointsman-{function}"), &payload).await?;
        let altered = std::mem::take(&mut *self.altered.lock().unwrap_or_else(PoisonError::into_inner));
        let put = (how == How::Job).then(|| self.jobs.of(&id));
        Ok(Called { what: format!("{function} {ask} ({how:?})"), answer, put, altered })
    }

    /// What is promised of a call that is over, whatever AWS answered it. Says what was broken.
    pub fn judge(&self, called: &Called, how: How) -> std::result::Result<(), String> {
        let broken = |what: &str| Err(format!("{what}\n{}", called.story()));
        if called.answer.log.iter().any(|line| line.contains("panicked at")) {
            return broken("a function panicked");
        }
        if let Some(error) = &called.answer.error {
            match error.kind {
                ErrorKind::Exit | ErrorKind::Init => return broken("a function crashed"),
                ErrorKind::Timeout => return broken("a function was stopped at its timeout"),
                ErrorKind::Function => {}
            }
            let put = called.altered.iter().any(|altered| altered.contains("PutJob"));
            let excused = how == How::Event || (how == How::Job && put);
            if !excused {
                return broken("a function threw");
            }
        } else {
            let status = called.status();
            let known = ["done", "waiting", "refused", "failed", "ignored", "closed"].contains(&status.as_str());
            if how != How::Event && !known {
                return broken("an answer has no status");
            }
        }
        match &called.put {
            Some(put) if put.is_empty() => broken("a job got no answer"),
            Some(_) | None => Ok(()),
        }
    }

    /// What the account must be after any call: what has weight has its servers, and no release has more than asked for.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub async fn look(&self) -> Result<Standing> {
        let account = self.stack.account();
        Standing::look(&self.stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await
    }

    /// Asks whether what has weight has all of its servers.
    pub fn serves(standing: &Standing, service: &str, count: usize) -> std::result::Result<(), String> {
        let Some(rule) = standing.rule(service, "product") else { return Ok(()) };
        let with_weight: Vec<&String> =
            rule.forward.iter().filter(|(_, weight)| *weight > 0).map(|(arn, _)| arn).collect();
        if with_weight.is_empty() {
            return Err(format!("the product rule gives nobody weight: {rule:?}"));
        }
        for arn in with_weight {
            let Some(group) = standing.groups.iter().find(|group| group.arn == *arn) else {
                return Err(format!("the product rule sends weight to a group that is gone: {arn}"));
            };
            let runs = |id: &String| standing.instances.iter().any(|i| i.id == *id && i.state == "running");
            let serving = group.targets.iter().filter(|(id, state)| state != "draining" && runs(id)).count();
            if serving < count {
                return Err(format!("{serving} of {count} servers are left of what has weight: {group:?}"));
            }
        }
        Ok(())
    }

    /// How many instances stand of each release.
    pub fn instances(standing: &Standing) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for instance in &standing.instances {
            *counts.entry(instance.tag("release").to_owned()).or_default() += 1;
        }
        counts
    }

    /// Frees the lease: an answer that was lost leaves it held for more than a minute, which nobody waits for here.
    ///
    /// # Errors
    /// Where the simulator refuses it.
    pub async fn free_lease(&self, service: &str) -> Result<()> {
        let input = json!({"TableName": self.stack.account().lease_table, "Key": {"service": {"S": service}}});
        self.stack.moto().json("dynamodb", "DynamoDB_20120810.DeleteItem", input).await?;
        Ok(())
    }

    /// Calls until there is an answer; nothing is altered.
    ///
    /// # Errors
    /// Where it waits without end.
    pub async fn until_over(&mut self, function: &str, ask: &Value) -> Result<Called> {
        let mut last = String::new();
        for _ in 0..CALLS_MOST {
            let called = self.call(function, ask, How::Direct).await?;
            if called.status() != "waiting" {
                return Ok(called);
            }
            last = called.story();
        }
        Err(Trouble::new(format!("it waits without end: {last}")))
    }

    /// The events that `teardown` is called by.
    #[must_use]
    pub fn event(kind: u32, release: &str) -> Value {
        match kind {
            0 => json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}),
            1 => json!({"source": "aws.codepipeline", "detail-type": "CodePipeline Pipeline Execution State Change",
                "detail": {"pipeline": SERVICE, "execution-id": release, "state": "FAILED"}}),
            2 => json!({"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
                "detail": {"alarmName": ALARM, "state": {"value": "ALARM", "reason": "Threshold Crossed"}}}),
            _ => json!({"source": "aws.codepipeline", "detail-type": "CodePipeline Action Execution State Change",
                "detail": {"pipeline": SERVICE, "execution-id": release, "action": "KeepIt", "action-execution-id": "x",
                    "state": "FAILED", "type": {"category": "Approval"}}}),
        }
    }

    /// From now on some answers to a function are altered.
    pub fn alter(&self, c: &mut Choices, function: &str, actions: &[String]) {
        let altered = Arc::clone(&self.altered);
        let choices = Mutex::new(Choices::random(u64::from(c.below(u32::MAX))));
        let hook = move |request: &gateway::Request, answer: Response| {
            let before = shown(&answer);
            let mut choices = choices.lock().unwrap_or_else(PoisonError::into_inner);
            let after = alter(request, answer, &mut |most| choices.below(most));
            let text = format!("{} {}: {before}\n     to: {}", request.service, request.action, shown(&after));
            altered.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            after
        };
        let mut rule = Rule::new(What::Alter(Arc::new(hook))).caller(&function.to_uppercase());
        if c.chance(70) {
            if let Some(action) = c.pick(actions) {
                rule = rule.action(action).skip(c.below(2));
            }
        } else {
            rule = rule.skip(c.below(12));
        }
        // Some for good, most once or twice: the SDK tries again what it cannot read.
        let times = *c.pick(&[1, 1, 2, 3, 1_000]).unwrap_or(&1);
        self.stack.gateway().faults().add(rule.times(times));
    }

    /// Answers are right again.
    pub fn heal(&self) {
        self.stack.gateway().faults().clear();
    }

    /// The actions that a function called since then.
    #[must_use]
    pub fn actions(&self, function: &str, since: Mark) -> Vec<String> {
        let caller = function.to_uppercase();
        let calls = self.stack.gateway().record().since(since);
        let mut actions: Vec<String> = calls.into_iter().filter(|c| c.caller == caller).map(|c| c.action).collect();
        actions.sort_unstable();
        actions.dedup();
        actions
    }
}

/// The beginning of an answer's body.
fn shown(answer: &Response) -> String {
    String::from_utf8_lossy(&answer.body).chars().take(1_500).collect()
}

/// Nothing settles or drains.
fn quick(config: &mut Value) {
    if let Some(config) = config.as_object_mut() {
        config.insert("settle_seconds".into(), json!(0));
        config.insert("drain_seconds".into(), json!(0));
        config.insert("alarms".into(), json!([ALARM]));
    }
}
