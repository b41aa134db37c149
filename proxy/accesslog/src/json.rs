//! JSON formats.

mod escape;

use crate::operator::Operator;
use crate::syntax::{self, Part};
use crate::{Entry, FormatError, Template};
use escape::escape_from;

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

/// A JSON format compiled: an object whose keys are sorted by their bytes.
#[derive(Debug, Clone)]
pub struct JsonTemplate {
    root: Node,
    unserved: Vec<Box<str>>,
    omit: bool,
}

#[derive(Debug, Clone)]
enum Node {
    /// JSON as it stands.
    Constant(Box<[u8]>),
    /// `null`, which is left out with empty values.
    Null,
    /// One operator alone keeps its type.
    Value(Operator),
    /// Text with operators is a string.
    Text(Template),
    List(Box<[Node]>),
    /// Keys as JSON with their colon.
    Object(Box<[(Box<[u8]>, Node)]>),
}

/// What is gathered while a format is compiled.
struct Compiler {
    omit: bool,
    unserved: Vec<Box<str>>,
    /// The keys that lead to the value at hand.
    keys: Vec<String>,
}

impl JsonTemplate {
    /// Objects and lists within each other; Envoy's protobuf parser takes 100.
    const DEEPEST: usize = 100;

    /// Compiles the fields of a `json_format`. With `omit_empty_values`, fields without a value are left out
    /// (`SubstitutionFormatString.omit_empty_values`).
    ///
    /// # Errors
    /// A format string in it is wrong, or it nests deeper than 100.
    pub fn parse(fields: &[(String, Value)], omit_empty_values: bool) -> Result<Self, FormatError> {
        let mut compiler = Compiler {
            omit: omit_empty_values,
            unserved: Vec::new(),
            keys: Vec::new(),
        };
        let root = compiler.object(fields).map_err(|mut error| {
            error.key = compiler.keys.join(".");
            error
        })?;
        Ok(JsonTemplate {
            root,
            unserved: compiler.unserved,
            omit: omit_empty_values,
        })
    }

    /// Appends the entry's object and an end of line.
    pub fn render(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        if !self.root.write(entry, self.omit, out) {
            out.extend_from_slice(b"{}");
        }
        out.push(b'\n');
    }

    /// Names of the operators in it that Envoy knows and that never have a value here.
    pub fn unserved(&self) -> impl Iterator<Item = &str> {
        self.unserved.iter().map(AsRef::as_ref)
    }
}

impl Compiler {
    fn value(&mut self, value: &Value) -> Result<Node, FormatError> {
        if self.keys.len() > JsonTemplate::DEEPEST {
            return Err(FormatError::new(0, "nested too deep"));
        }
        Ok(match value {
            Value::Null => Node::Null,
            Value::Bool(true) => Node::Constant((*b"true").into()),
            Value::Bool(false) => Node::Constant((*b"false").into()),
            Value::Number(number) => Node::Constant(json_number(*number).into_bytes().into()),
            Value::Text(text) => self.text(text)?,
            Value::List(values) => {
                let mut nodes = Vec::new();
                for (index, value) in values.iter().enumerate() {
                    self.keys.push(index.to_string());
                    nodes.push(self.value(value)?);
                    self.keys.pop();
                }
                Node::List(nodes.into())
            }
            Value::Object(fields) => self.object(fields)?,
        })
    }

    fn object(&mut self, fields: &[(String, Value)]) -> Result<Node, FormatError> {
        let mut sorted: Vec<_> = fields.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        let mut nodes = Vec::new();
        for (key, value) in sorted {
            self.keys.push(key.clone());
            let node = self.value(value)?;
            self.keys.pop();
            let mut key = quoted(key);
            key.push(b':');
            nodes.push((key.into(), node));
        }
        Ok(Node::Object(nodes.into()))
    }

    fn text(&mut self, text: &str) -> Result<Node, FormatError> {
        if let [Part::Operator(command)] = *syntax::parts(text)? {
            let operator = Operator::parse(&command)
                .map_err(|problem| FormatError::new(command.at, problem))?;
            if matches!(operator, Operator::Unserved) {
                self.unserved.push(command.name.into());
            }
            return Ok(Node::Value(operator));
        }
        let template = Template::parse_with(text, self.omit)?;
        self.unserved.extend(template.unserved().map(Box::from));
        Ok(match template.constant().map(String::from_utf8_lossy) {
            Some(constant) => Node::Constant(quoted(&constant).into()),
            None => Node::Text(template),
        })
    }
}

impl Node {
    /// Appends the value as JSON; with `omit`, says no and appends nothing where there is none.
    fn write(&self, entry: &Entry<'_>, omit: bool, out: &mut Vec<u8>) -> bool {
        match self {
            Node::Constant(json) => out.extend_from_slice(json),
            Node::Null => return null(omit, out),
            Node::Value(operator) if operator.is_number() => {
                if !operator.write(entry, out) {
                    return null(omit, out);
                }
            }
            Node::Value(operator) => {
                let start = out.len();
                out.push(b'"');
                if !operator.write(entry, out) {
                    out.truncate(start);
                    return null(omit, out);
                }
                escape_from(out, start + 1);
                out.push(b'"');
            }
            Node::Text(template) => {
                out.push(b'"');
                let start = out.len();
                template.render(entry, out);
                escape_from(out, start);
                out.push(b'"');
            }
            Node::List(nodes) => {
                out.push(b'[');
                let mut first = true;
                for node in nodes {
                    separated(out, &mut first, |out| node.write(entry, omit, out));
                }
                out.push(b']');
            }
            Node::Object(fields) => {
                let start = out.len();
                out.push(b'{');
                let mut first = true;
                for (key, node) in fields {
                    separated(out, &mut first, |out| {
                        out.extend_from_slice(key);
                        node.write(entry, omit, out)
                    });
                }
                // An object that lost all its fields goes with them.
                if omit && first {
                    out.truncate(start);
                    return false;
                }
                out.push(b'}');
            }
        }
        true
    }
}

fn null(omit: bool, out: &mut Vec<u8>) -> bool {
    if !omit {
        out.extend_from_slice(b"null");
    }
    !omit
}

/// Appends an item and the comma before it, or neither.
fn separated(out: &mut Vec<u8>, first: &mut bool, write: impl FnOnce(&mut Vec<u8>) -> bool) {
    let start = out.len();
    if !*first {
        out.push(b',');
    }
    if write(out) {
        *first = false;
    } else {
        out.truncate(start);
    }
}

fn quoted(text: &str) -> Vec<u8> {
    let mut json = vec![b'"'];
    json.extend_from_slice(text.as_bytes());
    escape_from(&mut json, 1);
    json.push(b'"');
    json
}

/// A number of the configuration: whole where it is whole, else the shortest form that reads back.
fn json_number(number: f64) -> String {
    if number.is_finite() && number.fract() == 0.0 && number.abs() < 18_446_744_073_709_551_616.0 {
        return format!("{number:.0}");
    }
    if !number.is_finite() {
        return "null".into();
    }
    let exponent = format!("{number:e}");
    match exponent.split_once('e') {
        Some((digits, power)) if !power.starts_with('-') && number.abs() >= 1e17 => {
            format!("{digits}e+{power}")
        }
        Some((digits, power)) if number.abs() < 1e-4 => {
            format!("{digits}e-{:0>2}", power.trim_start_matches('-'))
        }
        _ => format!("{number}"),
    }
}
