//! The listener and its load balancer, remembered for a while: they hardly ever change.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types;
use domain::id::ListenerArn;
use domain::world::Listener;
use tokio::time::Instant;

use crate::clients::Clients;
use crate::errors::Trouble;
use crate::patience;

const LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const BALANCERS: &str = "elasticloadbalancing:DescribeLoadBalancers";
/// How long a warm process believes what it read.
const BELIEVED: Duration = Duration::from_secs(5 * 60);

/// The listeners that this process has read.
#[derive(Debug, Default)]
pub(crate) struct ListenerCache(Mutex<HashMap<ListenerArn, (Instant, Listener)>>);

impl ListenerCache {
    /// Reads a listener and its load balancer, or gives what was read lately.
    pub async fn look(&self, clients: &Clients, arn: &ListenerArn) -> Result<Listener, Trouble> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(arn).cloned();
        if let Some((_, listener)) = known.filter(|(read, _)| read.elapsed() < BELIEVED) {
            return Ok(listener);
        }
        let listener = look(clients, arn).await?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(arn.clone(), (Instant::now(), listener.clone()));
        Ok(listener)
    }
}

async fn look(clients: &Clients, arn: &ListenerArn) -> Result<Listener, Trouble> {
    // The load balancer's ARN can be read off the listener's, so both are asked at once.
    let (listener, balancer) = match arn.load_balancer() {
        Some(balancer_arn) => {
            let (listener, balancer) =
                tokio::join!(describe_listener(clients, arn), describe_balancer(clients, &balancer_arn));
            (listener?, balancer?)
        }
        None => {
            let listener = describe_listener(clients, arn).await?;
            let balancer = describe_balancer(clients, listener.load_balancer_arn().unwrap_or_default()).await?;
            (listener, balancer)
        }
    };
    Ok(Listener {
        arn: arn.clone(),
        protocol: listener.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
        port: listener.port().and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        dns_name: balancer.dns_name().unwrap_or_default().to_owned(),
        vpc: balancer.vpc_id().unwrap_or_default().to_owned(),
        zones: balancer.availability_zones().iter().filter_map(|zone| zone.zone_name().map(str::to_owned)).collect(),
    })
}

async fn describe_listener(clients: &Clients, arn: &ListenerArn) -> Result<types::Listener, Trouble> {
    let ask = clients.elb.describe_listeners().listener_arns(arn.as_str());
    let listeners = match patience::read(clients, LISTENERS, arn.as_str(), || ask.clone().send()).await {
        Ok(answer) => answer.listeners.unwrap_or_default(),
        Err(error) if error.is(&["ListenerNotFound"]) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let listener = listeners.into_iter().next();
    listener.ok_or_else(|| Trouble::account(format!("listener {arn} does not exist. Look at listener_arn")))
}

async fn describe_balancer(clients: &Clients, arn: &str) -> Result<types::LoadBalancer, Trouble> {
    let ask = clients.elb.describe_load_balancers().load_balancer_arns(arn);
    let balancers = match patience::read(clients, BALANCERS, arn, || ask.clone().send()).await {
        Ok(answer) => answer.load_balancers.unwrap_or_default(),
        Err(error) if error.is(&["LoadBalancerNotFound"]) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let balancer = balancers.into_iter().next();
    balancer.ok_or_else(|| {
        Trouble::account(format!("the listener's load balancer {arn} does not exist. Look at listener_arn"))
    })
}
