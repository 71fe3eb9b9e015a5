//! `hold` and `release-hold`: nobody changes a service meanwhile.

use std::time::Duration;

use domain::event::person;
use domain::id::ServiceName;
use domain::refusal::Hold;
use runtime::desk::now;
use serde_json::json;
use view::arguments::{From, Shared};
use view::exit::{self, Fault};
use view::span;

use crate::interrupt::Interrupt;
use crate::session::Session;
use crate::terminal::Terminal;

/// How long a call that is under way is waited for: a lease stands 75 s.
const PATIENCE_SECONDS: u32 = 90;
const PAUSE: Duration = Duration::from_secs(1);

/// It stands in every status and notice meanwhile.
const REASON_LENGTH: usize = 200;

/// Holds a service.
pub async fn hold(shared: &Shared, service: &str, reason: &str, time: i64, terminal: &Terminal) -> Result<u8, Fault> {
    let why: Vec<&str> = reason.split_whitespace().collect();
    if why.is_empty() {
        return Err(Fault::new(exit::USAGE, "Say why: whoever is kept waiting reads it."));
    }
    if reason.chars().count() > REASON_LENGTH {
        return Err(Fault::new(
            exit::USAGE,
            format!("Say why in at most {REASON_LENGTH} characters: each call that waits says it."),
        ));
    }
    let session = Session::open(shared, &From::default(), Some(service)).await?;
    let (name, _) = session.found(service).await?;
    let who = session.desk.who().await.map_err(|why| session.fault(why))?;
    let by = person(&who).unwrap_or(&who).to_owned();
    let hold = Hold { by, why: why.join(" "), until: now() + time };
    let interrupt = Interrupt::watch();
    for waited in 0..PATIENCE_SECONDS {
        let before = session.desk.held(&name).await.map_err(|why| session.fault(why))?;
        if let Some(Hold { by, why, until }) = before.as_ref().filter(|before| before.by != hold.by) {
            return Err(Fault::refused(format!(
                "{name} is held by {by} until {until} already: {why}. `pointsman release-hold {name}` ends that, if {by} agrees."
            )));
        }
        if session.desk.hold(&name, &hold).await.map_err(|why| session.fault(why))? {
            let Hold { by, why, until } = &hold;
            if terminal.json {
                let held =
                    json!({"service": name, "status": "held", "by": by, "reason": why, "until": until.to_string()});
                terminal.json(&held)?;
            } else {
                let time = span::words(time);
                terminal.say(&format!("{name} is held by {by} for {time}, until {until}: {why}\n"))?;
                if let Some(before) = before {
                    terminal.tell(&format!("It was held until {} before: {}", before.until, before.why));
                }
            }
            return Ok(exit::DONE);
        }
        if waited == 0 {
            terminal.tell("A call is changing the service; it is held as soon as that ends.");
        }
        if interrupt.or(tokio::time::sleep(PAUSE)).await.is_none() {
            return Err(interrupt.fault(format!("{name} is not held.")));
        }
    }
    Err(Fault::new(exit::NOT_YET, format!("{name} is not held: calls change it one after the other. Try again.")))
}

/// Ends a hold; somebody else's not without a question, and none but the one that was asked about.
pub async fn release(shared: &Shared, service: &str, yes: bool, terminal: &Terminal) -> Result<u8, Fault> {
    let session = Session::open(shared, &From::default(), Some(service)).await?;
    let (name, _) = session.found(service).await?;
    let ended = if yes {
        session.desk.release_hold(&name, None).await.map_err(|why| session.fault(why))?
    } else {
        release_seen(&session, &name, terminal).await?
    };
    if terminal.json {
        let by = ended.as_ref().map(|hold| hold.by.as_str());
        terminal.json(&json!({"service": name, "status": "released", "was_held_by": by}))?;
    } else {
        terminal.say(&match ended {
            Some(hold) => format!("{name} is held no longer; {} held it: {}\n", hold.by, hold.why),
            None => format!("{name} was not held.\n"),
        })?;
    }
    Ok(exit::DONE)
}

/// Ends the hold that stands now; answers it, if one does.
async fn release_seen(session: &Session, name: &ServiceName, terminal: &Terminal) -> Result<Option<Hold>, Fault> {
    let (stands, who) = tokio::join!(session.desk.held(name), session.desk.who());
    let who = who.map_err(|why| session.fault(why))?;
    let Some(hold) = stands.map_err(|why| session.fault(why))? else { return Ok(None) };
    let Hold { by, why, until } = &hold;
    if by != person(&who).unwrap_or(&who) {
        let held = format!("{name} is held by {by} until {until}: {why}.");
        let agreed = terminal.agrees(&format!("{held} End that?"));
        agreed.map_err(|Fault { code, sentence }| Fault::new(code, format!("{held} {sentence}")))?;
    }
    let ended = session.desk.release_hold(name, Some(&hold)).await.map_err(|why| session.fault(why))?;
    if ended.is_some() {
        return Ok(ended);
    }
    // It ran out, or a try whose answer was lost ended it; unless another one took its place.
    match session.desk.held(name).await.map_err(|why| session.fault(why))? {
        None => Ok(Some(hold)),
        Some(Hold { by: now_by, .. }) => Err(Fault::refused(format!(
            "The hold of {name} by {by} until {until} stands no more: {now_by} holds it now. Look at `pointsman status {name}`."
        ))),
    }
}
