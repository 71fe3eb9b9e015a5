//! One machine's AWS: the simulator behind its gateway, the four functions' real binaries, a pipeline, real servers
//! behind a real load balancer; and the stories that are told with it.
//!
//! [`Stack`] starts all of it and stops it when it is dropped. `local up` and `local demo` are [`up::run`] and
//! [`demo::run`]; the end-to-end tests use the same stack.

pub mod account;
pub mod alarms;
pub mod builds;
pub mod costs;
pub mod customers;
pub mod demo;
pub mod deployments;
pub mod narrator;
pub mod notices;
pub mod pictures;
pub mod prices;
pub mod quotas;
pub mod report;
pub mod revision;
pub mod service;
pub mod shares;
pub mod stack;
pub mod standing;
pub mod story;
pub mod terminal;
pub mod trouble;
pub mod up;
pub mod uploads;
pub mod web;
pub mod xml;

pub use account::Account;
pub use stack::{Options, Servers, Stack};
pub use trouble::{Result, Trouble};
