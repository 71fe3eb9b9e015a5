//! What `!Ref` and `!GetAtt` give for the resources of a template that nobody has created.

use lambda::cloudformation::Document;
use serde_json::Value;

/// Properties that hold a resource's name, which `!Ref` gives for most of the types a pipeline's
/// template has. A deployment group has the first two.
const NAME_PROPERTIES: [&str; 6] =
    ["DeploymentGroupName", "ApplicationName", "BucketName", "TopicName", "RoleName", "Name"];

/// Gives each resource a name and an ARN, unless the caller gave it one.
pub(super) fn add_defaults(document: &mut Document) {
    let resources: Vec<(String, String)> = document
        .section("Resources")
        .map(|(id, resource)| {
            let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
            (id.clone(), kind.to_owned())
        })
        .collect();
    let region = document.names().region().to_owned();
    let account = document.names().account().to_owned();
    for (id, kind) in resources {
        let given = document.names().get(&id).and_then(Value::as_str).map(ToOwned::to_owned);
        // CloudFormation makes a name of stack, id and random letters; the id will do.
        let made_up = if kind == "AWS::S3::Bucket" { id.to_lowercase() } else { id.clone() };
        let name = given.or_else(|| name_property(document, &id)).unwrap_or(made_up);
        let arn = match kind.as_str() {
            "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
            "AWS::IAM::Role" => format!("arn:aws:iam::{account}:role/{name}"),
            "AWS::Lambda::Function" => format!("arn:aws:lambda:{region}:{account}:function:{name}"),
            "AWS::Events::Rule" => format!("arn:aws:events:{region}:{account}:rule/{name}"),
            other => {
                let service = other.split("::").nth(1).unwrap_or_default().to_lowercase();
                format!("arn:aws:{service}:{region}:{account}:{name}")
            }
        };
        // `!Ref` of a topic is its ARN.
        let reference = if kind == "AWS::SNS::Topic" { arn.clone() } else { name };
        document.names_mut().set_default(&id, reference);
        document.names_mut().set_default(&format!("{id}.Arn"), arn);
    }
}

/// The name that the template itself gives. A name that cannot be resolved is no error here: if
/// anything refers to the resource, that place will say so.
fn name_property(document: &Document, id: &str) -> Option<String> {
    NAME_PROPERTIES.iter().find_map(|property| {
        let value = document.property(id, property).ok().flatten()?;
        value.as_str().map(ToOwned::to_owned)
    })
}
