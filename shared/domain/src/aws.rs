//! AWS's errors as sentences: what was being done, to which resource, AWS's code and words, what to do next.

use std::error::Error;
use std::fmt;

/// A call to AWS that failed. Its text is the whole story, the chain of sources included: it prints no source of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct AwsError {
    /// IAM's name of the call: `elasticloadbalancing:ModifyRule`.
    pub action: &'static str,
    /// What it was about: an ARN, an id, a name.
    pub resource: String,
    /// AWS's code, where AWS answered.
    pub code: Option<String>,
    /// AWS's message, or what kept the call from being answered.
    pub message: String,
    /// What it means.
    pub kind: Kind,
}

/// What a function may use is narrowed by parameters of the stack: which one it is for an action that AWS denies.
pub const PARAMETERS: &[(&str, &str)] = &[
    ("iam:PassRole", "InstanceRoles"),
    ("ssm:GetParameter", "ParametersPath"),
    ("kms:Decrypt", "ParameterKeyArns"),
    ("elasticloadbalancing:CreateRule", "ListenerArns"),
    ("elasticloadbalancing:SetRulePriorities", "ListenerArns"),
    ("route53:ListResourceRecordSets", "HostedZoneArns"),
    ("route53:ChangeResourceRecordSets", "HostedZoneArns"),
    ("sns:Publish", "NotifyTopicArns"),
];

/// What an error means for whoever has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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

impl Kind {
    /// Reads AWS's code; `faulty` where AWS says by its status that the fault is its own.
    pub fn of(code: &str, faulty: bool) -> Self {
        if code.starts_with("AccessDenied") || code == "UnauthorizedOperation" || code == "AuthorizationError" {
            Self::Denied
        } else if code.contains("Throttl")
            || code.contains("LimitExceeded") && code.starts_with("Request")
            || ["TooManyRequestsException", "ProvisionedThroughputExceededException", "PriorRequestNotComplete"]
                .contains(&code)
        {
            Self::Throttled
        } else if faulty
            || ["InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable"]
                .contains(&code)
        {
            Self::Unanswered
        } else if code.contains("NotFound") || code.starts_with("NoSuch") || code.contains("Malformed") {
            Self::NotThere
        } else {
            Self::Other
        }
    }

    /// Whether it passes, as a rule, without anybody doing anything.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unanswered)
    }
}

impl AwsError {
    /// An answer that lacks what it must have, or a call that cannot be sent.
    pub fn incomplete(action: &'static str, resource: impl Into<String>, what: &str) -> Self {
        let message = format!("there is no {what}");
        Self { action, resource: resource.into(), code: None, message, kind: Kind::Other }
    }

