//! The functions' environment: which services there are, and what they share.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Service;
use super::parse::{Parsed, Problem};
use crate::id::ServiceName;

/// What the environment variables say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    services: BTreeMap<ServiceName, String>,
    defaults: Option<String>,
    /// Below which SSM path the services stand that are not among the variables; no slash at its end.
    pub services_path: Option<String>,
    /// Where notices go.
    pub notify_topic_arn: Option<String>,
    /// The table of the leases.
    pub lease_table: Option<String>,
    problems: Vec<Problem>,
}

/// A service's config, and where its notices go whatever is wrong with it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The service; see [`Parsed::service`].
    pub service: Option<Service>,
    /// Every fault of its config, and of the variables that all services share.
    pub problems: Vec<Problem>,
    /// Where its notices go.
    pub notify_topic_arn: Option<String>,
}

impl Settings {
    /// Reads the environment's variables. Nothing stops here: what is wrong is answered to each call.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut settings = Self::default();
        for (key, value) in variables {
            if value.trim().is_empty() {
                continue;
            }
            match key.as_str() {
                "SERVICE_DEFAULTS" => settings.defaults = Some(value),
                "SERVICES_PATH" => settings.services_path = Some(value.trim_end_matches('/').to_owned()),
                "NOTIFY_TOPIC_ARN" => settings.notify_topic_arn = Some(value),
                "LEASE_TABLE" => settings.lease_table = Some(value),
                _ => {
                    if let Some(name) = key.strip_prefix("SERVICE_") {
                        settings.add(name, value);
                    }
                }
            }
        }
        if settings.lease_table.is_none() {
            settings.problems.push(Problem {
                key: "LEASE_TABLE".into(),
                what: "is not set; it names the DynamoDB table of the leases".into(),
            });
        }
        settings
    }

    fn add(&mut self, variable: &str, json: String) {
        let name = variable.to_lowercase().replace('_', "-");
        match ServiceName::new(&name) {
            Ok(name) => {
                self.services.insert(name, json);
            }
            Err(what) => self
                .problems
                .push(Problem { key: format!("SERVICE_{variable}"), what: format!("names no service: {what}") }),
        }
    }

    /// The services among the variables, in order.
    pub fn names(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.keys()
    }

    /// Whether a service is among the variables; else it is read from its parameter.
    pub fn has(&self, name: &ServiceName) -> bool {
        self.services.contains_key(name)
    }

    /// The parameter that holds a service's config, where it is not among the variables.
    pub fn parameter_of(&self, name: &ServiceName) -> Option<String> {
        self.services_path.as_ref().map(|path| format!("{path}/{name}"))
    }

    /// A service's config, from its variable or from the value of its parameter; `None` if there is neither.
    pub fn find(&self, name: &ServiceName, parameter: Option<&str>) -> Option<Found> {
        let (key, text) = match self.services.get(name) {
            Some(text) => (name.variable(), text.as_str()),
            None => (self.parameter_of(name).unwrap_or_default(), parameter?),
        };
        let mut problems = self.problems.clone();
        let defaults = match self.defaults.as_deref().map(serde_json::from_str::<Value>) {
            None => Value::Object(serde_json::Map::new()),
            Some(Ok(defaults @ Value::Object(_))) => defaults,
            Some(Ok(_)) => {
                problems.push(Problem { key: "SERVICE_DEFAULTS".into(), what: "is not a JSON object".into() });
                Value::Object(serde_json::Map::new())
            }
            Some(Err(error)) => {
                problems.push(Problem { key: "SERVICE_DEFAULTS".into(), what: format!("is no JSON: {error}") });
                Value::Object(serde_json::Map::new())
            }
        };
        let parsed = match serde_json::from_str::<Value>(text) {
            Ok(own @ Value::Object(_)) => Service::parse(name, &merge(defaults, own)),
            Ok(_) => Parsed { service: None, problems: vec![Problem { key, what: "is not a JSON object".into() }] },
            Err(error) => {
                Parsed { service: None, problems: vec![Problem { key, what: format!("is no JSON: {error}") }] }
            }
        };
        problems.extend(parsed.problems);
        let own_topic = parsed.service.as_ref().and_then(|service| service.notify_topic_arn.clone());
        Some(Found {
            service: parsed.service,
            problems,
            notify_topic_arn: own_topic.or_else(|| self.notify_topic_arn.clone()),
        })
    }
}

/// `own` over `defaults`: objects key by key, anything else is replaced whole.
fn merge(defaults: Value, own: Value) -> Value {
    match (defaults, own) {
        (Value::Object(mut defaults), Value::Object(own)) => {
            for (key, value) in own {
                let merged = match defaults.remove(&key) {
                    Some(default) => merge(default, value),
                    None => value,
                };
                defaults.insert(key, merged);
            }
            Value::Object(defaults)
        }
        (_, own) => own,
    }
}
