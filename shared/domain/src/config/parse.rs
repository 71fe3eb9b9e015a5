//! A service's config from JSON: every fault found, each with its key and what would be right.

use std::fmt;

use serde_json::Value;

use super::checks::checks;
use super::fields::Fields;
use super::rule::{no_rule, rule};
use super::{
    Ami, Check, Dns, HealthCheck, OnAlarm, OnApprovalTimeout, ReadyWhen, Service, Traffic, UserData, overlap, patience,
};
use crate::id::{AllocationId, ListenerArn, ServiceName, SubnetId};
use crate::tags::{Tags, is_tag_character};
use crate::world::Secret;

/// One fault of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `health_check.path`.
    pub key: String,
    /// What is there, and what would be right.
    pub what: String,
}

impl Problem {
    pub(super) fn new(key: String, what: String) -> Self {
        Self { key, what }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.what)
    }
}

/// A config as far as it could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The service, if the listener is known; with stand-ins for what is faulty. Good only where there are no problems:
    /// a rollback, which needs no more than the listener, goes on with it.
    pub service: Option<Service>,
    /// Every fault.
    pub problems: Vec<Problem>,
}

const DAY_SECONDS: u32 = 86_400;
/// CloudWatch describes as many alarms in one call.
const ALARMS_MOST: usize = 100;
/// How long a release bakes at least that functions examine, unless the config says otherwise: so they are asked with all of the traffic, too. A call
/// that has no time left for them answers that it waits, and CodePipeline makes the next one half a minute later.
const BAKE_SECONDS_OF_CHECKS: u32 = 60;

impl Service {
    /// Reads a service from its JSON, defaults merged in already.
    pub fn parse(name: &ServiceName, json: &Value) -> Parsed {
        let mut problems = Vec::new();
        let Value::Object(object) = json else {
            let what = format!("is not a JSON object: {}", super::fields::shown(json));
            return Parsed { service: None, problems: vec![Problem::new(name.variable(), what)] };
        };
        let mut fields = Fields::new(object, "");
        let service = read(name, &mut fields, &mut problems);
        fields.finish(&mut problems);
        Parsed { service, problems }
    }
}

