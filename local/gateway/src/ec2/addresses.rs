//! Elastic IPs: taken from whoever holds them unless that is forbidden, and given back by a terminated instance.

use super::{list, value};
use crate::aws::{Aws, AwsError};
use crate::forward::Upstream;
use crate::{Request, Response};

pub(super) async fn associate(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    let mut form = request.form();
    let aws = moto.aws(request);
    let Some(instance) = value(&form, "InstanceId").map(str::to_owned) else {
        return Ok(moto.send(request).await);
    };
    let described = aws.query_xml("ec2", "DescribeInstances", &[("InstanceId.1", &instance)]).await?;
    let state = described.find("instanceState").map_or("", |state| state.text_of("name"));
    if !matches!(state, "running" | "stopped" | "stopping") {
        let message = format!("The {state} instance '{instance}' is not in a valid state for this operation.");
        return Ok(Response::error(request, 400, "InvalidInstanceID", &message));
    }
    if value(&form, "AllowReassociation").is_some() {
        return Ok(moto.send(request).await);
    }
    // AWS takes the address from its holder by default; moto has to be told, and to forget the holder first.
    if let Some(allocation) = value(&form, "AllocationId") {
        let address = aws.query_xml("ec2", "DescribeAddresses", &[("AllocationId.1", allocation)]).await?;
        let holder = address.find("instanceId").map_or("", |holder| &holder.text);
        if !holder.is_empty() && holder != instance {
            disassociate(&aws, &[holder]).await?;
        }
    }
    form.push(("AllowReassociation".to_owned(), "true".to_owned()));
    Ok(moto.send(&request.with_form(&form)).await)
}

/// Releases an address; one that is associated is refused.
pub(super) async fn release(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    let form = request.form();
    if let Some(allocation) = value(&form, "AllocationId") {
        let described =
            moto.aws(request).query_xml("ec2", "DescribeAddresses", &[("AllocationId.1", allocation)]).await?;
        if let Some(address) =
            described.items("addressesSet").first().filter(|address| !address.text_of("associationId").is_empty())
        {
            let message = format!("Address {} is in use.", address.text_of("publicIp"));
            return Ok(Response::error(request, 400, "InvalidIPAddress.InUse", &message));
        }
    }
    Ok(moto.send(request).await)
}

/// Terminates, and frees the addresses of what is terminated, which moto leaves with it.
pub(super) async fn terminate(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    let response = moto.send(request).await;
    if response.status.is_success() {
        let form = request.form();
        disassociate(&moto.aws(request), &list(&form, "InstanceId")).await?;
    }
    Ok(response)
}

async fn disassociate(aws: &Aws, instances: &[&str]) -> Result<(), AwsError> {
    let addresses = aws.query_xml("ec2", "DescribeAddresses", &[]).await?;
    for address in addresses.items("addressesSet") {
        if instances.contains(&address.text_of("instanceId")) {
            aws.query("ec2", "DisassociateAddress", &[("AssociationId", address.text_of("associationId"))]).await?;
        }
    }
    Ok(())
}
