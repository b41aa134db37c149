//! Fields of messages: `%REQ(X?Y):Z%` and its kin.

use headers::{Headers, Known};

use crate::Entry;

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    Request,
    Response,
    Trailers,
}

/// A field's name, resolved.
#[derive(Debug, Clone)]
enum Name {
    /// `:authority` and `host`, which Envoy has as one.
    Host,
    Known(Known),
    Other(Box<[u8]>),
}

/// A field, or another where it is absent, cut to a number of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    message: Message,
    name: Name,
    otherwise: Option<Name>,
    limit: usize,
}

impl Field {
    /// Compiles `X` or `X?Y`.
    pub(crate) fn parse(
        message: Message,
        parameter: &str,
        limit: Option<usize>,
    ) -> Result<Self, String> {
        let mut names = parameter.split('?');
        let name = Name::parse(message, names.next().unwrap_or_default())?;
        let otherwise = match names.next() {
            None | Some("") => None,
            Some(other) => Some(Name::parse(message, other)?),
        };
        if names.next().is_some() {
            return Err(format!("more than one alternative field in `{parameter}`"));
        }
        Ok(Field {
            message,
            name,
            otherwise,
            limit: limit.unwrap_or(usize::MAX),
        })
    }

    /// The first value.
    #[inline]
    pub(crate) fn read<'a>(&self, entry: &Entry<'a>) -> Option<&'a [u8]> {
        let fields = match self.message {
            Message::Request => entry.request,
            Message::Response => entry.response,
            Message::Trailers => entry.trailers,
        }?;
        let value = match self.name.find(fields) {
            Some(value) => value,
            None => self.otherwise.as_ref()?.find(fields)?,
        };
        Some(value.get(..self.limit).unwrap_or(value))
    }
}

impl Name {
    fn parse(message: Message, name: &str) -> Result<Self, String> {
        let name = name.to_ascii_lowercase();
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let rest = name.strip_prefix(':').unwrap_or(&name);
        if rest.is_empty() || !rest.bytes().all(is_token) {
            return Err(format!("`{name}` is no name of a header field"));
        }
        Ok(match Known::of(name.as_bytes()) {
            Some(Known::Authority | Known::Host) if message == Message::Request => Name::Host,
            Some(known) => Name::Known(known),
            None => Name::Other(name.into_bytes().into()),
        })
    }

    #[inline]
    fn find<'a>(&self, fields: &'a Headers) -> Option<&'a [u8]> {
        match self {
            Name::Host => fields
                .get(Known::Authority)
                .or_else(|| fields.get(Known::Host)),
            Name::Known(known) => fields.get(*known),
            Name::Other(name) => fields.find(name),
        }
    }
}