fn read(name: &ServiceName, f: &mut Fields<'_>, p: &mut Vec<Problem>) -> Option<Service> {
    let subnets = required_list(f, "subnets", "subnet-", "[\"subnet-0a\", \"subnet-0c\"]", p);
    let security_groups = required_list(f, "security_groups", "sg-", "[\"sg-01\"]", p);
    let ami = f.required_text("ami", "\"ami-0123\" or \"resolve:ssm:/path\"", p).and_then(|text| ami(&text, p));
    let instance_type = f.required_text("instance_type", "\"t3.small\"", p);
    let listener = f.require("listener_arn", "\"arn:aws:elasticloadbalancing:…:listener/app/…\"", p);
    let listener = listener.then(|| f.text("listener_arn", p)).flatten().filter(|arn| listener_arn(arn, p));
    let port = f.require("port", "8080", p).then(|| f.number("port", 1, 65_535, p)).flatten();
    let product = rule(f, "product", "{\"priority\": 20, \"hosts\": [\"m.example.com\"]}", p);
    let pre_product = rule(f, "pre_product", "{\"priority\": 10, \"hosts\": [\"pre.m.example.com\"]}", p);
    if let (Some(product), Some(pre_product)) = (&product, &pre_product) {
        p.extend(
            overlap::faults(product, pre_product).into_iter().map(|what| Problem::new("pre_product:".into(), what)),
        );
    }
    let instance_count = f.number("instance_count", 1, 500, p).unwrap_or(1);
    let elastic_ips = f
        .list("elastic_ips", p, |id| begins(id, "eipalloc-"))
        .unwrap_or_default()
        .into_iter()
        .map(AllocationId::new)
        .collect::<Vec<_>>();
    if !elastic_ips.is_empty() && elastic_ips.len() < usize::try_from(instance_count).unwrap_or(usize::MAX) {
        let what = format!(
            "has {} addresses for {instance_count} instances; two to three times as many let releases stand side by side",
            elastic_ips.len()
        );
        p.push(Problem::new("elastic_ips".into(), what));
    }
    let traffic = traffic(f, p);
    let alarms = f.list("alarms", p, |name| if name.is_empty() { Err("it is an alarm's name".into()) } else { Ok(()) });
    if let Some(alarms) = alarms.as_ref().filter(|alarms| alarms.len() > ALARMS_MOST) {
        let what = format!("are {}, at most {ALARMS_MOST} are watched; put several into a composite one", alarms.len());
        p.push(Problem::new("alarms".into(), what));
    }
    let bake_seconds = f.number("bake_seconds", 0, DAY_SECONDS, p);
    let mut service = Service {
        name: name.clone(),
        subnets: subnets.into_iter().map(SubnetId::new).collect(),
        ami: ami.unwrap_or_else(|| Ami::Id(String::new())),
        instance_type: instance_type.unwrap_or_default(),
        instance_count,
        security_groups,
        iam_instance_profile: f.text("iam_instance_profile", p),
        key_name: f.text("key_name", p),
        user_data: user_data(f, p),
        elastic_ips,
        ready_when: f
            .choice(
                "ready_when",
                &[
                    ("status_ok", ReadyWhen::StatusOk),
                    ("running", ReadyWhen::Running),
                    ("ssm_online", ReadyWhen::SsmOnline),
                ],
                p,
            )
            .unwrap_or(ReadyWhen::StatusOk),
        listener_arn: ListenerArn::new(listener.clone().unwrap_or_default()),
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        health_check: health_check(f, p),
        min_healthy_percent: f.number("min_healthy_percent", 1, 100, p).unwrap_or(100),
        product: product.unwrap_or_else(no_rule),
        pre_product: pre_product.unwrap_or_else(no_rule),
        dns: dns(f, p),
        drain_seconds: f.number("drain_seconds", 0, 3_600, p).unwrap_or(30),
        settle_seconds: f.number("settle_seconds", 0, 300, p).unwrap_or(15),
        bake_seconds: bake_seconds.unwrap_or(0),
        traffic,
        alarms: alarms.unwrap_or_default().into_iter().collect(),
        on_alarm: f
            .choice("on_alarm", &[("rollback", OnAlarm::Rollback), ("freeze", OnAlarm::Freeze)], p)
            .unwrap_or(OnAlarm::Rollback),
        checks: Vec::new(),
        provision_timeout_seconds: f.number("provision_timeout_seconds", 30, 7_200, p).unwrap_or(600),
        health_timeout_seconds: f.number("health_timeout_seconds", 10, 7_200, p).unwrap_or(300),
        keep_rejected_seconds: f.number("keep_rejected_seconds", 0, 30 * DAY_SECONDS, p).unwrap_or(0),
        retired_ttl_seconds: f.number("retired_ttl_seconds", 3_600, 365 * DAY_SECONDS, p),
        pre_product_ttl_seconds: f
            .number("pre_product_ttl_seconds", 60, 365 * DAY_SECONDS, p)
            .unwrap_or(8 * DAY_SECONDS),
        on_approval_timeout: f
            .choice(
                "on_approval_timeout",
                &[("keep", OnApprovalTimeout::Keep), ("rollback", OnApprovalTimeout::Rollback)],
                p,
            )
            .unwrap_or(OnApprovalTimeout::Keep),
        notify_topic_arn: f.id("notify_topic_arn", "arn:", p),
        tags: tags(f, p),
    };
    service.checks = checks(f, service.health_check.protocol == "HTTPS", p);
    if bake_seconds.is_none() && service.checks.iter().any(|check| matches!(check, Check::Function(_))) {
        service.bake_seconds = BAKE_SECONDS_OF_CHECKS;
    }
    p.extend(patience::fault(&service));
    listener.map(|_| service)
}

fn begins(text: &str, start: &str) -> Result<(), String> {
    // Letters, digits and hyphens: ids become parts of tags too.
    let good = text.len() > start.len()
        && text.starts_with(start)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if good { Ok(()) } else { Err(format!("it begins with {start} and has only letters, digits and hyphens")) }
}

fn required_list(
    f: &mut Fields<'_>,
    key: &'static str,
    start: &'static str,
    example: &str,
    p: &mut Vec<Problem>,
) -> Vec<String> {
    if !f.require(key, example, p) {
        f.raw(key);
        return Vec::new();
    }
    let before = p.len();
    let list = f.list(key, p, |id| begins(id, start)).unwrap_or_default();
    if list.is_empty() && p.len() == before {
        p.push(Problem::new(f.key(key), format!("is empty; write for example {example}")));
    }
    list
}

