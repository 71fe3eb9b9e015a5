//! Configs: the environment's variables as people might write them.

use std::collections::BTreeSet;
use std::fmt;

use domain::config::{Ami, Check, OnAlarm, OnApprovalTimeout, ReadyWhen, RuleConfig, Service, Settings, UserData};
use domain::id::ServiceName;
use domain::world::Conditions;
use serde_json::{Map, Value, json};

use crate::choices::Choices;
use crate::run::{Kept, promise};
use crate::{json, text};

/// A listener that configs name.
pub const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/main/1/2";
/// Stands in user data, and may stand nowhere else.
const SECRET: &str = "hunter2-and-more";

const KEYS: &[&str] = &[
    "subnets",
    "ami",
    "instance_type",
    "instance_count",
    "security_groups",
    "iam_instance_profile",
    "key_name",
    "user_data",
    "elastic_ips",
    "ready_when",
    "listener_arn",
    "port",
    "health_check",
    "product",
    "pre_product",
    "dns",
    "traffic",
    "bake_seconds",
    "alarms",
    "on_alarm",
    "checks",
    "retired_ttl_seconds",
    "drain_seconds",
    "settle_seconds",
    "min_healthy_percent",
    "provision_timeout_seconds",
    "health_timeout_seconds",
    "keep_rejected_seconds",
    "pre_product_ttl_seconds",
    "on_approval_timeout",
    "notify_topic_arn",
    "tags",
];

