//! What was done with a service's releases, read from the functions' own log lines and the pipeline's approvals.

use std::collections::BTreeMap;

use domain::event::person;
use domain::time::Time;
use serde::Serialize;
use serde_json::Value;

use crate::paint::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::release::brief;
use crate::span;

/// The filter pattern of the lines that say how a call for a service ended.
#[must_use]
pub fn pattern(service: &str) -> String {
    format!(r#"{{ $.message = "end" && $.service = "{service}" }}"#)
}

/// One release's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Story {
    pub release: String,
    pub steps: Vec<Done>,
    pub approvals: Vec<Approval>,
}

/// What one verb came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Done {
    pub action: String,
    pub began: String,
    pub ended: String,
    /// From the first call to the end: as the functions measured it, else by the lines.
    pub seconds: i64,
    /// How many calls it took.
    pub calls: usize,
    /// `done`, `waiting`, `refused`, `failed`.
    pub status: String,
    pub sentence: String,
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    pub action: String,
    pub status: String,
    pub by: Option<String>,
    pub at: Option<String>,
}

impl Approval {
    /// An approval action that is over.
    #[must_use]
    pub fn new(action: &str, status: &str, by: Option<&str>, at: Option<Time>) -> Self {
        Self {
            action: action.to_owned(),
            status: status.to_owned(),
            by: by.and_then(person).map(str::to_owned),
            at: at.map(|at| at.to_string()),
        }
    }
}

/// Reads a service's lines, oldest first; the stories begin with the newest release.
#[must_use]
pub fn read(service: &str, lines: &[(Time, String)]) -> Vec<Story> {
    let mut stories: Vec<Story> = Vec::new();
    let mut began: BTreeMap<(String, String), Time> = BTreeMap::new();
    for (at, text) in lines {
        let Ok(line) = serde_json::from_str::<Value>(text) else { continue };
        let word = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
        if word("message").as_deref() != Some("end") || word("service").as_deref() != Some(service) {
            continue;
        }
        let (Some(release), Some(action), Some(status)) = (word("release"), word("action"), word("status")) else {
            continue;
        };
        let sentence = word("reason").or_else(|| word("wait_for").map(|wait| format!("waiting for {wait}")));
        let place = stories.iter().position(|story| story.release == release).unwrap_or_else(|| {
            stories.push(Story { release: release.clone(), steps: Vec::new(), approvals: Vec::new() });
            stories.len() - 1
        });
        let Some(story) = stories.get_mut(place) else { continue };
        let first = *began.entry((release, action.clone())).or_insert(*at);
        let measured = line.get("Duration").and_then(Value::as_f64);
        // A job's counts from its first call, another caller's from its last.
        let seconds = measured.map_or(0, |seconds| seconds.round() as i64).max(*at - first);
        let open = story.steps.iter().position(|step| step.action == action && step.status == "waiting");
        let calls = open.and_then(|place| story.steps.get(place)).map_or(0, |step| step.calls) + 1;
        let step = Done {
            action,
            began: first.to_string(),
            ended: at.to_string(),
            seconds,
            calls,
            status,
            sentence: sentence.unwrap_or_default(),
        };
        if let Some(waiting) = open.and_then(|place| story.steps.get_mut(place)) {
            *waiting = step;
        } else if !story.steps.iter().any(|known| known.action == step.action && known.status == step.status) {
            // Asked for again after its end, as duplicates are: what it came to first is what counts.
            story.steps.push(step);
        }
    }
    stories.reverse();
    stories
}

/// The stories as people read them.
#[must_use]
pub fn text(service: &str, stories: &[Story]) -> String {
    if stories.is_empty() {
        return format!("Nothing was done with {service} in that time, as far as the logs are kept.\n");
    }
    let mut text = String::new();
    for story in stories {
        // In full, once: by it pipelines and logs are searched.
        text.push_str(&format!("{}\n", paint(BOLD, &story.release)));
        // An answer comes before what it sets off, in whichever second.
        let answers =
            story.approvals.iter().map(|approval| (approval.at.as_deref().unwrap_or_default(), of_approval(approval)));
        let steps = story.steps.iter().map(|step| (step.ended.as_str(), of_step(step)));
        let mut rows: Vec<(&str, String)> = answers.chain(steps).collect();
        rows.sort_by_key(|(at, _)| *at);
        for (at, row) in rows {
            text.push_str(&format!("  {}  {row}\n", paint(DIM, format!("{at:<20}"))));
        }
    }
    text
}

fn of_step(step: &Done) -> String {
    let style = match step.status.as_str() {
        "done" => GOOD,
        "waiting" => WARN,
        _ => BAD,
    };
    let calls = if step.calls > 1 { format!(", {} calls", step.calls) } else { String::new() };
    let took = format!("{}{calls}", span::words(step.seconds));
    let done = paint(style, format!("{:<9} {:<7}", step.action, step.status));
    format!("{done}  {took:<6}  {}", paint(DIM, brief(&step.sentence)))
}

fn of_approval(approval: &Approval) -> String {
    let Approval { action, status, by, .. } = approval;
    match (status.as_str(), by) {
        ("Succeeded", Some(by)) => format!("{action} approved by {by}"),
        ("Failed", Some(by)) => format!("{action} rejected by {by}"),
        (status, _) => format!("{action} {}: nobody answered", status.to_lowercase()),
    }
}
