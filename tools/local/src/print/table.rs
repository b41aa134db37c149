//! Columns as kubectl aligns them: every cell but a line's last is padded to its column plus three blanks.

/// Blanks between columns.
const GAP: usize = 3;

/// A table's text. Cells that are missing are empty.
pub fn render(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
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
