//! What no world can excuse: asked of each step of each plan, before it is taken, of the tags and weights as they are then.
//!
//! It shares no code with the plans: tags are read here once more.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{GroupArn, InstanceId, RuleArn};
use domain::plan::{End, Plan, Step};
use domain::report::Outcome;
use domain::request::{Request, Verb};
use domain::tags::{self, Tags, WhichRule};
use domain::world::{Action, Group, Health, Instance, InstanceState, Rule, Weighted};

use crate::run::{Broken, Kept, promise};
use crate::words::{fits_a_job, fits_sns, fits_tags};
use crate::worlds::Scene;

/// The most instances that a config asks for.
const MOST: usize = 500;

/// Plans every request, and asks of every plan.
pub fn check(scene: &Scene) -> Kept {
    for request in &scene.requests {
        let plan = plans::plan(request, &scene.service, &scene.world, scene.now);
        check_plan(scene, request, &plan).map_err(|Broken { promise, how }| Broken {
            promise,
            how: format!("{how}\n{:?} of {:?}: {plan:#?}", request.verb, request.release),
        })?;
    }
    Ok(())
}

fn check_plan(scene: &Scene, request: &Request, plan: &Plan) -> Kept {
    let mut state = State::of(scene, request);
    for stage in &plan.stages {
        promise(!stage.steps.is_empty(), "a stage has steps", String::new)?;
        for step in &stage.steps {
            state.check(step).map_err(|Broken { promise, how }| Broken { promise, how: format!("{how}\n{step:?}") })?;
        }
        for step in &stage.steps {
            state.take(step);
        }
    }
    promise(state.launched <= MOST, "no more are launched than any config asks for", || state.launched.to_string())?;
    check_end(scene, request, plan)
}

fn check_end(scene: &Scene, request: &Request, plan: &Plan) -> Kept {
    let outcome = match &plan.end {
        End::Look => {
            return promise(!plan.stages.is_empty(), "who looks again has done something", String::new);
        }
        End::LookForLaunch => {
            return promise(scene.world.launch.is_none(), "launch facts are asked for once", String::new);
        }
        End::Check(examination) => {
            let made = scene.world.checked.as_ref().is_some_and(|checked| checked.phase == examination.phase);
            return promise(!made, "a release is examined once in a phase", String::new);
        }
        End::Wait(wait) => Outcome::Waiting(wait.clone()),
        End::Done(done) => Outcome::Done(done.clone(), Vec::new()),
        End::Refuse(refusal) => Outcome::Refused(refusal.clone()),
        End::Fail(failure) => Outcome::Failed(failure.clone()),
    };
    let sentence = outcome.sentence();
    promise(!sentence.trim().is_empty(), "there is always an answer", || format!("{outcome:?}"))?;
    fits_a_job(&sentence)?;
    outcome.notice(request).iter().try_for_each(fits_sns)?;
    let answer = outcome.answer(request).to_string();
    promise(answer.len() < 6_000_000, "Lambda takes the answer", || answer.len().to_string())?;
    if let Outcome::Done(done, _) = &outcome {
        let known =
            done.outputs.keys().all(|key| key.bytes().all(|b| b.is_ascii_alphanumeric() || b"@-_".contains(&b)));
        let size: usize = done.outputs.iter().map(|(key, value)| key.len() + value.len()).sum();
        promise(known && size < 122_880, "CodePipeline takes the output variables", || format!("{:?}", done.outputs))?;
        promise(
            done.nothing_to_do == plan.stages.is_empty(),
            "it is said whether there was nothing to do",
            String::new,
        )?;
    }
    Ok(())
}

/// The world while the plan is carried out.
struct State<'s> {
    scene: &'s Scene,
    request: &'s Request,
    rules: BTreeMap<RuleArn, Rule>,
    /// Releases that any tag calls rejected, or retired.
    rejected: BTreeSet<String>,
    retired: BTreeSet<String>,
    /// Those that were rejected before this plan.
    bad: BTreeSet<String>,
    launched: usize,
}

impl<'s> State<'s> {
    fn of(scene: &'s Scene, request: &'s Request) -> Self {
        let rules = scene.world.rules.iter().map(|rule| (rule.arn.clone(), rule.clone())).collect();
        let mut state = Self {
            scene,
            request,
            rules,
            rejected: BTreeSet::new(),
            retired: BTreeSet::new(),
            bad: BTreeSet::new(),
            launched: 0,
        };
        let instances = scene.world.instances.iter().map(|i| &i.tags);
        for tags in instances.chain(scene.world.groups.iter().map(|group| &group.tags)) {
            if state.is_ours(tags) {
                state.note(tags, tags);
            }
        }
        state.bad.clone_from(&state.rejected);
        state
    }

