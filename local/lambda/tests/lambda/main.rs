//! The functions, with a bootstrap that does what its event says.

mod asynchronous;
mod calls;
mod over_http;
mod stand;
