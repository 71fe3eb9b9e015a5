//! A small model of AWS in which the real plans run, are cut off anywhere, and are watched.
#![expect(clippy::indexing_slicing, reason = "small arrays, indexed by releases and slots that are always in them")]
#![expect(clippy::wildcard_enum_match_arm, reason = "what a breakage or a reader is not about stays as it is")]

pub mod account;
pub mod apply;
pub mod ask;
pub mod aws;
pub mod broken;
pub mod caller;
pub mod calm;
pub mod cuts;
pub mod edits;
pub mod explore;
pub mod happens;
pub mod history;
pub mod names;
pub mod planner;
pub mod promises;
pub mod quick;
pub mod scenarios;
pub mod step;
pub mod story;
pub mod view;
pub mod walk;
pub mod watch;
