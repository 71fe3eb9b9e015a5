//! A service's own checks: its functions called as Lambda has them called, its targets asked at their addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use gateway::Response;
use local::{Options, Stack};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::stage::{
    SERVICE, ask, done, look, pre_product, product, quick, reason, refuses, says, served, stack_with, status,
};

/// More calls than a promotion in one step needs.
const CALLS_MAX: usize = 30;

/// What the check function `smoke` is asked, and what it answers.
#[derive(Clone, Default)]
struct Smoke {
    asked: Arc<Mutex<Vec<Value>>>,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Clone, Default)]
enum Answer {
    #[default]
    Good,
    /// In this phase; in the others it is good.
    Bad(&'static str),
    /// A status, and Lambda's own words.
    Lambda(u16, &'static str),
    /// The function ended with an error.
    Failed,
    Never,
}

impl Smoke {
    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// The phases in which it was asked since the last time.
    fn phases(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.iter().map(|payload| format!("{} {}", payload["phase"].as_str().unwrap(), payload["percent"])).collect()
    }

    /// Beside the functions of the stack.
    fn join(&self, stack: &Stack) {
        let (smoke, others) = (self.clone(), lambda::api::handler(stack.functions().clone()));
        stack.gateway().mount(
            "lambda",
            Arc::new(move |request| {
                if !request.path.contains("/functions/smoke%3Alive/") {
                    return others(request);
                }
                let payload: Value = serde_json::from_slice(&request.body).unwrap();
                let phase = payload["phase"].as_str().unwrap_or_default().to_owned();
                smoke.asked.lock().unwrap().push(payload);
                let answer = smoke.answer.lock().unwrap().clone();
                let json = |status, body: &Value| Response::new(status, "application/json", body.to_string());
                Box::pin(async move {
                    match answer {
                        Answer::Bad(of) if of == phase => {
                            json(200, &json!({"ok": false, "reason": "checkout answers 500"}))
                        }
                        Answer::Good | Answer::Bad(_) => json(200, &json!({"ok": true})),
                        Answer::Lambda(status, words) => json(status, &json!({"Message": words})),
                        Answer::Failed => json(200, &json!({"errorMessage": "no such host", "errorType": "Error"}))
                            .with_header("x-amz-function-error", "Unhandled"),
                        Answer::Never => std::future::pending().await,
                    }
                })
            }),
        );
    }
}

fn by_function(config: &mut Value) {
    quick(config);
    config["checks"] = json!(["smoke:live"]);
    config["traffic"] = json!({"steps": [10], "step_seconds": 1});
    config["bake_seconds"] = json!(3600);
}

fn by_request(config: &mut Value) {
    quick(config);
    config["checks"] = json!([{"url": "/version?x=1", "contains": "build 2"}]);
    // Its servers' addresses are those of other tests' servers too.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    config["port"] = json!(free.local_addr().unwrap().port());
}

async fn checked() -> (Stack, Smoke) {
    let stack = stack_with(Options { change: by_function, ..Options::scripted() }).await;
    let smoke = Smoke::default();
    smoke.join(&stack);
    (stack, smoke)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_asked_after_register_before_promote_and_at_each_step() {
    let (stack, smoke) = checked().await;
    product(&stack, SERVICE, "r1").await;
    assert_eq!(smoke.phases(), ["register 0", "promote 0"], "a first release has nobody to share with");
    pre_product(&stack, SERVICE, "r2").await;
    let payload = smoke.asked.lock().unwrap().first().unwrap().clone();
    assert_eq!((payload["service"].as_str(), payload["release"].as_str()), (Some(SERVICE), Some("r2")));
    says(payload["url"].as_str().unwrap(), &["http://pre."]);
    says(payload["targets"][0].as_str().unwrap(), &["http://127.", ":8080"]);
    let mut phases = Vec::new();
    // It goes on from step to step, and bakes for longer than this test may last.
    for _ in 0..CALLS_MAX {
        let answer = stack.call("promote", &ask(SERVICE, "r2")).await.unwrap();
        assert_eq!(status(&answer), "waiting", "{answer:#}");
        phases.extend(smoke.phases());
        if phases.last().is_some_and(|phase| phase == "step 100") {
            break;
        }
    }
    phases.dedup();
    assert_eq!(phases, ["register 0", "promote 0", "step 10", "step 100"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_rejects_the_release_before_traffic_and_takes_it_back_at_a_step() {
    let (stack, smoke) = checked().await;
    product(&stack, SERVICE, "r1").await;
    done(&stack, "provision", &ask(SERVICE, "r2")).await;
    smoke.answers(Answer::Bad("register"));
    refuses(&stack, "register", &ask(SERVICE, "r2"), &["smoke:live: checkout answers 500", "rejected"]).await;
    assert!(look(&stack).await.rule(SERVICE, "pre-product").is_none(), "QA has it no more");
    refuses(&stack, "promote", &ask(SERVICE, "r2"), &["r2 was rejected", "checkout answers 500"]).await;

    smoke.answers(Answer::Bad("step"));
    pre_product(&stack, SERVICE, "r3").await;
    refuses(&stack, "promote", &ask(SERVICE, "r3"), &["10 %", "checkout answers 500", "Product is r1 again"]).await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_says_nothing_holds_the_release_and_the_answer_says_why() {
    let (stack, smoke) = checked().await;
    pre_product(&stack, SERVICE, "r1").await;
    for (answer, words) in [
        (Answer::Lambda(404, "Function not found"), "there is no such function"),
        (Answer::Lambda(403, "User is not authorized"), "Allow lambda:InvokeFunction on it"),
        (Answer::Failed, "it failed: no such host"),
        (Answer::Never, "it did not answer within 15 s"),
    ] {
        smoke.answers(answer);
        refuses(&stack, "promote", &ask(SERVICE, "r1"), &["smoke:live", words, "Nothing is held against it"]).await;
        assert_eq!(served(&stack, SERVICE).await, Vec::<String>::new());
    }
    smoke.answers(Answer::Good);
    done(&stack, "promote", &ask(SERVICE, "r1")).await;
}

/// Answers each request at this address with this body.
async fn serve(address: SocketAddr, body: &'static str) {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 2048];
            let read = stream.read(&mut request).await.unwrap_or_default();
            let asked = String::from_utf8_lossy(&request[..read]).starts_with("GET /version?x=1 HTTP/1.1");
            let status = if asked { "200 OK" } else { "404 Not Found" };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
}

fn ips(provisioned: &Value) -> Vec<IpAddr> {
    let ips = provisioned["outputs"]["PrivateIps"].as_str().unwrap();
    ips.split(',').map(|ip| ip.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_a_request_and_says_nothing_has_not_passed() {
    let stack = stack_with(Options { change: by_request, ..Options::scripted() }).await;
    let port = u16::try_from(stack.config_of(SERVICE)["port"].as_u64().unwrap()).unwrap();
    let provisioned = done(&stack, "provision", &ask(SERVICE, "r1")).await;
    let silent = ips(&provisioned).into_iter().map(|ip| std::net::TcpListener::bind((ip, port)).unwrap());
    let _silent: Vec<_> = silent.collect();
    refuses(&stack, "register", &ask(SERVICE, "r1"), &["it did not answer within 10 s", "rejected"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_target_is_asked_before_it_has_traffic() {
    let stack = stack_with(Options { change: by_request, ..Options::scripted() }).await;
    let port = u16::try_from(stack.config_of(SERVICE)["port"].as_u64().unwrap()).unwrap();
    let provisioned = done(&stack, "provision", &ask(SERVICE, "r1")).await;
    let answer = stack.call_until_over("register", &ask(SERVICE, "r1")).await.unwrap();
    says(reason(&answer), &["GET /version?x=1: no target could be reached", "security group"]);
    assert_eq!(status(&answer), "refused", "nobody listens there, and the load balancer finds them healthy");

    for ip in ips(&provisioned) {
        serve(SocketAddr::new(ip, port), "this is build 2").await;
    }
    done(&stack, "register", &ask(SERVICE, "r1")).await;
    done(&stack, "promote", &ask(SERVICE, "r1")).await;

    let provisioned = done(&stack, "provision", &ask(SERVICE, "r2")).await;
    for (ip, body) in ips(&provisioned).into_iter().zip(["this is build 2", "this is build 1"]) {
        serve(SocketAddr::new(ip, port), body).await;
    }
    refuses(&stack, "register", &ask(SERVICE, "r2"), &["its answer does not contain \"build 2\": this is build 1"])
        .await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}
