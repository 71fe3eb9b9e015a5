//! The functions, with a bootstrap that does what its event says.

// Only tests are here, and clippy takes that from the attribute.
#[cfg(test)]
mod asynchronous;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod over_http;
#[cfg(test)]
mod stand;
