//! The tags that are Pointsman's memory: their keys, their values, and how they are read back.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::{ReleaseId, ServiceName, short_hash};
use crate::time::Time;

/// Tags as they stand on one resource. Ordered, so that what is sent and logged is always the same.
pub type Tags = BTreeMap<String, String>;

/// Whose it is: the service's name.
pub const SERVICE: &str = "pointsman:service";
/// Which release it belongs to.
pub const RELEASE: &str = "pointsman:release";
/// Where that release stands, a [`Role`].
pub const ROLE: &str = "pointsman:role";
/// When it entered its role; on a rule, since when which weights stand.
pub const SINCE: &str = "pointsman:since";
/// Which of a service's two rules a rule is, a [`WhichRule`].
pub const RULE: &str = "pointsman:rule";
/// Why a release was rejected.
pub const REASON: &str = "pointsman:reason";
/// `finish` was called: events about the release are ignored from then on.
pub const KEPT: &str = "pointsman:kept";
/// That, and when, people were told.
pub const TOLD: &str = "pointsman:told";
/// What QA was shown: a short hash of servers, AMI, group and rule, then the servers that fit.
pub const FINGERPRINT: &str = "pointsman:fingerprint";
/// On the product rule: how the release that is being promoted stands to its alarms, a [`Mark`].
pub const ALARMS: &str = "pointsman:alarms";
/// Since when no rule of ours names a group that is going; its settling is counted from it.
pub const OUT: &str = "pointsman:out";
/// How many instances were asked for.
pub const COUNT: &str = "pointsman:count";
/// The port that was asked for.
pub const PORT: &str = "pointsman:port";
/// The AMI that the config named, resolved.
pub const AMI: &str = "pointsman:ami";
/// The listener that was configured at launch.
pub const LISTENER: &str = "pointsman:listener";
/// Which launch an instance came from: the subnet, which launch into it, how many it launched: `subnet-0a/0/5`.
///
/// A launch that is seen only in part (EC2 is eventually consistent) is thereby known, and not repeated.
pub const LAUNCH: &str = "pointsman:launch";
/// The pipeline whose execution the release is, where the caller said so.
pub const PIPELINE: &str = "pointsman:pipeline";
/// What the console shows: service and role.
pub const NAME: &str = "Name";

/// Whether ELB takes the character in a tag; EC2 takes any, so the stricter rule holds for all.
pub fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

/// Text as a tag's value: what ELB would refuse becomes a space, cut to 255 characters.
pub fn tag_value(text: &str) -> String {
    let kept: String = text.chars().map(|c| if is_tag_character(c) { c } else { ' ' }).collect();
    let words: Vec<&str> = kept.split_whitespace().collect();
    words.join(" ").chars().take(255).collect::<String>().trim_end().to_owned()
}

/// Where a release stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Reachable by QA, not by customers.
    PreProduct,
    /// What customers get.
    Product,
    /// Was product; the last one stays in the rule, the way back.
    Retired,
    /// Rolled back, failed or superseded.
    Rejected,
}

impl Role {
    /// The role as tags spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreProduct => "pre-product",
            Self::Product => "product",
            Self::Retired => "retired",
            Self::Rejected => "rejected",
        }
    }

    /// Reads a tag's value.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::PreProduct, Self::Product, Self::Retired, Self::Rejected].into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of a service's two rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WhichRule {
    /// The customers'.
    Product,
    /// QA's.
    PreProduct,
}

impl WhichRule {
    /// The rule as tags spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::PreProduct => "pre-product",
        }
    }
}

impl fmt::Display for WhichRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rule", self.as_str())
    }
}

/// The tags that say where a release stands, for instances and groups alike.
pub fn role_tags(service: &ServiceName, role: Role, since: Time) -> Tags {
    Tags::from([
        (ROLE.into(), role.as_str().into()),
        (SINCE.into(), since.to_string()),
        (NAME.into(), format!("{service}-{role}")),
    ])
}

/// The tags that reject a release: its role, since when, and why.
pub fn rejected_tags(service: &ServiceName, since: Time, reason: &str) -> Tags {
    let mut tags = role_tags(service, Role::Rejected, since);
    tags.insert(REASON.into(), tag_value(reason));
    tags
}

/// The tags of a resource from the call that makes it: whose, which release, where it stands, and the service's own.
pub fn birth_tags(service: &ServiceName, release: &ReleaseId, role: Role, now: Time, own: &Tags) -> Tags {
    let mut tags = own.clone();
    tags.extend(role_tags(service, role, now));
    tags.insert(SERVICE.into(), service.to_string());
    tags.insert(RELEASE.into(), release.to_string());
    tags
}

/// The tags of a rule: whose, and which of the two.
pub fn rule_tags(service: &ServiceName, which: WhichRule, own: &Tags) -> Tags {
    let mut tags = own.clone();
    tags.insert(SERVICE.into(), service.to_string());
    tags.insert(RULE.into(), which.as_str().into());
    tags.insert(NAME.into(), format!("{service}-{}", which.as_str()));
    tags
}

/// Reads what our tags say of one resource.
pub trait Read {
    /// One tag's value.
    fn value(&self, key: &str) -> Option<&str>;

