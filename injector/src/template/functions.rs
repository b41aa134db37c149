//! Istio's functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{FuncMap, Value as Data};
use serde_json::Value;

use super::arguments::{Answer, Arguments, function, printed, text};
use super::{convert, data};
use crate::build::Input;
use crate::pod::PROXY;

/// Adds them; those that know the pod's proxy config get it here.
pub(super) fn add(known: &mut FuncMap, input: &Input<'_>) {
    function(known, "annotation", annotation);
    function(known, "isset", |a| {
        let there = matches!(a.at(0)?, Data::Map(map) if map.contains_key(a.text(1)?.as_str()));
        Ok(Data::Bool(there))
    });
    function(known, "valueOrDefault", |a| {
        let value = a.at(0)?;
        let is_none =
            matches!(value, Data::Nil) || matches!(value, Data::String(t) if t.is_empty());
        Ok(if is_none {
            a.at(1)?.clone()
        } else {
            value.clone()
        })
    });
    function(known, "formatDuration", |a| text(duration(&a.text(0)?)));
    function(known, "excludeInboundPort", exclude_inbound_port);
    function(known, "includeInboundPorts", |a| {
        text(ports(a.items(0)?, |_| true))
    });
    function(known, "applicationPorts", |a| {
        text(ports(a.items(0)?, |name| name != PROXY))
    });
    function(known, "kubevirtInterfaces", |a| text(a.text(0)?));
    function(known, "excludeInterfaces", |a| text(a.text(0)?));
    for name in ["toJSON", "toJson", "structToJSON"] {
        function(known, name, |a| text(json_or_empty(a.last()?)));
    }
    function(known, "toJsonMap", |a| {
        text(convert::json(&merged(a.all())).to_string())
    });
    function(known, "mergeMaps", |a| Ok(merged(a.all())));
    function(known, "fromJSON", |a| {
        Ok(match serde_json::from_str::<Value>(&a.text(0)?) {
            Ok(value) => convert::plain(&value),
            Err(_) => "{}".into(),
        })
    });
    function(known, "toYaml", |a| {
        let yaml = serde_saphyr::to_string(&convert::json(a.last()?));
        text(yaml.map_err(|error| a.wrong(&error.to_string()))?)
    });
    // As Istio's: the first line is where the template has put it.
    function(known, "indent", |a| {
        let pad = format!("\n{}", " ".repeat(a.width(0)?));
        text(a.text(1)?.replace('\n', &pad))
    });
    function(known, "directory", |a| {
        let path = a.text(0)?;
        text(
            path.rfind('/')
                .and_then(|at| path.get(..=at))
                .unwrap_or_default(),
        )
    });
    function(known, "contains", |a| {
        Ok(Data::Bool(a.text(1)?.contains(&a.text(0)?)))
    });
    function(known, "toLower", |a| text(a.text(0)?.to_lowercase()));
    function(known, "appendMultusNetwork", |a| {
        text(with_network(&a.text(0)?, &a.text(1)?))
    });
    function(known, "env", |a| {
        let set = std::env::var(a.text(0)?)
            .ok()
            .filter(|value| !value.is_empty());
        text(set.map_or_else(|| a.text(1), Ok)?)
    });
    function(known, "strdict", strdict);
    function(known, "omit", omit);
    function(known, "omitNil", |a| {
        let Data::Map(map) = a.at(0)? else {
            return Err(a.wrong("a map is wanted"));
        };
        let there = map.iter().filter(|(_, value)| !matches!(value, Data::Nil));
        Ok(convert::map(
            there.map(|(k, v)| (k.clone(), v.clone())).collect(),
        ))
    });
    let (config, difference) = (
        data::proxy_config(input),
        Value::Object(input.proxy_config.difference()).to_string(),
    );
    function(known, "protoToJSON", move |a| {
        let message = a.at(0)?;
        // Of a proxy config what differs from the defaults, which makes pods smaller.
        text(if *message == config {
            difference.clone()
        } else {
            json_or_empty(message)
        })
    });
}

