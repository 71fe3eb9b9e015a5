//! Reads that lag behind: what was just made is not there yet, what was just changed is as it was.
//!
//! This stands before everything that answers, so that only callers see it, and the gateway's own looks do not. A call that
//! names what is not to be seen yet is refused as AWS refuses it; a listing just lacks it.

mod show;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use crate::forward::Upstream;
use crate::route53::{Key, key};
use crate::settings::{Lag, Lagging, Settings};
use crate::xml::Element;
use crate::{Request, Response};

/// What lags, and of which resource: its id, its ARN, or what tells a record set from others.
type Name = (Lagging, String);

/// Something that was made or changed while reads lagged.
#[derive(Clone, Debug)]
struct Change {
    at: Instant,
    /// How many reads were about it since.
    reads: u32,
    was: Was,
}

/// What there was before.
#[derive(Clone, Debug)]
enum Was {
    Nothing,
    /// A resource's tags: the element that lists them.
    Tags(Element),
    Record(Box<Element>),
}

/// Tags before a call changes them.
pub(crate) type Before = Vec<(String, Element)>;

/// What was made or changed lately.
#[derive(Default)]
pub(crate) struct Late {
    changes: Mutex<HashMap<Name, Change>>,
}

impl Late {
    /// Looks at the tags that a call is about to change, where reads of tags lag. `None` where what it would make is there.
    pub(crate) async fn before(&self, request: &Request, moto: &Upstream, settings: &Settings) -> Option<Before> {
        let aws = moto.aws(request);
        let form = || request.form();
        let mut before = Vec::new();
        match request.action.as_str() {
            "CreateTargetGroup" => {
                let form = form();
                let name = form.iter().find(|(key, _)| key == "Name").map_or("", |(_, name)| name.as_str());
                let names = [("Names.member.1", name)];
                if aws.query("elasticloadbalancing", "DescribeTargetGroups", &names).await.is_ok() {
                    return None;
                }
            }
            "CreateTags" | "DeleteTags" if settings.lag(Lagging::Tags) != Lag::None => {
                for id in request.resources.iter().filter(|id| id.starts_with("i-")) {
                    let found = aws.query_xml("ec2", "DescribeInstances", &[("InstanceId.1", id)]).await;
                    let tags = found.ok().and_then(|found| found.find("tagSet").cloned());
                    before.push((id.clone(), tags.unwrap_or_else(|| Element::node("tagSet", Vec::new()))));
                }
            }
            "AddTags" | "RemoveTags" if settings.lag(Lagging::Tags) != Lag::None => {
                for arn in &request.resources {
                    let named = [("ResourceArns.member.1", arn.as_str())];
                    let found = aws.query_xml("elasticloadbalancing", "DescribeTags", &named).await;
                    let tags = found.ok().and_then(|found| found.find("Tags").cloned());
                    before.push((arn.clone(), tags.unwrap_or_else(|| Element::node("Tags", Vec::new()))));
                }
            }
            _ => {}
        }
        Some(before)
    }

    /// Takes note of what a call made or changed.
    pub(crate) fn note(&self, request: &Request, response: &Response, before: Before, settings: &Settings) {
        let answer = || response.xml_body().unwrap_or_default();
        let made = |what: Lagging, id: &str, tags: &str| {
            self.add(settings, what, id, Was::Nothing);
            self.add(settings, Lagging::Tags, id, Was::Tags(Element::node(tags, Vec::new())));
        };
        match request.action.as_str() {
            "RunInstances" => {
                for instance in answer().items("instancesSet") {
                    made(Lagging::Instances, instance.text_of("instanceId"), "tagSet");
                }
            }
            "CreateTargetGroup" | "CreateRule" => {
                let what = if request.action == "CreateRule" { Lagging::Rules } else { Lagging::TargetGroups };
                let field = if request.action == "CreateRule" { "RuleArn" } else { "TargetGroupArn" };
                // A rule's actions name target groups; its own ARN comes once.
                let list = if request.action == "CreateRule" { "Rules" } else { "TargetGroups" };
                if let Some(list) = answer().find(list) {
                    list.children.iter().for_each(|one| made(what, one.text_of(field), "Tags"));
                }
            }
            "ChangeResourceRecordSets" => {
                let body = std::str::from_utf8(&request.body).ok().and_then(Element::parse).unwrap_or_default();
                let changes = body.find("Changes").map(|list| list.children.as_slice()).unwrap_or_default();
                let mut was: HashMap<Key, Was> = HashMap::new();
                for change in changes {
                    let Some(record) = change.child("ResourceRecordSet") else { continue };
                    let deleted = change.text_of("Action") == "DELETE";
                    let old = if deleted { Was::Record(Box::new(record.clone())) } else { Was::Nothing };
                    // The DELETE of a pair says what was there.
                    was.entry(key(record))
                        .and_modify(|was| {
                            if deleted {
                                *was = old.clone()
                            }
                        })
                        .or_insert(old);
                }
                for (key, was) in was {
                    self.add(settings, Lagging::Names, &key.to_string(), was);
                }
            }
            _ => {}
        }
        for (id, tags) in before {
            self.add(settings, Lagging::Tags, &id, Was::Tags(tags));
        }
    }

