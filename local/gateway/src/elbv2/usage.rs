//! Which load balancers use a target group: moto remembers groups that were let go, and misses those of changed rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use super::shape;
use crate::Request;
use crate::aws::{Aws, AwsError};
use crate::forward::Upstream;
use crate::xml::Element;

/// Pages of one listing; an account has no more here.
const PAGES_MAX: usize = 100;

/// The most that AWS gives on one page.
const PAGE_SIZE: &str = "400";

/// The load balancers of a region, their listeners and rules.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// The load balancers of each target group in use.
    pub(super) load_balancers: HashMap<String, BTreeSet<String>>,
    pub(crate) listeners: Vec<String>,
    pub(crate) rules: Vec<String>,
}

/// One listener's rules, and the groups that they forward to.
#[derive(Debug, Default)]
struct Listener {
    load_balancer: String,
    rules: Vec<String>,
    groups: BTreeSet<String>,
}

/// What is known of one region; a listener whose rules changed has none.
#[derive(Clone, Default)]
struct Region {
    listeners: BTreeMap<String, Option<Arc<Listener>>>,
    usage: Option<Arc<Usage>>,
}

#[derive(Default)]
struct Known {
    /// Counts the changes, so that what was read before one is not kept after it.
    changes: u64,
    regions: HashMap<String, Region>,
}

/// What is known of each region, until something changes.
#[derive(Default)]
pub(crate) struct Usages(Mutex<Known>);

impl Usages {
    /// Forgets everything: load balancers or listeners changed.
    pub(crate) fn forget(&self) {
        if let Ok(mut known) = self.0.lock() {
            known.changes += 1;
            known.regions.clear();
        }
    }

    /// Forgets one listener's rules, so that a change does not cost a look at all the others.
    pub(super) fn forget_listener(&self, region: &str, listener: &str) {
        if let Ok(mut known) = self.0.lock() {
            known.changes += 1;
            if let Some(region) = known.regions.get_mut(region) {
                region.usage = None;
                region.listeners.insert(listener.to_owned(), None);
            }
        }
    }

    /// Reads who uses what, from moto where it is not known.
    pub(crate) async fn of(&self, request: &Request, moto: &Upstream) -> Result<Arc<Usage>, AwsError> {
        let (changes, known) = match self.0.lock() {
            Ok(known) => (known.changes, known.regions.get(&request.region).cloned()),
            Err(_) => (0, None),
        };
        if let Some(usage) = known.as_ref().and_then(|region| region.usage.as_ref()) {
            return Ok(Arc::clone(usage));
        }
        let aws = moto.aws(request);
        let mut listeners = match known {
            Some(region) => region.listeners,
            None => all_listeners(&aws).await?,
        };
        for (arn, listener) in &mut listeners {
            if listener.is_none() {
                *listener = Some(Arc::new(read(&aws, arn).await?));
            }
        }
        let usage = Arc::new(summed(&listeners));
        if let Ok(mut known) = self.0.lock()
            && known.changes == changes
        {
            let region = Region { listeners, usage: Some(Arc::clone(&usage)) };
            known.regions.insert(request.region.clone(), region);
        }
        Ok(usage)
    }
}

async fn all_listeners(aws: &Aws) -> Result<BTreeMap<String, Option<Arc<Listener>>>, AwsError> {
    let mut listeners = BTreeMap::new();
    for balancer in pages(aws, "DescribeLoadBalancers", "LoadBalancers", &[]).await? {
        let of_balancer = [("LoadBalancerArn", balancer.text_of("LoadBalancerArn"))];
        for listener in pages(aws, "DescribeListeners", "Listeners", &of_balancer).await? {
            listeners.insert(listener.text_of("ListenerArn").to_owned(), None);
        }
    }
    Ok(listeners)
}

async fn read(aws: &Aws, arn: &str) -> Result<Listener, AwsError> {
    let mut listener = Listener { load_balancer: load_balancer_of(arn), ..Listener::default() };
    // The default action is among the rules, as the default rule.
    let parameters = [("ListenerArn", arn), ("PageSize", PAGE_SIZE)];
    for mut rule in pages(aws, "DescribeRules", "Rules", &parameters).await? {
        listener.rules.push(rule.text_of("RuleArn").to_owned());
        shape::complete(&mut rule);
        for forward in rule.items("Actions").iter().filter_map(|action| action.child("ForwardConfig")) {
            let groups = forward.items("TargetGroups").iter();
            listener.groups.extend(groups.map(|group| group.text_of("TargetGroupArn").to_owned()));
        }
    }
    Ok(listener)
}

fn summed(listeners: &BTreeMap<String, Option<Arc<Listener>>>) -> Usage {
    let mut usage = Usage::default();
    for (arn, listener) in listeners {
        usage.listeners.push(arn.clone());
        for listener in listener.iter() {
            usage.rules.extend(listener.rules.iter().cloned());
            for group in &listener.groups {
                usage.load_balancers.entry(group.clone()).or_default().insert(listener.load_balancer.clone());
            }
        }
    }
    usage
}

/// The load balancer of a listener, by its ARN.
fn load_balancer_of(listener: &str) -> String {
    let balancer = listener.replace(":listener/", ":loadbalancer/");
    balancer.rsplit_once('/').map(|(balancer, _)| balancer.to_owned()).unwrap_or(balancer)
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
