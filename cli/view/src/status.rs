//! What stands of a service, as one plain value, as text and as JSON.

use std::collections::BTreeSet;

use domain::config::Found;
use domain::config::Service;
use domain::id::ReleaseId;
use domain::refusal::Hold;
use domain::tags::Role;
use domain::time::Time;
use domain::world::{Alarm, Health, InstanceState, World};
use plans::{Standing, Who};
use serde::Serialize;

use crate::paint::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::price::Price;
use crate::release::brief;
use crate::span;

/// What stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The service.
    pub service: String,
    /// Who holds it.
    pub held: Option<Held>,
    /// Why nothing of it can be told apart, where its rules are not as Pointsman makes them.
    pub strange: Option<String>,
    /// Its releases, and an adopted group: product first, then the way back, pre-product, the others.
    pub releases: Vec<Placed>,
    /// Red alarms, each with CloudWatch's reason.
    pub alarms: Vec<String>,
    /// What a rollback would do now.
    pub rollback: Option<Rollback>,
    /// What is paid for.
    pub costs: Costs,
    /// Faults of its config.
    pub faults: Vec<String>,
    /// What could not be looked at.
    pub unseen: Vec<String>,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    pub by: String,
    pub why: String,
    pub until: String,
}

/// A release, or what was adopted, in its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placed {
    pub release: String,
    /// `product`, `promoting`, `baking`, `way back`, `pre-product`, `retired`, `rejected`.
    pub role: String,
    /// When it entered its role.
    pub since: Option<String>,
    pub since_seconds: Option<i64>,
    /// How much of the traffic it has.
    pub percent: u32,
    /// How many of its targets are healthy, and how many were asked for; where they were looked at.
    pub healthy: Option<usize>,
    pub asked: usize,
    /// Each server that is not well, with why.
    pub unwell: Vec<String>,
    pub servers: usize,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// When it goes by itself, in so many seconds.
    pub goes_in_seconds: Option<i64>,
}

/// What a rollback would go back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rollback {
    pub to: String,
    /// Whether it could serve now, in full.
    pub ready: bool,
    /// For how long still, where that is limited.
    pub seconds: Option<i64>,
}

/// What is paid for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Costs {
    pub servers: usize,
    /// Servers of what is not product: what keeping them costs.
    pub kept_servers: usize,
    pub elastic_ips: usize,
    /// Of one server of the type that the config names, where the price list could be read.
    pub price: Option<Price>,
}

/// Reads what stands.
#[must_use]
pub fn read(found: &Found, service: &Service, world: &World, held: Option<&Hold>, now: Time) -> Status {
    let mut status = Status {
        service: service.name.to_string(),
        held: held.map(|hold| Held { by: hold.by.clone(), why: hold.why.clone(), until: hold.until.to_string() }),
        strange: None,
        releases: Vec::new(),
        alarms: red(world, &service.alarms),
        rollback: None,
        costs: Costs::default(),
        faults: found.problems.iter().map(ToString::to_string).collect(),
        unseen: Vec::new(),
    };
    let standing = match Standing::read(service, world, now) {
        Ok(standing) => standing,
        Err(refusal) => {
            status.strange = Some(refusal.to_string());
            return status;
        }
    };
    let product = standing.product_who();
    let back = standing.behind().map(|share| share.who.clone());
    let mut whos: Vec<Who> = product.iter().chain(&back).cloned().collect();
    whos.extend(standing.releases.keys().filter(|id| standing.stands(id)).map(|id| Who::Release(id.clone())));
    for (place, who) in whos.iter().enumerate() {
        if whos.iter().take(place).all(|before| before != who) {
            status.releases.push(placed(&standing, who, product.as_ref(), back.as_ref()));
        }
    }
    let order = ["product", "promoting", "baking", "way back", "pre-product", "retired", "rejected"];
    status.releases.sort_by_key(|placed| order.iter().position(|role| *role == placed.role));
    status.rollback = plans::readiness(service, world, now).map(|readiness| Rollback {
        seconds: status
            .releases
            .iter()
            .find(|placed| placed.role == "way back")
            .and_then(|placed| placed.goes_in_seconds),
        to: readiness.way_back.to_string(),
        ready: readiness.ready,
    });
    let servers = |id: &ReleaseId| standing.releases.get(id).map_or(0, |found| found.standing_instances().count());
    let all: usize = standing.releases.keys().map(servers).sum();
    let of_product = standing.product_release().map_or(0, servers);
    status.costs = Costs {
        servers: all,
        kept_servers: all.saturating_sub(of_product),
        elastic_ips: world.addresses.iter().filter(|address| address.holder.is_some()).count(),
        price: None,
    };
    status
}

