//! The functions' real binaries, with answers of AWS that lack fields, with any payload, and with any tags in the account.
//!
//! Whatever AWS answers and whoever calls: nothing crashes or hangs, a job gets its answer, what has weight keeps its servers,
//! nothing is launched twice; and when the answers are right again, the service comes to its end.

pub mod answers;
pub mod jobs;
pub mod lane;
pub mod payloads;
pub mod strangers;

/// What one part came to.
#[derive(Debug, Default)]
pub struct Ran {
    /// Calls of functions that met something odd.
    pub points: u64,
    /// What else is worth a line: how calls ended, what was altered.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// Each promise that was broken, as a story.
    pub broken: Vec<String>,
}

impl Ran {
    /// Notes a broken promise, and says so at once: the rest may take long.
    pub fn breaks(&mut self, story: String) {
        eprintln!("BROKEN: {story}");
        self.broken.push(story);
    }

    /// Counts something.
    pub fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }
}
