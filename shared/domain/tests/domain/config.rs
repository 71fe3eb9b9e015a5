//! Configs that are good: the design's example, defaults, merging, and where a service is found.

use domain::config::{Ami, Found, OnApprovalTimeout, ReadyWhen, Service, Settings, UserData};
use domain::id::ServiceName;
use serde_json::{Value, json};

pub fn name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

/// The least that a service has to say.
pub fn least() -> Value {
    json!({
        "subnets": ["subnet-0a"], "ami": "ami-0123", "instance_type": "t3.small", "security_groups": ["sg-01"],
        "listener_arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/main/1/2", "port": 8080,
        "product": {"priority": 20, "hosts": ["m.example.com"]},
        "pre_product": {"priority": 10, "hosts": ["pre.m.example.com"]},
    })
}

/// The least, with these keys over it.
pub fn with(keys: &Value) -> Value {
    let mut config = least();
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

pub fn good(config: &Value) -> Service {
    let parsed = Service::parse(&name("mobile-web"), config);
    assert_eq!(parsed.problems, vec![]);
    parsed.service.unwrap()
}

/// A service's config as the environment has it.
fn found(variables: &[(&str, &str)], service: &str, parameter: Option<&str>) -> Option<Found> {
    let variables = variables.iter().chain(&[("LEASE_TABLE", "leases")]);
    let settings = Settings::from_variables(variables.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    settings.find(&name(service), parameter)
}

#[test]
fn the_example_of_the_design_is_read() {
    let service = good(&json!({
        "subnets": ["subnet-0a", "subnet-0c"],
        "ami": "ami-0123",
        "instance_type": "t3.small",
        "instance_count": 2,
        "security_groups": ["sg-01"],
        "iam_instance_profile": "mobile-web",
        "key_name": "ops", "user_data": "#!/bin/bash\necho",
        "elastic_ips": ["eipalloc-01", "eipalloc-02", "eipalloc-03", "eipalloc-04", "eipalloc-05", "eipalloc-06"],
        "ready_when": "status_ok",
        "listener_arn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/main/1/2",
        "port": 8080,
        "health_check": {"path": "/health", "interval_seconds": 5, "healthy_threshold": 2},
        "product":     {"priority": 20, "hosts": ["m.example.com"], "paths": ["/*"]},
        "pre_product": {"priority": 10, "hosts": ["pre.m.example.com"], "source_ips": ["10.0.0.0/8"]},
        "dns": {"zone_id": "Z01", "product": "mobile.corp.internal", "pre_product": "pre-mobile.corp.internal"},
        "traffic": {"steps": [10, 50], "step_seconds": 60},
        "bake_seconds": 300, "alarms": ["mobile-5xx"],
        "drain_seconds": 30,
        "tags": {"team": "mobile", "cost-center": "42"}
    }));
    assert_eq!((service.subnets.len(), service.elastic_ips.len(), service.instance_count), (2, 6, 2));
    assert_eq!((service.health_check.path.as_str(), service.health_check.interval_seconds), ("/health", 5));
    assert_eq!((service.product.priority, service.product.host.as_deref()), (20, Some("m.example.com")));
    assert!(service.pre_product.conditions.source_ips.contains("10.0.0.0/8"));
    assert_eq!(
        (service.traffic.steps.as_slice(), service.traffic.step_seconds, service.bake_seconds),
        (&[10, 50][..], 60, 300)
    );
    assert_eq!(service.dns.unwrap().pre_product.as_deref(), Some("pre-mobile.corp.internal"));
    assert_eq!((service.tags["team"].as_str(), service.alarms.contains("mobile-5xx")), ("mobile", true));
}

#[test]
fn what_is_not_said_has_the_defaults_of_the_design() {
    let service = good(&least());
    assert_eq!((service.instance_count, service.min_healthy_percent), (1, 100));
    assert_eq!((service.drain_seconds, service.settle_seconds, service.bake_seconds), (30, 15, 0));
    assert_eq!((service.provision_timeout_seconds, service.health_timeout_seconds), (600, 300));
    assert_eq!((service.keep_rejected_seconds, service.pre_product_ttl_seconds), (0, 8 * 86_400));
    assert_eq!((service.ready_when, service.on_approval_timeout), (ReadyWhen::StatusOk, OnApprovalTimeout::Keep));
    assert!(service.traffic.steps.is_empty() && service.elastic_ips.is_empty() && service.dns.is_none());
    let check = service.health_check;
    assert_eq!((check.protocol.as_str(), check.path.as_str(), check.matcher.as_str()), ("HTTP", "/", "200"));
    assert_eq!((check.interval_seconds, check.timeout_seconds), (10, 4));
    assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (2, 2));
}

#[test]
fn an_explicit_null_is_as_if_it_were_not_said() {
    let keys =
        json!({"instance_count": null, "health_check": {"path": null}, "dns": null, "tags": null, "key_name": null});
    assert_eq!(good(&with(&keys)), good(&least()));
}

#[test]
fn ami_and_user_data_may_be_parameters() {
    let service = good(&with(&json!({"ami": "resolve:ssm:/amis/web", "user_data": "ssm:/web/user-data"})));
    assert_eq!(service.ami, Ami::Ssm("/amis/web".to_owned()));
    assert_eq!(service.user_data, Some(UserData::Ssm("/web/user-data".to_owned())));
}

#[test]
fn a_url_has_the_first_host_without_a_wildcard() {
    let service =
        good(&with(&json!({"pre_product": {"priority": 10, "hosts": ["*.pre.m.example.com", "pre.m.example.com"]}})));
    assert_eq!(service.pre_product.host.as_deref(), Some("pre.m.example.com"));
}

#[test]
fn defaults_are_merged_under_a_service_objects_key_by_key_anything_else_whole() {
    let mut defaults = least();
    defaults["tags"] = json!({"team": "web", "cost-center": "42"});
    defaults["subnets"] = json!(["subnet-0a", "subnet-0c"]);
    defaults["health_check"] = json!({"path": "/health", "interval_seconds": 5});
    let own = json!({"tags": {"team": "mobile"}, "subnets": ["subnet-0b"], "health_check": {"interval_seconds": 20}, "port": 9090});
    let (defaults, own) = (defaults.to_string(), own.to_string());
    let found = found(&[("SERVICE_DEFAULTS", &defaults), ("SERVICE_MOBILE_WEB", &own)], "mobile-web", None).unwrap();
    assert_eq!(found.problems, vec![]);
    let service = found.service.unwrap();
    assert_eq!((service.tags["team"].as_str(), service.tags["cost-center"].as_str()), ("mobile", "42"));
    assert_eq!((service.subnets.len(), service.port), (1, 9090));
    assert_eq!((service.health_check.path.as_str(), service.health_check.interval_seconds), ("/health", 20));
}

#[test]
fn null_takes_a_default_away() {
    let mut defaults = least();
    defaults["key_name"] = json!("ops");
    let (defaults, own) = (defaults.to_string(), json!({"key_name": null}).to_string());
    let found = found(&[("SERVICE_DEFAULTS", &defaults), ("SERVICE_A", &own)], "a", None).unwrap();
    assert_eq!(found.service.unwrap().key_name, None);
}

#[test]
fn services_are_the_variables_that_begin_so_and_no_others() {
    let variables = [
        ("SERVICE_MOBILE_WEB", "{}"),
        ("SERVICE_A", "{}"),
        ("SERVICE_DEFAULTS", "{}"),
        ("SERVICES_PATH", "/pointsman/"),
        ("SERVICE_EMPTY", " "),
        ("PATH", "/bin"),
    ];
    let settings = Settings::from_variables(variables.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let names: Vec<&str> = settings.names().map(ServiceName::as_str).collect();
    assert_eq!(names, ["a", "mobile-web"]);
    assert!(settings.has(&name("a")) && !settings.has(&name("b")));
    assert_eq!(settings.parameter_of(&name("b")).as_deref(), Some("/pointsman/b"));
}

#[test]
fn a_service_that_is_not_a_variable_is_read_from_its_parameter() {
    let path = [("SERVICES_PATH", "/pointsman")];
    let found_there = found(&path, "mobile-web", Some(&least().to_string())).unwrap();
    assert_eq!((found_there.problems, found_there.service), (vec![], Some(good(&least()))));
    assert!(found(&path, "mobile-web", None).is_none(), "there is no such service");
    let variable = [("SERVICES_PATH", "/pointsman"), ("SERVICE_MOBILE_WEB", "{}")];
    let both = found(&variable, "mobile-web", Some(&least().to_string())).unwrap();
    assert!(both.service.is_none(), "the variable wins");
}

#[test]
fn a_parameter_that_is_no_json_is_named() {
    let found = found(&[("SERVICES_PATH", "/pointsman")], "mobile-web", Some("{oops")).unwrap();
    assert_eq!(found.problems.len(), 1);
    assert!(found.problems[0].to_string().starts_with("/pointsman/mobile-web is no JSON"), "{}", found.problems[0]);
}

#[test]
fn notices_go_to_the_services_own_topic_if_it_names_one() {
    let own = with(&json!({"notify_topic_arn": "arn:aws:sns:eu-west-1:1:own"})).to_string();
    let variables =
        [("NOTIFY_TOPIC_ARN", "arn:aws:sns:eu-west-1:1:all"), ("SERVICE_A", own.as_str()), ("SERVICE_B", "{")];
    let topic = |service| found(&variables, service, None).unwrap().notify_topic_arn;
    assert_eq!(topic("a").as_deref(), Some("arn:aws:sns:eu-west-1:1:own"));
    assert_eq!(topic("b").as_deref(), Some("arn:aws:sns:eu-west-1:1:all"), "whatever is wrong with its config");
}

#[test]
fn how_many_have_to_be_healthy_is_rounded_up_and_at_least_one() {
    let service = |percent: u32| good(&with(&json!({"min_healthy_percent": percent})));
    for (percent, asked, want) in [(100, 2, 2), (50, 3, 2), (1, 10, 1), (67, 3, 3), (66, 3, 2), (100, 0, 1)] {
        assert_eq!(service(percent).wanted_healthy(asked), want, "{percent} % of {asked}");
    }
}
