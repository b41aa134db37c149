//! The arguments of a template's function, each asked for by what it should be.

use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value as Data};

pub(super) type Answer = Result<Data, TemplateError>;

/// What a function is called with.
pub(super) struct Arguments<'a> {
    name: &'static str,
    list: &'a [Data],
}

impl<'a> Arguments<'a> {
    pub(super) fn wrong(&self, what: &str) -> TemplateError {
        TemplateError::Exec(format!("{}: {what}", self.name))
    }

    pub(super) fn all(&self) -> &'a [Data] {
        self.list
    }

    /// An argument, counted from 0.
    pub(super) fn at(&self, n: usize) -> Result<&'a Data, TemplateError> {
        self.list.get(n).ok_or_else(|| {
            let wanted = n.saturating_add(1);
            self.wrong(&format!(
                "wants {wanted} arguments at least, has {}",
                self.list.len()
            ))
        })
    }

    /// The last one, which pipelines give.
    pub(super) fn last(&self) -> Result<&'a Data, TemplateError> {
        self.list
            .last()
            .ok_or_else(|| self.wrong("wants an argument"))
    }

    /// A text, or what is printed of another value.
    pub(super) fn text(&self, n: usize) -> Result<String, TemplateError> {
        Ok(printed(self.at(n)?))
    }

    pub(super) fn number(&self, n: usize) -> Result<i64, TemplateError> {
        number(self.at(n)?).ok_or_else(|| self.wrong("a number is wanted"))
    }

    /// A number of characters or elements, bounded so that no text grows beyond measure.
    pub(super) fn width(&self, n: usize) -> Result<usize, TemplateError> {
        const MOST: usize = 1000;
        let width = usize::try_from(self.number(n)?)
            .ok()
            .filter(|width| *width <= MOST);
        width.ok_or_else(|| self.wrong("a number from 0 to 1000 is wanted"))
    }

    pub(super) fn items(&self, n: usize) -> Result<&'a [Data], TemplateError> {
        match self.at(n)? {
            Data::List(items) => Ok(items),
            Data::Nil => Ok(&[]),
            _ => Err(self.wrong("a list is wanted")),
        }
    }
}

/// As templates print it; nothing for what is not there.
pub(super) fn printed(data: &Data) -> String {
    match data {
        Data::Nil => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn number(data: &Data) -> Option<i64> {
    match data {
        Data::Int(number) => Some(*number),
        Data::Uint(number) => i64::try_from(*number).ok(),
        Data::Float(number) => Some(*number as i64),
        Data::Bool(flag) => Some(i64::from(*flag)),
        Data::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Adds a function.
pub(super) fn function(
    known: &mut FuncMap,
    name: &'static str,
    call: impl Fn(Arguments<'_>) -> Answer + Send + Sync + 'static,
) {
    known.insert(
        name.to_owned(),
        Arc::new(move |list: &[Data]| call(Arguments { name, list })),
    );
}

pub(super) fn text(text: impl Into<String>) -> Answer {
    Ok(Data::from(text.into()))
}
