//! Where in a resource something stands, and what is said about it.

use std::cell::RefCell;
use std::fmt;

/// Notes kept of one resource: more would say nothing new.
const MOST_NOTES: usize = 100;

/// Why a resource is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Path of the field from the resource.
    pub(crate) field: String,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "{}: {}", self.field, self.message),
        }
    }
}

pub(crate) type Compiled<T> = Result<T, Refusal>;

/// A field that is not honoured and that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) field: String,
    pub(crate) message: String,
}

/// What was noted about one resource.
#[derive(Debug, Default)]
pub(crate) struct Notes(RefCell<Vec<Note>>);

impl Notes {
    pub(crate) fn take(self) -> Vec<Note> {
        self.0.into_inner()
    }
}

/// A place in a resource: a chain of steps that becomes text only when something is said about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
    notes: &'a Notes,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Item(&'a str, usize),
    Key(&'a str, &'a str),
}

impl<'a> Place<'a> {
    /// The resource itself.
    pub(crate) fn root(notes: &'a Notes) -> Self {
        Place {
            above: None,
            step: Step::Root,
            notes,
        }
    }

    /// A field.
    pub(crate) fn field<'b>(&'b self, name: &'b str) -> Place<'b> {
        self.step(Step::Field(name))
    }

    /// An item of a repeated field.
    pub(crate) fn item<'b>(&'b self, name: &'b str, index: usize) -> Place<'b> {
        self.step(Step::Item(name, index))
    }

    /// A value of a map, or of a list whose items have names.
    pub(crate) fn key<'b>(&'b self, name: &'b str, key: &'b str) -> Place<'b> {
        self.step(Step::Key(name, key))
    }

    fn step<'b>(&'b self, step: Step<'b>) -> Place<'b> {
        Place {
            above: Some(self),
            step,
            notes: self.notes,
        }
    }

    fn write(&self, out: &mut String) {
        use fmt::Write as _;
        if let Some(above) = self.above {
            above.write(out);
        }
        if !out.is_empty() && !matches!(self.step, Step::Root) {
            out.push('.');
        }
        // Writing to a string does not fail.
        let _ = match self.step {
            Step::Root => Ok(()),
            Step::Field(name) => write!(out, "{name}"),
            Step::Item(name, index) => write!(out, "{name}[{index}]"),
            Step::Key(name, key) => write!(out, "{name}[{key}]"),
        };
    }

    fn path(&self, field: &str) -> String {
        let mut out = String::new();
        let place = self.field(field);
        match field.is_empty() {
            true => self.write(&mut out),
            false => place.write(&mut out),
        }
        out
    }

    /// A refusal because of a field here; an empty name means this place itself.
    pub(crate) fn refuse(&self, field: &str, message: impl Into<String>) -> Refusal {
        Refusal {
            field: self.path(field),
            message: message.into(),
        }
    }

    /// Notes that a field here is not honoured.
    pub(crate) fn warn(&self, field: &str, message: impl Into<String>) {
        let mut notes = self.notes.0.borrow_mut();
        if notes.len() < MOST_NOTES {
            notes.push(Note {
                field: self.path(field),
                message: message.into(),
            });
        }
    }

    /// Refuses a field that is not honoured, unless it has its default.
    pub(crate) fn must_be_unset<T: Default + PartialEq>(
        &self,
        field: &str,
        value: &T,
    ) -> Compiled<()> {
        if *value == T::default() {
            return Ok(());
        }
        let field = bare(field);
        Err(self.refuse(
            field,
            "is not supported by this proxy and would change where traffic goes or how it is secured; leave it out",
        ))
    }

    /// Notes a field that is not honoured, unless it has its default.
    pub(crate) fn should_be_unset<T: Default + PartialEq>(&self, field: &str, value: &T) {
        if *value != T::default() {
            self.warn(
                bare(field),
                "is not supported by this proxy and has no effect",
            );
        }
    }

    /// The value of a field that must be there.
    pub(crate) fn required<'v, T>(&self, field: &str, value: &'v Option<T>) -> Compiled<&'v T> {
        value
            .as_ref()
            .ok_or_else(|| self.refuse(bare(field), "is required; set it"))
    }
}

/// The name of a field without the mark of a raw identifier.
fn bare(field: &str) -> &str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Takes a message apart. Every field must be named, so that one that a later version of the protocol brings stops
/// the build until somebody has decided about it: fields are used (bound to their names), refused when set (ignoring
/// them would change routing, security or addresses), noted when set, or inert here: they say nothing about traffic.
macro_rules! take {
    ($place:expr, $message:expr, $($ty:ident)::+ {
        $($used:ident),* $(,)?
    } refuse { $($refused:ident),* $(,)? } note { $($noted:ident),* $(,)? } inert { $($inert:ident),* $(,)? }) => {
        let $($ty)::+ { $($used,)* $($refused,)* $($noted,)* $($inert: _,)* } = $message;
        $( $place.must_be_unset(stringify!($refused), $refused)?; )*
        $( $place.should_be_unset(stringify!($noted), $noted); )*
    };
}
pub(crate) use take;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_the_whole_path() {
        let notes = Notes::default();
        let root = Place::root(&notes);
        let hosts = root.key("virtual_hosts", "a");
        let route = hosts.item("routes", 3);
        let refusal = route.refuse("match", "no");
        assert_eq!(refusal.to_string(), "virtual_hosts[a].routes[3].match: no");
        assert_eq!(root.refuse("", "no").to_string(), "no");
        assert_eq!(route.refuse("", "no").field, "virtual_hosts[a].routes[3]");
    }

    #[test]
    fn notes_are_bounded() {
        let notes = Notes::default();
        let root = Place::root(&notes);
        for _ in 0..1000 {
            root.should_be_unset("x", &true);
        }
        root.should_be_unset("y", &0_u32);
        assert_eq!(notes.take().len(), MOST_NOTES);
    }
}
