//! What builds may do, and who may be one: the examples' templates.

use std::collections::BTreeSet;

use gateway::Mark;
use lambda::Names;
use lambda::cloudformation::Document;
use local::deployments::{self, Group};
use local::{Options, Stack, account};
use serde_json::{Value, json};

use super::workspace::BUCKET;
use crate::stage::SERVICE;

/// The role that a build takes. Nothing here looks at it but the examples.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/build";
pub const GITLAB_AUDIENCE: &str = "https://gitlab.com";

/// What AWS asks for within CreateDeployment, and the simulator does not see.
const WITHIN: [&str; 2] = ["codedeploy:GetApplicationRevision", "codedeploy:GetDeploymentConfig"];

fn template(example: &str, names: &Names) -> Document {
    let path = Options::new().repository.join("examples").join(example).join("template.yaml");
    Document::read(&path, &names.clone().with("ServiceName", SERVICE)).unwrap()
}

fn direct() -> Document {
    let bucket = format!("arn:aws:s3:::{BUCKET}");
    let names = account::names()
        .with("BuildsBucketName", BUCKET)
        .with("FunctionPrefix", "pointsman")
        .with("Application", SERVICE)
        .with("BuildsBucket", BUCKET)
        .with("BuildsBucket.Arn", bucket);
    template("direct", &names)
}

/// The deployment groups of the builds' template. They select the same servers as the pipeline's of the first example.
pub fn groups(stack: &Stack) -> Vec<Group> {
    let groups = deployments::groups(&direct()).unwrap();
    let path = stack.options().repository.join(local::service::EXAMPLE).join("pipeline.yaml");
    let names = account::names().with("ServiceName", SERVICE).with("Application", SERVICE);
    let pipeline = deployments::groups(&Document::read(&path, &names).unwrap()).unwrap();
    assert_eq!(groups, pipeline);
    groups
}

/// What was called with this key since a mark is what the policy allows, all of it and nothing else.
pub fn allow(stack: &Stack, mark: Mark, key: &str) {
    let policy = direct().property("BuildPolicy", "PolicyDocument").unwrap().unwrap();
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        let actions = &statement["Action"];
        let actions = actions.as_array().cloned().unwrap_or_else(|| vec![actions.clone()]);
        allowed.extend(actions.iter().map(|action| action.as_str().unwrap().to_owned()));
    }
    let calls = stack.gateway().record().since(mark);
    let called = calls.iter().filter(|call| call.caller == key).map(|call| match (&*call.service, &*call.action) {
        ("lambda", "Invoke") => "lambda:InvokeFunction".to_owned(),
        (service, action) => format!("{service}:{action}"),
    });
    let called: BTreeSet<String> = called.chain(WITHIN.map(str::to_owned)).collect();
    assert_eq!(called, allowed);
    let functions = &policy["Statement"][0]["Resource"];
    let names = ["provision", "register", "promote", "teardown"];
    let arns = names.map(|name| format!("arn:aws:lambda:us-east-1:123456789012:function:pointsman-{name}"));
    assert_eq!(*functions, json!(arns));
}

/// A role's trust, with these parameters.
fn trust(example: &str, parameters: &[(&str, &str)]) -> Value {
    let names = parameters.iter().fold(account::names(), |names, (name, value)| names.with(name, *value));
    let names = names.with("OidcProviderArn", "").with("OidcProvider", "provider");
    let template = template(example, &names);
    let policies = template.raw_properties("BuildRole").unwrap();
    let imported = json!([{"Fn::ImportValue": {"Fn::Sub": "${ServiceName}-build-policy"}}]);
    assert_eq!(policies["ManagedPolicyArns"], imported, "{example}: the builds' policy and nothing else");
    assert!(policies.get("Policies").is_none(), "{example}");
    let document = template.property("BuildRole", "AssumeRolePolicyDocument").unwrap().unwrap();
    let statements = document["Statement"].as_array().unwrap();
    assert_eq!(statements.len(), 1, "{example}");
    statements[0].clone()
}

#[test]
fn only_one_repositorys_branch_and_environment_may_be_a_build() {
    let github = trust(
        "github-actions",
        &[("Repository", "acme@12/mobile-web@34"), ("Branch", "main"), ("Environment", "product")],
    );
    let sub = ["repo:acme@12/mobile-web@34:ref:refs/heads/main", "repo:acme@12/mobile-web@34:environment:product"];
    let issuer = "token.actions.githubusercontent.com";
    let conditions = json!({"StringEquals": {
        format!("{issuer}:aud"): "sts.amazonaws.com", format!("{issuer}:sub"): sub,
    }});
    assert_eq!(github["Condition"], conditions);

    let gitlab = trust("gitlab-ci", &[("ProjectPath", "acme/mobile/web"), ("Branch", "main")]);
    let conditions = json!({"StringEquals": {
        "gitlab.com:aud": GITLAB_AUDIENCE, "gitlab.com:sub": "project_path:acme/mobile/web:ref_type:branch:ref:main",
    }});
    assert_eq!(gitlab["Condition"], conditions);
    for statement in [github, gitlab] {
        assert_eq!(statement["Action"], "sts:AssumeRoleWithWebIdentity");
        assert_eq!(statement["Principal"], json!({"Federated": "provider"}));
    }
    assert_eq!(trust("jenkins", &[])["Principal"], json!({"Service": "ec2.amazonaws.com"}));
}
