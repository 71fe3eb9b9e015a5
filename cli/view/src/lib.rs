//! What the command-line tool says and understands, as functions of plain values: arguments, what stands, what a call would do.
//!
//! Nothing here does I/O or knows an AWS SDK. `cli` looks, asks and calls; the words are here, with their tests.

pub mod arguments;
pub mod course;
pub mod credentials;
pub mod exit;
pub mod foresee;
pub mod here;
pub mod history;
pub mod init;
pub mod manual;
pub mod paint;
pub mod policy;
pub mod price;
pub mod release;
pub mod source;
pub mod span;
pub mod status;
pub mod steps;
mod template;
pub mod validate;
