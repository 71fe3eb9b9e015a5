//! What the template promises to those who deploy it, upgrade it and publish it.

use domain::event::{Event, read};
use domain::request::Function;
use serde_json::{Value, json};

use super::*;

fn repository(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

fn document() -> Document {
    let mut document = Document::read(&repository("template.yaml"), &Names::default()).unwrap();
    derived::names(&mut document).unwrap();
    document
}

fn metadata<'a>(document: &'a Document, key: &str) -> &'a Value {
    document.section("Metadata").find(|(name, _)| *name == key).unwrap().1
}

/// An upgrade that renames one of these makes CloudFormation put a new one in its place: leases would be lost, pipelines
/// would call what is gone, and subscribers would have to confirm again.
#[test]
fn what_an_upgrade_must_not_replace_keeps_its_name() {
    let document = document();
    for (id, property, name) in [
        ("LeaseTable", "TableName", json!("pointsman-leases")),
        ("LeaseTable", "KeySchema", json!([{"AttributeName": "service", "KeyType": "HASH"}])),
        ("LeaseTable", "AttributeDefinitions", json!([{"AttributeName": "service", "AttributeType": "S"}])),
        ("NotifyTopic", "TopicName", json!("pointsman-notifications")),
        ("DeadLetters", "QueueName", json!("pointsman-dead-letters")),
        ("ProvisionFunction", "FunctionName", json!("pointsman-provision")),
        ("RegisterFunction", "FunctionName", json!("pointsman-register")),
        ("PromoteFunction", "FunctionName", json!("pointsman-promote")),
        ("TeardownFunction", "FunctionName", json!("pointsman-teardown")),
    ] {
        assert_eq!(document.property(id, property).unwrap(), Some(name), "{id}.{property}");
    }
}

#[test]
fn what_is_stored_is_encrypted_and_goes_by_itself() {
    let document = document();
    for (id, property, wanted) in [
        ("DeadLetters", "SqsManagedSseEnabled", json!(true)),
        ("LeaseTable", "SSESpecification", json!({"SSEEnabled": true})),
        ("LeaseTable", "TimeToLiveSpecification", json!({"AttributeName": "expires_at", "Enabled": true})),
        ("LeaseTable", "PointInTimeRecoverySpecification", json!({"PointInTimeRecoveryEnabled": false})),
    ] {
        assert_eq!(document.property(id, property).unwrap(), Some(wanted), "{id}.{property}");
    }
    for id in ["ProvisionLogs", "RegisterLogs", "PromoteLogs", "TeardownLogs"] {
        let days = document.property(id, "RetentionInDays").unwrap().unwrap().to_string();
        assert!(days.trim_matches('"').parse::<u32>().is_ok_and(|days| days > 0), "{id}: {days}");
    }
}

#[test]
fn every_parameter_is_explained_has_a_default_and_a_place_among_the_questions() {
    let document = document();
    let interface = metadata(&document, "AWS::CloudFormation::Interface");
    let asked: Vec<&Value> = interface["ParameterGroups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["Parameters"].as_array().unwrap())
        .collect();
    for (name, parameter) in document.section("Parameters") {
        assert!(parameter["Description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
        assert!(parameter.get("Default").is_some(), "{name}: who only presses return gets a stack that works");
        let limited = |key: &str| parameter.get(key).is_some();
        let explained = limited("AllowedPattern") && limited("ConstraintDescription");
        assert!(limited("AllowedValues") || explained, "{name}: what cannot be right is refused, and it is said why");
        assert_eq!(asked.iter().filter(|asked| **asked == name).count(), 1, "{name}");
        assert!(interface["ParameterLabels"][name]["default"].is_string(), "{name}");
    }
    assert_eq!(asked.len(), document.section("Parameters").count(), "{asked:?}");
}

#[test]
fn the_user_parameters_that_it_puts_out_are_taken_by_provision() {
    let document = document();
    let line = document.output("UserParameters").unwrap().unwrap();
    let line = line.as_str().unwrap().replace("#{codepipeline.PipelineExecutionId}", "7a9a5b1e-0f2d");
    assert!(!line.contains("#{"), "{line}");
    let Ok(Event::Direct(Ok(ask))) = read(&serde_json::from_str(&line).unwrap(), Function::Provision) else {
        panic!("{line}")
    };
    assert_eq!((ask.service.as_str(), ask.release.as_str()), ("mobile-web", "7a9a5b1e-0f2d"));
}

/// The version stands in Cargo.toml; what cannot read it there says the same.
#[test]
fn template_and_changelog_are_of_the_workspaces_version() {
    let version = env!("CARGO_PKG_VERSION");
    let published = metadata(&document(), "AWS::ServerlessRepo::Application").clone();
    assert_eq!(published["SemanticVersion"], version);
    assert_eq!(published["SpdxLicenseId"], "Apache-2.0");
    for file in ["LicenseUrl", "ReadmeUrl"] {
        assert!(repository(published[file].as_str().unwrap()).is_file(), "{file}");
    }
    let changelog = std::fs::read_to_string(repository("CHANGELOG.md")).unwrap();
    let heading = format!("## {version}");
    assert!(changelog.lines().any(|line| line.starts_with(&heading)), "CHANGELOG.md has no {heading}");
}
