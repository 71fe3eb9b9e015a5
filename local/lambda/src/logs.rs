//! The functions' logs: kept here for whoever asks, and sent to CloudWatch Logs.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use gateway::{Aws, AwsError};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::process::epoch;

/// So many lines of each function are kept in memory. The rest is in CloudWatch Logs.
const KEPT_LINES_MAX: usize = 50_000;
/// CloudWatch Logs takes up to 10,000 events in a call.
const EVENTS_MAX: usize = 10_000;

/// One line of a function's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub time: SystemTime,
    pub request_id: String,
    pub text: String,
}

impl LogLine {
    /// The line as JSON, as the functions write it; nothing for START, END, REPORT and the like.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.text).ok().filter(Value::is_object)
    }
}

/// All logs. The sending ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Logs {
    kept: Mutex<BTreeMap<String, VecDeque<LogLine>>>,
    sender: Option<mpsc::UnboundedSender<Parcel>>,
    _sending: JoinSet<()>,
}

/// What goes to the task that sends.
enum Parcel {
    Lines {
        group: String,
        stream: String,
        lines: Vec<LogLine>,
    },
    /// Answered when all before it is sent, with what went wrong so far.
    Flush(oneshot::Sender<Option<String>>),
}

impl Logs {
    /// Keeps logs, and sends them where `aws` leads.
    pub fn new(aws: Option<Aws>) -> Self {
        let mut sending = JoinSet::new();
        let sender = aws.map(|aws| {
            let (sender, parcels) = mpsc::unbounded_channel();
            sending.spawn(send_all(aws, parcels));
            sender
        });
        Self { kept: Mutex::default(), sender, _sending: sending }
    }

    /// Adds the lines of one invocation.
    pub fn add(&self, function: &str, group: &str, stream: &str, lines: Vec<LogLine>) {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = kept.entry(function.to_owned()).or_default();
            kept.extend(lines.iter().cloned());
            let surplus = kept.len().saturating_sub(KEPT_LINES_MAX);
            kept.drain(..surplus);
        }
        if let Some(sender) = &self.sender {
            let _ = sender.send(Parcel::Lines { group: group.to_owned(), stream: stream.to_owned(), lines });
        }
    }

    /// The kept lines of a function, the oldest first.
    pub fn of(&self, function: &str) -> Vec<LogLine> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(function).into_iter().flatten().cloned().collect()
    }

    /// Waits until everything is sent. Answers what went wrong with it, if anything did.
    pub async fn flush(&self) -> Option<String> {
        let sender = self.sender.as_ref()?;
        let (done, sent) = oneshot::channel();
        sender.send(Parcel::Flush(done)).ok()?;
        sent.await.ok().flatten()
    }
}

async fn send_all(aws: Aws, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
    let mut made = HashSet::new();
    // A demo does not stop over its logs; whoever flushes hears of it.
    let mut problem = None;
    while let Some(parcel) = parcels.recv().await {
        match parcel {
            Parcel::Lines { group, stream, lines } => {
                if let Err(error) = send(&aws, &mut made, &group, &stream, &lines).await {
                    problem = Some(error.to_string());
                }
            }
            Parcel::Flush(done) => {
                let _ = done.send(problem.clone());
            }
        }
    }
}

async fn send(
    aws: &Aws,
    made: &mut HashSet<String>,
    group: &str,
    stream: &str,
    lines: &[LogLine],
) -> Result<(), AwsError> {
    if made.insert(group.to_owned()) {
        ensure(aws, "CreateLogGroup", json!({"logGroupName": group})).await?;
    }
    if made.insert(format!("{group} {stream}")) {
        let input = json!({"logGroupName": group, "logStreamName": stream});
        ensure(aws, "CreateLogStream", input).await?;
    }
    for lines in lines.chunks(EVENTS_MAX) {
        let event = |line: &LogLine| {
            let time = u64::try_from(epoch(line.time).as_millis()).unwrap_or_default();
            json!({"timestamp": time, "message": line.text})
        };
        let events: Vec<Value> = lines.iter().map(event).collect();
        let input = json!({"logGroupName": group, "logStreamName": stream, "logEvents": events});
        aws.json("logs", "Logs_20140328.PutLogEvents", input).await?;
    }
    Ok(())
}

/// Makes a group or stream, or finds that it is there: the stack may have made it.
async fn ensure(aws: &Aws, action: &str, input: Value) -> Result<(), AwsError> {
    match aws.json("logs", &format!("Logs_20140328.{action}"), input).await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ResourceAlreadyExistsException") => Ok(()),
        Err(error) => Err(error),
    }
}
