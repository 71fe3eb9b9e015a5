//! The functions: each invocation gets a process of its own for its time, warm ones first.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::sync::{Semaphore, broadcast, oneshot, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::answer::Answer;
use crate::environment::{self, EnvironmentError, access_key};
use crate::logs::{LogLine, Logs};
use crate::process::{self, Outcome, Process};
use crate::report;
use crate::template::FunctionSpec;

mod asynchronous;
mod settings;

pub use asynchronous::DeadLetter;
pub use settings::Settings;

/// One machine runs no more processes of a function at a time. Lambda's own bound for an account is 1000.
const CONCURRENCY_MAX: usize = 32;
/// Who reads answers too slowly misses the oldest of more than this.
const ANSWERS_KEPT: usize = 1024;

/// Why the functions cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{} is missing. Run `make build` first", path.display())]
    NoBootstrap { path: PathBuf },
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}

/// Why there was no invocation.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvokeError {
    #[error("Function not found: {0}")]
    NotFound(String),
    #[error("Rate Exceeded.")]
    Throttled,
    #[error("the functions are being stopped")]
    Stopped,
}

/// An invocation that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub function: String,
    pub request_id: String,
    /// The process, and the group of all it started.
    pub process_id: u32,
    /// `AWS_SESSION_TOKEN` of the process: its calls carry it in `X-Amz-Security-Token`.
    pub session: String,
}

/// The functions of one template. Clones are the same functions; with the last one all processes end.
#[derive(Clone)]
pub struct Functions(Arc<Owner>);

/// What the clones share. Tasks hold only what is below, so that they do not keep themselves alive.
struct Owner {
    inner: Arc<Inner>,
    tasks: Mutex<JoinSet<()>>,
}

struct Inner {
    functions: BTreeMap<String, Arc<Function>>,
    settings: Settings,
    logs: Logs,
    processes: Mutex<BTreeMap<u64, Entry>>,
    /// How many processes there were so far.
    started: AtomicU64,
    stopped: AtomicBool,
    /// How many asynchronous events are not finished.
    pending: watch::Sender<usize>,
    answers: broadcast::Sender<Arc<Answer>>,
}

struct Function {
    spec: FunctionSpec,
    folder: PathBuf,
    idle: Mutex<Vec<Tracked>>,
    slots: Arc<Semaphore>,
}

/// A process that is known to exist.
struct Entry {
    group: Pid,
    session: String,
    /// The function and request it serves now.
    serves: Option<(String, String)>,
}

/// A process with its number in the list of all.
struct Tracked {
    number: u64,
    log_stream: String,
    process: Process,
}

impl Functions {
    /// Takes over these functions. Their processes start with their first invocations.
    ///
    /// Has to be called within a tokio runtime.
    pub fn start(specs: Vec<FunctionSpec>, settings: Settings) -> Result<Self, StartError> {
        let mut functions = BTreeMap::new();
        for spec in specs {
            environment::check(&spec)?;
            let folder = settings.bootstraps.join(spec.short_name());
            let path = folder.join("bootstrap");
            if !path.is_file() {
                return Err(StartError::NoBootstrap { path });
            }
            // A process works in its folder, so a relative path would lead astray.
            let folder = folder.canonicalize().map_err(|_| StartError::NoBootstrap { path })?;
            let slots = spec.reserved_concurrency.unwrap_or(CONCURRENCY_MAX).min(CONCURRENCY_MAX);
            let name = spec.name.clone();
            let slots = Arc::new(Semaphore::new(slots));
            let function = Function { spec, folder, idle: Mutex::default(), slots };
            functions.insert(name, Arc::new(function));
        }
        let inner = Arc::new(Inner {
            functions,
            logs: Logs::new(settings.logs.clone()),
            settings,
            processes: Mutex::default(),
            started: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            pending: watch::Sender::new(0),
            answers: broadcast::Sender::new(ANSWERS_KEPT),
        });
        Ok(Self(Arc::new(Owner { inner, tasks: Mutex::default() })))
    }

    /// Calls a function and waits for its answer. It runs to its end even if nobody waits any more.
    pub async fn invoke(&self, name: &str, payload: &Value) -> Result<Answer, InvokeError> {
        self.invoke_bytes(name, payload.to_string().into()).await
    }

