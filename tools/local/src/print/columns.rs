//! `-o custom-columns=NAME:.metadata.name,...`.

use serde_json::Value;

use super::jsonpath::{JsonPathError, Template, shown};
use super::table::render;

/// Columns that a user asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns(Vec<(String, Template)>);

impl Columns {
    /// Reads `HEADING:PATH,...`.
    ///
    /// # Errors
    /// In kubectl's words: a column without a path, a path that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("custom-columns format specified but no custom columns given".to_owned());
        }
        text.split(',')
            .map(|column| {
                let (heading, path) = column.split_once(':').ok_or_else(|| {
                    format!("unexpected custom-columns spec: {column}, expected <header>:<json-path-expr>")
                })?;
                let path = Template::parse_relaxed(path)
                    .map_err(|error: JsonPathError| error.to_string())?;
                Ok((heading.to_owned(), path))
            })
            .collect::<Result<Vec<_>, String>>()
            .map(Self)
    }

    /// The table of `objects`.
    pub fn table(&self, objects: &[Value], headings: bool) -> String {
        let mut rows = Vec::new();
        if headings {
            rows.push(self.0.iter().map(|(heading, _)| heading.clone()).collect());
        }
        rows.extend(objects.iter().map(|object| {
            self.0
                .iter()
                .map(|(_, path)| match path.values(object).as_slice() {
                    [] => "<none>".to_owned(),
                    found => {
                        let all: Vec<String> = found.iter().map(|value| shown(value)).collect();
                        all.join(",")
                    }
                })
                .collect()
        }));
        render(&rows)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_hold_what_their_paths_lead_to() {
        let pods = [
            json!({"metadata": {"name": "a"}, "spec": {"containers": [{"image": "x"}, {"image": "y"}]}}),
            json!({"metadata": {"name": "longer"}, "spec": {}}),
        ];
        let columns =
            Columns::parse("NAME:.metadata.name,IMAGES:{.spec.containers[*].image}").unwrap();
        assert_eq!(
            columns.table(&pods, true),
            "NAME     IMAGES\na        x,y\nlonger   <none>\n"
        );
        assert_eq!(
            columns.table(&pods, false),
            "a        x,y\nlonger   <none>\n"
        );
    }

    #[test]
    fn a_column_without_a_path_is_refused() {
        let error = Columns::parse("NAME").unwrap_err();
        assert_eq!(
            error,
            "unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>"
        );
        assert!(Columns::parse("").is_err());
    }
}
