//! CodePipeline's memory: whether an execution still runs, and who answered an approval.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_codepipeline::types::{ActionExecutionFilter, PipelineExecutionStatus};
use domain::tags::{self, Read, Role, Tags};
use domain::world::World;

use super::PAGES;
use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};
use crate::together;

/// How each pre-product release's execution ended, for those that are over. What cannot be asked is not over.
pub(crate) async fn over(clients: &Clients, world: &World) -> BTreeMap<String, String> {
    let tagged = world.instances.iter().map(|i| &i.tags).chain(world.groups.iter().map(|group| &group.tags));
    let asked: BTreeSet<(String, String)> = tagged.filter_map(waiting_execution).collect();
    let answers = together::all(asked.into_iter().map(|(pipeline, execution)| async move {
        match status(clients, &pipeline, &execution).await {
            Ok(status) => status.map(|status| (execution, status)),
            Err(error) => {
                tracing::warn!(%error, release = execution, "the release's execution could not be asked for");
                None
            }
        }
    }));
    answers.await.into_iter().flatten().collect()
}

fn waiting_execution(tags: &Tags) -> Option<(String, String)> {
    let pipeline = tags.value(tags::PIPELINE)?;
    (tags.role() == Some(Role::PreProduct)).then_some(())?;
    Some((pipeline.to_owned(), tags.release()?.to_string()))
}

async fn status(clients: &Clients, pipeline: &str, execution: &str) -> Result<Option<String>, AwsError> {
    let answer = clients
        .codepipeline
        .get_pipeline_execution()
        .pipeline_name(pipeline)
        .pipeline_execution_id(execution)
        .send()
        .await
        .map_err(|error| sdk_error("codepipeline:GetPipelineExecution", format!("{pipeline}/{execution}"), &error))?;
    let status = answer.pipeline_execution.and_then(|execution| execution.status);
    Ok(match status {
        Some(
            over @ (PipelineExecutionStatus::Cancelled
            | PipelineExecutionStatus::Failed
            | PipelineExecutionStatus::Stopped
            | PipelineExecutionStatus::Succeeded
            | PipelineExecutionStatus::Superseded),
        ) => Some(over.as_str().to_owned()),
        // AWS's enum is open: what is not known to be an end is none.
        _ => None,
    })
}

/// Who answered an approval: `Some("")` where nobody did; `None` if the pipeline does not list it yet.
pub(crate) async fn approved_by(
    clients: &Clients,
    pipeline: &str,
    execution: &str,
    action: &str,
    action_execution: &str,
) -> Result<Option<String>, AwsError> {
    let filter = ActionExecutionFilter::builder().pipeline_execution_id(execution).build();
    let mut token = None;
    for _ in 0..PAGES {
        let page = clients
            .codepipeline
            .list_action_executions()
            .pipeline_name(pipeline)
            .filter(filter.clone())
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| sdk_error("codepipeline:ListActionExecutions", pipeline, &error))?;
        // The newest come first, so an event without the action's own id finds its last attempt.
        let found = page.action_execution_details().iter().find(|detail| {
            if action_execution.is_empty() {
                detail.action_name() == Some(action)
            } else {
                detail.action_execution_id() == Some(action_execution)
            }
        });
        if let Some(detail) = found {
            return Ok(Some(detail.updated_by().unwrap_or_default().to_owned()));
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(None)
}
