//! What is told once a day, and where it is remembered that it was.

use domain::config::Service;
use domain::notice::{Notice, Status};
use domain::plan::{End, Plan, Stage, Step};
use domain::refusal::Refusal;
use domain::request::{Request, Verb};
use domain::tags::{self, Read, Tags};
use domain::time::Time;
use domain::world::{Rule, World};

use crate::standing::Standing;

pub const DAY_SECONDS: i64 = 86_400;
/// As many kinds, each with its time, fit into a tag's 255 characters.
const KINDS_REMEMBERED: usize = 5;

/// One thing that people have to know while it lasts.
pub struct Concern {
    /// A word for it, by which it is remembered.
    pub kind: &'static str,
    /// What is so.
    pub headline: String,
    /// What it means.
    pub lines: Vec<String>,
    /// What to do.
    pub next: Vec<String>,
}

/// Tells these, each at most once a day.
pub fn daily(standing: &Standing<'_>, concerns: Vec<Concern>) -> Vec<Stage> {
    let rule = standing.product_rule().map(|(rule, _)| rule);
    tell(standing.service, standing.world, standing.now, rule, concerns)
}

fn tell(service: &Service, world: &World, now: Time, rule: Option<&Rule>, concerns: Vec<Concern>) -> Vec<Stage> {
    let mut memory = rule.and_then(|rule| rule.tags.value(tags::TOLD)).map(read).unwrap_or_default();
    memory.retain(|(_, at)| now - *at < DAY_SECONDS);
    let mut notices = Vec::new();
    let mut kinds = Vec::new();
    for concern in concerns {
        let lately = memory.iter().any(|(kind, _)| kind == concern.kind)
            || world.told.get(concern.kind).is_some_and(|at| now - *at < DAY_SECONDS);
        if lately {
            continue;
        }
        kinds.push(concern.kind);
        memory.push((concern.kind.to_owned(), now));
        notices.push(Step::Tell(Box::new(Notice {
            lines: concern.lines,
            look: service.product.host.iter().map(|host| ("Product".to_owned(), host.clone())).collect(),
            next: concern.next,
            ..Notice::new(service.name.clone(), concern.kind, Status::Attention, concern.headline)
        })));
    }
    if notices.is_empty() {
        return Vec::new();
    }
    let remember = match rule {
        Some(rule) => {
            let oldest = memory.len().saturating_sub(KINDS_REMEMBERED);
            let value = memory.split_off(oldest);
            let value = value.iter().map(|(kind, at)| format!("{kind}@{at}")).collect::<Vec<_>>().join(" ");
            vec![Step::TagRule { rule: rule.arn.clone(), tags: Tags::from([(tags::TOLD.to_owned(), value)]) }]
        }
        None => kinds.into_iter().map(|kind| Step::RememberTold { kind: kind.to_owned(), at: now }).collect(),
    };
    // What could not be sent is not remembered as told.
    vec![Stage::stop(notices), Stage::follow(remember)]
}

/// `kind@time` by spaces, as the rule's tag has it.
fn read(value: &str) -> Vec<(String, Time)> {
    let entry = |text: &str| {
        let (kind, at) = text.split_once('@')?;
        Some((kind.to_owned(), Time::parse(at)?))
    };
    value.split(' ').filter_map(entry).collect()
}

/// A rule that somebody has to put right.
pub fn strange_rule(what: String) -> Concern {
    Concern {
        kind: "strange-rule",
        headline: "the product rule is not as Pointsman makes it".to_owned(),
        lines: vec![what],
        next: vec!["Put the rule right; until then no call changes anything of this service.".to_owned()],
    }
}

/// The answer while the product rule does what we never do: refused, and where nobody asked, told once a day.
pub fn refused_daily(request: &Request, service: &Service, world: &World, now: Time, refusal: Refusal) -> Plan {
    let plan = Plan::only(End::Refuse(refusal.clone()));
    if request.verb != Verb::Sweep {
        return plan;
    }
    let concern = strange_rule(refusal.to_string());
    let Refusal::StrangeProductRule { rule, .. } = &refusal else {
        return plan.after(tell(service, world, now, None, vec![concern]));
    };
    let rule = world.rules.iter().find(|r| r.arn == *rule);
    plan.after(tell(service, world, now, rule, vec![concern]))
}
