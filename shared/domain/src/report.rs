//! How a call ended, in the words of each who asked: the caller, the pipeline's console, the people.

use serde_json::{Map, Value, json};

use crate::id::ServiceName;
use crate::notice::{Notice, SPARED, Status};
use crate::plan::Done;
use crate::refusal::{Failure, Refusal, WaitFor};
use crate::request::{Function, Request};

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// What was asked for stands; with what could not follow, a sentence each.
    Done(Done, Vec<String>),
    /// It is to be called again.
    Waiting(WaitFor),
    /// The caller has to change something.
    Refused(Refusal),
    /// It was tried and cannot be had.
    Failed(Failure),
}

impl Outcome {
    /// As answers and logs spell it.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Done(..) => "done",
            Self::Waiting(_) => "waiting",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// One sentence: what stands, what is missing, or why not.
    pub fn sentence(&self) -> String {
        match self {
            Self::Done(done, _) => done.headline.clone(),
            Self::Waiting(wait) => format!("waiting for {wait}"),
            Self::Refused(refusal) => refusal.to_string(),
            Self::Failed(failure) => failure.to_string(),
        }
    }

    /// The answer to a direct call: `{"status":…, "reason":…, …}`, output variables beside. Who waits while a release is watched
    /// gets its share of the traffic, `percent`.
    pub fn answer(&self, request: &Request) -> Value {
        let mut answer = Map::new();
        answer.insert("status".into(), json!(self.status()));
        answer.insert("reason".into(), json!(self.sentence()));
        answer.insert("service".into(), json!(request.service));
        answer.insert("release".into(), json!(request.release));
        answer.insert("action".into(), json!(request.verb.as_str()));
        if let Self::Waiting(wait) = self
            && let Some(percent) = wait.percent()
        {
            answer.insert("percent".into(), json!(percent));
        }
        if let Self::Done(done, not_followed) = self {
            let details: Vec<&String> = done.lines.iter().chain(not_followed).collect();
            if !details.is_empty() {
                answer.insert("details".into(), json!(details));
            }
            if !done.next.is_empty() {
                answer.insert("next".into(), json!(done.next));
            }
            if !done.outputs.is_empty() {
                answer.insert("outputs".into(), json!(done.outputs));
            }
        }
        Value::Object(answer)
    }

    /// What people are told at the call's end; nothing while it waits.
    pub fn notice(&self, request: &Request) -> Option<Notice> {
        let blank = |status: Status, headline: String| Notice::of(request, request.verb.as_str(), status, headline);
        match self {
            Self::Waiting(_) => None,
            Self::Done(done, not_followed) => Some(Notice {
                lines: done.lines.iter().chain(not_followed).cloned().collect(),
                look: done.look.clone(),
                next: done.next.clone(),
                outputs: done.outputs.clone(),
                ..blank(Status::Done, done.headline.clone())
            }),
            Self::Refused(refusal) => {
                let mut blank = blank(Status::Refused, String::new());
                if matches!(refusal, Refusal::IsWayBack { .. }) {
                    // Nobody gets what somebody wanted to take from them: no reason to wake anybody.
                    SPARED.clone_into(&mut blank.event);
                }
                Some(to_act_on(blank, &refusal.to_string(), after_refusal(refusal)))
            }
            Self::Failed(failure) if failure.was_told() => None,
            Self::Failed(failure) => {
                Some(to_act_on(blank(Status::Failed, String::new()), &failure.to_string(), PUT_RIGHT))
            }
        }
    }
}

/// A text as CodePipeline takes it: at most so many characters, and at least one.
pub fn cut(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= most {
        return if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// What people are told of a call that is so wrong that it cannot be known whose service it was about.
pub fn bad_call(function: Function, refusal: &Refusal) -> Option<Notice> {
    let blank = Notice {
        asked_by: "a call that cannot be read".to_owned(),
        next: vec!["Mend the action's UserParameters, or the call; nothing was changed.".to_owned()],
        ..Notice::new(ServiceName::new("pointsman").ok()?, function.as_str(), Status::Refused, "")
    };
    Some(with_lines(blank, &refusal.to_string()))
}

const PUT_RIGHT: &str = "Put right what it names, then call again. A release that was rejected needs a new execution.";

/// What to do after a refusal, beside what its own sentence says.
fn after_refusal(refusal: &Refusal) -> &'static str {
    if matches!(refusal, Refusal::NothingToGoBackTo { .. } | Refusal::Kept { .. }) {
        return "Customers are on it. Ship a release that mends it: its promote takes the bad one out of the rule.";
    }
    if matches!(refusal, Refusal::IsWayBack { .. }) {
        return "Nothing: it stays the way back.";
    }
    PUT_RIGHT
}

/// A notice of what stands in the way. What to do is in its own sentence; and then?
fn to_act_on(notice: Notice, text: &str, next: &str) -> Notice {
    with_lines(Notice { next: vec![next.to_owned()], ..notice }, text)
}

/// Splits a text into a headline and the lines below it.
fn with_lines(mut notice: Notice, text: &str) -> Notice {
    let mut lines = text.lines().map(str::to_owned);
    notice.headline = lines.next().unwrap_or_default();
    notice.lines = lines.collect();
    notice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_to_what_codepipeline_takes() {
        assert_eq!(cut("  done ", 10), "done");
        assert_eq!(cut("", 10), "-");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
