//! CodeDeploy's agent on one instance: unpacks the revision, copies its files, runs its scripts.

use std::fmt;
use std::io::{self, Cursor};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::appspec::{AppSpec, AppSpecError, FileExistsBehavior, LifecycleEvent, Script};
use crate::deploy::Deployment;
use crate::instances::Instance;
use crate::processes;

/// Where the agent keeps its things on the instance.
const AGENT_FOLDER: &str = "opt/codedeploy-agent/deployment-root";

/// How much of a script's output a failure shows.
const OUTPUT_LINES: usize = 10;

/// What an instance finds `python3` and the like by: the system's own, as the agent has it, then ours.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How often, and how long apart, a script that is "busy" is tried.
const SPAWN_TRIES: usize = 50;
const SPAWN_PAUSE: Duration = Duration::from_millis(10);

/// One deployment on one instance.
pub(crate) struct Agent {
    pub instance: Instance,
    /// The folder that stands for the instance's disk.
    pub root: PathBuf,
    /// The run's folder, which marks the run's processes.
    pub run: PathBuf,
    pub deployment: Arc<Deployment>,
    pub deployment_id: String,
}

/// Why a lifecycle event failed, in the agent's words.
#[derive(Debug)]
pub enum EventError {
    AppSpec(AppSpecError),
    Archive(String),
    FileExists(PathBuf),
    Script { script: Script, how: ScriptEnd, output: String },
    Io(io::Error),
}

/// How a script ended that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    Missing,
    /// The exit code; none where a signal ended it.
    Failed(Option<i32>),
    TimedOut,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AppSpec(error) => error.fmt(f),
            Self::Archive(why) => write!(f, "The revision could not be unpacked: {why}"),
            Self::FileExists(path) => {
                write!(
                    f,
                    "The deployment failed because a specified file already exists at this location: {}",
                    path.display()
                )
            }
            Self::Io(error) => error.fmt(f),
            Self::Script { script, how, output } => {
                let location = script.location.display();
                match how {
                    ScriptEnd::Missing => write!(f, "Script does not exist at specified location: {location}")?,
                    ScriptEnd::Failed(Some(code)) => {
                        write!(f, "Script at specified location: {location} failed with exit code {code}")?;
                    }
                    ScriptEnd::Failed(None) => {
                        write!(f, "Script at specified location: {location} was ended by a signal")?
                    }
                    ScriptEnd::TimedOut => {
                        let seconds = script.timeout().as_secs();
                        write!(f, "Script at specified location: {location} failed to complete in {seconds} seconds")?;
                    }
                }
                output.lines().try_for_each(|line| write!(f, "\n    {line}"))
            }
        }
    }
}

impl From<io::Error> for EventError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Agent {
    /// Goes through the lifecycle events; a failure says in which.
    pub async fn deploy(&self) -> Result<(), (String, EventError)> {
        // The scripts that stop what runs are those of the revision that runs.
        if let Some(before) = self.last_successful() {
            self.run_scripts(&before, LifecycleEvent::ApplicationStop).await?;
        }
        let archive = self.folder().join("deployment-archive");
        in_event("DownloadBundle", self.unpack(&archive).await)?;
        self.run_scripts(&archive, LifecycleEvent::BeforeInstall).await?;
        in_event("Install", self.install(&archive))?;
        for event in [LifecycleEvent::AfterInstall, LifecycleEvent::ApplicationStart, LifecycleEvent::ValidateService] {
            self.run_scripts(&archive, event).await?;
        }
        in_event("Install", self.remember(&archive).map_err(EventError::Io))
    }

    fn folder(&self) -> PathBuf {
        self.root.join(AGENT_FOLDER).join(&self.deployment.deployment_group).join(&self.deployment_id)
    }

    /// The file that names the archive of the last deployment that succeeded.
    fn last_successful_file(&self) -> PathBuf {
        let name = format!("{}_last_successful_install", self.deployment.deployment_group);
        self.root.join(AGENT_FOLDER).join("deployment-instructions").join(name)
    }

    fn last_successful(&self) -> Option<PathBuf> {
        std::fs::read_to_string(self.last_successful_file()).ok().map(PathBuf::from)
    }

