//! Istio's own injection cases: workload in, injected workload out, compared whole.
//!
//! `LATEEN_CONFORMANCE` names the directory with `inject/cases.json`. The names below are the
//! cases that hold; the others, with reasons, are in docs/design/injection.md. The test fails when
//! a case of the list stops to hold, and when one that is not on it starts to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use injector::{Settings, kube_inject};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Cases that do not hold, by the file that is wanted. Each is explained in
/// docs/design/injection.md.
const DO_NOT_HOLD: &[&str] = &[];

#[derive(Deserialize)]
struct Case {
    input: String,
    #[serde(default)]
    want: String,
    #[serde(default)]
    set: Vec<String>,
    #[serde(default)]
    values_file: Option<String>,
    #[serde(default)]
    native_sidecars: Option<bool>,
    #[serde(default)]
    mesh_config: Vec<String>,
    #[serde(default)]
    expected_error: Option<String>,
}

fn directory() -> PathBuf {
    let Ok(directory) = std::env::var("LATEEN_CONFORMANCE") else {
        panic!("set LATEEN_CONFORMANCE to the directory that holds inject/cases.json");
    };
    PathBuf::from(directory).join("inject")
}

fn read(name: &str) -> String {
    let path = directory().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

impl Case {
    fn name(&self) -> String {
        let classic = if self.native_sidecars == Some(false) {
            " (classic)"
        } else {
            ""
        };
        match &self.expected_error {
            Some(_) => format!("{}{classic}", self.input),
            None => format!("{}{classic}", self.want),
        }
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        for set in [
            "values.global.hub=registry.istio.io/testing",
            "values.global.tag=latest",
        ] {
            settings.set(set).unwrap();
        }
        if let Some(file) = &self.values_file {
            settings.add_values(&read(file), file).unwrap();
        }
        if self.native_sidecars == Some(false) {
            settings
                .set("values.pilot.env.ENABLE_NATIVE_SIDECARS=false")
                .unwrap();
        }
        if !self.mesh_config.is_empty() {
            let yaml = mesh_config(&self.mesh_config.join(" "));
            settings.add_mesh_config(yaml, "mesh config").unwrap();
        }
        for set in &self.set {
            settings.set(set).unwrap();
        }
        settings
    }

    /// `Err` says how the case fails.
    fn check(&self) -> Result<(), String> {
        let result = kube_inject(&read(&self.input), &self.settings());
        if let Some(expected) = &self.expected_error {
            return match result {
                Ok(_) => Err("was injected".to_owned()),
                Err(e) if e.to_string().to_lowercase().contains(expected) => Ok(()),
                Err(e) => Err(format!("`{e}` does not name {expected}")),
            };
        }
        let got = result.map_err(|e| e.to_string())?;
        let (got, want) = (documents(&got), documents(&read(&self.want)));
        if got.len() != want.len() {
            return Err(format!("{} documents, not {}", got.len(), want.len()));
        }
        let mut differences = Vec::new();
        for (got, want) in got.iter().zip(&want) {
            differ("", got, want, &mut differences);
        }
        if differences.is_empty() {
            Ok(())
        } else {
            Err(differences.join("\n    "))
        }
    }
}

/// The statements on Go's MeshConfig that the cases carry, as the YAML that means the same.
fn mesh_config(statements: &str) -> &'static str {
    if statements.contains("DrainDuration = durationpb.New(time.Second * 23)") {
        "defaultConfig: {drainDuration: 23s}"
    } else if statements.contains("InterceptionMode = meshapi.ProxyConfig_TPROXY") {
        "defaultConfig: {interceptionMode: TPROXY}"
    } else if statements.contains("ISTIO_META_TLS_CLIENT_KEY") {
        "defaultConfig: {proxyMetadata: {ISTIO_META_TLS_CLIENT_KEY: \
         /etc/identity/client/keys/client-key.pem}}"
    } else if statements.contains("m.DefaultConfig.Tracing = &meshapi.Tracing{}") {
        "defaultConfig: {tracing: {}}"
    } else if statements.contains("MeshConfig_InboundTrafficPolicy_LOCALHOST") {
        "inboundTrafficPolicy: {mode: LOCALHOST}"
    } else if statements.contains("OTEL_SEMANTIC_CONVENTIONS") {
        "extensionProviders: [{name: otel, opentelemetry: {service: \
         otel-collector.observability.svc.cluster.local, port: 4317, serviceAttributeEnrichment: \
         OTEL_SEMANTIC_CONVENTIONS}}]"
    } else {
        panic!("no YAML is known for the mesh config `{statements}`")
    }
}

fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let documents = documents.into_iter().filter(|d| !d.is_null());
    documents.map(|d| normal(d, "")).collect()
}

/// One form for what means the same: absent for empty, JSON inside annotations parsed, quantities
/// in base units.
fn normal(value: Value, key: &str) -> Value {
    match value {
        Value::Object(map) => {
            let mut kept = Map::new();
            for (key, value) in map {
                let value = match key.as_str() {
                    "limits" | "requests" => quantities(value),
                    _ => normal(value, &key),
                };
                if !is_empty(&value) {
                    kept.insert(key, value);
                }
            }
            kept.into()
        }
        Value::Array(items) => items.into_iter().map(|i| normal(i, "")).collect(),
        Value::String(text) if key.contains('/') && text.starts_with('{') => {
            normal(serde_json::from_str(&text).unwrap(), "")
        }
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn quantities(value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    let amount = |value: Value| {
        let text = value.as_str().map_or(value.to_string(), str::to_owned);
        let split = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
        let number: f64 = text[..split].parse().unwrap();
        let unit = match &text[split..] {
            "" => 1.0,
            "m" => 0.001,
            "Ki" => 1024.0,
            "Mi" => 1024.0 * 1024.0,
            "Gi" => 1024.0 * 1024.0 * 1024.0,
            other => panic!("unit {other} of {text}"),
        };
        Value::from((number * unit * 1000.0).round())
    };
    map.into_iter().map(|(k, v)| (k, amount(v))).collect()
}

fn differ(path: &str, got: &Value, want: &Value, out: &mut Vec<String>) {
    match (got, want) {
        (Value::Object(g), Value::Object(w)) => {
            let keys: BTreeSet<&String> = g.keys().chain(w.keys()).collect();
            for key in keys {
                let part = |m: &Map<String, Value>| m.get(key).cloned().unwrap_or_default();
                differ(&format!("{path}/{key}"), &part(g), &part(w), out);
            }
        }
        (Value::Array(g), Value::Array(w)) if g.len() == w.len() => {
            for (i, (g, w)) in g.iter().zip(w).enumerate() {
                differ(&format!("{path}/{i}"), g, w, out);
            }
        }
        _ if got == want => {}
        _ => out.push(format!("{path}: {got} is not {want}")),
    }
}

#[test]
fn the_cases_that_hold_are_those_said_to_hold() {
    let cases: Vec<Case> = serde_json::from_str(&read("cases.json")).unwrap();
    let mut wrong = Vec::new();
    let mut held = 0;
    for case in &cases {
        let name = case.name();
        let expected = !DO_NOT_HOLD.contains(&name.as_str());
        match case.check() {
            Ok(()) => {
                held += 1;
                println!("holds  {name}");
                if !expected {
                    wrong.push(format!("{name} holds now: take it off the list"));
                }
            }
            Err(why) => {
                println!("FAILS  {name}\n    {why}");
                if expected {
                    wrong.push(format!("{name} does not hold:\n    {why}"));
                }
            }
        }
    }
    println!("{held} of {} cases hold", cases.len());
    let names: BTreeSet<String> = cases.iter().map(Case::name).collect();
    for listed in DO_NOT_HOLD {
        assert!(names.contains(*listed), "{listed} is no case");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
