//! What `Ref` and `Fn::GetAtt` give for resources whose template names them.

use serde_json::Value;

use crate::cloudformation::{Document, Names, TemplateError};

/// For each type: the property that holds its name, what the ARN's resource part is before the name,
/// and whether `Ref` gives the ARN or the name. A queue's `Ref` is its URL, which depends on the server.
const NAMED: [(&str, &str, &str, &str, Reference); 5] = [
    ("AWS::Serverless::Function", "FunctionName", "lambda", "function:", Reference::Name),
    ("AWS::Logs::LogGroup", "LogGroupName", "logs", "log-group:", Reference::Name),
    ("AWS::DynamoDB::Table", "TableName", "dynamodb", "table/", Reference::Name),
    ("AWS::SNS::Topic", "TopicName", "sns", "", Reference::Arn),
    ("AWS::SQS::Queue", "QueueName", "sqs", "", Reference::Unknown),
];

#[derive(Clone, Copy)]
enum Reference {
    Name,
    Arn,
    Unknown,
}

/// The ARN of the function of this name.
pub(super) fn function_arn(names: &Names, name: &str) -> String {
    arn(names, "lambda", "function:", name)
}

/// Adds what can be known from the properties, where the caller gave nothing.
pub(super) fn names(document: &mut Document) -> Result<(), TemplateError> {
    for (kind, property, service, prefix, reference) in NAMED {
        for id in document.resources_of_type(kind)? {
            let named = document.property(&id, property)?;
            let name = match (&named, kind) {
                (Some(Value::String(name)), _) => name.clone(),
                // A function without a name gets its logical id's; others get one nobody can know.
                (_, "AWS::Serverless::Function") => id.clone(),
                _ => continue,
            };
            let events = match document.property(&id, "Events")? {
                Some(Value::Object(events)) if kind == "AWS::Serverless::Function" => events.keys().cloned().collect(),
                _ => Vec::new(),
            };
            let arn = arn(document.names(), service, prefix, &name);
            let names = document.names_mut();
            match reference {
                Reference::Name => names.set_default(&id, name.clone()),
                Reference::Arn => {
                    names.set_default(&id, arn.clone());
                    names.set_default(&format!("{id}.TopicArn"), arn.clone());
                }
                Reference::Unknown => {}
            }
            names.set_default(&format!("{id}.Arn"), arn);
            // SAM makes a rule of each event, and CloudFormation names it after its logical id.
            for event in events {
                names.set_default(&format!("{id}{event}"), format!("{id}{event}"));
            }
            names.set_default(&format!("{id}.{property}"), name);
        }
    }
    Ok(())
}

fn arn(names: &Names, service: &str, prefix: &str, name: &str) -> String {
    format!("arn:aws:{service}:{}:{}:{prefix}{name}", names.region(), names.account())
}
