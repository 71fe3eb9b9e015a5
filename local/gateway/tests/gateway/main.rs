//! The gateway before a real moto, and before none where moto plays no part.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "what stages a test may fail it")]

mod ec2;
mod elbv2;
mod faults;
mod forwarding;
mod late;
mod limits;
mod route53;
mod stage;
mod target_health;
