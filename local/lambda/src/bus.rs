//! The event bus: events go to the functions whose rules are about them, at least once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::invoke::{Functions, InvokeError};
use crate::template::{Rule, Trigger};

mod input;

/// No schedule comes more often, whatever a template says.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Why an event or a schedule could not be delivered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BusError {
    #[error("an event is a JSON object, and this is {0}")]
    NoObject(String),
    #[error("an event needs a {0}")]
    Missing(&'static str),
    #[error("there is no rule {name}. The rules are {known}")]
    NoRule { name: String, known: String },
    #[error("the rule {0} is about events and has no schedule")]
    NoSchedule(String),
    #[error("the rule {rule}: {problem}")]
    Input { rule: String, problem: String },
    #[error(transparent)]
    Invoke(#[from] InvokeError),
}

/// What came of an event for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub rule: String,
    pub function: String,
    /// Of the asynchronous invocation.
    pub request_id: String,
}

/// What a rule publishes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic_arn: String,
    /// JSON, as SNS gets it from EventBridge: a text is in quotes.
    pub text: String,
}

/// The bus of one account. Clones are the same bus.
#[derive(Clone)]
pub struct Bus(Arc<Shared>);

struct Shared {
    functions: Functions,
    rules: Vec<Rule>,
    region: String,
    account: String,
    /// How many times more each event is delivered.
    duplicates: AtomicU64,
    schedules: Mutex<JoinSet<()>>,
}

impl Bus {
    /// A bus with these rules, in the account and region that events get where they name none.
    #[must_use]
    pub fn new(functions: Functions, rules: Vec<Rule>, region: &str, account: &str) -> Self {
        Self(Arc::new(Shared {
            functions,
            rules,
            region: region.to_owned(),
            account: account.to_owned(),
            duplicates: AtomicU64::new(0),
            schedules: Mutex::default(),
        }))
    }

    /// From now on each event is delivered so many times more: EventBridge delivers at least once.
    pub fn set_duplicates(&self, count: u64) {
        self.0.duplicates.store(count, Ordering::Relaxed);
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.0.rules
    }

    /// Puts an event on the bus. It gets what it lacks of the envelope, and goes to each function whose rule is
    /// about it. Needs `source`, `detail-type` and `detail`.
    ///
    /// Has to be called within a tokio runtime.
    pub fn put(&self, event: &Value) -> Result<Vec<Delivery>, BusError> {
        let event = self.0.envelope(event)?;
        let mut deliveries = Vec::new();
        for rule in self.0.rules.iter().filter(|rule| rule.enabled) {
            match &rule.trigger {
                Trigger::Pattern(pattern) if pattern.matches(&event) => {
                    deliveries.extend(self.0.deliver(rule, &event)?);
                }
                Trigger::Pattern(_) | Trigger::Schedule { .. } | Trigger::Scheduler { .. } => {}
            }
        }
        Ok(deliveries)
    }

    /// What the rules publish of an event to topics; whoever puts it on the bus has it published.
    pub fn messages(&self, event: &Value) -> Result<Vec<Message>, BusError> {
        let event = self.0.envelope(event)?;
        let mut messages = Vec::new();
        for rule in self.0.rules.iter().filter(|rule| rule.enabled && !rule.topics.is_empty()) {
            if !matches!(&rule.trigger, Trigger::Pattern(pattern) if pattern.matches(&event)) {
                continue;
            }
            for (topic_arn, input) in &rule.topics {
                let text = input::of(input, rule, &event)
                    .map_err(|problem| BusError::Input { rule: rule.name.clone(), problem })?;
                messages.push(Message { topic_arn: topic_arn.clone(), text: text.to_string() });
            }
        }
        Ok(messages)
    }

    /// Lets the time of a schedule come now.
    ///
    /// Has to be called within a tokio runtime.
    pub fn tick(&self, rule: &str) -> Result<Vec<Delivery>, BusError> {
        self.0.tick(rule)
    }

