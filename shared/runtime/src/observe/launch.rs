//! What a launch needs to know: subnets, AMI, user data. Faults of these are the plan's to refuse, in its words.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, ImageState};
use domain::config::{Ami, Service, UserData};
use domain::id::{ImageId, SubnetId};
use domain::world::{Image, LaunchFacts, Secret, Subnet};

use crate::clients::Clients;
use crate::errors::{AwsError, Kind, sdk_error};

const GET_PARAMETER: &str = "ssm:GetParameter";

/// Reads them side by side.
pub(crate) async fn facts(clients: &Clients, service: &Service, ami: &Ami) -> Result<LaunchFacts, AwsError> {
    let (subnets, image, user_data) = tokio::join!(
        subnets(clients, &service.subnets),
        image(clients, ami),
        user_data(clients, service.user_data.as_ref()),
    );
    Ok(LaunchFacts { subnets: subnets?, image: image?, user_data: user_data? })
}

/// The subnets that exist: asked by filter, for naming one that does not would fail the call.
async fn subnets(clients: &Clients, ids: &[SubnetId]) -> Result<BTreeMap<SubnetId, Subnet>, AwsError> {
    let ids = ids.iter().map(ToString::to_string).collect();
    let filter = Filter::builder().name("subnet-id").set_values(Some(ids)).build();
    let answer = clients
        .ec2
        .describe_subnets()
        .filters(filter)
        .send()
        .await
        .map_err(|error| sdk_error("ec2:DescribeSubnets", "", &error))?;
    let subnet = |subnet: &aws_sdk_ec2::types::Subnet| {
        let facts = Subnet {
            vpc: subnet.vpc_id().unwrap_or_default().to_owned(),
            zone: subnet.availability_zone().unwrap_or_default().to_owned(),
        };
        Some((SubnetId::new(subnet.subnet_id()?), facts))
    };
    Ok(answer.subnets().iter().filter_map(subnet).collect())
}

async fn image(clients: &Clients, ami: &Ami) -> Result<Result<Image, String>, AwsError> {
    let id = match ami {
        Ami::Id(id) => id.clone(),
        Ami::Ssm(name) => match parameter(clients, name).await? {
            Ok(id) => id.trim().to_owned(),
            Err(why) => return Ok(Err(format!("the AMI resolve:ssm:{name} is not known: {why}"))),
        },
    };
    let answer = clients.ec2.describe_images().image_ids(&id).send().await;
    let answer = match answer.map_err(|error| sdk_error("ec2:DescribeImages", id.as_str(), &error)) {
        Ok(answer) => answer,
        Err(error) if matches!(error.kind, Kind::NotThere) || error.is(&["InvalidAMIID.Unavailable"]) => {
            return Ok(Err(format!("the AMI {id} does not exist here, or is not shared with this account")));
        }
        Err(error) => return Err(error),
    };
    let Some(image) = answer.images().first() else {
        return Ok(Err(format!("the AMI {id} does not exist here, or is not shared with this account")));
    };
    if let Some(state) = image.state().filter(|state| **state != ImageState::Available) {
        return Ok(Err(format!("the AMI {id} is {}", state.as_str())));
    }
    Ok(match image.root_device_name().filter(|name| !name.is_empty()) {
        Some(root_device) => Ok(Image { id: ImageId::new(id), root_device: root_device.to_owned() }),
        None => Err(format!("the AMI {id} names no root device, whose volume would be encrypted")),
    })
}

async fn user_data(
    clients: &Clients,
    user_data: Option<&UserData>,
) -> Result<Result<Option<Secret>, String>, AwsError> {
    Ok(match user_data {
        None => Ok(None),
        Some(UserData::Text(text)) => Ok(Some(text.clone())),
        Some(UserData::Ssm(name)) => match parameter(clients, name).await? {
            Ok(text) => Ok(Some(Secret(text))),
            Err(why) => Err(format!("the user data ssm:{name} is not known: {why}")),
        },
    })
}

/// An SSM parameter's value, decrypted; or why there is none.
async fn parameter(clients: &Clients, name: &str) -> Result<Result<String, String>, AwsError> {
    let answer = clients.ssm.get_parameter().name(name).with_decryption(true).send().await;
    match answer.map_err(|error| sdk_error(GET_PARAMETER, name, &error)) {
        Ok(answer) => Ok(answer
            .parameter
            .and_then(|parameter| parameter.value)
            .ok_or_else(|| format!("the parameter {name} has no value"))),
        Err(error) if error.is(&["ParameterNotFound", "ParameterVersionNotFound"]) => {
            Ok(Err(format!("there is no parameter {name}")))
        }
        Err(error) => Err(error),
    }
}
