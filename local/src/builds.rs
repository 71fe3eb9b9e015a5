//! The CodeBuild action: the projects of a pipeline's template, whose builds `machines` runs.

use std::collections::BTreeMap;

use lambda::cloudformation::Document;
use machines::Project;
use serde_json::Value;

use crate::trouble::Result;

/// Reads the build projects of a pipeline's template.
///
/// # Errors
///
/// Where one cannot be read.
pub fn projects(template: &Document) -> Result<Vec<Project>> {
    let mut projects = Vec::new();
    for id in template.resources_of_type("AWS::CodeBuild::Project")? {
        let part = |name: &str| -> Result<Value> { Ok(template.property(&id, name)?.unwrap_or_default()) };
        let (source, environment) = (part("Source")?, part("Environment")?);
        let variables = environment.get("EnvironmentVariables").and_then(Value::as_array).into_iter().flatten();
        let variable = |variable: &Value| {
            let text = |key: &str| variable.get(key).and_then(Value::as_str).map(str::to_owned);
            Some((text("Name")?, text("Value")?))
        };
        projects.push(Project {
            name: part("Name")?.as_str().unwrap_or_default().to_owned(),
            buildspec: source.get("BuildSpec").and_then(Value::as_str).unwrap_or("buildspec.yml").to_owned(),
            privileged: environment.get("PrivilegedMode").and_then(Value::as_bool).unwrap_or_default(),
            environment: variables.filter_map(variable).collect::<BTreeMap<_, _>>(),
        });
    }
    Ok(projects)
}
