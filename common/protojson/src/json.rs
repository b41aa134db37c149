//! A message as JSON.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::known;
use crate::schema::{Field, Holds, Message, Schema};
use crate::wire::{Fields, Malformed, Raw, array, varint};

/// Messages within messages; protobuf's own bound.
const DEPTH: u32 = 100;
/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// Where in a message we are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    depth: u32,
    /// Below a field that holds a secret.
    redacted: bool,
}

impl At {
    pub(crate) fn below(self) -> Result<Self, Malformed> {
        let depth = self.depth.checked_sub(1).ok_or(Malformed)?;
        Ok(At { depth, ..self })
    }
}

impl Schema {
    /// What an `Any` with this type and value is. A type that is not known, or a value that is not of its type, is
    /// shown in base64.
    #[must_use]
    pub fn any(&self, type_url: &str, value: &[u8]) -> Value {
        let at = At {
            depth: DEPTH,
            redacted: false,
        };
        self.any_at(type_url, value, at)
    }

    pub(crate) fn any_at(&self, type_url: &str, value: &[u8], at: At) -> Value {
        let name = type_url.rsplit_once('/').map_or(type_url, |(_, name)| name);
        let mut object = Map::new();
        object.insert("@type".to_owned(), type_url.into());
        let inside = match at.below() {
            Ok(_) if at.redacted && known::is(name) => Ok(REDACTED.into()),
            Ok(below) if known::is(name) => known::json(self, name, value, below),
            Ok(below) => match self.message(name) {
                Some(message) => match self.fields(message, value, below) {
                    Ok(fields) => {
                        object.extend(fields);
                        return object.into();
                    }
                    Err(problem) => Err(problem),
                },
                None => Err(Malformed),
            },
            Err(problem) => Err(problem),
        };
        let encoded = || match at.redacted {
            true => REDACTED.into(),
            false => STANDARD.encode(value).into(),
        };
        object.insert("value".to_owned(), inside.unwrap_or_else(|_| encoded()));
        object.into()
    }

    fn fields(
        &self,
        message: &Message,
        bytes: &[u8],
        at: At,
    ) -> Result<Map<String, Value>, Malformed> {
        // Envoy prints fields by number, in whatever order they came.
        let mut found: BTreeMap<u32, Vec<Raw<'_>>> = BTreeMap::new();
        for field in Fields(bytes) {
            let (number, raw) = field?;
            if message.fields.contains_key(&number) {
                found.entry(number).or_default().push(raw);
            }
        }
        let mut object = Map::new();
        for (number, raws) in found {
            let Some(field) = message.fields.get(&number) else {
                continue;
            };
            let at = At {
                redacted: at.redacted || field.sensitive,
                ..at
            };
            let value = match (field.repeated, field.holds) {
                (false, _) => self.single(field, &raws, at)?,
                (true, Holds::Message(name))
                    if self.message(name).is_some_and(|entry| entry.is_entry) =>
                {
                    self.map(name, &raws, at)?
                }
                (true, _) => Some(Value::Array(self.list(field, &raws, at)?)),
            };
            if let Some(value) = value {
                object.insert(field.name.to_owned(), value);
            }
        }
        Ok(object)
    }

