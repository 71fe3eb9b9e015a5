//! Holds: a person keeps everybody from changing a service for a while, by three attributes of its lease's item.
//!
//! Who takes the lease asks for them in the same write, so a hold costs no call more.

use aws_sdk_dynamodb::types::ReturnValue;
use domain::id::ServiceName;
use domain::refusal::Hold;
use domain::time::Time;

use crate::clients::Clients;
use crate::deadline::now;
use crate::errors::{AwsError, sdk_error};
use crate::lease::{self, CLOCKS_APART_SECONDS, CONDITION_FAILED, Item, REMEMBERED_SECONDS, UPDATE, number, text};

/// Reads an item's hold, if it stands at this time.
pub(crate) fn read(item: &Item, time: Time) -> Option<Hold> {
    let words = |key: &str| item.get(key).and_then(|value| value.as_s().ok()).cloned();
    let until = Time::from_seconds(item.get("held_until")?.as_n().ok()?.parse().ok()?);
    let hold = Hold {
        by: words("held_by").unwrap_or_else(|| "somebody".to_owned()),
        why: words("held_for").unwrap_or_else(|| "no reason was given".to_owned()),
        until,
    };
    (until > time).then_some(hold)
}

/// Holds a service, or holds it for longer; not while a call changes it or somebody else holds it: `false` then.
pub(crate) async fn hold(clients: &Clients, table: &str, service: &ServiceName, hold: &Hold) -> Result<bool, AwsError> {
    let answer = clients
        .dynamodb
        .update_item()
        .table_name(table)
        .key("service", text(service.as_str()))
        // The table's TTL takes the whole item, so it is to outlive the hold.
        .update_expression(
            "SET held_by = :by, held_for = :why, held_until = :until, expires_at = :ends REMOVE #owner ADD fence :one",
        )
        .condition_expression(
            "(attribute_not_exists(#owner) OR expires_at < :over) \
             AND (attribute_not_exists(held_until) OR held_until <= :now OR held_by = :by)",
        )
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":by", text(&hold.by))
        .expression_attribute_values(":why", text(&hold.why))
        .expression_attribute_values(":until", number(hold.until.seconds()))
        .expression_attribute_values(":ends", number(hold.until.seconds() + REMEMBERED_SECONDS))
        .expression_attribute_values(":over", number(now().seconds() - CLOCKS_APART_SECONDS))
        .expression_attribute_values(":now", number(now().seconds()))
        .expression_attribute_values(":one", number(1))
        .send()
        .await;
    match answer.map_err(|error| sdk_error(UPDATE, format!("table {table}"), &error)) {
        Ok(_) => Ok(true),
        Err(error) if error.is(&[CONDITION_FAILED]) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Ends a service's hold, where one is named that one alone; answers the one that stood.
pub(crate) async fn release(
    clients: &Clients,
    table: &str,
    service: &ServiceName,
    only: Option<&Hold>,
) -> Result<Option<Hold>, AwsError> {
    let mut ask = clients
        .dynamodb
        .update_item()
        .table_name(table)
        .key("service", text(service.as_str()))
        .update_expression("REMOVE held_by, held_for, held_until")
        .return_values(ReturnValue::AllOld);
    ask = match only {
        Some(hold) => ask
            .condition_expression("held_by = :by AND held_until = :until")
            .expression_attribute_values(":by", text(&hold.by))
            .expression_attribute_values(":until", number(hold.until.seconds())),
        // Without it, an item would be made of a service that has none.
        None => ask.condition_expression("attribute_exists(held_until)"),
    };
    match ask.send().await.map_err(|error| sdk_error(UPDATE, format!("table {table}"), &error)) {
        Ok(answer) => Ok(answer.attributes.as_ref().and_then(|item| read(item, now()))),
        Err(error) if error.is(&[CONDITION_FAILED]) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A service's hold, if it stands.
pub(crate) async fn standing(clients: &Clients, table: &str, service: &ServiceName) -> Result<Option<Hold>, AwsError> {
    Ok(lease::item(clients, table, service).await?.and_then(|item| read(&item, now())))
}
