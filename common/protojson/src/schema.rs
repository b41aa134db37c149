//! What messages are made of.

use std::collections::HashMap;

/// The messages and enums that are known, by full name.
#[derive(Debug)]
pub struct Schema {
    messages: HashMap<&'static str, Message>,
    enums: HashMap<&'static str, HashMap<i32, &'static str>>,
}

/// A message's fields by number.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) fields: HashMap<u32, Field>,
    /// It is an entry of a map: a key (1) and a value (2).
    pub(crate) is_entry: bool,
}

/// A field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) holds: Holds,
    pub(crate) repeated: bool,
    /// It is shown even if it is zero.
    pub(crate) explicit: bool,
    /// It holds a secret (`udpa.annotations.sensitive`).
    pub(crate) sensitive: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Double,
    Float,
    /// A signed number of 64 bits: text in JSON.
    Int64,
    Uint64,
    Int32,
    Uint32,
    /// Zigzag.
    Sint64,
    Sint32,
    Bool,
    String,
    Bytes,
    Enum(&'static str),
    Message(&'static str),
}

impl Schema {
    /// Reads the definitions; it takes a few milliseconds and half a megabyte, for as long as it is kept.
    #[must_use]
    pub fn load() -> Self {
        let mut schema = Schema {
            messages: HashMap::new(),
            enums: HashMap::new(),
        };
        let (mut message, mut values) = (None, None);
        for line in include_str!("schema.txt").lines() {
            let mut words = line.split(' ');
            let (Some(first), Some(second)) = (words.next(), words.next()) else {
                continue;
            };
            match (first, words.next()) {
                ("enum", None) => {
                    values = Some(schema.enums.entry(second).or_default());
                    message = None;
                }
                (kind, None) if kind == "message" || kind == "map" => {
                    let one = schema.messages.entry(second).or_default();
                    one.is_entry = kind == "map";
                    message = Some(one);
                    values = None;
                }
                (number, None) => {
                    if let (Some(values), Ok(number)) = (&mut values, number.parse()) {
                        // Of two names for one number the first counts.
                        values.entry(number).or_insert(second);
                    }
                }
                (number, Some(kind)) => {
                    if let (Some(message), Ok(number)) = (&mut message, number.parse()) {
                        message.fields.insert(number, Field::new(second, kind));
                    }
                }
            }
        }
        schema
    }

    pub(crate) fn message(&self, name: &str) -> Option<&Message> {
        self.messages.get(name)
    }

    pub(crate) fn name_of(&self, of: &str, number: i32) -> Option<&'static str> {
        self.enums.get(of)?.get(&number).copied()
    }
}

impl Field {
    fn new(name: &'static str, kind: &'static str) -> Self {
        let (sensitive, kind) = marked(kind, '!');
        let (repeated, kind) = marked(kind, '*');
        let (explicit, kind) = marked(kind, '?');
        let holds = match (marked(kind, '='), kind) {
            ((true, name), _) => Holds::Enum(name),
            (_, "double") => Holds::Double,
            (_, "float") => Holds::Float,
            (_, "int64" | "sfixed64") => Holds::Int64,
            (_, "uint64" | "fixed64") => Holds::Uint64,
            (_, "int32" | "sfixed32") => Holds::Int32,
            (_, "uint32" | "fixed32") => Holds::Uint32,
            (_, "sint64") => Holds::Sint64,
            (_, "sint32") => Holds::Sint32,
            (_, "bool") => Holds::Bool,
            (_, "string") => Holds::String,
            (_, "bytes") => Holds::Bytes,
            (_, name) => Holds::Message(name),
        };
        Field {
            name,
            holds,
            repeated,
            explicit,
            sensitive,
        }
    }
}

fn marked(text: &str, mark: char) -> (bool, &str) {
    match text.strip_prefix(mark) {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}
