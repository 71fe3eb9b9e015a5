//! `promote`, `rollback`, `finish`, `remove`: the plan is shown and agreed to, then the deployed function does it, called as often as
//! it has to wait.

use std::time::{Duration, Instant};

use domain::aws::Kind;
use domain::request::{Request, Verb};
use plans::Standing;
use runtime::desk::{Hindrance, now};
use serde_json::{Value, json};
use view::arguments::{From, How, Of, Shared};
use view::exit::{self, Fault};
use view::foresee::Ending;
use view::paint::{BAD, DIM, GOOD, WARN, paint};
use view::release::{brief, is_left};
use view::{course, span};

use crate::interrupt::Interrupt;
use crate::plan::{self, Prepared};
use crate::session::Session;
use crate::terminal::Terminal;

/// How long is slept before the function is called again: what it waits for takes longer as a rule.
const PAUSE: Duration = Duration::from_secs(3);
/// How often a call is tried again that got no answer.
const TRIES: u32 = 5;

/// A verb that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Promote,
    Rollback,
    Finish,
    Remove,
}

/// What may be asked of a promote beside.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub despite_alarms: bool,
    pub fingerprint: Option<String>,
}

impl Change {
    fn verb(self) -> Verb {
        match self {
            Self::Promote => Verb::Promote,
            Self::Rollback => plan::rollback(),
            Self::Finish => Verb::Finish,
            Self::Remove => Verb::Remove,
        }
    }

    /// What is agreed to.
    fn question(self, request: &Request) -> String {
        match self {
            Self::Remove => format!(
                "Remove the whole service {}: its rules, which customers come by, its servers, groups and names?",
                request.service
            ),
            Self::Promote | Self::Rollback | Self::Finish => format!("Do this: {}?", brief(&course::headline(request))),
        }
    }

    /// What goes on without whoever waited.
    fn without_us(self) -> &'static str {
        match self {
            Self::Promote => {
                "Traffic stays as `pointsman status` shows it then: nobody moves it on by himself, and alarms still take it back. Promote again to go on, or roll back."
            }
            Self::Rollback => {
                "Customers are back as soon as its switch is made; the sweep tears the rejected release down within some minutes."
            }
            Self::Finish | Self::Remove => "What is left standing goes with the next call or sweep.",
        }
    }
}

/// Runs the command.
pub async fn run(
    shared: &Shared,
    of: &Of,
    how: &How,
    change: Change,
    asked: &Asked,
    terminal: &Terminal,
) -> Result<u8, Fault> {
    let session = Session::open(shared, &From::default(), Some(&of.service)).await?;
    let prepared = plan::prepare(&session, of, change.verb(), |request| {
        request.despite_alarms = asked.despite_alarms;
        request.fingerprint.clone_from(&asked.fingerprint);
    })
    .await?;
    if let (Change::Rollback, Some(release)) = (change, &prepared.request.release) {
        let standing = Standing::read(&prepared.service, &prepared.world, now());
        standing.map_or(Ok(()), |standing| is_left(release, &standing))?;
    }
    plan::show(&prepared, terminal)?;
    let Prepared { request, course, held, .. } = &prepared;
    match &course.ending {
        Ending::Refused(_) | Ending::Failed(_) | Ending::Done { nothing_to_do: true, .. } => {
            return Ok(plan::code(course));
        }
        Ending::Done { .. } | Ending::Waits(_) | Ending::Open => {}
    }
    if let Some(hold) = held {
        let what = format!("Nothing was changed: {} is held by {} until {}.", request.service, hold.by, hold.until);
        return Err(Fault::new(exit::NOT_YET, what));
    }
    if !how.yes {
        terminal.agrees(&change.question(request))?;
    }
    carry_out(&session, request, change, how, terminal).await
}

