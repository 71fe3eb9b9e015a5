//! Who stands where: the world read by the rule "traffic is the truth, role tags follow it".

use std::collections::BTreeMap;

use domain::config::Service;
use domain::id::{GroupArn, ReleaseId, group_name};
use domain::refusal::Refusal;
use domain::tags::{self, Mark, Read, Role, WhichRule};
use domain::time::Time;
use domain::world::{Action, Group, Instance, InstanceState, Rule, Weighted, World, weights_hash};

use crate::rules::{is_our, product_rule, strange_pre_product};

/// The world of one service, read.
pub struct Standing<'a> {
    /// Its config.
    pub service: &'a Service,
    /// What was observed.
    pub world: &'a World,
    /// When.
    pub now: Time,
    /// The customers' rule.
    pub product: ProductRule<'a>,
    /// QA's rules; one, or by somebody's hand more.
    pub pre_product: Vec<&'a Rule>,
    /// Everything that carries the service's tags, by release.
    pub releases: BTreeMap<ReleaseId, Release<'a>>,
}

/// The customers' rule.
pub enum ProductRule<'a> {
    /// There is none yet.
    None,
    /// A rule stands at its priority that is not tagged ours.
    Taken(&'a Rule),
    /// It forwards to these.
    Ours { rule: &'a Rule, shares: Vec<Share<'a>> },
}

/// One group of the product rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Share<'a> {
    /// The group.
    pub group: &'a Group,
    /// Its weight.
    pub weight: u32,
    /// Whose it is.
    pub who: Who,
}

/// Whose a group of the product rule is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A release's.
    Release(ReleaseId),
    /// Somebody's whose rule we were given: without our tags, never changed or deleted.
    Adopted,
}

impl Who {
    /// The release, if it is one's.
    pub const fn release(&self) -> Option<&ReleaseId> {
        match self {
            Self::Release(release) => Some(release),
            Self::Adopted => None,
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Release(release) => release.fmt(f),
            Self::Adopted => f.write_str("the adopted target group"),
        }
    }
}

/// What the product rule sends a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// All of the weight.
    All,
    /// Some of it, and another group the rest.
    Some,
    /// In the rule, with weight 0.
    Zero,
    /// Not in the rule.
    NotInRule,
}

/// A release's resources and what their tags say together.
#[derive(Default)]
pub struct Release<'a> {
    /// Its instances, terminated ones too while AWS remembers them.
    pub instances: Vec<&'a Instance>,
    /// Its group, where it was found.
    pub group: Option<&'a Group>,
    /// More groups that somebody tagged as its own: copies, tags and all. They say where it stands, too.
    pub copies: Vec<&'a Group>,
}

impl<'a> Standing<'a> {
    /// Reads the world.
    ///
    /// # Errors
    /// The refusal that every call gets while the product rule does what we never do.
    pub fn read(service: &'a Service, world: &'a World, now: Time) -> Result<Self, Refusal> {
        let mut releases: BTreeMap<ReleaseId, Release<'a>> = BTreeMap::new();
        for instance in world.instances.iter().filter(|i| i.tags.is_of(&service.name)) {
            if let Some(id) = instance.tags.release() {
                releases.entry(id).or_default().instances.push(instance);
            }
        }
        for group in world.groups.iter().filter(|g| g.tags.is_of(&service.name)) {
            if let Some(id) = group.tags.release() {
                let release = releases.entry(id.clone()).or_default();
                // Of several, its own is the one that bears its name.
                match release.group {
                    None => release.group = Some(group),
                    Some(copy) if group.arn.name() == group_name(&service.name, &id) => {
                        release.copies.push(copy);
                        release.group = Some(group);
                    }
                    Some(_) => release.copies.push(group),
                }
            }
        }
        let product = product_rule(service, world)?;
        let mut pre_product: Vec<&Rule> =
            world.rules.iter().filter(|rule| is_our(rule, service, WhichRule::PreProduct)).collect();
        if let Some((rule, found)) = strange_pre_product(service, &product, &pre_product, &releases) {
            return Err(Refusal::StrangePreProductRule {
                service: service.name.clone(),
                rule: rule.arn.clone(),
                found: found.to_owned(),
            });
        }
        pre_product.sort_by_key(|rule| (rule.priority != service.pre_product.priority, rule.priority));
        Ok(Self { service, world, now, product, pre_product, releases })
    }

