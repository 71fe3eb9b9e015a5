//! The design's case table as tests, one for each row, in one file for each verb.
//!
//! `account` is a small model of what AWS holds, `build` makes a healthy one and spoils it, `look` shows of it what a
//! call would see, `carry_out` takes a step, `course` follows a call to its end, and `promises` is asked before every
//! step of every test. What a plan decides is nowhere repeated.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stages a test may fail it"
)]

mod account;
mod build;
mod carry_out;
mod course;
mod explain;
mod look;
mod promises;

mod anything;
mod checks;
mod cuts;
mod fingerprint;
mod finish;
mod metrics;
mod notifications;
mod promote;
mod promote_rule;
mod provision;
mod provision_odd;
mod register;
mod remove;
mod rollback;
mod rollback_events;
mod steps;
mod sweep;
mod watch;
