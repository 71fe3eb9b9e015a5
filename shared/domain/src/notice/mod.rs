//! What people are told: one notice, said as mail (`mail`), as a chat message (`chat`), and as an event of the bus (`event`).

mod chat;
mod event;
mod mail;

pub use event::SOURCE;

use std::collections::BTreeMap;

use serde_json::json;

use crate::id::{ReleaseId, ServiceName};
use crate::request::Request;

/// One message to the service's people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The service.
    pub service: ServiceName,
    /// The release it is about, where there is one.
    pub release: Option<ReleaseId>,
    /// What it is about, for filter policies: `provision`, `promote`, `rejected`, `unhealthy` …
    pub event: String,
    /// How it stands.
    pub status: Status,
    /// Who or what asked for it; empty where nobody did.
    pub asked_by: String,
    /// The pipeline whose execution the release is, where that is known.
    pub pipeline: Option<String>,
    /// What happened, one sentence; with service and status it becomes the subject.
    pub headline: String,
    /// More of it, a sentence each.
    pub lines: Vec<String>,
    /// Where to look: a label, and an address, a name or IPs.
    pub look: Vec<(String, String)>,
    /// What to do next.
    pub next: Vec<String>,
    /// The output variables of a call that is done, for who reads the events.
    pub outputs: BTreeMap<&'static str, String>,
}

/// How a call or a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// What was asked for stands.
    Done,
    /// Nothing was changed; the caller has to act.
    Refused,
    /// It was tried and could not be had.
    Failed,
    /// Nobody asked, but people have to know.
    Attention,
}

impl Status {
    /// As message attributes and answers spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Attention => "attention",
        }
    }
}

/// How loud a notice is: what subscriptions are filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A routine step that nobody has to do anything about.
    Quiet,
    /// Somebody's turn has come, or customers get something new.
    Normal,
    /// Something went wrong, or back: whoever is on call wants to know.
    Loud,
}

impl Level {
    /// As message attributes and events spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Normal => "normal",
            Self::Loud => "loud",
        }
    }
}

/// What a headline or a step to take next may have. SNS takes messages of 262,144 bytes, and a character may take seven of them.
const SENTENCE_CHARACTERS: usize = 1_000;

impl Notice {
    /// A notice that says one sentence so far.
    pub fn new(service: ServiceName, event: &str, status: Status, headline: impl Into<String>) -> Self {
        Self {
            service,
            release: None,
            event: event.to_owned(),
            status,
            asked_by: String::new(),
            pipeline: None,
            headline: headline.into(),
            lines: Vec::new(),
            look: Vec::new(),
            next: Vec::new(),
            outputs: BTreeMap::new(),
        }
    }

    /// A notice about what a request asks, and its release.
    pub fn of(request: &Request, event: &str, status: Status, headline: impl Into<String>) -> Self {
        Self {
            release: request.release.clone(),
            asked_by: request.asked_by(),
            pipeline: request.pipeline.clone(),
            ..Self::new(request.service.clone(), event, status, headline)
        }
    }

    /// How loud it is.
    pub fn level(&self) -> Level {
        match (self.status, self.event.as_str()) {
            (Status::Failed | Status::Attention, _) | (_, ROLLBACK) | (Status::Refused, FREEZE) => Level::Loud,
            (Status::Done, "provision" | "finish" | "sweep") => Level::Quiet,
            (Status::Done | Status::Refused, _) => Level::Normal,
        }
    }

    /// The message's attributes, for filter policies.
    pub fn attributes(&self) -> [(&'static str, &str); 4] {
        [
            ("service", self.service.as_str()),
            ("event", &self.event),
            ("status", self.status.as_str()),
            ("level", self.level().as_str()),
        ]
    }

    /// The page of CodePipeline's console that shows the release's pipeline execution.
    pub fn execution_url(&self, region: &str) -> Option<String> {
        let (pipeline, execution) = (self.pipeline.as_ref()?, self.release.as_ref()?);
        execution_url(region, pipeline, execution.as_str())
    }

    /// The SNS message, for `MessageStructure: json`: mail gets the text, a telephone the subject, every other protocol the chat schema. Amazon Q Developer
    /// subscribes its channels by HTTPS, and takes nothing but that schema; mail shows whatever comes as it is.
    pub fn message(&self, region: &str) -> String {
        json!({
            "default": self.chat(region).to_string(),
            "email": self.text(region),
            "sms": self.subject(),
        })
        .to_string()
    }
}

/// The event of a rollback that was refused because its release is what product would go back to.
pub const SPARED: &str = "spared";
const ROLLBACK: &str = "rollback";
const FREEZE: &str = "freeze";

/// The console's address of an execution. A pipeline's name that AWS would not take leads nowhere.
fn execution_url(region: &str, pipeline: &str, execution: &str) -> Option<String> {
    let is_name = |text: &str| {
        (1..=100).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || ".@-_".contains(c))
    };
    if !is_name(region) || !is_name(pipeline) || !is_name(execution) {
        return None;
    }
    let console = match region {
        _ if region.starts_with("cn-") => format!("https://{region}.console.amazonaws.cn"),
        _ if region.starts_with("us-gov-") => format!("https://{region}.console.amazonaws-us-gov.com"),
        _ => format!("https://{region}.console.aws.amazon.com"),
    };
    Some(format!(
        "{console}/codesuite/codepipeline/pipelines/{pipeline}/executions/{execution}/visualization?region={region}"
    ))
}

/// A text's beginning, where it is too long.
fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// The text with each id of a pipeline execution (a UUID) cut to its first eight characters, as people read them out.
pub fn with_short_ids(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (kept, read) = if is_execution_id(rest) { (8, ID_CHARACTERS) } else { (c.len_utf8(), c.len_utf8()) };
        short.push_str(rest.get(..kept).unwrap_or_default());
        rest = rest.get(read..).unwrap_or_default();
    }
    short
}

const ID_CHARACTERS: usize = 36;

/// Whether a text begins with an execution's id.
fn is_execution_id(text: &str) -> bool {
    let hyphen = |at| [8, 13, 18, 23].contains(&at);
    let fits = |(at, b): (usize, &u8)| if hyphen(at) { *b == b'-' } else { b.is_ascii_hexdigit() };
    text.as_bytes().get(..ID_CHARACTERS).is_some_and(|start| start.iter().enumerate().all(fits))
}

#[cfg(test)]
mod tests;
