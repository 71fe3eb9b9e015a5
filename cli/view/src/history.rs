//! What was done with a service's releases, read from the functions' own log lines and the pipeline's approvals.

use std::collections::BTreeMap;

use domain::event::person;
use domain::time::Time;
use serde::Serialize;
use serde_json::Value;

use crate::paint::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::release::brief;
use crate::span;

/// The filter pattern of the lines that say how a call for a service ended, and whom it told what on the way.
#[must_use]
pub fn pattern(service: &str) -> String {
    format!(r#"{{ $.service = "{service}" && ($.message = "end" || $.step = "Tell") }}"#)
}

/// What calls do that meet a hold: they wait, and everything that they wait for afterwards is another row.
const HELD: &str = "held";
/// A release that another call than its own rollback rejected: a newer one's, the sweep.
const REJECTED: &str = "rejected";

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
    /// `done`, `waiting`, `held`, `refused`, `failed`.
    pub status: String,
    pub sentence: String,
    /// Who asked, as the functions were told.
    pub by: Option<String>,
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
        let Some((release, mut step)) = of_line(service, *at, text) else { continue };
        let place = stories.iter().position(|story| story.release == release).unwrap_or_else(|| {
            stories.push(Story { release: release.clone(), steps: Vec::new(), approvals: Vec::new() });
            stories.len() - 1
        });
        let Some(story) = stories.get_mut(place) else { continue };
        // A hold is nobody's work: it is a row of its own, and what comes after it begins anew.
        let of_its_kind = |known: &Done| known.action == step.action && (known.status == HELD) == (step.status == HELD);
        let kind = format!("{} {}", step.action, step.status == HELD);
        let first = *began.entry((release, kind)).or_insert(*at);
        step.began = first.to_string();
        // A job's counts from its first call, another caller's from its last.
        step.seconds = step.seconds.max(*at - first);
        let open = story
            .steps
            .iter()
            .position(|known| of_its_kind(known) && ["waiting", HELD].contains(&known.status.as_str()));
        if let Some(waiting) = open.and_then(|place| story.steps.get_mut(place)) {
            step.calls += waiting.calls;
            *waiting = step;
        } else if !story.steps.iter().any(|known| known.action == step.action && known.status == step.status) {
            // Asked for again after its end, as duplicates are: what it came to first is what counts.
            story.steps.push(step);
        }
    }
    stories.reverse();
    stories
}

/// What a line says of which release; `None` where it says nothing of one.
fn of_line(service: &str, at: Time, text: &str) -> Option<(String, Done)> {
    let line = serde_json::from_str::<Value>(text).ok()?;
    let word = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
    if word("service").as_deref() != Some(service) {
        return None;
    }
    let step = Done {
        action: word("action")?,
        began: at.to_string(),
        ended: at.to_string(),
        seconds: line.get("Duration").and_then(Value::as_f64).map_or(0, |seconds| seconds.round() as i64),
        calls: 1,
        status: word("status").unwrap_or_default(),
        sentence: String::new(),
        by: word("asked_by"),
    };
    if word("message").as_deref() == Some("end") {
        let sentence = word("reason").or_else(|| word("wait_for").map(|wait| format!("waiting for {wait}")));
        let status = if line.get("held_by").is_some() { HELD.to_owned() } else { word("status")? };
        return Some((word("release")?, Done { status, sentence: sentence.unwrap_or_default(), ..step }));
    }
    let told = word("resource").filter(|_| word("step").as_deref() == Some("Tell"))?;
    let (release, why) = told.strip_prefix("release ")?.split_once(" was rejected: ")?;
    // Its own rollback says the same when it ends.
    let by_itself = step.action == "rollback" && word("release").as_deref() == Some(release);
    let rejected = Done { status: "done".to_owned(), sentence: why.to_owned(), action: REJECTED.to_owned(), ..step };
    (!by_itself).then(|| (release.to_owned(), rejected))
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
        "waiting" | HELD => WARN,
        _ => BAD,
    };
    let calls = if step.calls > 1 { format!(", {} calls", step.calls) } else { String::new() };
    let took = format!("{}{calls}", span::words(step.seconds));
    let done = paint(style, format!("{:<9} {:<7}", step.action, step.status));
    let by = step.by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
    format!("{done}  {took:<6}  {}", paint(DIM, brief(&format!("{}{by}", step.sentence))))
}

fn of_approval(approval: &Approval) -> String {
    let Approval { action, status, by, .. } = approval;
    match (status.as_str(), by) {
        ("Succeeded", Some(by)) => format!("{action} approved by {by}"),
        ("Failed", Some(by)) => format!("{action} rejected by {by}"),
        (status, _) => format!("{action} {}: nobody answered", status.to_lowercase()),
    }
}
