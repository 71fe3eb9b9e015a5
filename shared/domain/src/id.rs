//! One type for each kind of name and id: two strings swap silently, two types do not.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! display {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes what AWS or the config gave, as it is.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as AWS spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        display!($name);
    )*};
}

ids! {
    /// An EC2 instance, `i-0a…`.
    InstanceId,
    /// A subnet, `subnet-0a…`.
    SubnetId,
    /// An elastic IP's allocation, `eipalloc-0a…`.
    AllocationId,
    /// An AMI, `ami-0a…`.
    ImageId,
    /// A target group's ARN, `arn:aws:elasticloadbalancing:…:targetgroup/NAME/ID`.
    GroupArn,
    /// A listener rule's ARN.
    RuleArn,
    /// A listener's ARN.
    ListenerArn,
}

impl GroupArn {
    /// The target group's name, which its ARN carries.
    pub fn name(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }
}

impl ListenerArn {
    /// The ARN of its load balancer: `…:loadbalancer/app/web/1` of the listener `…:listener/app/web/1/2`.
    pub fn load_balancer(&self) -> Option<String> {
        let (balancer, _) = self.0.rsplit_once('/')?;
        let (before, path) = balancer.split_once(":listener/")?;
        Some(format!("{before}:loadbalancer/{path}"))
    }
}

/// A service's name: lower-case letters, digits and hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ServiceName(String);

impl ServiceName {
    /// Checks a name; it becomes part of tags, of target group names and of an environment variable's name.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn new(name: &str) -> Result<Self, String> {
        let good = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if good {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!(
                "\"{}\" is not a service name: 1 to 64 lower-case letters, digits and hyphens, no hyphen at its ends",
                shown(name)
            ))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The environment variable that configures it: `SERVICE_MOBILE_WEB` for `mobile-web`.
    pub fn variable(&self) -> String {
        format!("SERVICE_{}", self.0.to_uppercase().replace('-', "_"))
    }

    /// How the names of its target groups begin: the service cut to 19, and a hyphen.
    pub fn group_prefix(&self) -> String {
        let cut: String = self.0.chars().take(19).collect();
        format!("{}-", cut.trim_end_matches('-'))
    }

    /// Whether a target group's name is one that [`group_name`] could have made for this service.
    ///
    /// Services whose names agree in their first 19 characters share it: tags tell them apart.
    pub fn may_own_group(&self, name: &str) -> bool {
        name.strip_prefix(&self.group_prefix()).is_some_and(|hash| {
            hash.len() == 12 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    }
}

/// A release's name: the id of its pipeline execution, or what a direct caller chose.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ReleaseId(String);

impl ReleaseId {
    /// Checks a release id; it is a tag's value on instances, groups and volumes, so ELB's stricter rule holds.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn new(id: &str) -> Result<Self, String> {
        let good = (1..=100).contains(&id.chars().count())
            && id.chars().all(crate::tags::is_tag_character)
            && id.trim() == id
            && !id.starts_with("aws:");
        if good {
            Ok(Self(id.to_owned()))
        } else {
            Err(format!(
                "{:?} is not a release: 1 to 100 letters, digits, spaces (not at its ends) and + - = . _ : / @, since it becomes a tag",
                shown(id)
            ))
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

display!(ServiceName, ReleaseId);

/// A text as a fault quotes it: short, and never a whole document.
pub(crate) fn shown(text: &str) -> String {
    if text.chars().nth(60).is_none() {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(59).collect::<String>())
    }
}

/// The name of a release's target group: the service cut to 19, `-`, 12 hex digits of SHA-256 of `service/release`.
///
/// At most 32 characters, letters, digits and hyphens, as ELB wants it.
pub fn group_name(service: &ServiceName, release: &ReleaseId) -> String {
    let hash = short_hash(&format!("{service}/{release}"), 12);
    format!("{}{hash}", service.group_prefix())
}

/// The first `digits` hex digits of a text's SHA-256.
pub fn short_hash(text: &str, digits: usize) -> String {
    let mut hash = hex(text);
    hash.truncate(digits);
    hash
}

fn hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_name_fits_elb_whatever_the_service() {
        for name in ["a", "mobile-web", "a-service-whose-name-is-rather-long", "nineteen-letters-a--b"] {
            let service = ServiceName::new(name).unwrap();
            let group = group_name(&service, &ReleaseId::new("r1").unwrap());
            assert!(group.len() <= 32 && !group.contains("_"), "{group}");
            assert!(service.may_own_group(&group), "{group}");
        }
    }

    #[test]
    fn names_that_tags_or_elb_would_refuse_are_refused() {
        for bad in ["", "Mobile", "a_b", "-a", "a-", "ä"] {
            assert!(ServiceName::new(bad).is_err(), "{bad}");
        }
        for bad in ["", "a,b", "a#b", " a", "aws:x", "a\nb", "\u{1F600}"] {
            assert!(ReleaseId::new(bad).is_err(), "{bad}");
        }
        assert!(ReleaseId::new("7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11").is_ok());
    }

    #[test]
    fn a_listener_names_its_load_balancer() {
        let listener = ListenerArn::new("arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/11/22");
        assert_eq!(
            listener.load_balancer().as_deref(),
            Some("arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/web/11")
        );
        assert_eq!(ListenerArn::new("nonsense").load_balancer(), None);
    }
}
