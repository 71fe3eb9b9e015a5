//! What a user does with the stack: upload, approve, reject, call a function; and the waits in between, each bounded.

use std::sync::Arc;
use std::time::Duration;

use gateway::{BoxFuture, Method};
use lambda::Answer;
use pipeline::{Api, Engine, ExecutionStatus, OpenApproval};
use serde_json::{Value, json};

use super::Stack;
use crate::revision::{self, Changes};
use crate::service::EXAMPLE;
use crate::trouble::{Result, Trouble, While};

/// No single wait takes this long on a machine that works.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often the sweep is run at most, until there is nothing left to do.
const SWEEPS_MAX: usize = 20;

/// How long after a sweep the next one comes here; on AWS it is ten minutes.
const BETWEEN_SWEEPS: Duration = Duration::from_millis(700);

/// So many lines of the logs are shown where something went wrong.
const LAST_WORDS: usize = 30;

pub(super) type Sent = BoxFuture<'static, ()>;

/// What a person answers to an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    Approved,
    Rejected,
}

impl Approval {
    fn word(self) -> &'static str {
        match self {
            Self::Approved => "Approved",
            Self::Rejected => "Rejected",
        }
    }
}

impl Stack {
    /// Uploads a build of the example with this version, and waits for the execution that the upload starts.
    ///
    /// # Errors
    ///
    /// Where the upload fails, or starts nothing.
    pub async fn ship(&self, service: &str, version: &str, changes: &Changes) -> Result<String> {
        self.ship_from(EXAMPLE, service, version, changes).await
    }

    /// Uploads a build of any example with this version to a pipeline's bucket, and waits for the execution that it starts.
    ///
    /// # Errors
    ///
    /// Where the upload fails, or starts nothing.
    pub async fn ship_from(&self, example: &str, pipeline: &str, version: &str, changes: &Changes) -> Result<String> {
        let zip = revision::build(&self.options().repository.join(example), version, changes)?;
        let path = format!("/{}/build.zip", super::bucket(pipeline));
        let answer = self.aws("DEVELOPER").rest("s3", Method::PUT, &path, &[], zip).await.when("the upload")?;
        let uploaded = answer.headers.get("x-amz-version-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let uploaded = uploaded.ok_or_else(|| Trouble::new("the upload has no version"))?;
        let engine = self.engine(pipeline)?;
        let started = engine.until(|| execution_of(&engine, &uploaded));
        within(PATIENCE, started, "the upload started no execution").await
    }

    /// Waits until an approval asks for an answer.
    ///
    /// # Errors
    ///
    /// Where the execution ends before, with its failed actions' words.
    pub async fn approval(&self, service: &str, execution: &str, action: &str) -> Result<OpenApproval> {
        let engine = self.engine(service)?;
        let late = format!("{execution} did not come to its approval {action}");
        match within(PATIENCE, engine.approval(execution, action), &late).await? {
            Ok(open) => Ok(open),
            Err(status) => Err(Trouble::new(format!(
                "{execution} is {} and never came to its approval {action}: {}",
                status.name(),
                failures(&engine, execution).join("; ")
            ))),
        }
    }

    /// Waits for an approval and answers it through CodePipeline's API, as a person does.
    ///
    /// # Errors
    ///
    /// Where it does not come, or the answer is refused.
    pub async fn answer(
        &self,
        service: &str,
        execution: &str,
        action: &str,
        answer: Approval,
        summary: &str,
    ) -> Result<()> {
        let open = self.approval(service, execution, action).await?;
        let input = json!({
            "pipelineName": service,
            "stageName": open.stage,
            "actionName": open.action,
            "token": open.token,
            "result": {"status": answer.word(), "summary": summary},
        });
        self.aws("QA").json("codepipeline", "CodePipeline_20150709.PutApprovalResult", input).await?;
        Ok(())
    }

    /// Waits for the end of an execution, and until the event of it is on the bus.
    ///
    /// # Errors
    ///
    /// Where it does not end in time.
    pub async fn over(&self, service: &str, execution: &str) -> Result<ExecutionStatus> {
        let engine = self.engine(service)?;
        let mut ended = self.shared.ended.subscribe();
        let over = async {
            let status = engine.over(execution).await;
            // It fails only when the stack is gone.
            let _ = ended.wait_for(|ended| ended.contains(execution)).await;
            status
        };
        within(PATIENCE, over, &format!("{execution} did not end")).await
    }

    /// What the failed actions of an execution say, in CodePipeline's error details.
    ///
    /// # Errors
    ///
    /// Where there is no such pipeline.
    pub fn failures(&self, service: &str, execution: &str) -> Result<Vec<String>> {
        Ok(failures(self.engine(service)?.as_ref(), execution))
    }

    /// Calls a function directly, and waits for its answer.
    ///
    /// # Errors
    ///
    /// Where there is no such function, or it throws.
    pub async fn call(&self, function: &str, payload: &Value) -> Result<Value> {
        let answer = self.invoke(function, payload).await?;
        match &answer.error {
            None => Ok(answer.json()),
            Some(error) => Err(Trouble::new(format!("{function} threw {}: {}", error.error_type, error.message))),
        }
    }

    /// Calls a function directly; it may throw.
    ///
    /// # Errors
    ///
    /// Where there is no such function.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Answer> {
        Ok(self.functions().invoke(&format!("pointsman-{function}"), payload).await?)
    }

