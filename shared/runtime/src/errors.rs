//! What keeps a call from going on: the SDK's errors read, and what each means for the call.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
pub(crate) use domain::aws::{AwsError, Kind};
use domain::refusal::{Failure, Refusal, WaitFor};
use domain::report::Outcome;
use domain::time::Time;

use crate::deadline::now;

/// How long a job's calls wait for trouble of AWS that passes by itself, counted from the first of them.
const TROUBLE_SECONDS: i64 = 10 * 60;

/// Reads the SDK's error.
pub(crate) fn sdk_error<E>(
    action: &'static str,
    resource: impl Into<String>,
    error: &SdkError<E, HttpResponse>,
) -> AwsError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let answered = error.as_service_error().map(ProvideErrorMetadata::meta);
    let code = answered.and_then(|meta| meta.code());
    let faulty = error.raw_response().is_some_and(|response| response.status().is_server_error());
    let succeeded = error.raw_response().is_some_and(|response| response.status().is_success());
    let kind = match error {
        // Half a body, a proxy's page: what says neither what it is nor that it failed is no answer.
        SdkError::ServiceError(_) if code.is_none() && succeeded => Kind::Unanswered,
        SdkError::ServiceError(_) => Kind::of(code.unwrap_or_default(), faulty),
        // What could not be sent for a fault of ours does not pass.
        SdkError::ConstructionFailure(_) => Kind::Other,
        SdkError::DispatchFailure(failure) if failure.is_user() => Kind::Other,
        // No answer in time, no connection, half an answer, and what the SDK may add.
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) | _ => Kind::Unanswered,
    };
    let message = answered.and_then(|meta| meta.message()).map(without_cipher);
    AwsError {
        action,
        resource: resource.into(),
        code: code.map(str::to_owned),
        message: message.unwrap_or_else(|| chain(error)),
        kind,
    }
}

/// EC2 adds a page of cipher to a denial, which nobody reads.
fn without_cipher(message: &str) -> String {
    message.split(" Encoded authorization failure message").next().unwrap_or(message).trim().to_owned()
}

/// An error and what it comes from, each once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    // Chains are a handful deep; the bound keeps a cycle from hanging the report.
    for _ in 0..12 {
        let Some(source) = next else { break };
        let words = source.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = source.source();
    }
    text
}

/// Why a call could not go on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// AWS said no, or nothing, while the world was looked at.
    Aws(AwsError),
    /// AWS said no, or nothing, to a step: what was being done, as `tag i-0a, i-0b`.
    Step { doing: String, error: AwsError },
    /// The caller's to mend.
    Refused(Refusal),
    /// It is to be called again.
    Later(WaitFor),
    /// A fault of ours.
    Bug(String),
    /// A fault of ours that another call may not meet.
    Circles(String),
}

impl From<AwsError> for Trouble {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

impl Trouble {
    /// What the config names is not as it must be.
    pub fn account(what: impl Into<String>) -> Self {
        Self::Refused(Refusal::Account { what: what.into() })
    }

    /// A fault of ours: the plan holds what this function's main does not name.
    pub fn unable(what: &str) -> Self {
        Self::Bug(format!(
            "this function is not built to {what}: that is a fault of Pointsman's own. Report it with this call's log"
        ))
    }

    /// How the call ends, of a job that AWS hinders since then; direct callers and events decide themselves how long they call.
    ///
    /// What does not exist is the caller's to mend, what passes by itself is waited for, everything else is AWS's or the
    /// account's.
    pub fn outcome(&self, troubled: Option<Time>) -> Outcome {
        let waited_enough = troubled.is_some_and(|since| now() - since >= TROUBLE_SECONDS);
        let failed = |what: String| Outcome::Failed(Failure::Account { what });
        match self {
            Self::Aws(error) | Self::Step { error, .. } if error.kind.is_transient() && !waited_enough => {
                Outcome::Waiting(WaitFor::Aws { what: self.to_string() })
            }
            Self::Later(WaitFor::Aws { what }) if waited_enough => failed(format!(
                "AWS was waited for in vain for {} minutes: {what}. Call again; if it stays so, report it with this call's log",
                TROUBLE_SECONDS / 60
            )),
            Self::Circles(what) if waited_enough => failed(what.clone()),
            Self::Circles(what) => Outcome::Waiting(WaitFor::Aws { what: what.clone() }),
            Self::Later(wait) => Outcome::Waiting(wait.clone()),
            Self::Aws(error) if error.kind == Kind::NotThere => {
                Outcome::Refused(Refusal::Account { what: self.to_string() })
            }
            Self::Refused(refusal) => Outcome::Refused(refusal.clone()),
            Self::Aws(_) | Self::Step { .. } | Self::Bug(_) => failed(self.to_string()),
        }
    }

    /// Whether the function's role may not do what it has to.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Aws(error) | Self::Step { error, .. } => error.kind == Kind::Denied,
            Self::Refused(_) | Self::Later(_) | Self::Bug(_) | Self::Circles(_) => false,
        }
    }

    /// Whether it is neither the caller's nor AWS's.
    pub fn is_bug(&self) -> bool {
        matches!(self, Self::Bug(_) | Self::Circles(_))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(error) => error.fmt(f),
            Self::Step { doing, error } => write!(f, "could not {doing}: {error}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Bug(what) | Self::Circles(what) => f.write_str(what),
            Self::Later(wait) => write!(f, "waiting for {wait}"),
        }
    }
}

impl Error for Trouble {}
