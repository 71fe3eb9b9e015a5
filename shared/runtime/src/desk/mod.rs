//! What the command-line tool stands on: the functions' own looks with a person's own rights, and calls of the functions.
//!
//! A desk changes nothing of a service by itself: what is to change, the deployed functions change, with their lease, their log and
//! their notices. Holds alone are written from here.

mod account;
mod owner;
mod past;
mod prices;
mod room;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use domain::aws::{AwsError, Kind};
use domain::config::{Found, Service, Settings};
use domain::id::ServiceName;
use domain::refusal::Hold;
use domain::request::Request;
use domain::time::Time;
use domain::world::{Scope, World};
use serde_json::Value;

use crate::can::{self, Abilities};
use crate::clients::{Clients, OPERATION_TIMEOUT};
use crate::errors::Trouble;
use crate::observe::{ListenerCache, Look, Memory, names};
use crate::services::Services;
use crate::{hold, signed};

pub use past::{Action, Log};
pub use room::Room;

pub use crate::together::all;

/// The code of an invocation in which the function itself threw, or ran out of time. What it did stands.
pub const THREW: &str = "FunctionError";

const INVOKE: &str = "lambda:InvokeFunction";
const CONFIGURATION: &str = "lambda:GetFunctionConfiguration";
/// A function answers within its timeout, 60 s.
const LONGEST: Duration = Duration::from_secs(75);
/// For how long a look asks again for what is throttled.
const PATIENCE: Duration = Duration::from_secs(20);

/// A person's place: clients with their credentials, and the services' configs.
#[derive(Debug)]
pub struct Desk {
    clients: Clients,
    can: Abilities,
    listeners: ListenerCache,
    services: Services,
}

/// What was seen of a service.
pub struct Seen {
    /// What there is.
    pub world: World,
    /// What could not be looked at, a sentence each.
    pub unseen: Vec<String>,
}

/// What hindered something.
#[derive(Debug)]
pub enum Hindrance {
    /// AWS said no, or nothing.
    Aws(AwsError),
    /// It has to be put right first, as the function would say.
    Refused(String),
    /// Anything else, as a sentence.
    Other(String),
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(error) => error.fmt(f),
            Self::Refused(what) | Self::Other(what) => f.write_str(what),
        }
    }
}

impl From<AwsError> for Hindrance {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

impl From<Trouble> for Hindrance {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Aws(error) | Trouble::Step { error, .. } => Self::Aws(error),
            Trouble::Refused(refusal) => Self::Refused(refusal.to_string()),
            other @ (Trouble::Later(_) | Trouble::Bug(_) | Trouble::Circles(_)) => Self::Other(other.to_string()),
        }
    }
}

impl Desk {
    /// Builds it from variables as the environment has them: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …
    #[must_use]
    pub fn new(variables: &BTreeMap<String, String>) -> Self {
        Self {
            clients: Clients::waiting(|name| variables.get(name).cloned(), LONGEST),
            can: Abilities::of(&[can::launch_servers, can::watch_alarms, can::answer_events]),
            listeners: ListenerCache::default(),
            services: Services::new(Settings::default()),
        }
    }

    /// The same with these services.
    #[must_use]
    pub fn with(self, settings: Settings) -> Self {
        Self { services: Services::new(settings), ..self }
    }

