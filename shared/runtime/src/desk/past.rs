//! What was: the functions' own log lines, and what CodePipeline remembers of its actions. Nothing more is stored.

use aws_sdk_codepipeline::types::ActionExecutionFilter;
use aws_smithy_types::DateTime;
use domain::time::Time;
use serde_json::{Value, json};

use super::{Desk, Hindrance};
use crate::errors::sdk_error;

const FILTER: &str = "logs:FilterLogEvents";
const ACTIONS: &str = "codepipeline:ListActionExecutions";
/// How many pages are read of either.
const PAGES: usize = 100;

/// How long before now the newest lines are looked for first.
const FIRST_SECONDS: i64 = 24 * 60 * 60;

/// What of a log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// When each line was written, and what it says.
    pub lines: Vec<(Time, String)>,
    /// Of what was written before this time not all was read.
    pub not_before: Option<Time>,
}

/// An action of a pipeline's execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its name: `ShipIt`.
    pub name: String,
    /// `Approval`, `Invoke`, `Deploy` …
    pub category: String,
    /// `Succeeded`, `Failed`, `InProgress`, `Abandoned`.
    pub status: String,
    /// When it began.
    pub began: Option<Time>,
    /// When it was changed last.
    pub ended: Option<Time>,
    /// Who changed it last, as an ARN; nobody where time did.
    pub by: Option<String>,
}

impl Desk {
    /// The lines of a log group since then that a filter pattern takes, the oldest first.
    ///
    /// CloudWatch gives the oldest first, and may give many pages with nothing on them: so it is asked from now backwards, for a time that
    /// doubles, and what there is no patience for is the oldest.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn log(&self, group: &str, since: Time, pattern: &str) -> Result<Log, Hindrance> {
        let (mut log, mut pages) = (Log::default(), 0);
        let (mut ends, mut seconds) = (super::now() + 1, FIRST_SECONDS);
        while ends > since && log.not_before.is_none() {
            let begins = since.max(ends + -seconds);
            let mut token = None::<String>;
            loop {
                let mut body = json!({
                    "logGroupName": group,
                    "startTime": begins.seconds().saturating_mul(1000),
                    "endTime": ends.seconds().saturating_mul(1000) - 1,
                    "filterPattern": pattern,
                });
                if let (Some(token), Some(body)) = (&token, body.as_object_mut()) {
                    body.insert("nextToken".to_owned(), token.as_str().into());
                }
                let page = self.json("logs", "Logs_20140328.FilterLogEvents", &body, FILTER, group).await?;
                log.lines.extend(page.get("events").and_then(Value::as_array).into_iter().flatten().filter_map(line));
                pages += 1;
                token =
                    page.get("nextToken").and_then(Value::as_str).filter(|token| !token.is_empty()).map(str::to_owned);
                if token.is_none() {
                    break;
                }
                if pages >= PAGES {
                    log.not_before = Some(ends);
                    break;
                }
            }
            (ends, seconds) = (begins, seconds * 2);
        }
        log.lines.sort_by_key(|(at, _)| *at);
        Ok(log)
    }

    /// The actions of one execution of a pipeline, the newest first.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub async fn actions(&self, pipeline: &str, execution: &str) -> Result<Vec<Action>, Hindrance> {
        let filter = ActionExecutionFilter::builder().pipeline_execution_id(execution).build();
        let (mut actions, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = self
                .clients
                .codepipeline
                .list_action_executions()
                .pipeline_name(pipeline)
                .filter(filter.clone())
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| sdk_error(ACTIONS, pipeline, &error))?;
            actions.extend(page.action_execution_details().iter().map(|detail| {
                let kind = detail.input().and_then(|input| input.action_type_id());
                Action {
                    name: detail.action_name().unwrap_or_default().to_owned(),
                    category: kind.map(|kind| kind.category().as_str().to_owned()).unwrap_or_default(),
                    status: detail.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
                    began: detail.start_time().map(time),
                    ended: detail.last_update_time().map(time),
                    by: detail.updated_by().filter(|by| !by.is_empty()).map(str::to_owned),
                }
            }));
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(actions)
    }
}

fn line(event: &Value) -> Option<(Time, String)> {
    let at = Time::from_seconds(event.get("timestamp")?.as_i64()? / 1000);
    Some((at, event.get("message")?.as_str()?.to_owned()))
}

fn time(at: &DateTime) -> Time {
    Time::from_seconds(at.secs())
}