fn placed(standing: &Standing<'_>, who: &Who, product: Option<&Who>, back: Option<&Who>) -> Placed {
    let share = standing.shares().iter().find(|share| share.who == *who);
    let all: u32 = standing.shares().iter().map(|share| share.weight).sum();
    let percent = share.map_or(0, |share| (share.weight * 100).checked_div(all).unwrap_or_default());
    let release = match who {
        Who::Release(release) => Some(release),
        Who::Adopted => None,
    };
    let by_tags = release.and_then(|release| standing.role_by_tags(release));
    let role = if release.is_some() && standing.promoting() == release {
        "promoting"
    } else if product == Some(who) && standing.baking().is_some() {
        "baking"
    } else if product == Some(who) {
        "product"
    } else if back == Some(who) {
        "way back"
    } else {
        by_tags.map_or("retired", Role::as_str)
    };
    let since = match role {
        "product" | "promoting" | "baking" => {
            release.and_then(|release| standing.since(release, Role::Product)).or_else(|| standing.weights_since())
        }
        _ => release.and_then(|release| standing.since(release, by_tags?)),
    };
    let group = share.map(|share| share.group).or_else(|| standing.releases.get(release?)?.group);
    let targets = group.and_then(|group| group.targets.as_ref());
    let unwell = targets.into_iter().flatten().filter_map(|target| match &target.health {
        Health::Healthy => None,
        Health::Draining => Some(format!("{}: draining", target.instance)),
        Health::Not(why) => Some(format!("{}: {why}", target.instance)),
    });
    let found = release.and_then(|release| standing.releases.get(release));
    let stopped = found.into_iter().flat_map(|found| found.standing_instances());
    let stopped = stopped.filter_map(|instance| match instance.state {
        InstanceState::Pending => Some(format!("{}: is being started", instance.id)),
        InstanceState::Stopped => Some(format!("{}: is stopped", instance.id)),
        InstanceState::Running | InstanceState::Terminated => None,
    });
    let unwell: BTreeSet<String> = unwell.chain(stopped).collect();
    let service = standing.service;
    let life = match role {
        // The sweep takes it at once, if it finds product in order.
        "retired" if share.is_none() => standing.product_share().map(|_| 0),
        "way back" | "retired" => service.retired_ttl_seconds,
        "pre-product" => Some(service.pre_product_ttl_seconds),
        "rejected" => Some(service.keep_rejected_seconds),
        _ => None,
    };
    Placed {
        release: who.to_string(),
        role: role.to_owned(),
        since: since.map(|since| since.to_string()),
        since_seconds: since.map(|since| standing.now - since),
        percent,
        healthy: targets.map(|targets| targets.iter().filter(|target| target.health == Health::Healthy).count()),
        asked: standing.asked(who),
        unwell: unwell.into_iter().collect(),
        servers: found.map_or_else(|| targets.map_or(0, Vec::len), |found| found.standing_instances().count()),
        reason: release.and_then(|release| standing.reason(release)),
        goes_in_seconds: since.zip(life).map(|(since, life)| (since + i64::from(life) - standing.now).max(0)),
    }
}

fn red(world: &World, configured: &BTreeSet<String>) -> Vec<String> {
    let red = world.alarms.iter().filter(|(name, _)| configured.contains(*name));
    red.filter_map(|(name, alarm)| match alarm {
        Alarm::Red { since, reason } => Some(format!("{name} is red since {since}: {reason}")),
        Alarm::Quiet => None,
    })
    .collect()
}