    /// What all services share.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.services.settings
    }

    /// The names that an unknown service is told apart from.
    #[must_use]
    pub fn known(&self) -> Vec<String> {
        self.services.known()
    }

    /// A service's config; `None` if it is not configured.
    ///
    /// # Errors
    /// Where its parameter cannot be read.
    pub async fn service(&self, name: &ServiceName) -> Result<Option<Found>, Hindrance> {
        Ok(self.services.find(&self.clients, name).await?)
    }

    /// Every service's config.
    ///
    /// # Errors
    /// Where the parameters cannot be listed.
    pub async fn every(&self) -> Result<BTreeMap<ServiceName, Found>, Hindrance> {
        Ok(self.services.every(&self.clients).await?)
    }

    /// Looks at a service as a call does.
    ///
    /// # Errors
    /// Where AWS hinders it, or what the config names is not there.
    pub async fn look(&self, service: &Service, request: &Request, scope: Scope) -> Result<Seen, Hindrance> {
        let patient_until = Some(tokio::time::Instant::now() + PATIENCE);
        let clients = Clients { patient_until, ..self.clients.clone() };
        let look = Look {
            clients: &clients,
            can: &self.can,
            listeners: &self.listeners,
            service,
            request,
            scope,
            listed_groups: &[],
        };
        // Futures within futures get deeper than the compiler goes.
        let seen = Box::pin(look.observe(&Memory::default())).await?;
        Ok(Seen { world: seen.world, unseen: seen.unseen })
    }

    /// Whether a service's names can be read.
    ///
    /// # Errors
    /// Where they cannot: their zone is not there, or may not be looked at.
    pub async fn names(&self, service: &Service) -> Result<(), Hindrance> {
        for (_, read) in names::all(&self.clients, service.dns.as_ref()).await {
            read?;
        }
        Ok(())
    }

    /// The variables of a function of this name, as it is deployed.
    ///
    /// # Errors
    /// Where there is none, or it may not be looked at.
    pub async fn variables_of(&self, function: &str) -> Result<BTreeMap<String, String>, Hindrance> {
        let path = signed::function_path(function, "configuration");
        let call = signed::Call { service: "lambda", method: "GET", path: &path, headers: &[], body: "" };
        let answer = self.send(&call, CONFIGURATION, function).await?;
        let json = answer.json();
        if let Some(error) = json.pointer("/Environment/Error/Message").and_then(Value::as_str) {
            return Err(Hindrance::Other(format!("the variables of {function} cannot be read: {error}")));
        }
        let variables = json.pointer("/Environment/Variables").and_then(Value::as_object);
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        Ok(variables.into_iter().flatten().filter_map(text).collect())
    }

    /// Calls a function directly and waits for its answer.
    ///
    /// # Errors
    /// Where it cannot be called, or fails without an answer of its own.
    pub async fn call(&self, function: &str, payload: &Value) -> Result<Value, Hindrance> {
        let path = signed::function_path(function, "invocations");
        let (headers, body) = ([("content-type", "application/json")], payload.to_string());
        let call = signed::Call { service: "lambda", method: "POST", path: &path, headers: &headers, body: &body };
        let answer = self.send_within(LONGEST, &call, INVOKE, function).await?;
        if answer.function_failed {
            let (code, message) = (Some(THREW.to_owned()), answer.message("errorMessage"));
            let resource = function.to_owned();
            return Err(AwsError { action: INVOKE, resource, code, message, kind: Kind::Unanswered }.into());
        }
        Ok(answer.json())
    }

    /// Asks whether a function may be called, without calling it.
    ///
    /// # Errors
    /// Where it may not, or is not there.
    pub async fn may_call(&self, function: &str) -> Result<(), Hindrance> {
        let path = signed::function_path(function, "invocations");
        let headers = [("content-type", "application/json"), ("x-amz-invocation-type", "DryRun")];
        let call = signed::Call { service: "lambda", method: "POST", path: &path, headers: &headers, body: "{}" };
        self.send(&call, INVOKE, function).await.map(|_| ())
    }

    /// Who the credentials are of, as an ARN.
    ///
    /// # Errors
    /// Where they are no good.
    pub async fn who(&self) -> Result<String, Hindrance> {
        let action = "sts:GetCallerIdentity";
        let text = self.query("sts", "Action=GetCallerIdentity&Version=2011-06-15", action, "").await?;
        let arn = signed::element(&text, "Arn").map(str::to_owned);
        arn.ok_or_else(|| AwsError::incomplete(action, "", "ARN in the answer").into())
    }

    /// Who holds a service now.
    ///
    /// # Errors
    /// Where the lease table cannot be read.
    pub async fn held(&self, service: &ServiceName) -> Result<Option<Hold>, Hindrance> {
        Ok(hold::standing(&self.clients, self.table()?, service).await?)
    }

    /// Holds a service; `false` while a call changes it or somebody else holds it.
    ///
    /// # Errors
    /// Where the lease table cannot be written.
    pub async fn hold(&self, service: &ServiceName, hold: &Hold) -> Result<bool, Hindrance> {
        Ok(hold::hold(&self.clients, self.table()?, service, hold).await?)
    }

    /// Ends a hold, where one is named that one alone; answers the one that stood.
    ///
    /// # Errors
    /// Where the lease table cannot be written.
    pub async fn release_hold(&self, service: &ServiceName, only: Option<&Hold>) -> Result<Option<Hold>, Hindrance> {
        Ok(hold::release(&self.clients, self.table()?, service, only).await?)
    }

    fn table(&self) -> Result<&str, Hindrance> {
        let table = self.services.settings.lease_table.as_deref();
        table
            .ok_or_else(|| Hindrance::Other("LEASE_TABLE is not set on the functions: it names the lease table".into()))
    }

    /// A call of a service that speaks JSON by a target: `Logs_20140328.FilterLogEvents`.
    async fn json(
        &self,
        service: &str,
        target: &str,
        input: &Value,
        action: &'static str,
        resource: &str,
    ) -> Result<Value, Hindrance> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        let body = input.to_string();
        let call = signed::Call { service, method: "POST", path: "/", headers: &headers, body: &body };
        Ok(self.send(&call, action, resource).await?.json())
    }

    /// A call of a service that takes a form and answers in XML.
    async fn query(
        &self,
        service: &str,
        form: &str,
        action: &'static str,
        resource: &str,
    ) -> Result<String, Hindrance> {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let call = signed::Call { service, method: "POST", path: "/", headers: &headers, body: form };
        Ok(String::from_utf8_lossy(&self.send(&call, action, resource).await?.body).into_owned())
    }

    async fn send(
        &self,
        call: &signed::Call<'_>,
        action: &'static str,
        resource: &str,
    ) -> Result<signed::Answer, Hindrance> {
        self.send_within(OPERATION_TIMEOUT, call, action, resource).await
    }

    async fn send_within(
        &self,
        time: Duration,
        call: &signed::Call<'_>,
        action: &'static str,
        resource: &str,
    ) -> Result<signed::Answer, Hindrance> {
        let answer = tokio::time::timeout(time, signed::send(&self.clients, call)).await;
        let silent = |_| Err(format!("there was no answer within {} s", time.as_secs()));
        let answer = answer.unwrap_or_else(silent).map_err(|why| AwsError {
            action,
            resource: resource.to_owned(),
            code: None,
            message: why,
            kind: Kind::Unanswered,
        })?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(answer.error(action, resource).into()) }
    }
}

/// The time now.
#[must_use]
pub fn now() -> Time {
    crate::deadline::now()
}
