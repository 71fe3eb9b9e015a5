//! The pool of elastic IPs, and who holds each.

use domain::id::{AllocationId, InstanceId};
use domain::world::{Address, Holder};

use crate::clients::Clients;
use crate::errors::{Trouble, sdk_error};

/// The addresses of the configured pool. One that does not exist is a fault of the config.
pub(crate) async fn pool(clients: &Clients, ids: &[AllocationId]) -> Result<Vec<Address>, Trouble> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let answer = clients
        .ec2
        .describe_addresses()
        .set_allocation_ids(Some(ids.iter().map(ToString::to_string).collect()))
        .send()
        .await
        .map_err(|error| sdk_error("ec2:DescribeAddresses", "", &error));
    let answer = match answer {
        Ok(answer) => answer,
        Err(error)
            if error.is(&["InvalidAllocationID.NotFound", "InvalidAddressID.NotFound", "InvalidAddress.NotFound"]) =>
        {
            return Err(Trouble::account(format!(
                "an elastic IP of elastic_ips does not exist: {}. Take it out of the config, or allocate another",
                error.message.trim_end_matches('.')
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let found: Vec<Address> = answer.addresses().iter().filter_map(address).collect();
    // In the config's order, so that the first free one is the same for every look.
    let in_order: Vec<Address> =
        ids.iter().filter_map(|id| found.iter().find(|address| address.id == *id).cloned()).collect();
    let missing: Vec<&str> =
        ids.iter().filter(|id| !in_order.iter().any(|address| address.id == **id)).map(AllocationId::as_str).collect();
    if missing.is_empty() {
        Ok(in_order)
    } else {
        Err(Trouble::account(format!(
            "elastic_ips names {}, which this account does not have here. Take them out of the config, or allocate others",
            missing.join(", ")
        )))
    }
}

fn address(address: &aws_sdk_ec2::types::Address) -> Option<Address> {
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let holder = given(address.instance_id()).map(|id| Holder::Instance(InstanceId::new(id))).or_else(|| {
        given(address.network_interface_id()).or_else(|| given(address.association_id())).map(Holder::Other)
    });
    Some(Address {
        id: AllocationId::new(address.allocation_id()?),
        ip: address.public_ip().unwrap_or_default().to_owned(),
        holder,
    })
}
