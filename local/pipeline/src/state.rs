//! The state of one pipeline, and what moves it: the stage lock, the order of actions, their ends.
//!
//! Nothing here waits or calls anybody. A change adds to `effects` what is to be done about it, and
//! the engine does that; so all of it can be looked at between two changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use crate::build::Build;
use crate::clock::Timestamp;
use crate::definition::{Action, ExecutionMode, Pipeline};
use crate::deploy::Deployment;
use crate::events;
use crate::execution::{
    ActionRun, ActionStatus, Execution, ExecutionStatus, Number, Outcome, Progress, RunId, StageStatus, Waiting,
};
use crate::job::Job;
use crate::settings::Settings;
use crate::source::ObjectVersion;

/// Something that the engine has to do.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Emit(Value),
    Publish(crate::approval::Notice),
    Invoke { run: RunId, function: String, event: Value },
    Fetch { run: RunId, object: ObjectVersion },
    Build { run: RunId, build: Build },
    Deploy { run: RunId, deployment: Deployment },
}

/// One stage: who is in it, who waits in front of it.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub inside: Option<Number>,
    /// Oldest first; in the mode SUPERSEDED there is at most one.
    pub waiting: Vec<Number>,
    /// The execution that entered last.
    pub latest: Option<Number>,
    pub transition: Transition,
}

/// Whether executions may enter a stage.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub enabled: bool,
    pub reason: Option<String>,
    pub changed: Option<(String, Timestamp)>,
}

/// The state of one pipeline.
#[derive(Debug)]
pub(crate) struct State {
    pub pipeline: Pipeline,
    pub settings: Settings,
    pub created: Timestamp,
    pub now: Timestamp,
    pub executions: Vec<Execution>,
    pub runs: Vec<ActionRun>,
    pub locks: Vec<Lock>,
    pub jobs: HashMap<String, Job>,
    /// Executions by the client request token that started them.
    pub request_tokens: HashMap<String, Number>,
    /// The uploads that started an execution: bucket, key, version.
    pub uploads: HashSet<(String, String, String)>,
    pub effects: Vec<Effect>,
}

impl State {
    pub(crate) fn new(pipeline: Pipeline, settings: Settings, now: Timestamp) -> Self {
        let lock = Lock {
            inside: None,
            waiting: Vec::new(),
            latest: None,
            transition: Transition { enabled: true, reason: None, changed: None },
        };
        let locks = vec![lock; pipeline.stages.len()];
        Self {
            pipeline,
            settings,
            created: now,
            now,
            executions: Vec::new(),
            runs: Vec::new(),
            locks,
            jobs: HashMap::new(),
            request_tokens: HashMap::new(),
            uploads: HashSet::new(),
            effects: Vec::new(),
        }
    }

