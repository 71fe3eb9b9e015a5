//! Steps on instances: launched, tagged, terminated.

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceStateName, InstanceType, ResourceType, Tag,
    TagSpecification,
};
use aws_smithy_types::base64;
use aws_smithy_types::timeout::TimeoutConfig;
use domain::id::InstanceId;
use domain::plan::Launch;
use domain::tags::Tags;

use super::{Applied, Hands};
use crate::clients::{Clients, OPERATION_TIMEOUT};
use crate::errors::{AwsError, sdk_error};
use crate::together;

const RUN: &str = "ec2:RunInstances";
const TAG: &str = "ec2:CreateTags";
const TERMINATE: &str = "ec2:TerminateInstances";
const NOT_FOUND: &[&str] = &["InvalidInstanceID.NotFound"];
/// Another subnet may have what this one lacks: capacity of its zone, the type in its zone, addresses. A quota holds for all
/// of them, and is met in each.
const NO_CAPACITY: &[&str] = &[
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientFreeAddressesInSubnet",
    "Unsupported",
    "VcpuLimitExceeded",
    "InstanceLimitExceeded",
];
/// The most instances that one call takes.
const BATCH: usize = 500;

/// One `RunInstances` call: all of them or none.
pub(crate) async fn launch(clients: &Clients, launch: &Launch) -> Result<Applied, AwsError> {
    let count = i32::try_from(launch.count).unwrap_or(i32::MAX);
    // The root volume is encrypted, and goes with its instance. Its size and type stay the AMI's.
    let root = BlockDeviceMapping::builder()
        .device_name(&launch.root_device)
        .ebs(EbsBlockDevice::builder().encrypted(true).delete_on_termination(true).build())
        .build();
    let metadata = InstanceMetadataOptionsRequest::builder()
        .http_tokens(HttpTokensState::Required)
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .build();
    let profile = launch.iam_instance_profile.as_ref().map(|profile| {
        let specification = IamInstanceProfileSpecification::builder();
        if profile.starts_with("arn:") { specification.arn(profile) } else { specification.name(profile) }.build()
    });
    let mut request = clients
        .ec2
        .run_instances()
        .client_token(&launch.token)
        .min_count(count)
        .max_count(count)
        .image_id(launch.image.as_str())
        .instance_type(InstanceType::from(launch.instance_type.as_str()))
        .subnet_id(launch.subnet.as_str())
        .set_security_group_ids(Some(launch.security_groups.clone()))
        .set_iam_instance_profile(profile)
        .set_key_name(launch.key_name.clone())
        .set_user_data(launch.user_data.as_ref().map(|data| base64::encode(&data.0)))
        .metadata_options(metadata)
        .block_device_mappings(root);
    // The interface too: an address goes to it alone if it is ours.
    for kind in [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface] {
        let tags = TagSpecification::builder().resource_type(kind).set_tags(Some(ec2_tags(&launch.tags))).build();
        request = request.tag_specifications(tags);
    }
    // A launch takes longer than other calls: one attempt gets all of the operation's time.
    let patient = TimeoutConfig::builder()
        .operation_attempt_timeout(OPERATION_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let patient = aws_sdk_ec2::config::Config::builder().timeout_config(patient);
    let answer = request.customize().config_override(patient).send().await;
    match answer.map_err(|error| sdk_error(RUN, launch.subnet.as_str(), &error)) {
        Ok(answer) if !answer.instances().is_empty() && answer.instances().iter().all(is_gone) => Ok(Applied::TornDown),
        Ok(_) => Ok(Applied::Done),
        Err(error) if error.is(NO_CAPACITY) => Ok(Applied::NoCapacity {
            subnet: launch.subnet.clone(),
            words: format!("{}: {}", launch.subnet, error.message.trim_end_matches('.')),
        }),
        // The same launch was sent before with other details, as another time in its tags: it is there already.
        Err(error) if error.is(&["IdempotentParameterMismatch"]) => {
            Ok(Applied::look_again(format!("{} instances were launched into {} before", launch.count, launch.subnet)))
        }
        Err(error) => Err(error),
    }
}

/// AWS answers a client token with the instances that it launched once, though they are terminated and their tags forgotten.
fn is_gone(instance: &aws_sdk_ec2::types::Instance) -> bool {
    let state = instance.state().and_then(|state| state.name());
    matches!(state, Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated))
}

fn ec2_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Writes tags on instances.
pub(crate) async fn tag(hands: &Hands<'_>, instances: &[InstanceId], tags: &Tags) -> Result<Applied, AwsError> {
    let clients = hands.clients;
    match tag_all(clients, instances, tags).await {
        Ok(()) => return Ok(Applied::Done),
        Err(error) if !error.is(NOT_FOUND) => return Err(error),
        Err(_) if !hands.allow_change() => return Ok(Applied::out_of_time()),
        Err(_) => {}
    }
    // One of them is gone, or not known yet: the others get their tags, and the next look says which.
    let each = together::all(instances.iter().map(|one| tag_all(clients, std::slice::from_ref(one), tags))).await;
    let mut unknown = Vec::new();
    for (instance, result) in instances.iter().zip(each) {
        match result {
            Ok(()) => {}
            Err(error) if error.is(NOT_FOUND) => unknown.push(instance.as_str()),
            Err(error) => return Err(error),
        }
    }
    Ok(Applied::look_again(format!("EC2 does not know {}", unknown.join(", "))))
}

async fn tag_all(clients: &Clients, instances: &[InstanceId], tags: &Tags) -> Result<(), AwsError> {
    for batch in instances.chunks(BATCH) {
        clients
            .ec2
            .create_tags()
            .set_resources(Some(batch.iter().map(ToString::to_string).collect()))
            .set_tags(Some(ec2_tags(tags)))
            .send()
            .await
            .map_err(|error| sdk_error(TAG, ids(batch), &error))?;
    }
    Ok(())
}

/// Terminates instances. One id that EC2 does not know any more would keep all the others running.
pub(crate) async fn terminate(hands: &Hands<'_>, instances: &[InstanceId]) -> Result<Applied, AwsError> {
    let clients = hands.clients;
    match terminate_all(clients, instances).await {
        Ok(()) => return Ok(Applied::Done),
        Err(error) if !error.is(NOT_FOUND) => return Err(error),
        Err(_) if !hands.allow_change() => return Ok(Applied::out_of_time()),
        Err(_) => {}
    }
    let each = together::all(instances.iter().map(|one| terminate_all(clients, std::slice::from_ref(one)))).await;
    for result in each {
        match result {
            Ok(()) => {}
            Err(error) if error.is(NOT_FOUND) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Applied::Done)
}

async fn terminate_all(clients: &Clients, instances: &[InstanceId]) -> Result<(), AwsError> {
    for batch in instances.chunks(BATCH) {
        clients
            .ec2
            .terminate_instances()
            .set_instance_ids(Some(batch.iter().map(ToString::to_string).collect()))
            .send()
            .await
            .map_err(|error| sdk_error(TERMINATE, ids(batch), &error))?;
    }
    Ok(())
}

fn ids(instances: &[InstanceId]) -> String {
    instances.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(", ")
}
