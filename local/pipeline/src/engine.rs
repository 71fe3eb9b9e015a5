//! The run loop: takes the state forward when something is due, and carries out what it asks for.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::approval::{Notice, OpenApproval};
use crate::build::{Build, Built};
use crate::clock::Clock;
use crate::definition::Pipeline;
use crate::deploy::Deployment;
use crate::execution::ExecutionStatus;
use crate::settings::Settings;
use crate::source::{Object, ObjectVersion};
use crate::state::{Effect, State};

/// What a hook gives back.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A plain asynchronous callback.
pub type Hook<In, Out> = Arc<dyn Fn(In) -> Answer<Out> + Send + Sync>;

/// A Lambda function is to be called, asynchronously.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub function: String,
    /// The job event.
    pub event: Value,
}

/// What the engine needs of the world. An error is a sentence; it becomes the action's.
#[derive(Clone)]
pub struct Hooks {
    /// Queues an asynchronous invocation. An error means that it could not be queued, not that the function failed.
    pub invoke: Hook<Invocation, Result<(), String>>,
    /// Puts an event on EventBridge's default bus. Events are handed over one at a time, in order, so this should
    /// queue the event and not wait for who gets it.
    pub emit: Hook<Value, ()>,
    /// Builds a source; answers, when it is over, with what was made.
    pub build: Hook<Build, Result<Built, String>>,
    /// Deploys a revision; answers, when it is over, with a line that says what was reached.
    pub deploy: Hook<Deployment, Result<String, String>>,
    /// Reads a version of an object, or the newest.
    pub read_object: Hook<ObjectVersion, Result<Object, String>>,
    /// Publishes an approval's message to its `NotificationArn`.
    pub publish: Hook<Notice, ()>,
}

impl Hooks {
    /// Boxes a closure as a hook.
    pub fn hook<In, Out, F>(call: impl Fn(In) -> F + Send + Sync + 'static) -> Hook<In, Out>
    where
        F: Future<Output = Out> + Send + 'static,
    {
        Arc::new(move |input| -> Answer<Out> { Box::pin(call(input)) })
    }
}

/// One pipeline that runs. Dropping it stops whatever it has begun.
#[derive(Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// A way to a pipeline that does not keep it alive: an API that is mounted somewhere must not.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    name: String,
    inner: Weak<Inner>,
}

struct Inner {
    state: Mutex<State>,
    clock: Mutex<Clock>,
    hooks: Hooks,
    runtime: Handle,
    events: mpsc::UnboundedSender<Value>,
    wake: Arc<Notify>,
    changes: watch::Sender<u64>,
    tasks: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts to run a pipeline. Has to be called on a tokio runtime.
    #[must_use]
    pub fn start(pipeline: Pipeline, hooks: Hooks, settings: Settings) -> Self {
        let clock = Clock::start();
        let (events, queue) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new(pipeline, settings, clock.now())),
            clock: Mutex::new(clock),
            hooks,
            runtime: Handle::current(),
            events,
            wake: Arc::new(Notify::new()),
            changes: watch::Sender::new(0),
            tasks: Mutex::new(JoinSet::new()),
        });
        inner.spawn(emit_in_order(queue, Arc::clone(&inner.hooks.emit)));
        inner.spawn(keep_time(Arc::downgrade(&inner), Arc::clone(&inner.wake)));
        Self { inner }
    }

    /// The pipeline's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.inner.with(|state| state.pipeline.name.clone())
    }

    /// Tells of an upload; gives the id of the execution that it started. The same version starts one only once.
    pub fn on_upload(&self, bucket: &str, key: &str, version: Option<&str>) -> Option<String> {
        self.inner.with(|state| state.on_upload(bucket, key, version))
    }

    /// Puts the clock forward: what would be due in that time is due now.
    pub fn put_clock_forward(&self, by: Duration) {
        self.inner.clock.lock().unwrap_or_else(PoisonError::into_inner).put_forward(by);
        self.inner.with(|_| ());
    }

    /// The status of an execution.
    #[must_use]
    pub fn status(&self, execution_id: &str) -> Option<ExecutionStatus> {
        self.inner.with(|state| state.find(execution_id).map(|execution| execution.status))
    }

    /// Lists the approvals that wait for a person.
    #[must_use]
    pub fn open_approvals(&self) -> Vec<OpenApproval> {
        self.inner.with(|state| state.open_approvals())
    }

    /// Waits until an execution is over. The caller bounds the wait.
    pub async fn over(&self, execution_id: &str) -> ExecutionStatus {
        self.until(|| self.status(execution_id).filter(|status| status.is_over())).await
    }

    /// Waits until an approval of this execution is open, or the execution is over. The caller bounds the wait.
    pub async fn approval(&self, execution_id: &str, action: &str) -> Result<OpenApproval, ExecutionStatus> {
        let mine = |open: &OpenApproval| open.execution_id == execution_id && open.action == action;
        self.until(|| match self.open_approvals().into_iter().find(mine) {
            Some(open) => Some(Ok(open)),
            None => self.status(execution_id).filter(|status| status.is_over()).map(Err),
        })
        .await
    }

    /// Waits until a look at the pipeline gives something; looks after every change. The caller bounds the wait.
    pub async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let mut changes = self.inner.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(seen) = look() {
                return seen;
            }
            if changes.changed().await.is_err() {
                // The sender lives as long as this engine does.
                std::future::pending::<()>().await;
            }
        }
    }

    pub(crate) fn access(&self) -> Access {
        Access { name: self.name(), inner: Arc::downgrade(&self.inner) }
    }
}

