//! The customers: they ask for pages all the time, and count what they do not get.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;

use crate::trouble::Result;
use crate::web::{Page, Web};

/// How many there are, each with a connection of its own.
const CUSTOMERS: usize = 3;
/// How long each reads before it asks again.
const PAUSE: Duration = Duration::from_millis(25);
/// So many failures are remembered in words.
const FAILURES_KEPT: usize = 5;

/// What the customers got so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub requests: u64,
    pub failures: u64,
    /// The first failures, in words.
    pub failed: Vec<String>,
    /// How often each version answered.
    pub versions: BTreeMap<String, u64>,
    /// What came of each request, in the order in which they ended.
    pub answers: Vec<Answer>,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// When it was made.
    pub at: SystemTime,
    pub took: Duration,
    /// The version that answered; none where it failed.
    pub version: Option<String>,
}

/// Customers at work. They go away when this is dropped.
#[derive(Debug)]
pub struct Customers {
    tally: Arc<Mutex<Tally>>,
    _customers: JoinSet<()>,
}

impl Customers {
    /// Has customers ask for the version that a site runs, over and over. Every answer but 200 is a failure.
    #[must_use]
    pub fn of(url: &str, host: &str) -> Self {
        let tally: Arc<Mutex<Tally>> = Arc::default();
        let mut customers = JoinSet::new();
        for _ in 0..CUSTOMERS {
            let (web, host, tally) = (Web::new(url), host.to_owned(), Arc::clone(&tally));
            customers.spawn(async move {
                loop {
                    let (at, began) = (SystemTime::now(), Instant::now());
                    let answer = web.get(&host, "/version").await;
                    note(&tally, at, began.elapsed(), answer);
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self { tally, _customers: customers }
    }

    /// What they got so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn note(tally: &Mutex<Tally>, at: SystemTime, took: Duration, answer: Result<Page>) {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.requests += 1;
    let failure = match answer {
        Ok(page) if page.status == 200 => {
            tally.answers.push(Answer { at, took, version: Some(page.body.clone()) });
            *tally.versions.entry(page.body).or_default() += 1;
            return;
        }
        Ok(page) => format!("{} {}", page.status, page.body),
        Err(trouble) => trouble.to_string(),
    };
    tally.answers.push(Answer { at, took, version: None });
    tally.failures += 1;
    if tally.failed.len() < FAILURES_KEPT {
        tally.failed.push(failure);
    }
}