    fn remember(&self, archive: &Path) -> io::Result<()> {
        let file = self.last_successful_file();
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, archive.display().to_string())
    }

    async fn unpack(&self, archive: &Path) -> Result<(), EventError> {
        let (deployment, folder) = (Arc::clone(&self.deployment), archive.to_owned());
        let unpacked = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            let zip = zip::ZipArchive::new(Cursor::new(&deployment.revision));
            zip.and_then(|mut zip| zip.extract(&folder)).map_err(|error| error.to_string())
        });
        match unpacked.await {
            Ok(result) => result.map_err(EventError::Archive)?,
            Err(error) => return Err(EventError::Archive(error.to_string())),
        }
        AppSpec::read(archive).map(drop).map_err(EventError::AppSpec)
    }

    /// Copies the files; what the deployment before put there goes first.
    fn install(&self, archive: &Path) -> Result<(), EventError> {
        let installed = self.root.join(AGENT_FOLDER).join("deployment-instructions").join("installed-files");
        for file in std::fs::read_to_string(&installed).unwrap_or_default().lines() {
            let _ = std::fs::remove_file(file);
        }
        let spec = AppSpec::read(archive).map_err(EventError::AppSpec)?;
        let mut copied = String::new();
        for file in &spec.files {
            let destination = below(&self.root, &file.destination);
            for (from, to) in files(&below(archive, &file.source), &destination)? {
                match spec.file_exists_behavior {
                    FileExistsBehavior::Disallow if to.exists() => return Err(EventError::FileExists(to)),
                    FileExistsBehavior::Retain if to.exists() => continue,
                    FileExistsBehavior::Disallow | FileExistsBehavior::Retain | FileExistsBehavior::Overwrite => {}
                }
                if let Some(folder) = to.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                std::fs::copy(&from, &to)?;
                copied.push_str(&format!("{}\n", to.display()));
            }
        }
        if let Some(folder) = installed.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(installed, copied)?)
    }

    async fn run_scripts(&self, archive: &Path, event: LifecycleEvent) -> Result<(), (String, EventError)> {
        let spec = AppSpec::read(archive).map_err(|error| (event.to_string(), EventError::AppSpec(error)))?;
        for script in spec.scripts(event) {
            in_event(&event.to_string(), self.run_script(archive, event, script).await)?;
        }
        Ok(())
    }

    async fn run_script(&self, archive: &Path, event: LifecycleEvent, script: &Script) -> Result<(), EventError> {
        let path = below(archive, &script.location);
        let fail = |how, output| EventError::Script { script: script.clone(), how, output };
        let Ok(metadata) = path.metadata() else { return Err(fail(ScriptEnd::Missing, String::new())) };
        if metadata.permissions().mode() & 0o111 == 0 {
            // A zip made on Windows has no such bits; the agent mends that too.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
        // A file, not a pipe: a server that keeps its script's output open does not hold up the deployment.
        let log = self
            .folder()
            .join("logs")
            .join(format!("{event}-{}.log", script.location.display().to_string().replace('/', "-")));
        std::fs::create_dir_all(self.folder().join("logs"))?;
        let output = std::fs::File::create(&log)?;

        let mut command = self.command(&path, event);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut child = spawn(command).await?;
        let group = child.id();
        let ended = tokio::time::timeout(script.timeout(), child.wait()).await;
        match ended {
            Ok(status) => match status? {
                status if status.success() => Ok(()),
                status => Err(fail(ScriptEnd::Failed(status.code()), tail(&log))),
            },
            Err(_) => {
                if let Some(group) = group {
                    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status();
                }
                let _ = child.wait().await;
                Err(fail(ScriptEnd::TimedOut, tail(&log)))
            }
        }
    }

    /// The script with the environment that the agent gives it and, beside that, what stands for the machine.
    fn command(&self, path: &Path, event: LifecycleEvent) -> Command {
        let mut command = Command::new(path);
        command.env_clear().current_dir(&self.root);
        let ours = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{SYSTEM_PATH}:{ours}")).env("HOME", &self.root).env("LANG", "C.UTF-8");
        command.env("APPLICATION_NAME", &self.deployment.application);
        command.env("DEPLOYMENT_GROUP_NAME", &self.deployment.deployment_group);
        command.env("DEPLOYMENT_ID", &self.deployment_id);
        command.env("LIFECYCLE_EVENT", event.to_string());
        command.env("INSTANCE_ID", &self.instance.id).env("PORT", self.deployment.port.to_string());
        if let Some(ip) = self.instance.private_ip {
            command.env("BIND_ADDRESS", ip.to_string());
        }
        command.env(processes::RUN, &self.run).env(processes::INSTANCE_ROOT, &self.root);
        command
    }
}

/// Starts a script in a process group of its own.
///
/// It was written a moment ago, and a child that is being started for another instance may still hold it open
/// for writing until it has become what it is to be: "text file busy" passes.
async fn spawn(command: Command) -> io::Result<tokio::process::Child> {
    let mut command = tokio::process::Command::from(command);
    command.process_group(0).kill_on_drop(true);
    for _ in 1..SPAWN_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => tokio::time::sleep(SPAWN_PAUSE).await,
            other => return other,
        }
    }
    command.spawn()
}

/// The end of what a script or a build printed.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(OUTPUT_LINES)..).unwrap_or_default().join("\n")
}

fn in_event<T>(event: &str, result: Result<T, EventError>) -> Result<T, (String, EventError)> {
    result.map_err(|error| (event.to_owned(), error))
}

/// A path of the instance or the revision, absolute or not, below the folder that stands for it; `..` leads nowhere.
fn below(root: &Path, path: &Path) -> PathBuf {
    let mut whole = root.to_owned();
    whole.extend(path.components().filter(|component| matches!(component, Component::Normal(_))));
    whole
}

/// The files that a `files` entry copies: a file into the folder, or what is in a folder.
fn files(source: &Path, destination: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    if !source.is_dir() {
        let name = source.file_name().unwrap_or_default();
        return Ok(vec![(source.to_owned(), destination.join(name))]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(source)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path(), &destination.join(entry.file_name()))?);
        } else {
            found.push((entry.path(), destination.join(entry.file_name())));
        }
    }
    Ok(found)
}
