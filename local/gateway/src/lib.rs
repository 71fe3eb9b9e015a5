//! The gateway: a small HTTP server in front of moto that the AWS SDK and CLI reach by `AWS_ENDPOINT_URL`.
//!
//! It answers as AWS does where moto does otherwise, records every call, injects faults, and
//! hands whole services over to handlers of the local stack. What it does not know is forwarded
//! byte for byte.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let moto = gateway::Moto::start(".venv".as_ref()).await?;
//! let gateway = gateway::Gateway::start(moto.url()).await?;
//! let aws = gateway.aws("ADMIN");
//! let text = aws.query("ec2", "DescribeInstances", &[]).await?;
//! # Ok(()) }
//! ```

pub mod alter;
pub mod aws;
mod cbor;
mod cloudformation;
mod cloudwatch;
mod ec2;
mod elbv2;
pub mod fault;
mod forward;
mod handle;
pub mod health;
mod journal;
mod late;
mod limits;
mod message;
mod moto;
mod mount;
mod protocol;
pub mod record;
mod request;
mod route53;
mod server;
mod settings;
mod tagging;
mod xml;

pub use aws::{Aws, AwsError};
pub use fault::{Faults, Rule, RuleId, What};
pub use health::{Health, State, Target, TargetHealth};
pub use limits::Limits;
pub use message::{BoxFuture, Request, Response};
pub use moto::{Fork, Moto, MotoError};
pub use mount::Handler;
pub use protocol::Protocol;
pub use record::{Call, Mark, Record};
pub use server::Gateway;
pub use settings::{Lag, Lagging, Settings};

pub use bytes::Bytes;
pub use hyper::{HeaderMap, Method, StatusCode};
