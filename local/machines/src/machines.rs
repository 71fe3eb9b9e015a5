//! The machines of a run: instances, deployments and the load balancer, started and stopped together.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gateway::{Aws, Gateway};
use tokio::task::JoinHandle;

use crate::deploy::{self, Deployment, Failure, Report};
use crate::instances::{Instances, RefreshError};
use crate::load_balancer::{Around, Haproxy, HaproxyError, LoadBalancer, SyncError};
use crate::network::{ListenerPort, Network};
use crate::processes::{self, Guard};

/// What is taken before the account is made: moto's VPC gets the network, its listener the port.
#[derive(Debug)]
pub struct Reservation {
    pub network: Network,
    pub listener_port: ListenerPort,
}

impl Reservation {
    /// Takes a network and a port, and checks that HAProxy is there.
    ///
    /// # Errors
    ///
    /// Where one of them is not to be had; the error says what to do.
    pub fn take() -> Result<Self, StartError> {
        Haproxy::check()?;
        let network = Network::reserve().map_err(StartError::Network)?;
        let listener_port = ListenerPort::reserve().map_err(StartError::Network)?;
        Ok(Self { network, listener_port })
    }
}

/// What machines are started with.
pub struct Config<'a> {
    /// The folder for everything of the run. It is made, and is removed at the end.
    pub folder: PathBuf,
    pub reservation: Reservation,
    /// A client of moto itself, not of the gateway.
    pub moto: Aws,
    /// Its calls are followed, and its health table is written.
    pub gateway: &'a Gateway,
    /// By what factor health checks come faster than target groups say: 10 makes 5 seconds half a second.
    pub check_speed: f64,
    /// Nodes of the load balancer beside the first, which hears of rule changes at once: how much later each does.
    pub lagging_nodes: Vec<Duration>,
}

/// Why the machines did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("no address to listen on: {0}")]
    Network(#[source] io::Error),
    #[error("the folder {folder} could not be made: {source}")]
    Folder { folder: PathBuf, source: io::Error },
    #[error(transparent)]
    Haproxy(#[from] HaproxyError),
}

/// Running machines. When they are dropped, HAProxy and all servers end, and the folder goes.
#[derive(Debug)]
pub struct Machines {
    // Fields are dropped in this order: the guard clears away what the others leave.
    load_balancer: LoadBalancer,
    follower: JoinHandle<()>,
    instances: Instances,
    guard: Guard,
    reservation: Reservation,
    _ports: Vec<ListenerPort>,
}

impl Machines {
    /// Starts the load balancer, still without a listener to follow, and begins to follow instances.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be made, or HAProxy does not start.
    pub async fn start(config: Config<'_>) -> Result<Self, StartError> {
        let Config { folder, reservation, moto, gateway, check_speed, lagging_nodes } = config;
        let guard = Guard::start(&folder).map_err(|source| StartError::Folder { folder, source })?;
        let instances = Instances::new(moto.clone(), guard.folder());
        let around = Around {
            moto,
            instances: instances.clone(),
            calls: gateway.subscribe(),
            health: gateway.health().clone(),
            check_speed,
        };
        let mut nodes = vec![(reservation.listener_port.address(), Duration::ZERO)];
        let mut ports = Vec::new();
        for lag in lagging_nodes {
            let port = ListenerPort::reserve().map_err(StartError::Network)?;
            nodes.push((port.address(), lag));
            ports.push(port);
        }
        let load_balancer = LoadBalancer::start(&guard, &nodes, around).await?;
        let follower = tokio::spawn(instances.clone().follow(gateway.subscribe()));
        Ok(Self { load_balancer, follower, instances, guard, reservation, _ports: ports })
    }

    /// The folder of the run, with each instance's disk and HAProxy's files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// The network that the instances' addresses are in.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.reservation.network
    }

    /// Where the load balancer's first node is reached.
    #[must_use]
    pub fn load_balancer_url(&self) -> String {
        format!("http://{}", self.reservation.listener_port.address())
    }

    /// A command that runs on an instance as if its AMI started it: it ends with the instance, at the latest.
    ///
    /// # Errors
    ///
    /// Where the folder that stands for the instance's disk cannot be made.
    pub fn command_on(&self, instance_id: &str, program: &Path) -> io::Result<Command> {
        let root = self.instances.root(instance_id);
        std::fs::create_dir_all(&root)?;
        let mut command = Command::new(program);
        command.current_dir(&root).env(processes::INSTANCE_ROOT, &root).stdin(Stdio::null());
        self.guard.mark(&mut command);
        // Ctrl-C in the terminal is for the program, which ends the run in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(command)
    }

    /// The load balancer.
    #[must_use]
    pub fn load_balancer(&self) -> &LoadBalancer {
        &self.load_balancer
    }

    /// The instances.
    #[must_use]
    pub fn instances(&self) -> &Instances {
        &self.instances
    }

    /// Has the load balancer do what this listener says, from now on.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or followed.
    pub async fn follow_listener(&self, listener_arn: &str) -> Result<(), SyncError> {
        self.load_balancer.follow(listener_arn);
        self.load_balancer.settle().await
    }

    /// Waits until everything is as moto holds it now: rules, weights and targets at the load balancer, ended
    /// instances cleared away.
    ///
    /// # Errors
    ///
    /// Where that cannot be, with the reason.
    pub async fn settle(&self) -> Result<(), SettleError> {
        self.instances.refresh().await?;
        Ok(self.load_balancer.settle().await?)
    }

    /// Deploys a revision as CodeDeploy does, and waits for its end. The future borrows nothing: it can be spawned.
    ///
    /// # Errors
    ///
    /// Where no instance is selected, or a lifecycle event fails on one of them.
    pub fn deploy(&self, deployment: Deployment) -> impl Future<Output = Result<Report, Failure>> + Send + use<> {
        let (instances, run) = (self.instances.clone(), self.guard.folder().to_owned());
        async move { deploy::deploy(&instances, &run, deployment).await }
    }
}

/// Why the machines are not what moto holds.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error(transparent)]
    Instances(#[from] RefreshError),
    #[error(transparent)]
    LoadBalancer(#[from] SyncError),
}

impl Drop for Machines {
    fn drop(&mut self) {
        self.follower.abort();
    }
}
