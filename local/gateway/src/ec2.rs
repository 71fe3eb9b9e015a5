//! EC2 as AWS has it, where moto does otherwise.

mod addresses;
mod instances;
mod launch;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::aws::AwsError;
use crate::forward::Upstream;
use crate::settings::Settings;
use crate::{Request, Response, request};

/// What the gateway remembers of EC2.
#[derive(Default)]
pub(crate) struct Ec2 {
    /// One change after the other: a look before a change has to hold during it.
    changes: tokio::sync::Mutex<()>,
    launches: Mutex<HashMap<launch::Token, Arc<launch::Launch>>>,
    launched: Mutex<HashMap<String, Instant>>,
    /// Images and instance types of a region that are known to exist.
    exist: Mutex<HashSet<(String, String)>>,
}

impl Ec2 {
    /// The same memory for a copy of the account.
    pub(crate) fn fork(&self) -> Self {
        let copy = Self::default();
        copy_of(&self.launches, &copy.launches);
        copy_of(&self.launched, &copy.launched);
        copy_of(&self.exist, &copy.exist);
        copy
    }

    /// Answers a call as AWS would.
    pub(crate) async fn answer(
        &self,
        request: &Request,
        moto: &Upstream,
        settings: &Settings,
    ) -> Result<Response, AwsError> {
        let _alone = if request::mutates(request) { Some(self.changes.lock().await) } else { None };
        match request.action.as_str() {
            "RunInstances" => self.run_instances(request, moto).await,
            "DescribeInstanceStatus" => self.describe_instance_status(request, moto, settings).await,
            "CreateTags" => instances::create_tags(request, moto).await,
            "AssociateAddress" => addresses::associate(request, moto).await,
            "TerminateInstances" => addresses::terminate(request, moto).await,
            "DeregisterImage" => {
                let response = moto.send(request).await;
                self.forget_what_exists();
                Ok(response)
            }
            "ReleaseAddress" => addresses::release(request, moto).await,
            _ => Ok(moto.send(request).await),
        }
    }

    fn is_known(&self, request: &Request, name: &str) -> bool {
        let key = (request.region.clone(), name.to_owned());
        self.exist.lock().is_ok_and(|exist| exist.contains(&key))
    }

    fn know(&self, request: &Request, name: &str) {
        if let Ok(mut exist) = self.exist.lock() {
            exist.insert((request.region.clone(), name.to_owned()));
        }
    }

    fn forget_what_exists(&self) {
        if let Ok(mut exist) = self.exist.lock() {
            exist.clear();
        }
    }

    /// How long ago an instance was launched through this gateway.
    fn age(&self, instance: &str) -> Option<Duration> {
        let launched = self.launched.lock().ok()?;
        launched.get(instance).map(Instant::elapsed)
    }

    fn is_younger(&self, instance: &str, than: Duration) -> bool {
        !than.is_zero() && self.age(instance).is_some_and(|age| age < than)
    }
}

fn copy_of<T: Clone>(from: &Mutex<T>, to: &Mutex<T>) {
    if let (Ok(from), Ok(mut to)) = (from.lock(), to.lock()) {
        to.clone_from(&from);
    }
}

/// The values of a list parameter: `InstanceId.1`, `InstanceId.2` …
fn list<'a>(form: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    form.iter()
        .filter(|(key, _)| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || is_index(rest)))
        .map(|(_, value)| value.as_str())
        .collect()
}

fn is_index(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|index| index.parse::<u32>().is_ok())
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
