//! AWS's errors as sentences: what was being done, to which resource, AWS's code and words, what to do next.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use domain::refusal::{Failure, Refusal};
use domain::report::Outcome;

/// A call to AWS that failed. Its text is the whole story, the chain of sources included: it prints no source of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AwsError {
    /// IAM's name of the call: `elasticloadbalancing:ModifyRule`.
    pub action: &'static str,
    /// What it was about: an ARN, an id, a name.
    pub resource: String,
    /// AWS's code, where AWS answered.
    pub code: Option<String>,
    /// AWS's message, or what kept the call from being answered.
    pub message: String,
}

/// What an error means for whoever has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The function's role may not do it.
    Denied,
    /// Too many calls.
    Throttled,
    /// Something that the config names does not exist, or is not as AWS wants it: the caller's to mend.
    NotThere,
    /// AWS did not answer, or answered with a fault of its own.
    Unanswered,
    /// AWS refused for another reason.
    Other,
}

impl AwsError {
    /// Reads the SDK's error.
    pub fn new<E, R>(action: &'static str, resource: impl Into<String>, error: &SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
        R: fmt::Debug,
    {
        let service = error.as_service_error();
        let code = service.and_then(|error| error.code()).map(str::to_owned);
        let message = match service.and_then(|error| error.message()) {
            // EC2 adds a page of cipher to a denial, which nobody reads.
            Some(message) => {
                message.split(" Encoded authorization failure message").next().unwrap_or(message).trim().to_owned()
            }
            None => chain(error),
        };
        Self { action, resource: resource.into(), code, message }
    }

    /// An answer that lacks what it must have.
    pub fn incomplete(action: &'static str, resource: impl Into<String>, what: &str) -> Self {
        Self { action, resource: resource.into(), code: None, message: format!("the answer has no {what}") }
    }

    /// Whether AWS's code is one of these.
    pub fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// What it means.
    pub fn kind(&self) -> Kind {
        let Some(code) = self.code.as_deref() else { return Kind::Unanswered };
        if code.starts_with("AccessDenied") || code == "UnauthorizedOperation" || code == "AuthorizationError" {
            Kind::Denied
        } else if code.contains("Throttl")
            || code.contains("LimitExceeded") && code.starts_with("Request")
            || code == "TooManyRequestsException"
        {
            Kind::Throttled
        } else if code.contains("NotFound") || code.starts_with("NoSuch") || code.contains("Malformed") {
            Kind::NotThere
        } else if ["InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable"]
            .contains(&code)
        {
            Kind::Unanswered
        } else {
            Kind::Other
        }
    }

    /// What to do next.
    fn advice(&self) -> String {
        match self.kind() {
            Kind::Denied => format!(
                "Allow {} on {} in the policy of this function's role",
                self.action,
                if self.resource.is_empty() { "*" } else { &self.resource }
            ),
            Kind::Throttled => "AWS takes no more such calls for the moment; call again".to_owned(),
            Kind::NotThere => match self.code.as_deref() {
                Some("ListenerNotFound") => "Look at listener_arn".to_owned(),
                Some("NoSuchHostedZone") => "Look at dns.zone_id".to_owned(),
                Some("InvalidAllocationID.NotFound") => "Look at elastic_ips".to_owned(),
                Some("ResourceNotFoundException") if self.action.starts_with("dynamodb") => {
                    "Look at LEASE_TABLE".to_owned()
                }
                _ => "Look whether it still exists".to_owned(),
            },
            Kind::Unanswered => "Call again; if it stays so, look at AWS's health page for this region".to_owned(),
            Kind::Other => "Put right what AWS names, then call again".to_owned(),
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = if self.resource.is_empty() { String::new() } else { format!(" on {}", self.resource) };
        let message = self.message.trim_end_matches('.');
        match (&self.code, self.kind()) {
            (Some(_), Kind::NotThere) if self.action.ends_with(":DescribeRules") && self.is(&["ListenerNotFound"]) => {
                write!(f, "listener {} does not exist", self.resource)?;
            }
            (Some(code), _) => write!(f, "{}{on} failed: {code}: {message}", self.action)?,
            (None, _) => write!(f, "{}{on} was not answered: {message}", self.action)?,
        }
        write!(f, ". {}", self.advice())
    }
}

impl Error for AwsError {}

/// Why a call could not go on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// AWS said no, or nothing.
    Aws(AwsError),
    /// What the config names is not as it must be.
    Account(String),
    /// A step failed.
    Failed {
        /// Whether for want of permission.
        denied: bool,
        /// What was tried, and what came of it.
        what: String,
    },
    /// It is to be called again.
    Later(domain::refusal::WaitFor),
}

impl From<AwsError> for Trouble {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

impl Trouble {
    /// How the call ends. What does not exist is the caller's to mend, everything else AWS's or the account's.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Aws(error) if error.kind() == Kind::NotThere => {
                Outcome::Refused(Refusal::Account { what: error.to_string() })
            }
            Self::Aws(error) => Outcome::Failed(Failure::Account { what: error.to_string() }),
            Self::Account(what) => Outcome::Refused(Refusal::Account { what: what.clone() }),
            Self::Failed { what, .. } => Outcome::Failed(Failure::Account { what: what.clone() }),
            Self::Later(wait) => Outcome::Waiting(wait.clone()),
        }
    }

    /// Whether the function's role may not do what it has to.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Aws(error) => error.kind() == Kind::Denied,
            Self::Failed { denied, .. } => *denied,
            Self::Account(_) | Self::Later(_) => false,
        }
    }
}

/// An error and what it comes from, each once.
fn chain(error: &dyn Error) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn error(action: &'static str, resource: &str, code: Option<&str>, message: &str) -> AwsError {
        AwsError { action, resource: resource.into(), code: code.map(str::to_owned), message: message.into() }
    }

    #[test]
    fn an_error_says_what_was_tried_and_what_to_do() {
        let denied = error(
            "elasticloadbalancing:ModifyRule",
            "arn:rule/1",
            Some("AccessDenied"),
            "User: x is not authorized to perform: elasticloadbalancing:ModifyRule.",
        );
        assert_eq!(
            denied.to_string(),
            "elasticloadbalancing:ModifyRule on arn:rule/1 failed: AccessDenied: User: x is not authorized to perform: \
             elasticloadbalancing:ModifyRule. Allow elasticloadbalancing:ModifyRule on arn:rule/1 in the policy of this \
             function's role"
        );
        let listener = error(
            "elasticloadbalancing:DescribeRules",
            "arn:listener/1",
            Some("ListenerNotFound"),
            "One or more listeners not found",
        );
        assert_eq!(listener.to_string(), "listener arn:listener/1 does not exist. Look at listener_arn");
        assert!(matches!(Trouble::Aws(listener).outcome(), Outcome::Refused(_)));
        let silent = error("sns:Publish", "arn:topic", None, "dispatch failure: timeout");
        assert_eq!(silent.kind(), Kind::Unanswered);
        assert!(matches!(Trouble::Aws(silent).outcome(), Outcome::Failed(_)));
    }
}