/// The first line: it is printed before anything is looked at.
#[must_use]
pub fn heading(service: &Service) -> String {
    let place = service.product.host.as_deref().unwrap_or(service.listener_arn.as_str());
    format!("{}  {}\n", paint(BOLD, &service.name), paint(DIM, place))
}

/// What stands, below its heading.
#[must_use]
pub fn text(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |line: String| text.push_str(&format!("  {line}\n"));
    if let Some(Held { by, why, until }) = &status.held {
        line(paint(WARN, format!("held by {by} until {until}: {why}")));
    }
    if let Some(strange) = &status.strange {
        line(paint(BAD, strange));
    }
    if status.releases.is_empty() && status.strange.is_none() {
        line("Nothing of it is there yet.".to_owned());
    }
    let width = status.releases.iter().map(|placed| brief(&placed.release).chars().count()).max().unwrap_or_default();
    for placed in &status.releases {
        line(row(placed, width));
        for unwell in &placed.unwell {
            line(format!("             {}", paint(BAD, unwell)));
        }
        if let Some(reason) = &placed.reason {
            line(format!("             {}", paint(DIM, reason)));
        }
    }
    match &status.rollback {
        Some(Rollback { to, ready, seconds }) => {
            let time = seconds.map(|seconds| format!(", for {} still", span::words(seconds))).unwrap_or_default();
            line(if *ready {
                paint(GOOD, format!("rollback: to {to}, in one change{time}"))
            } else {
                paint(BAD, format!("rollback: {to} could not serve in full now{time}"))
            });
        }
        None if status.releases.iter().any(|placed| placed.percent > 0) => {
            line(paint(DIM, "rollback: there is nothing to go back to"));
        }
        None => {}
    }
    for alarm in &status.alarms {
        line(paint(BAD, alarm));
    }
    if status.costs.servers > 0 {
        line(paint(DIM, paid_for(&status.costs)));
    }
    for fault in &status.faults {
        line(paint(BAD, format!("config: {fault}")));
    }
    for unseen in &status.unseen {
        line(paint(WARN, unseen));
    }
    brief(&text)
}

fn paid_for(costs: &Costs) -> String {
    let Costs { servers, kept_servers, elastic_ips, price } = costs;
    let amount = |servers| price.as_ref().map(|price| format!(" ({})", price.of(servers))).unwrap_or_default();
    let mut text =
        format!("paid for: {servers} {}{}", if *servers == 1 { "server" } else { "servers" }, amount(*servers));
    if *kept_servers > 0 {
        text += &format!(", {kept_servers} of them not product's{}", amount(*kept_servers));
    }
    if *elastic_ips > 0 {
        text += &format!(", {elastic_ips} elastic IPs");
    }
    if let Some(price) = price {
        text += &format!("; by the hour, {} on demand", price.instance_type);
    }
    text
}

fn row(placed: &Placed, width: usize) -> String {
    let Placed { release, role, since_seconds, percent, healthy, asked, servers, goes_in_seconds, .. } = placed;
    let release = brief(release);
    let style = match role.as_str() {
        "product" => GOOD,
        "promoting" | "baking" => WARN,
        "rejected" => BAD,
        _ => DIM,
    };
    let health = match healthy {
        Some(healthy) => {
            let words = format!("{healthy} of {asked} healthy");
            if healthy >= asked { words } else { paint(BAD, words) }
        }
        None => format!("{servers} {}", if *servers == 1 { "server" } else { "servers" }),
    };
    let since = since_seconds.map(|seconds| format!("  for {}", span::words(seconds))).unwrap_or_default();
    let goes = goes_in_seconds.map(|seconds| match seconds {
        0 => ", goes with the next sweep".to_owned(),
        seconds => format!(", goes in {}", span::words(seconds)),
    });
    let goes = goes.unwrap_or_default();
    format!("{}  {release:<width$}  {percent:>3} %  {health}{since}{goes}", paint(style, format!("{role:<11}")),)
}
