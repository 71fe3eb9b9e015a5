//! CloudFormation documents: reads YAML or JSON and resolves the intrinsic functions in it.
//!
//! A value is resolved only when it is asked for. A template names many things that a reader of
//! it has no use for (a dashboard, an alarm), and nobody should have to make up ARNs for those.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

mod conditions;
mod functions;
mod yaml;

/// Conditions that refer to each other in a circle end here. No template nests them so deep.
const CONDITION_DEPTH_MAX: usize = 32;

/// What is wrong with a template, and where in it.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{file} cannot be read")]
    Read {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{file} is neither YAML nor JSON: {reason}")]
    Parse { file: String, reason: String },
    #[error("{file}: {at} refers to {name}, and nothing is known by that name. Known are: {known}")]
    UnknownName { file: String, at: String, name: String, known: String },
    #[error("{file}: {at}: {problem}")]
    Wrong { file: String, at: String, problem: String },
}

/// What `Ref`, `Fn::GetAtt` and `Fn::Sub` give for the names of a template.
///
/// A parameter or a resource is known by its logical id (`LeaseTable`), an attribute of a resource by
/// id and attribute (`LeaseTable.Arn`). The pseudo parameters of one account and region are in from
/// the start.
#[derive(Clone, Debug)]
pub struct Names {
    values: BTreeMap<String, Value>,
}

impl Names {
    /// The pseudo parameters of this account and region, in the standard partition.
    #[must_use]
    pub fn new(region: &str, account: &str) -> Self {
        let stack = format!("arn:aws:cloudformation:{region}:{account}:stack/pointsman/local");
        let pseudo = [
            ("AWS::Region", region),
            ("AWS::AccountId", account),
            ("AWS::Partition", "aws"),
            ("AWS::URLSuffix", "amazonaws.com"),
            ("AWS::StackName", "pointsman"),
            ("AWS::StackId", &stack),
        ];
        let values = pseudo.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        Self { values }
    }