/// A key, and values of it that AWS or Pointsman would refuse.
const FAULTS: &[(&str, &str)] = &[
    ("subnets", r#"[]"#),
    ("ami", r#""0123""#),
    ("instance_type", r#"3"#),
    ("instance_count", r#"501"#),
    ("security_groups", r#"["01"]"#),
    ("port", r#"65536"#),
    ("health_check", r#"{"path":"health"}"#),
    ("product", r#"{"priority":0,"hosts":["m.example.com"]}"#),
    ("pre_product", r#"{"priority":10}"#),
    ("dns", r#"{"product":"a.b"}"#),
    ("traffic", r#"{"steps":[100]}"#),
    ("bake_seconds", r#"-1"#),
    ("alarms", r#"[""]"#),
    ("on_alarm", r#""stop""#),
    ("checks", r#"[{"url":"version"}]"#),
    ("retired_ttl_seconds", r#"60"#),
    ("drain_seconds", r#"3601"#),
    ("settle_seconds", r#""1""#),
    ("min_healthy_percent", r#"0"#),
    ("keep_rejected_seconds", r#"1.5"#),
    ("on_approval_timeout", r#""panic""#),
    ("notify_topic_arn", r#""topic""#),
    ("tags", r#"{"aws:x":"1"}"#),
    ("colour", r#""red""#),
    ("listener_arn", r#""arn:aws:elasticloadbalancing:x:listener/net/a/1""#),
];

/// The environment's variables for one service, and what is known of them.
pub struct Environment {
    variables: Vec<(String, String)>,
    parameter: Option<String>,
    /// The keys that are at fault; `None` where anything may be.
    faults: Option<BTreeSet<&'static str>>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in &self.variables {
            writeln!(f, "{key}={value}")?;
        }
        writeln!(f, "the parameter: {:?}", self.parameter)?;
        write!(f, "at fault: {:?}", self.faults)
    }
}

/// The least that a service has to say.
pub fn least() -> Map<String, Value> {
    let json = json!({
        "subnets": ["subnet-0a", "subnet-0c"], "ami": "ami-0123", "instance_type": "t3.small", "security_groups": ["sg-01"],
        "listener_arn": LISTENER, "port": 8080,
        "product": {"priority": 20, "hosts": ["m.example.com"]},
        "pre_product": {"priority": 10, "hosts": ["pre.m.example.com"]},
    });
    json.as_object().cloned().unwrap_or_default()
}

/// A right config.
pub fn right(c: &mut Choices) -> Map<String, Value> {
    let mut config = least();
    let count = c.below(4) + 1;
    if c.chance(80) {
        config.insert("instance_count".into(), json!(count));
    }
    let numbers = [
        ("drain_seconds", [0, 30, 3_600]),
        ("settle_seconds", [15, 0, 300]),
        ("bake_seconds", [0, 300, 78_960]),
        ("min_healthy_percent", [100, 1, 50]),
        ("provision_timeout_seconds", [600, 30, 7_200]),
        ("health_timeout_seconds", [300, 10, 7_200]),
        ("keep_rejected_seconds", [0, 3_600, 2_592_000]),
        ("pre_product_ttl_seconds", [691_200, 60, 31_536_000]),
    ];
    for (key, values) in numbers {
        if c.chance(30) {
            config.insert(key.into(), json!(c.pick(&values)));
        }
    }
    let more: [(&str, Value); 15] = [
        ("ready_when", json!(c.word(&["status_ok", "running", "ssm_online"]))),
        (
            "dns",
            json!({"zone_id": "Z01", "product": "mobile.corp.internal", "pre_product": "pre-mobile.corp.internal"}),
        ),
        ("elastic_ips", json!(["eipalloc-01", "eipalloc-02", "eipalloc-03", "eipalloc-04"])),
        ("traffic", json!({"steps": [10, 50], "step_seconds": 60, "stickiness_seconds": 300})),
        ("alarms", json!(["mobile-5xx", "Mobil ä"])),
        ("on_alarm", json!("freeze")),
        ("checks", json!(["smoke", {"url": "/version", "contains": "ok"}])),
        ("retired_ttl_seconds", json!(86_400)),
        ("tags", json!({"team": "mobile", "cost-center": "42", "Straße 中": "a b+c"})),
        (
            "health_check",
            json!({"path": "/health?x=y", "interval_seconds": 5, "healthy_threshold": 10, "matcher": "200-299,301", "protocol": "HTTPS"}),
        ),
        ("user_data", json!(c.word(&["#!/bin/bash\nexport PASSWORD=hunter2-and-more", "ssm:/user-data"]))),
        ("on_approval_timeout", json!(c.word(&["keep", "rollback"]))),
        ("notify_topic_arn", json!("arn:aws:sns:eu-west-1:123456789012:mobile")),
        ("iam_instance_profile", json!(c.word(&["mobile-web", "arn:aws:iam::1:instance-profile/x"]))),
        ("ami", json!(c.word(&["ami-0fff", "resolve:ssm:/ami"]))),
    ];
    for (key, value) in more {
        if c.chance(30) {
            config.insert(key.into(), value);
        }
    }
    if config.contains_key("health_check") && config.contains_key("checks") {
        // These targets speak HTTPS.
        config.insert("checks".into(), json!(["smoke"]));
    }
    if c.chance(30) {
        config.insert("product".into(), json!({"priority": c.pick(&[1, 21, 50_000]), "hosts": ["m.example.com", "*.M.example.org"], "paths": ["/*"]}));
        config.insert("pre_product".into(), json!({"priority": c.pick(&[2, 10, 49_999]), "hosts": ["pre.example.com"], "source_ips": ["10.0.0.0/8", "2001:db8::/32"]}));
    }
    config
}

/// Makes an environment.
pub fn make(c: &mut Choices) -> Environment {
    let mut config = right(c);
    let mut faults = Some(BTreeSet::new());
    match c.below(4) {
        0 => {}
        1 => {
            let mut named = BTreeSet::new();
            for _ in 0..=c.upto(6) {
                if let Some((key, value)) = c.pick(FAULTS).copied() {
                    config.insert(key.to_owned(), serde_json::from_str(value).unwrap_or_default());
                    named.insert(key);
                }
            }
            faults = Some(named);
        }
        _ => {
            let mut value = Value::Object(config);
            for _ in 0..=c.upto(3) {
                json::spoil(c, &mut value, KEYS);
            }
            faults = None;
            config = match value {
                Value::Object(object) => object,
                other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                    Map::from_iter([("subnets".to_owned(), other)])
                }
            };
        }
    }
    // Some of it for all services; an object in part.
    let mut defaults = Map::new();
    if c.chance(50) {
        let keys: Vec<String> = config.keys().cloned().collect();
        for key in keys {
            if !c.chance(30) {
                continue;
            }
            match config.get_mut(&key) {
                Some(Value::Object(own)) if own.len() > 1 && c.chance(50) => {
                    let inner = own.keys().next().cloned().unwrap_or_default();
                    let value = own.shift_remove(&inner).unwrap_or_default();
                    defaults.insert(key, json!({ inner: value }));
                }
                _ => {
                    let value = config.shift_remove(&key).unwrap_or_default();
                    defaults.insert(key, value);
                }
            }
        }
    }
    let mut own = Value::Object(config).to_string();
    if faults.is_none() && c.chance(15) {
        own = text::spoilt(c, &own);
    }
    let mut variables = vec![("LEASE_TABLE".to_owned(), "leases".to_owned())];
    if !defaults.is_empty() || c.chance(10) {
        variables.push(("SERVICE_DEFAULTS".to_owned(), Value::Object(defaults).to_string()));
    }
    let parameter = c.chance(30).then(|| own.clone());
    if parameter.is_some() {
        variables.push(("SERVICES_PATH".to_owned(), "/pointsman/services/".to_owned()));
    } else {
        variables.push(("SERVICE_MOBILE_WEB".to_owned(), own));
    }
    if faults.is_none() && c.chance(30) {
        let names = ["SERVICE_DEFAULTS", "SERVICE_-", "LEASE_TABLE", "NOTIFY_TOPIC_ARN", "SERVICES_PATH", "SERVICE_"];
        let (key, value) = (text::like(c, &names, 80), text::like(c, &["{}", "[]", "{", "arn:x", ""], 60));
        variables.push((key, value));
    }
    Environment { variables, parameter, faults }
}

/// The service that everything here is about.
pub fn service_name() -> ServiceName {
    ServiceName::new("mobile-web").unwrap_or_else(|why| unreachable!("{why}"))
}

/// What is promised for every environment.
pub fn check(environment: &Environment) -> Kept {
    let settings = Settings::from_variables(environment.variables.clone());
    let known: Vec<&str> =
        KEYS.iter().copied().chain(environment.variables.iter().map(|(key, _)| key.as_str())).collect();
    let Some(found) = settings.find(&service_name(), environment.parameter.as_deref()) else {
        // Nothing configures it, or a variable of no text.
        return promise(environment.faults.is_none(), "a configured service is found", String::new);
    };
    let shown = || found.problems.iter().map(|p| format!("{p}\n")).collect::<String>();
    promise(found.service.is_some() || !found.problems.is_empty(), "a config is taken or its faults are named", shown)?;
    for problem in &found.problems {
        let head = problem.key.split(['.', '[', ':']).next().unwrap_or_default();
        // A key that somebody made up stands in the texts, as JSON writes it.
        let as_json = Value::from(head.trim_end_matches('…')).to_string();
        let within = as_json.trim_matches('"');
        let texts = environment.variables.iter().map(|(_, value)| value).chain(&environment.parameter);
        // Text may write a character in several ways; read and written again, in one.
        let again = |text: &str| serde_json::from_str::<Value>(text).map(|json| json.to_string()).unwrap_or_default();
        let text = { texts }.any(|text| text.contains(within) || again(text).contains(within));
        promise(!problem.key.is_empty() || text, "a fault names its key", shown)?;
        let parameter = settings.parameter_of(&service_name()).is_some_and(|key| key == problem.key);
        let variable = known.contains(&problem.key.as_str());
        promise(known.contains(&head) || variable || text || parameter, "a fault's key is one", || {
            format!("{head}\n{}", shown())
        })?;
        promise(!problem.what.is_empty(), "a fault says what would be right", shown)?;
    }
    let secret = found.problems.iter().any(|p| p.to_string().contains(SECRET));
    promise(!secret || !in_user_data(environment), "user data is shown nowhere", shown)?;
    let refusal = domain::refusal::Refusal::BadConfig {
        service: service_name(),
        problems: found.problems.iter().map(ToString::to_string).collect(),
    };
    crate::words::fits_a_job(&refusal.to_string())?;
    let request = domain::request::Request::new(service_name(), None, domain::request::Verb::Promote);
    let notice = domain::report::Outcome::Refused(refusal).notice(&request);
    notice.iter().try_for_each(crate::words::fits_sns)?;
    if let Some(faults) = &environment.faults {
        for fault in faults {
            let named = found.problems.iter().any(|p| p.key.split(['.', '[', ':']).next() == Some(fault));
            promise(named, "all faults are named at once", || format!("{fault} is not among\n{}", shown()))?;
        }
        promise(!faults.is_empty() || found.problems.is_empty(), "a right config has no faults", shown)?;
    }
    let Some(service) = &found.service else { return Ok(()) };
    let secret = format!("{service:?}").contains(SECRET);
    promise(!secret || !in_user_data(environment), "user data is shown nowhere", || "by Debug".to_owned())?;
    if found.problems.is_empty() { check_service(service) } else { Ok(()) }
}

/// Whether the secret stands in nothing but the user data: spoiling may have put it elsewhere.
fn in_user_data(environment: &Environment) -> bool {
    let texts = environment.variables.iter().map(|(_, value)| value).chain(&environment.parameter);
    texts.filter_map(|text| serde_json::from_str::<Value>(text).ok()).all(|mut value| {
        if let Some(object) = value.as_object_mut() {
            object.shift_remove("user_data");
        }
        !value.to_string().contains(SECRET)
    }) && environment.faults.is_some()
}

/// A config that was taken is one that AWS takes, and is the same when it is written and read again.
fn check_service(service: &Service) -> Kept {
    let shown = || format!("{service:#?}");
    let good = |good: bool| promise(good, "AWS takes a config that was taken", shown);
    for rule in [&service.product, &service.pre_product] {
        let conditions = &rule.conditions;
        let values: Vec<&String> = conditions.hosts.iter().chain(&conditions.paths).collect();
        good((1..=50_000).contains(&rule.priority))?;
        good((1..=5).contains(&(values.len() + conditions.source_ips.len())))?;
        good(values.iter().all(|v| (1..=128).contains(&v.len()) && v.is_ascii()))?;
        good(values.iter().flat_map(|v| v.chars()).filter(|c| "*?".contains(*c)).count() <= 5)?;
    }
    good(service.product.priority != service.pre_product.priority)?;
    good((1..=500).contains(&service.instance_count) && service.port > 0)?;
    good(!service.subnets.is_empty() && !service.security_groups.is_empty() && !service.instance_type.is_empty())?;
    let check = &service.health_check;
    good(check.timeout_seconds < check.interval_seconds && check.path.starts_with('/'))?;
    good(service.drain_seconds <= 3_600 && service.traffic.steps.iter().all(|s| (1..100).contains(s)))?;
    let mut tags = service.tags.clone();
    // As many as the most that a resource of ours has.
    tags.extend((0..18).map(|n| (format!("pointsman:{n}"), String::new())));
    crate::words::fits_tags(&tags)?;
    // The listener is a tag of the release.
    crate::words::fits_tags(&[(domain::tags::LISTENER.to_owned(), service.listener_arn.to_string())].into())?;
    let json = written(service);
    let again = Service::parse(&service.name, &json);
    promise(
        again.problems.is_empty() && again.service.as_ref() == Some(service),
        "a config is read again as it was",
        || format!("{json}\n{:?}\n{service:#?}\n{:#?}", again.problems, again.service),
    )
}

fn as_written(check: &Check) -> Value {
    match check {
        Check::Function(name) => json!(name),
        Check::Http(request) => {
            json!({"url": request.url, "expect": request.expect, "contains": request.contains})
        }
    }
}

/// A service's config as people would write it.
pub fn written(service: &Service) -> Value {
    let mut json = json!({
        "subnets": service.subnets, "instance_type": service.instance_type, "instance_count": service.instance_count,
        "security_groups": service.security_groups, "iam_instance_profile": service.iam_instance_profile,
        "key_name": service.key_name, "elastic_ips": service.elastic_ips, "listener_arn": service.listener_arn,
        "port": service.port, "min_healthy_percent": service.min_healthy_percent,
        "product": rule(&service.product), "pre_product": rule(&service.pre_product),
        "drain_seconds": service.drain_seconds, "settle_seconds": service.settle_seconds,
        "bake_seconds": service.bake_seconds, "alarms": service.alarms,
        "on_alarm": match service.on_alarm {
            OnAlarm::Rollback => "rollback",
            OnAlarm::Freeze => "freeze",
        },
        "checks": service.checks.iter().map(as_written).collect::<Vec<_>>(),
        "retired_ttl_seconds": service.retired_ttl_seconds,
        "provision_timeout_seconds": service.provision_timeout_seconds,
        "health_timeout_seconds": service.health_timeout_seconds,
        "keep_rejected_seconds": service.keep_rejected_seconds,
        "pre_product_ttl_seconds": service.pre_product_ttl_seconds,
        "notify_topic_arn": service.notify_topic_arn, "tags": service.tags,
        "ami": match &service.ami {
            Ami::Id(id) => id.clone(),
            Ami::Ssm(name) => format!("resolve:ssm:{name}"),
        },
        "user_data": service.user_data.as_ref().map(|data| match data {
            UserData::Text(text) => text.0.clone(),
            UserData::Ssm(name) => format!("ssm:{name}"),
        }),
        "ready_when": match service.ready_when {
            ReadyWhen::Running => "running",
            ReadyWhen::StatusOk => "status_ok",
            ReadyWhen::SsmOnline => "ssm_online",
        },
        "on_approval_timeout": match service.on_approval_timeout {
            OnApprovalTimeout::Keep => "keep",
            OnApprovalTimeout::Rollback => "rollback",
        },
        "health_check": {
            "protocol": service.health_check.protocol, "path": service.health_check.path,
            "interval_seconds": service.health_check.interval_seconds,
            "timeout_seconds": service.health_check.timeout_seconds,
            "healthy_threshold": service.health_check.healthy_threshold,
            "unhealthy_threshold": service.health_check.unhealthy_threshold, "matcher": service.health_check.matcher,
        },
    });
    if let Some(object) = json.as_object_mut() {
        if let Some(dns) = &service.dns {
            object.insert(
                "dns".into(),
                json!({"zone_id": dns.zone_id, "product": dns.product, "pre_product": dns.pre_product}),
            );
        }
        if service.traffic.step_seconds > 0 {
            object.insert(
                "traffic".into(),
                json!({
                    "steps": service.traffic.steps, "step_seconds": service.traffic.step_seconds,
                    "stickiness_seconds": service.traffic.stickiness_seconds,
                }),
            );
        }
    }
    json
}

fn rule(rule: &RuleConfig) -> Value {
    let Conditions { hosts, paths, source_ips, others: _ } = &rule.conditions;
    // The first host without a wildcard comes first, as the address for people.
    let first: Vec<&String> = rule.host.iter().collect();
    let hosts: Vec<&String> =
        first.iter().copied().chain(hosts.iter().filter(|h| Some(*h) != rule.host.as_ref())).collect();
    json!({"priority": rule.priority, "hosts": hosts, "paths": paths, "source_ips": source_ips})
}
