//! Which load balancers use a target group: moto remembers groups that were let go, and misses those of changed rules.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use super::shape;
use crate::Request;
use crate::aws::{Aws, AwsError};
use crate::forward::Upstream;
use crate::xml::Element;

/// Pages of one listing; an account has no more here.
const PAGES_MAX: usize = 100;

/// The load balancers of a region, their listeners and rules.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// The load balancers of each target group in use.
    pub(super) load_balancers: HashMap<String, BTreeSet<String>>,
    pub(crate) listeners: Vec<String>,
    pub(crate) rules: Vec<String>,
}

#[derive(Default)]
struct Known {
    /// Counts the changes, so that what was read before one is not kept after it.
    changes: u64,
    regions: HashMap<String, Arc<Usage>>,
}

/// What is known of each region, until something changes.
#[derive(Default)]
pub(crate) struct Usages(Mutex<Known>);

impl Usages {
    /// Forgets everything: something changed.
    pub(crate) fn forget(&self) {
        if let Ok(mut known) = self.0.lock() {
            known.changes += 1;
            known.regions.clear();
        }
    }

    /// Reads who uses what, from moto where it is not known.
    pub(crate) async fn of(&self, request: &Request, moto: &Upstream) -> Result<Arc<Usage>, AwsError> {
        let (changes, known) = match self.0.lock() {
            Ok(known) => (known.changes, known.regions.get(&request.region).map(Arc::clone)),
            Err(_) => (0, None),
        };
        if let Some(usage) = known {
            return Ok(usage);
        }
        let usage = Arc::new(read(&moto.aws(request)).await?);
        if let Ok(mut known) = self.0.lock()
            && known.changes == changes
        {
            known.regions.insert(request.region.clone(), Arc::clone(&usage));
        }
        Ok(usage)
    }
}

async fn read(aws: &Aws) -> Result<Usage, AwsError> {
    let mut usage = Usage::default();
    for balancer in pages(aws, "DescribeLoadBalancers", "LoadBalancers", &[]).await? {
        let balancer = balancer.text_of("LoadBalancerArn").to_owned();
        for listener in pages(aws, "DescribeListeners", "Listeners", &[("LoadBalancerArn", &balancer)]).await? {
            let listener = listener.text_of("ListenerArn").to_owned();
            // The default action is among the rules, as the default rule.
            for mut rule in pages(aws, "DescribeRules", "Rules", &[("ListenerArn", &listener)]).await? {
                shape::complete(&mut rule);
                for action in rule.items("Actions") {
                    let Some(forward) = action.child("ForwardConfig") else { continue };
                    for group in forward.items("TargetGroups") {
                        let arn = group.text_of("TargetGroupArn").to_owned();
                        usage.load_balancers.entry(arn).or_default().insert(balancer.clone());
                    }
                }
                usage.rules.push(rule.text_of("RuleArn").to_owned());
            }
            usage.listeners.push(listener);
        }
    }
    Ok(usage)
}

/// Reads a whole listing.
pub(super) async fn pages(
    aws: &Aws,
    action: &str,
    list: &str,
    parameters: &[(&str, &str)],
) -> Result<Vec<Element>, AwsError> {
    let mut all = Vec::new();
    let mut marker = String::new();
    for _ in 0..PAGES_MAX {
        let mut parameters = parameters.to_vec();
        if !marker.is_empty() {
            parameters.push(("Marker", &marker));
        }
        let answer = aws.query_xml("elasticloadbalancing", action, &parameters).await?;
        all.extend(answer.find(list).map(|list| list.children.clone()).unwrap_or_default());
        marker = answer.find("NextMarker").map(|marker| marker.text.clone()).unwrap_or_default();
        if marker.is_empty() {
            break;
        }
    }
    Ok(all)
}
