//! Starts moto, the AWS simulator, and stops it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

/// How long moto may take to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Why moto could not be started.
#[derive(Debug, thiserror::Error)]
pub enum MotoError {
    #[error("could not start {python}; make the virtual environment first (`make`), or name it in POINTSMAN_VENV")]
    Spawn {
        python: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("moto ended before it served; is moto[server] installed beside {python}? It said: {said}")]
    Ended { python: PathBuf, said: String },
    #[error("moto did not serve within {} s", START_TIMEOUT.as_secs())]
    Late,
    #[error("moto made no copy of itself. It said: {said}")]
    NoFork { said: String },
}

/// How much of what moto says is kept.
const LOG_LINES_MAX: usize = 500;

/// What moto said last: the traces of its own failures, above all.
type Log = Arc<Mutex<VecDeque<String>>>;

/// A running moto, in a process group of its own. It ends when this is dropped, and also when
/// this process dies without dropping it.
#[derive(Debug)]
pub struct Moto {
    url: String,
    log: Log,
    orders: tokio::sync::Mutex<Orders>,
    // Dropping it kills the process (`kill_on_drop`); its standard input, which it watches, closes with it.
    _child: Child,
}

/// How moto is asked for copies of itself, and says where they serve.
#[derive(Debug)]
struct Orders {
    stdin: ChildStdin,
    /// Port and process id.
    forks: mpsc::UnboundedReceiver<(u16, i32)>,
}

/// A copy of a moto, with all that it held when it was made. It ends when this is dropped, and with the first one.
#[derive(Debug)]
pub struct Fork {
    url: String,
    process: Option<Pid>,
}

impl Fork {
    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            // One that has ended already is no error.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

impl Moto {
    /// Starts moto out of a Python virtual environment, on a free port of 127.0.0.1, and waits until it serves.
    ///
    /// # Errors
    ///
    /// Where it cannot be started, or does not serve in time.
    pub async fn start(venv: &Path) -> Result<Self, MotoError> {
        let python = venv.join("bin/python");
        let mut child = Command::new(&python)
            .args(["-c", include_str!("moto.py")])
            // moto calls itself now and then; it must not be sent through a gateway.
            .env_remove("AWS_ENDPOINT_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| MotoError::Spawn { python: python.clone(), source })?;
        let log = Log::default();
        // Both pipes are read to their ends: a full or closed one would fail moto's calls.
        let errors = child.stderr.take().map(|stderr| tokio::spawn(keep(stderr, Arc::clone(&log))));
        let (announce, mut forks) = mpsc::unbounded_channel();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(listen(stdout, announce, Arc::clone(&log)));
        }
        let served = tokio::time::timeout(START_TIMEOUT, forks.recv()).await.map_err(|_| MotoError::Late)?;
        let (Some((port, _)), Some(stdin)) = (served, child.stdin.take()) else {
            let _ = child.kill().await;
            if let Some(errors) = errors {
                let _ = errors.await;
            }
            return Err(MotoError::Ended { python, said: said(&log) });
        };
        let orders = tokio::sync::Mutex::new(Orders { stdin, forks });
        Ok(Self { url: url_of(port), log, orders, _child: child })
    }

    /// Makes a copy of it that goes its own way, as soon as no call is under way.
    ///
    /// # Errors
    ///
    /// Where it makes none.
    pub async fn fork(&self) -> Result<Fork, MotoError> {
        let mut orders = self.orders.lock().await;
        let made = async {
            orders.stdin.write_all(b"fork\n").await.ok()?;
            orders.forks.recv().await
        };
        let made = tokio::time::timeout(START_TIMEOUT, made).await.ok().flatten();
        let (port, process) = made.ok_or_else(|| MotoError::NoFork { said: said(&self.log) })?;
        Ok(Fork { url: url_of(port), process: Pid::from_raw(process) })
    }

    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it said last, failures with their traces: for when a call ends in a 500 that AWS would not give.
    #[must_use]
    pub fn log(&self) -> String {
        said(&self.log)
    }
}

fn url_of(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Reads where it, and its copies, serve; all else is kept as what it said.
async fn listen(stdout: impl AsyncRead + Unpin, announce: mpsc::UnboundedSender<(u16, i32)>, log: Log) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let served = line.split_once(' ').and_then(|(port, process)| Some((port.parse().ok()?, process.parse().ok()?)));
        match served {
            // Nobody who waits is left where it cannot be sent.
            Some(served) => drop(announce.send(served)),
            None => note(&log, line),
        }
    }
}

async fn keep(pipe: impl AsyncRead + Unpin, log: Log) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        note(&log, line);
    }
}

fn note(log: &Log, line: String) {
    if let Ok(mut log) = log.lock() {
        if log.len() == LOG_LINES_MAX {
            log.pop_front();
        }
        log.push_back(line);
    }
}

fn said(log: &Log) -> String {
    log.lock().map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")).unwrap_or_default()
}
