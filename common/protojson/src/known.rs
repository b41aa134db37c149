//! Messages that have a form of their own in JSON (`google.protobuf`).

use serde_json::{Map, Number, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::json::At;
use crate::schema::Schema;
use crate::wire::{Fields, Malformed, Raw};

/// A message of any type.
pub(crate) const ANY: &str = "google.protobuf.Any";

const PACKAGE: &str = "google.protobuf.";

/// Whether a message has a form of its own.
pub(crate) fn is(name: &str) -> bool {
    name.starts_with(PACKAGE)
}

/// One of them as JSON.
pub(crate) fn json(schema: &Schema, name: &str, bytes: &[u8], at: At) -> Result<Value, Malformed> {
    let name = name.strip_prefix(PACKAGE).ok_or(Malformed)?;
    Ok(match name {
        "Any" => {
            let (mut url, mut value) = (String::new(), &[][..]);
            for field in Fields(bytes) {
                match field? {
                    (1, Raw::Bytes(text)) => url = String::from_utf8_lossy(text).into_owned(),
                    (2, Raw::Bytes(bytes)) => value = bytes,
                    _ => {}
                }
            }
            match url.is_empty() {
                true => Map::new().into(),
                false => schema.any_at(&url, value, at),
            }
        }
        "Struct" => structure(bytes, at)?,
        "Value" => value(bytes, at)?,
        "ListValue" => list(bytes, at)?,
        "Duration" => duration(bytes)?.into(),
        "Timestamp" => timestamp(bytes)?.into(),
        "FieldMask" => {
            let mut paths = Vec::new();
            for field in Fields(bytes) {
                if let (1, Raw::Bytes(path)) = field? {
                    paths.push(camel(&String::from_utf8_lossy(path)));
                }
            }
            paths.join(",").into()
        }
        "Empty" => Map::new().into(),
        wrapper => wrapped(wrapper, bytes)?,
    })
}

/// The value of a wrapper; zero where none stands in it.
fn wrapped(name: &str, bytes: &[u8]) -> Result<Value, Malformed> {
    let mut raw = None;
    for field in Fields(bytes) {
        if let (1, found) = field? {
            raw = Some(found);
        }
    }
    let varint = match raw {
        Some(Raw::Varint(bits)) => bits,
        _ => 0,
    };
    Ok(match (name, raw) {
        ("BoolValue", _) => (varint != 0).into(),
        ("Int32Value", _) => (varint as i32).into(),
        ("UInt32Value", _) => (varint as u32).into(),
        ("Int64Value", _) => varint.cast_signed().to_string().into(),
        ("UInt64Value", _) => varint.to_string().into(),
        ("StringValue", Some(Raw::Bytes(text))) => String::from_utf8_lossy(text).into(),
        ("BytesValue", Some(Raw::Bytes(bytes))) => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD
                .encode(bytes)
                .into()
        }
        ("StringValue" | "BytesValue", None) => "".into(),
        ("DoubleValue", Some(Raw::Fixed64(bits))) => number(f64::from_bits(bits)),
        ("FloatValue", Some(Raw::Fixed32(bits))) => short_number(f32::from_bits(bits)),
        ("DoubleValue" | "FloatValue", None) => 0.into(),
        _ => return Err(Malformed),
    })
}

fn structure(bytes: &[u8], at: At) -> Result<Value, Malformed> {
    let at = at.below()?;
    let mut object = Map::new();
    for field in Fields(bytes) {
        let (1, Raw::Bytes(entry)) = field? else {
            continue;
        };
        let (mut key, mut held) = (String::new(), Value::Null);
        for field in Fields(entry) {
            match field? {
                (1, Raw::Bytes(name)) => key = String::from_utf8_lossy(name).into_owned(),
                (2, Raw::Bytes(bytes)) => held = value(bytes, at)?,
                _ => {}
            }
        }
        object.insert(key, held);
    }
    Ok(object.into())
}

fn list(bytes: &[u8], at: At) -> Result<Value, Malformed> {
    let at = at.below()?;
    let mut values = Vec::new();
    for field in Fields(bytes) {
        if let (1, Raw::Bytes(bytes)) = field? {
            values.push(value(bytes, at)?);
        }
    }
    Ok(values.into())
}

fn value(bytes: &[u8], at: At) -> Result<Value, Malformed> {
    let at = at.below()?;
    let mut value = Value::Null;
    for field in Fields(bytes) {
        value = match field? {
            (2, Raw::Fixed64(bits)) => number(f64::from_bits(bits)),
            (3, Raw::Bytes(text)) => String::from_utf8_lossy(text).into(),
            (4, Raw::Varint(flag)) => (flag != 0).into(),
            (5, Raw::Bytes(bytes)) => structure(bytes, at)?,
            (6, Raw::Bytes(bytes)) => list(bytes, at)?,
            _ => Value::Null,
        };
    }
    Ok(value)
}

/// Seconds and nanoseconds.
fn seconds(bytes: &[u8]) -> Result<(i64, i32), Malformed> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields(bytes) {
        match field? {
            (1, Raw::Varint(bits)) => seconds = bits.cast_signed(),
            (2, Raw::Varint(bits)) => nanos = bits as i32,
            _ => {}
        }
    }
    Ok((seconds, nanos))
}

fn duration(bytes: &[u8]) -> Result<String, Malformed> {
    let (seconds, nanos) = seconds(bytes)?;
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let (whole, part) = (seconds.unsigned_abs(), nanos.unsigned_abs());
    Ok(match part {
        0 => format!("{sign}{whole}s"),
        p if p % 1_000_000 == 0 => format!("{sign}{whole}.{:03}s", p / 1_000_000),
        p if p % 1_000 == 0 => format!("{sign}{whole}.{:06}s", p / 1_000),
        p => format!("{sign}{whole}.{p:09}s"),
    })
}

fn timestamp(bytes: &[u8]) -> Result<String, Malformed> {
    let (seconds, nanos) = seconds(bytes)?;
    OffsetDateTime::from_unix_timestamp(seconds)
        .and_then(|at| at.replace_nanosecond(nanos.unsigned_abs()))
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .ok_or(Malformed)
}

/// `a_b.c` as `aB.c`.
fn camel(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' => upper = true,
            c if std::mem::take(&mut upper) => text.extend(c.to_uppercase()),
            c => text.push(c),
        }
    }
    text
}

/// A number; whole ones without a point, as Envoy prints them.
pub(crate) fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return (value as i64).into();
    }
    match Number::from_f64(value) {
        Some(number) => number.into(),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// A number of 32 bits with no more digits than it has.
pub(crate) fn short_number(value: f32) -> Value {
    number(value.to_string().parse().unwrap_or_else(|_| value.into()))
}
