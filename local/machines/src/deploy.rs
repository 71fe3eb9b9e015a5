//! CodeDeploy's part: a revision goes in place onto the running instances that a deployment group's tags select.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::AwsError;
use tokio::task::JoinSet;

use crate::agent::{Agent, EventError};
use crate::instances::{Instance, Instances};

/// A filter of a deployment group's `ec2TagSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagFilter {
    KeyOnly(String),
    ValueOnly(String),
    KeyAndValue(String, String),
}

impl TagFilter {
    fn takes(&self, tags: &BTreeMap<String, String>) -> bool {
        match self {
            Self::KeyOnly(key) => tags.contains_key(key),
            Self::ValueOnly(value) => tags.values().any(|one| one == value),
            Self::KeyAndValue(key, value) => tags.get(key) == Some(value),
        }
    }
}

/// What is to be deployed where.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub application: String,
    pub deployment_group: String,
    /// One filter of each inner list has to take the instance; no list takes none.
    pub ec2_tag_set: Vec<Vec<TagFilter>>,
    /// The port that the servers are told to listen on (`PORT`), each at its instance's address.
    pub port: u16,
    /// The zip.
    pub revision: Arc<[u8]>,
}

impl Deployment {
    fn takes(&self, instance: &Instance) -> bool {
        let lists = &self.ec2_tag_set;
        !lists.is_empty() && lists.iter().all(|list| list.iter().any(|filter| filter.takes(&instance.tags)))
    }
}

/// A deployment that succeeded.
#[derive(Clone, Debug)]
pub struct Report {
    pub deployment_id: String,
    pub instance_ids: Vec<String>,
    pub elapsed: Duration,
}

/// A deployment that failed, in CodeDeploy's words.
#[derive(Debug, thiserror::Error)]
#[error("{deployment_id}: {cause}")]
pub struct Failure {
    pub deployment_id: String,
    /// CodeDeploy's error code: `NO_INSTANCES`, `HEALTH_CONSTRAINTS` …
    pub code: &'static str,
    pub cause: Cause,
}

/// Why a deployment failed.
#[derive(Debug)]
pub enum Cause {
    NoInstances,
    Instances(Vec<InstanceFailure>),
    Aws(AwsError),
}

/// What went wrong on one instance.
#[derive(Debug)]
pub struct InstanceFailure {
    pub instance_id: String,
    /// `ApplicationStart`, `DownloadBundle` …
    pub lifecycle_event: String,
    pub error: EventError,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInstances => f.write_str(
                "The deployment failed because no instances were found for your deployment group. Check your deployment group \
                 settings to make sure the tags for your Amazon EC2 instances or Auto Scaling groups correctly identify the \
                 instances you want to deploy to, and then try again.",
            ),
            Self::Aws(error) => write!(f, "the instances could not be read: {error}"),
            Self::Instances(failures) => {
                f.write_str(
                    "The overall deployment failed because too many individual instances failed deployment, too few healthy \
                     instances are available for deployment, or some instances in your deployment group are experiencing problems.",
                )?;
                for InstanceFailure { instance_id, lifecycle_event, error } in failures {
                    write!(f, "\n{instance_id}, {lifecycle_event}: {error}")?;
                }
                Ok(())
            }
        }
    }
}

/// Deploys to all selected instances side by side.
pub(crate) async fn deploy(instances: &Instances, run: &Path, deployment: Deployment) -> Result<Report, Failure> {
    let begun = Instant::now();
    let deployment_id = new_id();
    let fail = |code, cause| Failure { deployment_id: deployment_id.clone(), code, cause };

    let all = instances.list().await.map_err(|error| fail("INTERNAL_ERROR", Cause::Aws(error)))?;
    let selected: Vec<Instance> =
        all.into_iter().filter(|instance| instance.running() && deployment.takes(instance)).collect();
    if selected.is_empty() {
        return Err(fail("NO_INSTANCES", Cause::NoInstances));
    }

    let mut instance_ids: Vec<String> = selected.iter().map(|instance| instance.id.clone()).collect();
    instance_ids.sort_unstable();
    let deployment = Arc::new(deployment);
    let mut agents = JoinSet::new();
    for instance in selected {
        let agent = Agent {
            root: instances.root(&instance.id),
            run: run.to_owned(),
            deployment: Arc::clone(&deployment),
            deployment_id: deployment_id.clone(),
            instance,
        };
        agents.spawn(async move {
            let failed = agent.deploy().await.err();
            failed.map(|(lifecycle_event, error)| InstanceFailure {
                instance_id: agent.instance.id,
                lifecycle_event,
                error,
            })
        });
    }
    let mut failures: Vec<InstanceFailure> = agents.join_all().await.into_iter().flatten().collect();
    failures.sort_unstable_by(|a, b| a.instance_id.cmp(&b.instance_id));
    if failures.is_empty() {
        Ok(Report { deployment_id, instance_ids, elapsed: begun.elapsed() })
    } else {
        Err(fail("HEALTH_CONSTRAINTS", Cause::Instances(failures)))
    }
}

/// An id that looks like CodeDeploy's: `d-` and nine letters and digits.
fn new_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    format!("d-{}", random.get(..9).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(tags: &[(&str, &str)]) -> Instance {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Instance { id: "i-1".to_owned(), private_ip: None, state: "running".to_owned(), tags }
    }

    fn deployment(ec2_tag_set: Vec<Vec<TagFilter>>) -> Deployment {
        Deployment {
            application: "a".to_owned(),
            deployment_group: "g".to_owned(),
            ec2_tag_set,
            port: 8080,
            revision: Arc::from([]),
        }
    }

    #[test]
    fn one_filter_of_each_list_has_to_take_the_instance() {
        let service = || TagFilter::KeyAndValue("service".to_owned(), "web".to_owned());
        let role = |role: &str| TagFilter::KeyAndValue("role".to_owned(), role.to_owned());
        let pre = instance(&[("service", "web"), ("role", "pre-product")]);
        for (why, lists, takes) in [
            ("no list takes none", vec![], false),
            ("one list", vec![vec![service()]], true),
            ("or within a list", vec![vec![role("product"), role("pre-product")]], true),
            ("and between lists", vec![vec![service()], vec![role("product")]], false),
            ("key only", vec![vec![TagFilter::KeyOnly("role".to_owned())]], true),
            ("value only", vec![vec![TagFilter::ValueOnly("web".to_owned())]], true),
        ] {
            assert_eq!(deployment(lists).takes(&pre), takes, "{why}");
        }
    }
}
