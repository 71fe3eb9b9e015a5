//! CodePipeline, as far as a job needs it: every answer that is put to a job is kept, and no execution is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gateway::{Handler, Response};
use serde_json::{Value, json};

/// What was put to each job: `waiting`, `done` or `failed`.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Mutex<BTreeMap<String, Vec<&'static str>>>>);

impl Jobs {
    /// What was put to a job.
    pub fn of(&self, id: &str) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned().unwrap_or_default()
    }

    /// Answers CodePipeline's calls.
    pub fn handler(&self) -> Handler {
        let jobs = self.clone();
        Arc::new(move |request| {
            let answer = jobs.answer(&request.action, &request.json());
            Box::pin(async move { Response::json(&answer) })
        })
    }

    fn answer(&self, action: &str, input: &Value) -> Value {
        let text = |key: &str| input.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let put = match action {
            "PutJobFailureResult" => "failed",
            "PutJobSuccessResult" if input.get("continuationToken").is_some() => "waiting",
            "PutJobSuccessResult" => "done",
            "GetPipelineExecution" => {
                return json!({"pipelineExecution": {"pipelineName": text("pipelineName"), "status": "InProgress"}});
            }
            // Each approval of every execution was rejected by a person.
            "ListActionExecutions" => {
                return json!({"actionExecutionDetails": [{
                    "actionExecutionId": "x", "actionName": "KeepIt", "status": "Failed", "stageName": "Keep",
                    "updatedBy": "arn:aws:sts::123456789012:assumed-role/Dev/alice", "lastUpdateTime": 1_795_258_800,
                }]});
            }
            _ => return json!({}),
        };
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.entry(text("jobId")).or_default().push(put);
        json!({})
    }
}
