//! The services' configs in a CloudFormation or SAM template, as far as they can be read without CloudFormation.
//!
//! A parameter has its default. What only CloudFormation knows is marked, so that nobody is told that it is wrong.

use std::collections::BTreeMap;

use domain::id::ServiceName;
use serde_yaml_ng::{Mapping, Value};

/// Stands before what is left to CloudFormation; a character that no text has.
pub(crate) const LEFT: char = '\u{e000}';
/// The last folder of the path below which services are parameters, as Pointsman's own template has it.
const SERVICES: &str = "/services";

/// What names stand for: parameters, and the variables of loops.
type Names = BTreeMap<String, String>;

/// What a template says.
#[derive(Debug, Default)]
pub(crate) struct Template {
    /// The variables of its functions: those that all have, then each function's own.
    pub variables: Vec<(String, String)>,
    /// Services that are SSM parameters.
    pub services: Vec<(ServiceName, String)>,
    /// Whether it has functions.
    pub has_functions: bool,
}

impl Template {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence, where it is no YAML or has a loop over what only CloudFormation knows.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let template: Value = serde_yaml_ng::from_str(text).map_err(|error| format!("it is no YAML: {error}"))?;
        let names = defaults(template.get("Parameters").and_then(Value::as_mapping));
        let mut read = Self::default();
        if let Some(globals) = template.get("Globals").and_then(|globals| globals.get("Function")) {
            read.variables.extend(variables(globals, &names));
        }
        if let Some(resources) = template.get("Resources").and_then(Value::as_mapping) {
            read.resources(resources, &names)?;
        }
        Ok(read)
    }

    fn resources(&mut self, resources: &Mapping, names: &Names) -> Result<(), String> {
        for (key, resource) in resources {
            match key.as_str().and_then(|key| key.strip_prefix("Fn::ForEach::")) {
                Some(name) => self.each(name, resource, names)?,
                None => self.resource(resource, names),
            }
        }
        Ok(())
    }

    /// A loop: its variable, what that goes through, and resources.
    fn each(&mut self, name: &str, values: &Value, names: &Names) -> Result<(), String> {
        let unread = || format!("the values of its loop {name} are left to CloudFormation");
        let [Value::String(variable), values, Value::Mapping(resources)] =
            values.as_sequence().map(Vec::as_slice).unwrap_or_default()
        else {
            return Err(unread());
        };
        let values: Vec<String> = match values.as_sequence() {
            Some(values) => values.iter().map(|value| text(value, names)).collect(),
            None => text(values, names).split(',').map(str::to_owned).collect(),
        };
        if values.iter().any(|value| value.contains(LEFT)) {
            return Err(unread());
        }
        for value in values {
            let mut names = names.clone();
            names.insert(variable.clone(), value);
            self.resources(resources, &names)?;
        }
        Ok(())
    }

    fn resource(&mut self, resource: &Value, names: &Names) {
        let Some(properties) = resource.get("Properties") else { return };
        match resource.get("Type").and_then(Value::as_str) {
            Some("AWS::Serverless::Function" | "AWS::Lambda::Function") => {
                self.has_functions = true;
                self.variables.extend(variables(properties, names));
            }
            Some("AWS::SSM::Parameter") => {
                let [name, value] = ["Name", "Value"]
                    .map(|key| properties.get(key).map(|value| text(value, names)).unwrap_or_default());
                // Other parameters hold other things: user data, the names of images.
                if let Some((folder, name)) = name.rsplit_once('/')
                    && (folder.ends_with(SERVICES) || folder.contains(LEFT))
                    && let Ok(name) = ServiceName::new(name)
                {
                    self.services.push((name, value));
                }
            }
            _ => {}
        }
    }
}

/// Parameters by their defaults.
fn defaults(parameters: Option<&Mapping>) -> Names {
    let default = |(name, parameter): (&Value, &Value)| {
        let kind = parameter.get("Type").and_then(Value::as_str).unwrap_or_default();
        // The default of such a one is the name of what is looked up.
        let looked_up = kind.starts_with("AWS::SSM::Parameter::Value");
        let default = parameter.get("Default").filter(|_| !looked_up)?;
        Some((name.as_str()?.to_owned(), text(default, &Names::new())))
    };
    parameters.into_iter().flatten().filter_map(default).collect()
}

fn variables(function: &Value, names: &Names) -> Vec<(String, String)> {
    let found = function.get("Environment").and_then(|value| value.get("Variables")).and_then(Value::as_mapping);
    let pairs = found.into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), text(value, names)))).collect()
}

/// A text as CloudFormation would make it.
fn text(value: &Value, names: &Names) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Tagged(tagged) => made(tagged.tag.to_string().trim_start_matches('!'), &tagged.value, names),
        Value::Mapping(mapping) => match mapping.iter().next().and_then(|(key, value)| Some((key.as_str()?, value))) {
            Some((key, value)) => made(key.trim_start_matches("Fn::"), value, names),
            None => left("{}"),
        },
        Value::Sequence(_) => left("[…]"),
        Value::Null => String::new(),
    }
}

/// What one of CloudFormation's own functions makes.
fn made(function: &str, of: &Value, names: &Names) -> String {
    match (function, of) {
        ("Ref", Value::String(name)) => named(name, names),
        ("Sub", Value::String(text)) => substituted(text, names),
        ("Sub", Value::Sequence(parts)) => match parts.as_slice() {
            [Value::String(text), Value::Mapping(own)] => {
                let own =
                    own.iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), self::text(value, names))));
                let mut all = names.clone();
                all.extend(
                    own.map(|(key, value)| if value.contains(LEFT) { (key.clone(), left(&key)) } else { (key, value) }),
                );
                substituted(text, &all)
            }
            _ => left(function),
        },
        _ => left(function),
    }
}

fn named(name: &str, names: &Names) -> String {
    names.get(name).cloned().unwrap_or_else(|| left(name))
}

fn left(what: &str) -> String {
    format!("{LEFT}${{{what}}}")
}

/// `!Sub`'s text.
fn substituted(text: &str, names: &Names) -> String {
    let (mut made, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("${") {
        made.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            made.push_str("${");
            rest = after;
            continue;
        };
        match name.strip_prefix('!') {
            Some(literal) => made.push_str(&format!("${{{literal}}}")),
            None => made.push_str(&named(name.trim(), names)),
        }
        rest = after;
    }
    made.push_str(rest);
    made
}
