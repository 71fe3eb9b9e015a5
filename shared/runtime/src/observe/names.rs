//! The private-zone names, as they stand.

use aws_sdk_route53::types::{ResourceRecordSet, RrType};
use domain::config::Dns;
use domain::world::Record;

use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};
use crate::together;

const LIST: &str = "route53:ListResourceRecordSets";
/// The list starts at the name that is asked for; more than its first entry is only for lists that order otherwise.
const FIRST_FEW: i32 = 5;

/// The A record of each configured name, or why it could not be read.
pub(super) async fn all(clients: &Clients, dns: Option<&Dns>) -> Vec<(String, Result<Option<Record>, AwsError>)> {
    let Some(dns) = dns else { return Vec::new() };
    let names = [&dns.product, &dns.pre_product].into_iter().flatten();
    together::all(names.map(|name| async { (name.clone(), one(clients, &dns.zone_id, name).await) })).await
}

async fn one(clients: &Clients, zone: &str, name: &str) -> Result<Option<Record>, AwsError> {
    let answer = clients
        .route53
        .list_resource_record_sets()
        .hosted_zone_id(zone)
        .start_record_name(name)
        .start_record_type(RrType::A)
        .max_items(FIRST_FEW)
        .send()
        .await
        .map_err(|error| sdk_error(LIST, format!("hosted zone {zone}"), &error))?;
    Ok(answer.resource_record_sets().iter().find(|set| is_plain_address(set, name)).map(record))
}

/// Whether a record set is the name's A record, without routing policy and without alias: those are not ours.
fn is_plain_address(set: &ResourceRecordSet, name: &str) -> bool {
    canonical(set.name()) == canonical(name)
        && *set.r#type() == RrType::A
        && set.set_identifier().is_none()
        && set.alias_target().is_none()
}

/// A name as Route 53 compares it: lower-case, without the dot at its end, its escapes resolved as far as we write any.
fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_lowercase().replace("\\052", "*")
}

fn record(set: &ResourceRecordSet) -> Record {
    Record {
        ips: set.resource_records().iter().map(|record| record.value().to_owned()).collect(),
        ttl_seconds: set.ttl().unwrap_or_default(),
    }
}
