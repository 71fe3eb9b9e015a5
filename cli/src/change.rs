//! `promote`, `rollback`, `finish`, `remove`: the plan is shown and agreed to, then the deployed function does it, called as often as
//! it has to wait.

use std::cell::Cell;
use std::time::{Duration, Instant};

use domain::aws::{AwsError, Kind};
use domain::event::person;
use domain::request::{Request, Verb};
use runtime::desk::{Hindrance, THREW};
use serde_json::{Value, json};
use view::arguments::{From, How, Of, Shared};
use view::exit::{self, Fault};
use view::here::here;
use view::paint::{BAD, DIM, GOOD, WARN, paint};
use view::release::brief;
use view::{course, span};

use crate::interrupt::Interrupt;
use crate::plan::{self, Prepared};
use crate::session::Session;
use crate::terminal::Terminal;

/// How long is slept before the function is called again: what it waits for takes longer as a rule.
const PAUSE: Duration = Duration::from_secs(3);
/// How often in a row a call is tried again that got no answer: it may have been cut off on its way.
const TRIES: u32 = 5;
/// How often one is in which the function itself failed: what it did stands, and it goes on from there.
const TRIES_THROWN: u32 = 2;

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

    /// Has it agreed to.
    fn is_agreed(self, request: &Request, terminal: &Terminal) -> Result<(), Fault> {
        let Request { service, .. } = request;
        match self {
            Self::Remove => terminal.agrees_by_name(
                &format!("Remove the whole service {service}: its rules, which customers come by, its servers, groups and names?"),
                service.as_str(),
            ),
            Self::Promote | Self::Rollback | Self::Finish => {
                terminal.agrees(&format!("Do this: {}?", brief(&course::headline(request))))
            }
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

/// The parameter that goes on though alarms are red.
const DESPITE_ALARMS: &str = "despite_alarms";

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
    plan::show(&prepared, terminal)?;
    let Prepared { mut request, course, held, .. } = prepared;
    if !plan::goes_on(&course) {
        return Ok(plan::code(&course));
    }
    if let Some(hold) = held {
        let what = format!("Nothing was changed: {} is held by {} until {}.", request.service, hold.by, hold.until);
        return Err(Fault::new(exit::NOT_YET, what));
    }
    if !how.yes {
        change.is_agreed(&request, terminal)?;
    }
    request.by = who(&session).await;
    let call = Call { session: &session, request: &request, change, how, terminal, begun: Cell::new(false) };
    call.carry_out().await
}

/// Who calls, for the notices and the history: whose credentials these are, else whose terminal.
async fn who(session: &Session) -> Option<String> {
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    let arn = session.desk.who().await.ok();
    arn.as_deref().and_then(person).map(str::to_owned).or_else(user)
}

/// A change under way.
struct Call<'a> {
    session: &'a Session,
    request: &'a Request,
    change: Change,
    how: &'a How,
    terminal: &'a Terminal,
    /// Whether a call that did not end it may have done something of it.
    begun: Cell<bool>,
}