    /// Whether the resource is tagged as this service's.
    fn is_of(&self, service: &ServiceName) -> bool {
        self.value(SERVICE) == Some(service.as_str())
    }

    /// Which release it belongs to.
    fn release(&self) -> Option<ReleaseId> {
        self.value(RELEASE).and_then(|id| ReleaseId::new(id).ok())
    }

    /// Where that release stands, in this resource's words.
    fn role(&self) -> Option<Role> {
        self.value(ROLE).and_then(Role::parse)
    }

    /// When it entered its role.
    fn since(&self) -> Option<Time> {
        self.value(SINCE).and_then(Time::parse)
    }

    /// A tag that holds a number.
    fn number(&self, key: &str) -> Option<u32> {
        self.value(key).and_then(|text| text.parse().ok())
    }
}

impl Read for Tags {
    fn value(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// Since when which weights stand, as a rule's [`SINCE`] tag holds it: `2026-11-21T10:00:00Z 1a2b3c4d`.
pub fn weights_since(since: Time, weights_hash: &str) -> String {
    format!("{since} {weights_hash}")
}

/// Reads [`weights_since`]: the time, if it is about these weights.
pub fn read_weights_since(value: &str, weights_hash: &str) -> Option<Time> {
    let mut words = value.split(' ');
    let (time, hash) = (words.next()?, words.next()?);
    (hash == weights_hash).then(|| Time::parse(time)).flatten()
}

/// [`weights_since`], with when a release got the first of its weight: its alarms count from then, whatever step it is at.
pub fn weights_since_begun(since: Time, weights_hash: &str, begun: Time, release: &ReleaseId) -> String {
    format!("{} {begun} {}", weights_since(since, weights_hash), short_hash(release.as_str(), 8))
}

/// Reads [`weights_since_begun`]: when this release got the first of its weight, if that is known.
pub fn read_begun(value: &str, release: &ReleaseId) -> Option<Time> {
    let mut words = value.split(' ').skip(2);
    let (time, whose) = (words.next()?, words.next()?);
    (whose == short_hash(release.as_str(), 8)).then(|| Time::parse(time)).flatten()
}

/// How a release's promotion stands to its alarms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// One went off, and the config has people decide: its weights stay until they do.
    Frozen,
    /// They decided to go on: what was red by then stops it no more.
    GoesOn,
}

impl Mark {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::GoesOn => "goes-on",
        }
    }
}

/// A release's [`Mark`], as the product rule's [`ALARMS`] tag holds it: `frozen 2026-11-21T10:00:00Z 1a2b3c4d`.
pub fn alarms(mark: Mark, at: Time, release: &ReleaseId) -> String {
    format!("{} {at} {}", mark.as_str(), short_hash(release.as_str(), 8))
}

/// Reads [`alarms`]: the mark and its time, if it is about this release.
pub fn read_alarms(value: &str, release: &ReleaseId) -> Option<(Mark, Time)> {
    let mut words = value.split(' ');
    let (mark, at, whose) = (words.next()?, words.next()?, words.next()?);
    let mark = [Mark::Frozen, Mark::GoesOn].into_iter().find(|known| known.as_str() == mark)?;
    (whose == short_hash(release.as_str(), 8)).then(|| Some((mark, Time::parse(at)?))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_becomes_a_tag_that_elb_takes() {
        let value = tag_value("i-0a: unhealthy, codes [502]\n(twice)");
        assert_eq!(value, "i-0a: unhealthy codes 502 twice");
        assert!(tag_value(&"x, ".repeat(300)).chars().count() <= 255);
    }

    #[test]
    fn weights_since_is_about_one_set_of_weights() {
        let at = Time::from_seconds(1_795_258_800);
        let value = weights_since(at, "1a2b3c4d");
        assert_eq!(read_weights_since(&value, "1a2b3c4d"), Some(at));
        assert_eq!(read_weights_since(&value, "ffffffff"), None);
    }

    #[test]
    fn the_first_of_a_releases_weight_is_remembered_from_step_to_step() {
        let (begun, since) = (Time::from_seconds(1_795_258_800), Time::from_seconds(1_795_258_860));
        let release = ReleaseId::new("r2").unwrap();
        let value = weights_since_begun(since, "1a2b3c4d", begun, &release);
        assert_eq!(read_weights_since(&value, "1a2b3c4d"), Some(since));
        assert_eq!(read_begun(&value, &release), Some(begun));
        assert_eq!(read_begun(&value, &ReleaseId::new("r3").unwrap()), None);
        assert_eq!(read_begun(&weights_since(since, "1a2b3c4d"), &release), None);
        assert_eq!(tag_value(&value), value, "ELB takes it");
    }

    #[test]
    fn how_a_release_stands_to_its_alarms_is_about_that_release() {
        let at = Time::from_seconds(1_795_258_800);
        let release = ReleaseId::new("r2").unwrap();
        for mark in [Mark::Frozen, Mark::GoesOn] {
            let value = alarms(mark, at, &release);
            assert_eq!(read_alarms(&value, &release), Some((mark, at)));
            assert_eq!(read_alarms(&value, &ReleaseId::new("r3").unwrap()), None);
            assert_eq!(tag_value(&value), value, "ELB takes it");
        }
        assert_eq!(read_alarms("melted 2026-11-21T10:00:00Z 1a2b3c4d", &release), None);
    }
}
