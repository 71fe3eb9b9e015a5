//! Whatever comes in, nothing panics, nothing hangs, and there is always an answer that AWS takes.
//!
//! `make fuzz` tries millions of inputs on everything that needs no AWS: events, parameters, configs, worlds with any tags, and
//! the words that go out. `fuzz -- <target>` tries one target, `fuzz -- <target> <choices>` the one input that failed. A short
//! run with a fixed seed is among the tests. What needs the functions' binaries is in `fuzz/binaries`.
//!
//! Inputs are made of choices (`choices`), which `shrink` makes fewer; the promises stand beside what makes the inputs.

pub mod choices;
pub mod configs;
pub mod events;
pub mod json;
pub mod promises;
pub mod run;
mod shrink;
pub mod text;
pub mod words;
pub mod worlds;

use run::{Of, Target};

/// Everything that is tried.
pub fn targets() -> Vec<Box<dyn Target>> {
    vec![
        Box::new(Of {
            name: "events",
            about: "events of every kind, right, spoilt and from scratch, read by each function",
            share: 35,
            make: events::make,
            check: events::check,
        }),
        Box::new(Of {
            name: "parameters",
            about: "UserParameters and continuation tokens of jobs",
            share: 35,
            make: events::make_parameters,
            check: events::check_parameters,
        }),
        Box::new(Of {
            name: "configs",
            about: "environment variables and configs: faults, merging, what is taken written and read again",
            share: 10,
            make: configs::make,
            check: configs::check,
        }),
        Box::new(Of {
            name: "plans",
            about: "any tags on any resources, and every verb planned in that world",
            share: 10,
            make: worlds::make,
            check: promises::check,
        }),
        Box::new(Of {
            name: "words",
            about: "texts that become subjects, messages, tags, tokens and names",
            share: 10,
            make: words::make,
            check: words::check,
        }),
    ]
}
