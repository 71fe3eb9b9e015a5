//! Reads AWS's XML answers.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use crate::trouble::{Result, Trouble};

/// The text of the first element of a name.
///
/// # Errors
///
/// Where there is none.
pub fn first(answer: &str, name: &str) -> Result<String> {
    let document = Document::parse(answer)?;
    let found = document.descendants().find(|node| node.tag_name().name() == name).and_then(|node| node.text());
    found.map(str::to_owned).ok_or_else(|| Trouble::new(format!("AWS's answer has no {name}")))
}

/// What a function makes of each member of a list: of each child element of every element of this name.
///
/// # Errors
///
/// Where the answer is no XML.
pub fn members<T>(answer: &str, list: &str, read: impl Fn(Node<'_, '_>) -> T) -> Result<Vec<T>> {
    let document = Document::parse(answer)?;
    let lists = document.descendants().filter(|node| node.tag_name().name() == list);
    Ok(lists.flat_map(|list| list.children().filter(Node::is_element)).map(read).collect())
}

/// The element at a path below this one.
#[must_use]
pub fn at<'a, 'i>(node: Node<'a, 'i>, path: &[&str]) -> Option<Node<'a, 'i>> {
    path.iter().try_fold(node, |node, name| node.children().find(|child| child.tag_name().name() == *name))
}

/// The text at a path below this element; empty where there is none.
#[must_use]
pub fn text(node: Node<'_, '_>, path: &[&str]) -> String {
    at(node, path).and_then(|node| node.text()).unwrap_or_default().to_owned()
}

/// The tags of a list at a path below this element, in either spelling of AWS's (`key`, `Key`).
#[must_use]
pub fn tags(node: Node<'_, '_>, path: &[&str]) -> BTreeMap<String, String> {
    let list = at(node, path);
    let members = list.into_iter().flat_map(|list| list.children().filter(Node::is_element));
    let either = |node, lower: &str, upper: &str| {
        let found = text(node, &[lower]);
        if found.is_empty() { text(node, &[upper]) } else { found }
    };
    members.map(|tag| (either(tag, "key", "Key"), either(tag, "value", "Value"))).collect()
}
