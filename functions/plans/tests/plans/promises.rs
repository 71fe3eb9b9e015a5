//! What is promised, asked before every step of every test: of the account as it is, not of what the plan saw.
//!
//! It shares no code with the plans; tags and weights are read here once more.

use domain::id::{GroupArn, InstanceId};
use domain::plan::{Launch, Step};
use domain::request::{Request, Verb};
use domain::tags::Tags;
use domain::world::{InstanceState, Rule, Weighted};

use crate::account::{Account, forward_of};

/// Stops the test where a step would break a promise.
pub fn check(account: &Account, step: &Step, request: &Request) {
    if let Err(broken) = promise(account, step, request) {
        panic!("{step:?}\nof {:?} breaks a promise: {broken}", request.verb);
    }
}

type Kept = Result<(), String>;

fn keep(good: bool, promise: impl Into<String>) -> Kept {
    if good { Ok(()) } else { Err(promise.into()) }
}

fn promise(account: &Account, step: &Step, request: &Request) -> Kept {
    match step {
        Step::Launch(launch) => launch_is_counted(account, launch, request),
        Step::AssociateAddress { instance, address } => {
            our_servers(account, std::slice::from_ref(instance))?;
            let holder = account.addresses.get(address).ok_or("an address that is not of the pool")?;
            keep(holder.is_none(), "an address is taken from somebody")
        }
        Step::CreateGroup(new) => {
            keep(new.tags.get("pointsman:role").is_some_and(|role| role == "pre-product"), "a group without its role")?;
            ours(account, &new.tags)
        }
        Step::RegisterTargets { group, instances, .. } => {
            our_group(account, group).and(our_servers(account, instances))
        }
        Step::DeregisterTargets { group, instances } => deregister(account, group, instances),
        Step::DeleteGroup { group } => {
            our_group(account, group)?;
            keep(!account.in_use(group), "a group that a rule names is deleted")?;
            keep(account.groups[group].targets.is_empty(), "a group is deleted before its targets are drained")
        }
        Step::CreateRule(new) => {
            ours(account, &new.tags)?;
            let product = new.tags.get("pointsman:rule").is_some_and(|which| which == "product");
            keep(!product || request.verb == Verb::Promote, "the product rule is made by promote alone")?;
            keep(!product || account.rule("product").is_none(), "a second product rule beside the first")?;
            weights(account, &[], &new.forward, product, request)
        }
        Step::ModifyRule { rule, forward, .. } => {
            let rule = our_rule(account, rule)?;
            let product = rule.tags.get("pointsman:rule").is_some_and(|which| which == "product");
            let before = forward_of(rule);
            if product {
                leaves_only_with_tags(account, before, forward, request)?;
            }
            weights(account, before, forward, product, request)
        }
        Step::ModifyConditions { rule, .. } | Step::MoveRule { rule, .. } => {
            let rule = our_rule(account, rule)?;
            let product = rule.tags.get("pointsman:rule").is_some_and(|which| which == "product");
            keep(!product || request.verb == Verb::Promote, "the product rule's place is promote's alone")
        }
        Step::DeleteRule { rule, .. } => {
            let rule = our_rule(account, rule)?;
            let product = rule.tags.get("pointsman:rule").is_some_and(|which| which == "product");
            keep(!product || request.verb == Verb::Remove, "the product rule is deleted by remove alone")
        }
        Step::TagRule { rule, .. } => our_rule(account, rule).map(|_| ()),
        Step::ReadBack { .. } | Step::Tell(_) | Step::RememberTold { .. } => Ok(()),
        Step::TagInstances { instances, tags } => our_servers(account, instances).and(role_tags(tags)),
        Step::TagGroup { group, tags } => our_group(account, group).and(role_tags(tags)),
        Step::Terminate { instances } => terminate(account, instances, request),
        Step::ChangeName { name, .. } => {
            let dns = account.service.dns.as_ref().ok_or("a name of a service that configures none")?;
            keep([&dns.product, &dns.pre_product].contains(&&Some(name.clone())), "a name that is not configured")
        }
    }
}

fn ours(account: &Account, tags: &Tags) -> Kept {
    let owner = tags.get("pointsman:service").map(String::as_str);
    keep(owner == Some(account.service.name.as_str()), "what is not tagged ours is never changed")
}

fn our_servers(account: &Account, instances: &[InstanceId]) -> Kept {
    keep(!instances.is_empty(), "a step about no instance")?;
    instances.iter().try_for_each(|id| ours(account, &account.servers.get(id).ok_or("no such instance")?.tags))
}

fn our_group(account: &Account, group: &GroupArn) -> Kept {
    ours(account, &account.groups.get(group).ok_or("no such group")?.tags)
}

fn our_rule<'a>(account: &'a Account, rule: &domain::id::RuleArn) -> Result<&'a Rule, String> {
    let rule = account.rules.get(rule).ok_or("no such rule")?;
    ours(account, &rule.tags)?;
    Ok(rule)
}

fn role_tags(tags: &Tags) -> Kept {
    let rejected = tags.get("pointsman:role").is_some_and(|role| role == "rejected");
    keep(!rejected || tags.contains_key("pointsman:reason"), "a release is rejected without a reason")?;
    keep(tags.values().all(|value| value.chars().count() <= 256), "a tag's value is longer than AWS takes")
}

fn release_of(tags: &Tags) -> &str {
    tags.get("pointsman:release").map(String::as_str).unwrap_or_default()
}

