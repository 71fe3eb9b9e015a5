//! A checkout on a CI's machine: the scripts, the revision, a shell, AWS's CLI and curl.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use local::{Stack, account};
use tempfile::TempDir;
use tokio::process::Command;

use super::policies;
use crate::stage::says;

/// The access key that a build's calls are signed with.
pub const KEY: &str = "BUILD";
/// The bucket that the examples name.
pub const BUCKET: &str = "example-mobile-web-builds";
/// No step of a build takes longer here.
pub const PATIENCE: Duration = Duration::from_secs(300);

pub type Variables = BTreeMap<String, String>;

/// A checkout.
pub struct Workspace<'a> {
    pub stack: &'a Stack,
    /// The commit that is built: the version that its servers answer with.
    pub commit: String,
    folder: TempDir,
    log: RefCell<String>,
}

impl<'a> Workspace<'a> {
    /// Checks out what the examples' README says to put into one's repository.
    pub async fn new(stack: &'a Stack) -> Self {
        let examples = stack.options().repository.join("examples");
        let folder = tempfile::tempdir().unwrap();
        for script in ["release.sh", "check.sh"] {
            std::fs::copy(examples.join("direct").join(script), folder.path().join(script)).unwrap();
        }
        copy(&examples.join("mobile-web/revision"), &folder.path().join("revision"));
        // The examples' names, whatever they are, are the local load balancer's.
        let load_balancer = stack.load_balancer_url();
        let address = load_balancer.rsplit('/').next().unwrap_or_default();
        std::fs::write(folder.path().join(".curlrc"), format!("connect-to = \"::{address}\"\n")).unwrap();

        account::versioned_bucket(&stack.moto(), BUCKET).await.unwrap();
        stack.deployable(&policies::groups(stack));
        // Git's commits are long and differ; so do the names of temporary folders.
        let commit = folder.path().file_name().unwrap().to_string_lossy().replace('.', "c");
        Self { stack, commit, folder, log: RefCell::default() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes a file of the checkout.
    pub fn change(&self, file: &str, before: &str, after: &str) {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(before), "{file} has no {before}");
        std::fs::write(path, text.replace(before, after)).unwrap();
    }

    /// The keys that a role has given, for the CIs that need not ask for them.
    pub fn keys() -> Variables {
        variables(&[("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", "stand-in")])
    }

    /// A command in the checkout, with nothing of the environment of whoever runs the test.
    pub fn command(&self, program: &[&str], variables: &Variables) -> Command {
        let options = self.stack.options();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).current_dir(self.path()).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command.envs([
            ("PATH", format!("{}/bin:/usr/bin:/bin", options.venv.display())),
            ("HOME", self.path().display().to_string()),
            ("CURL_HOME", self.path().display().to_string()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("AWS_ENDPOINT_URL", self.stack.gateway().url().to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            // At the pace of one machine.
            ("PAUSE_SECONDS", "0.2".to_owned()),
            ("CHECK_TRIES", "3".to_owned()),
        ]);
        command.envs(variables);
        command
    }

    /// Runs a script in a shell, as a CI does; answers whether it succeeded.
    pub async fn shell(&self, shell: &[&str], script: &str, variables: &Variables) -> bool {
        let program = [shell, &["-c", script]].concat();
        let path = self.path().join("output");
        let output = File::create(&path).unwrap();
        let mut command = self.command(&program, variables);
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let ended = tokio::time::timeout(PATIENCE, command.status()).await;
        let said = std::fs::read_to_string(&path).unwrap();
        self.log.borrow_mut().push_str(&format!("$ {script}\n{said}"));
        let status =
            ended.unwrap_or_else(|_| panic!("it takes too long:\n{}\n{}", self.log(), self.stack.last_words()));
        status.unwrap().success()
    }

    /// What the build printed.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// The build printed all of these words.
    pub fn said(&self, words: &[&str]) {
        says(&self.log(), words);
    }

    /// Reads a file of `NAME=value` lines; empty where it is not there.
    pub fn read(&self, file: &str) -> Variables {
        let text = std::fs::read_to_string(self.path().join(file)).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

pub fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
