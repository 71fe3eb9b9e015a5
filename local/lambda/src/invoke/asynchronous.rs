//! Asynchronous invocations: queued, tried again after an error, and at last given up.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{Function, Functions, Inner, InvokeError};
use crate::answer::Answer;
use crate::template::FunctionSpec;

/// Lambda waits a minute before the second try and two before the third.
const DELAYS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// A dead letter carries so much of the error's message.
const ERROR_MESSAGE_MAX: usize = 1024;

/// An event that Lambda gave up on, as it goes to a queue or a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub function: String,
    pub request_id: String,
    /// The ARN of the dead-letter queue, or of the destination.
    pub target_arn: String,
    /// The event itself for a dead-letter queue; a record with the event in it for a destination.
    pub body: String,
    /// Message attributes: name, data type, value.
    pub attributes: Vec<(String, String, String)>,
}

/// Why Lambda does not try an event any more.
#[derive(Clone, Copy)]
enum GivenUp {
    RetriesExhausted,
    EventAgeExceeded,
}

impl Functions {
    /// Calls a function as CodePipeline and EventBridge do, and answers the request id at once. The event is tried
    /// up to two times more if the function fails, and then goes to its dead-letter queue.
    ///
    /// Has to be called within a tokio runtime.
    pub fn invoke_async(&self, name: &str, payload: &Value) -> Result<String, InvokeError> {
        self.invoke_async_bytes(name, payload.to_string().into())
    }

    /// As `invoke_async`, with the payload as it came.
    pub fn invoke_async_bytes(&self, name: &str, payload: Bytes) -> Result<String, InvokeError> {
        let function = self.function(name)?;
        let request_id = Uuid::new_v4().to_string();
        let answered = request_id.clone();
        let pending = Pending::new(Arc::clone(&self.0.inner));
        self.spawn(async move {
            pending.0.run_event(&function, &request_id, payload).await;
            drop(pending);
        });
        Ok(answered)
    }
}

/// Counts an event for as long as it is not finished, however its task ends.
struct Pending(Arc<Inner>);

impl Pending {
    fn new(inner: Arc<Inner>) -> Self {
        inner.pending.send_modify(|pending| *pending += 1);
        Self(inner)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.send_modify(|pending| *pending = pending.saturating_sub(1));
    }
}

impl Inner {
    /// Tries an event until it succeeds or is given up. All tries carry the same request id.
    async fn run_event(&self, function: &Function, request_id: &str, event: Bytes) {
        let spec = &function.spec;
        let too_old = Instant::now() + spec.event_age_max;
        let attempts_max = spec.retry_attempts + 1;
        let mut last = None;
        // With no concurrency at all, events go to the dead letters without a try.
        if spec.reserved_concurrency == Some(0) {
            return self.give_up(spec, request_id, &event, None, GivenUp::RetriesExhausted).await;
        }
        for attempt in 1..=attempts_max {
            let Ok(Ok(slot)) = timeout_at(too_old, function.slots.acquire()).await else {
                let given_up = GivenUp::EventAgeExceeded;
                return self.give_up(spec, request_id, &event, last.as_ref(), given_up).await;
            };
            let answer = self.run(function, request_id, event.clone(), attempt).await;
            drop(slot);
            if answer.error.is_none() {
                return;
            }
            last = Some(answer);
            if attempt == attempts_max {
                break;
            }
            let next = Instant::now() + self.delay_after(attempt);
            if next > too_old {
                let given_up = GivenUp::EventAgeExceeded;
                return self.give_up(spec, request_id, &event, last.as_ref(), given_up).await;
            }
            tokio::time::sleep_until(next).await;
        }
        self.give_up(spec, request_id, &event, last.as_ref(), GivenUp::RetriesExhausted).await;
    }

    fn delay_after(&self, attempt: u64) -> Duration {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let delay = DELAYS.get(index).or(DELAYS.last()).copied().unwrap_or_default();
        delay.mul_f64(self.settings.delay_scale)
    }

    async fn give_up(
        &self,
        spec: &FunctionSpec,
        request_id: &str,
        event: &Bytes,
        last: Option<&Answer>,
        given_up: GivenUp,
    ) {
        let Some(handler) = &self.settings.dead_letters else { return };
        if let Some(target_arn) = &spec.dead_letter_arn {
            handler(DeadLetter {
                function: spec.name.clone(),
                request_id: request_id.to_owned(),
                target_arn: target_arn.clone(),
                body: String::from_utf8_lossy(event).into_owned(),
                attributes: attributes(request_id, last),
            })
            .await;
        }
        if let Some(target_arn) = &spec.on_failure_arn {
            handler(DeadLetter {
                function: spec.name.clone(),
                request_id: request_id.to_owned(),
                target_arn: target_arn.clone(),
                body: record(spec, request_id, event, last, given_up).to_string(),
                attributes: Vec::new(),
            })
            .await;
        }
    }
}

/// What Lambda puts beside the event in a dead-letter queue.
fn attributes(request_id: &str, last: Option<&Answer>) -> Vec<(String, String, String)> {
    let attribute = |name: &str, kind: &str, value: &str| (name.to_owned(), kind.to_owned(), value.to_owned());
    let error = last.and_then(|answer| answer.error.as_ref());
    let message = error.map_or("Rate Exceeded.", |error| &error.message);
    let message: String = message.chars().take(ERROR_MESSAGE_MAX).collect();
    // The status of the invocation itself, which is good where the function ran; 429 where it was not let in.
    let code = if error.is_some() { "200" } else { "429" };
    vec![
        attribute("RequestID", "String", request_id),
        attribute("ErrorCode", "Number", code),
        attribute("ErrorMessage", "String", &message),
    ]
}

/// The record that a destination gets.
fn record(spec: &FunctionSpec, request_id: &str, event: &Bytes, last: Option<&Answer>, given_up: GivenUp) -> Value {
    let condition = match given_up {
        GivenUp::RetriesExhausted => "RetriesExhausted",
        GivenUp::EventAgeExceeded => "EventAgeExceeded",
    };
    let attempts = last.map_or(0, |answer| answer.attempt);
    let mut record = json!({
        "version": "1.0",
        "timestamp": OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
        "requestContext": {
            "requestId": request_id,
            "functionArn": format!("{}:$LATEST", spec.arn),
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": serde_json::from_slice::<Value>(event).unwrap_or_default(),
    });
    if let (Some(answer), Some(record)) = (last, record.as_object_mut()) {
        let context = json!({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"});
        record.insert("responseContext".to_owned(), context);
        record.insert("responsePayload".to_owned(), answer.json());
    }
    record
}
