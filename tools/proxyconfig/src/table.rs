//! Tables: columns as wide as their widest cell and some more.

/// Whether things of one kind are listed, or of all kinds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Of one kind.
    Alone,
    /// Of all kinds: each line begins with its kind and name, `cluster/NAME`.
    Together,
}

impl Listing {
    /// The name as it is listed.
    pub(crate) fn name(self, kind: &str, name: &str) -> String {
        match self {
            Listing::Alone => name.to_owned(),
            Listing::Together => format!("{kind}/{name}"),
        }
    }

    /// A heading, with a column for the name where things are listed together.
    pub(crate) fn heading(self, heading: &[&'static str]) -> Vec<&'static str> {
        let name = (self == Listing::Together).then_some("NAME");
        name.into_iter().chain(heading.iter().copied()).collect()
    }

    /// The cell of that column.
    pub(crate) fn cell(self, kind: &str, name: &str) -> Option<String> {
        (self == Listing::Together).then(|| self.name(kind, name))
    }
}

/// Lines of cells under a heading. The last cell of a line is not padded.
pub(crate) struct Table {
    lines: Vec<Vec<String>>,
    padding: usize,
}

impl Table {
    pub(crate) fn new(heading: &[&str], padding: usize) -> Self {
        let heading = heading.iter().map(|cell| (*cell).to_owned()).collect();
        Table {
            lines: vec![heading],
            padding,
        }
    }

    /// A table without a heading.
    pub(crate) fn plain(padding: usize) -> Self {
        Table {
            lines: Vec::new(),
            padding,
        }
    }

    pub(crate) fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        self.lines.push(cells.into_iter().collect());
    }

    pub(crate) fn text(&self) -> String {
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.lines.iter().filter_map(|line| line.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + self.padding
            })
            .collect();
        let mut text = String::new();
        for line in &self.lines {
            for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
                text.push_str(cell);
                if at + 1 < line.len() {
                    let room = width.saturating_sub(cell.chars().count());
                    text.extend(std::iter::repeat_n(' ', room));
                }
            }
            text.push('\n');
        }
        text
    }
}
