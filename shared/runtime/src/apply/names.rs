//! Steps on private-zone names.

use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use domain::world::Record;

use super::Applied;
use crate::clients::Clients;
use crate::errors::AwsError;

const CHANGE: &str = "route53:ChangeResourceRecordSets";

/// Changes one name from what was seen to what it is to be: the old one deleted exactly and the new one made, in one batch that
/// AWS carries out whole or not at all. `UPSERT` would write over what somebody else wrote since.
pub(super) async fn change(
    clients: &Clients,
    zone: &str,
    name: &str,
    from: Option<&Record>,
    to: Option<&Record>,
) -> Result<Applied, AwsError> {
    let resource = || format!("hosted zone {zone}");
    let wrong = |_| AwsError::incomplete(CHANGE, resource(), "record that AWS would take");
    let delete = from.map(|record| one(ChangeAction::Delete, name, record)).transpose().map_err(wrong)?;
    let create = to.map(|record| one(ChangeAction::Create, name, record)).transpose().map_err(wrong)?;
    let changes: Vec<Change> = [delete, create].into_iter().flatten().collect();
    if changes.is_empty() {
        return Ok(Applied::NotNeeded);
    }
    let batch = ChangeBatch::builder().set_changes(Some(changes)).comment("Pointsman").build().map_err(wrong)?;
    let answer = clients.route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await;
    match answer.map_err(|error| AwsError::new(CHANGE, resource(), &error)) {
        Ok(_) => Ok(Applied::Done),
        Err(error) if error.is(&["InvalidChangeBatch"]) => {
            Ok(Applied::look_again(format!("the name {name} is not what it was a moment ago: {}", error.message)))
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
