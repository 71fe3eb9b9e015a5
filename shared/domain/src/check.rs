//! Checks of a service's own people: when a release is examined, by what, and what an answer means.

use std::fmt;

use serde_json::{Value, json};

use crate::config::{Check, HttpCheck};
use crate::id::{InstanceId, ReleaseId, ServiceName, shown};

/// When in its life a release is examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its targets are healthy, and QA is about to be told.
    Register,
    /// It is about to get its first traffic.
    Promote,
    /// It has this much of the traffic, percent, and has had it for as long as a step stands; all of it: while it bakes.
    Step(u32),
}

impl Phase {
    /// As payloads spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Promote => "promote",
            Self::Step(_) => "step",
        }
    }

    /// How much of the traffic the release has, percent.
    pub const fn percent(self) -> u32 {
        match self {
            Self::Register | Self::Promote => 0,
            Self::Step(percent) => percent,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register => f.write_str("after register"),
            Self::Promote => f.write_str("before it had any traffic"),
            Self::Step(percent) => write!(f, "while it had {percent} % of the traffic"),
        }
    }
}

/// What is to be asked of a release, by all of these checks side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Examination {
    /// Whose release.
    pub service: ServiceName,
    /// Which.
    pub release: ReleaseId,
    /// When.
    pub phase: Phase,
    /// By what.
    pub checks: Vec<Check>,
    /// Where people see it: QA's address before it has traffic, then the customers'.
    pub url: Option<String>,
    /// Its servers that run, each with `http://10.0.1.7:8080`.
    pub targets: Vec<(InstanceId, String)>,
}

impl Examination {
    /// What a check function gets: `{"service", "release", "phase", "percent", "url", "targets"}`.
    pub fn payload(&self) -> Value {
        let targets: Vec<&String> = self.targets.iter().map(|(_, address)| address).collect();
        json!({
            "service": self.service, "release": self.release, "phase": self.phase.as_str(),
            "percent": self.phase.percent(), "url": self.url, "targets": targets,
        })
    }
}

/// What an examination found: each check with its verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// When.
    pub phase: Phase,
    /// Each check, as people know it, and what it says.
    pub verdicts: Vec<(String, Verdict)>,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Good,
    /// The release is not to serve, and why.
    Bad(String),
    /// Nothing that says one or the other, and why.
    None(String),
}

/// A target's answer to a request: its status and the beginning of its body, or why there is none.
pub type Answered = Result<(u16, String), NoAnswer>;

/// Why a target gave no answer, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// No connection came up, or it broke: the network's fault, or the target's.
    NotReached(String),
    /// It took the request, and said nothing in time.
    Silent(String),
}

impl Verdict {
    /// Reads what a check function answered: `{"ok": true}` or `{"ok": false, "reason": "…"}`.
    pub fn of_function(payload: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(payload).unwrap_or_default();
        match answer.get("ok").and_then(Value::as_bool) {
            Some(true) => Self::Good,
            Some(false) => {
                let reason = answer.get("reason").and_then(Value::as_str).filter(|reason| !reason.trim().is_empty());
                Self::Bad(reason.map_or_else(|| "it gave no reason".to_owned(), sentence))
            }
            None => {
                let text = shown(&String::from_utf8_lossy(payload));
                Self::None(format!(
                    r#"it answered {text}; it is to answer {{"ok":true}} or {{"ok":false,"reason":"…"}}"#
                ))
            }
        }
    }

    /// Judges what the targets answered. Where none is reached at all it is the network's fault, for the load balancer
    /// found them healthy.
    pub fn of_targets(check: &HttpCheck, answers: &[(InstanceId, Answered)]) -> Self {
        if let Some((_, Err(NoAnswer::NotReached(first)))) = answers.first()
            && answers.iter().all(|(_, answer)| matches!(answer, Err(NoAnswer::NotReached(_))))
        {
            return Self::None(format!(
                "no target could be reached ({first}), and the load balancer finds them healthy: put the function into \
                 subnets that reach them, and allow its security group on their port"
            ));
        }
        let bad: Vec<String> = answers
            .iter()
            .filter_map(|(target, answer)| {
                let why = match answer {
                    Err(NoAnswer::NotReached(why) | NoAnswer::Silent(why)) => why.clone(),
                    Ok((status, _)) if u32::from(*status) != check.expect => {
                        format!("it answered {status}, {} is expected", check.expect)
                    }
                    Ok((_, body)) => {
                        let wanted = check.contains.as_ref().filter(|wanted| !body.contains(wanted.as_str()))?;
                        format!("its answer does not contain \"{}\": {}", shown(wanted), shown(body))
                    }
                };
                Some(format!("{target}: {why}"))
            })
            .collect();
        if bad.is_empty() { Self::Good } else { Self::Bad(bad.join("; ")) }
    }
}

/// How much of a check's reason is passed on; a tag and a job's answer take no novel.
const REASON_CHARACTERS: usize = 300;

/// A reason on one line.
fn sentence(reason: &str) -> String {
    let words: Vec<&str> =
        reason.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(REASON_CHARACTERS).collect()
}
