//! `proxy-config ecds`.

use serde_json::Value;

use crate::dump::{ConfigDump, text};
use crate::table::Table;

/// Extensions by their type, then by their name.
pub fn select(dump: &ConfigDump) -> Vec<&Value> {
    let mut all = dump.extensions();
    all.sort_by_key(|one| (text(one, "/typed_config/@type"), text(one, "/name")));
    all
}

/// A line for each extension.
pub fn table(extensions: &[&Value]) -> String {
    let mut table = Table::new(&["ECDS NAME", "TYPE"], 5);
    for extension in extensions {
        let kind = text(extension, "/typed_config/@type");
        let kind = kind.strip_prefix("type.googleapis.com/").unwrap_or(kind);
        table.line([text(extension, "/name").to_owned(), kind.to_owned()]);
    }
    table.text()
}
