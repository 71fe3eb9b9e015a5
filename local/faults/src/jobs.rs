//! As much of CodePipeline as the functions reach: jobs that take one answer each, and one rejected approval.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway::{Handler, Request, Response};
use local::stack::Fork;
use serde_json::{Value, json};
use uuid::Uuid;

/// The id of the approval that was rejected.
pub const APPROVAL: &str = "approval-1";

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It goes on with this token.
    Again {
        token: String,
    },
    Success {
        summary: String,
    },
    Failure {
        kind: String,
        message: String,
    },
}

#[derive(Debug, Default)]
struct Job {
    closed: bool,
    answers: Vec<Answer>,
}

/// The jobs of one account. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Mutex<BTreeMap<String, Job>>>);

impl Jobs {
    /// Answers CodePipeline's calls in a copy of the stack.
    #[must_use]
    pub fn mounted(fork: &Fork) -> Self {
        let jobs = Self::default();
        fork.gateway().mount("codepipeline", jobs.handler());
        jobs
    }

    /// Opens a new job.
    #[must_use]
    pub fn open(&self) -> String {
        let id = Uuid::new_v4().to_string();
        self.all().insert(id.clone(), Job::default());
        id
    }

    /// Hands a job out again, if it goes on.
    pub fn hand_out(&self, id: &str) {
        if let Some(job) = self.all().get_mut(id)
            && matches!(job.answers.last(), Some(Answer::Again { .. }))
        {
            job.closed = false;
        }
    }

    /// The token that a job goes on with.
    #[must_use]
    pub fn token(&self, id: &str) -> Option<String> {
        let all = self.all();
        all.get(id)?.answers.iter().rev().find_map(|answer| match answer {
            Answer::Again { token } => Some(token.clone()),
            Answer::Success { .. } | Answer::Failure { .. } => None,
        })
    }

    /// What ended a job.
    #[must_use]
    pub fn end(&self, id: &str) -> Option<Answer> {
        let last = self.all().get(id)?.answers.last().cloned();
        last.filter(|answer| !matches!(answer, Answer::Again { .. }))
    }

    /// Answers CodePipeline's calls.
    #[must_use]
    pub fn handler(&self) -> Handler {
        let jobs = self.clone();
        Arc::new(move |request: Request| {
            let jobs = jobs.clone();
            Box::pin(async move { jobs.answer(&request) })
        })
    }

    fn answer(&self, request: &Request) -> Response {
        let input = request.json();
        let text = |pointer: &str| input.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let answer = match request.action.as_str() {
            "PutJobSuccessResult" => match text("/continuationToken") {
                Some(token) => Answer::Again { token },
                None => Answer::Success { summary: text("/executionDetails/summary").unwrap_or_default() },
            },
            "PutJobFailureResult" => Answer::Failure {
                kind: text("/failureDetails/type").unwrap_or_default(),
                message: text("/failureDetails/message").unwrap_or_default(),
            },
            "ListActionExecutions" => return Response::json(&rejected_approval(&input)),
            other => {
                let message = format!("{other} is not answered here");
                return Response::error(request, 400, "UnknownOperationException", &message);
            }
        };
        let id = text("/jobId").unwrap_or_default();
        let mut all = self.all();
        match all.get_mut(&id) {
            None => Response::error(request, 400, "JobNotFoundException", &format!("There is no job {id}.")),
            Some(job) if job.closed => {
                let message = format!("The job {id} is closed already.");
                Response::error(request, 400, "InvalidJobStateException", &message)
            }
            Some(job) => {
                job.closed = true;
                job.answers.push(answer);
                Response::json(&json!({}))
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `ListActionExecutions`: a person rejected the approval of whatever execution is asked for.
fn rejected_approval(input: &Value) -> Value {
    let execution = input.pointer("/filter/pipelineExecutionId").cloned().unwrap_or_default();
    json!({"actionExecutionDetails": [{
        "pipelineExecutionId": execution,
        "actionExecutionId": APPROVAL,
        "pipelineVersion": 1,
        "stageName": "Release",
        "actionName": "ShipIt",
        "startTime": 1.7e9,
        "lastUpdateTime": 1.7e9,
        "updatedBy": "arn:aws:iam::123456789012:user/qa",
        "status": "Failed",
    }]})
}
