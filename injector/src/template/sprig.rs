//! Functions of the library Sprig, which Istio's injector gives to templates too: those for texts, lists, maps and
//! numbers. What looks at the clock, the network, random numbers or keys is not here.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gotmpl::{FuncMap, Value as Data};
use serde_json::Value;

use super::arguments::{Answer, Arguments, function, number, printed, text};
use super::convert;

/// Adds them.
pub(super) fn add(known: &mut FuncMap) {
    choices(known);
    texts(known);
    lists(known);
    maps(known);
    numbers(known);
    encodings(known);
}

fn choices(known: &mut FuncMap) {
    function(known, "default", |a| {
        let given = a.all().get(1).filter(|value| value.is_truthy());
        Ok(given.map_or_else(|| a.at(0), Ok)?.clone())
    });
    function(known, "empty", |a| Ok(Data::Bool(!a.at(0)?.is_truthy())));
    function(known, "coalesce", |a| {
        let first = a.all().iter().find(|value| value.is_truthy());
        Ok(first.cloned().unwrap_or(Data::Nil))
    });
    function(known, "ternary", |a| {
        Ok(a.at(if a.at(2)?.is_truthy() { 0 } else { 1 })?.clone())
    });
    function(known, "fail", |a| Err(a.wrong(&a.text(0)?)));
    function(known, "required", |a| match a.at(1)? {
        Data::Nil => Err(a.wrong(&a.text(0)?)),
        Data::String(given) if given.is_empty() => Err(a.wrong(&a.text(0)?)),
        given => Ok(given.clone()),
    });
    function(known, "kindIs", |a| {
        Ok(Data::Bool(a.text(0)? == kind(a.at(1)?)))
    });
    function(known, "kindOf", |a| text(kind(a.at(0)?)));
}

fn kind(data: &Data) -> &'static str {
    match data {
        Data::Nil => "invalid",
        Data::Bool(_) => "bool",
        Data::Int(_) | Data::Uint(_) => "int",
        Data::Float(_) => "float64",
        Data::String(_) => "string",
        Data::List(_) => "slice",
        Data::Map(_) => "map",
        Data::Function(_) => "func",
    }
}

fn texts(known: &mut FuncMap) {
    type Change = fn(&str) -> String;
    let changes: [(&str, Change); 4] = [
        ("upper", |t| t.to_uppercase()),
        ("lower", |t| t.to_lowercase()),
        ("trim", |t| t.trim().to_owned()),
        ("nospace", |t| t.split_whitespace().collect()),
    ];
    for (name, change) in changes {
        function(known, name, move |a| text(change(&a.text(0)?)));
    }
    type Cut = fn(&str, &str) -> String;
    let cuts: [(&str, Cut); 4] = [
        ("trimSuffix", |cut, t| {
            t.strip_suffix(cut).unwrap_or(t).to_owned()
        }),
        ("trimPrefix", |cut, t| {
            t.strip_prefix(cut).unwrap_or(t).to_owned()
        }),
        ("trimAll", |cut, t| {
            t.trim_matches(|c| cut.contains(c)).to_owned()
        }),
        ("cat", |before, t| format!("{before} {t}")),
    ];
    for (name, cut) in cuts {
        function(known, name, move |a| text(cut(&a.text(0)?, &a.text(1)?)));
    }
    function(known, "hasPrefix", |a| {
        Ok(Data::Bool(a.text(1)?.starts_with(&a.text(0)?)))
    });
    function(known, "hasSuffix", |a| {
        Ok(Data::Bool(a.text(1)?.ends_with(&a.text(0)?)))
    });
    function(known, "replace", |a| {
        text(a.text(2)?.replace(&a.text(0)?, &a.text(1)?))
    });
    function(known, "trunc", |a| {
        let (length, whole) = (a.number(0)?, a.text(1)?);
        let count = whole.chars().count();
        let wanted = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
        let skipped = if length < 0 {
            count.saturating_sub(wanted)
        } else {
            0
        };
        text(whole.chars().skip(skipped).take(wanted).collect::<String>())
    });
    function(known, "nindent", |a| {
        let pad = format!("\n{}", " ".repeat(a.width(0)?));
        text(pad.clone() + &a.text(1)?.replace('\n', &pad))
    });
    function(known, "quote", |a| {
        let quoted: Vec<String> = there(&a).map(|t| Value::String(t).to_string()).collect();
        text(quoted.join(" "))
    });
    function(known, "squote", |a| {
        let quoted: Vec<String> = there(&a).map(|t| format!("'{t}'")).collect();
        text(quoted.join(" "))
    });
    function(known, "toString", |a| text(a.text(0)?));
}