fn ami(text: &str, p: &mut Vec<Problem>) -> Option<Ami> {
    if let Some(parameter) = text.strip_prefix("resolve:ssm:") {
        return (!parameter.is_empty()).then(|| Ami::Ssm(parameter.to_owned())).or_else(|| {
            p.push(Problem::new("ami".into(), "names no parameter after resolve:ssm:".into()));
            None
        });
    }
    if begins(text, "ami-").is_ok() {
        return Some(Ami::Id(text.to_owned()));
    }
    let text = crate::id::shown(text);
    p.push(Problem::new("ami".into(), format!("is \"{text}\", it begins with ami- or resolve:ssm:")));
    None
}

fn listener_arn(arn: &str, p: &mut Vec<Problem>) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let resource: Vec<&str> = parts.last().map(|resource| resource.split('/').collect()).unwrap_or_default();
    let good = matches!(parts.as_slice(), ["arn", partition, "elasticloadbalancing", region, account, _]
            if [partition, region, account].iter().all(|part| !part.is_empty()))
        && matches!(resource.as_slice(), ["listener", "app", name, balancer, listener]
            if [name, balancer, listener].iter().all(|part| !part.is_empty()))
        // It becomes a tag.
        && arn.chars().all(|c| is_tag_character(c) && !c.is_whitespace())
        && arn.chars().count() <= 255;
    if !good {
        let what = format!(
            "is \"{}\", it is the ARN of an Application Load Balancer's listener, arn:aws:elasticloadbalancing:…:listener/app/…",
            crate::id::shown(arn)
        );
        p.push(Problem::new("listener_arn".into(), what));
    }
    good
}

fn user_data(f: &mut Fields<'_>, p: &mut Vec<Problem>) -> Option<UserData> {
    if !f.raw("user_data")?.is_string() {
        // Its value may hold a secret, so it is not shown.
        p.push(Problem::new("user_data".into(), "is not a text".into()));
        return None;
    }
    let text = f.text("user_data", p)?;
    match text.strip_prefix("ssm:") {
        Some("") => {
            p.push(Problem::new("user_data".into(), "names no parameter after ssm:".into()));
            None
        }
        Some(parameter) => Some(UserData::Ssm(parameter.to_owned())),
        None if text.len() > 16_384 => {
            p.push(Problem::new("user_data".into(), format!("has {} bytes, EC2 takes 16384", text.len())));
            None
        }
        None => Some(UserData::Text(Secret(text))),
    }
}

fn health_check(f: &mut Fields<'_>, p: &mut Vec<Problem>) -> HealthCheck {
    let default = HealthCheck {
        protocol: "HTTP".into(),
        path: "/".into(),
        interval_seconds: 10,
        timeout_seconds: 4,
        healthy_threshold: 2,
        unhealthy_threshold: 2,
        matcher: "200".into(),
    };
    let Some(mut h) = f.object("health_check", p) else {
        return default;
    };
    let path = h.text("path", p).filter(|path| {
        let good = path.starts_with('/') && path.len() <= 1024;
        if !good {
            p.push(Problem::new(
                "health_check.path".into(),
                format!("is \"{path}\", it begins with / and has at most 1024 characters"),
            ));
        }
        good
    });
    let matcher = h.text("matcher", p).filter(|matcher| {
        let good = codes(matcher);
        if !good {
            p.push(Problem::new(
                "health_check.matcher".into(),
                format!("is \"{matcher}\", it is codes from 200 to 499 like 200, 200,204 or 200-299"),
            ));
        }
        good
    });
    let check = HealthCheck {
        protocol: h.choice("protocol", &[("HTTP", "HTTP"), ("HTTPS", "HTTPS")], p).unwrap_or("HTTP").to_owned(),
        path: path.unwrap_or(default.path),
        interval_seconds: h.number("interval_seconds", 5, 300, p).unwrap_or(default.interval_seconds),
        timeout_seconds: h.number("timeout_seconds", 2, 120, p).unwrap_or(default.timeout_seconds),
        healthy_threshold: h.number("healthy_threshold", 2, 10, p).unwrap_or(default.healthy_threshold),
        unhealthy_threshold: h.number("unhealthy_threshold", 2, 10, p).unwrap_or(default.unhealthy_threshold),
        matcher: matcher.unwrap_or(default.matcher),
    };
    if check.timeout_seconds >= check.interval_seconds {
        let what =
            format!("is {}, it is below interval_seconds, which is {}", check.timeout_seconds, check.interval_seconds);
        p.push(Problem::new("health_check.timeout_seconds".into(), what));
    }
    h.finish(p);
    check
}

