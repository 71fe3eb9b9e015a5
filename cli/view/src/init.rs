//! A service's config written from what serves it now.

use std::collections::BTreeSet;

use domain::adopt::{Server, Serving};
use domain::id::ServiceName;
use domain::world::{Conditions, Rule};
use serde_json::{Map, Value, json};

/// Who else has the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This stack of CloudFormation.
    Stack(String),
    /// No stack.
    NoStack,
    /// It could not be seen, and why.
    Unseen(String),
}

/// The config, and what a person still has to decide, a sentence each. Taken are the priorities of all rules of the listener.
#[must_use]
pub fn config(
    service: &ServiceName,
    serving: &Serving,
    owner: &Owner,
    taken: &BTreeSet<u32>,
    pre_product_host: Option<&str>,
) -> (Value, Vec<String>) {
    let Rule { priority: product, conditions, .. } = &serving.rule;
    let mut open = Vec::new();
    let mut config = Map::new();
    let first = serving.servers.first();
    let each = |of: fn(&Server) -> &str| {
        let values: BTreeSet<&str> = serving.servers.iter().map(of).filter(|value| !value.is_empty()).collect();
        values.into_iter().collect::<Vec<_>>()
    };
    let subnets = each(|server| &server.subnet);
    for (what, values) in [("AMI", each(|server| &server.ami)), ("instance type", each(|server| &server.instance_type))]
    {
        if values.len() > 1 {
            open.push(format!(
                "The servers have more than one {what} ({}): the first server's was taken.",
                values.join(", ")
            ));
        }
    }
    if first.is_none() {
        open.push(
            "The target group has no instances: fill in subnets, ami, instance_type and security_groups.".to_owned(),
        );
    }
    config.insert("subnets".into(), json!(subnets));
    config.insert("ami".into(), json!(first.map(|server| server.ami.as_str()).unwrap_or_default()));
    config.insert("instance_type".into(), json!(first.map(|server| server.instance_type.as_str()).unwrap_or_default()));
    config.insert("instance_count".into(), json!(serving.servers.len().max(1)));
    config.insert(
        "security_groups".into(),
        json!(first.map(|server| server.security_groups.clone()).unwrap_or_default()),
    );
    if let Some(profile) = first.and_then(|server| server.profile.as_deref()) {
        config.insert("iam_instance_profile".into(), json!(profile.rsplit('/').next().unwrap_or(profile)));
    }
    if let Some(key) = first.and_then(|server| server.key_name.as_deref()) {
        config.insert("key_name".into(), json!(key));
    }
    config.insert("listener_arn".into(), json!(serving.listener));
    config.insert("port".into(), json!(serving.port));
    let check = &serving.health_check;
    config.insert(
        "health_check".into(),
        json!({
            "protocol": check.protocol, "path": check.path,
            "interval_seconds": check.interval_seconds, "timeout_seconds": check.timeout_seconds,
            "healthy_threshold": check.healthy_threshold, "unhealthy_threshold": check.unhealthy_threshold,
            "matcher": check.matcher,
        }),
    );
    config.extend(serving.drain_seconds.map(|seconds| ("drain_seconds".to_owned(), json!(seconds))));
    open.extend(group_is_other(serving));
    config.insert("product".into(), rule(*product, conditions, None));
    let before = (1..*product).rev().find(|priority| !taken.contains(priority));
    let priority = before.unwrap_or_else(|| {
        open.push(format!(
            "No priority before {product} is free, and QA's rule has to be looked at first: move the product rule, or another."
        ));
        product.saturating_sub(1).max(1)
    });
    let host = pre_product_host.map(str::to_owned).or_else(|| {
        let host = conditions.hosts.iter().find(|host| !host.contains(['*', '?']))?;
        open.push(format!(
            "QA's host is a guess (pre.{host}): it needs a DNS record and a certificate that covers it."
        ));
        Some(format!("pre.{host}"))
    });
    if host.is_none() {
        open.push("The rule has no host to derive QA's from: run this again with --pre-product-host.".to_owned());
    }
    config.insert("pre_product".into(), rule(priority, conditions, Some(host.as_deref().unwrap_or_default())));
    if !conditions.others.is_empty() {
        open.push(format!(
            "The rule has conditions that a service's rules cannot have ({}): they are left out.",
            conditions.others.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        ));
    }
    open.push(match owner {
        Owner::Stack(stack) => format!(
            "The rule belongs to the stack {stack}, whose next update would undo a switch: take it out of the template first, with DeletionPolicy: Retain before."
        ),
        Owner::NoStack => {
            "No stack of CloudFormation has the rule. Whether Terraform or another tool has it cannot be seen: take it out of there first.".to_owned()
        }
        Owner::Unseen(why) => format!(
            "Whether a stack of CloudFormation has the rule could not be seen ({}): its next update would undo a switch, as another tool's would. Take it out of there first.",
            why.trim_end_matches('.')
        ),
    });
    open.push(format!(
        "To have it adopted, once this config is in its place: tag the rule pointsman:service={service} and pointsman:rule=product ({}). The first promote makes {} what is retired, and never changes or deletes it.",
        serving.rule.arn,
        serving.group.name()
    ));
    (Value::Object(config), open)
}

/// What of the target group and its servers a config does not take over.
fn group_is_other(serving: &Serving) -> Vec<String> {
    let Serving { health_check: check, check_protocol, check_port, protocol_version, attributes, .. } = serving;
    let mut other = Vec::new();
    if !check_protocol.is_empty() && *check_protocol != check.protocol {
        other.push(format!(
            "The targets speak {}, and their check {check_protocol}: a service has one protocol for both, and the targets' was taken.",
            check.protocol
        ));
    }
    if let Some(port) = check_port {
        other.push(format!(
            "The check goes to port {port}: a service's goes to the port of its traffic, {}. Look whether {} answers there.",
            serving.port, check.path
        ));
    }
    if protocol_version != "HTTP1" {
        other.push(format!("The group speaks {protocol_version}: a service's groups speak HTTP1."));
    }
    if !attributes.is_empty() {
        let named: Vec<String> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        other.push(format!("The group has {}: a service's groups have not.", named.join(", ")));
    }
    match &serving.has_user_data {
        Ok(false) => {}
        Ok(true) => other.push(
            "The servers were launched with user data, which is not taken over, for it may be secret: put it into a parameter, and name that as user_data (ssm:/…)."
                .to_owned(),
        ),
        Err(why) => other.push(format!(
            "Whether the servers were launched with user data could not be seen ({}): if so, put it into a parameter, and name that as user_data (ssm:/…).",
            why.trim_end_matches('.')
        )),
    }
    other
}

fn rule(priority: u32, conditions: &Conditions, host: Option<&str>) -> Value {
    let mut rule = Map::from_iter([("priority".to_owned(), json!(priority))]);
    match host {
        Some(host) => {
            rule.insert("hosts".into(), json!([host]));
        }
        None if !conditions.hosts.is_empty() => {
            rule.insert("hosts".into(), json!(conditions.hosts));
        }
        None => {}
    }
    if !conditions.paths.is_empty() {
        rule.insert("paths".into(), json!(conditions.paths));
    }
    if !conditions.source_ips.is_empty() {
        rule.insert("source_ips".into(), json!(conditions.source_ips));
    }
    Value::Object(rule)
}