/// An annotation of an object's metadata, or the text of what stands for all pods.
fn annotation(a: Arguments<'_>) -> Answer {
    let name = a.text(1)?;
    let annotations = a.at(0)?.field("Annotations");
    match annotations.and_then(|annotations| annotations.field(&name)) {
        Some(value) => Ok(value.clone()),
        None => text(a.text(2)?),
    }
}

fn json_or_empty(data: &Data) -> String {
    match data {
        Data::Nil => "{}".to_owned(),
        other => convert::json(other).to_string(),
    }
}

/// Maps laid over each other; the last wins.
fn merged(maps: &[Data]) -> Data {
    let mut all = BTreeMap::new();
    for map in maps {
        if let Data::Map(map) = map {
            all.extend(map.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
    }
    convert::map(all)
}

fn strdict(a: Arguments<'_>) -> Answer {
    let pairs = a.all().chunks(2).map(|pair| match pair {
        [key, value] => Ok((Arc::from(printed(key)), Data::from(printed(value)))),
        _ => Err(a.wrong("keys and values are wanted in pairs")),
    });
    Ok(convert::map(pairs.collect::<Result<_, _>>()?))
}

fn omit(a: Arguments<'_>) -> Answer {
    let Data::Map(map) = a.at(0)? else {
        return Err(a.wrong("a map is wanted"));
    };
    let keys: Vec<String> = a.all().iter().skip(1).map(printed).collect();
    let kept = map
        .iter()
        .filter(|(key, _)| !keys.iter().any(|k| k.as_str() == key.as_ref()));
    Ok(convert::map(
        kept.map(|(k, v)| (k.clone(), v.clone())).collect(),
    ))
}

/// A duration in JSON's form (`90s`) in Go's (`1m30s`).
fn duration(seconds: &str) -> String {
    let Some(whole) = seconds
        .strip_suffix('s')
        .and_then(|n| n.parse::<u64>().ok())
    else {
        return seconds.to_owned();
    };
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// A list of ports with one more, unless it is there or none.
fn exclude_inbound_port(a: Arguments<'_>) -> Answer {
    let (port, excluded) = (a.text(0)?.trim().to_owned(), a.text(1)?);
    let there: Vec<&str> = excluded
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .collect();
    if port.is_empty() || port == "0" || there.contains(&port.as_str()) {
        return text(excluded);
    }
    let all: Vec<&str> = there.into_iter().chain([port.as_str()]).collect();
    text(all.join(","))
}

/// The TCP ports of containers.
fn ports(containers: &[Data], wanted: impl Fn(&str) -> bool) -> String {
    let mut ports = Vec::new();
    for container in containers {
        let name = container.field("Name").map(printed).unwrap_or_default();
        let Some(Data::List(declared)) = container.field("Ports").filter(|_| wanted(&name)) else {
            continue;
        };
        for port in declared.iter() {
            let protocol = port.field("Protocol").map(printed).unwrap_or_default();
            if !matches!(protocol.as_str(), "UDP" | "SCTP") {
                ports.extend(port.field("ContainerPort").map(printed));
            }
        }
    }
    ports.join(",")
}

/// Multus' list of networks, names or JSON, with one more.
fn with_network(existing: &str, network: &str) -> String {
    if existing.is_empty() {
        return network.to_owned();
    }
    if let Some((list, rest)) = existing.rsplit_once(']') {
        let networks: Vec<Value> = serde_json::from_str(existing).unwrap_or_default();
        if networks.is_empty()
            || networks
                .iter()
                .any(|n| n.get("name").and_then(Value::as_str) == Some(network))
        {
            return existing.to_owned();
        }
        return format!(r#"{list}, {{"name": "{network}"}}]{rest}"#);
    }
    if existing.split(',').any(|name| name.trim() == network) {
        return existing.to_owned();
    }
    format!("{existing}, {network}")
}
