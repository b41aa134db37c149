//! `-o`.

use local::print::columns::Columns;
use local::print::jsonpath::Template;

/// How objects are printed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Format {
    /// The table with more columns.
    Wide,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// `pod/x`, one a line.
    Name,
    /// What a template makes of them.
    JsonPath(Template),
    /// A table of the user's own.
    Columns(Columns),
}

/// Reads the value of `-o`.
pub(super) fn parse(text: &str) -> Result<Format, String> {
    let (word, argument) = match text.split_once('=') {
        Some((word, argument)) => (word, Some(argument)),
        None => (text, None),
    };
    match (word, argument) {
        ("wide", None) => Ok(Format::Wide),
        ("yaml", None) => Ok(Format::Yaml),
        ("json", None) => Ok(Format::Json),
        ("name", None) => Ok(Format::Name),
        ("jsonpath", Some(template)) => Template::parse(template)
            .map(Format::JsonPath)
            .map_err(|error| error.to_string()),
        ("custom-columns", Some(columns)) => Columns::parse(columns).map(Format::Columns),
        ("jsonpath", None) => Err("template format specified but no template given".to_owned()),
        ("custom-columns", None) => {
            Err("custom-columns format specified but no custom columns given".to_owned())
        }
        _ => Err(format!(
            "unable to match a printer suitable for the output format {text:?}, allowed formats are: custom-columns,json,jsonpath,name,wide,yaml"
        )),
    }
}
