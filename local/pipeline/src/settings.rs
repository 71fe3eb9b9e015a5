//! What can be set: times that take long on AWS, and names that nothing depends on.

use std::time::Duration;

/// The engine's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long after a continuation token the function is called again. AWS takes about 30 s and promises nothing.
    pub poll_interval: Duration,
    /// How long a function may say nothing about a job before the action fails.
    pub job_silence: Duration,
    /// How long a Lambda action may take in all, however often it says that it goes on.
    pub job_total: Duration,
    /// How long an approval waits for a person, where the action has no `TimeoutInMinutes`.
    pub approval_timeout: Duration,
}

impl Default for Settings {
    /// AWS's quotas, but for the interval: nobody wants to wait for that on his own machine.
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(300),
            job_silence: Duration::from_secs(20 * 60),
            job_total: Duration::from_secs(24 * 60 * 60),
            approval_timeout: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}
