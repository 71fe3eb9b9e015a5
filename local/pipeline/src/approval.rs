//! Manual approvals: the token, who answers, and what happens if nobody does.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::execution::{Failure, Outcome, RunId, Waiting};
use crate::refusal::{Code, Refusal};
use crate::state::{Effect, State, new_id};

/// SNS takes less than 100 characters.
const SUBJECT_CHARACTERS_MAX: usize = 99;

/// An approval that waits for a person.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub token: String,
    pub expires: Timestamp,
}

/// What an approval with a `NotificationArn` publishes to SNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub topic_arn: String,
    pub subject: String,
    pub message: String,
}

/// An approval as somebody has to see it who is to answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApproval {
    pub execution_id: String,
    pub stage: String,
    pub action: String,
    pub token: String,
    /// `CustomData`, with its variables resolved.
    pub custom_data: Option<String>,
    pub external_entity_link: Option<String>,
}

/// What `PutApprovalResult` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Approved,
    Rejected,
}

impl State {
    pub(crate) fn begin_approval(&mut self, id: RunId) {
        let Some(run) = self.run(id) else { return };
        let timeout = self.action_of(run).and_then(|action| action.timeout).unwrap_or(self.settings.approval_timeout);
        let pending = Pending { token: new_id(), expires: self.now.plus(timeout) };
        let notice = self.notice(id, &pending);
        self.effects.extend(notice.map(Effect::Publish));
        if let Some(run) = self.runs.get_mut(id) {
            // The reference names it as the token to use where GetPipelineState does not show one.
            run.external_id = Some(pending.token.clone());
            run.waiting = Waiting::Person(pending);
        }
    }

    pub(crate) fn put_approval(
        &mut self,
        stage: &str,
        action: &str,
        token: &str,
        answer: Answer,
        summary: &str,
        who: &str,
    ) -> Result<Timestamp, Refusal> {
        let index = self
            .pipeline
            .stage_index(stage)
            .ok_or_else(|| Code::StageNotFound.because(format!("The pipeline has no stage {stage}.")))?;
        if self.pipeline.action(index, action).is_none() {
            return Err(Code::ActionNotFound.because(format!("The stage {stage} has no action {action}.")));
        }
        let now = self.now;
        let found =
            self.runs.iter_mut().enumerate().find(|(_, run)| {
                run.stage == index && run.action == action && run.external_id.as_deref() == Some(token)
            });
        let Some((id, run)) = found else {
            return Err(
                Code::InvalidApprovalToken.because(format!("The token {token} is not one of an approval of {action}."))
            );
        };
        if !run.goes_on() {
            return Err(
                Code::ApprovalAlreadyCompleted.because("The approval action has already been approved or rejected.")
            );
        }
        run.updated_by = Some(who.to_owned());
        let verb = match answer {
            Answer::Approved => "Approved",
            Answer::Rejected => "Rejected",
        };
        run.summary = Some(if summary.is_empty() { format!("{verb} by {who}") } else { summary.to_owned() });
        let outcome = match answer {
            Answer::Approved => Outcome::Succeeded { variables: std::collections::BTreeMap::new() },
            Answer::Rejected => Outcome::Failed(Failure::job_failed(format!("{verb} by {who}"))),
        };
        self.end_run(id, outcome);
        Ok(now)
    }

    /// Fails an approval that nobody answered. Nobody is named as having done so.
    pub(crate) fn approval_timed_out(&mut self, id: RunId) {
        let Some(run) = self.run(id) else { return };
        let minutes = run.started.until(self.now).as_secs() / 60;
        let message = format!("The approval timed out: nobody answered it for {minutes} minutes.");
        self.end_run(id, Outcome::Failed(Failure::job_failed(message)));
    }

    /// Lists the approvals that wait for a person.
    pub(crate) fn open_approvals(&self) -> Vec<OpenApproval> {
        let open = |run: &crate::execution::ActionRun| {
            let Waiting::Person(pending) = &run.waiting else { return None };
            Some(OpenApproval {
                execution_id: self.execution(run.execution)?.id.clone(),
                stage: self.pipeline.stages.get(run.stage)?.name.clone(),
                action: run.action.clone(),
                token: pending.token.clone(),
                custom_data: run.configuration.get("CustomData").cloned(),
                external_entity_link: run.configuration.get("ExternalEntityLink").cloned(),
            })
        };
        self.runs.iter().filter(|run| run.goes_on()).filter_map(open).collect()
    }

    /// Writes the message that CodePipeline publishes to an approval's topic.
    fn notice(&self, id: RunId, pending: &Pending) -> Option<Notice> {
        let run = self.run(id)?;
        let topic_arn = run.configuration.get("NotificationArn")?.clone();
        let pipeline = &self.pipeline;
        let stage = &pipeline.stages.get(run.stage)?.name;
        let link = format!(
            "https://console.aws.amazon.com/codesuite/codepipeline/pipelines/{}/view?region={}",
            pipeline.name, pipeline.region
        );
        let mut approval = Map::new();
        let mut say = |key: &str, value: Option<&str>| {
            approval.extend(value.map(|value| (key.to_owned(), Value::from(value))));
        };
        say("pipelineName", Some(&pipeline.name));
        say("stageName", Some(stage));
        say("actionName", Some(&run.action));
        say("token", Some(&pending.token));
        say("expires", Some(&pending.expires.rfc3339()));
        say("externalEntityLink", run.configuration.get("ExternalEntityLink").map(String::as_str));
        say("approvalReviewLink", Some(&format!("{link}#/{stage}/{}/approve/{}", run.action, pending.token)));
        say("customData", run.configuration.get("CustomData").map(String::as_str));
        let message = json!({ "region": pipeline.region, "consoleLink": link, "approval": approval });
        let subject = format!("APPROVAL NEEDED: AWS CodePipeline {} for action {}", pipeline.name, run.action);
        let subject = subject.chars().take(SUBJECT_CHARACTERS_MAX).collect();
        Some(Notice { topic_arn, subject, message: message.to_string() })
    }
}
