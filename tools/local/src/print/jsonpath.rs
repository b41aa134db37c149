//! kubectl's JSONPath templates (`-o jsonpath=`): text with `{paths}`, `{range}` and `{end}`, as
//! `k8s.io/client-go/util/jsonpath` reads them. Missing fields print nothing.

mod parse;

use std::cmp::Ordering;

use serde_json::Value;
use thiserror::Error;

/// A template that cannot be read.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("error parsing jsonpath {template}, {problem}")]
pub struct JsonPathError {
    /// The template.
    pub template: String,
    /// What is wrong.
    pub problem: String,
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Path(Path),
    Range(Path, Vec<Piece>),
}

type Path = Vec<Step>;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// `.name`
    Field(String),
    /// `['name']`: the field of this name, or as kubectl reads it the path in quotes (`['metadata.name']`).
    Quoted(String, Path),
    /// `.*`, `[*]`
    All,
    /// `[0]`, `[-1]`
    Index(i64),
    /// `[1:3]`, `[::2]`
    Slice(Option<i64>, Option<i64>, i64),
    /// `[0,2]`, `['a','b']`
    Union(Vec<Step>),
    /// `..`: everything below, and what is asked for of each.
    Below,
    /// `[?(@.a == 'b')]`
    Filter(Operand, Option<(Comparison, Operand)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// See [`JsonPathError`].
    pub fn parse(template: &str) -> Result<Self, JsonPathError> {
        parse::template(template)
            .map(Self)
            .map_err(|problem| JsonPathError {
                template: template.to_owned(),
                problem,
            })
    }

    /// Reads one path, written `{.a.b}`, `.a.b` or `a.b`, as `--sort-by` and custom columns take it.
    ///
    /// # Errors
    /// See [`JsonPathError`].
    pub fn parse_relaxed(path: &str) -> Result<Self, JsonPathError> {
        let inner = path
            .strip_prefix('{')
            .and_then(|path| path.strip_suffix('}'))
            .unwrap_or(path);
        let dotted = match inner.starts_with(['.', '$', '[', '@']) {
            true => inner.to_owned(),
            false => format!(".{inner}"),
        };
        Self::parse(&format!("{{{dotted}}}"))
    }

    /// What the template prints for `root`.
    pub fn print(&self, root: &Value) -> String {
        let mut out = String::new();
        print(&self.0, root, &mut out);
        out
    }

    /// The values that its paths lead to.
    pub fn values<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        self.0
            .iter()
            .flat_map(|piece| match piece {
                Piece::Path(path) => follow(path, root),
                Piece::Text(_) | Piece::Range(..) => vec![],
            })
            .collect()
    }
}

/// A value as a template prints it: texts as they are, everything else as JSON.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn print(pieces: &[Piece], here: &Value, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Path(path) => {
                let found: Vec<String> = follow(path, here).into_iter().map(shown).collect();
                out.push_str(&found.join(" "));
            }
            Piece::Range(path, inner) => {
                for each in follow(path, here) {
                    print(inner, each, out);
                }
            }
        }
    }
}

fn follow<'a>(path: &[Step], from: &'a Value) -> Vec<&'a Value> {
    let mut found = vec![from];
    for step in path {
        found = match step {
            // All of the first alternative, then all of the second.
            Step::Union(steps) => steps
                .iter()
                .flat_map(|step| found.iter().flat_map(|value| step_from(step, value)))
                .collect(),
            step => found
                .into_iter()
                .flat_map(|value| step_from(step, value))
                .collect(),
        };
    }
    found
}

fn step_from<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    let children = || -> Vec<&'a Value> {
        match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(fields) => fields.values().collect(),
            _ => vec![],
        }
    };
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Quoted(name, path) => match value.get(name) {
            Some(field) => vec![field],
            None => follow(path, value),
        },
        Step::All => children(),
        Step::Index(index) => value
            .as_array()
            .and_then(|items| items.get(position(*index, items.len())?))
            .into_iter()
            .collect(),
        Step::Slice(from, to, by) => value
            .as_array()
            .map(|items| slice(items, *from, *to, *by))
            .unwrap_or_default(),
        Step::Union(steps) => steps
            .iter()
            .flat_map(|step| step_from(step, value))
            .collect(),
        Step::Below => {
            let mut all = vec![value];
            for child in children() {
                all.extend(step_from(&Step::Below, child));
            }
            all
        }
        Step::Filter(left, right) => children()
            .into_iter()
            .filter(|child| holds(left, right.as_ref(), child))
            .collect(),
    }
}

fn position(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 {
        index.checked_add(length)?
    } else {
        index
    };
    usize::try_from(index).ok()
}

fn slice(items: &[Value], from: Option<i64>, to: Option<i64>, by: i64) -> Vec<&Value> {
    let place = |index: i64| position(index, items.len()).unwrap_or(0).min(items.len());
    let from = from.map_or(0, place);
    let to = to.map_or(items.len(), place);
    items
        .get(from..to.max(from))
        .unwrap_or_default()
        .iter()
        .step_by(usize::try_from(by).unwrap_or(1).max(1))
        .collect()
}

fn holds(left: &Operand, right: Option<&(Comparison, Operand)>, here: &Value) -> bool {
    let value = |operand: &Operand| match operand {
        Operand::Path(path) => follow(path, here).first().map(|value| (*value).clone()),
        Operand::Literal(value) => Some(value.clone()),
    };
    let Some(left) = value(left) else {
        return false;
    };
    let Some((comparison, right)) = right else {
        return true;
    };
    let Some(right) = value(right) else {
        return false;
    };
    let order = compare(&left, &right);
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

/// How two values of one type compare; None where they do not.
pub fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => (left == right).then_some(Ordering::Equal),
    }
}

#[cfg(test)]
mod tests;
