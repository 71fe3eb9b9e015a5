use serde_json::json;

use super::*;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    MemorySize: 256
    Timeout: 60
    Environment:
      Variables:
        LEASE_TABLE: !Ref LeaseTable
        NOTIFY_TOPIC_ARN: !Ref Topic
        COUNT: 3
    DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt DeadLetters.Arn}
Resources:
  PromoteFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: pointsman-promote
      Role: !GetAtt NobodyKnows.Arn
  TeardownFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-teardown"
      Timeout: 30
      ReservedConcurrentExecutions: 2
      Environment: {Variables: {COUNT: 4, OWN: "yes"}}
      LoggingConfig: {LogGroup: !Ref Logs}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        MaximumEventAgeInSeconds: 3600
        DestinationConfig: {OnFailure: {Type: SQS, Destination: "arn:aws:sqs:::failed"}}
      Events:
        Over:
          Type: EventBridgeRule
          Properties:
            Pattern: {source: [aws.codepipeline], detail: {state: [FAILED]}}
        Sweep: {Type: Schedule, Properties: {Schedule: rate(10 minutes), Enabled: true}}
        Nightly: {Type: ScheduleV2, Properties: {ScheduleExpression: cron(0 3 * * ? *), Name: nightly, State: DISABLED}}
        Page: {Type: Api, Properties: {Path: /, Method: get}}
  Alarms:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [aws.cloudwatch]}
      Targets:
        - {Id: t, Arn: !GetAtt TeardownFunction.Arn, InputPath: $.detail}
        - {Id: n, Arn: !Ref Topic}
  LeaseTable: {Type: AWS::DynamoDB::Table, Properties: {TableName: leases}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: told}}
  DeadLetters: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /logs/teardown}}
"#;

fn template() -> Template {
    Template::parse("template.yaml", TEMPLATE, &Names::default()).unwrap()
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_function_is_its_properties_over_the_globals() {
    let template = template();
    let topic = "arn:aws:sns:us-east-1:123456789012:told";
    let promote = FunctionSpec {
        logical_id: "PromoteFunction".to_owned(),
        name: "pointsman-promote".to_owned(),
        arn: "arn:aws:lambda:us-east-1:123456789012:function:pointsman-promote".to_owned(),
        handler: "bootstrap".to_owned(),
        timeout: Duration::from_secs(60),
        memory_mb: 256,
        environment: variables(&[("LEASE_TABLE", "leases"), ("NOTIFY_TOPIC_ARN", topic), ("COUNT", "3")]),
        log_group: "/aws/lambda/pointsman-promote".to_owned(),
        retry_attempts: 2,
        event_age_max: Duration::from_secs(21_600),
        dead_letter_arn: Some("arn:aws:sqs:us-east-1:123456789012:dead".to_owned()),
        on_failure_arn: None,
        reserved_concurrency: None,
    };
    assert_eq!(template.function("pointsman-promote"), Some(&promote));
    assert_eq!(promote.short_name(), "promote");

    let teardown = template.function("pointsman-teardown").unwrap();
    assert_eq!(teardown.timeout, Duration::from_secs(30));
    assert_eq!(teardown.memory_mb, 256);
    assert_eq!(teardown.environment["COUNT"], "4");
    assert_eq!(teardown.environment["OWN"], "yes");
    assert_eq!(teardown.environment["LEASE_TABLE"], "leases");
    assert_eq!(teardown.log_group, "/logs/teardown");
    assert_eq!(teardown.retry_attempts, 1);
    assert_eq!(teardown.event_age_max, Duration::from_secs(3600));
    assert_eq!(teardown.on_failure_arn.as_deref(), Some("arn:aws:sqs:::failed"));
    assert_eq!(teardown.reserved_concurrency, Some(2));
}

#[test]
fn rules_are_events_and_resources() {
    let template = template();
    let names: Vec<&str> = template.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["TeardownFunctionOver", "TeardownFunctionSweep", "nightly", "Alarms"]);

    let over = template.rule("TeardownFunctionOver").unwrap();
    let Trigger::Pattern(pattern) = &over.trigger else { panic!("{over:?}") };
    assert!(pattern.matches(&json!({"source": "aws.codepipeline", "detail": {"state": "FAILED"}})));
    assert!(!pattern.matches(&json!({"source": "aws.codepipeline", "detail": {"state": "SUCCEEDED"}})));
    assert_eq!(over.targets, [Target { function: "pointsman-teardown".to_owned(), input: Input::Event }]);

    let sweep = template.rule("TeardownFunctionSweep").unwrap();
    let ten_minutes = Some(Duration::from_secs(600));
    assert!(sweep.enabled);
    assert!(matches!(&sweep.trigger, Trigger::Schedule { every, .. } if *every == ten_minutes), "{sweep:?}");
    assert_eq!(sweep.arn, "arn:aws:events:us-east-1:123456789012:rule/TeardownFunctionSweep");

    let nightly = template.rule("nightly").unwrap();
    assert!(!nightly.enabled);
    assert!(matches!(&nightly.trigger, Trigger::Scheduler { every: None, .. }), "{nightly:?}");

    let alarms = template.rule("Alarms").unwrap();
    let detail = Input::Path("$.detail".to_owned());
    assert_eq!(alarms.targets, [Target { function: "pointsman-teardown".to_owned(), input: detail }]);
    assert_eq!(alarms.topics, [("arn:aws:sns:us-east-1:123456789012:told".to_owned(), Input::Event)]);
}

#[test]
fn what_the_caller_names_goes_first() {
    let names = Names::default().with("LeaseTable", "other");
    let template = Template::parse("template.yaml", TEMPLATE, &names).unwrap();
    assert_eq!(template.functions[0].environment["LEASE_TABLE"], "other");
}

#[test]
fn problems_name_their_place() {
    for (from, to, want) in [
        (
            "COUNT: 3",
            "COUNT: !Ref Nobody",
            "Resources.PromoteFunction.Properties.Environment.Variables.COUNT.Ref refers to Nobody, and nothing is known",
        ),
        ("COUNT: 3", "COUNT: [3]", "Environment.Variables.COUNT: this has to be a text, a number or a boolean"),
        ("Timeout: 60", "Timeout: soon", "Properties.Timeout: this has to be a whole number, and is \"soon\""),
        ("rate(10 minutes)", "rate(ten minutes)", "Events.Sweep: `rate(ten minutes)` is not a schedule"),
        (
            "source: [aws.codepipeline]",
            "source: aws.codepipeline",
            "Events.Over: the event pattern is not valid at `$.source`",
        ),
    ] {
        let text = TEMPLATE.replacen(from, to, 1);
        let error = Template::parse("template.yaml", &text, &Names::default()).unwrap_err().to_string();
        assert!(error.contains(want), "{to}: {error}");
    }
}

#[test]
fn the_template_of_this_project_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template = Template::read(&path, &Names::default()).unwrap();
    let mut names: Vec<&str> = template.functions.iter().map(FunctionSpec::short_name).collect();
    names.sort_unstable();
    assert_eq!(names, ["promote", "provision", "register", "teardown"]);
    let teardown = "pointsman-teardown";
    assert!(template.rules.iter().flat_map(|rule| &rule.targets).all(|target| target.function == teardown));
    assert!(
        template.rules.iter().any(|rule| matches!(rule.trigger, Trigger::Schedule { .. } | Trigger::Scheduler { .. }))
    );
    for function in &template.functions {
        crate::environment::check(function).unwrap();
    }
}
