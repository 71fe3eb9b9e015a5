//! Instances and how far they have come, from EC2 and from SSM.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, InstanceStateName, SummaryStatus};
use aws_sdk_ssm::types::{InstanceInformationStringFilter, PingStatus};
use domain::config::ReadyWhen;
use domain::id::{InstanceId, ReleaseId, ServiceName, SubnetId};
use domain::tags::{self, Tags};
use domain::world::{Instance, InstanceState, Readiness};

use super::PAGES;
use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};
use crate::patience;

const DESCRIBE: &str = "ec2:DescribeInstances";
/// How many instances a page holds; the most that EC2 gives.
const PAGE: i32 = 1000;
/// How many instances one call about their state may name.
const BATCH: usize = 50;

/// A service's instances in any state: terminated ones say what was, while AWS remembers them.
pub(crate) async fn of_service(clients: &Clients, service: &ServiceName) -> Result<Vec<Instance>, AwsError> {
    tagged(clients, tags::SERVICE, service.as_str()).await
}

/// The instances of a release, whatever service it is of: a pipeline's event names no more than its execution.
pub(crate) async fn of_release(clients: &Clients, release: &ReleaseId) -> Result<Vec<Instance>, AwsError> {
    tagged(clients, tags::RELEASE, release.as_str()).await
}

async fn tagged(clients: &Clients, key: &str, value: &str) -> Result<Vec<Instance>, AwsError> {
    let filter = Filter::builder().name(format!("tag:{key}")).values(value).build();
    let (mut instances, mut token) = (Vec::new(), None);
    for _ in 0..PAGES {
        let ask = clients.ec2.describe_instances().filters(filter.clone()).max_results(PAGE).set_next_token(token);
        let page = patience::read(clients, DESCRIBE, "", || ask.clone().send()).await?;
        instances.extend(page.reservations().iter().flat_map(|r| r.instances()).filter_map(instance));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    // EC2 promises no order; plans and logs read better with one.
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(instances)
}

fn instance(instance: &aws_sdk_ec2::types::Instance) -> Option<Instance> {
    let id = InstanceId::new(instance.instance_id()?);
    let state = state(instance.state().and_then(|state| state.name()));
    // A terminated instance has neither; what is remembered of them would mislead.
    let lives = state != InstanceState::Terminated;
    Some(Instance {
        id,
        state,
        subnet: instance.subnet_id().filter(|_| lives).map(SubnetId::new),
        private_ip: instance.private_ip_address().filter(|ip| lives && !ip.is_empty()).map(str::to_owned),
        tags: ec2_tags(instance.tags()),
        readiness: Readiness::default(),
    })
}

fn state(state: Option<&InstanceStateName>) -> InstanceState {
    match state {
        Some(InstanceStateName::Pending) => InstanceState::Pending,
        Some(InstanceStateName::Running) => InstanceState::Running,
        Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated) => InstanceState::Terminated,
        // Stopping, stopped, and what AWS may add: it serves nobody.
        _ => InstanceState::Stopped,
    }
}

fn ec2_tags(tags: &[aws_sdk_ec2::types::Tag]) -> Tags {
    tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

/// How far running instances have come, as far as `ready_when` asks.
pub(crate) async fn readiness(
    clients: &Clients,
    instances: &[&Instance],
    ready_when: ReadyWhen,
) -> Result<BTreeMap<InstanceId, Readiness>, AwsError> {
    let mut ready = BTreeMap::new();
    for batch in instances.chunks(BATCH) {
        let ids = batch.iter().map(|instance| instance.id.to_string()).collect::<Vec<_>>();
        match ready_when {
            ReadyWhen::Running => {}
            ReadyWhen::StatusOk => ready.extend(status_ok(clients, ids).await?),
            ReadyWhen::SsmOnline => ready.extend(ssm_online(clients, ids).await?),
        }
    }
    Ok(ready)
}

async fn status_ok(clients: &Clients, ids: Vec<String>) -> Result<BTreeMap<InstanceId, Readiness>, AwsError> {
    let answer = clients.ec2.describe_instance_status().set_instance_ids(Some(ids)).send().await;
    let answer = match answer.map_err(|error| sdk_error("ec2:DescribeInstanceStatus", "", &error)) {
        Ok(answer) => answer,
        // A new instance is not known everywhere at once: nobody is ready yet.
        Err(error) if error.is(&["InvalidInstanceID.NotFound"]) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let ok = |status: Option<&SummaryStatus>| status == Some(&SummaryStatus::Ok);
    let ready = answer.instance_statuses().iter().filter_map(|status| {
        let status_ok = ok(status.instance_status().and_then(|s| s.status()))
            && ok(status.system_status().and_then(|s| s.status()));
        Some((InstanceId::new(status.instance_id()?), Readiness { status_ok, ssm_online: false }))
    });
    Ok(ready.collect())
}

async fn ssm_online(clients: &Clients, ids: Vec<String>) -> Result<BTreeMap<InstanceId, Readiness>, AwsError> {
    let action = "ssm:DescribeInstanceInformation";
    let filter = InstanceInformationStringFilter::builder().key("InstanceIds").set_values(Some(ids)).build();
    let filter = filter.map_err(|_| AwsError::incomplete(action, "", "filter"))?;
    let answer = clients
        .ssm
        .describe_instance_information()
        .filters(filter)
        .max_results(50)
        .send()
        .await
        .map_err(|error| sdk_error(action, "", &error))?;
    let online = answer.instance_information_list().iter().filter_map(|agent| {
        let ssm_online = agent.ping_status() == Some(&PingStatus::Online);
        Some((InstanceId::new(agent.instance_id()?), Readiness { status_ok: false, ssm_online }))
    });
    Ok(online.collect())
}

/// Writes how far they have come onto the instances.
pub(super) fn make_ready(instances: &mut [Instance], ready: &BTreeMap<InstanceId, Readiness>) {
    for instance in instances {
        if let Some(readiness) = ready.get(&instance.id) {
            instance.readiness = *readiness;
        }
    }
}
