//! A service's own checks, carried out: its functions called, and its targets asked.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use domain::check::{Answered, Examination, NoAnswer as Silence, Verdict};
use domain::config::{Check, HttpCheck};
use domain::id::InstanceId;

use crate::clients::{CHECK_TIMEOUT, Clients};
use crate::signed::{self, Answer, NoAnswer};
use crate::together;

/// How long a target may take: it has answered the load balancer's checks.
const TARGET_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const BODY_BYTES: usize = 256 * 1024;
/// How often a function is called that Lambda could not call, and the pause between.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// All of an examination's checks, side by side.
pub(crate) async fn examine(clients: &Clients, examination: &Examination) -> Vec<(String, Verdict)> {
    let verdicts = together::all(examination.checks.iter().map(|check| async move {
        match check {
            Check::Function(function) => call(clients, function, examination).await,
            Check::Http(request) => ask_all(clients, request, &examination.targets).await,
        }
    }));
    let names = examination.checks.iter().map(ToString::to_string);
    names.zip(verdicts.await).collect()
}

async fn call(clients: &Clients, function: &str, examination: &Examination) -> Verdict {
    let payload = examination.payload().to_string();
    let calls = async {
        let mut attempt = 1;
        loop {
            match invoke(clients, function, &payload).await {
                // Lambda's own trouble, or too many calls at once: it passes.
                Ok(Answer { status: 429 | 500.., .. }) | Err(_) if attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                answered => return answered,
            }
        }
    };
    let Ok(answered) = tokio::time::timeout(CHECK_TIMEOUT, calls).await else {
        return Verdict::None(format!("it did not answer within {} s", CHECK_TIMEOUT.as_secs()));
    };
    let answer = match answered {
        Ok(answer) => answer,
        Err(why) => return Verdict::None(format!("Lambda could not be reached: {why}")),
    };
    match (answer.status, answer.function_failed) {
        (200, false) => Verdict::of_function(&answer.body),
        (200, true) => Verdict::None(format!("it failed: {}", answer.message("errorMessage"))),
        (403, _) => Verdict::None(format!(
            "it may not be called: {}. Allow lambda:InvokeFunction on it in this function's role (parameter CheckFunctionArns)",
            answer.message("Message")
        )),
        (404, _) => Verdict::None("there is no such function in this account and region".to_owned()),
        (status, _) => Verdict::None(format!("Lambda answered {status}: {}", answer.message("Message"))),
    }
}

/// One `Invoke`.
async fn invoke(clients: &Clients, function: &str, payload: &str) -> Result<Answer, NoAnswer> {
    let path = signed::function_path(function, "invocations");
    let headers = [("content-type", "application/json")];
    let call = signed::Call { service: "lambda", method: "POST", path: &path, headers: &headers, body: payload };
    signed::send(clients, &call).await
}

async fn ask_all(clients: &Clients, check: &HttpCheck, targets: &[(InstanceId, String)]) -> Verdict {
    let answers = together::all(targets.iter().map(|(target, address)| async move {
        let url = format!("{address}{}", check.url);
        let answer = tokio::time::timeout(TARGET_TIMEOUT, ask_patiently(clients, &url)).await;
        // A connection that does not come up fails long before.
        let late = |_| Err(Silence::Silent(format!("it did not answer within {} s", TARGET_TIMEOUT.as_secs())));
        (target.clone(), answer.unwrap_or_else(late))
    }));
    Verdict::of_targets(check, &answers.await)
}

/// Once more where no connection came up, or one broke: a release is rejected for good.
async fn ask_patiently(clients: &Clients, url: &str) -> Answered {
    let answer = ask(clients, url).await;
    if answer.is_ok() {
        return answer;
    }
    tokio::time::sleep(PAUSE).await;
    ask(clients, url).await
}

async fn ask(clients: &Clients, url: &str) -> Answered {
    let answer = async {
        let mut request = HttpRequest::get(url).map_err(|error| error.to_string())?;
        request.headers_mut().insert("user-agent", "pointsman");
        let response = signed::unsigned(clients, request).await?;
        let status = response.status().as_u16();
        Ok((status, String::from_utf8_lossy(&signed::read(response, BODY_BYTES).await?).into_owned()))
    };
    answer.await.map_err(Silence::NotReached)
}
