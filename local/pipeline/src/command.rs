//! What people ask of executions: start, stop, retry, roll back, hold a transition.

use std::collections::BTreeMap;

use crate::definition::ActionKind;
use crate::execution::{
    Execution, ExecutionStatus, Number, Outcome, Rollback, RunId, SourceOverride, StageStatus, Stop, Trigger,
    TriggerType,
};
use crate::refusal::{Code, Refusal};
use crate::state::{State, Transition, new_id};
use crate::variables::{Namespaces, PIPELINE_NAMESPACE, SYSTEM_NAMESPACE};

/// Which actions a retry runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryMode {
    FailedActions,
    AllActions,
}

impl State {
    /// Starts an execution and gives its id.
    pub(crate) fn start(
        &mut self,
        trigger: Trigger,
        overrides: BTreeMap<String, SourceOverride>,
        variables: &BTreeMap<String, String>,
    ) -> String {
        let mut execution = self.new_execution(trigger);
        execution.overrides = overrides;
        let resolved: BTreeMap<String, String> = self
            .pipeline
            .variables
            .iter()
            .filter_map(|(name, default)| Some((name.clone(), variables.get(name).or(default.as_ref())?.clone())))
            .collect();
        execution.namespaces.insert(PIPELINE_NAMESPACE.to_owned(), resolved);
        self.add(execution, 0)
    }

    fn new_execution(&self, trigger: Trigger) -> Execution {
        let id = new_id();
        let system = BTreeMap::from([("PipelineExecutionId".to_owned(), id.clone())]);
        Execution {
            number: self.executions.len(),
            id,
            status: ExecutionStatus::InProgress,
            status_summary: None,
            trigger,
            started: self.now,
            updated: self.now,
            stop: None,
            rollback: None,
            attempt: 1,
            overrides: BTreeMap::new(),
            revisions: Vec::new(),
            artifacts: BTreeMap::new(),
            namespaces: Namespaces::from([(SYSTEM_NAMESPACE.to_owned(), system)]),
            progress: BTreeMap::new(),
            current: Vec::new(),
        }
    }

    fn add(&mut self, execution: Execution, stage: usize) -> String {
        let (number, id) = (execution.number, execution.id.clone());
        self.executions.push(execution);
        self.emit_pipeline(number, "STARTED");
        self.arrive(number, stage);
        id
    }

    /// Stops an execution: at once (abandon), or once the actions that run now are over.
    pub(crate) fn stop(&mut self, id: &str, reason: Option<String>, abandon: bool) -> Result<(), Refusal> {
        let execution = self.executions.iter_mut().find(|execution| execution.id == id).ok_or_else(|| {
            // StopPipelineExecution has no error of its own for an id that is not known.
            Code::PipelineExecutionNotStoppable.because(format!("There is no execution {id} that could be stopped."))
        })?;
        let number = execution.number;
        match execution.status {
            ExecutionStatus::InProgress => {}
            ExecutionStatus::Stopping if abandon => {}
            ExecutionStatus::Stopping => {
                return Err(
                    Code::DuplicatedStopRequest.because(format!("The execution {id} is being stopped already."))
                );
            }
            ExecutionStatus::Stopped
            | ExecutionStatus::Succeeded
            | ExecutionStatus::Superseded
            | ExecutionStatus::Failed => {
                return Err(Code::PipelineExecutionNotStoppable
                    .because(format!("The execution {id} is {} and cannot be stopped.", execution.status.name())));
            }
        }
        let stopping_already = execution.stop.is_some();
        execution.stop = Some(Stop { reason: reason.clone() });
        execution.status_summary = reason;
        if !stopping_already {
            self.set_status(number, ExecutionStatus::Stopping);
        }
        let inside = self.locks.iter().position(|lock| lock.inside == Some(number));
        let Some(stage) = inside else {
            // It waits between two stages: nothing has to end first.
            for lock in &mut self.locks {
                lock.waiting.retain(|waiting| *waiting != number);
            }
            self.set_status(number, ExecutionStatus::Stopped);
            return Ok(());
        };
        let running = self.executions.get(number).map(|execution| execution.current.clone()).unwrap_or_default();
        if let Some(progress) = self.executions.get_mut(number).and_then(|execution| execution.progress.get_mut(&stage))
        {
            progress.status = StageStatus::Stopping;
        }
        if !stopping_already {
            self.emit_stage(number, stage, "STOPPING");
        }
        if abandon {
            for run in running {
                self.end_run(run, Outcome::Abandoned);
            }
        }
        Ok(())
    }