impl Access {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Looks at the state, or changes it; nothing if the engine is gone.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        Some(self.inner.upgrade()?.with(act))
    }
}

impl Inner {
    /// Looks at the state, or changes it, and has done what follows from it.
    fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State) -> T) -> T {
        let now = self.clock.lock().unwrap_or_else(PoisonError::into_inner).now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = state.now.max(now);
        let before = state.next_deadline();
        state.tick();
        let answer = act(&mut state);
        let effects = std::mem::take(&mut state.effects);
        let changed = !effects.is_empty() || state.next_deadline() != before;
        // Under the lock, so that events are queued in the order in which the changes happened.
        for effect in effects {
            self.carry_out(effect);
        }
        drop(state);
        if changed {
            self.wake.notify_one();
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        answer
    }

    /// Begins what an effect asks for. Hooks are called from tasks of their own: this runs under the state's lock.
    fn carry_out(self: &Arc<Self>, effect: Effect) {
        let back = Arc::downgrade(self);
        match effect {
            // The receiver lives as long as this does.
            Effect::Emit(event) => drop(self.events.send(event)),
            Effect::Publish(notice) => {
                let publish = Arc::clone(&self.hooks.publish);
                self.spawn(async move { publish(notice).await });
            }
            Effect::Invoke { run, function, event } => {
                let invoke = Arc::clone(&self.hooks.invoke);
                self.spawn(async move {
                    if let Err(message) = invoke(Invocation { function, event }).await {
                        report(&back, |state| state.not_invoked(run, message));
                    }
                });
            }
            Effect::Fetch { run, object } => {
                let read_object = Arc::clone(&self.hooks.read_object);
                self.spawn(async move {
                    let read = read_object(object.clone()).await;
                    report(&back, |state| state.fetched(run, &object, read));
                });
            }
            Effect::Build { run, build } => {
                let builder = Arc::clone(&self.hooks.build);
                self.spawn(async move {
                    let result = builder(build).await;
                    report(&back, |state| state.built(run, result));
                });
            }
            Effect::Deploy { run, deployment } => {
                let deploy = Arc::clone(&self.hooks.deploy);
                self.spawn(async move {
                    let result = deploy(deployment.clone()).await;
                    report(&back, |state| state.deployed(run, &deployment, result));
                });
            }
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &self.runtime);
    }
}

fn report(back: &Weak<Inner>, act: impl FnOnce(&mut State)) {
    if let Some(inner) = back.upgrade() {
        inner.with(act);
    }
}

/// Hands events over one at a time.
async fn emit_in_order(mut queue: mpsc::UnboundedReceiver<Value>, emit: Hook<Value, ()>) {
    while let Some(event) = queue.recv().await {
        emit(event).await;
    }
}

/// Wakes at each deadline. It holds the engine only while it looks, so that dropping the engine ends it.
async fn keep_time(engine: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let Some(inner) = engine.upgrade() else { return };
        let (now, next) = inner.with(|state| (state.now, state.next_deadline()));
        drop(inner);
        match next {
            // Timestamps are in milliseconds; the one more makes sure that the deadline has passed.
            Some(next) => {
                let pause = now.until(next) + Duration::from_millis(1);
                drop(tokio::time::timeout(pause, wake.notified()).await);
            }
            None => wake.notified().await,
        }
    }
}
