//! JSON formats.

use crate::{Entry, FormatError, Template};

/// A value of a JSON format as configuration has it (`google.protobuf.Value`).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// A format string.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// An object, in any order.
    Object(Vec<(String, Value)>),
}

/// A JSON format compiled.
#[derive(Debug, Clone)]
pub struct JsonTemplate {
    fields: Vec<(String, Template)>,
}

impl JsonTemplate {
    /// Compiles the fields of a `json_format`. With `omit_empty_values`, fields without a value are left out
    /// (`SubstitutionFormatString.omit_empty_values`).
    ///
    /// # Errors
    /// A format string in it is wrong.
    pub fn parse(fields: &[(String, Value)], omit_empty_values: bool) -> Result<Self, FormatError> {
        let mut compiled = Vec::new();
        for (key, value) in fields {
            if let Value::Text(text) = value {
                compiled.push((key.clone(), Template::parse_with(text, omit_empty_values)?));
            }
        }
        Ok(JsonTemplate { fields: compiled })
    }

    /// Appends the entry's object and an end of line.
    pub fn render(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        for (_, template) in &self.fields {
            template.render(entry, out);
        }
    }
}
