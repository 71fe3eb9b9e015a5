//! The processes of a run: how they are marked, found and ended, and the guard that ends them whatever happens.
//!
//! A server that a hook starts is in a session of its own, with no parent left: neither its process group nor
//! its parent says whose it is. Its environment does. All that belongs to a run has [`RUN`] in its
//! environment, all that belongs to an instance has [`INSTANCE_ROOT`] too, and children inherit both.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The variable that marks every process of a run; its value is the run's folder.
pub const RUN: &str = "POINTSMAN_RUN";

/// The variable that marks every process of an instance; its value is the folder that stands for the instance's disk.
pub const INSTANCE_ROOT: &str = "INSTANCE_ROOT";

/// Ends all processes whose environment holds `$1`. A process may start another between the look and the
/// signal, hence the rounds.
const END: &str = r#"
end_all() {
    for round in 1 2 3 4 5 6 7 8 9 10; do
        pids=$(grep -lzxsF -e "$1" /proc/[0-9]*/environ | cut -d/ -f3)
        [ -n "$pids" ] || return 0
        kill -KILL $pids 2>/dev/null
    done
    return 1
}
"#;

/// How long a guard has for its work; it needs a tenth of a second.
const GUARD_PATIENCE: Duration = Duration::from_secs(10);

/// Ends all processes of an instance.
///
/// # Errors
///
/// Where `sh` cannot be run, or processes are still there after ten rounds.
pub async fn end_instance(root: &Path) -> io::Result<()> {
    let mark = format!("{INSTANCE_ROOT}={}", root.display());
    let status: ExitStatus = tokio::process::Command::new("sh")
        .args(["-c", &format!("{END}\nend_all \"$1\""), "sh", &mark])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("processes of {} would not end", root.display())))
    }
}

/// A process beside ours that ends all processes of the run and removes its folder as soon as this value is
/// dropped or our process is gone, however it went.
#[derive(Debug)]
pub struct Guard {
    folder: PathBuf,
    shell: Child,
}

impl Guard {
    /// Makes the run's folder and starts its guard.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be made or `sh` cannot be run.
    pub fn start(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let script = format!("{END}\ntrap '' INT TERM HUP\nread -r _\nend_all \"{RUN}=$1\"\nrm -rf \"$1\"\n");
        let shell = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the terminal is for the program, which ends the run in order.
            .process_group(0)
            .spawn()?;
        Ok(Self { folder, shell })
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Marks a command as one of this run.
    pub fn mark(&self, command: &mut Command) {
        command.env(RUN, &self.folder);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let end = Instant::now() + GUARD_PATIENCE;
        while matches!(self.shell.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(guard: &Guard, instance: &Path) -> Child {
        let mut command = Command::new("sleep");
        command.arg("300").env(INSTANCE_ROOT, instance);
        guard.mark(&mut command);
        command.spawn().unwrap()
    }

    #[tokio::test]
    async fn an_instance_ends_alone_and_the_rest_with_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let guard = Guard::start(&folder.path().join("run")).unwrap();
        let (first, second) = (guard.folder().join("i-1"), guard.folder().join("i-10"));
        let (mut one, mut other) = (sleeper(&guard, &first), sleeper(&guard, &second));

        end_instance(&first).await.unwrap();
        assert!(!one.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "the other instance goes on");

        let run = guard.folder().to_owned();
        drop(guard);
        assert!(!other.wait().unwrap().success());
        assert!(!run.exists());
    }
}
