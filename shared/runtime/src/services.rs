//! The services' configs: from the environment, or from SSM, where a warm process remembers them for a minute.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::config::{Found, Settings};
use domain::id::ServiceName;
use tokio::time::Instant;

use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};

/// How long a parameter is believed: a changed config is to count soon.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many pages of parameters are read: 10 in each.
const PAGES: usize = 1000;

/// Where configs are found.
#[derive(Debug)]
pub(crate) struct Services {
    pub settings: Settings,
    parameters: Mutex<HashMap<String, (Instant, Option<String>)>>,
}

impl Services {
    pub fn new(settings: Settings) -> Self {
        Self { settings, parameters: Mutex::default() }
    }

    /// A service's config; `None` if it is not configured.
    pub async fn find(&self, clients: &Clients, name: &ServiceName) -> Result<Option<Found>, AwsError> {
        let parameter = match self.settings.parameter_of(name) {
            Some(parameter) if !self.settings.has(name) => self.parameter(clients, parameter).await?,
            Some(_) | None => None,
        };
        Ok(self.settings.find(name, parameter.as_deref()))
    }

    async fn parameter(&self, clients: &Clients, name: String) -> Result<Option<String>, AwsError> {
        let known = self.parameters.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some((_, value)) = known.filter(|(read, _)| read.elapsed() < BELIEVED) {
            return Ok(value);
        }
        let answer = clients.ssm.get_parameter().name(&name).with_decryption(true).send().await;
        let value = match answer.map_err(|error| sdk_error("ssm:GetParameter", name.as_str(), &error)) {
            Ok(answer) => answer.parameter.and_then(|parameter| parameter.value),
            Err(error) if error.is(&["ParameterNotFound"]) => None,
            Err(error) => return Err(error),
        };
        let mut known = self.parameters.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name, (Instant::now(), value.clone()));
        Ok(value)
    }

    /// Every service's config: for the sweep and for alarms, which name none.
    pub async fn every(&self, clients: &Clients) -> Result<BTreeMap<ServiceName, Found>, AwsError> {
        let mut every: BTreeMap<ServiceName, Found> =
            self.settings.names().filter_map(|name| Some((name.clone(), self.settings.find(name, None)?))).collect();
        let Some(path) = self.settings.services_path.clone() else { return Ok(every) };
        let mut token = None;
        for _ in 0..PAGES {
            let page = clients
                .ssm
                .get_parameters_by_path()
                .path(&path)
                .with_decryption(true)
                .max_results(10)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| sdk_error("ssm:GetParametersByPath", path.as_str(), &error))?;
            for parameter in page.parameters() {
                let name = parameter.name().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
                let Ok(name) = ServiceName::new(name) else {
                    tracing::warn!(parameter = parameter.name(), "the parameter names no service");
                    continue;
                };
                // A variable counts before a parameter, as for a single service.
                if !every.contains_key(&name)
                    && let Some(found) = self.settings.find(&name, parameter.value())
                {
                    every.insert(name, found);
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(every)
    }

    /// The names that an unknown service is told apart from.
    pub fn known(&self) -> Vec<String> {
        let below = self.settings.services_path.iter().map(|path| format!("what stands below {path}"));
        self.settings.names().map(ToString::to_string).chain(below).collect()
    }
}