    /// As `invoke`, with the payload as it came.
    pub async fn invoke_bytes(&self, name: &str, payload: Bytes) -> Result<Answer, InvokeError> {
        let function = self.function(name)?;
        let slots = Arc::clone(&function.slots);
        let slot = slots.try_acquire_owned().map_err(|_| InvokeError::Throttled)?;
        let inner = Arc::clone(&self.0.inner);
        let (sender, answer) = oneshot::channel();
        self.spawn(async move {
            let request_id = Uuid::new_v4().to_string();
            let _ = sender.send(inner.run(&function, &request_id, payload, 1).await);
            drop(slot);
        });
        answer.await.map_err(|_| InvokeError::Stopped)
    }

    /// The functions, by name.
    pub fn specs(&self) -> impl Iterator<Item = &FunctionSpec> {
        self.0.inner.functions.values().map(|function| &function.spec)
    }

    /// The function of this name.
    #[must_use]
    pub fn spec(&self, name: &str) -> Option<&FunctionSpec> {
        self.0.inner.functions.get(name).map(|function| &function.spec)
    }

    /// The log of a function so far, the oldest line first.
    #[must_use]
    pub fn logs(&self, name: &str) -> Vec<LogLine> {
        self.0.inner.logs.of(name)
    }

    /// Every answer from now on, of direct calls and of each try of asynchronous ones.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Answer>> {
        self.0.inner.answers.subscribe()
    }

    /// What runs now.
    #[must_use]
    pub fn running(&self) -> Vec<Running> {
        let processes = self.0.inner.processes();
        let running = processes.values().filter_map(|entry| {
            let (function, request_id) = entry.serves.clone()?;
            let process_id = entry.group.as_raw_nonzero().get().unsigned_abs();
            Some(Running { function, request_id, process_id, session: entry.session.clone() })
        });
        running.collect()
    }

    /// Kills the process that serves a request, with signal 9 and at once. Says whether there was one.
    #[must_use]
    pub fn kill(&self, request_id: &str) -> bool {
        let serves = |entry: &Entry| entry.serves.as_ref().is_some_and(|(_, id)| id == request_id);
        self.0.inner.kill_where(serves) > 0
    }

    /// Kills the process whose calls carry this session token, if it serves a request now.
    #[must_use]
    pub fn kill_session(&self, session: &str) -> bool {
        self.0.inner.kill_where(|entry| entry.serves.is_some() && entry.session == session) > 0
    }

    /// Kills every process that serves a request of this function, and says how many there were.
    #[must_use]
    pub fn kill_serving(&self, name: &str) -> usize {
        let serves = |entry: &Entry| entry.serves.as_ref().is_some_and(|(function, _)| function == name);
        self.0.inner.kill_where(serves)
    }

    /// Stops every process that serves a request of this function where it is, as a machine does that gets no time; says how
    /// many there were. They go on with `thaw`.
    #[must_use]
    pub fn freeze_serving(&self, name: &str) -> usize {
        let serves = |entry: &Entry| entry.serves.as_ref().is_some_and(|(function, _)| function == name);
        self.0.inner.signal_where(serves, Signal::STOP)
    }

    /// Lets all processes go on that were stopped.
    pub fn thaw(&self) {
        self.0.inner.signal_where(|_| true, Signal::CONT);
    }

    /// Ends the processes that wait for an invocation: the next ones start cold.
    pub fn cool_down(&self) {
        for function in self.0.inner.functions.values() {
            let idle = std::mem::take(&mut *function.idle());
            for tracked in idle {
                self.0.inner.forget(tracked);
            }
        }
    }

    /// Waits until no asynchronous event is left and all logs are sent. Answers what went wrong with sending the
    /// logs, if anything did.
    pub async fn idle(&self) -> Option<String> {
        let mut pending = self.0.inner.pending.subscribe();
        let _ = pending.wait_for(|pending| *pending == 0).await;
        self.0.inner.logs.flush().await
    }

    /// Ends everything now, processes and tries that are to come, and takes no more calls.
    pub fn stop(&self) {
        self.0.stop();
    }

    fn function(&self, name: &str) -> Result<Arc<Function>, InvokeError> {
        if self.0.inner.stopped.load(Ordering::Relaxed) {
            return Err(InvokeError::Stopped);
        }
        let function = self.0.inner.functions.get(name).map(Arc::clone);
        function.ok_or_else(|| InvokeError::NotFound(name.to_owned()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.0.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

impl Owner {
    fn stop(&self) {
        self.inner.stopped.store(true, Ordering::Relaxed);
        lock(&self.tasks).abort_all();
        for function in self.inner.functions.values() {
            function.idle().clear();
        }
        // The tasks end when the runtime comes to them; their processes end here.
        self.inner.kill_where(|_| true);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    /// Runs one invocation to its end.
    async fn run(&self, function: &Function, request_id: &str, event: Bytes, attempt: u64) -> Answer {
        let spec = &function.spec;
        let began = std::time::SystemTime::now();
        let (outcome, log_stream) = match self.take(function).await {
            Ok(mut tracked) => {
                self.serves(tracked.number, Some((spec.name.clone(), request_id.to_owned())));
                let outcome = tracked.process.invoke(spec, request_id, event.clone()).await;
                self.serves(tracked.number, None);
                let log_stream = tracked.log_stream.clone();
                if outcome.reusable {
                    function.idle().push(tracked);
                } else {
                    self.forget(tracked);
                }
                (outcome, log_stream)
            }
            Err(error) => {
                let error = process::not_started(request_id, &function.folder.join("bootstrap"), &error);
                (not_run(error), log_stream())
            }
        };
        let answer = report::answer(spec, request_id, event, attempt, outcome);
        let lines = report::lines(&answer, began);
        self.logs.add(&spec.name, &spec.log_group, &log_stream, lines);
        let _ = self.answers.send(Arc::new(answer.clone()));
        answer
    }

    /// A warm process, the latest used first, or a new one.
    async fn take(&self, function: &Function) -> io::Result<Tracked> {
        while let Some(mut tracked) = function.take_idle() {
            if tracked.process.is_alive() {
                return Ok(tracked);
            }
            self.forget(tracked);
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let session = format!("{}-{number}", access_key(&function.spec));
        let log_stream = log_stream();
        let settings = &self.settings;
        let (region, endpoint_url) = (&settings.region, &settings.endpoint_url);
        let process =
            Process::start(&function.spec, &function.folder, region, endpoint_url, &log_stream, &session).await?;
        let entry = Entry { group: process.group(), session, serves: None };
        self.processes().insert(number, entry);
        Ok(Tracked { number, log_stream, process })
    }

    fn serves(&self, number: u64, request: Option<(String, String)>) {
        if let Some(entry) = self.processes().get_mut(&number) {
            entry.serves = request;
        }
    }

    /// Takes a process off the list and ends it, in this order: a number that is on the list is in use.
    fn forget(&self, tracked: Tracked) {
        self.processes().remove(&tracked.number);
        drop(tracked.process);
    }

    fn kill_where(&self, wanted: impl Fn(&Entry) -> bool) -> usize {
        self.signal_where(wanted, Signal::KILL)
    }

    fn signal_where(&self, wanted: impl Fn(&Entry) -> bool, signal: Signal) -> usize {
        let processes = self.processes();
        let groups = processes.values().filter(|entry| wanted(entry)).map(|entry| entry.group);
        groups.inspect(|group| process::signal(*group, signal)).count()
    }

    fn processes(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        lock(&self.processes)
    }
}

impl Function {
    fn idle(&self) -> MutexGuard<'_, Vec<Tracked>> {
        lock(&self.idle)
    }

    fn take_idle(&self) -> Option<Tracked> {
        self.idle().pop()
    }
}

/// In the form that Lambda gives them.
fn log_stream() -> String {
    let today = time::OffsetDateTime::now_utc().date();
    let (year, month, day) = (today.year(), u8::from(today.month()), today.day());
    format!("{year}/{month:02}/{day:02}/[$LATEST]{}", Uuid::new_v4().simple())
}

fn not_run(error: crate::answer::FunctionError) -> Outcome {
    Outcome {
        result: Err(error),
        lines: Vec::new(),
        init: None,
        duration: Duration::ZERO,
        peak_rss_bytes: None,
        reusable: false,
    }
}

/// The data behind these locks is whole after each statement, also if a thread that held one panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
