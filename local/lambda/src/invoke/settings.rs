//! Where the functions run, and what surrounds them.

use std::path::PathBuf;
use std::sync::Arc;

use gateway::{Aws, BoxFuture};

use super::DeadLetter;

/// Where the functions run, and what surrounds them.
#[derive(Clone)]
pub struct Settings {
    pub(super) bootstraps: PathBuf,
    pub(super) endpoint_url: String,
    pub(super) region: String,
    pub(super) logs: Option<Aws>,
    pub(super) delay_scale: f64,
    pub(super) dead_letters: Option<DeadLetterHandler>,
}

/// Takes what Lambda gives up on.
pub(super) type DeadLetterHandler = Arc<dyn Fn(DeadLetter) -> BoxFuture<'static, ()> + Send + Sync>;

impl Settings {
    /// The folder with `<function>/bootstrap` in it, and where AWS is for the functions.
    #[must_use]
    pub fn new(bootstraps: impl Into<PathBuf>, endpoint_url: impl Into<String>) -> Self {
        Self {
            bootstraps: bootstraps.into(),
            endpoint_url: endpoint_url.into(),
            region: "us-east-1".to_owned(),
            logs: None,
            delay_scale: 1.0,
            dead_letters: None,
        }
    }

    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Sends the logs to CloudWatch Logs there. Give moto's own address, so that these calls are not among
    /// those that the gateway records.
    #[must_use]
    pub fn logs_to(mut self, aws: Aws) -> Self {
        self.logs = Some(aws);
        self
    }

    /// Makes the minutes between two tries of an asynchronous event shorter: with 0.01, a minute is 0.6 s.
    #[must_use]
    pub fn delay_scale(mut self, factor: f64) -> Self {
        self.delay_scale = factor.clamp(0.0, 1.0);
        self
    }

    /// Gets every asynchronous event that was given up and has a dead-letter queue or a destination.
    #[must_use]
    pub fn on_dead_letter<F>(mut self, handler: impl Fn(DeadLetter) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.dead_letters = Some(Arc::new(move |letter| Box::pin(handler(letter))));
        self
    }
}
