//! The engine, driven by scripted hooks under tokio's paused clock.

mod approvals;
mod builds;
mod harness;
mod jobs;
mod locks;
mod path;
mod retries;
mod shapes;
mod stops;
