//! Calls that nobody corrects reach moto as they are.

use hyper::Method;
use serde_json::json;

use crate::stage::stage;

#[tokio::test]
async fn every_protocol_reaches_moto() {
    let stage = stage().await;
    let aws = &stage.aws;
    assert!(aws.query("sts", "GetCallerIdentity", &[]).await.unwrap().contains("123456789012"));
    let put = json!({"Name": "/forwarded", "Value": "v", "Type": "String"});
    aws.json("ssm", "AmazonSSM.PutParameter", put).await.unwrap();
    let got = aws.json("ssm", "AmazonSSM.GetParameter", json!({"Name": "/forwarded"})).await.unwrap();
    assert_eq!(got["Parameter"]["Value"], "v");
    aws.rest("s3", Method::PUT, "/forwarded", &[], "").await.unwrap();
    aws.rest("s3", Method::PUT, "/forwarded/a%20b", &[], "body").await.unwrap();
    let read = aws.rest("s3", Method::GET, "/forwarded/a%20b", &[], "").await.unwrap();
    assert_eq!(read.body, "body");

    let missing = aws.json("ssm", "AmazonSSM.GetParameter", json!({"Name": "/missing"})).await.unwrap_err();
    assert_eq!(missing.code(), Some("ParameterNotFound"));

    let calls = stage.gateway.calls();
    let seen: Vec<_> =
        calls.iter().map(|call| (call.service.as_str(), call.action.as_str(), call.resource.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("sts", "GetCallerIdentity", ""),
            ("ssm", "PutParameter", "/forwarded"),
            ("ssm", "GetParameter", "/forwarded"),
            ("s3", "CreateBucket", "forwarded"),
            ("s3", "PutObject", "forwarded/a%20b"),
            ("s3", "GetObject", "forwarded/a%20b"),
            ("ssm", "GetParameter", "/missing"),
        ]
    );
    assert!(calls.iter().all(|call| call.caller == "TESTER"));
    assert_eq!(calls[6].error.as_deref(), Some("ParameterNotFound"));
    assert_eq!(calls.iter().filter(|call| call.mutating).count(), 3);
}

#[tokio::test]
async fn of_writes_on_one_condition_only_one_succeeds() {
    let stage = stage().await;
    let table = json!({
        "TableName": "leases",
        "KeySchema": [{"AttributeName": "service", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "service", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    stage.aws.json("dynamodb", "DynamoDB_20120810.CreateTable", table).await.unwrap();
    let put = async |owner: u32| {
        let item = json!({
            "TableName": "leases",
            "Item": {"service": {"S": "web"}, "owner": {"S": owner.to_string()}},
            "ConditionExpression": "attribute_not_exists(service)",
        });
        stage.aws.json("dynamodb", "DynamoDB_20120810.PutItem", item).await
    };
    let (one, two, three, four) = tokio::join!(put(1), put(2), put(3), put(4));
    let lost: Vec<_> = [one, two, three, four].into_iter().filter_map(Result::err).collect();
    assert_eq!(lost.len(), 3);
    assert!(lost.iter().all(|problem| problem.code() == Some("ConditionalCheckFailedException")), "{lost:?}");
}

#[tokio::test]
async fn moto_says_why_it_does_not_start() {
    let nowhere = gateway::Moto::start("/nowhere".as_ref()).await.unwrap_err();
    assert!(nowhere.to_string().starts_with("could not start /nowhere/bin/python"), "{nowhere}");
}
