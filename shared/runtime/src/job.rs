//! CodePipeline jobs: whatever happens, its end is put to the job.

use aws_sdk_codepipeline::types::{ExecutionDetails, FailureDetails, FailureType};
use domain::event::Ask;
use domain::plan::Done;
use domain::report::{Outcome, cut};
use domain::request::Request;
use domain::token::Token;
use lambda_runtime::Error;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::call::Ended;
use crate::deadline::{Deadline, now};
use crate::errors::sdk_error;
use crate::report;
use crate::runner::Runner;

/// CodePipeline's limits, in characters.
const SUMMARY: usize = 2048;
const MESSAGE: usize = 5000;
/// What CodePipeline says of a job that has had its answer.
const CLOSED: &[&str] = &["InvalidJobStateException", "JobNotFoundException"];

/// How a job is to go on.
enum Answer {
    Again { token: Token, summary: String },
    Success { done: Done, summary: String },
    Failure { kind: FailureType, message: String },
}

/// Carries a job out, tells people, and puts its end to it.
///
/// # Errors
/// Only where the end could not be put: then Lambda is to call again.
pub(crate) async fn answer(
    runner: &Runner,
    id: &str,
    ask: Result<Ask, Vec<String>>,
    token: Option<Token>,
    deadline: Deadline,
) -> Result<Value, Error> {
    let token = token.unwrap_or_else(|| Token::first(now()));
    let request = match ask {
        Ok(ask) => ask.request(Some(token)),
        Err(problems) => {
            let message = runner.refuse(problems, deadline).await;
            return put(runner, id, None, Answer::Failure { kind: FailureType::ConfigurationError, message }).await;
        }
    };
    let span = tracing::info_span!(
        "job",
        job = id,
        service = request.service.as_str(),
        release = request.release.as_ref().map(|release| release.as_str()),
        action = request.verb.as_str(),
    );
    carry_out(runner, id, &request, token, deadline).instrument(span).await
}

async fn carry_out(
    runner: &Runner,
    id: &str,
    request: &Request,
    token: Token,
    deadline: Deadline,
) -> Result<Value, Error> {
    let (mut ended, topic) = runner.serve(request, deadline).await;
    let lease = ended.lease.take();
    let notice = ended.notice(request);
    let untold = report::close(&runner.clients, deadline, lease, topic.as_deref(), notice.as_ref()).await;
    report::end(runner.function, request, &ended, deadline);
    put(runner, id, Some(request), read(ended, token, untold)).await
}

/// What the job is told.
fn read(ended: Ended, token: Token, untold: Option<String>) -> Answer {
    let sentence = ended.outcome.sentence();
    let failure = |kind| Answer::Failure {
        kind,
        message: untold.iter().fold(sentence.clone(), |text, more| format!("{text}\n{more}")),
    };
    match ended.outcome {
        Outcome::Waiting(wait) => Answer::Again { token: token.next(&wait, now()), summary: sentence },
        Outcome::Done(done, not_followed) => {
            let lines = not_followed.into_iter().chain(untold);
            let summary = lines.fold(sentence, |text, line| format!("{text}. {line}"));
            Answer::Success { done, summary }
        }
        Outcome::Refused(_) => failure(FailureType::ConfigurationError),
        Outcome::Failed(_) if ended.denied => failure(FailureType::PermissionError),
        Outcome::Failed(_) => failure(FailureType::JobFailed),
    }
}

async fn put(runner: &Runner, id: &str, request: Option<&Request>, answer: Answer) -> Result<Value, Error> {
    let external = request.map(|request| match &request.release {
        Some(release) => format!("{}/{release}", request.service),
        None => request.service.to_string(),
    });
    let details = |summary: &str, percent: Option<i32>| {
        ExecutionDetails::builder()
            .summary(cut(summary, SUMMARY))
            .set_external_execution_id(external.clone())
            .set_percent_complete(percent)
            .build()
    };
    let codepipeline = &runner.clients.codepipeline;
    let (status, result) = match answer {
        Answer::Again { token, summary } => {
            let put = codepipeline.put_job_success_result().job_id(id).continuation_token(token.write());
            let put = put.execution_details(details(&summary, None)).send().await;
            ("waiting", put.map(|_| ()).map_err(|error| sdk_error("codepipeline:PutJobSuccessResult", id, &error)))
        }
        Answer::Success { done, summary } => {
            let outputs = done.outputs.into_iter().filter(|(_, value)| !value.is_empty());
            let outputs: std::collections::HashMap<String, String> =
                outputs.map(|(name, value)| (name.to_owned(), value)).collect();
            let put = codepipeline
                .put_job_success_result()
                .job_id(id)
                .execution_details(details(&summary, Some(100)))
                .set_output_variables((!outputs.is_empty()).then_some(outputs))
                .send()
                .await;
            ("done", put.map(|_| ()).map_err(|error| sdk_error("codepipeline:PutJobSuccessResult", id, &error)))
        }
        Answer::Failure { kind, message } => {
            let failure = FailureDetails::builder()
                .r#type(kind)
                .message(cut(&message, MESSAGE))
                .set_external_execution_id(external)
                .build()?;
            let put = codepipeline.put_job_failure_result().job_id(id).failure_details(failure).send().await;
            ("failed", put.map(|_| ()).map_err(|error| sdk_error("codepipeline:PutJobFailureResult", id, &error)))
        }
    };
    match result {
        Ok(()) => Ok(json!({ "status": status })),
        Err(error) if error.is(CLOSED) => {
            tracing::info!(%error, "the job was closed before");
            Ok(json!({ "status": "closed" }))
        }
        Err(error) => {
            tracing::error!(%error, "the job's end could not be put to it");
            Err(error.into())
        }
    }
}
