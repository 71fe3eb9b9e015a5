//! The smallest IAM policy for exactly what a plan does: its looks, its steps on their resources, the lease and the notice.

use std::collections::{BTreeMap, BTreeSet};

use domain::config::{ReadyWhen, Service};
use domain::id::{GroupArn, group_name};
use domain::plan::{Launch, Step};
use domain::request::Verb;
use domain::tags::{Read, Role};
use domain::world::{Action, Instance, InstanceState, Scope, World};
use serde_json::{Value, json};

use crate::foresee::{Course, Part, group_arn};

/// What of the policy is not in the plan.
pub struct Beside<'a> {
    /// The verb.
    pub verb: &'a Verb,
    /// What it begins with.
    pub world: &'a World,
    /// How much of the world the verb looks at.
    pub scope: Scope,
    /// The table of the leases.
    pub lease_table: Option<&'a str>,
    /// Where notices go.
    pub topic: Option<&'a str>,
    /// The parameter that holds the service's config, if none of the functions' variables does.
    pub config_parameter: Option<String>,
    /// The role that launched servers have; where it is not known, a launch needs to pass any.
    pub role: Option<String>,
}

/// Partition, region and account, as the listener's ARN has them.
struct Place<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
}

impl<'a> Place<'a> {
    fn of(service: &'a Service) -> Self {
        let mut parts = service.listener_arn.as_str().split(':');
        let mut next = |skipped: usize| parts.nth(skipped).unwrap_or("*");
        Self { partition: next(1), region: next(1), account: next(0) }
    }

    fn arn(&self, service: &str, resource: impl std::fmt::Display) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    fn global(&self, service: &str, resource: impl std::fmt::Display) -> String {
        format!("arn:{}:{service}:::{resource}", self.partition)
    }
}

/// Actions and the resources they are on.
#[derive(Default)]
struct Needs {
    by_action: BTreeMap<String, BTreeSet<String>>,
    passes_role: bool,
}

impl Needs {
    fn add(&mut self, action: &str, resource: impl Into<String>) {
        self.by_action.entry(action.to_owned()).or_default().insert(resource.into());
    }
}

