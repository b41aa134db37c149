//! Where a value is in the whole, as a chain on the stack: written out only when it is told.

use std::fmt;

#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// The value that everything else is in.
    Whole,
    /// A field, or an entry of a map.
    Field(&'p Path<'p>, &'p str),
    /// An item of a list, from 0.
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Whole => Ok(()),
            Path::Field(Path::Whole, name) => f.write_str(name),
            Path::Field(of, name) => write!(f, "{of}.{name}"),
            Path::Item(of, index) => write!(f, "{of}[{index}]"),
        }
    }
}
