//! Reading AWS's XML answers, whose lists are elements full of `item` or `member`.
//!
//! AWS's namespaces name the service and its version, which says nothing here: only local names are compared.

use roxmltree::Node;

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// All elements of a name, at any depth.
pub(crate) fn all<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.descendants().filter(move |element| is(*element, name))
}

/// The first element of a name directly below.
pub(crate) fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|element| is(*element, name))
}

/// The entries of a list directly below; none where there is no such list.
pub(crate) fn list<'a, 'i>(node: Node<'a, 'i>, list: &str, entry: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    child(node, list).into_iter().flat_map(|list| list.children()).filter(move |element| is(*element, entry))
}

/// The text of the first element of a name directly below.
pub(crate) fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name).and_then(|element| element.text()).map(str::trim)
}
