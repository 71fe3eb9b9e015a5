//! How the tool ends: a code for scripts, and what kind of fault it was.

use domain::aws::{AwsError, Kind};

/// The codes, as the manual lists them.
pub const CODES: [(u8, &str); 10] = [
    (0, "What was asked for stands, or was shown."),
    (1, "It failed: AWS, the account, or a fault of ours."),
    (2, "The command line is not right."),
    (
        3,
        "Refused: the service, its config or the release has to be put right first. The call that was refused changed nothing; what calls before it did, `status` shows.",
    ),
    (
        4,
        "Nobody agreed: the question was answered with no, or there was no terminal for the plan and the question, and no `--yes`.",
    ),
    (
        5,
        "AWS could not be asked: no credentials, an expired session, another region (the functions are not there, or may not be looked at), or no way there.",
    ),
    (
        6,
        "It is not done yet, or (`plan`) would not be at once: somebody holds the service, another release is being promoted, addresses are awaited, or `--timeout` is over. Call again later.",
    ),
    (130, "Ctrl-C."),
    (141, "Whoever read the output went away. What was called by then is done all the same."),
    (143, "It was told to end, by SIGTERM: as with Ctrl-C."),
];

/// Done.
pub const DONE: u8 = 0;
/// AWS, the account, or a fault of ours.
pub const FAILED: u8 = 1;
/// The command line.
pub const USAGE: u8 = 2;
/// The caller has to put something right.
pub const REFUSED: u8 = 3;
/// Nobody agreed.
pub const NOT_AGREED: u8 = 4;
/// AWS could not be asked.
pub const NO_AWS: u8 = 5;
/// Not done yet.
pub const NOT_YET: u8 = 6;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// SIGTERM.
pub const STOPPED: u8 = 143;
/// Whoever read the output went away.
pub const PIPE_CLOSED: u8 = 141;

/// Why the tool ends without having done what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The exit code.
    pub code: u8,
    /// For people; empty where nothing is to be said.
    pub sentence: String,
}

impl Fault {
    /// A fault with this code.
    pub fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }

    /// The caller has to put something right.
    pub fn refused(sentence: impl Into<String>) -> Self {
        Self::new(REFUSED, sentence)
    }
}

/// What session this is, for sentences about it.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The region.
    pub region: String,
    /// The profile that the credentials are of, where one was named.
    pub profile: Option<String>,
}

/// AWS's codes for credentials whose time is over, and for those that it does not know.
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "RequestExpired"];
const UNKNOWN: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "AuthFailure",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
];

/// The first call of each command, for the services' configs.
const LOOK_AT_FUNCTIONS: &str = "lambda:GetFunctionConfiguration";

/// What AWS's error means to a person with a terminal.
#[must_use]
pub fn of_aws(error: &AwsError, session: &Session) -> Fault {
    let login = session.profile.as_ref().map_or_else(
        || "Put fresh ones into the environment, or name a profile with --profile".to_owned(),
        |profile| format!("Run `aws sso login --profile {profile}`, or renew what the profile names"),
    );
    let AwsError { action, resource, code, message, kind } = error;
    let on = if resource.is_empty() { String::new() } else { format!(" on {resource}") };
    let message = message.trim_end_matches('.');
    if error.is(EXPIRED) {
        return Fault::new(NO_AWS, format!("The session with AWS has expired. {login}; then call again."));
    }
    if error.is(UNKNOWN) {
        let code = code.as_deref().unwrap_or_default();
        return Fault::new(NO_AWS, format!("AWS does not take these credentials ({code}: {message}). {login}."));
    }
    let denied = || {
        format!(
            "You may not do {action}{on}: {message}. Ask for {action} on {}: docs/cli.md has the policies of people who look and who act, `pointsman plan … --policy` prints what a plan needs.",
            if resource.is_empty() { "*" } else { resource }
        )
    };
    match kind {
        // Policies name the region: in another one nobody may look whether a function is there.
        Kind::Denied if *action == LOOK_AT_FUNCTIONS => Fault::new(
            NO_AWS,
            format!(
                "{} This looks at {}: if Pointsman is deployed elsewhere, name the region with --region.",
                denied(),
                session.region
            ),
        ),
        Kind::Denied => Fault::new(FAILED, denied()),
        Kind::NotThere if action.starts_with("lambda:") => Fault::new(
            NO_AWS,
            format!(
                "There is no function {resource} in {}: Pointsman is deployed elsewhere, or under another name. Name the region with --region, the functions with --prefix.",
                session.region
            ),
        ),
        Kind::NotThere if error.is(&["ListenerNotFound"]) => Fault::refused(format!(
            "Listener {resource} does not exist in {}. Look at listener_arn, or name another region with --region.",
            session.region
        )),
        Kind::Unanswered if code.is_none() => Fault::new(
            NO_AWS,
            format!(
                "AWS could not be reached ({action}{on}: {message}). Look at the network, AWS_ENDPOINT_URL and --region."
            ),
        ),
        Kind::Throttled | Kind::NotThere | Kind::Unanswered | Kind::Other => Fault::new(FAILED, format!("{error}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(action: &'static str, resource: &str, code: Option<&str>, kind: Kind) -> AwsError {
        let code = code.map(str::to_owned);
        AwsError { action, resource: resource.to_owned(), code, message: "so it is.".to_owned(), kind }
    }

    #[test]
    fn each_way_of_not_reaching_aws_has_its_sentence() {
        let session = Session { region: "eu-west-1".to_owned(), profile: Some("ops".to_owned()) };
        for (error, code, words) in [
            (aws("ec2:X", "", Some("ExpiredToken"), Kind::Other), NO_AWS, "aws sso login --profile ops"),
            (aws("ec2:X", "", Some("AuthFailure"), Kind::Other), NO_AWS, "does not take these credentials"),
            (aws("lambda:X", "pointsman-x", Some("ResourceNotFoundException"), Kind::NotThere), NO_AWS, "in eu-west-1"),
            (aws("elb:X", "arn:l", Some("ListenerNotFound"), Kind::NotThere), REFUSED, "arn:l does not exist"),
            (aws("ec2:X", "", None, Kind::Unanswered), NO_AWS, "could not be reached"),
            (
                aws("ec2:X", "", Some("UnauthorizedOperation"), Kind::Denied),
                FAILED,
                "ec2:X: so it is. Ask for ec2:X on *: docs/cli.md",
            ),
            (
                aws(LOOK_AT_FUNCTIONS, "pointsman-x", Some("AccessDeniedException"), Kind::Denied),
                NO_AWS,
                "This looks at eu-west-1: if Pointsman is deployed elsewhere, name the region with --region.",
            ),
            (aws("ec2:X", "", Some("Throttling"), Kind::Throttled), FAILED, "call again"),
        ] {
            let fault = of_aws(&error, &session);
            assert_eq!(fault.code, code, "{fault:?}");
            assert!(fault.sentence.contains(words), "{fault:?}");
        }
    }
}
