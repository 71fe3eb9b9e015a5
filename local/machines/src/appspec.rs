//! The AppSpec file of a revision: what CodeDeploy copies, and which scripts it runs when.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// What CodeDeploy gives a script that names no timeout.
const DEFAULT_TIMEOUT_SECONDS: u64 = 3600;

/// The lifecycle events of an in-place deployment that run scripts, in CodeDeploy's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum LifecycleEvent {
    ApplicationStop,
    BeforeInstall,
    AfterInstall,
    ApplicationStart,
    ValidateService,
}

impl fmt::Display for LifecycleEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A script of a lifecycle event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Its path in the revision.
    pub location: PathBuf,
    #[serde(default)]
    timeout: Option<u64>,
    /// Whom it runs as on a real instance. Here it runs as whoever runs everything.
    #[serde(default)]
    pub runas: Option<String>,
}

impl Script {
    /// How long it may run.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.unwrap_or(DEFAULT_TIMEOUT_SECONDS))
    }
}

/// A file or folder of the revision and the folder it is copied to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub source: PathBuf,
    pub destination: PathBuf,
}

/// What happens to a file that is there already and that no deployment put there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FileExistsBehavior {
    #[default]
    Disallow,
    Overwrite,
    Retain,
}

/// An AppSpec file for EC2. `permissions` are read over: everything here belongs to one user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSpec {
    version: f64,
    os: String,
    #[serde(default)]
    pub files: Vec<File>,
    #[serde(default)]
    pub file_exists_behavior: FileExistsBehavior,
    #[serde(default, rename = "permissions")]
    _permissions: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    pub hooks: BTreeMap<LifecycleEvent, Vec<Script>>,
}

/// What is wrong with an AppSpec file.
#[derive(Debug, thiserror::Error)]
pub enum AppSpecError {
    #[error(
        "The CodeDeploy agent did not find an AppSpec file within the unpacked revision directory at revision-relative \
         path \"appspec.yml\". The revision was unpacked to directory \"{}\": put appspec.yml at the top of the zip", .0.display()
    )]
    Missing(PathBuf),
    #[error("The deployment failed because the AppSpec file is not valid: {0}")]
    Invalid(serde_yaml_ng::Error),
    #[error(
        "The deployment failed because an invalid version value ({0}) was entered in the application specification file. The only valid value is 0.0"
    )]
    Version(f64),
    #[error(
        "The deployment failed because an invalid operating system value ({0}) was entered in the application specification file. Here it must be linux"
    )]
    Os(String),
}

impl AppSpec {
    /// Reads the AppSpec file of an unpacked revision.
    ///
    /// # Errors
    ///
    /// Where there is none, or it is not one for Linux on EC2.
    pub fn read(archive: &Path) -> Result<Self, AppSpecError> {
        let text = std::fs::read_to_string(archive.join("appspec.yml"))
            .or_else(|_| std::fs::read_to_string(archive.join("appspec.yaml")))
            .map_err(|_| AppSpecError::Missing(archive.to_owned()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, AppSpecError> {
        let spec: Self = serde_yaml_ng::from_str(text).map_err(AppSpecError::Invalid)?;
        if spec.version != 0.0 {
            return Err(AppSpecError::Version(spec.version));
        }
        if spec.os != "linux" {
            return Err(AppSpecError::Os(spec.os));
        }
        Ok(spec)
    }

    /// The scripts of an event, in their order.
    #[must_use]
    pub fn scripts(&self, event: LifecycleEvent) -> &[Script] {
        self.hooks.get(&event).map(Vec::as_slice).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_reads() {
        let revision = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/mobile-web/revision");
        let spec = AppSpec::read(&revision).unwrap();
        assert_eq!(spec.scripts(LifecycleEvent::BeforeInstall), []);
        let start = &spec.scripts(LifecycleEvent::ApplicationStart)[0];
        assert_eq!(start.location, Path::new("scripts/start.sh"));
        assert_eq!(start.timeout(), Duration::from_secs(30));
        for script in spec.hooks.values().flatten() {
            assert!(revision.join(&script.location).is_file(), "{script:?}");
        }
        for file in &spec.files {
            assert!(revision.join(&file.source).is_file(), "{file:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, words) in [
            ("version: 1.0\nos: linux\n", "invalid version value (1)"),
            ("version: 0.0\nos: windows\n", "invalid operating system value (windows)"),
            ("version: 0.0\nos: linux\nhooks:\n  AfterStart:\n    - location: a.sh\n", "AfterStart"),
            ("version: 0.0\nos: linux\nhooks:\n  BeforeInstall:\n    - script: a.sh\n", "script"),
        ] {
            let error = AppSpec::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
