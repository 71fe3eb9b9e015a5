//! The services' configs from a template or a file, as the variables that the functions would have.

use domain::config::Settings;
use domain::id::ServiceName;
use serde_yaml_ng::Value;

/// Variables of the functions.
pub type Variables = Vec<(String, String)>;

/// What the template leaves to CloudFormation, and a config is not judged by.
const STANDS_IN: [(&str, &str); 1] = [("LEASE_TABLE", "the-stacks-own")];

/// The variables of a template's functions: those that all have, then each function's own.
///
/// # Errors
/// A sentence, where it is no YAML or has no functions.
pub fn of_template(text: &str) -> Result<Variables, String> {
    let template: Value = serde_yaml_ng::from_str(text).map_err(|error| format!("it is no YAML: {error}"))?;
    let variables = |value: &Value| {
        let found = value.get("Environment").and_then(|value| value.get("Variables")).and_then(Value::as_mapping);
        let pairs = found.into_iter().flatten();
        pairs.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), plain(value)?))).collect::<Variables>()
    };
    let globals = template.get("Globals").and_then(|globals| globals.get("Function"));
    let mut all: Variables = globals.map(variables).unwrap_or_default();
    let resources = template.get("Resources").and_then(Value::as_mapping);
    let is_function = |resource: &Value| {
        let kind = resource.get("Type").and_then(Value::as_str);
        matches!(kind, Some("AWS::Serverless::Function" | "AWS::Lambda::Function"))
    };
    let mut functions = 0;
    for (_, resource) in resources.into_iter().flatten().filter(|(_, resource)| is_function(resource)) {
        functions += 1;
        all.extend(resource.get("Properties").map(variables).unwrap_or_default());
    }
    if functions == 0 {
        return Err("it has no Lambda functions: name Pointsman's template, not a service's pipeline".to_owned());
    }
    Ok(with_stand_ins(all))
}

/// The variables for one service's config, as a file has it.
#[must_use]
pub fn of_config(service: &ServiceName, text: &str) -> Variables {
    with_stand_ins(vec![(service.variable(), text.to_owned())])
}

/// The variables of this process itself.
#[must_use]
pub fn of_environment(variables: impl Iterator<Item = (String, String)>) -> Variables {
    with_stand_ins(variables.collect())
}

/// The lease table's name, where it is known: a config that was given here has none, or leaves it to its stack.
#[must_use]
pub fn lease_table(settings: &Settings) -> Option<&str> {
    settings.lease_table.as_deref().filter(|table| STANDS_IN.iter().all(|(_, stand_in)| table != stand_in))
}

fn with_stand_ins(mut variables: Variables) -> Variables {
    for (name, value) in STANDS_IN {
        if variables.iter().all(|(known, _)| known != name) {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    variables
}

/// A text as it stands, or as `!Sub` would begin with; what only CloudFormation knows is left out.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Tagged(tagged) if tagged.tag == "Sub" => tagged.value.as_str().map(str::to_owned),
        Value::Tagged(_) | Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::config::Settings;

    use super::*;

    #[test]
    fn a_template_has_the_services_that_its_functions_would_have() {
        let template = "
Globals:
  Function:
    Environment:
      Variables:
        LEASE_TABLE: !Ref LeaseTable
        SERVICE_DEFAULTS: '{\"port\": 8080}'
Resources:
  Promote:
    Type: AWS::Serverless::Function
    Properties:
      Environment:
        Variables:
          SERVICE_MOBILE_WEB: |
            {\"port\": 0}
";
        let settings = Settings::from_variables(of_template(template).unwrap());
        let name = ServiceName::new("mobile-web").unwrap();
        let found = settings.find(&name, None).unwrap();
        let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|problem| problem.contains("port")), "{problems:?}");
        assert!(!problems.iter().any(|problem| problem.contains("LEASE_TABLE")), "{problems:?}");
        assert!(of_template("Resources: {}").unwrap_err().contains("no Lambda functions"));
        assert!(of_template("a: [").unwrap_err().contains("no YAML"));
    }
}
