//! Report: notices to people, by SNS; the log's line about a call's end, and the metrics in it.

use std::time::Duration;

use aws_sdk_sns::types::MessageAttributeValue;
use domain::metrics::{self, Came};
use domain::notice::Notice;
use domain::report::Outcome;
use domain::request::{Function, Request};

use crate::call::Ended;
use crate::clients::Clients;
use crate::deadline::{Deadline, now};
use crate::errors::{AwsError, sdk_error};
use crate::lease::Lease;

const PUBLISH: &str = "sns:Publish";
/// What is kept free for the answer: putting a job's end to it.
const ANSWER_NEEDS: Duration = Duration::from_secs(3);
/// What telling people gets however late it is.
const AT_LEAST: Duration = Duration::from_secs(1);

/// Publishes a notice: mail gets its text, chat the schema that Amazon Q Developer shows, filter policies the attributes.
pub(crate) async fn publish(clients: &Clients, topic: Option<&str>, notice: &Notice) -> Result<(), AwsError> {
    let Some(topic) = topic else {
        tracing::warn!(headline = notice.headline, "nobody is told: NOTIFY_TOPIC_ARN is not set");
        return Ok(());
    };
    let attribute = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
    let mut request = clients
        .sns
        .publish()
        .topic_arn(topic)
        .subject(notice.subject())
        .message_structure("json")
        .message(notice.message());
    let attributes =
        [("service", notice.service.as_str()), ("event", &notice.event), ("status", notice.status.as_str())];
    for (name, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
        let value =
            attribute(value).map_err(|_| AwsError::incomplete(PUBLISH, topic, "attribute that AWS would take"))?;
        request = request.message_attributes(name, value);
    }
    request.send().await.map(|_| ()).map_err(|error| sdk_error(PUBLISH, topic, &error))
}

/// Gives the lease back and tells people, side by side. Neither keeps the call from its answer, nor takes the time that it
/// needs; what went wrong with the telling is given back, to be said in it.
pub(crate) async fn close(
    clients: &Clients,
    deadline: Deadline,
    lease: Option<Lease>,
    topic: Option<&str>,
    notice: Option<&Notice>,
) -> Option<String> {
    let time = deadline.left().saturating_sub(ANSWER_NEEDS).max(AT_LEAST);
    let (_, told) = tokio::join!(
        tokio::time::timeout(time, async {
            if let Some(lease) = lease {
                lease.release(clients).await;
            }
        }),
        tokio::time::timeout(time, async {
            match notice {
                Some(notice) => publish(clients, topic, notice).await,
                None => Ok(()),
            }
        }),
    );
    let told = told.unwrap_or_else(|_| Err(AwsError::incomplete(PUBLISH, "", "time left but for the answer")));
    told.err().map(|error| {
        tracing::error!(%error, "people could not be told");
        format!("People could not be told: {error}.")
    })
}

/// One line about how a call ended, with its metrics.
pub(crate) fn end(function: Function, request: &Request, ended: &Ended, deadline: Deadline) {
    let outcome = &ended.outcome;
    let metrics = metrics::of_call(&Came {
        function,
        request,
        outcome,
        switched: &ended.switched,
        bug: ended.bug,
        took: deadline.spent(),
        at: now(),
    });
    let metrics = metrics.map(|metrics| metrics.to_string());
    let (status, metrics) = (outcome.status(), metrics.as_deref());
    match outcome {
        Outcome::Done(_, not_followed) if not_followed.is_empty() => {
            tracing::info!(status, reason = outcome.sentence(), metrics, "end");
        }
        Outcome::Done(_, not_followed) => {
            tracing::warn!(status, reason = outcome.sentence(), not_followed = not_followed.join(" "), metrics, "end");
        }
        Outcome::Waiting(wait) => tracing::info!(status, wait_for = %wait, metrics, "end"),
        Outcome::Refused(_) => tracing::warn!(status, reason = outcome.sentence(), metrics, "end"),
        Outcome::Failed(_) => tracing::error!(status, reason = outcome.sentence(), metrics, "end"),
    }
}
