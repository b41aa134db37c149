//! From a JSON value to a typed one. Fields that the type does not have are told by path and
//! lose nothing; a value that does not fit is refused with its path.
//!
//! One deserializer does both. Kubernetes' types are large and every layer of generic wrappers
//! around the deserializer would be compiled once more for each of their fields, so there is none,
//! and all that does not depend on the target type is outside the generic functions.

mod access;
mod key;
mod path;

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Unexpected, Visitor};
use serde_json::Value;

use access::{Fields, Items};
use path::Path;

/// Paths kept of one value's unknown fields; the rest are counted.
const MAX_UNKNOWN: usize = 50;

/// The fields of a value that its type does not have.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    /// Their paths, such as `spec.ports[0].targetport`, in the order in which they are written.
    pub(crate) paths: Vec<String>,
    /// How many there are beyond those whose paths are kept.
    pub(crate) more: usize,
}

/// A value that does not fit its type.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// Where it is; `.` for the value as a whole.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

/// Types `value`.
///
/// # Errors
/// The first value in it that does not fit.
pub(crate) fn decode<T: DeserializeOwned>(value: &Value) -> Result<(T, Unknown), Misfit> {
    let unknown = RefCell::new(Unknown::default());
    let reader = Reader {
        value,
        path: Path::Whole,
        unknown: &unknown,
    };
    match T::deserialize(reader) {
        Ok(typed) => Ok((typed, unknown.into_inner())),
        Err(error) => Err(Misfit {
            path: error.0.path.unwrap_or_else(|| ".".to_owned()),
            message: error.0.message,
        }),
    }
}

/// Boxed, for it is in the result of every function here.
#[derive(Debug)]
struct Error(Box<Wrong>);

#[derive(Debug)]
struct Wrong {
    message: String,
    /// None until the innermost field or item around the wrong value has been left.
    path: Option<String>,
}

impl Error {
    #[cold]
    fn at(mut self, path: &Path<'_>) -> Self {
        self.0.path.get_or_insert_with(|| path.to_string());
        self
    }

    #[cold]
    fn misplaced(value: &Value, expected: &dyn de::Expected) -> Self {
        let found = match value {
            Value::Null => Unexpected::Unit,
            Value::Bool(b) => Unexpected::Bool(*b),
            Value::Number(n) => match (n.as_u64(), n.as_i64(), n.as_f64()) {
                (Some(n), _, _) => Unexpected::Unsigned(n),
                (_, Some(n), _) => Unexpected::Signed(n),
                (_, _, Some(n)) => Unexpected::Float(n),
                _ => Unexpected::Other("number"),
            },
            Value::String(s) => Unexpected::Str(s),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        de::Error::invalid_type(found, expected)
    }
}

impl From<serde_json::Error> for Error {
    #[cold]
    fn from(error: serde_json::Error) -> Self {
        de::Error::custom(error)
    }
}

impl de::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Wrong {
            message: message.to_string(),
            path: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// A value, where it is in the whole, and where to tell of unknown fields.
#[derive(Clone, Copy)]
struct Reader<'de, 'p> {
    value: &'de Value,
    path: Path<'p>,
    unknown: &'p RefCell<Unknown>,
}

impl Reader<'_, '_> {
    fn is_unknown(&self) {
        let mut unknown = self.unknown.borrow_mut();
        if unknown.paths.len() < MAX_UNKNOWN {
            unknown.paths.push(self.path.to_string());
        } else {
            unknown.more += 1;
        }
    }
}

/// Values without parts are read as `serde_json` reads them.
macro_rules! as_json {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            Ok(self.value.$method(visitor)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Error;

    as_json! {
        deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            plain => Ok(plain.deserialize_any(visitor)?),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        Ok(self.value.deserialize_unit_struct(name, visitor)?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Array(items) => visitor.visit_seq(Items::new(items, &self)),
            other => Err(Error::misplaced(other, &visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Array(items) if items.len() != len => {
                Err(de::Error::invalid_length(items.len(), &visitor))
            }
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Object(entries) => visitor.visit_map(Fields::new(entries, &self)),
            other => Err(Error::misplaced(other, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Ok(self.value.deserialize_enum(name, variants, visitor)?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.is_unknown();
        visitor.visit_unit()
    }
}

#[cfg(test)]
mod tests;