    pub(crate) fn execution(&self, number: Number) -> Option<&Execution> {
        self.executions.get(number)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Execution> {
        self.executions.iter().find(|execution| execution.id == id)
    }

    pub(crate) fn run(&self, run: RunId) -> Option<&ActionRun> {
        self.runs.get(run)
    }

    /// The definition of the action that a run is of.
    pub(crate) fn action_of(&self, run: &ActionRun) -> Option<&Action> {
        self.pipeline.action(run.stage, &run.action)
    }

    /// Brings an execution to a stage: it enters, or waits in front of it.
    pub(crate) fn arrive(&mut self, number: Number, stage: usize) {
        let mode = self.pipeline.execution_mode;
        let Some(lock) = self.locks.get_mut(stage) else { return };
        lock.waiting.push(number);
        lock.waiting.sort_unstable();
        if lock.inside.is_none() && lock.transition.enabled {
            self.admit(stage);
        } else if mode == ExecutionMode::Superseded {
            // The newest one waits on; whoever waited before it gives up its place.
            let older = lock.waiting.len().saturating_sub(1);
            let superseded: Vec<Number> = lock.waiting.drain(..older).collect();
            for number in superseded {
                self.set_status(number, ExecutionStatus::Superseded);
            }
        }
    }

    /// Lets in who waits in front of a stage, if it is free and may be entered.
    pub(crate) fn admit(&mut self, stage: usize) {
        let Some(lock) = self.locks.get_mut(stage) else { return };
        if lock.inside.is_some() || !lock.transition.enabled || lock.waiting.is_empty() {
            return;
        }
        let number = lock.waiting.remove(0);
        lock.inside = Some(number);
        lock.latest = Some(number);
        let Some(execution) = self.executions.get_mut(number) else { return };
        execution
            .progress
            .insert(stage, Progress { status: StageStatus::InProgress, done: BTreeSet::new(), retries: 0 });
        self.emit_stage(number, stage, "STARTED");
        self.next_actions(number, stage);
    }

    /// Starts the actions that come next in a stage, or ends the stage if there are none.
    pub(crate) fn next_actions(&mut self, number: Number, stage: usize) {
        let Some(progress) = self.execution(number).and_then(|execution| execution.progress.get(&stage)) else {
            return;
        };
        let Some(definition) = self.pipeline.stages.get(stage) else { return };
        let open = || definition.actions.iter().filter(|action| !progress.done.contains(&action.name));
        let Some(order) = open().map(|action| action.run_order).min() else {
            self.leave(number, stage, StageStatus::Succeeded);
            return;
        };
        let actions: Vec<Action> = open().filter(|action| action.run_order == order).cloned().collect();
        // All of them are noted before any is started: one that fails at once does not end the stage alone.
        let begun: Vec<(RunId, Action)> =
            actions.into_iter().map(|action| (self.note_run(number, stage, &action), action)).collect();
        if let Some(execution) = self.executions.get_mut(number) {
            execution.current = begun.iter().map(|(run, _)| *run).collect();
            execution.updated = self.now;
        }
        for (run, action) in begun {
            self.begin(run, &action);
        }
    }

    fn note_run(&mut self, number: Number, stage: usize, action: &Action) -> RunId {
        let run = self.runs.len();
        self.runs.push(ActionRun {
            id: new_id(),
            execution: number,
            stage,
            action: action.name.clone(),
            status: ActionStatus::InProgress,
            started: self.now,
            updated: self.now,
            updated_by: None,
            configuration: BTreeMap::new(),
            input_artifacts: Vec::new(),
            output_artifacts: Vec::new(),
            output_variables: BTreeMap::new(),
            summary: None,
            external_id: None,
            external_url: None,
            percent_complete: None,
            failure: None,
            waiting: Waiting::Hook,
        });
        run
    }

    /// Ends a run of an action, and whatever ends with it. A run that is over already stays as it is.
    pub(crate) fn end_run(&mut self, id: RunId, outcome: Outcome) {
        let now = self.now;
        let Some(run) = self.runs.get_mut(id).filter(|run| run.goes_on()) else { return };
        if let Waiting::Job(polling) = &run.waiting
            && let Some(job) = self.jobs.get_mut(&polling.job)
        {
            job.open = false;
        }
        run.waiting = Waiting::Over;
        run.updated = now;
        let (number, stage, name) = (run.execution, run.stage, run.action.clone());
        let (status, event) = match outcome {
            Outcome::Succeeded { variables } => {
                run.output_variables.clone_from(&variables);
                let namespace = self.pipeline.action(stage, &name).and_then(|action| action.namespace.clone());
                if let Some(execution) = self.executions.get_mut(number) {
                    if let Some(namespace) = namespace {
                        execution.namespaces.insert(namespace, variables);
                    }
                    if let Some(progress) = execution.progress.get_mut(&stage) {
                        progress.done.insert(name);
                    }
                }
                (ActionStatus::Succeeded, "SUCCEEDED")
            }
            Outcome::Failed(failure) => {
                run.failure = Some(failure);
                (ActionStatus::Failed, "FAILED")
            }
            // The documented states of an action's event are STARTED, SUCCEEDED, FAILED and CANCELED.
            Outcome::Abandoned => (ActionStatus::Abandoned, "CANCELED"),
        };
        if let Some(run) = self.runs.get_mut(id) {
            run.status = status;
        }
        self.emit_action(id, event);
        self.settle(number, stage);
    }

    /// Goes on once all actions that ran at the same time are over.
    fn settle(&mut self, number: Number, stage: usize) {
        let now = self.now;
        let Some(execution) = self.executions.get_mut(number) else { return };
        execution.updated = now;
        let runs: Vec<&ActionRun> = execution.current.iter().filter_map(|run| self.runs.get(*run)).collect();
        if runs.iter().any(|run| run.goes_on()) {
            return;
        }
        let failed = runs.iter().any(|run| run.status == ActionStatus::Failed);
        if execution.stop.is_some() {
            let open = self.pipeline.stages.get(stage).is_some_and(|definition| {
                let done = execution.progress.get(&stage).map(|progress| &progress.done);
                definition.actions.iter().any(|action| done.is_none_or(|done| !done.contains(&action.name)))
            });
            self.leave(number, stage, if open { StageStatus::Stopped } else { StageStatus::Succeeded });
        } else if failed {
            self.leave(number, stage, StageStatus::Failed);
        } else {
            self.next_actions(number, stage);
        }
    }

    /// Takes an execution out of a stage: on to the next one, or to its end.
    fn leave(&mut self, number: Number, stage: usize, status: StageStatus) {
        let Some(execution) = self.executions.get_mut(number) else { return };
        let stopping = execution.stop.is_some();
        let rolls_back = execution.rollback.is_some();
        if let Some(progress) = execution.progress.get_mut(&stage) {
            progress.status = status;
        }
        if let Some(lock) = self.locks.get_mut(stage).filter(|lock| lock.inside == Some(number)) {
            lock.inside = None;
        }
        let next = stage + 1;
        let is_last = next >= self.pipeline.stages.len();
        match status {
            StageStatus::Succeeded => {
                self.emit_stage(number, stage, "SUCCEEDED");
                if stopping {
                    self.set_status(number, ExecutionStatus::Stopped);
                } else if is_last || rolls_back {
                    self.set_status(number, ExecutionStatus::Succeeded);
                } else {
                    self.arrive(number, next);
                }
            }
            StageStatus::Failed => {
                self.emit_stage(number, stage, "FAILED");
                self.set_status(number, ExecutionStatus::Failed);
            }
            StageStatus::Stopped => {
                self.emit_stage(number, stage, "STOPPED");
                self.set_status(number, ExecutionStatus::Stopped);
            }
            StageStatus::InProgress | StageStatus::Stopping => {}
        }
        self.admit(stage);
    }

    /// Gives an execution a new status and tells EventBridge.
    pub(crate) fn set_status(&mut self, number: Number, status: ExecutionStatus) {
        let now = self.now;
        let Some(execution) = self.executions.get_mut(number) else { return };
        execution.status = status;
        execution.updated = now;
        let state = match status {
            ExecutionStatus::InProgress => "RESUMED",
            ExecutionStatus::Stopping => "STOPPING",
            ExecutionStatus::Stopped => "STOPPED",
            ExecutionStatus::Succeeded => "SUCCEEDED",
            ExecutionStatus::Superseded => "SUPERSEDED",
            ExecutionStatus::Failed => "FAILED",
        };
        self.emit_pipeline(number, state);
    }

    /// Does what is due: polls, time-outs.
    pub(crate) fn tick(&mut self) {
        let due: Vec<RunId> = self
            .runs
            .iter()
            .enumerate()
            .filter(|(_, run)| run.goes_on() && run.deadline().is_some_and(|deadline| deadline <= self.now))
            .map(|(id, _)| id)
            .collect();
        for run in due {
            match self.run(run).map(|run| run.waiting.clone()) {
                Some(Waiting::Job(polling)) => self.job_is_due(run, &polling),
                Some(Waiting::Person(_)) => self.approval_timed_out(run),
                Some(Waiting::Hook | Waiting::Over) | None => {}
            }
        }
    }

    /// Says when `tick` has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.runs.iter().filter(|run| run.goes_on()).filter_map(ActionRun::deadline).min()
    }

    pub(crate) fn emit_pipeline(&mut self, number: Number, state: &str) {
        let event = self.execution(number).map(|execution| events::pipeline(self, execution, state));
        self.effects.extend(event.map(Effect::Emit));
    }

    pub(crate) fn emit_stage(&mut self, number: Number, stage: usize, state: &str) {
        let event = self.execution(number).map(|execution| events::stage(self, execution, stage, state));
        self.effects.extend(event.map(Effect::Emit));
    }

    pub(crate) fn emit_action(&mut self, run: RunId, state: &str) {
        let event = self.run(run).and_then(|run| events::action(self, run, state));
        self.effects.extend(event.map(Effect::Emit));
    }
}

/// Makes an id in the form that CodePipeline's ids have.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
