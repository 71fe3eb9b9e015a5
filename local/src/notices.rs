//! What was published: the functions' notifications and the pipeline's requests for approval, as a subscriber gets them.

use std::sync::Arc;
use std::time::Duration;

use gateway::{Aws, Call};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, watch};

use crate::trouble::{Result, Trouble};

/// One message of a topic.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The topic's name.
    pub topic: String,
    pub subject: String,
    /// The message as it came: the chat schema of a notification, the pipeline's JSON of an approval.
    pub message: Value,
    /// What mail gets, where that is not the message.
    pub mail: String,
    /// `service`, `event`, `status`, `level` of a notification.
    pub attributes: Value,
}

impl Notice {
    fn read(body: &str) -> Option<Self> {
        let envelope: Value = serde_json::from_str(body).ok()?;
        let text = |key: &str| envelope.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            topic: text("TopicArn").rsplit(':').next().unwrap_or_default().to_owned(),
            subject: text("Subject").to_owned(),
            message: serde_json::from_str(text("Message")).unwrap_or_else(|_| text("Message").into()),
            mail: text("Mail").to_owned(),
            attributes: envelope.get("MessageAttributes").cloned().unwrap_or_default(),
        })
    }

    /// A message attribute's text.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(|value| value.get("Value")).and_then(Value::as_str).unwrap_or_default()
    }

    /// The release that a notification is about.
    #[must_use]
    pub fn release(&self) -> &str {
        self.message.pointer("/metadata/additionalContext/release").and_then(Value::as_str).unwrap_or_default()
    }

    /// What people read below the subject, a line each: what else is so, where to look, what to do next.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(approval) = self.message.pointer("/approval/customData").and_then(Value::as_str) {
            lines.extend(approval.lines().map(str::to_owned));
        }
        let content = self.message.get("content");
        let description = content.and_then(|content| content.get("description")).and_then(Value::as_str);
        lines.extend(description.unwrap_or_default().lines().map(|line| line.replace('*', "")));
        let steps = content.and_then(|content| content.get("nextSteps")).and_then(Value::as_array);
        lines.extend(steps.into_iter().flatten().filter_map(Value::as_str).map(|step| format!("→ {step}")));
        lines.retain(|line| !line.trim().is_empty());
        lines
    }

    /// All of it in one text, for those who search it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}", self.subject, self.lines().join("\n"), self.mail)
    }
}

/// All notices so far. Clones share them.
#[derive(Clone, Debug)]
pub struct Notices {
    all: Arc<watch::Sender<Vec<Notice>>>,
    look: Arc<Notify>,
}

impl Default for Notices {
    fn default() -> Self {
        Self { all: Arc::new(watch::Sender::new(Vec::new())), look: Arc::default() }
    }
}

impl Notices {
    /// The notices so far, in the order in which they were published.
    #[must_use]
    pub fn all(&self) -> Vec<Notice> {
        self.all.borrow().clone()
    }

    /// Follows the notices.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Vec<Notice>> {
        self.all.subscribe()
    }

    /// Waits for a notice, which may have come already.
    ///
    /// # Errors
    ///
    /// Where none comes in time, with those that came.
    pub async fn wait(&self, patience: Duration, wanted: impl Fn(&Notice) -> bool) -> Result<Notice> {
        let mut notices = self.subscribe();
        let found = tokio::time::timeout(patience, notices.wait_for(|all| all.iter().any(&wanted))).await;
        let all = match found {
            Ok(Ok(all)) => all.clone(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        all.into_iter().find(|notice| wanted(notice)).ok_or_else(|| {
            let subjects: Vec<String> = self.all().into_iter().map(|notice| notice.subject).collect();
            Trouble::new(format!("a notice that was waited for has not come. These did:\n{}", subjects.join("\n")))
        })
    }

    /// Something was published that the gateway does not see.
    pub(crate) fn published(&self) {
        self.look.notify_one();
    }

    /// Takes in what a queue gets, at once when something was published, until the gateway is gone.
    pub(crate) async fn follow(self, moto: Aws, queue_url: String, mut calls: broadcast::Receiver<Call>) {
        loop {
            tokio::select! {
                call = calls.recv() => match call {
                    Ok(call) if call.service == "sns" && call.ok() => {}
                    Ok(_) => continue,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                () = self.look.notified() => {}
            }
            while let Ok(bodies @ [_, ..]) = receive(&moto, &queue_url).await.as_deref() {
                let new: Vec<Notice> = bodies.iter().filter_map(|body| Notice::read(body)).collect();
                self.all.send_modify(|all| all.extend(new));
            }
        }
    }
}

/// Takes the messages that are in a queue, up to ten.
///
/// # Errors
///
/// Where the queue cannot be read.
pub async fn receive(moto: &Aws, queue_url: &str) -> Result<Vec<String>> {
    let input = json!({"QueueUrl": queue_url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0});
    let answer = moto.json("sqs", "AmazonSQS.ReceiveMessage", input).await?;
    let mut bodies = Vec::new();
    for message in answer.get("Messages").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
        bodies.push(text("Body").to_owned());
        let input = json!({"QueueUrl": queue_url, "ReceiptHandle": text("ReceiptHandle")});
        moto.json("sqs", "AmazonSQS.DeleteMessage", input).await?;
    }
    Ok(bodies)
}
