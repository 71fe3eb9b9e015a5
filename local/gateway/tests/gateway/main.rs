//! The gateway before a real moto: one moto for all tests, their resources kept apart by names.

mod forwarding;
mod stage;
