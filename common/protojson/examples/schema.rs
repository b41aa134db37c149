//! Writes `src/schema.txt` anew from what protoc makes of the interface definitions that the crate `envoy-types` carries.
//! In its folder `proto`:
//!
//! ```text
//! protoc -Idata-plane-api -Ixds -Igoogleapis -Iprotoc-gen-validate -Icel-spec/proto -Iopentelemetry-proto \
//!     -Iclient_model --include_imports --descriptor_set_out=/tmp/all \
//!     $(cd data-plane-api && find envoy -path '*/v3/*.proto') $(cd xds && find * -name '*.proto')
//! cargo run -p protojson --example schema < /tmp/all > common/protojson/src/schema.txt
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use prost::Message;

/// What is read of `descriptor.proto`, with the option `udpa.annotations.sensitive` as a field.
#[derive(Message)]
struct FileDescriptorSet {
    #[prost(message, repeated, tag = 1)]
    file: Vec<FileDescriptor>,
}

#[derive(Message)]
struct FileDescriptor {
    #[prost(string, tag = 2)]
    package: String,
    #[prost(message, repeated, tag = 4)]
    message_type: Vec<Descriptor>,
    #[prost(message, repeated, tag = 5)]
    enum_type: Vec<EnumDescriptor>,
}

#[derive(Message)]
struct Descriptor {
    #[prost(string, tag = 1)]
    name: String,
    #[prost(message, repeated, tag = 2)]
    field: Vec<FieldDescriptor>,
    #[prost(message, repeated, tag = 3)]
    nested_type: Vec<Descriptor>,
    #[prost(message, repeated, tag = 4)]
    enum_type: Vec<EnumDescriptor>,
    #[prost(message, optional, tag = 7)]
    options: Option<MessageOptions>,
}

#[derive(Message)]
struct MessageOptions {
    #[prost(bool, tag = 7)]
    map_entry: bool,
}

#[derive(Message)]
struct FieldDescriptor {
    #[prost(string, tag = 1)]
    name: String,
    #[prost(int32, tag = 3)]
    number: i32,
    #[prost(int32, tag = 4)]
    label: i32,
    #[prost(int32, tag = 5)]
    kind: i32,
    #[prost(string, tag = 6)]
    type_name: String,
    #[prost(message, optional, tag = 8)]
    options: Option<FieldOptions>,
    #[prost(int32, optional, tag = 9)]
    oneof: Option<i32>,
}

#[derive(Message)]
struct FieldOptions {
    #[prost(bool, tag = 76_569_463)]
    sensitive: bool,
}

#[derive(Message)]
struct EnumDescriptor {
    #[prost(string, tag = 1)]
    name: String,
    #[prost(message, repeated, tag = 2)]
    value: Vec<EnumValue>,
}

#[derive(Message)]
struct EnumValue {
    #[prost(string, tag = 1)]
    name: String,
    #[prost(int32, tag = 2)]
    number: i32,
}

const REPEATED: i32 = 3;
const MESSAGE: i32 = 11;
const ENUM: i32 = 14;
/// Names of types by their numbers, from 1 on; groups, messages and enums have names of their own.
const KINDS: [&str; 18] = [
    "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "", "",
    "bytes", "uint32", "", "sfixed32", "sfixed64", "sint32", "sint64",
];

/// What a control plane sends, and what it or an `EnvoyFilter` puts into an `Any` of that: all messages of these
/// packages, below `envoy.` and before their version.
const PACKAGES: [&str; 59] = [
    "config.bootstrap",
    "config.cluster",
    "config.endpoint",
    "config.listener",
    "config.rbac",
    "config.route",
    "extensions.access_loggers.file",
    "extensions.access_loggers.filters.cel",
    "extensions.access_loggers.grpc",
    "extensions.access_loggers.open_telemetry",
    "extensions.access_loggers.stream",
    "extensions.clusters.aggregate",
    "extensions.clusters.dynamic_forward_proxy",
    "extensions.compression.brotli.compressor",
    "extensions.compression.gzip.compressor",
    "extensions.filters.http.adaptive_concurrency",
    "extensions.filters.http.admission_control",
    "extensions.filters.http.alternate_protocols_cache",
    "extensions.filters.http.bandwidth_limit",
    "extensions.filters.http.basic_auth",
    "extensions.filters.http.buffer",
    "extensions.filters.http.compressor",
    "extensions.filters.http.cors",
    "extensions.filters.http.csrf",
    "extensions.filters.http.decompressor",
    "extensions.filters.http.dynamic_forward_proxy",
    "extensions.filters.http.ext_authz",
    "extensions.filters.http.ext_proc",
    "extensions.filters.http.fault",
    "extensions.filters.http.grpc_stats",
    "extensions.filters.http.grpc_web",
    "extensions.filters.http.header_mutation",
    "extensions.filters.http.header_to_metadata",
    "extensions.filters.http.health_check",
    "extensions.filters.http.jwt_authn",
    "extensions.filters.http.local_ratelimit",
    "extensions.filters.http.lua",
    "extensions.filters.http.oauth2",
    "extensions.filters.http.on_demand",
    "extensions.filters.http.original_src",
    "extensions.filters.http.ratelimit",
    "extensions.filters.http.rbac",
    "extensions.filters.http.router",
    "extensions.filters.http.set_filter_state",
    "extensions.filters.http.stateful_session",
    "extensions.filters.http.wasm",
    "extensions.filters.listener",
    "extensions.filters.network.connection_limit",
    "extensions.filters.network.ext_authz",
    "extensions.filters.network.http_connection_manager",
    "extensions.filters.network.local_ratelimit",
    "extensions.filters.network.rbac",
    "extensions.filters.network.sni_dynamic_forward_proxy",
    "extensions.filters.network.tcp_proxy",
    "extensions.load_balancing_policies",
    "extensions.retry",
    "extensions.transport_sockets",
    "extensions.upstreams.http",
    "extensions.upstreams.tcp.generic",
];

