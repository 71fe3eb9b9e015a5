//! What is told once a day, and where it is remembered that it was.

use domain::config::Service;
use domain::id::{ReleaseId, short_hash};
use domain::notice::{Notice, Status};
use domain::plan::{End, Plan, Stage, Step};
use domain::refusal::Refusal;
use domain::request::{Request, Verb};
use domain::tags::{self, Read, Tags};
use domain::time::Time;
use domain::world::{Rule, World};

use crate::standing::Standing;

pub const DAY_SECONDS: i64 = 86_400;
/// As many keys, each with its time, fit into a tag's 255 characters.
const KINDS_REMEMBERED: usize = 5;

/// One thing that people have to know while it lasts.
#[derive(Default)]
pub struct Concern {
    /// A word for it.
    pub kind: &'static str,
    /// What it is about beside the service, where another one is told anew the same day: its release.
    pub about: String,
    /// The release whose thread it belongs to.
    pub release: Option<ReleaseId>,
    /// Who asked for what is so; empty where nobody did.
    pub asked_by: String,
    /// What is so.
    pub headline: String,
    /// What it means.
    pub lines: Vec<String>,
    /// What to do.
    pub next: Vec<String>,
}

/// As it is remembered that something was told, about this.
fn key(kind: &str, about: &str) -> String {
    if about.is_empty() { kind.to_owned() } else { format!("{kind}/{}", short_hash(about, 6)) }
}

/// When it was told, within a day.
pub fn told_at(standing: &Standing<'_>, kind: &str, about: &str) -> Option<Time> {
    let rule = standing.product_rule().map(|(rule, _)| rule);
    lately(&remembered(rule, standing.now), standing.world, standing.now, &key(kind, about))
}

/// What the rule's tag remembers, as long as it counts.
fn remembered(rule: Option<&Rule>, now: Time) -> Vec<(String, Time)> {
    let mut memory = rule.and_then(|rule| rule.tags.value(tags::TOLD)).map(read).unwrap_or_default();
    memory.retain(|(_, at)| now - *at < DAY_SECONDS);
    memory
}

fn lately(memory: &[(String, Time)], world: &World, now: Time, key: &str) -> Option<Time> {
    let on_rule = memory.iter().find(|(told, _)| told == key).map(|(_, at)| *at);
    on_rule.or_else(|| world.told.get(key).copied().filter(|at| now - *at < DAY_SECONDS))
}

/// Tells these, each at most once a day.
pub fn daily(standing: &Standing<'_>, concerns: Vec<Concern>) -> Vec<Stage> {
    let rule = standing.product_rule().map(|(rule, _)| rule);
    tell(standing.service, standing.world, standing.now, rule, concerns)
}

fn tell(service: &Service, world: &World, now: Time, rule: Option<&Rule>, concerns: Vec<Concern>) -> Vec<Stage> {
    let mut memory = remembered(rule, now);
    let mut notices = Vec::new();
    let mut keys = Vec::new();
    for concern in concerns {
        let key = key(concern.kind, &concern.about);
        if lately(&memory, world, now, &key).is_some() {
            continue;
        }
        keys.push(key.clone());
        memory.push((key, now));
        let pipeline = concern.release.as_ref().and_then(|release| world.pipeline_of(release)).map(str::to_owned);
        notices.push(Step::Tell(Box::new(Notice {
            release: concern.release,
            asked_by: concern.asked_by,
            pipeline,
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
        None => keys.into_iter().map(|kind| Step::RememberTold { kind, at: now }).collect(),
    };
    // What could not be sent is not remembered as told.
    vec![Stage::stop(notices), Stage::follow(remember)]
}

/// `key@time` by spaces, as the rule's tag has it.
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
        ..Concern::default()
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
