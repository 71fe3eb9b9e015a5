//! `plan`: what a call would do, step by step, changing nothing.

use domain::config::{Found, Service};
use domain::id::ReleaseId;
use domain::plan::Step;
use domain::refusal::Hold;
use domain::request::{Request, RollbackScope, Verb};
use domain::world::{Scope, World};
use plans::Standing;
use runtime::desk::now;
use view::arguments::{From, Of, PlanVerb, Shared};
use view::exit::{self, Fault};
use view::foresee::{Course, Ending, Part, foresee};
use view::policy::{self, Beside};
use view::{course, release, source};

use crate::session::Session;
use crate::terminal::Terminal;

/// What a call would do, with all that it was foreseen from.
pub struct Prepared {
    pub found: Found,
    pub service: Service,
    pub request: Request,
    pub scope: Scope,
    pub world: World,
    pub course: Course,
    pub held: Option<Hold>,
    /// What could not be looked at.
    pub unseen: Vec<String>,
}

/// Looks which release is meant, then at all that its call would look at, and foresees it.
pub async fn prepare(
    session: &Session,
    of: &Of,
    verb: Verb,
    ask: impl FnOnce(&mut Request),
) -> Result<Prepared, Fault> {
    let (found, service) = session.service(&of.service).await?;
    if !found.problems.is_empty() && !verb.needs_only_listener() {
        let problems = found.problems.iter().map(ToString::to_string).collect();
        let refusal = domain::refusal::Refusal::BadConfig { service: service.name.clone(), problems };
        return Err(Fault::refused(format!("{refusal}.")));
    }
    let named = which(session, &service, of, &verb).await?;
    let mut request = Request::new(service.name.clone(), Some(named.clone()), verb);
    ask(&mut request);
    let mut scope = plans::scope(&request.verb, &service);
    scope.launch |= request.verb == Verb::Provision;
    let (seen, (held, not_seen)) =
        tokio::join!(session.desk.look(&service, &request, scope), session.held(&service.name));
    let seen = seen.map_err(|why| session.fault(why))?;
    if matches!(request.verb, Verb::Rollback { .. })
        && let Ok(standing) = Standing::read(&service, &seen.world, now())
    {
        release::is_left(&named, &standing)?;
        // Somebody may promote another one before it is called.
        request.spare_way_back = standing.product_release().is_some();
    }
    let mut unseen = seen.unseen;
    unseen.extend(not_seen);
    unseen.extend(session.unseen.clone());
    let course = foresee(&request, &service, &seen.world, now());
    Ok(Prepared { found, service, request, scope, world: seen.world, course, held, unseen })
}

/// The release that is meant: all that stands is looked at for it.
async fn which(session: &Session, service: &Service, of: &Of, verb: &Verb) -> Result<ReleaseId, Fault> {
    let any = Request::new(service.name.clone(), None, Verb::Finish);
    let seen = session.desk.look(service, &any, plans::scope(&any.verb, service)).await;
    let world = seen.map_err(|why| session.fault(why))?.world;
    let standing = Standing::read(service, &world, now()).map_err(|refusal| Fault::refused(format!("{refusal}.")))?;
    release::meant(of.release.as_deref(), verb, &standing)
}

/// A rollback as a call asks for it.
pub fn rollback() -> Verb {
    Verb::Rollback { reason: "rolled back by a call".to_owned(), scope: RollbackScope::ToTheEnd }
}

/// Runs the command.
pub async fn run(
    shared: &Shared,
    from: &From,
    verb: PlanVerb,
    of: &Of,
    wants_policy: bool,
    terminal: &Terminal,
) -> Result<u8, Fault> {
    let session = Session::open(shared, from, Some(&of.service)).await?;
    let verb = match verb {
        PlanVerb::Provision => Verb::Provision,
        PlanVerb::Register => Verb::Register,
        PlanVerb::Promote => Verb::Promote,
        PlanVerb::Rollback => rollback(),
        PlanVerb::Finish => Verb::Finish,
        PlanVerb::Remove => Verb::Remove,
    };
    let prepared = prepare(&session, of, verb, |_| {}).await?;
    if wants_policy {
        show_policy(&session, &prepared, terminal).await?;
    } else {
        show(&prepared, terminal)?;
    }
    Ok(if prepared.held.is_some() && goes_on(&prepared.course) { exit::NOT_YET } else { code(&prepared.course) })
}

