//! The instances that moto holds, each with a folder that stands for its disk.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::{Aws, AwsError, Call};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{processes, xml};

/// An instance, as EC2 describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub id: String,
    /// None once it is terminated.
    pub private_ip: Option<Ipv4Addr>,
    /// `running`, `stopped`, `terminated` …
    pub state: String,
    pub tags: BTreeMap<String, String>,
}

impl Instance {
    /// Whether it runs, so that it can be deployed to and can answer.
    #[must_use]
    pub fn running(&self) -> bool {
        self.state == "running"
    }
}

/// Reads instances, and ends the processes of those that do not run any more. Clones share it.
#[derive(Clone, Debug)]
pub struct Instances(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    aws: Aws,
    folder: PathBuf,
    /// One refresh at a time: two would end the same processes.
    refreshing: tokio::sync::Mutex<()>,
}

impl Instances {
    pub(crate) fn new(aws: Aws, run_folder: &Path) -> Self {
        let folder = run_folder.join("instances");
        Self(Arc::new(Shared { aws, folder, refreshing: tokio::sync::Mutex::default() }))
    }

    /// The folder that stands for an instance's disk.
    #[must_use]
    pub fn root(&self, id: &str) -> PathBuf {
        self.0.folder.join(id)
    }

    /// Lists the instances that are not terminated: the simulator never forgets one that is.
    ///
    /// # Errors
    ///
    /// Where EC2 does not answer.
    pub async fn list(&self) -> Result<Vec<Instance>, AwsError> {
        let mut filter = vec![("Filter.1.Name", "instance-state-name")];
        filter.extend([("Filter.1.Value.1", "pending"), ("Filter.1.Value.2", "running")]);
        filter.extend([("Filter.1.Value.3", "stopping"), ("Filter.1.Value.4", "stopped")]);
        let text = self.0.aws.query("ec2", "DescribeInstances", &filter).await?;
        Ok(read(&text))
    }

    /// Ends the processes of instances that were stopped or terminated, and removes what was a terminated
    /// one's disk.
    ///
    /// # Errors
    ///
    /// Where EC2 does not answer, or processes would not end.
    pub async fn refresh(&self) -> Result<(), RefreshError> {
        let _alone = self.0.refreshing.lock().await;
        // What has a disk is looked at before what EC2 tells of: a disk that is made meanwhile is no terminated one's.
        let disks = self.disks()?;
        let instances = self.list().await?;
        for id in disks {
            let state = instances.iter().find(|instance| instance.id == id).map(|instance| instance.state.as_str());
            if matches!(state, Some("pending" | "running")) {
                continue;
            }
            let root = self.root(&id);
            processes::end_instance(&root).await?;
            if state.is_none() {
                tokio::fs::remove_dir_all(&root).await?;
            }
            tracing::debug!(instance = id, state, "the instance's processes are ended");
        }
        Ok(())
    }

    /// The instances that have a disk.
    fn disks(&self) -> std::io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.0.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Refreshes on each call that may have ended an instance, until the gateway is gone.
    pub(crate) async fn follow(self, mut calls: broadcast::Receiver<Call>) {
        loop {
            match calls.recv().await {
                Ok(call) if concerns(&call) => {}
                Ok(_) => continue,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "ended instances may still have processes");
            }
        }
    }
}

/// Whether a call may have changed which instances run.
pub(crate) fn concerns(call: &Call) -> bool {
    call.service == "ec2" && call.mutating && call.action.ends_with("Instances")
}

/// Why a refresh was not completed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("the instances could not be read: {0}")]
    Aws(#[from] AwsError),
    #[error("an ended instance could not be cleared away: {0}")]
    Io(#[from] std::io::Error),
}

fn read(text: &str) -> Vec<Instance> {
    let Ok(document) = roxmltree::Document::parse(text) else { return Vec::new() };
    xml::all(document.root(), "instancesSet")
        .filter_map(|set| set.parent())
        .flat_map(|reservation| xml::list(reservation, "instancesSet", "item"))
        .filter_map(|item| {
            Some(Instance {
                id: xml::text(item, "instanceId")?.to_owned(),
                private_ip: xml::text(item, "privateIpAddress").and_then(|ip| ip.parse().ok()),
                state: xml::text(xml::child(item, "instanceState")?, "name")?.to_owned(),
                tags: xml::list(item, "tagSet", "item")
                    .filter_map(|tag| {
                        Some((xml::text(tag, "key")?.to_owned(), xml::text(tag, "value").unwrap_or("").to_owned()))
                    })
                    .collect(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_reads() {
        let text = r#"<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item>
            <instancesSet><item><instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState>
            <privateIpAddress>127.20.1.4</privateIpAddress>
            <tagSet><item><key>a:b</key><value>1</value></item><item><key>empty</key><value/></item></tagSet></item></instancesSet>
            </item></reservationSet></DescribeInstancesResponse>"#;
        let tags = BTreeMap::from([("a:b".to_owned(), "1".to_owned()), ("empty".to_owned(), String::new())]);
        let wanted = Instance {
            id: "i-1".to_owned(),
            private_ip: Some(Ipv4Addr::new(127, 20, 1, 4)),
            state: "running".to_owned(),
            tags,
        };
        assert_eq!(read(text), [wanted]);
    }
}
