//! Steps on private-zone names.

use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use domain::plan::Step;
use domain::world::Record;

use super::Applied;
use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};

const CHANGE: &str = "route53:ChangeResourceRecordSets";

/// Changes names from what was seen to what they are to be: the old ones deleted exactly and the new ones made, in one batch
/// that AWS carries out whole or not at all. `UPSERT` would write over what somebody else wrote since.
pub(super) async fn change(clients: &Clients, zone: &str, steps: &[&Step]) -> Result<Applied, AwsError> {
    let resource = || format!("hosted zone {zone}");
    let wrong = |_| AwsError::incomplete(CHANGE, resource(), "record that AWS would take");
    let mut changes = Vec::new();
    for step in steps {
        let Step::ChangeName { zone: _, name, from, to } = step else { continue };
        for (action, record) in [(ChangeAction::Delete, from), (ChangeAction::Create, to)] {
            if let Some(record) = record {
                changes.push(one(action, name, record).map_err(wrong)?);
            }
        }
    }
    if changes.is_empty() {
        return Ok(Applied::NotNeeded);
    }
    let batch = ChangeBatch::builder().set_changes(Some(changes)).comment("Pointsman").build().map_err(wrong)?;
    let answer = clients.route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await;
    match answer.map_err(|error| sdk_error(CHANGE, resource(), &error)) {
        Ok(_) => Ok(Applied::Done),
        Err(error) if error.is(&["InvalidChangeBatch"]) => {
            Ok(Applied::look_again(format!("a name is not what it was a moment ago: {}", error.message)))
        }
        Err(error) => Err(error),
    }
}

fn one(
    action: ChangeAction,
    name: &str,
    record: &Record,
) -> Result<Change, aws_smithy_types::error::operation::BuildError> {
    let values: Result<Vec<_>, _> = record.ips.iter().map(|ip| ResourceRecord::builder().value(ip).build()).collect();
    let set = ResourceRecordSet::builder()
        .name(name)
        .r#type(RrType::A)
        .ttl(record.ttl_seconds)
        .set_resource_records(Some(values?))
        .build()?;
    Change::builder().action(action).resource_record_set(set).build()
}
