//! `status`: what stands, of one service or of all.

use std::time::Duration;

use domain::config::{Found, Service};
use domain::id::ServiceName;
use domain::request::{Request, Verb};
use domain::world::Scope;
use runtime::desk::{all, now};
use serde_json::{Value, json};
use view::arguments::{From, Shared};
use view::exit::{self, Fault};
use view::paint::{BAD, paint};
use view::status::{self, Status};

use crate::interrupt::Interrupt;
use crate::session::Session;
use crate::terminal::Terminal;

/// So many services are looked at side by side: AWS answers no more at once for long.
const SIDE_BY_SIDE: usize = 8;

/// What is shown: a text, or what stands for it in JSON.
struct Piece {
    text: String,
    json: Value,
}

/// Runs the command.
pub async fn run(
    shared: &Shared,
    from: &From,
    service: Option<&str>,
    every: Option<i64>,
    terminal: &Terminal,
) -> Result<u8, Fault> {
    let mut session = Session::open(shared, from, service).await?;
    let say = |piece: Piece| if terminal.json { terminal.json(&piece.json) } else { terminal.say(&piece.text) };
    let Some(every) = every else {
        return once(&session, service, terminal, say).await;
    };
    let (interrupt, mut was_shown) = (Interrupt::watch(), false);
    // The keys may be others by now.
    let again = async |session| Session::open(shared, from, service).await.unwrap_or(session);
    loop {
        let watched = async {
            let mut pieces = Vec::new();
            let shown = once(&session, service, terminal, |piece| {
                pieces.push(piece);
                Ok(())
            });
            match shown.await {
                Ok(code) => {
                    // Only now: who watches has something to look at meanwhile.
                    terminal.clear()?;
                    pieces.into_iter().try_for_each(say)?;
                    was_shown = true;
                    if code == exit::NO_AWS {
                        session = again(session).await;
                    }
                }
                Err(fault) if was_shown && [exit::NO_AWS, exit::FAILED].contains(&fault.code) => {
                    terminal.fault(fault.code, &format!("{} It is looked at again.", fault.sentence));
                    if fault.code == exit::NO_AWS {
                        session = again(session).await;
                    }
                }
                Err(fault) => return Err(fault),
            }
            tokio::time::sleep(Duration::from_secs(every.unsigned_abs())).await;
            Ok(session)
        };
        session = match interrupt.or(watched).await {
            Some(session) => session?,
            None => return Ok(interrupt.code()),
        };
    }
}

/// Looks once; answers the code to end with.
async fn once(
    session: &Session,
    service: Option<&str>,
    terminal: &Terminal,
    say: impl FnMut(Piece) -> Result<(), Fault>,
) -> Result<u8, Fault> {
    match service {
        Some(name) => one(session, name, terminal, say).await,
        None => each(session, terminal, say).await,
    }
}

async fn one(
    session: &Session,
    name: &str,
    terminal: &Terminal,
    mut say: impl FnMut(Piece) -> Result<(), Fault>,
) -> Result<u8, Fault> {
    let (found, service) = session.service(name).await?;
    if !terminal.json {
        // Before anything is looked at: who waits sees what for.
        say(Piece { text: status::heading(&service), json: Value::Null })?;
    }
    let status = look(session, &found, &service).await?;
    say(Piece { text: status::text(&status), json: json(&status) })?;
    Ok(exit::DONE)
}

/// The code is that of the first service that could not be shown, where one could not.
async fn each(
    session: &Session,
    terminal: &Terminal,
    mut say: impl FnMut(Piece) -> Result<(), Fault>,
) -> Result<u8, Fault> {
    let mut code = exit::DONE;
    let every: Vec<_> = session.desk.every().await.map_err(|why| session.fault(why))?.into_iter().collect();
    if every.is_empty() {
        terminal.tell("No service is configured yet: see docs/configuration.md.");
    }
    for some in every.chunks(SIDE_BY_SIDE) {
        let some: Vec<_> = some.iter().map(|(name, found)| (name, session.readable(name, found.clone()))).collect();
        let mut headings: Vec<String> = some.iter().map(|(name, readable)| heading(name, readable)).collect();
        if let Some(first) = headings.first_mut().filter(|_| !terminal.json) {
            // As of one; the others' wait for what is above them.
            say(Piece { text: std::mem::take(first), json: Value::Null })?;
        }
        let looked = all(some.iter().map(|(_, readable)| async {
            let (found, service) = readable.as_ref().map_err(Clone::clone)?;
            look(session, found, service).await
        }));
        for (((name, _), heading), shown) in some.iter().zip(headings).zip(looked.await) {
            let below = match shown {
                Ok(status) => Piece { text: status::text(&status), json: json(&status) },
                // What is wrong with one keeps nobody from the others.
                Err(fault) => {
                    code = if code == exit::DONE { fault.code } else { code };
                    not_shown(name, &fault)
                }
            };
            say(Piece { text: heading + &below.text, ..below })?;
        }
    }
    Ok(code)
}

/// The first line of a service.
fn heading(name: &ServiceName, readable: &Result<(Found, Service), Fault>) -> String {
    readable.as_ref().map_or_else(|_| format!("{name}\n"), |(_, service)| status::heading(service))
}

fn json(status: &Status) -> Value {
    serde_json::to_value(status).unwrap_or(Value::Null)
}

fn not_shown(name: &ServiceName, fault: &Fault) -> Piece {
    let Fault { code, sentence } = fault;
    Piece {
        text: format!("  {}\n", paint(BAD, sentence.replace('\n', "\n  "))),
        json: json!({"service": name, "status": "fault", "code": code, "reason": sentence}),
    }
}

async fn look(session: &Session, found: &Found, service: &Service) -> Result<Status, Fault> {
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
    Ok(status)
}
