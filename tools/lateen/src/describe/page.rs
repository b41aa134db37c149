//! What is said, line by line.

use local::object::{name, namespace};
use serde_json::Value;

/// A text that grows.
pub(super) struct Page {
    text: String,
    /// Objects of this namespace are named without it.
    namespace: String,
}

impl Page {
    pub(super) fn new(namespace: &str) -> Self {
        Self {
            text: String::new(),
            namespace: namespace.to_owned(),
        }
    }

    /// A line, so many spaces in.
    pub(super) fn line(&mut self, indent: usize, line: impl AsRef<str>) {
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Between things that are described.
    pub(super) fn rule(&mut self) {
        self.line(0, "--------------------");
    }

    /// An object's name, with its namespace if it is another than the user's.
    pub(super) fn name(&self, object: &Value) -> String {
        match namespace(object) {
            own if own == self.namespace => name(object).to_owned(),
            other => format!("{}.{other}", name(object)),
        }
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}