/// The arguments that are there, as texts.
fn there(a: &Arguments<'_>) -> impl Iterator<Item = String> {
    let there = a.all().iter().filter(|value| !matches!(value, Data::Nil));
    there.map(printed).collect::<Vec<_>>().into_iter()
}

fn lists(known: &mut FuncMap) {
    for name in ["list", "tuple"] {
        function(known, name, |a| Ok(Data::List(a.all().into())));
    }
    for name in ["append", "push"] {
        function(known, name, |a| {
            let items = a.items(0)?.iter().chain([a.at(1)?]);
            Ok(Data::List(items.cloned().collect()))
        });
    }
    function(known, "prepend", |a| {
        let items = [a.at(1)?].into_iter().chain(a.items(0)?);
        Ok(Data::List(items.cloned().collect()))
    });
    function(known, "concat", |a| {
        let mut all = Vec::new();
        for n in 0..a.all().len() {
            all.extend_from_slice(a.items(n)?);
        }
        Ok(Data::from(all))
    });
    function(known, "first", |a| {
        Ok(a.items(0)?.first().cloned().unwrap_or(Data::Nil))
    });
    function(known, "last", |a| {
        Ok(a.items(0)?.last().cloned().unwrap_or(Data::Nil))
    });
    function(known, "rest", |a| {
        Ok(Data::List(a.items(0)?.get(1..).unwrap_or_default().into()))
    });
    function(known, "has", |a| {
        Ok(Data::Bool(a.items(1)?.contains(a.at(0)?)))
    });
    function(known, "without", |a| {
        let without = a.all().get(1..).unwrap_or_default();
        let kept = a.items(0)?.iter().filter(|item| !without.contains(item));
        Ok(Data::List(kept.cloned().collect()))
    });
    function(known, "compact", |a| {
        let kept = a.items(0)?.iter().filter(|item| item.is_truthy());
        Ok(Data::List(kept.cloned().collect()))
    });
    function(known, "uniq", |a| {
        let mut kept: Vec<Data> = Vec::new();
        for item in a.items(0)? {
            if !kept.contains(item) {
                kept.push(item.clone());
            }
        }
        Ok(Data::from(kept))
    });
    function(known, "sortAlpha", |a| {
        let mut all: Vec<String> = a.items(0)?.iter().map(printed).collect();
        all.sort_unstable();
        Ok(Data::from(
            all.into_iter().map(Data::from).collect::<Vec<_>>(),
        ))
    });
    function(known, "join", |a| {
        let items: Vec<String> = a.items(1)?.iter().map(printed).collect();
        text(items.join(&a.text(0)?))
    });
    function(known, "splitList", |a| {
        let (separator, whole) = (a.text(0)?, a.text(1)?);
        Ok(Data::from(
            whole
                .split(separator.as_str())
                .map(Data::from)
                .collect::<Vec<_>>(),
        ))
    });
}

fn map_of<'a>(
    a: &Arguments<'a>,
    n: usize,
) -> Result<&'a BTreeMap<Arc<str>, Data>, gotmpl::TemplateError> {
    match a.at(n)? {
        Data::Map(map) => Ok(map),
        _ => Err(a.wrong("a map is wanted")),
    }
}