/// Messages outside of them that stand in an `Any`.
const OTHERS: [&str; 3] = [
    "udpa.type.v1.TypedStruct",
    "xds.type.v3.TypedStruct",
    "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue",
];

fn main() {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).unwrap();
    let set = FileDescriptorSet::decode(&*bytes).expect("a set of descriptors");
    let mut messages = BTreeMap::new();
    let mut enums = BTreeMap::new();
    for file in set.file {
        for message in file.message_type {
            message_type(&file.package, message, &mut messages, &mut enums);
        }
        for one in file.enum_type {
            enums.insert(format!("{}.{}", file.package, one.name), one);
        }
    }
    let mut wanted: Vec<String> = messages
        .keys()
        .filter(|name| is_wanted(name) || OTHERS.contains(&name.as_str()))
        .cloned()
        .collect();
    let mut seen: BTreeSet<String> = wanted.iter().cloned().collect();
    let mut named = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        for field in messages.get(&name).map_or(&[][..], |m| &m.field) {
            let to = field.type_name.trim_start_matches('.').to_owned();
            if field.kind == ENUM {
                named.insert(to);
            } else if field.kind == MESSAGE && seen.insert(to.clone()) {
                wanted.push(to);
            }
        }
    }
    seen.retain(|name| !name.starts_with("google.protobuf."));
    for name in seen {
        let message = messages.get(&name).expect("a message");
        let entry = message.options.as_ref().is_some_and(|o| o.map_entry);
        println!("{}{name}", if entry { "map " } else { "message " });
        for field in &message.field {
            println!("{} {} {}", field.number, field.name, kind(field));
        }
    }
    for name in named {
        println!("enum {name}");
        for value in &enums.get(&name).expect("an enum").value {
            println!("{} {}", value.number, value.name);
        }
    }
}

/// Whether a name is of one of the packages, in its third version.
fn is_wanted(name: &str) -> bool {
    let Some(name) = name.strip_prefix("envoy.") else {
        return false;
    };
    name.contains(".v3.")
        && PACKAGES
            .iter()
            .any(|package| name.starts_with(&format!("{package}.")))
}

fn message_type(
    scope: &str,
    mut message: Descriptor,
    messages: &mut BTreeMap<String, Descriptor>,
    enums: &mut BTreeMap<String, EnumDescriptor>,
) {
    let name = format!("{scope}.{}", message.name);
    for inner in std::mem::take(&mut message.nested_type) {
        message_type(&name, inner, messages, enums);
    }
    for inner in std::mem::take(&mut message.enum_type) {
        enums.insert(format!("{name}.{}", inner.name), inner);
    }
    messages.insert(name, message);
}

/// A field's type, after `!` where it holds a secret, `*` where it is repeated, `?` where it is shown even if it is zero
/// (one of several, or marked as optional), `=` where it is an enum.
fn kind(field: &FieldDescriptor) -> String {
    let mut text = String::new();
    if field.options.as_ref().is_some_and(|o| o.sensitive) {
        text.push('!');
    }
    if field.label == REPEATED {
        text.push('*');
    } else if field.oneof.is_some() {
        text.push('?');
    }
    if field.kind == ENUM {
        text.push('=');
    }
    if field.kind == ENUM || field.kind == MESSAGE {
        text.push_str(field.type_name.trim_start_matches('.'));
    } else {
        let known = usize::try_from(field.kind - 1)
            .ok()
            .and_then(|at| KINDS.get(at));
        text.push_str(known.filter(|name| !name.is_empty()).expect("a type"));
    }
    text
}