fn codes(matcher: &str) -> bool {
    let code = |text: &str| text.len() == 3 && text.parse::<u16>().is_ok_and(|code| (200..=499).contains(&code));
    matcher.split(',').all(|part| match part.split_once('-') {
        Some((from, to)) => code(from) && code(to) && from <= to,
        None => code(part),
    })
}

fn dns(f: &mut Fields<'_>, p: &mut Vec<Problem>) -> Option<Dns> {
    let mut d = f.object("dns", p)?;
    let zone_id = d.required_text("zone_id", "\"Z01\"", p);
    d.raw("zone_id");
    let mut name = |key: &'static str| {
        let text = d.text(key, p)?;
        let good = text.len() <= 255
            && text.contains('.')
            && text.trim_end_matches('.').split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
        if !good {
            p.push(Problem::new(
                format!("dns.{key}"),
                format!("is \"{text}\", it is a full name like mobile.corp.internal"),
            ));
        }
        good.then(|| text.trim_end_matches('.').to_lowercase())
    };
    let (product, pre_product) = (name("product"), name("pre_product"));
    if product.is_some() && product == pre_product {
        p.push(Problem::new("dns.pre_product".into(), "is dns.product; give it a name of its own".into()));
    }
    d.finish(p);
    zone_id.map(|zone_id| Dns { zone_id, product, pre_product })
}

fn traffic(f: &mut Fields<'_>, p: &mut Vec<Problem>) -> Traffic {
    let Some(mut t) = f.object("traffic", p) else {
        return Traffic::default();
    };
    let steps: Vec<u32> = match t.raw("steps") {
        None => Vec::new(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX)).collect()
        }
        Some(_) => vec![u32::MAX],
    };
    let rising = steps.iter().zip(steps.iter().skip(1)).all(|(a, b)| a < b);
    let steps = if rising && steps.iter().all(|step| (1..=99).contains(step)) {
        steps
    } else {
        p.push(Problem::new(
            "traffic.steps".into(),
            "are not percentages from 1 to 99, each above the one before, like [10, 50]".into(),
        ));
        Vec::new()
    };
    let step_seconds = t.number("step_seconds", 1, DAY_SECONDS, p).unwrap_or(60);
    let stickiness_seconds = t.number("stickiness_seconds", 1, 7 * DAY_SECONDS, p);
    if stickiness_seconds.is_some() && steps.is_empty() {
        let what = "is about the steps of a promotion, and there are none; write traffic.steps, like [10, 50]";
        p.push(Problem::new("traffic.stickiness_seconds".into(), what.into()));
    }
    t.finish(p);
    Traffic { steps, step_seconds, stickiness_seconds }
}

/// ELB and EC2 take 50 tags on a resource; ours need this many of them.
const OUR_TAGS: usize = 18;

fn tags(f: &mut Fields<'_>, p: &mut Vec<Problem>) -> Tags {
    let mut tags = Tags::new();
    let object = match f.raw("tags") {
        None => return tags,
        Some(Value::Object(object)) => object,
        Some(other) => {
            p.push(Problem::new(
                "tags".into(),
                format!("is {}, it is an object of texts", super::fields::shown(other)),
            ));
            return tags;
        }
    };
    for (key, value) in object {
        let at = format!("tags.{}", crate::id::shown(key));
        let Some(value) = value.as_str() else {
            p.push(Problem::new(at, format!("is {}, it is a text", super::fields::shown(value))));
            continue;
        };
        let reserved = key.starts_with("aws:") || key.starts_with("pointsman:") || key == crate::tags::NAME;
        if reserved {
            p.push(Problem::new(at, "is a key that AWS or Pointsman sets itself".into()));
        } else if key.is_empty() || key.chars().count() > 128 || !key.chars().all(is_tag_character) {
            p.push(Problem::new(
                at,
                "is not a key that ELB takes: letters, digits, spaces and + - = . _ : / @, at most 128".into(),
            ));
        } else if value.chars().count() > 255 || !value.chars().all(is_tag_character) {
            p.push(Problem::new(
                at,
                "has a value that ELB would refuse: letters, digits, spaces and + - = . _ : / @, at most 255".into(),
            ));
        } else {
            tags.insert(key.clone(), value.to_owned());
        }
    }
    if object.len() > 50 - OUR_TAGS {
        p.push(Problem::new(
            "tags".into(),
            format!("are {}, at most {} leave room for Pointsman's own", object.len(), 50 - OUR_TAGS),
        ));
    }
    tags
}
