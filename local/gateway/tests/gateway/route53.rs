//! DNS changes.

use std::time::Duration;

use gateway::Method;

use crate::stage::{Stage, stage, texts};

const API: &str = "/2013-04-01";

pub async fn zone(stage: &Stage) -> String {
    let body = "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
                <Name>corp.internal</Name><CallerReference>1</CallerReference></CreateHostedZoneRequest>";
    let made = stage.aws.rest("route53", Method::POST, &format!("{API}/hostedzone"), &[], body).await.unwrap();
    let id = texts(std::str::from_utf8(&made.body).unwrap(), "Id").remove(0);
    id.trim_start_matches("/hostedzone/").to_owned()
}

/// Changes A records, each `(action, name, address)`; answers the XML, or the error code.
pub async fn change(stage: &Stage, zone: &str, changes: &[(&str, &str, &str)]) -> Result<String, String> {
    let changes: String = changes
        .iter()
        .map(|(action, name, address)| {
            format!(
                "<Change><Action>{action}</Action><ResourceRecordSet><Name>{name}</Name><Type>A</Type><TTL>10</TTL>\
                 <ResourceRecords><ResourceRecord><Value>{address}</Value></ResourceRecord></ResourceRecords>\
                 </ResourceRecordSet></Change>"
            )
        })
        .collect();
    let body = format!(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch>\
         <Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    );
    let path = format!("{API}/hostedzone/{zone}/rrset/");
    match stage.aws.rest("route53", Method::POST, &path, &[], body).await {
        Ok(answer) => Ok(String::from_utf8(answer.body.to_vec()).unwrap()),
        Err(problem) => Err(problem.code().unwrap_or_default().to_owned()),
    }
}

pub async fn addresses(stage: &Stage, zone: &str) -> Vec<String> {
    let path = format!("{API}/hostedzone/{zone}/rrset");
    let answer = stage.aws.rest("route53", Method::GET, &path, &[], "").await.unwrap();
    texts(std::str::from_utf8(&answer.body).unwrap(), "Value")
        .into_iter()
        .filter(|value| value.starts_with("10."))
        .collect()
}

#[tokio::test]
async fn a_batch_holds_only_if_all_of_it_does() {
    let stage = stage().await;
    let zone = zone(&stage).await;
    let invalid = Err("InvalidChangeBatch".to_owned());
    change(&stage, &zone, &[("CREATE", "web.corp.internal.", "10.0.0.1")]).await.unwrap();
    assert_eq!(change(&stage, &zone, &[("CREATE", "web.corp.internal", "10.0.0.2")]).await, invalid);
    assert_eq!(change(&stage, &zone, &[("DELETE", "web.corp.internal", "10.0.0.2")]).await, invalid);
    assert_eq!(change(&stage, &zone, &[("DELETE", "none.corp.internal", "10.0.0.1")]).await, invalid);
    // A guarded change: it holds only if the old value is what the caller saw.
    let guarded = |old| [("DELETE", "web.corp.internal", old), ("CREATE", "web.corp.internal.", "10.0.0.3")];
    assert_eq!(change(&stage, &zone, &guarded("10.0.0.9")).await, invalid);
    assert_eq!(addresses(&stage, &zone).await, ["10.0.0.1"]);
    change(&stage, &zone, &guarded("10.0.0.1")).await.unwrap();
    assert_eq!(addresses(&stage, &zone).await, ["10.0.0.3"]);
    // What was deleted may come again as it was.
    change(&stage, &zone, &[("DELETE", "WEB.corp.internal.", "10.0.0.3")]).await.unwrap();
    change(&stage, &zone, &[("CREATE", "zzz.corp.internal", "10.0.0.8")]).await.unwrap();
    change(&stage, &zone, &[("CREATE", "web.corp.internal", "10.0.0.3")]).await.unwrap();
    assert_eq!(addresses(&stage, &zone).await.len(), 2);
}

#[tokio::test]
async fn a_change_is_pending_for_a_while() {
    let stage = stage().await;
    let zone = zone(&stage).await;
    stage.gateway.settings().set_dns_pending(Duration::from_secs(3600));
    let made = change(&stage, &zone, &[("UPSERT", "web.corp.internal", "10.0.0.1")]).await.unwrap();
    assert_eq!(texts(&made, "Status"), ["PENDING"]);
    let path = format!("{API}{}", texts(&made, "Id")[0]);
    let status = async || {
        let answer = stage.aws.rest("route53", Method::GET, &path, &[], "").await.unwrap();
        texts(std::str::from_utf8(&answer.body).unwrap(), "Status").remove(0)
    };
    assert_eq!(status().await, "PENDING");
    stage.gateway.settings().set_dns_pending(Duration::ZERO);
    assert_eq!(status().await, "INSYNC");
}
