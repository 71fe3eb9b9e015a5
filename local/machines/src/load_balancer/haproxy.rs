//! The HAProxy process and its runtime socket.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::config;
use super::rules::Entry;
use crate::processes::Guard;

/// How often, and how long apart, the socket of a new process is tried: five seconds in all.
const START_TRIES: u32 = 500;
const START_PAUSE: Duration = Duration::from_millis(10);

/// No command takes this long.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of the map one command carries; HAProxy's buffer has 16 KB.
const CHUNK_BYTES: usize = 8 * 1024;

/// Why HAProxy does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum HaproxyError {
    #[error(
        "HAProxy is not installed: it is the local load balancer. Install the package haproxy \
         (apt install haproxy, dnf install haproxy, apk add haproxy, pacman -S haproxy), 2.6 or newer, or put it on PATH"
    )]
    Missing,
    #[error("HAProxy {0} is too old: 2.6 or newer is needed")]
    TooOld(String),
    #[error("HAProxy did not start: {0}")]
    Start(String),
    #[error("HAProxy did not take `{command}`: {answer}")]
    Refused { command: String, answer: String },
    #[error("HAProxy does not answer on its socket: {0}")]
    Socket(#[source] io::Error),
    #[error("HAProxy's files could not be written: {0}")]
    Files(#[source] io::Error),
}

/// A running HAProxy. The run's guard ends it when this is dropped, at the latest.
#[derive(Debug)]
pub struct Haproxy {
    log_file: PathBuf,
    /// As seen from HAProxy's working folder: a socket's path must be short, and the run's folder need not be.
    socket: PathBuf,
    child: Child,
}

impl Haproxy {
    /// Checks that there is one, and that it is new enough.
    ///
    /// # Errors
    ///
    /// Where it is missing or too old.
    pub fn check() -> Result<(), HaproxyError> {
        let output =
            Command::new("haproxy").arg("-v").stdin(Stdio::null()).output().map_err(|_| HaproxyError::Missing)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1).unwrap_or_default();
        let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
        let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if (major, minor) >= (2, 6) { Ok(()) } else { Err(HaproxyError::TooOld(version.to_owned())) }
    }

    /// Starts it in a folder of this name below the run's, without a rule: it answers 503.
    ///
    /// # Errors
    ///
    /// Where it is missing, or does not come up.
    pub async fn start(guard: &Guard, name: &str, listen: SocketAddr) -> Result<Self, HaproxyError> {
        Self::check()?;
        let folder = guard.folder().join(name);
        let config_file = folder.join("haproxy.cfg");
        write_files(&folder, &config_file, listen).map_err(HaproxyError::Files)?;
        let log_file = folder.join("haproxy.log");
        let log = std::fs::File::create(&log_file).map_err(HaproxyError::Files)?;

        let mut command = Command::new("haproxy");
        command.current_dir(&folder).arg("-db").arg("-f").arg(&config_file).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(HaproxyError::Files)?).stderr(log);
        guard.mark(&mut command);
        // Ctrl-C in the terminal is for the program, which ends the run in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|_| HaproxyError::Missing)?;

        let socket = Path::new("/proc").join(child.id().to_string()).join("cwd").join(config::SOCKET_FILE);
        let mut haproxy = Self { log_file, socket, child };
        for _ in 0..START_TRIES {
            if haproxy.command("show info").await.is_ok() {
                return Ok(haproxy);
            }
            if !matches!(haproxy.child.try_wait(), Ok(None)) {
                break;
            }
            tokio::time::sleep(START_PAUSE).await;
        }
        let said = std::fs::read_to_string(&haproxy.log_file).unwrap_or_default();
        Err(HaproxyError::Start(said.trim().to_owned()))
    }

    /// Where it logs to.
    pub fn log_file(&self) -> &Path {
        &self.log_file
    }

    /// Sends a command; the answer is what it says, without white space around it.
    pub async fn command(&self, command: &str) -> Result<String, HaproxyError> {
        let exchange = async {
            let mut socket = UnixStream::connect(&self.socket).await?;
            socket.write_all(command.as_bytes()).await?;
            socket.write_all(b"\n").await?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await?;
            io::Result::Ok(answer)
        };
        match tokio::time::timeout(COMMAND_TIMEOUT, exchange).await {
            Ok(Ok(answer)) => Ok(answer.trim().to_owned()),
            Ok(Err(error)) => Err(HaproxyError::Socket(error)),
            Err(_) => Err(HaproxyError::Socket(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Sends a command that is silent where it succeeds.
    pub async fn silent(&self, command: &str) -> Result<(), HaproxyError> {
        match self.command(command).await?.as_str() {
            "" => Ok(()),
            answer => Err(HaproxyError::Refused { command: command.to_owned(), answer: answer.to_owned() }),
        }
    }

    /// Gives a target's slot its address.
    pub async fn set_address(&self, server: &str, address: SocketAddr) -> Result<(), HaproxyError> {
        let (ip, port) = (address.ip(), address.port());
        let command = format!("set server {server} addr {ip} port {port}");
        let answer = self.command(&command).await?;
        if answer.contains("changed") || answer.contains("no need to change") {
            Ok(())
        } else {
            Err(HaproxyError::Refused { command, answer })
        }
    }

    /// The requests under way: the client's end, and the server they went to, `<backend>/<server>`.
    pub async fn sessions(&self) -> Result<Vec<(SocketAddr, String)>, HaproxyError> {
        Ok(self.command("show sess").await?.lines().filter_map(session).collect())
    }

    /// How many requests its listener has counted since its start.
    pub async fn requests(&self) -> Result<u64, HaproxyError> {
        let command = format!("show stat {} 1 -1", config::FRONTEND);
        let answer = self.command(&command).await?;
        let mut lines = answer.lines();
        let column = lines.next().and_then(|names| names.split(',').position(|name| name == "req_tot"));
        let count = column.zip(lines.next()).and_then(|(column, values)| values.split(',').nth(column)?.parse().ok());
        count.ok_or(HaproxyError::Refused { command, answer })
    }

    /// Puts a whole map in the place of the one before, in one step.
    pub async fn replace_map(&self, entries: &[Entry]) -> Result<(), HaproxyError> {
        let map = config::MAP_FILE;
        let command = format!("prepare map {map}");
        let answer = self.command(&command).await?;
        let Some(version) = answer.rsplit(' ').next().filter(|word| word.parse::<u32>().is_ok()) else {
            return Err(HaproxyError::Refused { command, answer });
        };
        let mut lines = String::new();
        for entry in entries {
            lines.push_str(&format!("{} {}\n", entry.pattern, entry.value));
            if lines.len() > CHUNK_BYTES {
                self.silent(&format!("add map @{version} {map} <<\n{lines}")).await?;
                lines.clear();
            }
        }
        if !lines.is_empty() {
            self.silent(&format!("add map @{version} {map} <<\n{lines}")).await?;
        }
        self.silent(&format!("commit map @{version} {map}")).await
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `0x55f7401db320: proto=tcpv4 src=127.0.0.1:39294 fe=listener be=group-0 srv=target-2 ts=00 …`
fn session(line: &str) -> Option<(SocketAddr, String)> {
    let word = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key));
    Some((word("src=")?.parse().ok()?, format!("{}/{}", word("be=")?, word("srv=")?)))
}

fn write_files(folder: &Path, config_file: &Path, listen: SocketAddr) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (path, text) in config::files() {
        std::fs::write(folder.join(path), text)?;
    }
    std::fs::write(config_file, config::render(listen))
}
