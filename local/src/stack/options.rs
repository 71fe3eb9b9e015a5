//! With what a stack is started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// Of what the servers are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// Real processes behind a real load balancer.
    Real,
    /// None: deployments succeed, targets are healthy, as a script says.
    Scripted,
}

/// With what a stack is started.
pub struct Options {
    /// The repository: its templates and examples are read.
    pub repository: PathBuf,
    /// The Python environment that has moto.
    pub venv: PathBuf,
    /// The folder of `<function>/bootstrap`.
    pub bootstraps: PathBuf,
    pub servers: Servers,
    /// Where the servers' disks are, and what `local up` writes.
    pub folder: PathBuf,
    /// By what factor health checks come faster than configured.
    pub check_speed: f64,
    /// Nodes of the load balancer beside the first: by how much later each hears of rule changes.
    pub lagging_nodes: Vec<Duration>,
    /// By what factor Lambda's pauses before it tries an event again are shorter.
    pub retry_scale: f64,
    /// The name of the first service, and what of its config is not the example's.
    pub service: String,
    pub change: fn(&mut Value),
    /// Whether that config is an SSM parameter, which can be changed while the system runs, and no variable of the functions.
    pub in_parameter: bool,
    /// After how long the functions are stopped, where that is not to be the template's.
    pub timeout: Option<Duration>,
    /// Variables of the functions that the template has not, or other values for those it has. What is a service, or the
    /// services' defaults, gets this account's ids in the places of an example's.
    pub variables: BTreeMap<String, String>,
    /// The folder that the functions' calls are written into, for `make permissions`; none if they are not.
    pub journal: Option<PathBuf>,
    /// Parameters of the project's template, where they are not to be its defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Options {
    /// What `make local` and `make demo` start: the example, with real servers. Environment variables may say that
    /// the Python environment (`POINTSMAN_VENV`) or the binaries (`POINTSMAN_BOOTSTRAPS`) are elsewhere, or where the functions' calls are written (`POINTSMAN_JOURNAL`).
    #[must_use]
    pub fn new() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = repository.parent().unwrap_or(repository).to_owned();
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Self {
            venv: variable("POINTSMAN_VENV").unwrap_or_else(|| repository.join(".venv")),
            bootstraps: variable("POINTSMAN_BOOTSTRAPS").unwrap_or_else(|| repository.join("target/lambda")),
            folder: repository.join("target/local"),
            repository,
            servers: Servers::Real,
            check_speed: 10.0,
            lagging_nodes: Vec::new(),
            retry_scale: 0.01,
            service: "mobile-web".to_owned(),
            change: |_| {},
            in_parameter: false,
            timeout: None,
            variables: BTreeMap::new(),
            journal: variable("POINTSMAN_JOURNAL"),
            parameters: BTreeMap::new(),
        }
    }

    /// The same without servers.
    #[must_use]
    pub fn scripted() -> Self {
        Self { servers: Servers::Scripted, ..Self::new() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