    /// Runs a failed stage again, under the same execution id.
    pub(crate) fn retry(&mut self, stage: &str, id: &str, mode: RetryMode) -> Result<(), Refusal> {
        let index = self.stage(stage)?;
        let lock = self.locks.get(index).ok_or_else(|| no_stage(stage))?;
        let number = self.find(id).map(|execution| execution.number);
        if number.is_none() || lock.latest != number {
            return Err(Code::NotLatestPipelineExecution
                .because(format!("The execution {id} is not the one that was last in the stage {stage}.")));
        }
        let execution = number.and_then(|number| self.executions.get_mut(number)).ok_or_else(|| no_stage(stage))?;
        let number = execution.number;
        let progress = execution.progress.get_mut(&index);
        let retryable = progress.filter(|progress| match progress.status {
            StageStatus::Failed | StageStatus::Stopped => true,
            StageStatus::InProgress | StageStatus::Stopping | StageStatus::Succeeded => false,
        });
        let Some(progress) = retryable else {
            return Err(Code::StageNotRetryable
                .because(format!("The stage {stage} did not fail in the execution {id}, so it cannot be retried.")));
        };
        progress.status = StageStatus::InProgress;
        progress.retries += 1;
        if mode == RetryMode::AllActions {
            progress.done.clear();
        }
        execution.stop = None;
        execution.status_summary = None;
        execution.attempt += 1;
        if let Some(lock) = self.locks.get_mut(index) {
            lock.inside = Some(number);
        }
        self.set_status(number, ExecutionStatus::InProgress);
        self.emit_stage(number, index, "RESUMED");
        self.next_actions(number, index);
        Ok(())
    }

    /// Runs a stage again with the artifacts and variables of an older execution, under a new execution id.
    pub(crate) fn rollback(&mut self, stage: &str, target: &str, who: &str) -> Result<String, Refusal> {
        let index = self.stage(stage)?;
        let sources =
            |actions: &[crate::definition::Action]| actions.iter().any(|action| action.kind == ActionKind::S3Source);
        let unable = |why: String| Code::UnableToRollbackStage.because(why);
        if self.pipeline.stages.get(index).is_some_and(|stage| sources(&stage.actions)) {
            return Err(unable(format!("The stage {stage} has source actions and cannot be rolled back.")));
        }
        let target = self.find(target).ok_or_else(|| {
            Code::PipelineExecutionNotFound.because(format!("There is no execution {target} to go back to."))
        })?;
        if target.rollback.is_some() {
            return Err(unable(format!("The execution {} is a rollback itself.", target.id)));
        }
        if target.progress.get(&index).is_none_or(|progress| progress.status != StageStatus::Succeeded) {
            return Err(unable(format!("The execution {} did not succeed in the stage {stage}.", target.id)));
        }
        let mut execution = self.new_execution(Trigger { kind: TriggerType::ManualRollback, detail: who.to_owned() });
        execution.rollback = Some(Rollback { target: target.id.clone() });
        execution.artifacts.clone_from(&target.artifacts);
        execution.revisions.clone_from(&target.revisions);
        for (namespace, variables) in &target.namespaces {
            execution.namespaces.entry(namespace.clone()).or_insert_with(|| variables.clone());
        }
        Ok(self.add(execution, index))
    }

    /// Lets executions enter a stage, or keeps them from it.
    pub(crate) fn set_transition(
        &mut self,
        stage: &str,
        enabled: bool,
        reason: Option<String>,
        who: &str,
    ) -> Result<(), Refusal> {
        let index = self.stage(stage)?;
        let changed = Some((who.to_owned(), self.now));
        if let Some(lock) = self.locks.get_mut(index) {
            lock.transition = Transition { enabled, reason, changed };
        }
        self.admit(index);
        Ok(())
    }

    fn stage(&self, name: &str) -> Result<usize, Refusal> {
        self.pipeline.stage_index(name).ok_or_else(|| no_stage(name))
    }

    /// Finds the newest run of an action, whatever execution it was for.
    pub(crate) fn latest_run(&self, stage: usize, action: &str) -> Option<RunId> {
        self.runs.iter().rposition(|run| run.stage == stage && run.action == action)
    }

    /// Starts an execution because somebody asked, once for each client request token.
    pub(crate) fn start_once(
        &mut self,
        token: Option<String>,
        trigger: Trigger,
        overrides: BTreeMap<String, SourceOverride>,
        variables: &BTreeMap<String, String>,
    ) -> String {
        let started: Option<Number> = token.as_ref().and_then(|token| self.request_tokens.get(token).copied());
        if let Some(execution) = started.and_then(|number| self.execution(number)) {
            return execution.id.clone();
        }
        if let Some(token) = token {
            self.request_tokens.insert(token, self.executions.len());
        }
        self.start(trigger, overrides, variables)
    }
}

fn no_stage(name: &str) -> Refusal {
    Code::StageNotFound.because(format!("The pipeline has no stage {name}."))
}
