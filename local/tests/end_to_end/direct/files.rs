//! CI files: YAML, looked at by path; what is not there, or of another kind than is asked for, is a fault of the file.

use local::Stack;
use serde_yaml_ng::Value as Yaml;

/// The text of an example's file.
pub fn text(stack: &Stack, path: &str) -> String {
    let path = stack.options().repository.join("examples").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An example's file, which is YAML.
pub fn yaml(stack: &Stack, path: &str) -> Yaml {
    serde_yaml_ng::from_str(&text(stack, path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The members of a mapping, in the file's order; none where there is no mapping.
pub fn members(yaml: &Yaml) -> impl Iterator<Item = (&str, &Yaml)> {
    yaml.as_mapping().into_iter().flatten().map(|(key, value)| (key.as_str().unwrap(), value))
}

/// The lines of a list; none where there is no list.
pub fn lines(yaml: &Yaml) -> Vec<&str> {
    yaml.as_sequence().into_iter().flatten().map(|line| line.as_str().unwrap()).collect()
}

/// A scalar as text.
pub fn scalar(yaml: &Yaml) -> String {
    match yaml {
        Yaml::String(text) => text.clone(),
        Yaml::Number(number) => number.to_string(),
        Yaml::Bool(value) => value.to_string(),
        Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => panic!("{yaml:?} is no scalar"),
    }
}

/// A mapping has no other keys than these: what an interpreter would overlook.
pub fn only(what: &str, yaml: &Yaml, known: &[&str]) {
    for (key, _) in members(yaml) {
        assert!(known.contains(&key), "{what}: {key} is not interpreted here");
    }
}
