//! Faults of a config: all of them at once, each with its key and what would be right.

use domain::config::{Service, Settings};
use serde_json::{Value, json};

use crate::config::{least, name, with};

/// The faults of a config, a line each.
fn faults(config: &Value) -> String {
    let parsed = Service::parse(&name("mobile-web"), config);
    parsed.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_fault_of_a_config_is_reported_at_once() {
    let config = json!({
        "subnets": [], "ami": "0123", "instance_type": 3, "instance_count": 0, "security_groups": ["01", "sg-1", "sg-1"],
        "elastic_ips": ["1.2.3.4"], "ready_when": "soon", "listener_arn": "arn:aws:elasticloadbalancing:…:listener/net/x/1/2",
        "port": 70000, "health_check": {"path": "health", "interval_seconds": 5, "timeout_seconds": 5, "matcher": "500", "grace": 1},
        "product": {"priority": 0, "hosts": ["m example.com"], "paths": ["health"]},
        "pre_product": {"priority": 10},
        "dns": {"product": "mobile"}, "traffic": {"steps": [50, 150], "step_seconds": 0}, "alarms": "mobile-5xx",
        "drain_seconds": -1, "min_healthy_percent": 101, "on_approval_timeout": "panic", "keep_rejected_seconds": "3600",
        "tags": {"aws:x": "1", "pointsman:role": "x", "Name": "x", "team": "a,b", "n": 4},
        "notify_topic_arn": "topic", "user_data": "", "colour": "red",
    });
    insta::assert_snapshot!(faults(&config), @r#"
    subnets is empty; write for example ["subnet-0a", "subnet-0c"]
    security_groups[0] is "01", it begins with sg- and has only letters, digits and hyphens
    security_groups[2] "sg-1" stands twice
    ami is "0123", it begins with ami- or resolve:ssm:
    instance_type is 3, it is a text that is not empty
    listener_arn is "arn:aws:elasticloadbalancing:…:listener/net/x/1/2", it is the ARN of an Application Load Balancer's listener, arn:aws:elasticloadbalancing:…:listener/app/…
    port is 70000, it is a whole number from 1 to 65535
    product.priority is 0, it is a whole number from 1 to 50000
    product.hosts[0] is "m example.com", it is a host name, * and ? are wildcards, at most 128 characters
    product.paths[0] is "health", it begins with /
    pre_product has no condition; give it hosts, paths or source_ips
    instance_count is 0, it is a whole number from 1 to 500
    elastic_ips[0] is "1.2.3.4", it begins with eipalloc- and has only letters, digits and hyphens
    traffic.steps are not percentages from 1 to 99, each above the one before, like [10, 50]
    traffic.step_seconds is 0, it is a whole number from 1 to 86400
    alarms is not a list of texts
    user_data is "", it is a text that is not empty
    ready_when is "soon", it is one of status_ok, running, ssm_online
    health_check.path is "health", it begins with / and has at most 1024 characters
    health_check.matcher is "500", it is codes from 200 to 499 like 200, 200,204 or 200-299
    health_check.timeout_seconds is 5, it is below interval_seconds, which is 5
    health_check.grace is not known; the keys here are path, matcher, protocol, interval_seconds, timeout_seconds, healthy_threshold, unhealthy_threshold
    min_healthy_percent is 101, it is a whole number from 1 to 100
    dns.zone_id is missing; write for example "Z01"
    dns.product is "mobile", it is a full name like mobile.corp.internal
    drain_seconds is -1, it is a whole number from 0 to 3600
    keep_rejected_seconds is "3600", it is a whole number from 0 to 2592000
    on_approval_timeout is "panic", it is one of keep, rollback
    notify_topic_arn is "topic", it begins with arn:
    tags.aws:x is a key that AWS or Pointsman sets itself
    tags.pointsman:role is a key that AWS or Pointsman sets itself
    tags.Name is a key that AWS or Pointsman sets itself
    tags.team has a value that ELB would refuse: letters, digits, spaces and + - = . _ : / @, at most 255
    tags.n is 4, it is a text
    colour is not known; the keys here are subnets, security_groups, ami, instance_type, listener_arn, port, product, pre_product, instance_count, elastic_ips, traffic, alarms, bake_seconds, iam_instance_profile, key_name, user_data, ready_when, health_check, min_healthy_percent, dns, drain_seconds, settle_seconds, on_alarm, provision_timeout_seconds, health_timeout_seconds, keep_rejected_seconds, retired_ttl_seconds, pre_product_ttl_seconds, on_approval_timeout, notify_topic_arn, tags, checks
    "#);
}

#[test]
fn every_key_that_has_to_be_there_is_asked_for_at_once() {
    insta::assert_snapshot!(faults(&json!({})), @r#"
    subnets is missing; write for example ["subnet-0a", "subnet-0c"]
    security_groups is missing; write for example ["sg-01"]
    ami is missing; write for example "ami-0123" or "resolve:ssm:/path"
    instance_type is missing; write for example "t3.small"
    listener_arn is missing; write for example "arn:aws:elasticloadbalancing:…:listener/app/…"
    port is missing; write for example 8080
    product is missing; write for example {"priority": 20, "hosts": ["m.example.com"]}
    pre_product is missing; write for example {"priority": 10, "hosts": ["pre.m.example.com"]}
    "#);
}

#[test]
fn each_fault_is_found_alone() {
    let long = "x".repeat(20_000);
    for (keys, want) in [
        (json!({"product": {"priority": 50_001, "hosts": ["m.example.com"]}}), "product.priority is 50001"),
        (json!({"product": {"priority": 20}}), "product has no condition"),
        (json!({"product": {"priority": 20, "paths": ["/a", "/b", "/c", "/d", "/e", "/f"]}}), "6 condition values"),
        (json!({"product": {"priority": 20, "hosts": ["*.*.*.a.com"], "paths": ["/*/*/*"]}}), "6 wildcards"),
        (
            json!({"product": {"priority": 20, "source_ips": ["10.0.0.0/99"]}}),
            "product.source_ips[0] is \"10.0.0.0/99\"",
        ),
        (
            json!({"product": {"priority": 20, "hosts": ["m.example.com"], "host": "x"}}),
            "product.host is not known (did you mean hosts?)",
        ),
        (json!({"product": ["m.example.com"]}), "product is [\"m.example.com\"], it is an object"),
        (json!({"elastic_ips": ["eipalloc-1"], "instance_count": 2}), "elastic_ips has 1 addresses for 2 instances"),
        (json!({"traffic": {"steps": [10, 10]}}), "traffic.steps are not percentages"),
        (json!({"traffic": {"steps": [100]}}), "traffic.steps are not percentages"),
        (json!({"traffic": {"steps": "10"}}), "traffic.steps are not percentages"),
        (json!({"traffic": {"steps": [1, 2, 100]}}), "traffic.steps are not percentages"),
        (json!({"traffic": {"steps": [10], "step_seconds": 86_041}}), "traffic.steps make a promotion longer"),
        (json!({"bake_seconds": 86_101}), "bake_seconds make a promotion longer"),
        (json!({"bake_seconds": 79_201, "health_timeout_seconds": 7_200}), "are 86401;"),
        (json!({"tags": {"": "x"}}), "tags. is not a key that ELB takes"),
        (json!({"tags": {"a": "x".repeat(256)}}), "tags.a has a value that ELB would refuse"),
        (json!({"tags": "team"}), "tags is \"team\", it is an object"),
        (json!({"user_data": long}), "user_data has 20000 bytes"),
        (json!({"user_data": "ssm:"}), "user_data names no parameter"),
        (json!({"ami": "resolve:ssm:"}), "ami names no parameter"),
        (json!({"dns": {"zone_id": "Z1", "product": "a.b", "pre_product": "A.B."}}), "dns.pre_product is dns.product"),
        (json!({"dns": {"product": "a.b"}}), "dns.zone_id is missing"),
        (json!({"port": 0}), "port is 0"),
        (json!({"port": 80.5}), "port is 80.5"),
        (json!({"instance_type": "  "}), "instance_type is \"  \""),
        (json!({"alarms": [""]}), "alarms[0] is \"\""),
        (json!({"health_check": {"matcher": "200-"}}), "health_check.matcher is \"200-\""),
    ] {
        let found = faults(&with(&keys));
        assert!(found.contains(want) && found.lines().count() == 1, "{keys}\nwant {want}\ngot  {found}");
    }
}

#[test]
fn a_promotion_has_to_fit_into_what_a_job_may_take() {
    for keys in [
        json!({"bake_seconds": 86_100}),
        json!({"traffic": {"steps": [10], "step_seconds": 86_040}}),
        json!({"traffic": {"steps": [10, 50], "step_seconds": 21_600}, "bake_seconds": 42_780}),
    ] {
        assert_eq!(faults(&with(&keys)), "", "{keys}");
    }
    let long = json!({"traffic": {"steps": [10, 25, 50, 75], "step_seconds": 21_600}, "bake_seconds": 3_600});
    insta::assert_snapshot!(faults(&with(&long)), @"traffic.steps make a promotion longer than a CodePipeline job may be, 86400 seconds: 4 × (21600 step_seconds + 60 for coming late) + 3600 bake_seconds + 300 health_timeout_seconds are 90540; write fewer or shorter ones");
}

#[test]
fn a_pre_product_rule_must_not_catch_customers() {
    let catches = json!({"pre_product": {"priority": 10, "hosts": ["*.example.com"]}});
    insta::assert_snapshot!(faults(&with(&catches)), @"pre_product: nothing narrows pre_product against product: customers would be served the release that QA tries. Give it a host of its own, a path, or source_ips");
    let behind = json!({"pre_product": {"priority": 30, "hosts": ["m.example.com"], "source_ips": ["10.0.0.0/8"]}});
    insta::assert_snapshot!(faults(&with(&behind)), @"pre_product: what matches pre_product can match product too, which stands before it (20 before 30): give pre_product the lower priority, or a host of its own");
    let same = json!({"pre_product": {"priority": 20, "hosts": ["pre.m.example.com"]}});
    insta::assert_snapshot!(faults(&with(&same)), @"pre_product: both rules have priority 20; give them different ones");
    for everywhere in [json!(["0.0.0.0/0"]), json!(["0.0.0.0/1", "128.0.0.0/1"])] {
        let open = json!({"pre_product": {"priority": 10, "hosts": ["m.example.com"], "source_ips": everywhere}});
        assert!(faults(&with(&open)).contains("nothing narrows"), "{open}");
    }
}

#[test]
fn a_listener_is_one_arn_of_a_listener() {
    let good = least()["listener_arn"].as_str().unwrap().to_owned();
    let long = good.replace("/main/", &format!("/{}/", "m".repeat(200)));
    let bad = [
        good.repeat(2),
        good.replace("/1/2", "/1"),
        format!("{good}/3"),
        good.replace("/main/", "//"),
        good.replace("eu-west-1", ""),
        good.replace(":listener/", ":listener-rule/"),
        format!(" {good}"),
        long,
    ];
    for arn in bad {
        let found = faults(&with(&json!({"listener_arn": arn})));
        assert!(found.contains("it is the ARN of an Application Load Balancer's listener"), "{arn}: {found}");
    }
    assert_eq!(faults(&with(&json!({"listener_arn": good.replace("arn:aws:", "arn:aws-us-gov:")}))), "");
}

#[test]
fn a_rollback_goes_on_with_stand_ins_where_the_listener_is_known() {
    let config =
        json!({"listener_arn": least()["listener_arn"], "port": "no", "drain_seconds": 60, "settle_seconds": "x"});
    let parsed = Service::parse(&name("mobile-web"), &config);
    assert!(parsed.problems.len() > 5);
    let service = parsed.service.unwrap();
    assert_eq!(
        (service.listener_arn.as_str(), service.drain_seconds, service.settle_seconds),
        (least()["listener_arn"].as_str().unwrap(), 60, 15)
    );
    assert_eq!(Service::parse(&name("mobile-web"), &json!({"port": 80})).service, None);
    let faulty = json!({"listener_arn": "listener"});
    assert_eq!(Service::parse(&name("mobile-web"), &faulty).service, None);
}

#[test]
fn faults_of_the_variables_that_all_services_share_are_reported_with_each() {
    let service = with(&json!({"port": 0})).to_string();
    let variables = [("SERVICE_DEFAULTS", "[]"), ("SERVICE_-", "{}"), ("SERVICE_A", service.as_str())];
    let settings = Settings::from_variables(variables.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let found = settings.find(&name("a"), None).unwrap();
    let faults: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(faults.join("\n"), @r#"
    SERVICE_- names no service: "-" is not a service name: 1 to 64 lower-case letters, digits and hyphens, no hyphen at its ends
    LEASE_TABLE is not set; it names the DynamoDB table of the leases
    SERVICE_DEFAULTS is not a JSON object
    port is 0, it is a whole number from 1 to 65535
    "#);
}

#[test]
fn a_variable_that_is_no_json_object_is_named() {
    for (text, want) in
        [("{oops", "SERVICE_A is no JSON"), ("[1]", "SERVICE_A is not a JSON object"), ("\"x\"", "SERVICE_A is not")]
    {
        let variables = [("LEASE_TABLE", "leases"), ("SERVICE_A", text)];
        let settings = Settings::from_variables(variables.map(|(k, v)| (k.to_owned(), v.to_owned())));
        let found = settings.find(&name("a"), None).unwrap();
        assert!(found.service.is_none() && found.problems[0].to_string().starts_with(want), "{:?}", found.problems);
    }
    let variables = [("LEASE_TABLE", "leases"), ("SERVICE_DEFAULTS", "{oops"), ("SERVICE_A", "{}")];
    let settings = Settings::from_variables(variables.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert!(
        settings.find(&name("a"), None).unwrap().problems[0].to_string().starts_with("SERVICE_DEFAULTS is no JSON")
    );
}
