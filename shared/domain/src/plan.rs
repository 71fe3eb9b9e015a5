//! What a plan may say: steps with every choice already made, and what follows them.

use std::collections::BTreeMap;

use crate::check::Examination;
use crate::id::{AllocationId, GroupArn, ImageId, InstanceId, ListenerArn, RuleArn, SubnetId};
use crate::notice::Notice;
use crate::refusal::{Failure, Refusal, WaitFor};
use crate::tags::{self, Tags, WhichRule};
use crate::time::Time;
use crate::world::{Conditions, Group, Record, Rule, Secret, Weighted, World};

/// Steps to carry out now, and what follows when they are.
#[must_use = "a plan that nobody reads changes nothing"]
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// One after the other; what is within a stage goes side by side.
    pub stages: Vec<Stage>,
    /// What follows.
    pub end: End,
}

/// Steps that do not depend on each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The steps.
    pub steps: Vec<Step>,
    /// What a step of it that fails means.
    pub on_failure: OnFailure,
}

/// What a step that fails means for the rest of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The rest is not carried out, and the call fails.
    Stop,
    /// The rest goes on; what could not follow is said in the answer, and the next call mends it.
    Follow,
}

/// What follows the steps of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Look again and plan again: the steps changed what the next ones depend on.
    Look,
    /// Look again, launch facts too.
    LookForLaunch,
    /// Have the release examined, then look again; what was found is in that look.
    Check(Box<Examination>),
    /// Nothing can be done now; somebody looks again later.
    Wait(WaitFor),
    /// What was asked for stands.
    Done(Done),
    /// The call is not carried out; its caller has to change something.
    Refuse(Refusal),
    /// It was tried and cannot be had.
    Fail(Failure),
}

/// What was reached, for people and for later pipeline actions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// One sentence: what stands now.
    pub headline: String,
    /// More of what happened, a sentence each.
    pub lines: Vec<String>,
    /// Where to look: a label and an address, name or list of IPs.
    pub look: Vec<(String, String)>,
    /// What to do next.
    pub next: Vec<String>,
    /// Output variables: `Release`, `InstanceIds`, `PreProductUrl` …
    pub outputs: BTreeMap<&'static str, String>,
    /// Whether the call found everything done already.
    pub nothing_to_do: bool,
}

/// One thing to do. A step that finds its work done is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// One `RunInstances` call into one subnet, all or nothing.
    Launch(Box<Launch>),
    /// Gives an instance an elastic IP that nobody holds; never takes one from somebody.
    AssociateAddress { instance: InstanceId, address: AllocationId },
    /// Makes a target group, tags included; refused by apply when the name is taken by a stranger.
    CreateGroup(Box<NewGroup>),
    /// Puts targets into a group.
    RegisterTargets { group: GroupArn, instances: Vec<InstanceId>, port: u16 },
    /// Takes targets out of a group: they end what is under way.
    DeregisterTargets { group: GroupArn, instances: Vec<InstanceId> },
    /// Deletes a group that no rule names.
    DeleteGroup { group: GroupArn },
    /// Makes a rule, tags included.
    CreateRule(Box<NewRule>),
    /// Replaces what a rule does, and its conditions where given, in one call.
    ModifyRule {
        rule: RuleArn,
        which: WhichRule,
        forward: Vec<Weighted>,
        conditions: Option<Conditions>,
        /// How long a customer keeps the release that served him; without it, each request goes by the weights.
        sticky_seconds: Option<u32>,
    },
    /// Replaces a rule's conditions only.
    ModifyConditions { rule: RuleArn, which: WhichRule, conditions: Conditions },
    /// Gives a rule another priority.
    MoveRule { rule: RuleArn, which: WhichRule, priority: u32 },
    /// Deletes a rule.
    DeleteRule { rule: RuleArn, which: WhichRule },
    /// Reads a rule and finds exactly this, or the call looks again: somebody else has changed it.
    ReadBack { rule: RuleArn, which: WhichRule, forward: Vec<Weighted> },
    /// Writes tags on instances.
    TagInstances { instances: Vec<InstanceId>, tags: Tags },
    /// Writes tags on a group.
    TagGroup { group: GroupArn, tags: Tags },
    /// Writes tags on a rule.
    TagRule { rule: RuleArn, tags: Tags },
    /// Terminates instances.
    Terminate { instances: Vec<InstanceId> },
    /// Changes one private-zone name from what was seen to what it is to be, or not at all.
    ChangeName { zone: String, name: String, from: Option<Record>, to: Option<Record> },
    /// Tells people.
    Tell(Box<Notice>),
    /// Remembers in the lease table that this was told.
    RememberTold { kind: String, at: Time },
}