    /// Adds a name, or gives it another value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds a name, or gives it another value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Adds a name unless it has a value: what the caller says goes before what can be derived.
    pub fn set_default(&mut self, name: &str, value: impl Into<Value>) {
        self.values.entry(name.to_owned()).or_insert_with(|| value.into());
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The region, which is part of most ARNs.
    #[must_use]
    pub fn region(&self) -> &str {
        self.text("AWS::Region")
    }

    /// The account id, which is part of most ARNs.
    #[must_use]
    pub fn account(&self) -> &str {
        self.text("AWS::AccountId")
    }

    fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Default for Names {
    /// The account and region that the simulator stands for.
    fn default() -> Self {
        Self::new("us-east-1", "123456789012")
    }
}

/// One template, with what its names stand for.
#[derive(Clone, Debug)]
pub struct Document {
    file: String,
    body: Value,
    names: Names,
}

impl Document {
    /// Reads a template from a file.
    pub fn read(path: &Path, names: &Names) -> Result<Self, TemplateError> {
        let file = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| TemplateError::Read { file: file.clone(), source })?;
        Self::parse(&file, &text, names)
    }

    /// Reads a template from its text; `file` is only for the messages.
    pub fn parse(file: &str, text: &str, names: &Names) -> Result<Self, TemplateError> {
        let body = yaml::parse(text).map_err(|reason| TemplateError::Parse { file: file.to_owned(), reason })?;
        Ok(Self { file: file.to_owned(), body, names: names.clone() })
    }

    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    pub fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// The logical ids of the resources of this type, in the order of the file, without those whose
    /// `Condition` does not hold.
    pub fn resources_of_type(&self, kind: &str) -> Result<Vec<String>, TemplateError> {
        let mut ids = Vec::new();
        for (id, resource) in self.section("Resources") {
            if resource.get("Type").and_then(Value::as_str) != Some(kind) {
                continue;
            }
            let wanted = match resource.get("Condition").and_then(Value::as_str) {
                Some(condition) => self.condition(condition, 0)?,
                None => true,
            };
            if wanted {
                ids.push(id.clone());
            }
        }
        Ok(ids)
    }

    /// All properties of a resource, resolved. Fails if any of them names something unknown.
    pub fn properties(&self, id: &str) -> Result<Value, TemplateError> {
        let at = format!("Resources.{id}.Properties");
        match self.raw_properties(id) {
            Some(properties) => self.resolve(&at, properties),
            None => Ok(Value::Object(Map::new())),
        }
    }

    /// One property of a resource, resolved; the others are not looked at.
    pub fn property(&self, id: &str, name: &str) -> Result<Option<Value>, TemplateError> {
        let Some(value) = self.raw_properties(id).and_then(|all| all.get(name)) else {
            return Ok(None);
        };
        self.resolve_optional(&format!("Resources.{id}.Properties.{name}"), value)
    }

    /// The properties of a resource as they are written, with short tags in their long form.
    #[must_use]
    pub fn raw_properties(&self, id: &str) -> Option<&Value> {
        self.body.get("Resources")?.get(id)?.get("Properties")
    }

    /// A top-level section (`Resources`, `Globals`, `Outputs`) as it is written.
    pub fn section(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.body.get(name).and_then(Value::as_object).into_iter().flatten()
    }

    /// The value of an output, resolved.
    pub fn output(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        let output = self.body.get("Outputs").and_then(|all| all.get(name));
        match output.and_then(|output| output.get("Value")) {
            Some(value) => self.resolve_optional(&format!("Outputs.{name}.Value"), value),
            None => Ok(None),
        }
    }

    /// What `Ref` gives for a parameter, a resource or a pseudo parameter.
    pub fn reference(&self, at: &str, name: &str) -> Result<Value, TemplateError> {
        let parameter = self.body.get("Parameters").and_then(|all| all.get(name));
        let kind = parameter.and_then(|parameter| parameter.get("Type")).and_then(Value::as_str).unwrap_or_default();
        // The default of such a parameter is the name of an SSM parameter, not its value.
        let stands_for_itself = !kind.starts_with("AWS::SSM::Parameter::Value");
        let default = parameter.and_then(|parameter| parameter.get("Default")).filter(|_| stands_for_itself);
        let Some(value) = self.names.get(name).or(default) else {
            return Err(self.unknown(at, name));
        };
        let is_list = kind == "CommaDelimitedList" || kind.starts_with("List<");
        match value.as_str() {
            Some(text) if is_list => Ok(text.split(',').map(str::trim).collect()),
            Some(_) | None => Ok(value.clone()),
        }
    }

    /// Resolves every intrinsic function in a value; `at` is where it stands, for the messages.
    pub fn resolve(&self, at: &str, value: &Value) -> Result<Value, TemplateError> {
        Ok(self.resolve_optional(at, value)?.unwrap_or(Value::Null))
    }

    /// As `resolve`; nothing if the value is `AWS::NoValue`.
    pub fn resolve_optional(&self, at: &str, value: &Value) -> Result<Option<Value>, TemplateError> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Some(value.clone())),
            Value::Array(items) => {
                let mut resolved = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    resolved.extend(self.resolve_optional(&format!("{at}.{index}"), item)?);
                }
                Ok(Some(Value::Array(resolved)))
            }
            Value::Object(members) => {
                if let Some((function, argument)) = functions::call(members) {
                    return self.evaluate(at, function, argument);
                }
                let mut resolved = Map::new();
                for (key, member) in members {
                    if let Some(member) = self.resolve_optional(&format!("{at}.{key}"), member)? {
                        resolved.insert(key.clone(), member);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
        }
    }

    /// The problem at a place of this template, as an error.
    #[must_use]
    pub fn wrong(&self, at: &str, problem: impl Into<String>) -> TemplateError {
        TemplateError::Wrong { file: self.file.clone(), at: at.to_owned(), problem: problem.into() }
    }

    fn unknown(&self, at: &str, name: &str) -> TemplateError {
        let known: Vec<&str> = self.names.values.keys().map(String::as_str).collect();
        TemplateError::UnknownName {
            file: self.file.clone(),
            at: at.to_owned(),
            name: name.to_owned(),
            known: known.join(", "),
        }
    }
}

#[cfg(test)]
mod tests;
