//! Changes to header fields that configuration asks for.

use headers::Headers;

/// What is done with a value (`HeaderValueOption.HeaderAppendAction`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// Added beside what is there.
    AppendIfExistsOrAdd,
    /// Added where the name is not there yet.
    AddIfAbsent,
    /// In place of what is there, else added.
    OverwriteIfExistsOrAdd,
    /// In place of what is there, else nothing.
    OverwriteIfExists,
}

/// One value to write.
#[derive(Debug, Clone)]
pub struct HeaderValue {
    /// Lower case.
    pub name: Box<[u8]>,
    /// The value, or the parts of it that are known at request time.
    pub value: accesslog::Template,
    /// How.
    pub append: Append,
}

/// Changes to one header list: removals first, then values in order, as Envoy does.
#[derive(Debug, Clone, Default)]
pub struct Mutations {
    // Nearly all lists stay as they are: that takes one word.
    changes: Option<Box<Changes>>,
}

#[derive(Debug, Clone)]
struct Changes {
    remove: Vec<Box<[u8]>>,
    add: Vec<HeaderValue>,
}

impl Mutations {
    /// Removes fields of these names (lower case) and writes these values.
    #[must_use]
    pub fn new(remove: Vec<Box<[u8]>>, add: Vec<HeaderValue>) -> Self {
        let some = !remove.is_empty() || !add.is_empty();
        Mutations {
            changes: some.then(|| Box::new(Changes { remove, add })),
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_none()
    }

    /// Names (lower case) whose fields go.
    #[must_use]
    pub fn removed(&self) -> &[Box<[u8]>] {
        self.changes.as_ref().map_or(&[], |changes| &changes.remove)
    }

    /// Values that come.
    #[must_use]
    pub fn added(&self) -> &[HeaderValue] {
        self.changes.as_ref().map_or(&[], |changes| &changes.add)
    }

    /// Applies the changes; `render` writes a value's text for this request.
    pub fn apply(
        &self,
        headers: &mut Headers,
        mut render: impl FnMut(&accesslog::Template, &mut Vec<u8>),
    ) {
        for name in self.removed() {
            headers.remove_name(name);
        }
        let mut text = Vec::new();
        for HeaderValue {
            name,
            value,
            append,
        } in self.added()
        {
            text.clear();
            render(value, &mut text);
            if text.is_empty() {
                // `keep_empty_value` of a `HeaderValueOption`, which nobody sets.
                continue;
            }
            let there = headers.find(name).is_some();
            match (append, there) {
                (Append::AddIfAbsent, true) | (Append::OverwriteIfExists, false) => {}
                (Append::AppendIfExistsOrAdd, _) | (Append::AddIfAbsent, false) => {
                    headers.push(name, &text)
                }
                (Append::OverwriteIfExistsOrAdd, _) | (Append::OverwriteIfExists, true) => {
                    headers.replace(name, &text)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_value_that_comes_out_empty_changes_nothing() {
        let value = |name: &str| HeaderValue {
            name: name.as_bytes().into(),
            value: accesslog::Template::parse("").unwrap(),
            append: Append::OverwriteIfExistsOrAdd,
        };
        let mutations = Mutations::new(Vec::new(), vec![value("x-new"), value("x-old")]);
        let mut headers = Headers::new();
        headers.push(b"x-old", b"1");
        mutations.apply(&mut headers, |_, _| {});
        assert_eq!(headers.len(), 1);
        assert_eq!(headers.find(b"x-old"), Some(&b"1"[..]));
    }
}
