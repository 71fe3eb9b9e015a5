//! Whatever comes in, nothing panics: it is read, or it is answered.

use domain::config::{Service, Settings};
use domain::event::read;
use domain::id::{GroupArn, ReleaseId, ServiceName};
use domain::notice::{Notice, Status};
use domain::refusal::WaitFor;
use domain::tags::{self, Read, Tags};
use domain::time::Time;
use domain::token::Token;
use proptest::prelude::*;
use serde_json::Value;

use crate::config::{least, name};
use crate::jobs::{FUNCTIONS, job};

/// Any JSON, with keys that are known here and there.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop_oneof![Just("ami-1"), Just("subnet-1"), Just("10.0.0.0/8"), Just("*"), Just("/*")].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any_key(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let known = prop_oneof![
        Just("CodePipeline.job"),
        Just("id"),
        Just("data"),
        Just("detail-type"),
        Just("source"),
        Just("detail"),
        Just("service"),
        Just("release"),
        Just("action"),
        Just("product"),
        Just("pre_product"),
        Just("hosts"),
        Just("paths"),
        Just("priority"),
        Just("source_ips"),
        Just("traffic"),
        Just("steps"),
        Just("tags"),
        Just("health_check"),
        Just("dns"),
    ];
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => ".{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_event_is_read_or_answered(payload in any_json(), parameters in ".{0,40}") {
        for function in FUNCTIONS {
            if let Err(words) = read(&payload, function) {
                prop_assert!(words.contains(function.as_str()));
            }
            prop_assert!(read(&job(&parameters), function).is_ok(), "a job with an id can be answered");
        }
    }

    #[test]
    fn any_config_is_read_or_its_faults_are_named(own in any_json(), key in any_key()) {
        let mut config = least();
        config[&key] = own.clone();
        for config in [own, config] {
            let parsed = Service::parse(&name("mobile-web"), &config);
            prop_assert!(parsed.service.is_some() || !parsed.problems.is_empty());
            prop_assert!(parsed.problems.iter().all(|problem| problem.to_string().chars().count() < 2_000));
        }
    }

    #[test]
    fn any_environment_is_read(key in "SERVICE_[A-Z_]{0,8}|SERVICE_DEFAULTS|SERVICES_PATH|.{0,8}", text in ".{0,40}", json in any_json()) {
        for value in [text, json.to_string()] {
            let variables = [(key.clone(), value.clone()), ("SERVICE_A".to_owned(), value)];
            let settings = Settings::from_variables(variables);
            prop_assert!(settings.find(&name("a"), None).is_none_or(|found| !found.problems.is_empty() || found.service.is_some()));
        }
    }

    #[test]
    fn any_token_is_read_or_begins_anew(text in ".{0,80}", started in any::<i64>(), attempt in any::<u32>()) {
        let _ = Token::read(&text);
        let written = format!(r#"{{"v":1,"started":{started},"attempt":{attempt}}}"#);
        let token = Token::read(&written).unwrap().next(&WaitFor::Aws { what: text }, Time::from_seconds(1_795_258_800));
        prop_assert_eq!(Token::read(&token.write()), Some(token));
        prop_assert!(token.started.to_string().len() < 40 && token.started - Time::from_seconds(0) == started);
    }

    #[test]
    fn any_tag_is_read(value in ".{0,40}", hash in ".{0,8}") {
        let keys = [tags::SERVICE, tags::RELEASE, tags::ROLE, tags::SINCE, tags::COUNT];
        let found: Tags = keys.into_iter().map(|key| (key.to_owned(), value.clone())).collect();
        let _ = (found.release(), found.role(), found.since(), found.number(tags::COUNT), found.is_of(&name("a")));
        let _ = (tags::read_weights_since(&value, &hash), GroupArn::new(value.clone()).name().len(), ReleaseId::new(&value));
        let written = tags::tag_value(&value);
        prop_assert!(written.chars().all(tags::is_tag_character) && written.chars().count() <= 255);
        prop_assert_eq!(tags::tag_value(&written), written);
    }

    #[test]
    fn any_service_name_that_is_taken_fits_everywhere(text in "[a-z0-9-]{1,70}|.{0,20}", release in "[ -~]{1,40}") {
        if let (Ok(service), Ok(release)) = (ServiceName::new(&text), ReleaseId::new(&release)) {
            let group = domain::id::group_name(&service, &release);
            prop_assert!(group.len() <= 32 && !group.starts_with('-') && service.may_own_group(&group));
            prop_assert!(service.variable().starts_with("SERVICE_"));
        }
    }

    #[test]
    fn any_notice_fits_sns(headline in "(?s).{0,200}", line in "(?s).{0,2000}") {
        let notice = Notice {
            lines: vec![line; 12],
            ..Notice::new(name("mobile-web"), "promote", Status::Failed, headline)
        };
        let subject = notice.subject();
        prop_assert!(subject.chars().count() < 100 && !subject.chars().any(char::is_control));
        prop_assert!(notice.message("eu-central-1").len() < 262_144);
    }
}
