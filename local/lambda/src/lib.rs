//! What AWS Lambda and EventBridge do for the four functions, on one machine, with the real
//! `bootstrap` binaries.

pub mod cloudformation;
