//! One Prometheus page out of several.

/// Appends `page` to `merged`, so that each begins on a line of its own and OpenMetrics' end mark,
/// which may stand only at the very end, is left out.
pub fn append(merged: &mut String, page: &str) {
    for line in page.lines().filter(|line| line.trim_end() != "# EOF") {
        merged.push_str(line);
        merged.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn pages_do_not_run_into_each_other_and_the_end_mark_is_dropped() {
        let mut merged = String::new();
        append(&mut merged, "a 1");
        append(&mut merged, "# TYPE b counter\nb 2\n# EOF\n");
        append(&mut merged, "c 3\n");
        assert_eq!(merged, "a 1\n# TYPE b counter\nb 2\nc 3\n");
    }
}
