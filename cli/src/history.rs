//! `history`: what was done with a service's releases, from the functions' logs and the pipeline's memory.

use domain::aws::Kind;
use domain::config::Service;
use domain::request::{Function, Request, Verb};
use domain::tags::{self, Read};
use domain::time::Time;
use runtime::desk::{Hindrance, all, now};
use view::arguments::{From, Shared};
use view::exit::{self, Fault};
use view::history::{self, Approval, Story};
use view::paint::{WARN, paint};
use view::release::is_uuid;

use crate::session::Session;
use crate::terminal::Terminal;

const FUNCTIONS: [Function; 4] = [Function::Provision, Function::Register, Function::Promote, Function::Teardown];

/// Runs the command.
pub async fn run(
    shared: &Shared,
    service: &str,
    since: i64,
    pipeline: Option<&str>,
    terminal: &Terminal,
) -> Result<u8, Fault> {
    let session = Session::open(shared, &From::default(), Some(service)).await?;
    let (_, service) = session.service(service).await?;
    let (mut lines, mut not_before): (Vec<(Time, String)>, Option<Time>) = (Vec::new(), None);
    let (since, pattern) = (now() + -since, history::pattern(service.name.as_str()));
    let groups = FUNCTIONS.map(|function| format!("/aws/lambda/{}", session.function(function)));
    for log in all(groups.iter().map(|group| session.desk.log(group, since, &pattern))).await {
        match log {
            Ok(log) => {
                lines.extend(log.lines);
                not_before = not_before.max(log.not_before);
            }
            // It has never been called.
            Err(Hindrance::Aws(error)) if error.kind == Kind::NotThere => {}
            Err(why) => return Err(session.fault(why)),
        }
    }
    if let Some(time) = not_before {
        terminal.tell(&paint(
            WARN,
            format!("The logs are long: of what was done before {time} not all was read, and rows may be missing."),
        ));
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut stories = history::read(service.name.as_str(), &lines);
    let pipeline = match pipeline {
        Some(pipeline) => Some(pipeline.to_owned()),
        None => pipeline_of(&session, &service).await,
    };
    if let Some(pipeline) = pipeline {
        // A release that a script named is no execution, and AWS takes no other name for one.
        for story in stories.iter_mut().filter(|story| is_uuid(&story.release)) {
            if let Err(fault) = approvals(&session, &pipeline, story).await {
                terminal.tell(&format!("Who approved what could not be seen. {}", fault.sentence));
                break;
            }
        }
    }
    if terminal.json {
        terminal.json(&serde_json::to_value(&stories).unwrap_or_default())?;
    } else {
        terminal.say(&history::text(service.name.as_str(), &stories))?;
    }
    Ok(exit::DONE)
}

/// The pipeline that the tags of what stands name.
async fn pipeline_of(session: &Session, service: &Service) -> Option<String> {
    let request = Request::new(service.name.clone(), None, Verb::Finish);
    let seen = session.desk.look(service, &request, plans::scope(&request.verb, service)).await.ok()?;
    let tagged = seen.world.instances.iter().map(|instance| &instance.tags);
    let mut tagged = tagged.chain(seen.world.groups.iter().map(|group| &group.tags));
    tagged.find_map(|tags| tags.value(tags::PIPELINE)).map(str::to_owned)
}

async fn approvals(session: &Session, pipeline: &str, story: &mut Story) -> Result<(), Fault> {
    let actions = match session.desk.actions(pipeline, &story.release).await {
        Ok(actions) => actions,
        // It is another pipeline's, or older than what CodePipeline remembers.
        Err(Hindrance::Aws(error)) if error.kind == Kind::NotThere => return Ok(()),
        Err(why) => return Err(session.fault(why)),
    };
    let answered = actions.iter().rev().filter(|action| action.category == "Approval" && action.status != "InProgress");
    story.approvals = answered
        .map(|action| Approval::new(&action.name, &action.status, action.by.as_deref(), action.ended))
        .collect();
    Ok(())
}
