//! How often AWS lets an account call: token buckets, as its services have them. Off at first.
//!
//! Documented, that is read in AWS's pages:
//!
//! - Route 53 ("Throttling for Amazon Route 53 API requests"): a bucket of 50 for all calls of the account, refilled with 10 a
//!   second, and as much for each action.
//! - ELB ("Request throttling for the ELB API"): a bucket for all calls of the account, and one each for kinds of them; the one
//!   for reads holds 40 and is refilled with 10 a second.
//! - EC2 ("Request throttling for the Amazon EC2 API"): a bucket for each action, of 100 for most reads, refilled with 20 a
//!   second; and one more of resources for launches and terminations.
//!
//! Assumed, from memory: all other numbers. They are ELB's bucket of the account and those for changes and registrations; EC2's
//! for changes, launches, terminations, tags and reads that neither name nor filter; Parameter Store's 40 a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::{Request, request};

/// A bucket that a call takes tokens from.
struct Bucket {
    name: String,
    size: f64,
    per_second: f64,
    takes: f64,
}

impl Bucket {
    fn new(name: impl Into<String>, size: u32, per_second: u32) -> Self {
        Self { name: name.into(), size: size.into(), per_second: per_second.into(), takes: 1.0 }
    }

    fn takes(mut self, tokens: u32) -> Self {
        self.takes = tokens.into();
        self
    }
}

#[derive(Debug, Default)]
struct State {
    share: Option<f64>,
    /// The tokens in each bucket, and when they were counted.
    buckets: HashMap<String, (f64, Instant)>,
}

/// The limits in force. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<Mutex<State>>);

impl Limits {
    /// Limits calls as AWS does by default, from full buckets on. A share other than 1 makes the buckets and what fills them
    /// as much larger or smaller, though no bucket too small for a single call.
    pub fn set(&self, share: f64) {
        self.change(|state| *state = State { share: Some(share), buckets: HashMap::new() });
    }

    /// Limits nothing any more.
    pub fn clear(&self) {
        self.change(|state| *state = State::default());
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if let Ok(mut state) = self.0.lock() {
            change(&mut state);
        }
    }

    /// Takes a call's tokens. Where a bucket has too few, none are taken, and this is its name.
    pub(crate) fn exceeded(&self, request: &Request) -> Option<String> {
        let mut state = self.0.lock().ok()?;
        let share = state.share?;
        let (buckets, now) = (buckets(request), Instant::now());
        let mut left = Vec::new();
        for bucket in buckets {
            let size = (bucket.size * share).max(bucket.takes);
            let (tokens, since) = state.buckets.get(&bucket.name).copied().unwrap_or((size, now));
            let refilled = (now - since).as_secs_f64() * bucket.per_second * share;
            let tokens = (tokens + refilled).min(size) - bucket.takes;
            if tokens < 0.0 {
                return Some(bucket.name);
            }
            left.push((bucket.name, (tokens, now)));
        }
        state.buckets.extend(left);
        None
    }
}

/// The buckets of a call. What no function calls has none.
fn buckets(request: &Request) -> Vec<Bucket> {
    let (service, action) = (request.service.as_str(), request.action.as_str());
    let of_action = |size, per_second| Bucket::new(format!("{service} {action}"), size, per_second);
    let of_account = |what: &str, size, per_second| Bucket::new(format!("{service} {what}"), size, per_second);
    match (service, action) {
        ("ec2", "RunInstances") => {
            vec![of_action(5, 2), of_account("instances launched", 1000, 2).takes(instances(request))]
        }
        ("ec2", "TerminateInstances") => {
            vec![of_action(100, 5), of_account("instances terminated", 1000, 20).takes(instances(request))]
        }
        ("ec2", "CreateTags" | "DeleteTags") => vec![of_action(100, 10)],
        ("ec2", _) if request::mutates(request) => vec![of_action(50, 5)],
        // A read that neither names nor filters nor pages is dearer.
        ("ec2", _) if is_bare(request) => vec![of_action(50, 10)],
        ("ec2", _) => vec![of_action(100, 20)],
        ("elasticloadbalancing", "RegisterTargets" | "DeregisterTargets") => {
            vec![of_account("all calls", 40, 10), of_account("registrations", 20, 4)]
        }
        ("elasticloadbalancing", _) if request::mutates(request) => {
            vec![of_account("all calls", 40, 10), of_account("changes", 40, 3)]
        }
        ("elasticloadbalancing", _) => vec![of_account("all calls", 40, 10), of_account("reads", 40, 10)],
        ("route53", _) => vec![of_account("all calls", 50, 10), of_action(50, 10)],
        ("ssm", "GetParameter" | "GetParameters" | "GetParametersByPath") => vec![of_action(40, 40)],
        _ => Vec::new(),
    }
}

/// How many instances a call launches or terminates.
fn instances(request: &Request) -> u32 {
    let form = request.form();
    let asked = form.iter().find(|(key, _)| key == "MaxCount").and_then(|(_, count)| count.parse().ok());
    let named = form.iter().filter(|(key, _)| key.starts_with("InstanceId.")).count();
    asked.unwrap_or_else(|| u32::try_from(named).unwrap_or(u32::MAX))
}

fn is_bare(request: &Request) -> bool {
    request.form().iter().all(|(key, _)| matches!(key.as_str(), "Action" | "Version"))
}
