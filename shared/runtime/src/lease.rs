//! The lease of a service: one change at a time, whoever calls.
//!
//! An item of the lease table, written under a condition. Beside the holder it keeps what was told lately and could be
//! remembered on no resource of ours.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::id::ServiceName;
use domain::refusal::Hold;
use domain::time::Time;
use tokio::time::Instant;

use crate::clients::Clients;
use crate::deadline::{CHANGE_NEEDS, now};
use crate::errors::{AwsError, sdk_error};
use crate::hold;

/// How long a lease stands: longer than a function runs, so that whoever holds it is stopped before it ends.
const LEASE_SECONDS: i64 = 75;
/// How long a lease stands on when its call made something that reads do not show yet: as long as they lag.
const MOMENT_SECONDS: i64 = 5;
/// How far the clocks of two callers may be apart.
pub(crate) const CLOCKS_APART_SECONDS: i64 = 2;
/// How long what was told is remembered, and how long an idle service's item stays before the table's TTL may take it.
pub(crate) const REMEMBERED_SECONDS: i64 = 24 * 60 * 60;

pub(crate) const UPDATE: &str = "dynamodb:UpdateItem";
/// What DynamoDB says where a write's condition does not hold.
pub(crate) const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// What came of asking for a service's lease.
pub(crate) enum Taken {
    /// It is this call's.
    Lease(Lease),
    /// Another call has it.
    Busy,
    /// A person holds the service.
    Held(Hold),
}

/// A lease that this call holds.
#[derive(Debug)]
pub(crate) struct Lease {
    table: String,
    service: ServiceName,
    /// Random for each taking: Lambda's own retries keep the request id.
    owner: String,
    ends: Instant,
    held_on: bool,
    told: Mutex<BTreeMap<String, Time>>,
}

impl Lease {
    /// Takes a service's lease, unless another call has it or a person holds the service.
    pub async fn take(clients: &Clients, table: &str, service: &ServiceName) -> Result<Taken, AwsError> {
        let owner = random();
        let (asked, time) = (Instant::now(), now());
        let answer = clients
            .dynamodb
            .update_item()
            .table_name(table)
            .key("service", text(service.as_str()))
            .update_expression(
                "SET #owner = :me, expires_at = :ends REMOVE held_by, held_for, held_until ADD fence :one",
            )
            // The table's TTL frees no lease: it deletes days late. So the end is looked at here.
            .condition_expression(
                "(attribute_not_exists(#owner) OR expires_at < :over OR #owner = :me) \
                 AND (attribute_not_exists(held_until) OR held_until <= :now)",
            )
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":me", text(&owner))
            .expression_attribute_values(":ends", number(time.seconds() + LEASE_SECONDS))
            .expression_attribute_values(":over", number(time.seconds() - CLOCKS_APART_SECONDS))
            .expression_attribute_values(":now", number(time.seconds()))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let item = match answer {
            Ok(answer) => answer.attributes,
            Err(error) => match error.as_service_error() {
                // A retry whose first answer was lost meets its own success: the item says who holds it.
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    match failed.item().filter(|item| owner_of(item) == Some(&owner)) {
                        Some(item) => Some(item.clone()),
                        None => {
                            let held = failed.item().and_then(|item| hold::read(item, time));
                            return Ok(held.map_or(Taken::Busy, Taken::Held));
                        }
                    }
                }
                _ => return Err(sdk_error(UPDATE, format!("table {table}"), &error)),
            },
        };
        Ok(Taken::Lease(Self {
            table: table.to_owned(),
            service: service.clone(),
            owner,
            // Counted from before the request was sent, by a clock that nobody sets.
            ends: asked + Duration::from_secs(LEASE_SECONDS.unsigned_abs()),
            held_on: false,
            told: Mutex::new(item.as_ref().map(|item| told_of(item, time)).unwrap_or_default()),
        }))
    }

    /// Whether a change that is sent now ends before the lease does, retries included.
    pub fn allows_change(&self) -> bool {
        self.ends.saturating_duration_since(Instant::now()) >= CHANGE_NEEDS
    }

    /// What was told lately, and when.
    pub fn told(&self) -> BTreeMap<String, Time> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers that something was told.
    pub async fn remember(&self, clients: &Clients, kind: &str, at: Time) -> Result<(), AwsError> {
        let told = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.insert(kind.to_owned(), at);
            told.clone()
        };
        // The map is written whole: it holds a handful, and only the holder of the lease writes it.
        let map = told.into_iter().map(|(kind, at)| (kind, number(at.seconds()))).collect();
        clients
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .key("service", text(self.service.as_str()))
            .update_expression("SET told = :told")
            .condition_expression("#owner = :me")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":me", text(&self.owner))
            .expression_attribute_values(":told", AttributeValue::M(map))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| sdk_error(UPDATE, format!("table {}", self.table), &error))
    }

    /// Has the lease stand a moment longer than its call: the next one sees what this one made.
    pub fn hold_a_moment(&mut self) {
        self.held_on = true;
    }

    /// Gives the lease back. Failing is no harm: it ends by itself.
    pub async fn release(self, clients: &Clients) {
        let (update, ends) = if self.held_on {
            ("SET expires_at = :ends", MOMENT_SECONDS)
        } else {
            ("SET expires_at = :ends REMOVE #owner", REMEMBERED_SECONDS)
        };
        let answer = clients
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .key("service", text(self.service.as_str()))
            .update_expression(update)
            .condition_expression("#owner = :me")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":me", text(&self.owner))
            .expression_attribute_values(":ends", number(now().seconds() + ends))
            .send()
            .await;
        if let Err(error) = answer {
            let error = sdk_error(UPDATE, format!("table {}", self.table), &error);
            if !error.is(&[CONDITION_FAILED]) {
                tracing::warn!(%error, "the lease could not be given back; it ends by itself");
            }
        }
    }
}

/// What was told lately of a service, without its lease.
pub(crate) async fn told(
    clients: &Clients,
    table: &str,
    service: &ServiceName,
) -> Result<BTreeMap<String, Time>, AwsError> {
    Ok(item(clients, table, service).await?.map(|item| told_of(&item, now())).unwrap_or_default())
}

/// A service's item, without its lease.
pub(crate) async fn item(clients: &Clients, table: &str, service: &ServiceName) -> Result<Option<Item>, AwsError> {
    let answer = clients.dynamodb.get_item().table_name(table).key("service", text(service.as_str())).send().await;
    let answer = answer.map_err(|error| sdk_error("dynamodb:GetItem", format!("table {table}"), &error))?;
    Ok(answer.item)
}

fn owner_of(item: &Item) -> Option<&String> {
    item.get("owner").and_then(|owner| owner.as_s().ok())
}

/// What the item remembers; what is older than it matters is left out, and thereby forgotten at the next writing.
fn told_of(item: &Item, time: Time) -> BTreeMap<String, Time> {
    let map = item.get("told").and_then(|told| told.as_m().ok());
    map.into_iter()
        .flatten()
        .filter_map(|(kind, at)| Some((kind.clone(), Time::from_seconds(at.as_n().ok()?.parse().ok()?))))
        .filter(|(_, at)| time - *at < 2 * REMEMBERED_SECONDS)
        .collect()
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// 128 random bits in hex; the standard library seeds its hash maps from the system's randomness.
fn random() -> String {
    let part = || RandomState::new().build_hasher().finish();
    // Two states of one thread are seeded a counter apart, so time and process go in too.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_u128(std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos());
    format!("{:016x}{:016x}", part(), hasher.finish())
}
