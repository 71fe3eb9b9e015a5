//! One `bootstrap` process: started as Lambda starts it, given invocations, stopped at its time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::timeout_at;

use crate::answer::{ErrorKind, FunctionError};
use crate::environment::{self, Place};
use crate::runtime_api::{Dispatch, Message, RuntimeApi};
use crate::template::FunctionSpec;

/// Lambda stops a function that is not ready for its first invocation after so long.
const INIT_MAX: Duration = Duration::from_secs(10);
/// How long a process that answered may take to ask for the next invocation before it counts as stuck.
const NEXT_MAX: Duration = Duration::from_secs(2);
/// What is kept of the output of one invocation: a runaway loop must not fill the memory.
const OUTPUT_MAX_BYTES: usize = 1024 * 1024;

/// A running `bootstrap`. It and all it started are killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    group: Pid,
    api: RuntimeApi,
    output: Output,
    started: Instant,
    /// Taken with the first answer; later invocations are warm.
    init: Option<Duration>,
    ready: bool,
    /// As it was last seen: a process that has ended tells nothing any more.
    peak_rss_bytes: Option<u64>,
}

/// What one invocation came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub result: Result<Bytes, FunctionError>,
    pub lines: Vec<String>,
    /// How long the process took to be ready, if this was its first invocation.
    pub init: Option<Duration>,
    pub duration: Duration,
    pub peak_rss_bytes: Option<u64>,
    /// The process waits for another invocation.
    pub reusable: bool,
}

/// Why waiting for a process ended otherwise than hoped.
enum Interruption {
    Exited(io::Result<ExitStatus>),
    TimedOut,
}

impl Process {
    /// Starts the `bootstrap` of a folder, in a process group of its own.
    pub async fn start(
        function: &FunctionSpec,
        folder: &Path,
        region: &str,
        endpoint_url: &str,
        log_stream: &str,
        session: &str,
    ) -> io::Result<Self> {
        let api = RuntimeApi::start().await?;
        let output = Output::new()?;
        let place = Place {
            region,
            endpoint_url,
            runtime_api: &api.address(),
            task_root: &folder.display().to_string(),
            log_stream,
            session,
        };
        let started = Instant::now();
        let child = Command::new(folder.join("bootstrap"))
            .env_clear()
            .envs(environment::variables(function, place))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.writer()?)
            .stderr(output.writer()?)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let group = group.ok_or_else(|| io::Error::other("the process ended at once"))?;
        Ok(Self { child, group, api, output, started, init: None, ready: false, peak_rss_bytes: None })
    }

    /// The process group, which is the process id too.
    pub fn group(&self) -> Pid {
        self.group
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Hands the process an invocation and waits for its answer, its end, or the function's timeout.
    pub async fn invoke(&mut self, function: &FunctionSpec, request_id: &str, payload: Bytes) -> Outcome {
        let is_cold = self.init.is_none();
        if let Err(error) = self.become_ready(request_id).await {
            let init = self.started.elapsed();
            return self.finish(Err(error), Some(init), Duration::ZERO, false);
        }
        let init = if is_cold { self.init } else { None };

        let begin = Instant::now();
        let deadline = SystemTime::now() + function.timeout;
        let dispatch = Dispatch {
            request_id: request_id.to_owned(),
            deadline_ms: epoch(deadline).as_millis(),
            function_arn: function.arn.clone(),
            trace_id: trace_id(request_id),
            payload,
        };
        self.ready = false;
        self.api.dispatch(dispatch).await;
        let result = match self.message_until(begin + function.timeout).await {
            Ok(Message::Response(body)) => Ok(body),
            Ok(Message::Error(body) | Message::InitError(body)) => Err(FunctionError::new(ErrorKind::Function, body)),
            Ok(Message::TooLarge) => Err(too_large()),
            Ok(Message::Next) => Err(self.kill_for_protocol(request_id)),
            Err(Interruption::TimedOut) => {
                self.kill();
                Err(timed_out(request_id, function.timeout))
            }
            Err(Interruption::Exited(status)) => Err(exited(request_id, status)),
        };
        let duration = begin.elapsed();
        // Lambda counts an invocation as over when the process asks for the next one. Waiting for that here
        // keeps a caller that comes back at once from finding no warm process.
        let reusable = match &result {
            Ok(_) => self.asks_for_next().await,
            Err(error) => error.kind == ErrorKind::Function && self.asks_for_next().await,
        };
        self.ready = reusable;
        self.finish(result, init, duration, reusable)
    }

    /// Waits until a new process asks for its first invocation.
    async fn become_ready(&mut self, request_id: &str) -> Result<(), FunctionError> {
        if self.ready {
            return Ok(());
        }
        match self.message_until(self.started + INIT_MAX).await {
            Ok(Message::Next) => {
                self.ready = true;
                self.init = Some(self.started.elapsed());
                Ok(())
            }
            Ok(Message::InitError(body)) => {
                self.kill();
                Err(FunctionError::new(ErrorKind::Init, body))
            }
            Ok(Message::Response(_) | Message::Error(_) | Message::TooLarge) => Err(self.kill_for_protocol(request_id)),
            Err(Interruption::TimedOut) => {
                self.kill();
                Err(timed_out(request_id, INIT_MAX))
            }
            Err(Interruption::Exited(status)) => Err(exited(request_id, status)),
        }
    }

    async fn asks_for_next(&mut self) -> bool {
        matches!(self.message_until(Instant::now() + NEXT_MAX).await, Ok(Message::Next))
    }

    async fn message_until(&mut self, deadline: Instant) -> Result<Message, Interruption> {
        let waiting = async {
            tokio::select! {
                // What the process said before it ended counts.
                biased;
                Some(message) = self.api.message() => Ok(message),
                status = self.child.wait() => Err(Interruption::Exited(status)),
            }
        };
        timeout_at(deadline.into(), waiting).await.unwrap_or(Err(Interruption::TimedOut))
    }

    /// Kills the process and all it started, at once.
    fn kill(&mut self) {
        self.note_peak();
        kill(self.group);
    }

    fn kill_for_protocol(&mut self, request_id: &str) -> FunctionError {
        self.kill();
        let message =
            format!("RequestId: {request_id} Error: Runtime asked for the next invocation before it answered this one");
        FunctionError::of(ErrorKind::Exit, "Runtime.ExitError", &message)
    }

    fn finish(
        &mut self,
        result: Result<Bytes, FunctionError>,
        init: Option<Duration>,
        duration: Duration,
        reusable: bool,
    ) -> Outcome {
        self.note_peak();
        Outcome { result, lines: self.output.lines(), init, duration, peak_rss_bytes: self.peak_rss_bytes, reusable }
    }

    /// Reads the most memory the process ever had, while it can be read.
    fn note_peak(&mut self) {
        self.peak_rss_bytes = peak_rss_bytes(self.group).or(self.peak_rss_bytes);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        kill(self.group);
    }
}