    /// The schedules by name, with their intervals.
    #[must_use]
    pub fn schedules(&self) -> Vec<(String, Option<Duration>)> {
        let interval = |rule: &Rule| match &rule.trigger {
            Trigger::Schedule { every, .. } | Trigger::Scheduler { every, .. } => Some((rule.name.clone(), *every)),
            Trigger::Pattern(_) => None,
        };
        self.0.rules.iter().filter_map(interval).collect()
    }

    /// Runs each schedule that has a rate, at that rate, until the bus is dropped.
    ///
    /// Has to be called within a tokio runtime.
    pub fn run_schedules(&self) {
        let enabled = |name: &str| self.0.rules.iter().any(|rule| rule.name == name && rule.enabled);
        let mut tasks = self.0.schedules.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, every) in self.schedules() {
            let Some(every) = every.filter(|_| enabled(&name)) else { continue };
            // The task must not keep the bus alive that is to end it.
            let shared = Arc::downgrade(&self.0);
            tasks.spawn(async move {
                loop {
                    tokio::time::sleep(every.max(INTERVAL_MIN)).await;
                    let Some(shared) = shared.upgrade() else { return };
                    if shared.tick(&name).is_err() {
                        return;
                    }
                }
            });
        }
    }
}

impl Shared {
    fn tick(&self, name: &str) -> Result<Vec<Delivery>, BusError> {
        let Some(rule) = self.rules.iter().find(|rule| rule.name == name) else {
            let known: Vec<&str> = self.rules.iter().map(|rule| rule.name.as_str()).collect();
            return Err(BusError::NoRule { name: name.to_owned(), known: known.join(", ") });
        };
        let (source, detail) = match &rule.trigger {
            Trigger::Schedule { .. } => ("aws.events", json!({})),
            // The Scheduler's detail is a text.
            Trigger::Scheduler { .. } => ("aws.scheduler", json!("{}")),
            Trigger::Pattern(_) => return Err(BusError::NoSchedule(name.to_owned())),
        };
        let event = self.envelope(&json!({
            "detail-type": "Scheduled Event",
            "source": source,
            "resources": [rule.arn],
            "detail": detail,
        }))?;
        self.deliver(rule, &event)
    }

    fn deliver(&self, rule: &Rule, event: &Value) -> Result<Vec<Delivery>, BusError> {
        let mut deliveries = Vec::new();
        for target in &rule.targets {
            let input = input::of(&target.input, rule, event)
                .map_err(|problem| BusError::Input { rule: rule.name.clone(), problem })?;
            for _ in 0..=self.duplicates.load(Ordering::Relaxed) {
                deliveries.push(Delivery {
                    rule: rule.name.clone(),
                    function: target.function.clone(),
                    request_id: self.functions.invoke_async(&target.function, &input)?,
                });
            }
        }
        Ok(deliveries)
    }

    /// The event with all its envelope, in the order of AWS's own events.
    fn envelope(&self, event: &Value) -> Result<Value, BusError> {
        let given = event.as_object().ok_or_else(|| BusError::NoObject(event.to_string()))?;
        for needed in ["source", "detail-type", "detail"] {
            if !given.contains_key(needed) {
                return Err(BusError::Missing(needed));
            }
        }
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or_else(|_| OffsetDateTime::now_utc());
        let defaults = [
            ("version", json!("0")),
            ("id", json!(Uuid::new_v4().to_string())),
            ("detail-type", Value::Null),
            ("source", Value::Null),
            ("account", json!(self.account)),
            ("time", json!(now.format(&Rfc3339).unwrap_or_default())),
            ("region", json!(self.region)),
            ("resources", json!([])),
            ("detail", Value::Null),
        ];
        let mut whole = Map::new();
        for (key, default) in defaults {
            whole.insert(key.to_owned(), given.get(key).cloned().unwrap_or(default));
        }
        for (key, value) in given {
            whole.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Ok(Value::Object(whole))
    }
}

#[cfg(test)]
mod tests;
