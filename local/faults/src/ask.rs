//! Who calls a function, and with what: a pipeline's job, a person, an event.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::Jobs;

/// The service that everything here is about.
pub const SERVICE: &str = "mobile-web";

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Provision(&'static str),
    Register(&'static str),
    Promote(&'static str),
    Finish(&'static str),
    Rollback(&'static str),
    /// By hand only.
    Remove(&'static str),
    /// EventBridge says that a person rejected an approval of this release.
    ApprovalRejected(&'static str),
    /// EventBridge says that this release's execution failed.
    ExecutionFailed(&'static str),
    /// The time of the sweep.
    Sweep,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Job,
    Direct,
    Event,
}

impl Ask {
    /// Who asks it, as a rule.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Provision(_) | Self::Register(_) | Self::Promote(_) | Self::Finish(_) | Self::Rollback(_) => {
                Kind::Job
            }
            Self::Remove(_) => Kind::Direct,
            Self::ApprovalRejected(_) | Self::ExecutionFailed(_) | Self::Sweep => Kind::Event,
        }
    }

    /// The function that is called.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Self::Provision(_) => "provision",
            Self::Register(_) => "register",
            Self::Promote(_) => "promote",
            Self::Finish(_)
            | Self::Rollback(_)
            | Self::Remove(_)
            | Self::ApprovalRejected(_)
            | Self::ExecutionFailed(_)
            | Self::Sweep => "teardown",
        }
    }

    /// In a few words.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Provision(release) => format!("provision {release}"),
            Self::Register(release) => format!("register {release}"),
            Self::Promote(release) => format!("promote {release}"),
            Self::Finish(release) => format!("finish {release}"),
            Self::Rollback(release) => format!("rollback {release}"),
            Self::Remove(release) => format!("remove {release}"),
            Self::ApprovalRejected(release) => format!("approval of {release} rejected"),
            Self::ExecutionFailed(release) => format!("execution {release} failed"),
            Self::Sweep => "sweep".to_owned(),
        }
    }

    /// What a person would ask to the same end; nobody asks for a sweep by hand.
    #[must_use]
    pub fn by_hand(self) -> Self {
        match self {
            Self::ApprovalRejected(release) | Self::ExecutionFailed(release) => Self::Rollback(release),
            Self::Provision(_)
            | Self::Register(_)
            | Self::Promote(_)
            | Self::Finish(_)
            | Self::Rollback(_)
            | Self::Remove(_)
            | Self::Sweep => self,
        }
    }

    fn parameters(self) -> Value {
        let (release, action) = match self {
            Self::Provision(release) | Self::Register(release) | Self::Promote(release) => (release, None),
            Self::Finish(release) => (release, Some("finish")),
            Self::Rollback(release) | Self::ApprovalRejected(release) | Self::ExecutionFailed(release) => {
                (release, Some("rollback"))
            }
            Self::Remove(release) => (release, Some("remove")),
            Self::Sweep => ("", None),
        };
        let mut parameters = json!({"service": SERVICE, "release": release});
        if let (Some(action), Some(object)) = (action, parameters.as_object_mut()) {
            object.insert("action".to_owned(), action.into());
        }
        parameters
    }

    /// The payload of a direct call.
    #[must_use]
    pub fn direct(self) -> Value {
        self.parameters()
    }

    /// The event of a job, with its continuation token where it has had one.
    #[must_use]
    pub fn job(self, id: &str, jobs: &Jobs) -> Value {
        let configuration = json!({
            "FunctionName": format!("pointsman-{}", self.function()),
            "UserParameters": self.parameters().to_string(),
        });
        let mut data = json!({
            "actionConfiguration": {"configuration": configuration},
            "inputArtifacts": [],
            "outputArtifacts": [],
            "artifactCredentials": {"accessKeyId": "a", "secretAccessKey": "s", "sessionToken": "t"},
        });
        if let (Some(token), Some(data)) = (jobs.token(id), data.as_object_mut()) {
            data.insert("continuationToken".to_owned(), token.into());
        }
        json!({"CodePipeline.job": {"id": id, "accountId": local::account::ACCOUNT_ID, "data": data}})
    }

    /// The event as EventBridge delivers it. A new one has another id; what it is about is the same.
    #[must_use]
    pub fn event(self) -> Value {
        let (source, kind, detail) = match self {
            Self::ApprovalRejected(release) => (
                "aws.codepipeline",
                "CodePipeline Action Execution State Change",
                json!({
                    "pipeline": SERVICE, "execution-id": release, "stage": "Release", "action": "ShipIt",
                    "action-execution-id": crate::jobs::APPROVAL, "state": "FAILED", "region": local::account::REGION,
                    "type": {"owner": "AWS", "category": "Approval", "provider": "Manual", "version": "1"}, "version": 1,
                }),
            ),
            Self::ExecutionFailed(release) => (
                "aws.codepipeline",
                "CodePipeline Pipeline Execution State Change",
                json!({"pipeline": SERVICE, "execution-id": release, "state": "FAILED", "version": 1}),
            ),
            Self::Provision(_)
            | Self::Register(_)
            | Self::Promote(_)
            | Self::Finish(_)
            | Self::Rollback(_)
            | Self::Remove(_)
            | Self::Sweep => ("aws.events", "Scheduled Event", json!({})),
        };
        json!({
            "version": "0",
            "id": Uuid::new_v4().to_string(),
            "detail-type": kind,
            "source": source,
            "account": local::account::ACCOUNT_ID,
            "time": "2026-01-01T00:00:00Z",
            "region": local::account::REGION,
            "resources": [],
            "detail": detail,
        })
    }
}
