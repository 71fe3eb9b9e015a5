//! The domain from its edge: configs and events as they come in, sentences as people read them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stages a test may fail it"
)]

mod arbitrary;
mod bus_events;
mod checks;
mod commands;
mod config;
mod config_faults;
mod events;
mod jobs;
mod metrics;
mod notices;
mod runbook;
mod schema;
mod sentences;
mod sight;
mod upgrade;