    /// Calls a function directly, again for as long as it says `waiting`.
    ///
    /// # Errors
    ///
    /// Where it throws, or waits longer than anything here takes.
    pub async fn call_until_over(&self, function: &str, payload: &Value) -> Result<Value> {
        let began = std::time::Instant::now();
        loop {
            let answer = self.call(function, payload).await?;
            if answer.get("status").and_then(Value::as_str) != Some("waiting") {
                return Ok(answer);
            }
            if began.elapsed() > PATIENCE {
                return Err(Trouble::new(format!("{function} {payload} waits without end: {answer}")));
            }
            // What it waits for takes a while; AWS's callers pause as well.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Lets the time of the sweep come, again and again until this is so.
    ///
    /// # Errors
    ///
    /// Where it never is.
    pub async fn sweep_until<F>(&self, what: &str, mut is_so: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = Result<bool>>,
    {
        for _ in 0..SWEEPS_MAX {
            self.sweep().await?;
            if is_so().await? {
                return Ok(());
            }
            // What it waits for (settling, draining) takes its time.
            tokio::time::sleep(BETWEEN_SWEEPS).await;
        }
        Err(Trouble::new(format!("after {SWEEPS_MAX} sweeps it is still not so: {what}")))
    }

    /// Lets the time of the sweep come once, and waits for its end.
    ///
    /// # Errors
    ///
    /// Where the template has no schedule, or the sweep does not end.
    pub async fn sweep(&self) -> Result<()> {
        let (rule, _) =
            self.bus().schedules().into_iter().next().ok_or_else(|| Trouble::new("template.yaml has no schedule"))?;
        self.bus().tick(&rule)?;
        self.idle().await
    }

    /// Waits until no event is on its way and no function runs for one.
    ///
    /// # Errors
    ///
    /// Where that does not come.
    pub async fn idle(&self) -> Result<()> {
        let idle = within(PATIENCE, self.functions().idle(), "the functions do not come to rest").await;
        idle.map(drop)
            .map_err(|trouble| Trouble::new(format!("{trouble}. What they said last:\n{}", self.last_words())))
    }

    /// The last lines of the functions' logs: where a test or the demo goes wrong, they tell why.
    #[must_use]
    pub fn last_words(&self) -> String {
        let mut lines: Vec<_> = self
            .functions()
            .specs()
            .flat_map(|spec| self.functions().logs(&spec.name))
            .filter(|line| line.json().is_some())
            .collect();
        lines.sort_by_key(|line| line.time);
        let last = lines.len().saturating_sub(LAST_WORDS);
        lines.into_iter().skip(last).map(|line| format!("{}\n", line.text)).collect()
    }
}

/// Bounds a wait.
///
/// # Errors
///
/// These words, where it is over.
pub(crate) async fn within<T>(patience: Duration, wait: impl Future<Output = T>, late: &str) -> Result<T> {
    tokio::time::timeout(patience, wait)
        .await
        .map_err(|_| Trouble::new(format!("{late} within {} seconds", patience.as_secs())))
}

/// The execution whose source is this version.
fn execution_of(engine: &Arc<Engine>, version: &str) -> Option<String> {
    let api = Api::of(&[engine.as_ref()]);
    let all = api.answer("ListPipelineExecutions", "LOCAL", &json!({"pipelineName": engine.name()})).ok()?;
    let of_version = |execution: &&Value| {
        let revisions = execution.get("sourceRevisions").and_then(Value::as_array).into_iter().flatten();
        revisions.into_iter().any(|one| one.get("revisionId").and_then(Value::as_str) == Some(version))
    };
    let execution = all.get("pipelineExecutionSummaries")?.as_array()?.iter().find(of_version)?;
    Some(execution.get("pipelineExecutionId")?.as_str()?.to_owned())
}

fn failures(engine: &Engine, execution: &str) -> Vec<String> {
    let api = Api::of(&[engine]);
    let input = json!({"pipelineName": engine.name(), "filter": {"pipelineExecutionId": execution}});
    let all = api.answer("ListActionExecutions", "LOCAL", &input).unwrap_or_default();
    let runs = all.get("actionExecutionDetails").and_then(Value::as_array).into_iter().flatten();
    runs.filter_map(|run| run.pointer("/output/executionResult/errorDetails/message")?.as_str().map(str::to_owned))
        .collect()
}
