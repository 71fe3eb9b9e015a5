//! Configs from templates and files.

use std::collections::BTreeMap;

use domain::config::Settings;
use domain::id::ServiceName;
use view::source::Given;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{REPOSITORY}/{path}")).unwrap()
}

/// What is found of each service, by itself.
fn findings(given: &Given) -> BTreeMap<String, Vec<String>> {
    let (left, settings) = (given.left(), given.clone().settings());
    let found = |name: &ServiceName| left.findings(name, &settings.find(name, None).unwrap());
    let said = |name: &ServiceName| found(name).into_iter().map(|finding| finding.what).collect();
    settings.names().map(|name| (name.to_string(), said(name))).collect()
}

fn of_template(text: &str) -> Given {
    Given::of_template(text).unwrap()
}

#[test]
fn a_template_has_the_services_that_its_functions_would_have() {
    let given = of_template(
        "
Globals:
  Function:
    Environment:
      Variables:
        LEASE_TABLE: !Ref LeaseTable
        SERVICE_DEFAULTS: '{\"port\": 8080}'
Resources:
  Promote:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          SERVICE_MOBILE_WEB: |
            {\"port\": 0}
",
    );
    let problems = &findings(&given)["mobile-web"];
    assert!(problems.iter().any(|problem| problem.starts_with("port is 0")), "{problems:?}");
    assert!(!problems.iter().any(|problem| problem.contains("LEASE_TABLE")), "{problems:?}");
    assert!(given.is_whole);
    assert!(Given::of_template("Resources: {}").unwrap_err().contains("no Lambda functions"));
    assert!(Given::of_template("a: [").unwrap_err().contains("no YAML"));
}

#[test]
fn the_projects_own_template_names_its_path_with_the_defaults_of_its_parameters() {
    let settings: Settings = of_template(&file("template.yaml")).settings();
    assert_eq!(settings.services_path.as_deref(), Some("/pointsman/services"));
    assert_eq!(settings.notify_topic_arn, None, "the topic has no ARN yet");
}

/// A template of one function, with parameters and a service's text.
fn with_service(text: &str) -> BTreeMap<String, Vec<String>> {
    findings(&of_template(&format!(
        "
Parameters:
  Port: {{Type: Number, Default: 8080}}
  Ami: {{Type: AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>, Default: /aws/service/ami}}
  Kind: {{Type: String, Default: t3.small}}
Resources:
  Promote:
    Type: AWS::Lambda::Function
    Properties: {{Environment: {{Variables: {{SERVICE_WEB: {text}}}}}}}
"
    )))
}

const REST: &str = r#""subnets": ["subnet-0a"], "security_groups": ["sg-01"], "listener_arn": "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/1/2", "product": {"priority": 20, "hosts": ["a.example.com"]}, "pre_product": {"priority": 10, "hosts": ["b.example.com"]}"#;

#[test]
fn what_cloudformation_puts_in_is_put_in_where_it_can_be_known() {
    let sub = |text: &str| format!("!Sub '{{{text}, {REST}}}'");
    let whole = r#""ami": "ami-01", "port": ${Port}, "instance_type": "${Kind}", "user_data": "echo ${!HOME}""#;
    assert_eq!(with_service(&sub(whole))["web"], Vec::<String>::new());
    // As JSON has it, and with a name of its own.
    let json = format!("{{'Fn::Sub': ['{{{}, {REST}}}', {{Image: 'ami-01'}}]}}", whole.replace("ami-01", "${Image}"));
    assert_eq!(with_service(&json)["web"], Vec::<String>::new());
}

#[test]
fn what_only_cloudformation_knows_is_said_and_no_fault_and_the_rest_is_judged() {
    // The default of such a parameter is a name, not an image.
    let text = format!(r#"!Sub '{{"ami": "${{Ami}}", "port": 0, "instance_type": "t3.small", {REST}}}'"#);
    let said = &with_service(&text)["web"];
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("port is 0"), "{said:?}");
    assert_eq!(said[1], "web: ami is left to CloudFormation, and is looked at where it is deployed");
    for all in ["!Sub '{\"port\": ${Other}}'", "!GetAtt Some.Thing", "{'Fn::Join': ['', ['a', 'b']]}"] {
        let said = &with_service(all)["web"];
        assert!(said.len() == 1 && said[0].starts_with("web: its config is left"), "{all}: {said:?}");
    }
}

#[test]
fn several_services_may_stand_in_one_file_as_their_variables() {
    let given = Given::of_file(None, &file("examples/docker-stages/variables.json")).unwrap();
    let found = findings(&given);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["shop-dev", "shop-prod", "shop-stg"]);
    assert!(found.values().all(Vec::is_empty), "{found:?}");
    let wrong = Given::of_file(None, r#"{"SERVICE_WEB": {"port": 80,}}"#).unwrap_err();
    assert!(wrong.contains("no JSON object: trailing comma at line 1"), "{wrong}");
    let web = ServiceName::new("web").unwrap();
    let wrong = Given::of_file(Some(&web), r#"{"port": 80,}"#).unwrap();
    assert!(findings(&wrong)["web"][0].contains("trailing comma"), "{:?}", findings(&wrong));
}

#[test]
fn one_config_is_what_a_service_says_and_the_rest_is_the_deployed_defaults() {
    let name = ServiceName::new("tenant-000").unwrap();
    let text = r#"{"listener_arn": "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/web/1/2",
        "product": {"priority": 20, "hosts": ["a.example.com"]}, "pre_product": {"priority": 10, "hosts": ["b.example.com"]}}"#;
    let alone = Given::of_file(Some(&name), text).unwrap();
    assert!(findings(&alone)["tenant-000"].iter().any(|problem| problem.contains("subnets")));
    let deployed = BTreeMap::from([
        ("SERVICE_DEFAULTS".to_owned(), file("examples/many-services/defaults.json")),
        ("LEASE_TABLE".to_owned(), "leases".to_owned()),
        ("SERVICE_OTHER".to_owned(), "{}".to_owned()),
    ]);
    let over = alone.clone().over(&deployed);
    assert_eq!(findings(&over), BTreeMap::from([("tenant-000".to_owned(), vec![])]), "and nobody else's service");
    assert_eq!(over.settings().lease_table.as_deref(), Some("leases"));
    let own = alone.with_defaults("{}".to_owned()).over(&deployed);
    assert!(!findings(&own)["tenant-000"].is_empty(), "defaults that were given count before the deployed ones");
    assert!(Given::of_file(None, text).unwrap_err().contains("Which service"));
}

#[test]
fn a_loop_of_a_template_makes_as_many_services() {
    let template = file("examples/many-services/services.yaml");
    let given = of_template(&template).with_defaults(file("examples/many-services/defaults.json"));
    let found = findings(&given);
    assert_eq!(found.len(), 200);
    let left = "tenant-413: listener_arn is left to CloudFormation, and is looked at where it is deployed";
    assert_eq!(found["tenant-413"], [left]);
    assert!(found.values().all(|said| said.len() == 1), "{found:?}");
    assert!(!given.is_whole, "what they share is Pointsman's own stack's");

    let faulty = template.replace(r#""tags":{"tenant""#, r#""tag":{"tenant""#);
    assert_ne!(faulty, template);
    assert!(findings(&of_template(&faulty))["tenant-001"].iter().any(|said| said.starts_with("tag is not known")));
}
