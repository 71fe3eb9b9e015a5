//! Copies of the stack: each goes its own way from what stands, and costs a fraction of what it took to get there.

use std::time::Duration;

use gateway::{Aws, Gateway};
use lambda::{Answer, Functions};
use serde_json::{Value, json};

use super::Stack;
use crate::account::{self, Account};
use crate::trouble::{Result, While};

/// A lease that ended so long ago is free for everybody, clocks apart included.
const AGED_SECONDS: u64 = 60;

/// A copy of a stack, with functions and a gateway of its own; without servers, pipelines and bus. It ends when it is dropped,
/// and with its stack.
pub struct Fork {
    // Fields are dropped in this order: who calls before who is called.
    functions: Functions,
    gateway: Gateway,
    moto: gateway::Fork,
    account: Account,
}

impl Stack {
    /// Makes a copy of all that stands. Nothing may be under way meanwhile.
    ///
    /// # Errors
    ///
    /// Where the simulator makes no copy of itself.
    pub async fn fork(&self) -> Result<Fork> {
        let moto = self.moto.fork().await?;
        let gateway = self.gateway.fork(&moto).await.when("the copy's gateway")?;
        let settings = lambda::Settings::new(&self.options.bootstraps, gateway.url()).region(account::REGION);
        let functions = Functions::start(self.functions.specs().cloned().collect(), settings)?;
        Ok(Fork { functions, gateway, moto, account: self.account.clone() })
    }

    /// Has the lease of a service have run out, where somebody holds it.
    ///
    /// # Errors
    ///
    /// Where the simulator refuses it.
    pub async fn age_lease(&self, service: &str) -> Result<()> {
        age_lease(&self.moto(), &self.account.lease_table, service).await
    }
}

impl Fork {
    /// Calls a function directly; it may throw.
    ///
    /// # Errors
    ///
    /// Where there is no such function.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Answer> {
        Ok(self.functions.invoke(&format!("pointsman-{function}"), payload).await?)
    }

    /// Has the lease of a service have run out, where somebody holds it.
    ///
    /// # Errors
    ///
    /// Where the simulator refuses it.
    pub async fn age_lease(&self, service: &str) -> Result<()> {
        age_lease(&self.moto(), &self.account.lease_table, service).await
    }

    /// A client of the simulator itself: for set-up and for looks, neither recorded nor corrected.
    #[must_use]
    pub fn moto(&self) -> Aws {
        Aws::new(self.moto.url(), "SETUP")
    }

    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    #[must_use]
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }
}

async fn age_lease(moto: &Aws, table: &str, service: &str) -> Result<()> {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or(Duration::MAX).as_secs();
    let input = json!({
        "TableName": table,
        "Key": {"service": {"S": service}},
        "UpdateExpression": "SET expires_at = :past",
        "ConditionExpression": "attribute_exists(#owner)",
        "ExpressionAttributeNames": {"#owner": "owner"},
        "ExpressionAttributeValues": {":past": {"N": now.saturating_sub(AGED_SECONDS).to_string()}},
    });
    match moto.json("dynamodb", "DynamoDB_20120810.UpdateItem", input).await {
        // Nobody holds it.
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
        other => other.map(drop).when(format!("the lease of {service}")),
    }
}
