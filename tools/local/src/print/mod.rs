//! Objects as kubectl prints them.

pub mod columns;
pub mod describe;
mod events;
pub mod jsonpath;
pub mod pods;
pub mod table;
pub mod tables;
pub mod tabs;

use serde_json::Value;

/// Objects as `-o yaml`: one alone, several as a `List`.
///
/// # Errors
/// When the object cannot be written, which no JSON object is known to cause.
pub fn yaml(objects: &[Value], single: bool) -> Result<String, String> {
    serde_saphyr::to_string(&whole(objects, single)).map_err(|error| error.to_string())
}

/// Objects as `-o json`.
///
/// # Errors
/// As [`yaml`].
pub fn json(objects: &[Value], single: bool) -> Result<String, String> {
    // kubectl indents by four.
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(&whole(objects, single), &mut serializer)
        .map_err(|error| error.to_string())?;
    out.push(b'\n');
    String::from_utf8(out).map_err(|error| error.to_string())
}

/// What is printed of objects: one alone as it is, several as a `List`.
pub fn whole(objects: &[Value], single: bool) -> Value {
    match objects {
        [object] if single => object.clone(),
        _ => serde_json::json!({
            "apiVersion": "v1",
            "items": objects,
            "kind": "List",
            "metadata": {"resourceVersion": ""},
        }),
    }
}
