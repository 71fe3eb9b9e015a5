//! The whole system, end to end: the functions' real binaries over HTTP, behind a real pipeline; where requests
//! matter, with real servers behind a real load balancer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod adopted;
mod alarms;
mod capacity;
mod checks;
mod cli;
mod configs;
mod deadlines;
mod direct;
mod docker_stages;
mod events;
mod late;
mod lateness;
mod leases;
mod letters;
mod many_services;
mod metrics;
mod people;
mod refusals;
mod rights;
mod stage;
mod steps;
mod stories;
mod strangers;
mod tls;
mod together;
mod told;
mod twice;
mod unhealthy;
mod upgrade;
mod whole;
