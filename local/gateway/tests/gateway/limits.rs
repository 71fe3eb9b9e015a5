//! Token buckets, before services of the tests' own in place of moto.

use std::sync::Arc;

use gateway::{Gateway, Handler, Method, Response, Rule, What};

async fn gateway() -> Gateway {
    let gateway = Gateway::start("http://127.0.0.1:9").await.unwrap();
    let handler: Handler = Arc::new(|_| Box::pin(async { Response::xml("<Done/>") }));
    for service in ["ec2", "elasticloadbalancing", "route53", "ssm"] {
        gateway.mount(service, Arc::clone(&handler));
    }
    gateway
}

/// The codes of so many calls; nothing for those that were done.
async fn codes(
    gateway: &Gateway,
    service: &str,
    action: &str,
    parameters: &[(&str, &str)],
    times: usize,
) -> Vec<String> {
    let mut codes = Vec::new();
    for _ in 0..times {
        let answer = gateway.aws("PROMOTE").query(service, action, parameters).await;
        codes.push(answer.err().and_then(|error| error.code().map(str::to_owned)).unwrap_or_default());
    }
    codes
}

#[tokio::test]
async fn each_service_throttles_in_its_own_words() {
    let gateway = gateway().await;
    assert_eq!(codes(&gateway, "ec2", "RunInstances", &[], 9).await, [""; 9], "none is limited at first");
    // Tokens come a thousand times more slowly: the test may take its time.
    gateway.limits().set(0.001);
    let one = [("MaxCount", "1")];
    assert_eq!(codes(&gateway, "ec2", "RunInstances", &one, 2).await, ["", "RequestLimitExceeded"]);
    assert_eq!(codes(&gateway, "ec2", "CreateTags", &[], 2).await, ["", "RequestLimitExceeded"], "a bucket of its own");
    assert_eq!(codes(&gateway, "elasticloadbalancing", "ModifyRule", &[], 2).await, ["", "Throttling"]);
    let all = codes(&gateway, "elasticloadbalancing", "DescribeRules", &[], 1).await;
    assert_eq!(all, ["Throttling"], "all calls of the account have one bucket");
    let path = "/2013-04-01/hostedzone/Z1/rrset";
    let list = async || gateway.aws("PROMOTE").rest("route53", Method::GET, path, &[], "").await;
    list().await.unwrap();
    assert_eq!(list().await.unwrap_err().code(), Some("Throttling"));
    let limits: Vec<Option<String>> = gateway.calls().into_iter().skip(9).map(|call| call.limit).collect();
    let named: Vec<&str> = limits.iter().flatten().map(String::as_str).collect();
    assert_eq!(
        named,
        [
            "ec2 RunInstances",
            "ec2 CreateTags",
            "elasticloadbalancing all calls",
            "elasticloadbalancing all calls",
            "route53 all calls"
        ]
    );
    gateway.limits().clear();
    list().await.unwrap();
}

#[tokio::test]
async fn a_launch_takes_as_many_tokens_as_it_launches() {
    let gateway = gateway().await;
    gateway.limits().set(1.0);
    let many = [("MaxCount", "900")];
    assert_eq!(codes(&gateway, "ec2", "RunInstances", &many, 2).await, ["", "RequestLimitExceeded"]);
    assert_eq!(gateway.calls().pop().unwrap().limit.as_deref(), Some("ec2 instances launched"));
    assert_eq!(codes(&gateway, "ec2", "RunInstances", &[("MaxCount", "9")], 1).await, [""]);
}

#[tokio::test]
async fn buckets_fill_again_and_faults_take_nothing() {
    let gateway = gateway().await;
    gateway.limits().set(1.0);
    let fault = gateway.faults().add(Rule::new(What::Throttle));
    codes(&gateway, "route53", "?", &[], 100).await;
    gateway.faults().remove(fault);
    // A bucket of 40 that 40 a second fill: more than it holds is done while the calls take a while.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut done = 0;
    while done <= 60 && std::time::Instant::now() < until {
        let path = [("Action", "GetParameter")];
        done += usize::from(codes(&gateway, "ssm", "GetParameter", &path, 1).await == [""]);
    }
    assert!(done > 60, "{done}");
    assert!(gateway.calls().iter().any(|call| call.limit.is_some()), "and yet it was limited");
}