impl Call<'_> {
    /// Calls the function until it says how it ended.
    async fn carry_out(&self) -> Result<u8, Fault> {
        let Self { session, request, change, how, terminal, begun } = self;
        let (function, mut payload) = (session.function_of(&request.verb), payload(request));
        let (interrupt, began) = (Interrupt::watch(), Instant::now());
        let patience = Duration::from_secs(how.timeout.unsigned_abs());
        let (mut said, mut tries) = (String::new(), 0);
        let interrupted = || {
            let verb = &request.verb;
            interrupt.fault(format!(
                "You wait no longer. The {verb} that was called goes on in AWS, for up to a minute. {}",
                change.without_us()
            ))
        };
        loop {
            let called = interrupt.or(session.desk.call(&function, &payload)).await.ok_or_else(interrupted)?;
            let answer = match called {
                Ok(answer) => {
                    begun.set(begun.get() || status(&answer) == WAITING);
                    tries = 0;
                    answer
                }
                Err(Hindrance::Aws(error)) if tries < most_tries(&error) => {
                    begun.set(begun.get() || error.kind == Kind::Unanswered);
                    tries += 1;
                    terminal.tell(&paint(
                        WARN,
                        format!("{function} gave no answer ({}); it is called again", error.message),
                    ));
                    json!({"status": WAITING, "reason": said})
                }
                Err(why) => return Err(self.not_answered(why, &function, tries)),
            };
            if status(&answer) != WAITING {
                return self.told(&answer, began.elapsed());
            }
            if answer.get("percent").is_some()
                && let Some(payload) = payload.as_object_mut()
            {
                // It was said of what was red before. What freezes the release from now on, people decide anew.
                payload.remove(DESPITE_ALARMS);
            }
            let reason = word(&answer, "reason");
            if reason != said && !reason.is_empty() {
                reason.clone_into(&mut said);
                self.progress(&answer, &said, began.elapsed())?;
            }
            if began.elapsed() + PAUSE > patience {
                let what =
                    format!("It is not done after {}: {said}. {}", span::words(how.timeout), change.without_us());
                return Err(Fault::new(exit::NOT_YET, what));
            }
            interrupt.or(tokio::time::sleep(PAUSE)).await.ok_or_else(interrupted)?;
        }
    }

    /// Says what is waited for now.
    fn progress(&self, answer: &Value, said: &str, spent: Duration) -> Result<(), Fault> {
        let seconds = i64::try_from(spent.as_secs()).unwrap_or_default();
        if self.terminal.json {
            let mut line = answer.clone();
            if let Some(line) = line.as_object_mut() {
                line.insert("seconds".to_owned(), seconds.into());
            }
            return self.terminal.json(&line);
        }
        let time = span::words(seconds);
        self.terminal.tell(&format!("  {} {}", paint(DIM, format!("{time:>10}")), brief(said)));
        Ok(())
    }

    /// Says how it ended.
    fn told(&self, answer: &Value, took: Duration) -> Result<u8, Fault> {
        let code = match status(answer) {
            "done" => exit::DONE,
            "refused" => exit::REFUSED,
            _ => exit::FAILED,
        };
        if self.terminal.json {
            self.terminal.json(answer)?;
            return Ok(code);
        }
        let service = self.request.service.as_str();
        let style = if code == exit::DONE { GOOD } else { BAD };
        let took = span::words(i64::try_from(took.as_secs()).unwrap_or_default());
        let how = paint(style, format!("{}:", status(answer)));
        let mut text = format!("{how} {}\n", here(word(answer, "reason"), service));
        let lines =
            |key: &str| answer.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let next = lines("next").map(|line| here(line, service));
        let untold = answer.get("untold").and_then(Value::as_str).map(str::to_owned);
        let stays = (code == exit::REFUSED && self.begun.get())
            .then(|| format!("What the calls before it did stays: `pointsman status {service}` shows it."));
        for line in lines("details").map(str::to_owned).chain(next).chain(untold).chain(stays) {
            text.push_str(&format!("  {line}\n"));
        }
        text.push_str(&format!("  {}\n", paint(DIM, format!("It took {took}."))));
        self.terminal.say(&brief(&text))?;
        Ok(code)
    }

    /// Why the function is called no more, and what that leaves.
    fn not_answered(&self, why: Hindrance, function: &str, tries: u32) -> Fault {
        let Fault { code, sentence } = match why {
            Hindrance::Aws(error) if error.is(&[THREW]) => {
                let (message, times) = (error.message.trim_end_matches('.'), tries + 1);
                let what = format!("{function} failed {times} times in a row: {message}. Its log says more.");
                Fault::new(exit::FAILED, what)
            }
            Hindrance::Aws(error) if error.kind == Kind::Denied => {
                let message = error.message.trim_end_matches('.');
                let what = format!("You may not call {function}: {message}. Ask for lambda:InvokeFunction on it.");
                Fault::new(exit::FAILED, what)
            }
            why @ (Hindrance::Aws(_) | Hindrance::Refused(_) | Hindrance::Other(_)) => self.session.fault(why),
        };
        let left = if self.begun.get() {
            format!(
                "What was begun stays, and what was called last may go on for up to a minute. {}",
                self.change.without_us()
            )
        } else {
            "Nothing was changed.".to_owned()
        };
        Fault::new(code, format!("{sentence} {left}"))
    }
}

/// What the function says of a call that did not end it.
const WAITING: &str = "waiting";

fn word<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn status(answer: &Value) -> &str {
    word(answer, "status")
}

/// How often in a row a call is made again after this.
fn most_tries(error: &AwsError) -> u32 {
    if error.is(&[THREW]) {
        TRIES_THROWN
    } else if error.kind.is_transient() {
        TRIES
    } else {
        0
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
        if request.spare_way_back {
            payload.insert("spare".into(), "way-back".into());
        }
        if let Some(by) = &request.by {
            payload.insert("by".into(), by.as_str().into());
        }
        if request.despite_alarms {
            payload.insert(DESPITE_ALARMS.into(), true.into());
        }
        if let Some(fingerprint) = &request.fingerprint {
            payload.insert("fingerprint".into(), fingerprint.as_str().into());
        }
    }
    payload
}
