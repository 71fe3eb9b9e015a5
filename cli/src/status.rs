//! `status`: what stands, of one service or of all.

use std::time::Duration;

use domain::config::{Found, Service};
use domain::id::ServiceName;
use domain::request::{Request, Verb};
use domain::world::Scope;
use runtime::desk::now;
use serde_json::{Value, json};
use view::arguments::{From, Shared};
use view::exit::{self, Fault};
use view::paint::{BAD, paint};
use view::status;

use crate::interrupt::Interrupt;
use crate::session::Session;
use crate::terminal::Terminal;

/// Puts the cursor to the top and clears what is below.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Runs the command.
pub async fn run(
    shared: &Shared,
    from: &From,
    service: Option<&str>,
    every: Option<i64>,
    terminal: &Terminal,
) -> Result<u8, Fault> {
    let session = Session::open(shared, from, service).await?;
    let Some(every) = every else {
        return once(&session, service, terminal).await;
    };
    let interrupt = Interrupt::watch();
    loop {
        if terminal.is_screen() {
            terminal.say(CLEAR)?;
        }
        let shown = async {
            once(&session, service, terminal).await?;
            tokio::time::sleep(Duration::from_secs(every.unsigned_abs())).await;
            Ok::<(), Fault>(())
        };
        match interrupt.or(shown).await {
            Some(shown) => shown?,
            None => return Ok(exit::INTERRUPTED),
        }
    }
}

/// Shows it once; answers the code to end with: refused where a service could not be shown.
async fn once(session: &Session, service: Option<&str>, terminal: &Terminal) -> Result<u8, Fault> {
    if let Some(name) = service {
        let (found, service) = session.service(name).await?;
        show(session, &found, &service, terminal).await?;
        return Ok(exit::DONE);
    }
    let mut code = exit::DONE;
    let every = session.desk.every().await.map_err(|why| session.fault(why))?;
    if every.is_empty() {
        terminal.tell("No service is configured yet: see docs/configuration.md.");
    }
    for (name, found) in every {
        // What is wrong with one keeps nobody from the others.
        let shown = match session.readable(&name, found) {
            Ok((found, service)) => show(session, &found, &service, terminal).await,
            Err(fault) => Err(fault),
        };
        match shown {
            Err(fault) if fault.code == exit::REFUSED => {
                not_shown(&name, &fault, terminal)?;
                code = exit::REFUSED;
            }
            shown => shown?,
        }
    }
    Ok(code)
}

fn not_shown(name: &ServiceName, fault: &Fault, terminal: &Terminal) -> Result<(), Fault> {
    if terminal.json {
        terminal.json(&json!({"service": name, "status": "fault", "code": fault.code, "reason": fault.sentence}))
    } else {
        terminal.say(&format!("{name}\n  {}\n", paint(BAD, fault.sentence.replace('\n', "\n  "))))
    }
}

async fn show(session: &Session, found: &Found, service: &Service, terminal: &Terminal) -> Result<(), Fault> {
    if !terminal.json {
        // Before anything is looked at: who waits sees what for.
        terminal.say(&status::heading(service))?;
    }
    let request = Request::new(service.name.clone(), None, Verb::Finish);
    let mut scope = plans::scope(&request.verb, service);
    scope.alarms = !service.alarms.is_empty();
    scope.addresses = !service.elastic_ips.is_empty();
    let (seen, (held, not_seen), price) = tokio::join!(
        session.desk.look(service, &request, scope),
        session.held(&service.name),
        session.prices.of(&service.instance_type, &session.desk),
    );
    let mut unseen = Vec::new();
    let seen = match seen.map_err(|why| session.fault(why)) {
        // A missing right, or an address that is gone, hides the rest from nobody.
        Err(fault) if fault.code != exit::NO_AWS && (scope.alarms || scope.addresses) => {
            unseen.push(fault.sentence);
            let less = Scope { alarms: false, addresses: false, ..scope };
            session.desk.look(service, &request, less).await.map_err(|why| session.fault(why))?
        }
        seen => seen?,
    };
    let mut status = status::read(found, service, &seen.world, held.as_ref(), now());
    unseen.extend(seen.unseen);
    status.costs.price = price;
    status.unseen = unseen;
    status.unseen.extend(not_seen);
    if terminal.json {
        return terminal.json(&serde_json::to_value(&status).unwrap_or(Value::Null));
    }
    terminal.say(&status::text(&status))
}