    /// The product rule and its groups, if it is there and ours.
    pub fn product_rule(&self) -> Option<(&'a Rule, &[Share<'a>])> {
        match &self.product {
            ProductRule::Ours { rule, shares } => Some((*rule, shares.as_slice())),
            ProductRule::None | ProductRule::Taken(_) => None,
        }
    }

    /// The groups of the product rule.
    pub fn shares(&self) -> &[Share<'a>] {
        self.product_rule().map(|(_, shares)| shares).unwrap_or_default()
    }

    /// A release's group in the product rule.
    pub fn share_of(&self, release: &ReleaseId) -> Option<&Share<'a>> {
        self.shares().iter().find(|share| share.who == Who::Release(release.clone()))
    }

    /// What the product rule sends a release.
    pub fn traffic(&self, release: &ReleaseId) -> Traffic {
        let Some(own) = self.share_of(release) else { return Traffic::NotInRule };
        let others = self.shares().iter().any(|share| share.weight > 0 && share.group.arn != own.group.arn);
        match (own.weight, others) {
            (0, _) => Traffic::Zero,
            (_, true) => Traffic::Some,
            (_, false) => Traffic::All,
        }
    }

    /// The release that is being promoted: of two with weight, the one that was not product before. One that was rejected
    /// is not, and nobody waits for it.
    pub fn promoting(&self) -> Option<&ReleaseId> {
        let counts = |share: &&Share<'_>| share.weight > 0 && !self.is_bad(share);
        let weighted: Vec<&Share<'_>> = self.shares().iter().filter(counts).collect();
        if weighted.len() < 2 {
            return None;
        }
        let newcomer = |share: &&&Share<'a>| match &share.who {
            Who::Release(id) => self.role_by_tags(id) != Some(Role::Product),
            Who::Adopted => false,
        };
        // An adopted group is never promoted, whatever the tags say of the release beside it.
        let release = |share: &&&Share<'a>| share.who != Who::Adopted;
        let begun = |share: &&&Share<'a>| matches!(&share.who, Who::Release(id) if self.begins_by_tag(id));
        let newest = weighted.iter().find(|share| newcomer(share) && begun(share));
        let share = newest.or(weighted.iter().find(newcomer)).or(weighted.iter().rfind(release))?;
        self.releases.keys().find(|id| share.who == Who::Release((*id).clone()))
    }

    /// Whether a release has some of the weight because another one, as the tags say without a doubt, is taking its place.
    pub fn gives_way(&self, release: &ReleaseId) -> bool {
        let is = |id: &ReleaseId, role| self.role_by_tags(id) == Some(role);
        // What is retired was given weight by hand, and takes nobody's place.
        let newcomer = |other: &ReleaseId| other != release && is(other, Role::PreProduct);
        self.promoting()
            .is_some_and(|other| newcomer(other) && (self.begins_by_tag(other) || is(release, Role::Product)))
    }

    /// Whether the product rule's tag says that this release got the first of its weight.
    fn begins_by_tag(&self, release: &ReleaseId) -> bool {
        self.since_tag().is_some_and(|value| tags::read_begun(value, release).is_some())
    }

    /// What stands behind the product rule with weight 0 and may take over: the way back, well or not.
    pub fn behind(&self) -> Option<&Share<'a>> {
        self.shares().iter().find(|share| share.weight == 0 && self.may_take_over(share))
    }

    /// Whether a share is one that a rollback may go back to: neither rejected nor, before it was product, taken out of traffic.
    pub fn may_take_over(&self, share: &Share<'_>) -> bool {
        match &share.who {
            Who::Release(id) => !self.is_rejected(id) && !self.is_taken_away(id),
            Who::Adopted => true,
        }
    }

    /// Whether somebody took a promotion's traffic away by hand: the release was never product, had some of the weight, as the
    /// rule's tag says, and has none.
    pub fn is_taken_away(&self, release: &ReleaseId) -> bool {
        matches!(self.traffic(release), Traffic::Zero | Traffic::NotInRule)
            && self.role_by_tags(release) == Some(Role::PreProduct)
            && self.begins_by_tag(release)
    }

    /// A pre-product release that customers get nothing of, nor are about to.
    pub fn is_before_customers(&self, release: &ReleaseId) -> bool {
        !self.may_serve(release) || self.is_taken_away(release)
    }

    /// The release that bakes, and until when: it has not been watched for as long as configured. It ends by time, whoever
    /// promoted.
    pub fn baking(&self) -> Option<(&ReleaseId, Time)> {
        self.baked().filter(|(_, until)| *until > self.now)
    }

    /// The release that bakes or has baked, and until when: it has all of the weight, and what was there before it still
    /// stands behind the rule.
    pub fn baked(&self) -> Option<(&ReleaseId, Time)> {
        let bake = i64::from(self.service.bake_seconds);
        let release = self.product_release().filter(|id| bake > 0 && self.traffic(id) == Traffic::All)?;
        if self.is_rejected(release) || self.has_tag(release, tags::KEPT) {
            return None;
        }
        self.behind()?;
        Some((release, self.weights_since()? + bake))
    }

    /// The release whose promotion is under way: it has some of the weight, or bakes.
    pub fn under_way(&self) -> Option<&ReleaseId> {
        self.promoting().or_else(|| self.baking().map(|(release, _)| release))
    }

    /// The port that a release was launched for, as its tags say: later config is for later releases.
    pub fn launched_port(&self, release: &ReleaseId) -> Option<u32> {
        self.tags_of(release).find_map(|tags| tags.number(tags::PORT))
    }

    /// What an alarm is about that goes off now: the release that is being promoted, or else product.
    pub fn suspect(&self) -> Option<&ReleaseId> {
        self.promoting().or_else(|| self.product_release())
    }

    /// Why an alarm that is red since then is not held against this release, if it is not.
    pub fn not_about(&self, release: &ReleaseId, since: Time) -> Option<String> {
        if self.suspect() != Some(release) {
            return Some(format!("release {release} gave way meanwhile: the alarm is about what took its place"));
        }
        self.went_on_despite(release, since)
            .then(|| format!("people went on with release {release} though that was so at {since}"))
    }

    /// When a release that has weight got the first of it. `None` where nobody could write it down: who gave it the weight was
    /// cut off just then.
    pub fn begun(&self, release: &ReleaseId) -> Option<Time> {
        let written = self.since_tag().and_then(|value| tags::read_begun(value, release));
        // What has been product all along counts from now where somebody moved weights by hand.
        let product = || (self.role_by_tags(release) == Some(Role::Product)).then_some(self.now);
        written.or_else(|| self.written_since()).or_else(product)
    }

    /// How a release's promotion stands to its alarms, and since when.
    pub fn alarms_mark(&self, release: &ReleaseId) -> Option<(Mark, Time)> {
        let (rule, _) = self.product_rule()?;
        tags::read_alarms(rule.tags.value(tags::ALARMS)?, release)
    }

    /// Whether people went on with a release though an alarm was red since then: it is held against it no more, however often
    /// it is told.
    pub fn went_on_despite(&self, release: &ReleaseId, since: Time) -> bool {
        self.alarms_mark(release).is_some_and(|(mark, at)| mark == Mark::GoesOn && since <= at)
    }

    fn since_tag(&self) -> Option<&'a str> {
        self.product_rule().and_then(|(rule, _)| rule.tags.value(tags::SINCE))
    }

    /// Since when the product rule's weights stand, where its tag is about these.
    fn written_since(&self) -> Option<Time> {
        tags::read_weights_since(self.since_tag()?, &weights_hash(&forward(self.shares())))
    }

    /// What has product's weight: the group with all of it, or, while another is promoted, the one that was there before;
    /// one that was rejected for want of anything else.
    pub fn product_share(&self) -> Option<&Share<'a>> {
        let promoting = self.promoting();
        let product = |share: &&Share<'a>| {
            share.weight > 0 && promoting.is_none_or(|promoting| share.who != Who::Release(promoting.clone()))
        };
        self.shares().iter().filter(product).min_by_key(|share| self.is_bad(share))
    }

    /// Whether a share is a rejected release's.
    pub fn is_bad(&self, share: &Share<'_>) -> bool {
        matches!(&share.who, Who::Release(release) if self.is_rejected(release))
    }

    /// The release that is product: by traffic, and where there is no rule yet, by tags.
    pub fn product_release(&self) -> Option<&ReleaseId> {
        match &self.product {
            ProductRule::Ours { .. } => {
                let share = self.product_share()?;
                self.releases.keys().find(|id| share.who == Who::Release((*id).clone()))
            }
            ProductRule::None | ProductRule::Taken(_) => {
                self.releases.keys().find(|id| self.role_by_tags(id) == Some(Role::Product) && self.stands(id))
            }
        }
    }

    /// Whose product is: by traffic, and where there is no rule yet, by tags.
    pub fn product_who(&self) -> Option<Who> {
        let by_tags = || self.product_release().map(|id| Who::Release(id.clone()));
        self.product_share().map(|share| share.who.clone()).or_else(by_tags)
    }

    /// What is product, in a word for people.
    pub fn product_name(&self) -> Option<String> {
        self.product_who().map(|who| who.to_string())
    }

    /// The role that a release's tags name. Of several: rejected as soon as any says so, then the later one of what
    /// stands. What a terminated instance says counts only where nothing stands: it died in an earlier role.
    pub fn role_by_tags(&self, release: &ReleaseId) -> Option<Role> {
        let found = self.releases.get(release)?;
        let standing = found.standing_instances().map(|i| &i.tags).chain(found.groups().map(|group| &group.tags));
        let mut roles: Vec<Role> = standing.filter_map(|tags| tags.role()).collect();
        let remembered = self.tags_of(release).filter_map(|tags| tags.role());
        let nothing_stands = roles.is_empty();
        roles.extend(remembered.filter(|role| nothing_stands || *role == Role::Rejected));
        [Role::Rejected, Role::Retired, Role::Product, Role::PreProduct].into_iter().find(|role| roles.contains(role))
    }

    /// Whether any of a release's resources says that it is rejected.
    pub fn is_rejected(&self, release: &ReleaseId) -> bool {
        self.role_by_tags(release) == Some(Role::Rejected)
    }

    /// Why a release was rejected, where its tags say so.
    pub fn reason(&self, release: &ReleaseId) -> Option<String> {
        self.tags_of(release).find_map(|tags| tags.value(tags::REASON)).map(str::to_owned)
    }

    /// Whether a tag stands on any resource of a release.
    pub fn has_tag(&self, release: &ReleaseId, key: &str) -> bool {
        self.tags_of(release).any(|tags| tags.contains_key(key))
    }

    /// When a release entered a role: the earliest of what its resources say.
    pub fn since(&self, release: &ReleaseId, role: Role) -> Option<Time> {
        self.tags_of(release).filter(|tags| tags.role() == Some(role)).filter_map(|tags| tags.since()).min()
    }

    /// The tags of everything that a release has.
    pub fn tags_of(&self, release: &ReleaseId) -> impl Iterator<Item = &'a tags::Tags> {
        let found = self.releases.get(release);
        let instances = found.into_iter().flat_map(|r| r.instances.iter().map(|i| &i.tags));
        instances.chain(found.into_iter().flat_map(|r| r.groups()).map(|group| &group.tags))
    }

    /// Whether anything of a release still stands: a group, or an instance that is not terminated.
    pub fn stands(&self, release: &ReleaseId) -> bool {
        self.releases.get(release).is_some_and(|r| r.group.is_some() || r.standing_instances().next().is_some())
    }

    /// How many instances were asked for when a release was launched; of an adopted group, how many targets it has.
    pub fn asked(&self, who: &Who) -> usize {
        let asked = match who {
            // What no config may ask for is somebody's edit.
            Who::Release(release) => {
                self.tags_of(release).find_map(|tags| tags.number(tags::COUNT)).filter(|n| (1..=500).contains(n))
            }
            Who::Adopted => {
                return self.shares().iter().find(|s| s.who == *who).map(|s| targets(s.group)).unwrap_or_default();
            }
        };
        asked
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or_else(|| usize::try_from(self.service.instance_count).unwrap_or(1))
    }

    /// Releases of that role by tags that still stand, other than one.
    pub fn others(&self, than: Option<&ReleaseId>, role: Role) -> impl Iterator<Item = &ReleaseId> {
        self.releases
            .keys()
            .filter(move |id| Some(*id) != than && self.role_by_tags(id) == Some(role) && self.stands(id))
    }

    /// The pre-product release: not rejected, and not in the product rule but while it is being promoted; of several the newest.
    pub fn pre_product_release(&self) -> Option<&ReleaseId> {
        self.others(None, Role::PreProduct)
            .filter(|id| matches!(self.traffic(id), Traffic::NotInRule | Traffic::Some) || self.is_taken_away(id))
            .max_by_key(|id| self.since(id, Role::PreProduct))
    }

    /// Which release's group a rule forwards to, if it is one group and ours.
    pub fn forwards_to(&self, rule: &Rule) -> Option<&ReleaseId> {
        let (release, group) = self.only_group(rule)?;
        self.releases.get(release)?.group.is_some_and(|own| own.arn == group.arn).then_some(release)
    }

    /// The one group that a rule forwards to, if it is ours, and whose it is: a copy is, too.
    pub fn only_group(&self, rule: &Rule) -> Option<(&ReleaseId, &'a Group)> {
        let Action::Forward(forward) = &rule.action else { return None };
        let [only] = forward.as_slice() else { return None };
        self.releases.iter().find_map(|(id, r)| Some((id, r.groups().find(|group| group.arn == only.group)?)))
    }

    /// Since when the product rule's weights stand: from now, where the rule's tag is about other weights.
    pub fn weights_since(&self) -> Option<Time> {
        self.product_rule()?;
        Some(self.written_since().unwrap_or(self.now))
    }

    /// A rule at product's priority that is not tagged ours and forwards to groups of ours: it may be the product rule,
    /// which somebody took the tags from. And the releases of those groups.
    pub fn untagged_rule(&self) -> Option<(&'a Rule, Vec<&ReleaseId>)> {
        let ProductRule::Taken(rule) = &self.product else { return None };
        let Action::Forward(forward) = &rule.action else { return None };
        let named = |found: &Release<'_>| found.groups().any(|group| forward.iter().any(|w| w.group == group.arn));
        let releases: Vec<&ReleaseId> = self.releases.iter().filter(|(_, r)| named(r)).map(|(id, _)| id).collect();
        (!releases.is_empty()).then_some((rule, releases))
    }

    /// Whether customers may get a release: by the product rule, or by one that may be it.
    pub fn may_serve(&self, release: &ReleaseId) -> bool {
        self.traffic(release) != Traffic::NotInRule
            || self.untagged_rule().is_some_and(|(_, releases)| releases.contains(&release))
    }

    /// Whether a rule names this group: one of ours, or any other that was seen, for ours may have lost its tags.
    pub fn in_a_rule(&self, group: &GroupArn) -> bool {
        self.world.rules.iter().any(|rule| match &rule.action {
            Action::Forward(forward) => forward.iter().any(|weighted| weighted.group == *group),
            Action::Other(_) => false,
        })
    }
}

