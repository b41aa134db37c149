//! Where one YAML document ends and the next begins (YAML 1.2.2, section 9.2): found by text alone,
//! so that a malformed document cannot swallow those after it.

/// One document of a text.
#[derive(Debug, PartialEq)]
pub(super) struct Document<'a> {
    /// Counted from 1, documents without content included.
    pub(super) index: usize,
    /// The document's text, its own `---` line included.
    pub(super) text: &'a str,
    /// The line of the source, from 1, on which `text` begins.
    pub(super) line_of_text: u64,
    /// The line of the source, from 1, of the first content.
    pub(super) first_line: u64,
}

/// Splits at lines that begin with `---` and after lines that begin with `...`; documents of
/// nothing but comments and blank lines are left out, but counted.
pub(super) fn split(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut open = Open::at(0, 1, 1);
    let mut offset = 0;
    let mut index = 1;
    for (line_number, line) in (1u64..).zip(text.split_inclusive('\n')) {
        let starts = is_marker(line, "---");
        if starts && open.used {
            documents.extend(open.close(text, offset));
            index += 1;
            open = Open::at(offset, line_number, index);
        }
        open.used |= starts || is_content(line);
        let content = if starts {
            line.get(3..).unwrap_or("")
        } else {
            line
        };
        if is_content(content) && open.first_content.is_none() {
            open.first_content = Some(line_number);
        }
        offset += line.len();
        if is_marker(line, "...") && open.used {
            documents.extend(open.close(text, offset));
            index += 1;
            open = Open::at(offset, line_number + 1, index);
        }
    }
    documents.extend(open.close(text, offset));
    documents
}

struct Open {
    start: usize,
    line: u64,
    index: usize,
    /// Whether a marker or content was seen.
    used: bool,
    first_content: Option<u64>,
}

impl Open {
    fn at(start: usize, line: u64, index: usize) -> Self {
        Self {
            start,
            line,
            index,
            used: false,
            first_content: None,
        }
    }

    fn close<'a>(&self, text: &'a str, end: usize) -> Option<Document<'a>> {
        Some(Document {
            index: self.index,
            text: text.get(self.start..end)?,
            line_of_text: self.line,
            first_line: self.first_content?,
        })
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#') && !is_marker(line, "...")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn documents_know_their_place_in_the_text() {
        let found = split("# head\n---\na: 1\n---\n# nothing\n---\n\nb: 2\n...\nc: 3\n");
        let places: Vec<_> = found
            .iter()
            .map(|d| (d.index, d.line_of_text, d.first_line))
            .collect();
        assert_eq!(places, [(1, 1, 3), (3, 6, 8), (4, 10, 10)]);
        assert_eq!(found[2].text, "c: 3\n");
    }

    #[test]
    fn dashes_that_are_not_a_marker_do_not_split() {
        assert_eq!(split("a: |\n  ---\n  b\nc: ----\n----x: 1\n").len(), 1);
    }

    #[test]
    fn a_text_of_comments_has_no_documents() {
        assert_eq!(split("# a\n---\n# b\n---\n"), []);
        assert_eq!(split(""), []);
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_are_read() {
        assert_eq!(split("\u{feff}a: 1\r\n---\r\nb: 1\r\n").len(), 2);
    }
}
