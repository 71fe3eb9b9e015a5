//! A service's config written from what serves it now.

use std::collections::BTreeSet;

use domain::id::ListenerArn;
use domain::world::Conditions;
use serde_json::{Map, Value, json};

/// What serves behind a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Serving {
    pub listener: ListenerArn,
    pub rule: String,
    pub priority: u32,
    pub conditions: Conditions,
    /// Priorities of all rules of the listener.
    pub taken: BTreeSet<u32>,
    pub group: String,
    pub protocol: String,
    pub port: u16,
    /// Path, interval, timeout, healthy and unhealthy threshold, matcher.
    pub health_check: (String, u32, u32, u32, u32, String),
    pub servers: Vec<Server>,
}

/// A server of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub ami: String,
    pub instance_type: String,
    pub subnet: String,
    pub security_groups: Vec<String>,
    /// The ARN of its instance profile.
    pub profile: Option<String>,
    pub key_name: Option<String>,
}

/// The config, and what a person still has to decide, a sentence each.
#[must_use]
pub fn config(serving: &Serving, pre_product_host: Option<&str>) -> (Value, Vec<String>) {
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
    let (path, interval, timeout, healthy, unhealthy, matcher) = &serving.health_check;
    config.insert(
        "health_check".into(),
        json!({
            "protocol": serving.protocol, "path": path, "interval_seconds": interval, "timeout_seconds": timeout,
            "healthy_threshold": healthy, "unhealthy_threshold": unhealthy, "matcher": matcher,
        }),
    );
    config.insert("product".into(), rule(serving.priority, &serving.conditions, None));
    let before = (1..serving.priority).rev().find(|priority| !serving.taken.contains(priority));
    let priority = before.unwrap_or_else(|| {
        open.push(format!(
            "No priority before {} is free, and QA's rule has to be looked at first: move the product rule, or another.",
            serving.priority
        ));
        serving.priority.saturating_sub(1).max(1)
    });
    let host = pre_product_host.map(str::to_owned).or_else(|| {
        let host = serving.conditions.hosts.iter().find(|host| !host.contains(['*', '?']))?;
        open.push(format!(
            "QA's host is a guess (pre.{host}): it needs a DNS record and a certificate that covers it."
        ));
        Some(format!("pre.{host}"))
    });
    if host.is_none() {
        open.push("The rule has no host to derive QA's from: run this again with --pre-product-host.".to_owned());
    }
    config.insert("pre_product".into(), rule(priority, &serving.conditions, Some(host.as_deref().unwrap_or_default())));
    if !serving.conditions.others.is_empty() {
        open.push(format!(
            "The rule has conditions that a service's rules cannot have ({}): they are left out.",
            serving.conditions.others.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        ));
    }
    open.push(format!(
        "To have it adopted: take the rule out of its stack (DeletionPolicy: Retain), tag it pointsman:service=<name> and pointsman:rule=product ({}). The first promote makes {} what is retired, and never changes or deletes it.",
        serving.rule, serving.group
    ));
    (Value::Object(config), open)
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
