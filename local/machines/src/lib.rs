//! What EC2, CodeBuild, CodeDeploy's agent and the Application Load Balancer do, with real processes on one machine.
//!
//! moto holds the account; this crate does what the account says. An instance is a folder and the processes
//! that a revision's scripts start, at a loopback address that is the instance's private IP. HAProxy is the
//! listener, and real health checks say what `DescribeTargetHealth` answers.
//!
//! ```no_run
//! # async fn example(gateway: gateway::Gateway, moto: gateway::Aws) -> Result<(), Box<dyn std::error::Error>> {
//! let reservation = machines::Reservation::take()?;
//! // Here the VPC is made with `reservation.network.cidr()`, the listener with `reservation.listener_port.port()`.
//! let config = machines::Config { folder: "target/local/run".into(), reservation, moto, gateway: &gateway, check_speed: 10.0, lagging_nodes: vec![] };
//! let machines = machines::Machines::start(config).await?;
//! machines.follow_listener("arn:aws:elasticloadbalancing:…").await?;
//! # Ok(()) }
//! ```

mod agent;
mod appspec;
mod build;
mod buildspec;
mod deploy;
mod instances;
mod load_balancer;
mod machines;
mod network;
mod processes;
mod xml;

pub use agent::{EventError, ScriptEnd};
pub use appspec::{AppSpecError, File, FileExistsBehavior, LifecycleEvent, Script};
pub use build::{Build, Built, Project, build};
pub use deploy::{Cause, Deployment, Failure, InstanceFailure, Report, TagFilter};
pub use instances::{Instance, Instances, RefreshError};
pub use load_balancer::{FailedRequest, HaproxyError, Kill, Killed, LoadBalancer, Passes, SyncError};
pub use machines::{Config, Machines, Reservation, SettleError, StartError};
pub use network::{ListenerPort, Network};
