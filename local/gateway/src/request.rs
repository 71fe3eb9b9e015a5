//! Tells which service, action, resource and caller a call is about.

mod identify;
mod resources;

pub(crate) use identify::{mutates, read};
pub(crate) use resources::tags;
