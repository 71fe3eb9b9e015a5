//! The example's service, with this account's ids in the places of the example's, at the pace of one machine.

use std::path::Path;

use serde_json::{Value, json};

use crate::account::Account;
use crate::trouble::{Result, While};

/// The example that the local stack runs.
pub const EXAMPLE: &str = "examples/mobile-web";

/// How long a rule change is given to reach every node of a load balancer. Here there is one node, and it reaches it
/// within a second.
pub const SETTLE_SECONDS: u32 = 1;
/// How long requests that are under way may take. The example's take milliseconds.
pub const DRAIN_SECONDS: u32 = 2;

/// Reads `service.json` of the example.
///
/// # Errors
///
/// Where it is not there, or no JSON.
pub fn example(repository: &Path) -> Result<Value> {
    let path = repository.join(EXAMPLE).join("service.json");
    let text = std::fs::read_to_string(&path).when(path.display())?;
    serde_json::from_str(&text).when(path.display())
}

/// The config of a service in this account. All that is not the account's or the pace is as the example has it.
#[must_use]
pub fn in_account(example: &Value, account: &Account) -> Value {
    let mut config = example.clone();
    let subnets: Vec<&str> = account.subnets.iter().map(|subnet| subnet.id.as_str()).collect();
    let mut set = |pointer: &str, value: Value| {
        if let Some(place) = config.pointer_mut(pointer) {
            *place = value;
        }
    };
    set("/subnets", json!(subnets));
    set("/ami", json!(account.ami));
    set("/security_groups", json!([account.security_group]));
    set("/iam_instance_profile", json!(account.instance_profile));
    set("/key_name", json!(account.key_name));
    set("/elastic_ips", json!(account.elastic_ips));
    set("/listener_arn", json!(account.listener_arn));
    set("/dns/zone_id", json!(account.zone_id));
    // Requests come from this machine.
    set("/pre_product/source_ips", json!(["127.0.0.0/8"]));
    set("/drain_seconds", json!(DRAIN_SECONDS));
    if let Some(config) = config.as_object_mut() {
        config.insert("settle_seconds".to_owned(), json!(SETTLE_SECONDS));
    }
    config
}

/// The variable that holds a service's config: `SERVICE_MOBILE_WEB` is `mobile-web`.
#[must_use]
pub fn variable(service: &str) -> String {
    format!("SERVICE_{}", service.to_uppercase().replace('-', "_"))
}

/// The first host of one of a service's two rules.
#[must_use]
pub fn host(config: &Value, rule: &str) -> String {
    config.get(rule).and_then(|rule| rule.pointer("/hosts/0")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The same config for another service beside the first: hosts, names and priorities of its own.
#[must_use]
pub fn apart(mut config: Value, name: &str, number: u32) -> Value {
    let mut set = |pointer: &str, value: Value| {
        if let Some(place) = config.pointer_mut(pointer) {
            *place = value;
        }
    };
    set("/product/hosts", json!([format!("{name}.example.com")]));
    set("/pre_product/hosts", json!([format!("pre.{name}.example.com")]));
    set("/product/priority", json!(number * 100 + 20));
    set("/pre_product/priority", json!(number * 100 + 10));
    set("/dns/product", json!(format!("{name}.corp.internal")));
    set("/dns/pre_product", json!(format!("pre-{name}.corp.internal")));
    config
}