/// Whether there is anything to call the function for. One that fails may act before: a promotion whose release is sick puts
/// traffic back.
pub fn goes_on(course: &Course) -> bool {
    match &course.ending {
        Ending::Refused(_) | Ending::Failed(_) => course.acts(),
        Ending::Done { nothing_to_do: true, .. } => false,
        Ending::Done { .. } | Ending::Waits(_) | Ending::Open => true,
    }
}

/// Shows what the call would do.
pub fn show(prepared: &Prepared, terminal: &Terminal) -> Result<(), Fault> {
    let Prepared { request, course, world, held, unseen, .. } = prepared;
    if terminal.json {
        return terminal.json(&course::json(request, course, world, held.as_ref(), unseen));
    }
    // Before anything that would be done is read.
    let held = held.as_ref().map(|hold| course::held(request, hold) + "\n").unwrap_or_default();
    terminal.say(&(held + &course::text(request, course, world)))?;
    for unseen in unseen {
        terminal.tell(unseen);
    }
    Ok(())
}

async fn show_policy(session: &Session, prepared: &Prepared, terminal: &Terminal) -> Result<(), Fault> {
    let Prepared { request, service, course, held, .. } = prepared;
    let function = session.function_of(&request.verb);
    let (settings, mut unseen) = (session.desk.settings(), prepared.unseen.clone());
    let lease_table = source::lease_table(settings);
    if lease_table.is_none() {
        unseen.push("Not in it, for from here they are not known: the lease table (dynamodb:UpdateItem), and the topic of all services (sns:Publish).".to_owned());
    }
    let launches = course.parts.iter().any(|part| matches!(part, Part::Step { step: Step::Launch(_), .. }));
    let role = match service.iam_instance_profile.as_deref().filter(|_| launches) {
        None => None,
        Some(profile) => match session.desk.role_of(profile).await {
            Ok(role) => Some(role),
            Err(why) => {
                let why = session.fault(why).sentence;
                unseen.push(format!(
                    "iam:PassRole stands on every role: which one {profile} has could not be seen. {why}"
                ));
                None
            }
        },
    };
    let beside = Beside {
        verb: &request.verb,
        world: &prepared.world,
        scope: prepared.scope,
        lease_table,
        topic: prepared.found.notify_topic_arn.as_deref(),
        config_parameter: settings.parameter_of(&service.name).filter(|_| !settings.has(&service.name)),
        role,
    };
    let carries_out = policy::policy(service, course, &beside);
    if terminal.json {
        let mut line = course::json(request, course, &prepared.world, held.as_ref(), &unseen);
        if let Some(line) = line.as_object_mut() {
            line.insert("policy".to_owned(), carries_out);
            line.insert("to_call".to_owned(), policy::to_call(service, &function));
        }
        return terminal.json(&line);
    }
    terminal.tell(&format!("What carries out {}:", course::headline(request)));
    terminal.say(&format!("{carries_out:#}\n"))?;
    let who = "docs/cli.md, \"What a person needs\"";
    terminal.tell(&format!(
        "Whoever has {function} do it needs lambda:InvokeFunction on it, and what a person needs to look: {who}."
    ));
    unseen.iter().for_each(|unseen| terminal.tell(unseen));
    if let Some(hold) = held {
        terminal.tell(&course::held(request, hold));
    }
    if code(course) != exit::DONE {
        terminal.tell(&course::ending(course, request).1);
    }
    Ok(())
}

/// The exit code of what a call would come to.
pub fn code(course: &Course) -> u8 {
    match &course.ending {
        Ending::Done { .. } => exit::DONE,
        Ending::Refused(_) => exit::REFUSED,
        Ending::Failed(_) | Ending::Open => exit::FAILED,
        Ending::Waits(_) => exit::NOT_YET,
    }
}
