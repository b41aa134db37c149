//! What a template may look at: the fields of Istio's `SidecarTemplateData`, with Go's names.

use gotmpl::Value as Data;
use serde_json::{Map, Value, json};

use super::convert;
use crate::build::{Input, image};

/// The data for one pod.
pub(super) fn of(input: &Input<'_>) -> Data {
    let workload = &input.context.workload;
    let (user, group) = input.proxy_ids();
    let part = |name: &str| input.pod.get(name).cloned().unwrap_or_else(|| json!({}));
    let metadata = with_defaults(part("metadata"), &METADATA);
    let fields = [
        (
            "TypeMeta",
            convert::object(&json!({"kind": workload.kind, "apiVersion": workload.api_version})),
        ),
        (
            "DeploymentMeta",
            convert::object(&json!({"name": workload.name, "namespace": input.context.namespace})),
        ),
        ("ObjectMeta", convert::object(&metadata)),
        ("Spec", convert::object(&spec(part("spec")))),
        ("ProxyConfig", proxy_config(input)),
        ("MeshConfig", convert::object(&input.settings.mesh_config())),
        ("Values", convert::plain(&values(input))),
        ("Revision", input.settings.revision().into()),
        ("ProxyImage", image::proxy(input).into()),
        ("ProxyUID", Data::Int(user)),
        ("ProxyGID", Data::Int(group)),
        (
            "InboundTrafficPolicyMode",
            match input.settings.mesh.inbound_traffic_policy.mode.as_str() {
                "" => "PASSTHROUGH",
                mode => mode,
            }
            .into(),
        ),
        ("CompliancePolicy", "".into()),
        ("NativeSidecars", Data::Bool(input.native_sidecar())),
    ];
    convert::map(
        fields
            .into_iter()
            .map(|(name, data)| (name.into(), data))
            .collect(),
    )
}

/// The pod's proxy config, with the getters that Go's types have beside the fields.
pub(super) fn proxy_config(input: &Input<'_>) -> Data {
    let config = Value::Object(input.proxy_config.whole().clone());
    match convert::object(&config) {
        Data::Map(entries) => {
            let mut with_getters = (*entries).clone();
            for (name, data) in entries.iter() {
                with_getters.insert(format!("Get{name}").into(), data.clone());
            }
            convert::map(with_getters)
        }
        other => other,
    }
}

/// Fields that are there in Go though nobody wrote them, so that templates may compare and range over them.
const METADATA: [(&str, Empty); 6] = [
    ("name", Empty::Text),
    ("generateName", Empty::Text),
    ("namespace", Empty::Text),
    ("labels", Empty::Map),
    ("annotations", Empty::Map),
    ("ownerReferences", Empty::List),
];
const SPEC: [(&str, Empty); 15] = [
    ("containers", Empty::List),
    ("initContainers", Empty::List),
    ("volumes", Empty::List),
    ("imagePullSecrets", Empty::List),
    ("tolerations", Empty::List),
    ("nodeSelector", Empty::Map),
    ("serviceAccountName", Empty::Text),
    ("nodeName", Empty::Text),
    ("hostname", Empty::Text),
    ("subdomain", Empty::Text),
    ("restartPolicy", Empty::Text),
    ("dnsPolicy", Empty::Text),
    ("hostNetwork", Empty::No),
    ("hostPID", Empty::No),
    ("hostIPC", Empty::No),
];
const CONTAINER: [(&str, Empty); 10] = [
    ("name", Empty::Text),
    ("image", Empty::Text),
    ("workingDir", Empty::Text),
    ("imagePullPolicy", Empty::Text),
    ("command", Empty::List),
    ("args", Empty::List),
    ("env", Empty::List),
    ("envFrom", Empty::List),
    ("ports", Empty::List),
    ("volumeMounts", Empty::List),
];
const PORT: [(&str, Empty); 4] = [
    ("name", Empty::Text),
    ("protocol", Empty::Text),
    ("hostIP", Empty::Text),
    ("hostPort", Empty::Zero),
];
const VARIABLE: [(&str, Empty); 2] = [("name", Empty::Text), ("value", Empty::Text)];

/// What Go has in a field that was not written.
#[derive(Clone, Copy)]
enum Empty {
    Text,
    Zero,
    No,
    List,
    Map,
}

fn with_defaults(mut object: Value, fields: &[(&str, Empty)]) -> Value {
    if let Some(object) = object.as_object_mut() {
        for (name, empty) in fields {
            let value = object.entry(*name).or_insert(Value::Null);
            if value.is_null() {
                *value = match empty {
                    Empty::Text => Value::String(String::new()),
                    Empty::Zero => Value::from(0),
                    Empty::No => Value::Bool(false),
                    Empty::List => Value::Array(Vec::new()),
                    Empty::Map => Value::Object(Map::new()),
                };
            }
        }
    }
    object
}

fn spec(spec: Value) -> Value {
    let mut spec = with_defaults(spec, &SPEC);
    for list in ["containers", "initContainers"] {
        for container in elements(&mut spec, list) {
            *container = with_defaults(container.take(), &CONTAINER);
            for port in elements(container, "ports") {
                *port = with_defaults(port.take(), &PORT);
            }
            for variable in elements(container, "env") {
                *variable = with_defaults(variable.take(), &VARIABLE);
            }
        }
    }
    spec
}

fn elements<'v>(object: &'v mut Value, list: &str) -> impl Iterator<Item = &'v mut Value> {
    let list = object.get_mut(list).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// The values as a chart has them: the names of the images are there, though nobody said them.
fn values(input: &Input<'_>) -> Value {
    let mut values = input.settings.all_values();
    let name = image::of_hub(&input.settings.values.global.hub);
    for path in ["/global/proxy/image", "/global/proxy_init/image"] {
        if let Some(image) = values.pointer_mut(path).filter(|image| *image == "") {
            *image = Value::from(name);
        }
    }
    values
}