    /// Whether AWS's code is one of these.
    pub fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    /// What to do next.
    fn advice(&self) -> String {
        match self.kind {
            Kind::Denied => self.whose_denial(),
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

    /// What AWS says that it denied, which is not always what was called: a launch needs the right to pass a role.
    fn denied(&self) -> (&str, &str) {
        let named = self.message.split_once("not authorized to perform: ").map(|(_, named)| named);
        let mut words = named.unwrap_or_default().split(' ').map(|word| word.trim_end_matches([',', '.']));
        let action = words.next().filter(|action| action.contains(':'));
        let resource =
            (words.next() == Some("on") && words.next() == Some("resource:")).then(|| words.next()).flatten();
        match action {
            Some(action) => (action, resource.unwrap_or(if action == self.action { &self.resource } else { "" })),
            // What SSM says of a key.
            None if self.message.contains("ciphertext") => ("kms:Decrypt", &self.resource),
            None => (self.action, &self.resource),
        }
    }

    /// Where a denial is put right: above the role, by a parameter, or in the role.
    fn whose_denial(&self) -> String {
        let (action, resource) = self.denied();
        let or = |nothing| if resource.is_empty() { nothing } else { resource };
        let above = self.message.contains("explicit deny")
            || self.message.contains("because no ") && !self.message.contains("because no identity-based policy");
        let parameter = PARAMETERS.iter().find(|(denied, _)| *denied == action).map(|(_, parameter)| parameter);
        match parameter {
            _ if above => {
                "It is not this function's role: AWS names the kind of policy, have it allowed there".to_owned()
            }
            Some(parameter) => format!(
                "The stack's parameter {parameter} says what this function's role may use: deploy the stack so that it covers {}, or name another in the config",
                or("what the config names")
            ),
            None => format!("Allow {action} on {} in the policy of this function's role", or("*")),
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = if self.resource.is_empty() { String::new() } else { format!(" on {}", self.resource) };
        let message = self.message.trim_end_matches('.');
        match (&self.code, self.kind) {
            (Some(_), Kind::NotThere) if self.action.ends_with(":DescribeRules") && self.is(&["ListenerNotFound"]) => {
                write!(f, "listener {} does not exist", self.resource)?;
            }
            (Some(code), _) => write!(f, "{}{on} failed: {code}: {message}", self.action)?,
            (None, Kind::Unanswered) => write!(f, "{}{on} was not answered: {message}", self.action)?,
            (None, _) => write!(f, "{}{on} failed: {message}", self.action)?,
        }
        write!(f, ". {}", self.advice())
    }
}

impl Error for AwsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(action: &'static str, resource: &str, code: &str, message: &str) -> AwsError {
        let kind = Kind::of(code, false);
        AwsError { action, resource: resource.into(), code: Some(code.to_owned()), message: message.into(), kind }
    }

    #[test]
    fn an_error_says_what_was_tried_and_what_to_do() {
        let denied = error(
            "elasticloadbalancing:ModifyRule",
            "arn:rule/1",
            "AccessDenied",
            "User: x is not authorized to perform: elasticloadbalancing:ModifyRule.",
        );
        assert_eq!(
            denied.to_string(),
            "elasticloadbalancing:ModifyRule on arn:rule/1 failed: AccessDenied: User: x is not authorized to perform: \
             elasticloadbalancing:ModifyRule. Allow elasticloadbalancing:ModifyRule on arn:rule/1 in the policy of this \
             function's role"
        );
        let listener =
            error("elasticloadbalancing:DescribeRules", "arn:listener/1", "ListenerNotFound", "Listeners not found");
        assert_eq!(listener.to_string(), "listener arn:listener/1 does not exist. Look at listener_arn");
    }

    #[test]
    fn a_denial_says_which_parameter_of_the_stack_it_is() {
        const ROLE: &str = "arn:aws:iam::123456789012:role/web";
        let allows = |action: &str, on: &str| format!("Allow {action} on {on} in the policy of this function's role");
        let covers = |parameter: &str, resource: &str| {
            format!(
                "The stack's parameter {parameter} says what this function's role may use: deploy the stack so that it covers {resource}, or name another in the config"
            )
        };
        let above = || "It is not this function's role: AWS names the kind of policy, have it allowed there".to_owned();
        let says = |action: &str, on: &str, why: &str| {
            format!(
                "You are not authorized to perform this operation. User: x is not authorized to perform: {action}{on} {why}"
            )
        };
        let no_policy = "because no identity-based policy allows it";
        for (action, message, advice) in [
            // A launch is denied for the role that the servers are to have.
            (
                "ec2:RunInstances",
                says("iam:PassRole", &format!(" on resource: {ROLE}"), no_policy),
                covers("InstanceRoles", ROLE),
            ),
            ("ec2:RunInstances", says("iam:PassRole", ".", ""), covers("InstanceRoles", "what the config names")),
            // As EC2 said it for years, and may say it still.
            (
                "ec2:RunInstances",
                "You are not authorized to perform this operation.".to_owned(),
                allows("ec2:RunInstances", "the/resource"),
            ),
            (
                "ssm:GetParameter",
                says("ssm:GetParameter", " on resource: arn:parameter/x", no_policy),
                covers("ParametersPath", "arn:parameter/x"),
            ),
            (
                "ssm:GetParameter",
                "The ciphertext refers to a customer master key that you are not allowed to access.".to_owned(),
                covers("ParameterKeyArns", "the/resource"),
            ),
            (
                "route53:ChangeResourceRecordSets",
                says("route53:ChangeResourceRecordSets", " on resource: arn:zone", no_policy),
                covers("HostedZoneArns", "arn:zone"),
            ),
            (
                "elasticloadbalancing:ModifyRule",
                says("elasticloadbalancing:ModifyRule", " on resource: arn:rule", no_policy),
                allows("elasticloadbalancing:ModifyRule", "arn:rule"),
            ),
            (
                "iam:PassRole",
                says(
                    "iam:PassRole",
                    &format!(" on resource: {ROLE}"),
                    "with an explicit deny in a service control policy",
                ),
                above(),
            ),
            (
                "sns:Publish",
                says("sns:Publish", " on resource: arn:topic", "because no permissions boundary allows it"),
                above(),
            ),
        ] {
            let error = AwsError { action, ..error(action, "the/resource", "AccessDenied", &message) };
            assert!(error.to_string().ends_with(&format!(". {advice}")), "{error}");
        }
    }

    #[test]
    fn a_code_says_whether_it_passes_by_itself() {
        for (code, faulty, want) in [
            ("UnauthorizedOperation", false, Kind::Denied),
            ("AccessDeniedException", false, Kind::Denied),
            ("Throttling", false, Kind::Throttled),
            ("RequestLimitExceeded", false, Kind::Throttled),
            ("PriorRequestNotComplete", false, Kind::Throttled),
            ("TargetGroupNotFound", false, Kind::NotThere),
            ("InternalError", false, Kind::Unanswered),
            ("SomethingNew", true, Kind::Unanswered),
            ("VcpuLimitExceeded", false, Kind::Other),
            ("InvalidParameterValue", false, Kind::Other),
        ] {
            assert_eq!(Kind::of(code, faulty), want, "{code}");
            assert_eq!(want.is_transient(), [Kind::Throttled, Kind::Unanswered].contains(&want));
        }
    }
}
