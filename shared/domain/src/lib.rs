//! The words of Pointsman as types: config, tags, the world that was observed, and what a plan may say.
//!
//! Nothing here does I/O or knows an AWS SDK; `runtime` translates at the edges. What each function decides
//! is in the crate `plans`.

pub mod adopt;
pub mod aws;
pub mod check;
pub mod config;
pub mod event;
pub mod id;
pub mod metrics;
pub mod nearest;
pub mod notice;
pub mod plan;
pub mod refusal;
pub mod report;
pub mod request;
mod step;
pub mod tags;
pub mod time;
pub mod token;
pub mod world;
