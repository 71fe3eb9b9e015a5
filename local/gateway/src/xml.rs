//! XML answers as a tree that can be changed and written again.

use std::fmt::Write;

use crate::protocol::escape;

/// An element: its children in order, or its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// The default namespace, where it differs from the parent's.
    namespace: Option<String>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// An element with text.
    pub(crate) fn leaf(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), ..Self::default() }
    }

    /// An element with children.
    pub(crate) fn node(name: &str, children: Vec<Self>) -> Self {
        Self { name: name.to_owned(), children, ..Self::default() }
    }

    /// The same element, in a default namespace.
    pub(crate) fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Reads a document; none where it is no XML.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let document = roxmltree::Document::parse(text).ok()?;
        Some(Self::read(document.root_element(), None))
    }

    fn read(node: roxmltree::Node<'_, '_>, parent_namespace: Option<&str>) -> Self {
        let namespace = node.tag_name().namespace();
        Self {
            name: node.tag_name().name().to_owned(),
            namespace: namespace.filter(|name| parent_namespace != Some(*name)).map(str::to_owned),
            // Text beside elements is only the writer's indentation.
            text: if node.children().any(|child| child.is_element()) {
                String::new()
            } else {
                node.text().unwrap_or_default().to_owned()
            },
            children: node
                .children()
                .filter(roxmltree::Node::is_element)
                .map(|child| Self::read(child, namespace))
                .collect(),
        }
    }

    /// Writes a document.
    pub(crate) fn document(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        let _ = write!(out, "<{}", self.name);
        if let Some(namespace) = &self.namespace {
            let _ = write!(out, " xmlns=\"{}\"", escape(namespace));
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        out.push_str(&escape(&self.text));
        for child in &self.children {
            child.write(out);
        }
        let _ = write!(out, "</{}>", self.name);
    }

    /// The first child of a name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name; empty where there is none.
    pub(crate) fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| &child.text)
    }

    /// The items of a list: the children of the first child of a name.
    pub(crate) fn items(&self, list: &str) -> &[Self] {
        self.child(list).map_or(&[], |list| &list.children)
    }

    /// Finds an element anywhere below, in document order.
    pub(crate) fn find(&self, name: &str) -> Option<&Self> {
        self.children.iter().find_map(|child| if child.name == name { Some(child) } else { child.find(name) })
    }

    /// Finds an element anywhere below, to change it.
    pub(crate) fn find_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.children.iter_mut().find_map(|child| if child.name == name { Some(child) } else { child.find_mut(name) })
    }

    /// Calls a function on every element of a name below.
    pub(crate) fn each_mut(&mut self, name: &str, change: &mut impl FnMut(&mut Self)) {
        for child in &mut self.children {
            if child.name == name {
                change(child);
            }
            child.each_mut(name, change);
        }
    }

    /// Puts a child in place of the one of its name, or behind the others.
    pub(crate) fn set(&mut self, element: Self) {
        match self.children.iter_mut().find(|child| child.name == element.name) {
            Some(child) => *child = element,
            None => self.children.push(element),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Element;

    #[test]
    fn what_is_read_is_written() {
        let text =
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A xmlns=\"urn:a\"><b>1 &amp; &lt;2&gt;</b><c><d/></c></A>";
        assert_eq!(Element::parse(text).unwrap().document(), text);
    }

    #[test]
    fn changes_reach_every_depth() {
        let mut element = Element::parse("<a><b><x>1</x></b><x>2</x></a>").unwrap();
        element.each_mut("x", &mut |x| x.text.push('!'));
        element.set(Element::leaf("x", "3"));
        assert_eq!(element.find("x").unwrap().text, "1!");
        assert_eq!(element.text_of("x"), "3");
    }
}
