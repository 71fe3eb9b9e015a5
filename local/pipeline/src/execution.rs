//! Executions of a pipeline and runs of its actions: what the engine remembers of them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::approval::Pending;
use crate::clock::Timestamp;
use crate::job::Polling;
use crate::variables::Namespaces;

/// Executions are numbered in the order they were started: the higher number is the newer one.
pub(crate) type Number = usize;
/// Runs of actions are numbered in the order they began.
pub(crate) type RunId = usize;

/// The status of an execution, as `GetPipelineExecution` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionStatus {
    InProgress,
    Stopping,
    Stopped,
    Succeeded,
    Superseded,
    Failed,
}

impl ExecutionStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Succeeded => "Succeeded",
            Self::Superseded => "Superseded",
            Self::Failed => "Failed",
        }
    }

    /// Says whether nothing more happens to it by itself.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::InProgress | Self::Stopping => false,
            Self::Stopped | Self::Succeeded | Self::Superseded | Self::Failed => true,
        }
    }
}

/// The status of an execution in one stage, as `GetPipelineState` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageStatus {
    InProgress,
    Stopping,
    Stopped,
    Succeeded,
    Failed,
}

impl StageStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// The status of one run of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionStatus {
    InProgress,
    Abandoned,
    Succeeded,
    Failed,
}

impl ActionStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Abandoned => "Abandoned",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// Who or what started an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub kind: TriggerType,
    /// An ARN: of the user, or of the rule.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerType {
    CloudWatchEvent,
    ManualRollback,
    PollForSourceChanges,
    StartPipelineExecution,
}

impl TriggerType {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CloudWatchEvent => "CloudWatchEvent",
            Self::ManualRollback => "ManualRollback",
            Self::PollForSourceChanges => "PollForSourceChanges",
            Self::StartPipelineExecution => "StartPipelineExecution",
        }
    }
}

/// What `StartPipelineExecution` or an event wants a source action to take in place of the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceOverride {
    pub object_key: Option<String>,
    pub object_version: Option<String>,
}

/// What a source action took.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    pub action: String,
    pub artifact: String,
    pub id: String,
    pub summary: String,
    pub url: String,
    pub created: Timestamp,
}

/// What an action hands to later ones.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub bucket: String,
    pub key: String,
    pub revision: Option<String>,
    pub bytes: Bytes,
}

/// A request to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub reason: Option<String>,
}

/// How far an execution has come in one stage.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub status: StageStatus,
    /// The actions that succeeded; they are not run again by a retry of the failed ones.
    pub done: BTreeSet<String>,
    /// How often somebody retried it.
    pub retries: u32,
}

/// One execution.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub number: Number,
    pub id: String,
    pub status: ExecutionStatus,
    pub status_summary: Option<String>,
    pub trigger: Trigger,
    pub started: Timestamp,
    pub updated: Timestamp,
    pub stop: Option<Stop>,
    /// Set where this execution rolls a stage back: the execution it goes back to, and the stage.
    pub rollback: Option<Rollback>,
    /// Counts the retries, from 1: the event's `pipeline-execution-attempt`.
    pub attempt: u32,
    pub overrides: BTreeMap<String, SourceOverride>,
    pub revisions: Vec<Revision>,
    pub artifacts: BTreeMap<String, Artifact>,
    pub namespaces: Namespaces,
    /// By the index of the stage.
    pub progress: BTreeMap<usize, Progress>,
    /// The runs that go on at the same time, or did last.
    pub current: Vec<RunId>,
}

#[derive(Clone, Debug)]
pub(crate) struct Rollback {
    pub target: String,
}

/// Why an action failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub code: String,
    pub message: String,
}

impl Failure {
    pub(crate) fn job_failed(message: impl Into<String>) -> Self {
        Self { code: "JobFailed".to_owned(), message: message.into() }
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self { code: "ConfigurationError".to_owned(), message: message.into() }
    }
}

/// An artifact's name and where it is said to lie.
#[derive(Clone, Debug)]
pub(crate) struct ArtifactPlace {
    pub name: String,
    pub bucket: String,
    pub key: String,
    pub revision: Option<String>,
}

/// What a run that goes on waits for.
#[derive(Clone, Debug)]
pub(crate) enum Waiting {
    /// A hook that will answer.
    Hook,
    /// A Lambda function that will report on its job.
    Job(Polling),
    /// A person.
    Person(Pending),
    /// Nothing any more.
    Over,
}

/// One run of an action.
#[derive(Clone, Debug)]
pub(crate) struct ActionRun {
    pub id: String,
    pub execution: Number,
    pub stage: usize,
    pub action: String,
    pub status: ActionStatus,
    pub started: Timestamp,
    pub updated: Timestamp,
    pub updated_by: Option<String>,
    pub configuration: BTreeMap<String, String>,
    pub input_artifacts: Vec<ArtifactPlace>,
    pub output_artifacts: Vec<ArtifactPlace>,
    pub output_variables: BTreeMap<String, String>,
    pub summary: Option<String>,
    pub external_id: Option<String>,
    pub external_url: Option<String>,
    pub percent_complete: Option<u64>,
    pub failure: Option<Failure>,
    pub waiting: Waiting,
}

impl ActionRun {
    pub(crate) fn goes_on(&self) -> bool {
        self.status == ActionStatus::InProgress
    }

    /// A value of its configuration; empty where it has none of this name.
    pub(crate) fn configured(&self, key: &str) -> String {
        self.configuration.get(key).cloned().unwrap_or_default()
    }

    /// Says when something is to be done about it without anybody's asking.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match &self.waiting {
            Waiting::Job(polling) => Some(polling.deadline()),
            Waiting::Person(pending) => Some(pending.expires),
            Waiting::Hook | Waiting::Over => None,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Succeeded { variables: BTreeMap<String, String> },
    Failed(Failure),
    Abandoned,
}