/// At most the configured number of instances is alive for a release, seen or not.
fn launch_is_counted(account: &Account, launch: &Launch, request: &Request) -> Kept {
    ours(account, &launch.tags)?;
    let release = release_of(&launch.tags);
    keep(request.release.as_ref().is_some_and(|asked| asked.as_str() == release), "a launch for another release")?;
    keep(!account.is_rejected(release), "a launch for a rejected release")?;
    if account.tokens.contains(&launch.token) || account.full.contains(&launch.subnet) {
        return Ok(());
    }
    let asked: usize = launch.tags["pointsman:count"].parse().map_err(|_| "no count on a launch")?;
    let alive = account.paid(release);
    let new = usize::try_from(launch.count).unwrap_or(usize::MAX);
    keep(alive + new <= asked, format!("{alive} of {asked} servers stand and {new} more are launched"))
}

/// The product rule gives weight to healthy groups of releases that were not rejected.
fn weights(account: &Account, before: &[Weighted], after: &[Weighted], product: bool, request: &Request) -> Kept {
    keep(after.iter().any(|weighted| weighted.weight > 0), "a rule without weight serves nobody")?;
    let had = |group: &GroupArn| before.iter().find(|w| w.group == *group).map_or(0, |w| w.weight);
    let loses =
        before.iter().filter(|b| b.weight > 0 && !after.iter().any(|a| a.group == b.group && a.weight >= b.weight));
    let losing = loses.map(|weighted| account.healthy(&weighted.group)).max().unwrap_or_default();
    for weighted in after.iter().filter(|weighted| weighted.weight > had(&weighted.group)) {
        let group = account.groups.get(&weighted.group).ok_or("weight for a group that is not there")?;
        let release = release_of(&group.tags);
        let alone = before.iter().all(|b| b.group == weighted.group || b.weight == 0);
        keep(alone || !account.is_rejected(release), format!("{release} is rejected and gains weight"))?;
        if !product {
            continue;
        }
        let (healthy, asked) = (account.healthy(&weighted.group), asked(account, &weighted.group));
        let wanted = (asked * usize::try_from(account.service.min_healthy_percent).unwrap_or(100)).div_ceil(100).max(1);
        let a_rollback = request.verb != Verb::Promote && healthy >= 1 && healthy >= losing;
        keep(
            healthy >= wanted || a_rollback,
            format!("{release} has {healthy} healthy targets of {asked} and gains weight"),
        )?;
        keep(
            request.verb != Verb::Provision && request.verb != Verb::Register
                || account_has_rejected_weight(account, before),
            "provision and register give nobody weight",
        )?;
    }
    Ok(())
}

fn account_has_rejected_weight(account: &Account, before: &[Weighted]) -> bool {
    before.iter().any(|w| w.weight > 0 && account.is_rejected(release_of(&account.groups[&w.group].tags)))
}

fn asked(account: &Account, group: &GroupArn) -> usize {
    let found = &account.groups[group];
    let tags = account.tags_of(release_of(&found.tags));
    let count = tags.into_iter().find_map(|tags| tags.get("pointsman:count")?.parse().ok());
    count.unwrap_or(found.targets.len())
}

/// What was product leaves the rule only when its tags say so; a rollback may go first.
fn leaves_only_with_tags(account: &Account, before: &[Weighted], after: &[Weighted], request: &Request) -> Kept {
    let leaves = before.iter().filter(|b| !after.iter().any(|a| a.group == b.group));
    for weighted in leaves {
        let tags = &account.groups[&weighted.group].tags;
        let Some(release) = tags.get("pointsman:release") else { continue };
        let says =
            |tags: &&Tags| tags.get("pointsman:role").is_some_and(|role| role == "retired" || role == "rejected");
        let a_rollback = matches!(request.verb, Verb::Rollback { .. })
            && request.release.as_ref().is_some_and(|id| id.as_str() == release);
        keep(a_rollback || account.tags_of(release).iter().any(says), format!("{release} leaves the rule untagged"))?;
    }
    Ok(())
}

/// Nothing with weight is deregistered, and nothing before its rule change has settled and what it had is done.
fn deregister(account: &Account, group: &GroupArn, instances: &[InstanceId]) -> Kept {
    our_group(account, group)?;
    let dead = |id: &InstanceId| account.servers.get(id).is_none_or(|s| s.state == InstanceState::Terminated);
    if instances.iter().all(dead) {
        return Ok(());
    }
    keep(!account.in_use(group), "a target is deregistered while a rule names its group")?;
    let over = i64::from(account.service.settle_seconds) + i64::from(account.service.drain_seconds);
    let over = account.left.get(group).is_none_or(|left| account.now - *left >= over);
    keep(over, "a target is deregistered before its rule change has settled and its requests had drain_seconds")
}

/// Instances go when their tags say so, after they were drained.
fn terminate(account: &Account, instances: &[InstanceId], request: &Request) -> Kept {
    our_servers(account, instances)?;
    for id in instances {
        let server = &account.servers[id];
        let release = release_of(&server.tags);
        let role = server.tags.get("pointsman:role").map(String::as_str).unwrap_or_default();
        keep(role == "retired" || role == "rejected", format!("{id} is terminated as {role}"))?;
        let target = account.groups.iter().find(|(_, group)| group.targets.contains_key(id));
        keep(target.is_none(), format!("{id} of {release} is terminated while it is a target"))?;
        let told = account.tags_of(release).iter().any(|tags| tags.contains_key("pointsman:told"));
        let noticed = account.notices.iter().any(|n| n.release.as_ref().is_some_and(|id| id.as_str() == release));
        keep(role != "rejected" || told || noticed, format!("{release} goes before its people were told"))?;
        if request.verb == Verb::Finish {
            let product = request.release.as_ref().map(|id| account.tags_of(id.as_str())).unwrap_or_default();
            let kept = product.iter().any(|tags| tags.contains_key("pointsman:kept"));
            keep(kept, "finish takes something away before the release is tagged kept")?;
        }
    }
    Ok(())
}
