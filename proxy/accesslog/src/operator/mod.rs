//! Operators compiled: what each reads of an entry and how it writes it.

mod address;
mod grpc;
mod header;
mod number;
mod parse;
mod path;
mod text;

pub(crate) use address::{Address, Form};
pub(crate) use grpc::StatusForm;
pub(crate) use header::Field;
pub(crate) use number::Number;
pub(crate) use path::{PathForm, PathSource};
pub(crate) use text::Text;
pub use text::shown_server_name;

use crate::time::TimeFormat;
use crate::{Entry, digits};

/// An operator compiled.
#[derive(Debug, Clone)]
pub(crate) enum Operator {
    /// The same for every entry.
    Constant(Box<[u8]>),
    /// A field of a message.
    Field(Field),
    /// The request's path, cut to `limit` bytes.
    Path {
        form: PathForm,
        source: PathSource,
        limit: usize,
    },
    /// The request's query.
    Query,
    /// A parameter of the request's query, decoded, cut to `limit` bytes.
    QueryParameter { name: Box<[u8]>, limit: usize },
    /// A number.
    Number(Number),
    /// A text.
    Text(Text),
    /// An address or its port.
    Address { of: Address, form: Form },
    /// When the entry began.
    Start(TimeFormat),
    /// When the entry ended.
    End(TimeFormat),
    /// Response flags by short name.
    Flags,
    /// Response flags by long name.
    FlagsLong,
    /// The status of a gRPC call.
    GrpcStatus(StatusForm),
    /// An operator of Envoy's whose value is not known here.
    Unserved,
}

impl Operator {
    /// Appends the value; says no, and appends nothing, where there is none.
    #[inline]
    pub(crate) fn write(&self, entry: &Entry<'_>, out: &mut Vec<u8>) -> bool {
        match self {
            Operator::Constant(text) => append(text, out),
            Operator::Unserved => false,
            Operator::Field(field) => field.read(entry).is_some_and(|value| append(value, out)),
            Operator::Path {
                form,
                source,
                limit,
            } => path::path(entry, *form, *source)
                .is_some_and(|path| append(path.get(..*limit).unwrap_or(path), out)),
            Operator::Query => path::query(entry).is_some_and(|query| append(query, out)),
            Operator::QueryParameter { name, limit } => {
                path::write_parameter(entry, name, *limit, out)
            }
            Operator::Number(number) => number.read(entry).is_some_and(|number| {
                digits::decimal(number, out);
                true
            }),
            Operator::Text(text) => text.write(entry, out),
            Operator::Address { of, form } => of
                .read(entry)
                .is_some_and(|address| form.write(address, out)),
            Operator::Start(format) => {
                format.write(entry.start, out);
                true
            }
            Operator::End(format) => {
                format.write(entry.start + entry.duration, out);
                true
            }
            Operator::Flags if entry.flags.is_empty() => append(b"-", out),
            Operator::Flags => {
                entry.flags.write_short(entry.request.is_some(), out);
                true
            }
            Operator::FlagsLong if entry.flags.is_empty() => append(b"-", out),
            Operator::FlagsLong => {
                entry.flags.write_long(entry.request.is_some(), out);
                true
            }
            Operator::GrpcStatus(form) => entry.grpc_status().is_some_and(|status| {
                form.write(status, out);
                true
            }),
        }
    }

    /// Whether its value is a number of JSON.
    pub(crate) fn is_number(&self) -> bool {
        match self {
            Operator::Number(_) => true,
            Operator::Address { form, .. } => *form == Form::Port,
            Operator::GrpcStatus(form) => *form == StatusForm::Number,
            Operator::Constant(_)
            | Operator::Field(_)
            | Operator::Path { .. }
            | Operator::Query
            | Operator::QueryParameter { .. }
            | Operator::Text(_)
            | Operator::Start(_)
            | Operator::End(_)
            | Operator::Flags
            | Operator::FlagsLong
            | Operator::Unserved => false,
        }
    }
}

#[inline]
fn append(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(text);
    true
}