fn kill(group: Pid) {
    signal(group, Signal::KILL);
}

/// Sends a signal to a process group. One that has ended already is no error.
pub(crate) fn signal(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
}

fn peak_rss_bytes(process: Pid) -> Option<u64> {
    let path = format!("/proc/{}/status", process.as_raw_nonzero());
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// What a process writes. A file and not a pipe: all that was written before an answer is in it when the
/// answer comes, and a process is never held up by a reader.
#[derive(Debug)]
struct Output {
    file: File,
    read: u64,
}

impl Output {
    fn new() -> io::Result<Self> {
        let file = tempfile::tempfile()?;
        Ok(Self { file, read: 0 })
    }

    /// Standard output and error share the file and its position, so that lines stay in order.
    fn writer(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// The lines since the last time.
    fn lines(&mut self) -> Vec<String> {
        let mut bytes = vec![0; OUTPUT_MAX_BYTES];
        let mut length = 0;
        while let Some(rest) = bytes.get_mut(length..)
            && !rest.is_empty()
        {
            // Reading at a place leaves the position alone, which the process writes at.
            match self.file.read_at(rest, self.read) {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    length += count;
                    self.read += count as u64;
                }
            }
        }
        bytes.truncate(length);
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(str::to_owned).collect()
    }
}

fn timed_out(request_id: &str, after: Duration) -> FunctionError {
    let message = format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", after.as_secs_f64());
    FunctionError::of(ErrorKind::Timeout, "Sandbox.Timedout", &message)
}

fn exited(request_id: &str, status: io::Result<ExitStatus>) -> FunctionError {
    // `exit status: 1`, `signal: 9 (SIGKILL)`; Lambda writes `exit status 1` and `signal: killed`.
    let how = match status {
        Ok(status) if status.success() => "Runtime exited without providing a reason".to_owned(),
        Ok(status) => match (status.code(), status.to_string()) {
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (None, text) if text.contains("SIGKILL") => "Runtime exited with error: signal: killed".to_owned(),
            (None, text) => format!("Runtime exited with error: {text}"),
        },
        Err(error) => format!("Runtime exited with error: {error}"),
    };
    let message = format!("RequestId: {request_id} Error: {how}");
    FunctionError::of(ErrorKind::Exit, "Runtime.ExitError", &message)
}

fn too_large() -> FunctionError {
    let message = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
    FunctionError::of(ErrorKind::Function, "Function.ResponseSizeTooLarge", message)
}

/// In the form of X-Ray, whose daemon is not there; what matters is that the SDK hands it on.
fn trace_id(request_id: &str) -> String {
    let digits: String = request_id.chars().filter(char::is_ascii_hexdigit).collect();
    let (first, rest) = digits.split_at_checked(8).unwrap_or(("00000000", &digits));
    format!("Root=1-{first}-{rest};Sampled=0")
}

pub(crate) fn epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The answer to an invocation whose process could not be started at all.
pub(crate) fn not_started(request_id: &str, bootstrap: &Path, error: &io::Error) -> FunctionError {
    let message =
        format!("RequestId: {request_id} Error: Couldn't start the bootstrap {}: {error}", bootstrap.display());
    FunctionError::of(ErrorKind::Init, "Runtime.InvalidEntrypoint", &message)
}

impl FunctionError {
    /// An error that Lambda makes, and not the function.
    pub(crate) fn of(kind: ErrorKind, error_type: &str, message: &str) -> Self {
        let body = json!({"errorType": error_type, "errorMessage": message});
        Self::new(kind, body.to_string().into())
    }
}