/// Calls the function until it says how it ended.
async fn carry_out(
    session: &Session,
    request: &Request,
    change: Change,
    how: &How,
    terminal: &Terminal,
) -> Result<u8, Fault> {
    let (function, payload) = (session.function_of(&request.verb), payload(request));
    let (interrupt, began) = (Interrupt::watch(), Instant::now());
    let patience = Duration::from_secs(how.timeout.unsigned_abs());
    let (mut said, mut tries) = (String::new(), 0);
    let interrupted = || {
        let verb = &request.verb;
        let what = format!(
            "You wait no longer. The {verb} that was called goes on in AWS, for up to a minute. {}",
            change.without_us()
        );
        Fault::new(exit::INTERRUPTED, what)
    };
    loop {
        let called = interrupt.or(session.desk.call(&function, &payload)).await.ok_or_else(interrupted)?;
        let answer = match called {
            Ok(answer) => answer,
            // What it did stands, and it finds that itself when it is called again.
            Err(Hindrance::Aws(error)) if error.kind.is_transient() && tries < TRIES => {
                tries += 1;
                terminal
                    .tell(&paint(WARN, format!("{function} gave no answer ({}); it is called again", error.message)));
                json!({"status": "waiting", "reason": said})
            }
            Err(Hindrance::Aws(error)) if error.kind == Kind::Denied => {
                return Err(Fault::new(
                    exit::FAILED,
                    format!(
                        "You may not call {function}: {}. Ask for lambda:InvokeFunction on it; nothing was changed.",
                        error.message.trim_end_matches('.')
                    ),
                ));
            }
            Err(why) => return Err(session.fault(why)),
        };
        let word = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
        if word("status") != "waiting" {
            return told(&answer, request, began.elapsed(), terminal);
        }
        if word("reason") != said && !word("reason").is_empty() {
            word("reason").clone_into(&mut said);
            if !terminal.json {
                let time = span::words(i64::try_from(began.elapsed().as_secs()).unwrap_or_default());
                terminal.tell(&format!("  {} {}", paint(DIM, format!("{time:>10}")), brief(&said)));
            }
        }
        if began.elapsed() + PAUSE > patience {
            let what = format!("It is not done after {}: {said}. {}", span::words(how.timeout), change.without_us());
            return Err(Fault::new(exit::NOT_YET, what));
        }
        interrupt.or(tokio::time::sleep(PAUSE)).await.ok_or_else(interrupted)?;
    }
}

/// Says how it ended.
fn told(answer: &Value, request: &Request, took: Duration, terminal: &Terminal) -> Result<u8, Fault> {
    let word = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let code = match word("status") {
        "done" => exit::DONE,
        "refused" => exit::REFUSED,
        _ => exit::FAILED,
    };
    if terminal.json {
        terminal.json(answer)?;
        return Ok(code);
    }
    let style = if code == exit::DONE { GOOD } else { BAD };
    let took = span::words(i64::try_from(took.as_secs()).unwrap_or_default());
    let mut text = format!("{} {}\n", paint(style, format!("{}:", word("status"))), word("reason"));
    let lines = |key: &str| answer.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let next = lines("next").map(|line| here(line, request));
    let untold = answer.get("untold").and_then(Value::as_str);
    for line in lines("details").map(str::to_owned).chain(next).chain(untold.map(str::to_owned)) {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&format!("  {}\n", paint(DIM, format!("It took {took}."))));
    terminal.say(&brief(&text))?;
    Ok(code)
}

/// What to do next, as one asks this tool for it.
fn here(line: &str, request: &Request) -> String {
    let service = &request.service;
    let keep = format!("`pointsman finish {service}` keeps it");
    match (line.contains(r#""action":"finish""#), line.contains(r#""action":"rollback""#)) {
        (true, true) => format!("{keep}, `pointsman rollback {service}` goes back to what was before."),
        (true, false) => format!("{keep}."),
        (false, _) => line.to_owned(),
    }
}

/// A direct call, as anybody makes it.
fn payload(request: &Request) -> Value {
    let mut payload = json!({"service": request.service, "release": request.release});
    if let Some(payload) = payload.as_object_mut() {
        match &request.verb {
            Verb::Finish | Verb::Rollback { .. } | Verb::Remove => {
                payload.insert("action".into(), request.verb.as_str().into());
            }
            Verb::Provision | Verb::Register | Verb::Promote | Verb::Freeze { .. } | Verb::Sweep => {}
        }
        if request.despite_alarms {
            payload.insert("despite_alarms".into(), true.into());
        }
        if let Some(fingerprint) = &request.fingerprint {
            payload.insert("fingerprint".into(), fingerprint.as_str().into());
        }
    }
    payload
}
