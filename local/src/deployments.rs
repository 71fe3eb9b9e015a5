//! The CodeDeploy action: onto which instances a revision goes, as the pipeline's template says, and what comes of it.

use std::sync::Arc;

use lambda::cloudformation::Document;
use machines::TagFilter;
use serde_json::Value;
use tokio::sync::watch;

use crate::trouble::{Result, Trouble};

pub mod api;

/// A deployment group of a template: the tags that choose its instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub application: String,
    pub name: String,
    pub tag_set: Vec<Vec<TagFilter>>,
}

/// Reads the deployment groups of a pipeline's template.
///
/// # Errors
///
/// Where one cannot be read.
pub fn groups(template: &Document) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    for id in template.resources_of_type("AWS::CodeDeploy::DeploymentGroup")? {
        let text = |name: &str| -> Result<String> {
            let value = template.property(&id, name)?;
            Ok(value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned())
        };
        let set = template.property(&id, "Ec2TagSet")?.unwrap_or_default();
        let lists = set.get("Ec2TagSetList").and_then(Value::as_array).into_iter().flatten();
        let tag_set = lists.map(|list| filters(list.get("Ec2TagGroup"))).collect::<Result<_>>()?;
        groups.push(Group { application: text("ApplicationName")?, name: text("DeploymentGroupName")?, tag_set });
    }
    Ok(groups)
}

fn filters(list: Option<&Value>) -> Result<Vec<TagFilter>> {
    let filter = |filter: &Value| {
        let text = |name: &str| filter.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match text("Type").as_str() {
            "KEY_ONLY" => Ok(TagFilter::KeyOnly(text("Key"))),
            "VALUE_ONLY" => Ok(TagFilter::ValueOnly(text("Value"))),
            "KEY_AND_VALUE" | "" => Ok(TagFilter::KeyAndValue(text("Key"), text("Value"))),
            other => Err(Trouble::new(format!("{other} is no type of a tag filter"))),
        }
    };
    list.and_then(Value::as_array).into_iter().flatten().map(filter).collect()
}

/// How deployments end where there are no servers; they succeed unless told otherwise.
#[derive(Clone, Debug)]
pub struct Script(Arc<watch::Sender<Ends>>);

/// How deployments end.
#[derive(Clone, Debug)]
enum Ends {
    NotYet,
    With(std::result::Result<String, String>),
}

impl Default for Script {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Ends::With(Ok(WENT_WELL.to_owned())))))
    }
}

const WENT_WELL: &str = "deployed to no real server";

impl Script {
    /// From now on deployments fail with these words, or succeed; those that were held too.
    pub fn fail_with(&self, words: Option<&str>) {
        let end = words.map_or_else(|| Ok(WENT_WELL.to_owned()), |words| Err(words.to_owned()));
        self.0.send_replace(Ends::With(end));
    }

    /// From now on deployments do not end until it is said how.
    pub fn hold(&self) {
        self.0.send_replace(Ends::NotYet);
    }

    /// How a deployment ends.
    ///
    /// # Errors
    ///
    /// Where it was told to fail.
    pub async fn end(&self) -> std::result::Result<String, String> {
        let mut ends = self.0.subscribe();
        let end = ends.wait_for(|ends| matches!(ends, Ends::With(_))).await;
        match end.as_deref() {
            Ok(Ends::With(end)) => end.clone(),
            Ok(Ends::NotYet) | Err(_) => Err("the stack is gone".to_owned()),
        }
    }
}