    /// What lags already goes on as it does: each change reaches reads in its own time.
    fn add(&self, settings: &Settings, what: Lagging, id: &str, was: Was) {
        let lag = settings.lag(what);
        if lag == Lag::None {
            return;
        }
        let Ok(mut changes) = self.changes.lock() else { return };
        let name = (what, id.to_owned());
        if !changes.get(&name).is_some_and(|change| change.may_lag(lag)) {
            changes.insert(name, Change { at: Instant::now(), reads: 0, was });
        }
    }

    /// How one call sees the world.
    pub(crate) fn view<'a>(&'a self, settings: &'a Settings) -> View<'a> {
        View { late: self, settings, seen: HashMap::new() }
    }
}

impl Change {
    /// Whether a read may not show it.
    fn may_lag(&self, lag: Lag) -> bool {
        match lag {
            Lag::None => false,
            Lag::Time(time) => self.at.elapsed() < time,
            Lag::Reads(reads) | Lag::Jumping(reads) => self.reads < reads,
        }
    }

    /// Counts a read; says whether it does not show it.
    fn read(&mut self, lag: Lag) -> bool {
        let hides = self.may_lag(lag) && (!matches!(lag, Lag::Jumping(_)) || self.reads % 2 == 1);
        self.reads = self.reads.saturating_add(1);
        hides
    }
}

/// What one call sees: each resource it meets counts as read once, however often it is met.
pub(crate) struct View<'a> {
    late: &'a Late,
    settings: &'a Settings,
    seen: HashMap<Name, Option<Was>>,
}

impl View<'_> {
    /// What was there before, if this call does not see what is.
    fn hides(&mut self, what: Lagging, id: &str) -> Option<Was> {
        let name = (what, id.to_owned());
        if let Some(seen) = self.seen.get(&name) {
            return seen.clone();
        }
        let lag = self.settings.lag(what);
        let was = self.late.changes.lock().ok().and_then(|mut changes| {
            let change = changes.get_mut(&name)?;
            change.read(lag).then(|| change.was.clone())
        });
        self.seen.insert(name, was.clone());
        was
    }

    /// Refuses a call that names what is not to be seen yet.
    pub(crate) fn refusal(&mut self, request: &Request) -> Option<Response> {
        match request.service.as_str() {
            "ec2" => {
                let mut ids = request.resources.iter().filter(|id| id.starts_with("i-"));
                let id = ids.find(|id| self.hides(Lagging::Instances, id).is_some())?;
                let message = format!("The instance ID '{id}' does not exist");
                Some(Response::error(request, 400, "InvalidInstanceID.NotFound", &message))
            }
            "elasticloadbalancing" => {
                request.form().iter().find_map(|(key, value)| self.refusal_of(request, key, value))
            }
            _ => None,
        }
    }

    fn refusal_of(&mut self, request: &Request, key: &str, value: &str) -> Option<Response> {
        let hidden = |what: &str| format!("One or more {what} not found");
        let (what, id, code, message) = if value.contains(":targetgroup/") {
            (Lagging::TargetGroups, value.to_owned(), "TargetGroupNotFound", hidden("target groups"))
        } else if value.contains(":listener-rule/") {
            (Lagging::Rules, value.to_owned(), "RuleNotFound", hidden("rules"))
        } else if request.action == "DescribeTargetGroups" && key.starts_with("Names.") {
            (Lagging::TargetGroups, self.group_named(value)?, "TargetGroupNotFound", hidden("target groups"))
        } else if request.action == "RegisterTargets" && value.starts_with("i-") {
            let message = format!("The following targets are not valid instances: '{value}'");
            (Lagging::Instances, value.to_owned(), "InvalidTarget", message)
        } else {
            return None;
        };
        self.hides(what, &id).map(|_| Response::error(request, 400, code, &message))
    }

    /// The group of a name among those that were made while reads lagged. A name comes again once its group is gone.
    fn group_named(&self, name: &str) -> Option<String> {
        let part = format!(":targetgroup/{name}/");
        let changes = self.late.changes.lock().ok()?;
        let mut groups: Vec<_> =
            changes.iter().filter(|((what, arn), _)| *what == Lagging::TargetGroups && arn.contains(&part)).collect();
        groups.sort_by_key(|(_, change)| change.at);
        groups.last().map(|((_, arn), _)| arn.clone())
    }
}
