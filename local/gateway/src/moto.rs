//! Starts moto, the AWS simulator, and stops it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
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
    #[error("moto ended before it served; is moto[server] installed beside {python}?")]
    Ended { python: PathBuf },
    #[error("moto did not serve within {} s", START_TIMEOUT.as_secs())]
    Late,
}

/// A running moto, in a process group of its own. It ends when this is dropped, and also when
/// this process dies without dropping it.
#[derive(Debug)]
pub struct Moto {
    url: String,
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
            // Its accounts need no checks of keys; nothing of the starter's own account may leak in.
            .env_remove("AWS_ENDPOINT_URL")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| MotoError::Spawn { python: python.clone(), source })?;
        let stdout = child.stdout.take().ok_or_else(|| MotoError::Ended { python: python.clone() })?;
        let mut lines = BufReader::new(stdout).lines();
        let port = tokio::time::timeout(START_TIMEOUT, lines.next_line())
            .await
            .map_err(|_| MotoError::Late)?
            .ok()
            .flatten()
            .and_then(|line| line.trim().parse::<u16>().ok())
            .ok_or(MotoError::Ended { python })?;
        // moto prints now and then; a closed pipe would fail its calls.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { url: format!("http://127.0.0.1:{port}"), _child: child })
    }

    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
