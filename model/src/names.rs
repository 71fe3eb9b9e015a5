//! Names of the model's values as the plans know them, and back.

use std::sync::OnceLock;

use domain::config::Service;
use domain::id::{AllocationId, GroupArn, InstanceId, ReleaseId, RuleArn, ServiceName, SubnetId, group_name};
use domain::time::Time;
use serde_json::{Value, json};

use crate::aws::{Age, Instances, RELEASES, SECONDS, SLOTS, STRANGER, Which, bit};

/// The moment at which everything is looked at; ages are told from it.
pub const NOW: Time = Time::from_seconds(1_795_258_800);

/// The listener of all rules.
pub const LISTENER: &str = "arn:aws:elasticloadbalancing:us-east-1:1:listener/app/lb/1/1";

/// When something of an age began.
pub fn time(age: Age) -> Time {
    NOW + -SECONDS[usize::from(age)]
}

/// The age of what began then.
pub fn age(since: Time) -> Age {
    let seconds = NOW - since;
    let age = SECONDS.iter().rposition(|at_least| seconds >= *at_least).unwrap_or_default();
    Age::try_from(age).unwrap_or_default()
}

#[expect(clippy::expect_used, reason = "the name is right")]
pub fn service_name() -> ServiceName {
    static NAME: OnceLock<ServiceName> = OnceLock::new();
    NAME.get_or_init(|| ServiceName::new("web").expect("a service's name")).clone()
}

#[expect(clippy::expect_used, reason = "the id is right")]
pub fn release(release: usize) -> ReleaseId {
    ReleaseId::new(&format!("r{}", release + 1)).expect("a release's id")
}

pub fn release_index(id: &str) -> Option<usize> {
    let index = id.strip_prefix('r')?.parse::<usize>().ok()?.checked_sub(1)?;
    (index < RELEASES).then_some(index)
}

pub fn group(group: usize) -> GroupArn {
    static ARNS: OnceLock<Vec<GroupArn>> = OnceLock::new();
    let arn = |group: usize| {
        if group == STRANGER {
            return GroupArn::new("arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/theirs/3");
        }
        let name = group_name(&service_name(), &release(group));
        GroupArn::new(format!("arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/{name}/{group}"))
    };
    ARNS.get_or_init(|| (0..=STRANGER).map(arn).collect())[group].clone()
}

pub fn group_index(arn: &GroupArn) -> usize {
    arn.as_str().rsplit('/').next().and_then(|end| end.parse().ok()).unwrap_or(STRANGER)
}

pub fn instance(release: usize, slot: usize) -> InstanceId {
    InstanceId::new(format!("i-r{}{}", release + 1, char::from(b'a' + u8::try_from(slot).unwrap_or_default())))
}

pub fn instance_bit(id: &InstanceId) -> Instances {
    // `i-r1a` is the first of the first release.
    let mut end = id.as_str().bytes().skip(3);
    let (release, slot) = (end.next().map(|b| b.wrapping_sub(b'1')), end.next().map(|b| b.wrapping_sub(b'a')));
    match (release.map(usize::from), slot.map(usize::from)) {
        (Some(release), Some(slot)) if release < RELEASES && slot < SLOTS => bit(release, slot),
        _ => 0,
    }
}

pub fn address(index: usize) -> AllocationId {
    AllocationId::new(format!("eipalloc-{index}"))
}

pub fn address_index(id: &AllocationId) -> usize {
    id.as_str().bytes().last().map(|b| usize::from(b.wrapping_sub(b'0'))).unwrap_or_default()
}

pub fn ip(release: usize, slot: usize) -> String {
    format!("10.0.{release}.{slot}")
}

pub fn ip_bit(ip: &str) -> Instances {
    let all = (0..RELEASES).flat_map(|r| (0..SLOTS).map(move |s| (r, s)));
    all.into_iter().find(|(r, s)| self::ip(*r, *s) == ip).map(|(r, s)| bit(r, s)).unwrap_or_default()
}

pub fn subnet(index: u8) -> SubnetId {
    SubnetId::new(format!("subnet-{index}"))
}

pub fn rule(which: Which) -> RuleArn {
    RuleArn::new(match which {
        Which::Product => "arn:aws:elasticloadbalancing:us-east-1:1:listener-rule/app/lb/1/1/product",
        Which::PreProduct => "arn:aws:elasticloadbalancing:us-east-1:1:listener-rule/app/lb/1/1/pre-product",
    })
}

/// The names of the private zone.
pub const ZONE_NAMES: [&str; 2] = ["web.internal", "pre-web.internal"];

/// The service's config with one instance a release, in each of its variants: made once.
pub fn config(variant: u8) -> &'static Service {
    static CONFIGS: OnceLock<[Service; 2]> = OnceLock::new();
    &CONFIGS.get_or_init(|| [service(0, &json!({})), service(1, &json!({}))])[usize::from(variant & 1)]
}

/// The service's config with these keys over it, in each of its variants.
#[expect(clippy::expect_used, reason = "the config is right, or the model is not")]
pub fn service(variant: u8, keys: &Value) -> Service {
    let mut config = json!({
        "subnets": ["subnet-0", "subnet-1"],
        "ami": "ami-0123",
        "instance_type": "t3.small",
        "security_groups": ["sg-01"],
        "listener_arn": LISTENER,
        "port": 8080,
        "product": {"priority": 20 + variant, "hosts": [format!("v{variant}.example.com")]},
        "pre_product": {"priority": 10 + variant, "hosts": [format!("pre.v{variant}.example.com")]},
        "dns": {"zone_id": "Z01", "product": ZONE_NAMES[0], "pre_product": ZONE_NAMES[1]},
    });
    for (key, value) in keys.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    let parsed = Service::parse(&service_name(), &config);
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    parsed.service.expect("a config without problems")
}