    /// Takes note of a role that a release's tags name.
    fn note(&mut self, resource: &Tags, tags: &Tags) {
        let Some(release) = resource.get(tags::RELEASE).cloned() else { return };
        match tags.get(tags::ROLE).map(String::as_str) {
            Some("rejected") => self.rejected.insert(release),
            Some("retired") => self.retired.insert(release),
            _ => false,
        };
    }

    fn is_ours(&self, tags: &Tags) -> bool {
        tags.get(tags::SERVICE).map(String::as_str) == Some(self.scene.service.name.as_str())
    }

    fn instance(&self, id: &InstanceId) -> Option<&'s Instance> {
        self.scene.world.instances.iter().find(|instance| instance.id == *id)
    }

    fn group(&self, arn: &GroupArn) -> Option<&'s Group> {
        self.scene.world.groups.iter().find(|group| group.arn == *arn)
    }

    /// The most weight that any rule gives a group.
    fn weight(&self, arn: &GroupArn) -> u32 {
        self.rules.values().flat_map(forward_of).filter(|w| w.group == *arn).map(|w| w.weight).max().unwrap_or_default()
    }

    fn is_named(&self, arn: &GroupArn) -> bool {
        self.rules.values().flat_map(forward_of).any(|weighted| weighted.group == *arn)
    }

    fn our_group(&self, arn: &GroupArn) -> Result<&'s Group, Broken> {
        let group = self.group(arn).filter(|group| self.is_ours(&group.tags));
        group.ok_or_else(|| Broken { promise: "only groups that are ours are changed", how: arn.to_string() })
    }

    fn our_servers(&self, ids: &[InstanceId]) -> Kept {
        promise(!ids.is_empty(), "a step is about something", String::new)?;
        let ours = |id: &InstanceId| self.instance(id).is_some_and(|instance| self.is_ours(&instance.tags));
        promise(ids.iter().all(ours), "only servers that are ours are changed", || format!("{ids:?}"))
    }

    fn our_rule(&self, arn: &RuleArn, which: Option<WhichRule>) -> Result<&Rule, Broken> {
        let of =
            |rule: &&Rule| which.is_none_or(|which| rule.tags.get(tags::RULE).is_some_and(|t| t == which.as_str()));
        let rule = self.rules.get(arn).filter(|rule| self.is_ours(&rule.tags)).filter(of);
        // Whatever somebody wrote on it: what stands where customers' requests are matched is theirs.
        let customers = rule.filter(|rule| rule.priority == self.scene.service.product.priority);
        promise(
            which != Some(WhichRule::PreProduct) || customers.is_none(),
            "the customers' rule is never QA's",
            || format!("{rule:?}"),
        )?;
        rule.ok_or_else(|| Broken { promise: "only rules that are ours are changed", how: arn.to_string() })
    }

    fn check(&self, step: &Step) -> Kept {
        let verb = &self.request.verb;
        match step {
            Step::Launch(launch) => {
                let release = launch.tags.get(tags::RELEASE).cloned().unwrap_or_default();
                promise(*verb == Verb::Provision, "provision alone launches", String::new)?;
                let asked_for = self.request.release.as_ref().is_some_and(|id| id.as_str() == release);
                promise(asked_for && self.is_ours(&launch.tags), "a launch is for the release asked for", || {
                    release.clone()
                })?;
                promise(!self.rejected.contains(&release), "nothing is launched for a rejected release", || {
                    release.clone()
                })?;
                promise((1..=64).contains(&launch.token.len()), "EC2 takes a token", || launch.token.clone())?;
                promise(
                    self.scene.service.subnets.contains(&launch.subnet) && launch.count > 0,
                    "a launch is as configured",
                    String::new,
                )?;
                fits_tags(&launch.tags)
            }
            Step::AssociateAddress { instance, address } => {
                let free = self.scene.world.addresses.iter().any(|a| a.id == *address && a.holder.is_none());
                promise(free, "an address is taken from nobody", || address.to_string())?;
                self.our_servers(std::slice::from_ref(instance))
            }
            Step::CreateGroup(new) => {
                promise(self.is_ours(&new.tags) && new.port > 0, "a new group is ours", || format!("{new:?}"))?;
                let free = self.scene.world.groups.iter().all(|group| group.arn.name() != new.name);
                promise(free, "a group is made where there is none", || new.name.clone())?;
                fits_tags(&new.tags)
            }
            Step::RegisterTargets { group, instances, port } => {
                self.our_servers(instances)?;
                let running = |id: &InstanceId| self.instance(id).is_some_and(|i| i.state == InstanceState::Running);
                promise(instances.iter().all(running) && *port > 0, "what is registered runs", || {
                    format!("{instances:?}")
                })?;
                self.our_group(group).map(|_| ())
            }
            Step::DeregisterTargets { group, instances } => {
                let found = self.our_group(group)?;
                promise(!instances.is_empty(), "a step is about something", String::new)?;
                // Register takes dead targets out of the group that QA tries.
                let dead = |id: &InstanceId| {
                    self.instance(id).is_none_or(|i| {
                        i.state != InstanceState::Running
                            || i.tags.get(tags::RELEASE) != found.tags.get(tags::RELEASE)
                            || !self.is_ours(&i.tags)
                    })
                };
                let product = self.product_weight(group);
                let excused = *verb == Verb::Register && instances.iter().all(dead) && product == 0;
                promise(self.weight(group) == 0 || excused, "nothing with weight is drained", || group.to_string())
            }
            Step::DeleteGroup { group } => {
                self.our_group(group)?;
                promise(!self.is_named(group), "no group is deleted that a rule names", || group.to_string())
            }
            Step::CreateRule(new) => {
                let product = new.which == WhichRule::Product;
                promise(!product || *verb == Verb::Promote, "promote alone makes the product rule", String::new)?;
                promise(product || *verb == Verb::Register, "register alone makes the pre-product rule", String::new)?;
                let second = self.rules.values().any(|rule| {
                    self.is_ours(&rule.tags) && rule.tags.get(tags::RULE).is_some_and(|t| t == new.which.as_str())
                });
                promise(!second, "there is one rule of each kind", String::new)?;
                promise((1..=50_000).contains(&new.priority), "a rule's priority is one", || new.priority.to_string())?;
                let taken = self.rules.values().any(|rule| rule.priority == new.priority);
                promise(!taken, "a rule is made at a free priority", || new.priority.to_string())?;
                fits_tags(&new.tags)?;
                self.weights(&[], &new.forward, product)
            }
            Step::ModifyRule { rule, which, forward, .. } => {
                let rule = self.our_rule(rule, Some(*which))?;
                self.weights(forward_of(rule), forward, *which == WhichRule::Product)
            }
            Step::ModifyConditions { rule, which, .. } => {
                promise(
                    *which == WhichRule::PreProduct || *verb == Verb::Promote,
                    "the product rule's place is promote's",
                    String::new,
                )?;
                self.our_rule(rule, Some(*which)).map(|_| ())
            }
            Step::MoveRule { rule, which, priority } => {
                promise(
                    *which == WhichRule::PreProduct || *verb == Verb::Promote,
                    "the product rule's place is promote's",
                    String::new,
                )?;
                let taken = self.rules.values().any(|other| other.priority == *priority && other.arn != *rule);
                promise(!taken, "a rule moves to a free priority", || priority.to_string())?;
                self.our_rule(rule, Some(*which)).map(|_| ())
            }
            Step::DeleteRule { rule, which } => {
                promise(
                    *which == WhichRule::PreProduct || *verb == Verb::Remove,
                    "remove alone deletes the product rule",
                    String::new,
                )?;
                self.our_rule(rule, Some(*which)).map(|_| ())
            }
            Step::ReadBack { forward, .. } => promise(!forward.is_empty(), "a rule serves somebody", String::new),
            Step::TagInstances { instances, tags } => self.our_servers(instances).and_then(|()| self.check_tags(tags)),
            Step::TagGroup { group, tags } => self.our_group(group).and_then(|_| self.check_tags(tags)),
            Step::TagRule { rule, tags } => self.our_rule(rule, None).and_then(|_| fits_tags(tags)),
            Step::Terminate { instances } => self.terminate(instances),
            Step::ChangeName { name, from, to, .. } => {
                let dns = self.scene.service.dns.as_ref();
                let ours = dns.is_some_and(|dns| [&dns.product, &dns.pre_product].contains(&&Some(name.clone())));
                promise(
                    ours && self.scene.world.names.get(name) == from.as_ref(),
                    "a name changes from what was seen",
                    || name.clone(),
                )?;
                let some =
                    [from, to].into_iter().flatten().all(|record| !record.ips.is_empty() && record.ttl_seconds >= 0);
                promise(some && from != to, "a name says some address", || format!("{from:?} {to:?}"))
            }
            Step::Tell(notice) => fits_sns(notice),
            Step::RememberTold { kind, .. } => promise(kind.len() < 64, "what was told is a word", || kind.clone()),
        }
    }

    fn check_tags(&self, tags: &Tags) -> Kept {
        let rejected = tags.get(tags::ROLE).is_some_and(|role| role == "rejected");
        promise(!rejected || tags.contains_key(tags::REASON), "a release is rejected for a reason", || {
            format!("{tags:?}")
        })?;
        promise(
            !tags.contains_key(tags::SERVICE) && !tags.contains_key(tags::RELEASE),
            "whose it is does not change",
            || format!("{tags:?}"),
        )?;
        fits_tags(tags)
    }

    /// The weight that the service's product rule gives a group.
    fn product_weight(&self, group: &GroupArn) -> u32 {
        let product =
            |rule: &&Rule| self.is_ours(&rule.tags) && rule.tags.get(tags::RULE).is_some_and(|t| t == "product");
        let forward = self.rules.values().filter(product).flat_map(forward_of);
        forward.filter(|w| w.group == *group).map(|w| w.weight).max().unwrap_or_default()
    }

    /// What rules give: never all nothing, never to a stranger anew, and a rejected release gains none.
    fn weights(&self, before: &[Weighted], after: &[Weighted], product: bool) -> Kept {
        let shown = || format!("{before:?} becomes {after:?}");
        promise(after.iter().all(|w| w.weight <= 999) && after.len() <= 5, "ELB takes the weights", shown)?;
        promise(after.iter().any(|w| w.weight > 0), "a rule serves somebody", shown)?;
        let groups: BTreeSet<&GroupArn> = after.iter().map(|w| &w.group).collect();
        promise(groups.len() == after.len(), "a rule names a group once", shown)?;
        let had = |group: &GroupArn| before.iter().find(|w| w.group == *group).map(|w| w.weight);
        let sum = |all: &[Weighted]| all.iter().map(|w| u64::from(w.weight)).sum::<u64>();
        let healthy = |group: &GroupArn| self.group(group).map(Group::healthy).unwrap_or_default();
        let loses = before.iter().filter(|b| b.weight > 0 && !after.iter().any(|a| a.group == b.group && a.weight > 0));
        // Beside one that was not rejected, what is rejected is no measure.
        let (bad, good): (Vec<&Weighted>, Vec<&Weighted>) = loses.partition(|w| self.is_bad(w));
        let measure = if good.is_empty() { bad } else { good };
        let losing = measure.into_iter().map(|w| healthy(&w.group)).max().unwrap_or_default();
        for weighted in after {
            let group = self.group(&weighted.group);
            let ours = group.is_some_and(|group| self.is_ours(&group.tags));
            promise(ours || had(&weighted.group).is_some(), "a rule forwards to no stranger that it did not", shown)?;
            let alone = before.iter().filter(|b| b.weight > 0).all(|b| b.group == weighted.group);
            // Weights are shares of their sum: who moved them by hand may have written any numbers.
            let had_weight = u64::from(had(&weighted.group).unwrap_or_default());
            let no_more = weighted.weight == 0
                || sum(before) > 0 && u64::from(weighted.weight) * sum(before) <= had_weight * sum(after);
            if no_more || alone && had(&weighted.group).is_some_and(|w| w > 0) {
                continue;
            }
            let release = group.and_then(|group| group.tags.get(tags::RELEASE)).cloned().unwrap_or_default();
            promise(!ours || !self.rejected.contains(&release), "a rejected release never gains weight", shown)?;
            if product {
                let (has, wanted) = (healthy(&weighted.group), self.wanted(group));
                // A promote goes back where an alarm or a check says so, or where what it promotes is not well.
                let sick = |w: &Weighted| w.weight > 0 && healthy(&w.group) < self.wanted(self.group(&w.group));
                let rollback = self.request.verb != Verb::Promote
                    || before.iter().any(|b| self.is_bad(b))
                    || before.iter().any(sick)
                    || !self.scene.world.alarms.is_empty()
                    || self.scene.world.checked.is_some();
                let back = rollback && has >= 1 && has >= losing;
                promise(has >= wanted || back, "weight goes to what is healthy", || {
                    format!("{has} of {wanted}\n{}", shown())
                })?;
            }
        }
        Ok(())
    }

    /// Whether a rejected release has weight: whoever calls takes that away first.
    fn is_bad(&self, weighted: &Weighted) -> bool {
        let group = self.group(&weighted.group).filter(|group| weighted.weight > 0 && self.is_ours(&group.tags));
        group.and_then(|group| group.tags.get(tags::RELEASE)).is_some_and(|release| self.bad.contains(release))
    }

    /// How many healthy targets a group is to have: of a release as many as its tags say; of an adopted one all.
    fn wanted(&self, group: Option<&Group>) -> usize {
        let release = group.filter(|group| self.is_ours(&group.tags)).and_then(|group| group.tags.get(tags::RELEASE));
        let asked = match release {
            Some(release) => {
                let of = |tags: &&Tags| self.is_ours(tags) && tags.get(tags::RELEASE) == Some(release);
                let world = &self.scene.world;
                let all = world.instances.iter().map(|i| &i.tags).chain(world.groups.iter().map(|group| &group.tags));
                let counts = all.filter(of).filter_map(|tags| tags.get(tags::COUNT)?.parse::<usize>().ok());
                // Where tags disagree, the least of them is what nobody may go below. What no config may ask for is an edit.
                let least = counts.filter(|count| (1..=MOST).contains(count)).min();
                least.unwrap_or_else(|| usize::try_from(self.scene.service.instance_count).unwrap_or(MOST))
            }
            None => group.and_then(|group| group.targets.as_ref()).map(Vec::len).unwrap_or_default(),
        };
        (asked * usize::try_from(self.scene.service.min_healthy_percent).unwrap_or(100)).div_ceil(100).max(1)
    }

    fn terminate(&self, ids: &[InstanceId]) -> Kept {
        self.our_servers(ids)?;
        for id in ids {
            let serves = self.scene.world.groups.iter().find(|group| {
                let target = |t: &domain::world::Target| t.instance == *id && t.health != Health::Draining;
                self.weight(&group.arn) > 0 && group.targets.iter().flatten().any(target)
            });
            // Provision looks at no targets, and has its own rule of what it takes: nothing that routes to it.
            promise(serves.is_none(), "nothing that a rule sends weight to is terminated", || {
                format!("{id} of {:?}", serves.map(|group| group.arn.to_string()))
            })?;
            let release = self.instance(id).and_then(|i| i.tags.get(tags::RELEASE)).cloned().unwrap_or_default();
            let called = self.rejected.contains(&release) || self.retired.contains(&release);
            promise(called, "no release goes that nobody retired or rejected", || release.clone())?;
        }
        Ok(())
    }

    /// What the world is after a step.
    fn take(&mut self, step: &Step) {
        match step {
            Step::Launch(launch) => self.launched += usize::try_from(launch.count).unwrap_or(usize::MAX),
            Step::CreateRule(new) => {
                let arn = RuleArn::new(format!("new/{}", new.which.as_str()));
                let rule = Rule {
                    arn: arn.clone(),
                    priority: new.priority,
                    conditions: new.conditions.clone(),
                    action: Action::Forward(new.forward.clone()),
                    tags: new.tags.clone(),
                };
                self.rules.insert(arn, rule);
            }
            Step::ModifyRule { rule, forward, .. } => {
                if let Some(rule) = self.rules.get_mut(rule) {
                    rule.action = Action::Forward(forward.clone());
                }
            }
            Step::MoveRule { rule, priority, .. } => {
                if let Some(rule) = self.rules.get_mut(rule) {
                    rule.priority = *priority;
                }
            }
            Step::DeleteRule { rule, .. } => {
                self.rules.remove(rule);
            }
            Step::TagInstances { instances, tags } => {
                for id in instances {
                    if let Some(instance) = self.instance(id) {
                        self.note(&instance.tags, tags);
                    }
                }
            }
            Step::TagGroup { group, tags } => {
                if let Some(group) = self.group(group) {
                    self.note(&group.tags, tags);
                }
            }
            Step::AssociateAddress { .. }
            | Step::CreateGroup(_)
            | Step::RegisterTargets { .. }
            | Step::DeregisterTargets { .. }
            | Step::DeleteGroup { .. }
            | Step::ModifyConditions { .. }
            | Step::ReadBack { .. }
            | Step::TagRule { .. }
            | Step::Terminate { .. }
            | Step::ChangeName { .. }
            | Step::Tell(_)
            | Step::RememberTold { .. } => {}
        }
    }
}

fn forward_of(rule: &Rule) -> &[Weighted] {
    match &rule.action {
        Action::Forward(forward) => forward,
        Action::Other(_) => &[],
    }
}
