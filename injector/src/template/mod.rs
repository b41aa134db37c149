//! Templates of a user's own, from `sidecarInjectorWebhook.templates`: Go text/templates that give a part of a pod as
//! YAML, with Istio's data and functions. The language itself is the crate `gotmpl`'s.

mod arguments;
mod convert;
mod data;
mod functions;
mod names;
mod sprig;

use gotmpl::{FuncMap, Template};
use serde_json::Value;

use crate::build::Input;

/// The most rounds of all `range`s of one template together.
const MAX_ROUNDS: u64 = 100_000;
/// The longest text that a template may give, in bytes.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// Whether the text is a template at all.
///
/// # Errors
/// What is wrong with it, with line and column.
pub(crate) fn check(name: &str, text: &str) -> Result<(), String> {
    let parsed = Template::new(name).parse(text);
    parsed.map(drop).map_err(|error| error.to_string())
}

/// The part of a pod that the template gives for this one.
///
/// # Errors
/// What is wrong with the template, or with the YAML that it gives.
pub(crate) fn render(name: &str, text: &str, input: &Input<'_>) -> Result<Value, String> {
    let data = data::of(input);
    let mut known = FuncMap::new();
    sprig::add(&mut known);
    // Istio's own win over the library's of the same name.
    functions::add(&mut known, input);
    let template = Template::new(name)
        .max_range_iters(MAX_ROUNDS)
        .funcs(known)
        .parse(text)
        .map_err(|error| error.to_string())?;
    let mut yaml = Bounded(String::new());
    template
        .execute_fmt(&mut yaml, &data)
        .map_err(|error| error.to_string())?;
    let value: Value = serde_saphyr::from_str(&yaml.0)
        .map_err(|error| format!("gives no YAML: {}", error.without_snippet()))?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        _ => Err("gives no map with metadata and spec of a pod".to_owned()),
    }
}

/// A text that refuses to grow without end.
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len().saturating_add(text.len()) > MAX_TEXT {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