/// One `RunInstances` call.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Into which subnet.
    pub subnet: SubnetId,
    /// How many; `MinCount` and `MaxCount` alike.
    pub count: u32,
    /// `ClientToken`: made from service, release and what is launched.
    pub token: String,
    /// The AMI.
    pub image: ImageId,
    /// Its root device, whose volume is encrypted.
    pub root_device: String,
    /// As `t3.small`.
    pub instance_type: String,
    /// Security group ids.
    pub security_groups: Vec<String>,
    /// Instance profile name or ARN.
    pub iam_instance_profile: Option<String>,
    /// Key pair name.
    pub key_name: Option<String>,
    /// User data, plain; it is encoded when sent.
    pub user_data: Option<Secret>,
    /// For instances, their volumes and their network interfaces.
    pub tags: Tags,
}

/// One `CreateTargetGroup` call, and the attributes that follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewGroup {
    /// Its name.
    pub name: String,
    /// Its VPC.
    pub vpc: String,
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
    /// The targets' port.
    pub port: u16,
    /// How targets are checked.
    pub health_check: crate::config::HealthCheck,
    /// Deregistration delay.
    pub drain_seconds: u32,
    /// From the creating call on.
    pub tags: Tags,
}

/// One `CreateRule` call.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRule {
    /// Of which listener.
    pub listener: ListenerArn,
    /// Which of the two.
    pub which: WhichRule,
    /// Its priority.
    pub priority: u32,
    /// When it matches.
    pub conditions: Conditions,
    /// What it forwards to.
    pub forward: Vec<Weighted>,
    /// From the creating call on.
    pub tags: Tags,
}

impl Plan {
    /// A plan with nothing to do before its end.
    pub fn only(end: End) -> Self {
        Self { stages: Vec::new(), end }
    }

    /// A plan whose steps must all be carried out.
    pub fn new(stages: Vec<Vec<Step>>, end: End) -> Self {
        Self { stages: stages.into_iter().map(Stage::stop).collect(), end }
    }

    /// The same plan with other stages before its own.
    pub fn after(mut self, mut before: Vec<Stage>) -> Self {
        before.append(&mut self.stages);
        before.retain(|stage| !stage.steps.is_empty());
        self.stages = before;
        self
    }

    /// The same plan with other stages after its own.
    pub fn then(self, after: Vec<Stage>) -> Self {
        let Self { stages, end } = self;
        Self { stages: after, end }.after(stages)
    }
}

impl Stage {
    /// Steps that the rest depends on.
    pub fn stop(steps: Vec<Step>) -> Self {
        Self { steps, on_failure: OnFailure::Stop }
    }

    /// Steps that follow what was decided; failing, they are said and mended later.
    pub fn follow(steps: Vec<Step>) -> Self {
        Self { steps, on_failure: OnFailure::Follow }
    }
}

impl Step {
    /// Whether it changes anything of the account's; `Tell` and reading do not.
    pub fn changes_account(&self) -> bool {
        !matches!(self, Self::ReadBack { .. } | Self::Tell(_) | Self::RememberTold { .. })
    }

    /// Whether it changes which releases get product's traffic, or how much.
    pub fn changes_product(&self) -> bool {
        matches!(self, Self::ModifyRule { which: WhichRule::Product, .. })
            || matches!(self, Self::CreateRule(new) if new.which == WhichRule::Product)
    }

    /// Whether it makes something that reads may not show at once.
    pub fn makes(&self) -> bool {
        matches!(self, Self::Launch(_) | Self::CreateGroup(_) | Self::CreateRule(_))
    }

    /// Whether a look shows what the step made, with the tags that say whose it is. What makes nothing has nothing to show.
    pub fn shows_in(&self, world: &World) -> bool {
        let alike = |found: &Tags, new: &Tags, keys: &[&str]| keys.iter().all(|key| found.get(*key) == new.get(*key));
        if let Self::CreateGroup(new) = self {
            let is_it =
                |g: &Group| g.arn.name() == new.name && alike(&g.tags, &new.tags, &[tags::SERVICE, tags::RELEASE]);
            world.groups.iter().any(is_it)
        } else if let Self::CreateRule(new) = self {
            let is_it =
                |r: &Rule| r.priority == new.priority && alike(&r.tags, &new.tags, &[tags::SERVICE, tags::RULE]);
            world.rules.iter().any(is_it)
        } else if let Self::Launch(launch) = self {
            // Another count is the same launch, planned for what was in sight then.
            let which = |tags: &Tags| {
                let (launch, _count) = tags.get(tags::LAUNCH)?.rsplit_once('/')?;
                Some((tags.get(tags::RELEASE)?.clone(), launch.to_owned()))
            };
            let this = which(&launch.tags);
            this.is_none() || world.instances.iter().any(|instance| which(&instance.tags) == this)
        } else {
            true
        }
    }
}
