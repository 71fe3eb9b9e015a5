//! Direct calls: a script or a person, who gets the answer as JSON.

use domain::event::Ask;
use domain::report::Outcome;
use domain::request::Request;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::deadline::Deadline;
use crate::report;
use crate::runner::Runner;

/// Carries a direct call out, and answers it.
pub(crate) async fn answer(runner: &Runner, ask: Result<Ask, Vec<String>>, deadline: Deadline) -> Value {
    match ask {
        Ok(ask) => {
            let request = ask.request(None);
            let span = span(&request);
            carry_out(runner, &request, deadline).instrument(span).await
        }
        Err(problems) => json!({ "status": "refused", "reason": runner.refuse(problems, deadline).await }),
    }
}

async fn carry_out(runner: &Runner, request: &Request, deadline: Deadline) -> Value {
    let (mut ended, topic) = runner.serve(request, deadline).await;
    let notice = ended.notice(request).filter(|_| is_news(&ended.outcome));
    let untold = report::close(&runner.clients, deadline, ended.lease.take(), topic.as_deref(), notice.as_ref()).await;
    report::end(runner.function, request, &ended, deadline);
    let mut answer = ended.outcome.answer(request);
    if let (Some(untold), Some(answer)) = (untold, answer.as_object_mut()) {
        answer.insert("untold".into(), untold.into());
    }
    answer
}

/// Whether people are to be told: not where everything was done before.
pub(crate) fn is_news(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Done(done, _) if done.nothing_to_do)
}

/// The fields that every line about a request carries.
pub(crate) fn span(request: &Request) -> tracing::Span {
    tracing::info_span!(
        "request",
        service = request.service.as_str(),
        release = request.release.as_ref().map(|release| release.as_str()),
        action = request.verb.as_str(),
    )
}
