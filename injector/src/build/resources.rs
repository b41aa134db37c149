//! CPU and memory of the proxy's containers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use super::Input;
use crate::annotations::{PROXY_CPU, PROXY_CPU_LIMIT, PROXY_MEMORY, PROXY_MEMORY_LIMIT};

/// The pod's annotations, or, where it has none of them, the values.
pub(super) fn proxy(input: &Input<'_>) -> ResourceRequirements {
    let all = [PROXY_CPU, PROXY_MEMORY, PROXY_CPU_LIMIT, PROXY_MEMORY_LIMIT];
    if all.iter().any(|name| input.annotations.has(name)) {
        let pair = |cpu: &str, memory: &str| {
            let named = [("cpu", cpu), ("memory", memory)];
            let quantities = named.into_iter().filter_map(|(resource, annotation)| {
                let quantity = input.annotations.get(annotation)?;
                Some((resource.to_owned(), Quantity(quantity.to_owned())))
            });
            non_empty(quantities.collect())
        };
        return ResourceRequirements {
            requests: pair(PROXY_CPU, PROXY_MEMORY),
            limits: pair(PROXY_CPU_LIMIT, PROXY_MEMORY_LIMIT),
            ..ResourceRequirements::default()
        };
    }
    let values = &input.settings.values.global.proxy.resources;
    ResourceRequirements {
        requests: quantities(values.get("requests")),
        limits: quantities(values.get("limits")),
        ..ResourceRequirements::default()
    }
}

fn quantities(values: Option<&Value>) -> Option<BTreeMap<String, Quantity>> {
    let entries = values.and_then(Value::as_object).into_iter().flatten();
    let quantity = |value: &Value| match value {
        Value::String(text) => Some(Quantity(text.clone())),
        Value::Number(number) => Some(Quantity(number.to_string())),
        _ => None,
    };
    non_empty(
        entries
            .filter_map(|(k, v)| Some((k.clone(), quantity(v)?)))
            .collect(),
    )
}

fn non_empty(map: BTreeMap<String, Quantity>) -> Option<BTreeMap<String, Quantity>> {
    Some(map).filter(|m| !m.is_empty())
}
