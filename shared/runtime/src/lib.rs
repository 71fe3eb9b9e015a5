//! What stands around the plans: events in, the world observed, steps applied, reports out.
//!
//! The four functions' mains build a [`Runner`] and run it; the command-line tool sits at a [`desk::Desk`]. Nothing here decides what happens to a release: that is
//! in `plans`; here the AWS SDK is met, and nowhere else.

mod apply;
mod bus;
mod call;
pub mod can;
mod checks;
mod clients;
mod deadline;
pub mod desk;
mod direct;
mod errors;
mod hold;
mod http;
mod job;
mod lease;
pub mod log;
mod observe;
mod patience;
mod report;
mod runner;
mod services;
mod signed;
mod stages;
mod together;

pub use domain::request::Function;
pub use runner::Runner;
