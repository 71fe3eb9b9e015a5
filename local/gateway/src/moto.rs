//! Starts moto, the AWS simulator, and stops it.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

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
    // Dropping it kills the process (`kill_on_drop`); its standard input, which it watches, closes with it.
    _child: Child,
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
        let mut lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        let port = match &mut lines {
            Some(lines) => tokio::time::timeout(START_TIMEOUT, lines.next_line()).await.map_err(|_| MotoError::Late)?,
            None => Ok(None),
        };
        let port = port.ok().flatten().and_then(|line| line.trim().parse::<u16>().ok());
        let Some(port) = port else {
            let _ = child.kill().await;
            if let Some(errors) = errors {
                let _ = errors.await;
            }
            return Err(MotoError::Ended { python, said: said(&log) });
        };
        if let Some(lines) = lines {
            tokio::spawn(keep(lines.into_inner(), Arc::clone(&log)));
        }
        Ok(Self { url: format!("http://127.0.0.1:{port}"), log, _child: child })
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

async fn keep(pipe: impl AsyncRead + Unpin, log: Log) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(mut log) = log.lock() {
            if log.len() == LOG_LINES_MAX {
                log.pop_front();
            }
            log.push_back(line);
        }
    }
}

fn said(log: &Log) -> String {
    log.lock().map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")).unwrap_or_default()
}
