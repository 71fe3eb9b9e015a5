//! The gateway before a real moto: one moto for all tests, their resources kept apart by names.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "what stages a test may fail it")]

mod forwarding;
mod stage;
