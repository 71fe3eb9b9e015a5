//! The pipeline as its CloudFormation template defines it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use lambda::cloudformation::{Document, Names, TemplateError};
use serde_json::Value;

mod declaration;
mod names;
mod stages;
mod triggers;

pub(crate) use declaration::VERSION;
pub use triggers::UploadRule;

/// One pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub name: String,
    pub region: String,
    pub account_id: String,
    /// The bucket that artifacts are said to lie in. The engine itself holds them in memory.
    pub artifact_bucket: String,
    pub execution_mode: ExecutionMode,
    pub pipeline_type: String,
    /// The pipeline's own variables, with their defaults.
    pub variables: BTreeMap<String, Option<String>>,
    pub stages: Vec<Stage>,
    /// The EventBridge rules of the template that start this pipeline on an upload.
    pub upload_rules: Vec<UploadRule>,
    /// The declaration as `GetPipeline` answers it.
    pub declaration: Value,
}

/// What becomes of executions that wait in front of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionMode {
    /// A newer execution takes the place of an older one that waits. CodePipeline's default.
    Superseded,
    /// They enter one after another.
    Queued,
}

impl ExecutionMode {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Superseded => "SUPERSEDED",
            Self::Queued => "QUEUED",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Stage {
    pub name: String,
    pub actions: Vec<Action>,
}

#[derive(Clone, Debug)]
pub struct Action {
    pub name: String,
    pub kind: ActionKind,
    pub type_id: TypeId,
    /// Actions of a stage run in this order; equal ones at the same time.
    pub run_order: u64,
    /// As written, before variables are resolved.
    pub configuration: BTreeMap<String, String>,
    pub input_artifacts: Vec<String>,
    pub output_artifacts: Vec<String>,
    pub namespace: Option<String>,
    pub role_arn: Option<String>,
    pub region: Option<String>,
    /// Only an approval can have its own.
    pub timeout: Option<Duration>,
}

/// What the engine does for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    S3Source,
    Lambda,
    CodeBuild,
    CodeDeploy,
    ManualApproval,
}

/// What AWS calls an action type id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeId {
    pub category: String,
    pub owner: String,
    pub provider: String,
    pub version: String,
}

/// Why a template cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("the template of the pipeline cannot be used")]
    Template(#[from] TemplateError),
    #[error(
        "{file} defines {found} pipelines; name one of its AWS::CodePipeline::Pipeline resources, or define just one"
    )]
    NotOne { file: String, found: usize },
    #[error("the pipeline {pipeline} cannot be run here: {}", problems.join("; "))]
    Wrong { pipeline: String, problems: Vec<String> },
}

impl Pipeline {
    /// Reads the one pipeline of a template file. `names` holds the template's parameters, and
    /// whatever its resources are known by, where that is not what the template itself says.
    pub fn read(path: &Path, names: &Names) -> Result<Self, DefinitionError> {
        Self::only(&path.display().to_string(), Document::read(path, names)?)
    }

    /// Reads the one pipeline of a template's text; `file` is only for messages.
    pub fn parse(file: &str, text: &str, names: &Names) -> Result<Self, DefinitionError> {
        Self::only(file, Document::parse(file, text, names)?)
    }

    /// Reads every pipeline of a template.
    pub fn all(mut document: Document) -> Result<Vec<Self>, DefinitionError> {
        names::add_defaults(&mut document);
        let ids = document.resources_of_type("AWS::CodePipeline::Pipeline")?;
        ids.iter().map(|id| Self::of(&document, id)).collect()
    }

    fn only(file: &str, document: Document) -> Result<Self, DefinitionError> {
        let mut pipelines = Self::all(document)?;
        let found = pipelines.len();
        match (pipelines.pop(), found) {
            (Some(pipeline), 1) => Ok(pipeline),
            _ => Err(DefinitionError::NotOne { file: file.to_owned(), found }),
        }
    }

    fn of(document: &Document, id: &str) -> Result<Self, DefinitionError> {
        let properties = document.properties(id)?;
        let text = |name: &str| properties.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let mut problems = Vec::new();
        let name = text("Name").unwrap_or_else(|| id.to_owned());
        let region = document.names().region().to_owned();
        let account_id = document.names().account().to_owned();
        let arn = arn(&region, &account_id, &name);
        let execution_mode = match text("ExecutionMode").as_deref() {
            None | Some("SUPERSEDED") => ExecutionMode::Superseded,
            Some("QUEUED") => ExecutionMode::Queued,
            Some(other) => {
                problems.push(format!("ExecutionMode {other} is none of SUPERSEDED and QUEUED"));
                ExecutionMode::Superseded
            }
        };
        let artifact_bucket = properties.pointer("/ArtifactStore/Location").and_then(Value::as_str);
        if artifact_bucket.is_none() {
            problems.push("ArtifactStore.Location is missing".to_owned());
        }
        let variables = stages::variables(&properties);
        let stages = stages::read(&properties, &mut problems);
        stages::check_references(&stages, &variables, &mut problems);
        let upload_rules = triggers::read(document, &arn)?;
        if !problems.is_empty() {
            return Err(DefinitionError::Wrong { pipeline: name, problems });
        }
        Ok(Self {
            declaration: declaration::of(&name, &properties, execution_mode),
            artifact_bucket: artifact_bucket.unwrap_or_default().to_owned(),
            pipeline_type: text("PipelineType").unwrap_or_else(|| "V1".to_owned()),
            name,
            region,
            account_id,
            execution_mode,
            variables,
            stages,
            upload_rules,
        })
    }

    #[must_use]
    pub fn arn(&self) -> String {
        arn(&self.region, &self.account_id, &self.name)
    }

    pub(crate) fn stage_index(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }

    pub(crate) fn action(&self, stage: usize, name: &str) -> Option<&Action> {
        self.stages.get(stage)?.actions.iter().find(|action| action.name == name)
    }
}

fn arn(region: &str, account_id: &str, name: &str) -> String {
    format!("arn:aws:codepipeline:{region}:{account_id}:{name}")
}

#[cfg(test)]
mod tests;
