//! Columns as wide as their widest cell and some more.

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