/// The policy.
#[must_use]
pub fn policy(service: &Service, course: &Course, beside: &Beside<'_>) -> Value {
    let place = Place::of(service);
    let mut needs = Needs::default();
    looks(&mut needs, service, beside, course, &place);
    if let Some(table) = beside.lease_table {
        needs.add("dynamodb:UpdateItem", place.arn("dynamodb", format_args!("table/{table}")));
    }
    if let Some(parameter) = &beside.config_parameter {
        needs.add("ssm:GetParameter", self::parameter(&place, parameter));
    }
    if let Some(topic) = beside.topic {
        needs.add("sns:Publish", topic);
    }
    needs.add("events:PutEvents", place.arn("events", "event-bus/default"));
    for part in &course.parts {
        match part {
            Part::Step { step, .. } => needs_of(&mut needs, service, step, &place, beside),
            Part::Check { checks, .. } => {
                for check in checks.iter().filter(|check| !check.starts_with("GET ")) {
                    needs.add("lambda:InvokeFunction", place.arn("lambda", format_args!("function:{check}")));
                }
            }
            Part::Wait { .. } => {}
        }
    }
    // Actions on the same resources stand together.
    let mut together: BTreeMap<BTreeSet<String>, Vec<String>> = BTreeMap::new();
    for (action, resources) in needs.by_action {
        together.entry(resources).or_default().push(action);
    }
    let mut statements: Vec<Value> = together
        .into_iter()
        .map(|(resources, actions)| json!({"Effect": "Allow", "Action": actions, "Resource": resources}))
        .collect();
    if needs.passes_role {
        let any = || format!("arn:{}:iam::{}:role/*", place.partition, place.account);
        let role = beside.role.clone().unwrap_or_else(any);
        statements.push(json!({
            "Effect": "Allow", "Action": ["iam:PassRole"], "Resource": [role],
            "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        }));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// What a person needs who has the function do it.
#[must_use]
pub fn to_call(service: &Service, function: &str) -> Value {
    let resource = Place::of(service).arn("lambda", format_args!("function:{function}"));
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": [resource]},
    ]})
}

/// AWS knows no resource for most looks.
fn looks(needs: &mut Needs, service: &Service, beside: &Beside<'_>, course: &Course, place: &Place<'_>) {
    let Scope { own_group, every_group, group_details, listener, readiness, addresses, launch, alarms } = beside.scope;
    let elb = |needs: &mut Needs, what: &str| needs.add(&format!("elasticloadbalancing:Describe{what}"), "*");
    needs.add("ec2:DescribeInstances", "*");
    elb(needs, "Rules");
    let steps =
        || course.parts.iter().filter_map(|part| if let Part::Step { step, .. } = part { Some(step) } else { None });
    let makes = steps().any(|step| matches!(step, Step::CreateGroup(_) | Step::CreateRule(_)));
    // Where nothing stands or is made, nothing is asked about.
    if makes || !beside.world.rules.is_empty() || !beside.world.groups.is_empty() {
        elb(needs, "Tags");
        if *beside.verb != Verb::Provision || steps().any(rejects) || is_rejected(beside.world) {
            elb(needs, "TargetHealth");
        }
    }
    if own_group
        || group_details
        || every_group && (steps().any(|step| lets_go(step, beside.world)) || has_unnamed(service, beside.world))
    {
        elb(needs, "TargetGroups");
    }
    if listener || launch {
        elb(needs, "Listeners");
        elb(needs, "LoadBalancers");
    }
    if readiness {
        match service.ready_when {
            ReadyWhen::Running => {}
            ReadyWhen::StatusOk => needs.add("ec2:DescribeInstanceStatus", "*"),
            ReadyWhen::SsmOnline => needs.add("ssm:DescribeInstanceInformation", "*"),
        }
    }
    if addresses && !service.elastic_ips.is_empty() {
        needs.add("ec2:DescribeAddresses", "*");
    }
    if launch {
        needs.add("ec2:DescribeImages", "*");
        needs.add("ec2:DescribeSubnets", "*");
        if let domain::config::Ami::Ssm(name) = &service.ami {
            needs.add("ssm:GetParameter", parameter(place, name));
        }
        if let Some(domain::config::UserData::Ssm(name)) = &service.user_data {
            needs.add("ssm:GetParameter", parameter(place, name));
        }
    }
    if alarms && !service.alarms.is_empty() {
        needs.add("cloudwatch:DescribeAlarms", "*");
    }
    if let Some(dns) = &service.dns {
        needs
            .add("route53:ListResourceRecordSets", place.global("route53", format_args!("hostedzone/{}", dns.zone_id)));
    }
}

/// Whose servers are about to go is asked for its targets by whoever looks.
fn rejects(step: &Step) -> bool {
    matches!(step, Step::TagInstances { tags, .. } | Step::TagGroup { tags, .. } if tags.role() == Some(Role::Rejected))
}

fn is_rejected(world: &World) -> bool {
    let groups = world.groups.iter().map(|group| &group.tags);
    standing(world).map(|instance| &instance.tags).chain(groups).any(|tags| tags.role() == Some(Role::Rejected))
}

/// Whether a release has servers and no rule names its group, which is then looked up by its name.
fn has_unnamed(service: &Service, world: &World) -> bool {
    let named: BTreeSet<&str> =
        world.rules.iter().flat_map(|rule| forwarded(&rule.action)).map(GroupArn::name).collect();
    let mut releases = standing(world).filter_map(|instance| instance.tags.release());
    releases.any(|release| !named.contains(group_name(&service.name, &release).as_str()))
}

/// Whether a step takes a group out of the rules.
fn lets_go(step: &Step, world: &World) -> bool {
    let Step::ModifyRule { rule, forward, .. } = step else { return false };
    let mut before = world.rules.iter().filter(|found| found.arn == *rule).flat_map(|found| forwarded(&found.action));
    before.any(|group| forward.iter().all(|weighted| weighted.group != *group))
}

fn standing(world: &World) -> impl Iterator<Item = &Instance> {
    world.instances.iter().filter(|instance| instance.state != InstanceState::Terminated)
}

fn forwarded(action: &Action) -> impl Iterator<Item = &GroupArn> {
    let forward = match action {
        Action::Forward(forward) => forward.as_slice(),
        Action::Other(_) => &[],
    };
    forward.iter().map(|weighted| &weighted.group)
}

fn parameter(place: &Place<'_>, name: &str) -> String {
    let resource = format!("parameter/{}", name.trim_start_matches('/'));
    // AWS's own are no account's.
    let account = if name.starts_with("/aws/") { "" } else { place.account };
    format!("arn:{}:ssm:{}:{account}:{resource}", place.partition, place.region)
}

fn needs_of(needs: &mut Needs, service: &Service, step: &Step, place: &Place<'_>, beside: &Beside<'_>) {
    let rule_tags = "elasticloadbalancing:AddTags";
    let listener_rules = || service.listener_arn.as_str().replace(":listener/", ":listener-rule/") + "/*";
    // What a plan is about to make has no id yet.
    let instance = |id: &domain::id::InstanceId| {
        let id = if id.as_str().starts_with("new-server-") { "*" } else { id.as_str() };
        place.arn("ec2", format_args!("instance/{id}"))
    };
    let real = |rule: &domain::id::RuleArn| {
        if rule.as_str().contains("/new-") { listener_rules() } else { rule.to_string() }
    };
    match step {
        Step::Launch(launch) => needs_of_launch(needs, launch, place),
        Step::AssociateAddress { instance: id, address } => {
            needs.add("ec2:AssociateAddress", instance(id));
            needs.add("ec2:AssociateAddress", place.arn("ec2", format_args!("elastic-ip/{address}")));
            // Whether AWS asks about the server's interface too is not written anywhere.
            needs.add("ec2:AssociateAddress", place.arn("ec2", "network-interface/*"));
        }
        Step::CreateGroup(new) => {
            let arn = group_arn(service, &new.name).to_string();
            for action in ["AddTags", "CreateTargetGroup", "ModifyTargetGroupAttributes"] {
                needs.add(&format!("elasticloadbalancing:{action}"), arn.clone());
            }
            networks(needs);
        }
        Step::RegisterTargets { group, .. } => {
            needs.add("elasticloadbalancing:RegisterTargets", group.as_str());
            networks(needs);
        }
        Step::DeregisterTargets { group, .. } => needs.add("elasticloadbalancing:DeregisterTargets", group.as_str()),
        Step::DeleteGroup { group } => needs.add("elasticloadbalancing:DeleteTargetGroup", group.as_str()),
        Step::CreateRule(new) => {
            needs.add("elasticloadbalancing:CreateRule", new.listener.as_str());
            needs.add(rule_tags, listener_rules());
        }
        Step::ModifyRule { rule, .. } | Step::ModifyConditions { rule, .. } => {
            needs.add("elasticloadbalancing:ModifyRule", real(rule));
        }
        Step::MoveRule { rule, .. } => needs.add("elasticloadbalancing:SetRulePriorities", real(rule)),
        Step::DeleteRule { rule, .. } => needs.add("elasticloadbalancing:DeleteRule", real(rule)),
        Step::TagInstances { instances, .. } => {
            for id in instances {
                needs.add("ec2:CreateTags", instance(id));
            }
        }
        Step::TagGroup { group, .. } => needs.add(rule_tags, group.as_str()),
        Step::TagRule { rule, .. } => needs.add(rule_tags, real(rule)),
        Step::Terminate { instances } => {
            for id in instances {
                needs.add("ec2:TerminateInstances", instance(id));
            }
        }
        Step::ChangeName { zone, .. } => {
            needs.add("route53:ChangeResourceRecordSets", place.global("route53", format_args!("hostedzone/{zone}")));
        }
        Step::RememberTold { .. } => {
            if let Some(table) = beside.lease_table {
                needs.add("dynamodb:UpdateItem", place.arn("dynamodb", format_args!("table/{table}")));
            }
        }
        // A look, and the notice that every call may send.
        Step::ReadBack { .. } | Step::Tell(_) => {}
    }
}

/// What AWS asks for beside the two calls that make and fill a target group. It knows no resource for these.
fn networks(needs: &mut Needs) {
    for what in ["InternetGateways", "Subnets", "Vpcs"] {
        needs.add(&format!("ec2:Describe{what}"), "*");
    }
}

fn needs_of_launch(needs: &mut Needs, launch: &Launch, place: &Place<'_>) {
    let own = |what: &str| place.arn("ec2", what);
    let (subnet, image) = (format!("subnet/{}", launch.subnet), format!("image/{}", launch.image));
    for made in ["instance/*", "volume/*", "network-interface/*", subnet.as_str()] {
        needs.add("ec2:RunInstances", own(made));
    }
    // An image is nobody's account's, and neither is its snapshot, of which the root volume is made.
    for of_nobody in [image.as_str(), "snapshot/*"] {
        needs.add("ec2:RunInstances", format!("arn:{}:ec2:{}::{of_nobody}", place.partition, place.region));
    }
    for group in &launch.security_groups {
        needs.add("ec2:RunInstances", own(&format!("security-group/{group}")));
    }
    if let Some(key) = &launch.key_name {
        needs.add("ec2:RunInstances", own(&format!("key-pair/{key}")));
    }
    for tagged in ["instance/*", "volume/*", "network-interface/*"] {
        needs.add("ec2:CreateTags", own(tagged));
    }
    needs.passes_role |= launch.iam_instance_profile.is_some();
}
