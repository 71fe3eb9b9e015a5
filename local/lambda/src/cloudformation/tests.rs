use serde_json::json;

use super::*;

const TEMPLATE: &str = r#"
Parameters:
  Environment: {Type: String, Default: stg}
  Subnets: {Type: CommaDelimitedList, Default: "subnet-1, subnet-2"}
  Ami: {Type: "AWS::SSM::Parameter::Value<String>", Default: /ami}
Conditions:
  IsProduction: !Equals [!Ref Environment, prod]
  IsNotProduction: !Not [!Condition IsProduction]
  Circle: !Not [!Condition Circle]
Mappings:
  Sizes: {stg: {type: t3.small}}
Resources:
  Queue: {Type: "AWS::SQS::Queue"}
  OnlyProduction: {Type: "AWS::SQS::Queue", Condition: IsProduction}
  Example:
    Type: AWS::Example
    Properties:
      value: PLACE
"#;

fn names() -> Names {
    Names::default().with("Queue", "http://queue").with("Queue.Arn", "arn:aws:sqs:us-east-1:123456789012:queue")
}

fn document(value: &str) -> Document {
    Document::parse("t.yaml", &TEMPLATE.replace("PLACE", value), &names()).unwrap()
}

#[test]
fn functions_are_resolved() {
    for (written, want) in [
        ("!Ref Queue", json!("http://queue")),
        ("!Ref Environment", json!("stg")),
        ("!Ref Subnets", json!(["subnet-1", "subnet-2"])),
        ("!Ref AWS::Region", json!("us-east-1")),
        ("{Ref: AWS::AccountId}", json!("123456789012")),
        ("!GetAtt Queue.Arn", json!("arn:aws:sqs:us-east-1:123456789012:queue")),
        ("{'Fn::GetAtt': [Queue, Arn]}", json!("arn:aws:sqs:us-east-1:123456789012:queue")),
        ("!Sub 'a-${Environment}-${!Kept}-${AWS::Partition}'", json!("a-stg-${Kept}-aws")),
        (
            "!Sub '${Queue.Arn}/#{codepipeline.PipelineExecutionId}'",
            json!("arn:aws:sqs:us-east-1:123456789012:queue/#{codepipeline.PipelineExecutionId}"),
        ),
        ("!Sub ['${Own}-${Environment}', {Own: !Ref Queue}]", json!("http://queue-stg")),
        ("!Join ['/', [a, !Ref Environment, 3]]", json!("a/stg/3")),
        ("!Select [1, !Ref Subnets]", json!("subnet-2")),
        ("!Select ['0', !Split [':', 'x:y']]", json!("x")),
        ("!If [IsProduction, 1, !Ref Environment]", json!("stg")),
        ("{a: !If [IsNotProduction, !Ref AWS::NoValue, 1], b: 2}", json!({"b": 2})),
        ("[1, !Ref AWS::NoValue, 2]", json!([1, 2])),
        ("!FindInMap [Sizes, !Ref Environment, type]", json!("t3.small")),
        ("{'Fn::ToJsonString': {a: !Ref Environment}}", json!(r#"{"a":"stg"}"#)),
        ("{Condition: {StringEquals: {a: b}}}", json!({"Condition": {"StringEquals": {"a": "b"}}})),
        ("'2012-10-17'", json!("2012-10-17")),
        ("0.5", json!(0.5)),
    ] {
        let got = document(written).property("Example", "value").unwrap();
        assert_eq!(got, Some(want), "{written}");
    }
}

#[test]
fn errors_say_where_and_what() {
    for (written, want) in [
        ("{a: !Ref Nobody}", "t.yaml: Resources.Example.Properties.value.a.Ref refers to Nobody, and nothing is known"),
        ("!GetAtt Queue.Name", "value.Fn::GetAtt refers to Queue.Name, and nothing"),
        ("!Sub 'x-${Nobody.Arn}'", "value.Fn::Sub refers to Nobody.Arn, and nothing"),
        ("!Ref Ami", "refers to Ami, and nothing"),
        ("!ImportValue x", "the function Fn::ImportValue is not supported here"),
        ("!Select [7, !Ref Subnets]", "a list that is long enough"),
        ("!Sub 'x-${Environment'", "`${` is never closed"),
        ("!If [Nothing, 1, 2]", "Conditions.Nothing: there is no condition"),
        ("!If [Circle, 1, 2]", "the condition refers to itself"),
        ("!FindInMap [Sizes, prod, type]", "the mapping Sizes has no prod.type"),
    ] {
        let error = document(written).properties("Example").unwrap_err().to_string();
        assert!(error.contains(want), "{written}: {error}");
    }
}

#[test]
fn resources_whose_condition_does_not_hold_are_left_out() {
    let document = document("1");
    let queues = document.resources_of_type("AWS::SQS::Queue").unwrap();
    assert_eq!(queues, ["Queue"]);
}

#[test]
fn a_text_that_is_no_yaml_is_an_error() {
    let error = Document::parse("t.yaml", "a: [", &names()).unwrap_err();
    assert!(error.to_string().starts_with("t.yaml is neither YAML nor JSON"), "{error}");
}
