//! Report: notices to people, by SNS, and to whoever builds on them, by EventBridge; the log's line about a call's end, and
//! the metrics in it.

use std::time::Duration;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use domain::metrics::{self, Came};
use domain::notice::{Notice, SOURCE};
use domain::refusal::WaitFor;
use domain::report::Outcome;
use domain::request::{Function, Request};

use crate::call::Ended;
use crate::clients::Clients;
use crate::deadline::{Deadline, now};
use crate::errors::{AwsError, sdk_error};
use crate::lease::Lease;

const PUBLISH: &str = "sns:Publish";
const PUT_EVENTS: &str = "events:PutEvents";
/// The bus that every account has.
const BUS: &str = "event bus default";
/// How long an event may take: no longer than a notice does, retries aside.
const EVENT_TIMEOUT: Duration = Duration::from_secs(3);
/// What is kept free for the answer: putting a job's end to it.
const ANSWER_NEEDS: Duration = Duration::from_secs(3);
/// What telling people gets however late it is.
const AT_LEAST: Duration = Duration::from_secs(1);

/// Tells a notice to people, and puts it on the bus beside.
pub(crate) async fn publish(clients: &Clients, topic: Option<&str>, notice: &Notice) -> Result<(), AwsError> {
    tokio::join!(tell(clients, topic, notice), put(clients, notice)).0
}

/// Publishes a notice: mail gets its text, chat the schema that Amazon Q Developer shows, filter policies the attributes.
async fn tell(clients: &Clients, topic: Option<&str>, notice: &Notice) -> Result<(), AwsError> {
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
        .message(notice.message(region(clients)));
    for (name, value) in notice.attributes().into_iter().filter(|(_, value)| !value.is_empty()) {
        let value =
            attribute(value).map_err(|_| AwsError::incomplete(PUBLISH, topic, "attribute that AWS would take"))?;
        request = request.message_attributes(name, value);
    }
    request.send().await.map(|_| ()).map_err(|error| sdk_error(PUBLISH, topic, &error))
}

/// Puts a notice on the account's bus as an event. What cannot be put is logged: it keeps nobody from being told.
async fn put(clients: &Clients, notice: &Notice) {
    let put = tokio::time::timeout(EVENT_TIMEOUT, try_put(clients, notice)).await;
    if let Err(error) = put.unwrap_or_else(|_| Err(AwsError::incomplete(PUT_EVENTS, BUS, "answer in time"))) {
        tracing::warn!(%error, "a notice is not on the event bus");
    }
}

async fn try_put(clients: &Clients, notice: &Notice) -> Result<(), AwsError> {
    let entry = PutEventsRequestEntry::builder()
        .source(SOURCE)
        .detail_type(notice.detail_type())
        .detail(notice.detail(region(clients)).to_string())
        .build();
    let put = clients.events.put_events().entries(entry).send().await;
    let put = put.map_err(|error| sdk_error(PUT_EVENTS, BUS, &error))?;
    // The call succeeds where its entry does not.
    match put.entries().iter().find_map(|entry| entry.error_message().or(entry.error_code())) {
        Some(why) => Err(AwsError { message: why.to_owned(), ..AwsError::incomplete(PUT_EVENTS, BUS, "place for it") }),
        None => Ok(()),
    }
}

fn region(clients: &Clients) -> &str {
    clients.config.region().map(AsRef::as_ref).unwrap_or_default()
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
    let (_, told, _) = tokio::join!(
        tokio::time::timeout(time, async {
            if let Some(lease) = lease {
                lease.release(clients).await;
            }
        }),
        tokio::time::timeout(time, async {
            match notice {
                Some(notice) => tell(clients, topic, notice).await,
                None => Ok(()),
            }
        }),
        tokio::time::timeout(time, async {
            if let Some(notice) = notice {
                put(clients, notice).await;
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
    let asked_by = request.asked_by();
    match outcome {
        Outcome::Done(_, not_followed) if not_followed.is_empty() => {
            tracing::info!(status, reason = outcome.sentence(), asked_by, metrics, "end");
        }
        Outcome::Done(_, not_followed) => {
            let not_followed = not_followed.join(" ");
            tracing::warn!(status, reason = outcome.sentence(), not_followed, asked_by, metrics, "end");
        }
        Outcome::Waiting(wait) => {
            let held_by = if let WaitFor::Held(hold) = wait { Some(hold.by.as_str()) } else { None };
            tracing::info!(status, wait_for = %wait, held_by, asked_by, metrics, "end");
        }
        Outcome::Refused(_) => tracing::warn!(status, reason = outcome.sentence(), asked_by, metrics, "end"),
        Outcome::Failed(_) => tracing::error!(status, reason = outcome.sentence(), asked_by, metrics, "end"),
    }
}
