//! Text with tabs in columns, as Go's `text/tabwriter` aligns it for `kubectl describe`: a column is as wide as the
//! widest cell among consecutive lines that have one there, plus two blanks.

/// Blanks after the widest cell.
const GAP: usize = 2;

/// The text with every tab replaced by the blanks that bring the next cell into its column.
pub fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let mut out = String::with_capacity(text.len());
    format(&lines, &mut Vec::new(), &mut out);
    out
}

/// Whether the line has a cell in this column that a tab ends.
fn has(line: &[&str], column: usize) -> bool {
    column + 1 < line.len()
}

fn format(lines: &[Vec<&str>], widths: &mut Vec<usize>, out: &mut String) {
    let column = widths.len();
    let mut rest = lines;
    while let Some(first) = rest.iter().position(|line| has(line, column)) {
        let (before, from_first) = rest.split_at(first);
        write(before, widths, out);
        let length = from_first
            .iter()
            .position(|line| !has(line, column))
            .unwrap_or(from_first.len());
        let (block, after) = from_first.split_at(length);
        let width = block
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count() + GAP)
            .max()
            .unwrap_or(0);
        widths.push(width);
        format(block, widths, out);
        widths.pop();
        rest = after;
    }
    write(rest, widths, out);
}

fn write(lines: &[Vec<&str>], widths: &[usize], out: &mut String) {
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(column) {
                let blanks = width.saturating_sub(cell.chars().count());
                out.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_ends_where_a_line_has_no_cell_in_it() {
        let text = "Name:\tx\nNamespace:\tdefault\nIPs:\n  IP:\t10.0.0.1\nControlled By:\ta/b\n";
        assert_eq!(
            align(text),
            "Name:       x\nNamespace:  default\nIPs:\n  IP:           10.0.0.1\nControlled By:  a/b\n"
        );
    }

    #[test]
    fn a_second_column_is_aligned_within_the_first() {
        let text = "Port:\thttp\t80/TCP\nTargetPort:\t8080/TCP\nNodePort:\tlonger\t1/TCP\n";
        assert_eq!(
            align(text),
            "Port:        http  80/TCP\nTargetPort:  8080/TCP\nNodePort:    longer  1/TCP\n"
        );
    }
}