    fn single(&self, field: &Field, raws: &[Raw<'_>], at: At) -> Result<Option<Value>, Malformed> {
        let value = match (field.holds, raws) {
            // Parts of one message are one message.
            (Holds::Message(name), [_, _, ..]) => {
                let mut whole = Vec::new();
                for raw in raws {
                    whole.extend_from_slice(bytes(*raw)?);
                }
                self.message_value(name, &whole, at)?
            }
            (holds, [.., last]) => self.value(holds, *last, at)?,
            (_, []) => None,
        };
        let shows = |value: &Value| field.explicit || !is_zero(field.holds, value);
        Ok(value.filter(shows))
    }

    fn list(&self, field: &Field, raws: &[Raw<'_>], at: At) -> Result<Vec<Value>, Malformed> {
        let mut values = Vec::new();
        for raw in raws {
            match (field.holds, raw) {
                (Holds::String | Holds::Bytes | Holds::Message(_), _)
                | (_, Raw::Varint(_))
                | (_, Raw::Fixed32(_) | Raw::Fixed64(_)) => {
                    values.extend(self.value(field.holds, *raw, at)?);
                }
                (holds, Raw::Bytes(packed)) => {
                    let mut rest = *packed;
                    while !rest.is_empty() {
                        let raw = match holds {
                            Holds::Double => {
                                array(&mut rest).map(u64::from_le_bytes).map(Raw::Fixed64)
                            }
                            Holds::Float => {
                                array(&mut rest).map(u32::from_le_bytes).map(Raw::Fixed32)
                            }
                            _ => varint(&mut rest).map(Raw::Varint),
                        };
                        values.extend(self.value(holds, raw.ok_or(Malformed)?, at)?);
                    }
                }
            }
        }
        Ok(values)
    }

    fn map(&self, entry: &str, raws: &[Raw<'_>], at: At) -> Result<Option<Value>, Malformed> {
        let fields = &self.message(entry).ok_or(Malformed)?.fields;
        let (key, value) = (
            fields.get(&1).ok_or(Malformed)?,
            fields.get(&2).ok_or(Malformed)?,
        );
        let mut object = BTreeMap::new();
        for raw in raws {
            let (mut name, mut held) = (Vec::new(), Vec::new());
            for field in Fields(bytes(*raw)?) {
                match field? {
                    (1, raw) => name.push(raw),
                    (2, raw) => held.push(raw),
                    _ => {}
                }
            }
            // The name of a secret is none.
            let at_name = At {
                redacted: false,
                ..at
            };
            let name = match name.last() {
                Some(raw) => self
                    .value(key.holds, *raw, at_name)?
                    .map_or_else(String::new, plain),
                None => plain(zero(key.holds)),
            };
            let held = match held.as_slice() {
                [] => None,
                held => {
                    let explicit = Field {
                        explicit: true,
                        ..*value
                    };
                    self.single(&explicit, held, at)?
                }
            };
            object.insert(name, held.unwrap_or_else(|| zero(value.holds)));
        }
        Ok(Some(object.into_iter().collect::<Map<_, _>>().into()))
    }

    fn value(&self, holds: Holds, raw: Raw<'_>, at: At) -> Result<Option<Value>, Malformed> {
        if at.redacted && !matches!(holds, Holds::Message(_)) {
            return Ok(match holds {
                Holds::String => Some(REDACTED.into()),
                Holds::Bytes => Some(STANDARD.encode(REDACTED).into()),
                _ => None,
            });
        }
        Ok(Some(match (holds, raw) {
            (Holds::Message(name), raw) => return self.message_value(name, bytes(raw)?, at),
            (Holds::String, raw) => String::from_utf8_lossy(bytes(raw)?).into(),
            (Holds::Bytes, raw) => STANDARD.encode(bytes(raw)?).into(),
            (Holds::Double, Raw::Fixed64(bits)) => known::number(f64::from_bits(bits)),
            (Holds::Float, Raw::Fixed32(bits)) => known::short_number(f32::from_bits(bits)),
            (holds, raw) => {
                let bits = match raw {
                    Raw::Varint(bits) | Raw::Fixed64(bits) => bits,
                    Raw::Fixed32(bits) if holds == Holds::Uint32 => bits.into(),
                    // The sign goes on.
                    Raw::Fixed32(bits) => i64::from(bits.cast_signed()).cast_unsigned(),
                    Raw::Bytes(_) => return Err(Malformed),
                };
                self.integer(holds, bits)?
            }
        }))
    }

    /// A number of up to 64 bits. Those of 32 are cut to them, as every reader does.
    fn integer(&self, holds: Holds, bits: u64) -> Result<Value, Malformed> {
        let zigzag = |bits: u64| (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed();
        let low = bits as u32;
        Ok(match holds {
            Holds::Int64 => bits.cast_signed().to_string().into(),
            Holds::Uint64 => bits.to_string().into(),
            Holds::Sint64 => zigzag(bits).to_string().into(),
            Holds::Int32 => low.cast_signed().into(),
            Holds::Uint32 => low.into(),
            Holds::Sint32 => zigzag(low.into()).into(),
            Holds::Bool => (bits != 0).into(),
            Holds::Enum(name) => match self.name_of(name, low.cast_signed()) {
                Some(name) => name.into(),
                None => low.cast_signed().into(),
            },
            _ => return Err(Malformed),
        })
    }

    /// A message within one.
    pub(crate) fn message_value(
        &self,
        name: &str,
        bytes: &[u8],
        at: At,
    ) -> Result<Option<Value>, Malformed> {
        let at = at.below()?;
        if at.redacted && known::is(name) && name != known::ANY {
            return Ok(Some(REDACTED.into()));
        }
        if known::is(name) {
            return known::json(self, name, bytes, at).map(Some);
        }
        // All messages that fields name are in the schema.
        let message = self.message(name).ok_or(Malformed)?;
        self.fields(message, bytes, at)
            .map(|object| Some(object.into()))
    }
}

fn bytes(raw: Raw<'_>) -> Result<&[u8], Malformed> {
    match raw {
        Raw::Bytes(bytes) => Ok(bytes),
        _ => Err(Malformed),
    }
}

/// What is not shown where nothing says that it was set.
fn is_zero(holds: Holds, value: &Value) -> bool {
    match (holds, value) {
        (Holds::Message(_), _) => false,
        (_, Value::Bool(flag)) => !flag,
        (Holds::Int64 | Holds::Uint64 | Holds::Sint64, Value::String(text)) => text == "0",
        (_, Value::String(text)) => text.is_empty(),
        (_, Value::Number(number)) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

/// What a map holds where an entry has no value, or no key.
fn zero(holds: Holds) -> Value {
    match holds {
        Holds::Bool => false.into(),
        Holds::Message(_) => Map::new().into(),
        Holds::String | Holds::Bytes => "".into(),
        Holds::Int64 | Holds::Uint64 | Holds::Sint64 => "0".into(),
        _ => 0.into(),
    }
}

/// A value as the name of a member.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
