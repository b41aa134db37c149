//! The parts of a value, one after the other.

use std::cell::RefCell;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess};
use serde_json::{Map, Value};

use super::key::Key;
use super::path::Path;
use super::{Error, Reader, Unknown};

/// The items of a list.
pub(super) struct Items<'de, 'p> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    path: &'p Path<'p>,
    unknown: &'p RefCell<Unknown>,
}

impl<'de, 'p> Items<'de, 'p> {
    pub(super) fn new(items: &'de [Value], of: &'p Reader<'de, 'p>) -> Self {
        Self {
            items: items.iter().enumerate(),
            path: &of.path,
            unknown: of.unknown,
        }
    }
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        let path = Path::Item(self.path, index);
        let unknown = self.unknown;
        match seed.deserialize(Reader {
            value,
            path,
            unknown,
        }) {
            Ok(item) => Ok(Some(item)),
            Err(error) => Err(error.at(&path)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The fields of an object, or the entries of a map.
pub(super) struct Fields<'de, 'p> {
    entries: serde_json::map::Iter<'de>,
    /// The entry whose key was read last.
    entry: Option<(&'de str, &'de Value)>,
    path: &'p Path<'p>,
    unknown: &'p RefCell<Unknown>,
}

impl<'de, 'p> Fields<'de, 'p> {
    pub(super) fn new(entries: &'de Map<String, Value>, of: &'p Reader<'de, 'p>) -> Self {
        Self {
            entries: entries.iter(),
            entry: None,
            path: &of.path,
            unknown: of.unknown,
        }
    }

    fn advance(&mut self) -> Option<&'de str> {
        let (key, value) = self.entries.next()?;
        self.entry = Some((key, value));
        Some(key)
    }
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(key) = self.advance() else {
            return Ok(None);
        };
        match seed.deserialize(Key(key)) {
            Ok(key) => Ok(Some(key)),
            Err(error) => Err(error.at(&Path::Field(self.path, key))),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, value)) = self.entry.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let path = Path::Field(self.path, key);
        let unknown = self.unknown;
        seed.deserialize(Reader {
            value,
            path,
            unknown,
        })
        .map_err(|error| error.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}
