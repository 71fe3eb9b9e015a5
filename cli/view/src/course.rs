//! What a call would do, as text and as JSON.

use domain::plan::Step;
use domain::refusal::{Hold, WaitFor};
use domain::request::Request;
use domain::world::World;
use serde_json::{Value, json};

use crate::foresee::{Course, Ending, Part};
use crate::here::here;
use crate::paint::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::release::brief;
use crate::span;
use crate::steps::Names;

/// One line of a course.
struct Line {
    kind: &'static str,
    text: String,
    may_follow: bool,
    /// A step's name in the functions' log, and what it is about: an ARN, ids, a name.
    step: Option<(&'static str, String)>,
}

fn lines(course: &Course, world: &World) -> Vec<Line> {
    let mut names = Names::of(world);
    let each = course.parts.iter().map(|part| match part {
        Part::Step { step, may_follow } => {
            if let Step::CreateGroup(new) = step {
                names.learn_new(new);
            }
            let logged = Some((step.name(), step.resource()));
            Line { kind: "step", text: names.step(step), may_follow: *may_follow, step: logged }
        }
        Part::Wait { what, seconds } => {
            // A few seconds stand in the sentence itself, but for those of draining.
            let least = if matches!(what, WaitFor::Draining { .. }) { 1 } else { 60 };
            let time =
                seconds.filter(|seconds| *seconds >= least).map(|seconds| format!(" ({})", span::words(seconds)));
            let text = format!("wait for {what}{}", time.unwrap_or_default());
            Line { kind: "wait", text, may_follow: false, step: None }
        }
        Part::Check { release, checks } => {
            let text = format!("have {release} examined by {}", checks.join(" and "));
            Line { kind: "check", text, may_follow: false, step: None }
        }
    });
    each.collect()
}

/// What it comes to: a word for scripts, and a sentence.
#[must_use]
pub fn ending(course: &Course, request: &Request) -> (&'static str, String) {
    let (end, sentence) = match &course.ending {
        Ending::Done { headline, nothing_to_do: true } => {
            ("nothing_to_do", format!("Nothing is to be done: {headline}."))
        }
        Ending::Done { headline, .. } => ("done", format!("Then {headline}.")),
        Ending::Refused(refusal) if course.acts() => ("refused", format!("Then it is refused: {refusal}.")),
        Ending::Refused(refusal) => ("refused", format!("{refusal}.")),
        Ending::Failed(failure) if course.acts() => ("failed", format!("Then it fails: {failure}.")),
        Ending::Failed(failure) => ("failed", format!("{failure}.")),
        Ending::Waits(wait) => ("waiting", format!("It would wait for {wait}.")),
        Ending::Open => ("open", "What follows cannot be said from here.".to_owned()),
    };
    (end, here(&sentence, request.service.as_str()))
}

/// That somebody holds the service: the call would wait, whatever follows.
#[must_use]
pub fn held(request: &Request, hold: &Hold) -> String {
    let Hold { by, why, until } = hold;
    paint(WARN, format!("{} is held by {by} until {until}: {why}. Until then the call would wait.", request.service))
}

/// The course as people read it.
#[must_use]
pub fn text(request: &Request, course: &Course, world: &World) -> String {
    let mut text = format!("{}\n", paint(BOLD, headline(request)));
    let lines = lines(course, world);
    for (number, line) in lines.iter().enumerate() {
        let follows = if line.may_follow { paint(DIM, " *") } else { String::new() };
        let words = if line.kind == "wait" { paint(WARN, &line.text) } else { line.text.clone() };
        text.push_str(&format!("{:>4}. {words}{follows}\n", number + 1));
    }
    if lines.iter().any(|line| line.may_follow) {
        text.push_str(&format!("  {}\n", paint(DIM, "* where this fails, the rest goes on")));
    }
    let style = match &course.ending {
        Ending::Done { .. } => GOOD,
        Ending::Refused(_) | Ending::Failed(_) => BAD,
        Ending::Waits(_) | Ending::Open => WARN,
    };
    text.push_str(&format!("  {}\n", paint(style, ending(course, request).1)));
    brief(&text)
}

/// `promote r2 of mobile-web`.
#[must_use]
pub fn headline(request: &Request) -> String {
    let release = request.release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
    format!("{}{release} of {}", request.verb, request.service)
}

/// The course for scripts.
#[must_use]
pub fn json(request: &Request, course: &Course, world: &World, held: Option<&Hold>, unseen: &[String]) -> Value {
    let steps: Vec<Value> = lines(course, world)
        .iter()
        .map(|line| {
            let (step, resource) = line.step.as_ref().map(|(step, resource)| (*step, resource.as_str())).unzip();
            json!({
                "kind": line.kind, "what": line.text, "may_follow": line.may_follow, "step": step, "resource": resource,
            })
        })
        .collect();
    let (end, sentence) = ending(course, request);
    let held = held.map(|hold| json!({"by": hold.by, "why": hold.why, "until": hold.until.to_string()}));
    json!({
        "service": request.service, "release": request.release, "verb": request.verb.as_str(), "held": held,
        "steps": steps, "end": end, "sentence": sentence, "unseen": unseen,
    })
}