impl<'a> Release<'a> {
    /// Its group, and the copies of it.
    pub fn groups(&self) -> impl Iterator<Item = &'a Group> {
        self.group.into_iter().chain(self.copies.iter().copied())
    }

    /// Instances that are not terminated: what is paid for.
    pub fn standing_instances(&self) -> impl Iterator<Item = &'a Instance> {
        self.instances.iter().copied().filter(|i| i.state != InstanceState::Terminated)
    }

    /// Instances that run or are about to.
    pub fn alive(&self) -> impl Iterator<Item = &'a Instance> {
        self.instances.iter().copied().filter(|i| i.is_alive())
    }

    /// Instances that run: a target has to.
    pub fn running(&self) -> impl Iterator<Item = &'a Instance> {
        self.instances.iter().copied().filter(|i| i.state == InstanceState::Running)
    }

    /// The private addresses of what runs, in order.
    pub fn ips(&self) -> std::collections::BTreeSet<String> {
        self.alive().filter_map(|i| i.private_ip.clone()).collect()
    }

    /// The ids of what runs.
    pub fn alive_ids(&self) -> Vec<domain::id::InstanceId> {
        self.alive().map(|i| i.id.clone()).collect()
    }
}

/// The forward action that these shares are.
pub fn forward(shares: &[Share<'_>]) -> Vec<Weighted> {
    shares.iter().map(|s| Weighted { group: s.group.arn.clone(), weight: s.weight }).collect()
}

fn targets(group: &Group) -> usize {
    group.targets.as_ref().map(Vec::len).unwrap_or_default()
}
