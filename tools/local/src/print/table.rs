//! Columns as kubectl aligns them: every cell but a line's last is padded to its column plus three blanks.

/// Blanks between columns.
const GAP: usize = 3;

/// A table's text. Cells that are missing are empty.
pub fn render(rows: &[Vec<String>]) -> String {
    render_on(rows, &mut Vec::new())
}

/// The text of rows that follow others: columns are at least as wide as `widths`, which remembers them.
pub fn render_on(rows: &[Vec<String>], widths: &mut Vec<usize>) -> String {
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(known) => *known = width.max(*known),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths.iter()).enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                let padding = width + GAP - cell.chars().count();
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_later_keep_the_columns() {
        let row = |cells: [&str; 2]| vec![cells.map(str::to_owned).to_vec()];
        let mut widths = Vec::new();
        let first = render_on(&row(["longer", "b"]), &mut widths);
        let second = render_on(&row(["a", "b"]), &mut widths);
        assert_eq!(
            (first.as_str(), second.as_str()),
            ("longer   b\n", "a        b\n")
        );
    }

    #[test]
    fn the_last_cell_of_a_line_is_not_padded() {
        let rows = [
            vec!["NAME".to_owned(), "READY".to_owned(), "AGE".to_owned()],
            vec!["longer-name".to_owned(), "2/2".to_owned(), "5s".to_owned()],
        ];
        assert_eq!(
            render(&rows),
            "NAME          READY   AGE\nlonger-name   2/2     5s\n"
        );
    }
}
