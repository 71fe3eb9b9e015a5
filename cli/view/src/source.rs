//! The services' configs from a template or a file, as the variables that the functions would have.

use std::collections::BTreeMap;

use domain::config::{Found, Problem, Settings};
use domain::id::ServiceName;
use serde_json::{Map, Value};

use crate::template::{LEFT, Template};
use crate::validate::Finding;

/// What the template leaves to CloudFormation, and a config is not judged by.
const STANDS_IN: [(&str, &str); 1] = [("LEASE_TABLE", "the-stacks-own")];
/// What all services share: it is the deployed functions' where one service's config alone is given.
const SHARED: [&str; 3] = [DEFAULTS, "NOTIFY_TOPIC_ARN", "LEASE_TABLE"];
const DEFAULTS: &str = "SERVICE_DEFAULTS";
const SERVICE: &str = "SERVICE_";

/// Services' configs, with what is not known of them here.
#[derive(Clone, Debug, Default)]
pub struct Given {
    variables: BTreeMap<String, String>,
    /// Whether what all services share is part of it.
    pub is_whole: bool,
}

impl Given {
    /// All variables of functions, or of a process.
    pub fn whole(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), is_whole: true }
    }

    /// What a template says: the variables of its functions, and parameters that are services.
    ///
    /// # Errors
    /// A sentence, where it is no YAML or has neither.
    pub fn of_template(text: &str) -> Result<Self, String> {
        let template = Template::read(text)?;
        if !template.has_functions && template.services.is_empty() {
            let what = "it has no Lambda functions, and no parameters below a path …/services: name Pointsman's template or one \
                of its services, not a service's pipeline";
            return Err(what.to_owned());
        }
        let mut variables: BTreeMap<String, String> =
            template.services.into_iter().map(|(service, text)| (service.variable(), text)).collect();
        // What only CloudFormation knows is no value; of a service, the rest of it is looked at.
        variables.extend(
            template.variables.into_iter().filter(|(name, text)| name.starts_with(SERVICE) || !text.contains(LEFT)),
        );
        Ok(Self { variables, is_whole: template.has_functions })
    }

    /// What a JSON file says: one service's config, or several as variables.
    ///
    /// # Errors
    /// Where nobody says whose config it is, and it is one, or no JSON.
    pub fn of_file(service: Option<&ServiceName>, text: &str) -> Result<Self, String> {
        let several = match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(several) => several,
            Err(error) if service.is_none() => return Err(format!("What --config names is no JSON object: {error}.")),
            // That is one of the service's faults.
            Err(_) => Map::new(),
        };
        let variables = if several.keys().any(|key| key.starts_with(SERVICE)) {
            let text = |value| match value {
                Value::String(text) => text,
                value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    value.to_string()
                }
            };
            several.into_iter().map(|(name, value)| (name, text(value))).collect()
        } else {
            let service = service.ok_or("Which service is it the config of? Name it beside --config.")?;
            BTreeMap::from([(service.variable(), text.to_owned())])
        };
        Ok(Self { variables, is_whole: false })
    }

    /// The same with what all services share, where it says nothing of that itself.
    #[must_use]
    pub fn over(mut self, shared: &BTreeMap<String, String>) -> Self {
        for (name, value) in shared.iter().filter(|(name, _)| SHARED.contains(&name.as_str())) {
            self.variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// The same with these defaults.
    #[must_use]
    pub fn with_defaults(mut self, text: String) -> Self {
        self.variables.insert(DEFAULTS.to_owned(), text);
        self
    }

    /// What is left to CloudFormation.
    #[must_use]
    pub fn left(&self) -> Left {
        let of_all = self.variables.get(DEFAULTS).map(|text| keys_left(text)).unwrap_or_default();
        let mut left = Left { of_all, ..Left::default() };
        for (variable, text) in &self.variables {
            let name = variable.strip_prefix(SERVICE).filter(|_| variable != DEFAULTS);
            let Some(name) = name.and_then(|name| ServiceName::new(&name.to_lowercase().replace('_', "-")).ok()) else {
                continue;
            };
            let own = serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
            let first = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
            let mut keys = keys_left(text);
            keys.extend(left.of_all.iter().filter(|key| !own.contains_key(&first(key))).cloned());
            left.of_one.insert(name, keys);
        }
        left
    }

    /// As the functions would read it.
    #[must_use]
    pub fn settings(self) -> Settings {
        let mut variables = self.variables;
        for (name, value) in STANDS_IN {
            variables.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        // Each service says itself what is left of it.
        if variables.get(DEFAULTS).is_some_and(|text| keys_left(text).contains(&String::new())) {
            variables.remove(DEFAULTS);
        }
        Settings::from_variables(variables)
    }
}

/// Services of a template, and the keys of their configs that only CloudFormation knows; an empty key is all of a config.
#[derive(Clone, Debug, Default)]
pub struct Left {
    of_one: BTreeMap<ServiceName, Vec<String>>,
    /// Of what all share, and so of services that stand elsewhere.
    of_all: Vec<String>,
}

impl Left {
    fn keys(&self, service: &ServiceName) -> &[String] {
        self.of_one.get(service).unwrap_or(&self.of_all)
    }

    /// Why a service cannot be looked at here.
    #[must_use]
    pub fn sentence(&self, service: &ServiceName) -> Option<String> {
        let keys = self.keys(service);
        if keys.is_empty() {
            return None;
        }
        let what = if keys.iter().any(String::is_empty) { "its config".to_owned() } else { keys.join(", ") };
        Some(format!("{service}: {what} is left to CloudFormation, and is looked at where it is deployed"))
    }

    /// The faults of a config, without those of what is not known.
    #[must_use]
    pub fn findings(&self, service: &ServiceName, found: &Found) -> Vec<Finding> {
        let keys = self.keys(service);
        let known = |problem: &&Problem| !keys.iter().any(|key| concerns(key, problem.key.trim_end_matches(':')));
        let faults = found.problems.iter().filter(known).map(|problem| Finding::fault(problem.to_string()));
        faults.chain(self.sentence(service).map(Finding::warning)).collect()
    }
}

/// Whether what is left of a config is what a problem is about: the same key, one within it or around it.
fn concerns(left: &str, problem: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    left.is_empty() || within(problem, left) || within(left, problem)
}

fn keys_left(text: &str) -> Vec<String> {
    if !text.contains(LEFT) {
        return Vec::new();
    }
    let mut keys = Vec::new();
    match serde_json::from_str::<Value>(text) {
        Ok(config) => find_left(&config, "", &mut keys),
        Err(_) => keys.push(String::new()),
    }
    keys.dedup();
    keys
}

fn find_left(value: &Value, at: &str, keys: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains(LEFT) => keys.push(at.to_owned()),
        Value::Array(values) => values.iter().for_each(|value| find_left(value, at, keys)),
        Value::Object(members) => {
            for (key, value) in members {
                if key.contains(LEFT) {
                    keys.push(at.to_owned());
                }
                let below = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                find_left(value, &below, keys);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The lease table's name, where it is known: a config that was given here has none, or leaves it to its stack.
#[must_use]
pub fn lease_table(settings: &Settings) -> Option<&str> {
    settings.lease_table.as_deref().filter(|table| STANDS_IN.iter().all(|(_, stand_in)| table != stand_in))
}