fn maps(known: &mut FuncMap) {
    function(known, "dict", |a| {
        let pairs = a.all().chunks(2).map(|pair| match pair {
            [key, value] => (Arc::from(printed(key)), value.clone()),
            rest => (
                Arc::from(rest.first().map(printed).unwrap_or_default()),
                "".into(),
            ),
        });
        Ok(convert::map(pairs.collect()))
    });
    function(known, "get", |a| {
        let value = map_of(&a, 0)?.get(a.text(1)?.as_str());
        Ok(value.cloned().unwrap_or_else(|| "".into()))
    });
    function(known, "hasKey", |a| {
        Ok(Data::Bool(map_of(&a, 0)?.contains_key(a.text(1)?.as_str())))
    });
    // Values are not changed in place here: what is wanted is the map with the entry.
    function(known, "set", |a| {
        let mut map = map_of(&a, 0)?.clone();
        map.insert(a.text(1)?.into(), a.at(2)?.clone());
        Ok(convert::map(map))
    });
    function(known, "keys", |a| {
        Ok(Data::from(
            map_of(&a, 0)?
                .keys()
                .map(|k| Data::String(k.clone()))
                .collect::<Vec<_>>(),
        ))
    });
    function(known, "values", |a| {
        Ok(Data::List(map_of(&a, 0)?.values().cloned().collect()))
    });
    function(known, "pick", |a| {
        let keys: Vec<String> = a.all().iter().skip(1).map(printed).collect();
        let picked = map_of(&a, 0)?
            .iter()
            .filter(|(key, _)| keys.iter().any(|k| k.as_str() == key.as_ref()));
        Ok(convert::map(
            picked.map(|(k, v)| (k.clone(), v.clone())).collect(),
        ))
    });
}

fn numbers(known: &mut FuncMap) {
    for name in ["int", "int64", "atoi"] {
        function(known, name, |a| {
            Ok(Data::Int(number(a.at(0)?).unwrap_or_default()))
        });
    }
    type Fold = fn(i64, i64) -> Option<i64>;
    let folds: [(&str, Fold); 7] = [
        ("add", i64::checked_add),
        ("sub", i64::checked_sub),
        ("mul", i64::checked_mul),
        ("div", i64::checked_div),
        ("mod", i64::checked_rem),
        ("max", |a, b| Some(a.max(b))),
        ("min", |a, b| Some(a.min(b))),
    ];
    for (name, fold) in folds {
        function(known, name, move |a| {
            let mut result = a.number(0)?;
            for n in 1..a.all().len() {
                result = fold(result, a.number(n)?)
                    .ok_or_else(|| a.wrong("has no result that is a number"))?;
            }
            Ok(Data::Int(result))
        });
    }
    function(known, "add1", |a| {
        Ok(Data::Int(a.number(0)?.saturating_add(1)))
    });
}

fn encodings(known: &mut FuncMap) {
    function(known, "b64enc", |a| text(STANDARD.encode(a.text(0)?)));
    function(known, "b64dec", |a| {
        let bytes = STANDARD.decode(a.text(0)?);
        let decoded = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        text(decoded.ok_or_else(|| a.wrong("is not base64 of a text"))?)
    });
    function(known, "toPrettyJson", |a| {
        let pretty = serde_json::to_string_pretty(&convert::json(a.at(0)?));
        text(pretty.map_err(|error| a.wrong(&error.to_string()))?)
    });
    for name in ["toRawJson", "mustToJson"] {
        function(known, name, |a| text(convert::json(a.at(0)?).to_string()));
    }
    for name in ["fromJson", "mustFromJson"] {
        function(known, name, from_json);
    }
}

fn from_json(a: Arguments<'_>) -> Answer {
    let value: Value =
        serde_json::from_str(&a.text(0)?).map_err(|error| a.wrong(&error.to_string()))?;
    Ok(convert::plain(&value))
}
