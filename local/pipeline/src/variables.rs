//! `#{Namespace.Key}` in an action's configuration, and what it stands for.

use std::collections::BTreeMap;

/// Output variables by the namespace of the action that gave them.
pub(crate) type Namespaces = BTreeMap<String, BTreeMap<String, String>>;

/// The namespace that CodePipeline itself fills.
pub(crate) const SYSTEM_NAMESPACE: &str = "codepipeline";
/// The namespace of a pipeline's own variables.
pub(crate) const PIPELINE_NAMESPACE: &str = "variables";

/// Lists the references in a text, as (namespace, key).
pub(crate) fn references(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(text, |reference| {
        found.push(split(reference));
        None
    });
    found
}

/// Replaces each reference by its value, or names those that have none.
pub(crate) fn resolve(text: &str, namespaces: &Namespaces) -> Result<String, Vec<String>> {
    let mut unknown = Vec::new();
    let resolved = walk(text, |reference| {
        let (namespace, key) = split(reference);
        let value = namespaces.get(&namespace).and_then(|variables| variables.get(&key)).cloned();
        if value.is_none() {
            unknown.push(format!("#{{{reference}}}"));
        }
        value
    });
    if unknown.is_empty() { Ok(resolved) } else { Err(unknown) }
}

fn split(reference: &str) -> (String, String) {
    let (namespace, key) = reference.split_once('.').unwrap_or((reference, ""));
    (namespace.trim().to_owned(), key.trim().to_owned())
}

/// Copies a text, giving each `#{…}` to `replace`; what it has nothing for stays as it is.
fn walk(text: &str, mut replace: impl FnMut(&str) -> Option<String>) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("#{") {
        written.push_str(before);
        let Some((reference, behind)) = after.split_once('}') else {
            // An opening without an end is plain text.
            written.push_str("#{");
            rest = after;
            continue;
        };
        match replace(reference) {
            Some(value) => written.push_str(&value),
            None => {
                written.push_str("#{");
                written.push_str(reference);
                written.push('}');
            }
        }
        rest = behind;
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces() -> Namespaces {
        let provision = BTreeMap::from([("Release".to_owned(), "r-1".to_owned())]);
        Namespaces::from([("Provision".to_owned(), provision)])
    }

    #[test]
    fn references_are_replaced_and_other_text_stays() {
        for (text, want) in [
            (r##"{"release":"#{Provision.Release}"}"##, Ok(r#"{"release":"r-1"}"#.to_owned())),
            ("#{Provision.Release}#{Provision.Release}", Ok("r-1r-1".to_owned())),
            ("no reference, # and { and }", Ok("no reference, # and { and }".to_owned())),
            ("open #{Provision.Release", Ok("open #{Provision.Release".to_owned())),
            ("#{Provision.Nothing}", Err(vec!["#{Provision.Nothing}".to_owned()])),
            ("#{Register.Url} #{x}", Err(vec!["#{Register.Url}".to_owned(), "#{x}".to_owned()])),
        ] {
            assert_eq!(resolve(text, &namespaces()), want, "{text}");
        }
    }

    #[test]
    fn references_are_found() {
        assert_eq!(references("a #{b.c} #{d}"), [("b".to_owned(), "c".to_owned()), ("d".to_owned(), String::new())]);
    }
}
