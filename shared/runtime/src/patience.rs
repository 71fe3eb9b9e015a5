//! Patience: what AWS takes no more of for the moment is asked again, after pauses of any length, while there is time for it.
//!
//! The SDK gives an operation up after three attempts, within a second. Where many services release at once, that second is
//! seldom theirs; and a look of which one read was refused is lost, with all the reads of it that were answered. So a call
//! that gave up at once would spend the account's calls on looks that come to nothing, and so would all the others.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;

use crate::clients::Clients;
use crate::errors::{AwsError, Kind, sdk_error};

/// The first pause at most, and the longest.
const FIRST: Duration = Duration::from_millis(800);
const LONGEST: Duration = Duration::from_secs(4);

/// Asks AWS for something, as often as it says that it was asked for too much, for as long as the clients are patient.
pub(crate) async fn read<T, E, F>(
    clients: &Clients,
    action: &'static str,
    resource: &str,
    ask: impl Fn() -> F,
) -> Result<T, AwsError>
where
    E: Error + ProvideErrorMetadata + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let mut most = FIRST;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => sdk_error(action, resource, &error),
        };
        let pause = any_of(most);
        let has_time = clients.patient_until.is_some_and(|until| Instant::now() + pause < until);
        if error.kind != Kind::Throttled || !has_time {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        most = LONGEST.min(most * 2);
    }
}

/// A pause of up to so long, another one each time: no two callers keep step.
pub(crate) fn any_of(most: Duration) -> Duration {
    // The standard library seeds its hash maps from the system's randomness.
    let random = RandomState::new().hash_one(Instant::now());
    most.mul_f64(0.1 + 0.9 * f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX))
}
