//! Steps on elastic IPs.

use domain::id::{AllocationId, InstanceId};

use super::Applied;
use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};

/// Gives an instance an address that nobody holds. AWS would take it from whoever does, unless told not to.
pub(crate) async fn associate(
    clients: &Clients,
    instance: &InstanceId,
    address: &AllocationId,
) -> Result<Applied, AwsError> {
    let answer = clients
        .ec2
        .associate_address()
        .instance_id(instance.as_str())
        .allocation_id(address.as_str())
        .allow_reassociation(false)
        .send()
        .await;
    match answer.map_err(|error| sdk_error("ec2:AssociateAddress", format!("{address} and {instance}"), &error)) {
        Ok(_) => Ok(Applied::Done),
        // Somebody took it since: another one is chosen. Or the instance does not run yet.
        Err(error) if error.is(&["Resource.AlreadyAssociated", "InvalidInstanceID", "InvalidInstanceID.NotFound"]) => {
            Ok(Applied::look_again(error.to_string()))
        }
        Err(error) => Err(error),
    }
}
