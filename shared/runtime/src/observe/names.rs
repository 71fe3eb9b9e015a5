//! The private-zone names, as they stand.

use aws_sdk_route53::types::{ResourceRecordSet, RrType};
use domain::config::Dns;
use domain::world::Record;

use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};

const LIST: &str = "route53:ListResourceRecordSets";
/// One page of a zone. Both names of a service are in it, as a rule: they sort near each other.
const PAGE: i32 = 100;

/// The A record of each configured name, or why it could not be read.
pub(crate) async fn all(clients: &Clients, dns: Option<&Dns>) -> Vec<(String, Result<Option<Record>, AwsError>)> {
    let Some(dns) = dns else { return Vec::new() };
    let mut names: Vec<&String> = [&dns.product, &dns.pre_product].into_iter().flatten().collect();
    names.sort_by_key(|name| name.rsplit('.').collect::<Vec<_>>());
    let Some((first, rest)) = names.split_first() else { return Vec::new() };
    let page = match page(clients, &dns.zone_id, first).await {
        Ok(page) => page,
        Err(error) => return names.into_iter().map(|name| (name.clone(), Err(error.clone()))).collect(),
    };
    let mut all = vec![((*first).clone(), Ok(page.find(first)))];
    for name in rest {
        let record = match page.find(name) {
            None if page.is_truncated => self::page(clients, &dns.zone_id, name).await.map(|page| page.find(name)),
            found => Ok(found),
        };
        all.push(((*name).clone(), record));
    }
    all
}

/// A part of a zone.
struct Page {
    sets: Vec<ResourceRecordSet>,
    is_truncated: bool,
}

impl Page {
    fn find(&self, name: &str) -> Option<Record> {
        self.sets.iter().find(|set| is_plain_address(set, name)).map(record)
    }
}

/// The zone from a name on, in Route 53's order: by the labels from the last to the first.
async fn page(clients: &Clients, zone: &str, name: &str) -> Result<Page, AwsError> {
    let answer = clients
        .route53
        .list_resource_record_sets()
        .hosted_zone_id(zone)
        .start_record_name(name)
        .start_record_type(RrType::A)
        .max_items(PAGE)
        .send()
        .await
        .map_err(|error| sdk_error(LIST, format!("hosted zone {zone}"), &error))?;
    Ok(Page { is_truncated: answer.is_truncated(), sets: answer.resource_record_sets })
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
