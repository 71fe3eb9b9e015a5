//! What the tool says, as people read it: plain values in, text out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what stages a test may fail it"
)]

mod arguments;
mod course;
mod docs;
mod history;
mod init;
mod pages;
mod release;
mod source;
mod status;
mod validate;
mod world;

/// A text without its colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
