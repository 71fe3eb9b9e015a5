//! CodePipeline on one machine: reads the pipeline from its CloudFormation template, runs it as AWS
//! would, and answers CodePipeline's API, so that the AWS CLI and SDKs drive it.
//!
//! [`Engine`] runs one [`Pipeline`]; what it needs of the world it reaches by [`Hooks`]. [`handler`]
//! makes what a gateway mounts as `codepipeline`.
//!
//! What AWS has and this has not: source, build and deploy actions other than S3's, CodeBuild's and CodeDeploy's,
//! stage conditions and automatic rollback, the execution mode PARALLEL. A template that wants one of
//! them is refused, with its name.

mod action;
mod answers;
mod api;
mod approval;
mod build;
mod clock;
mod command;
mod definition;
mod deploy;
mod engine;
mod events;
mod execution;
mod input;
mod job;
mod refusal;
mod settings;
mod source;
mod state;
mod variables;

pub use api::{Api, handler};
pub use approval::{Notice, OpenApproval};
pub use build::{Build, Built};
pub use definition::{Action, ActionKind, DefinitionError, ExecutionMode, Pipeline, Stage, TypeId, UploadRule};
pub use deploy::Deployment;
pub use engine::{Answer, Engine, Hook, Hooks, Invocation};
pub use execution::ExecutionStatus;
pub use refusal::{Code, Refusal};
pub use settings::Settings;
pub use source::{Object, ObjectVersion};

#[cfg(test)]
mod tests;
