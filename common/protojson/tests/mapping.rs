//! Messages as prost encodes them, as JSON.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;

use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, circuit_breakers::Thresholds, cluster,
};
use envoy_types::pb::envoy::config::core::v3::{
    DataSource, HttpUri, Metadata, Node, RoutingPriority, data_source::Specifier,
};
use envoy_types::pb::envoy::config::route::v3::{RouteAction, RouteMatch, route_match};
use envoy_types::pb::envoy::extensions::filters::http::fault::v3::HttpFault;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    GenericSecret, Secret, TlsCertificate, TlsSessionTicketKeys, secret,
};
use envoy_types::pb::envoy::r#type::v3::{DoubleRange, Int64Range};
use envoy_types::pb::google::protobuf::{
    Any, BoolValue, DoubleValue, Duration, ListValue, Struct, UInt32Value, Value, value::Kind,
};
use prost::{Message, Name};
use protojson::Schema;
use serde_json::json;

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

fn shown<M: Message + Name>(message: &M) -> serde_json::Value {
    let mut shown = Schema::load().any(&M::type_url(), &message.encode_to_vec());
    assert_eq!(shown["@type"], M::type_url());
    shown.as_object_mut().unwrap().shift_remove("@type");
    shown
}

fn source(specifier: Specifier) -> Option<DataSource> {
    Some(DataSource {
        specifier: Some(specifier),
        ..Default::default()
    })
}

fn inline(text: &str) -> Option<DataSource> {
    source(Specifier::InlineString(text.to_owned()))
}

#[test]
fn fields_have_the_names_of_the_definitions_and_stand_by_number() {
    let cluster = Cluster {
        name: "a".to_owned(),
        connect_timeout: Some(Duration {
            seconds: 0,
            nanos: 250_000_000,
        }),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Eds.into(),
        )),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![Thresholds {
                priority: RoutingPriority::High.into(),
                max_connections: Some(UInt32Value { value: 7 }),
                track_remaining: true,
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let expected = r#"{"name":"a","type":"EDS","connect_timeout":"0.250s","circuit_breakers":{"thresholds":[{"priority":"HIGH","max_connections":7,"track_remaining":true}]}}"#;
    assert_eq!(shown(&cluster).to_string(), expected);
}

#[test]
fn a_zero_is_shown_only_where_it_says_something() {
    let one_of_several = RouteMatch {
        path_specifier: Some(route_match::PathSpecifier::Prefix(String::new())),
        grpc: None,
        case_sensitive: Some(BoolValue { value: false }),
        ..Default::default()
    };
    assert_eq!(
        shown(&one_of_several),
        json!({"prefix": "", "case_sensitive": false})
    );
    assert_eq!(shown(&RouteAction::default()), json!({}));
    let eds = Cluster {
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(0)),
        ..Default::default()
    };
    assert_eq!(shown(&eds), json!({"type": "STATIC"}));
}

#[test]
fn numbers_of_64_bits_are_text_and_fractions_are_numbers() {
    assert_eq!(
        shown(&Int64Range {
            start: -5,
            end: 1 << 60
        }),
        json!({"start": "-5", "end": "1152921504606846976"})
    );
    assert_eq!(
        shown(&DoubleRange {
            start: 0.5,
            end: f64::INFINITY
        }),
        json!({"start": 0.5, "end": "Infinity"})
    );
    let whole = any(&DoubleValue { value: 3.0 });
    assert_eq!(
        Schema::load().any(&whole.type_url, &whole.value)["value"],
        json!(3)
    );
}

#[test]
fn structures_and_maps_keep_their_members() {
    let kind = |kind| Value { kind: Some(kind) };
    let list = ListValue {
        values: vec![
            kind(Kind::NumberValue(1.5)),
            kind(Kind::BoolValue(true)),
            kind(Kind::NullValue(0)),
        ],
    };
    let fields = HashMap::from([("l".to_owned(), kind(Kind::ListValue(list)))]);
    let metadata = Metadata {
        filter_metadata: HashMap::from([("istio".to_owned(), Struct { fields })]),
        ..Default::default()
    };
    assert_eq!(
        shown(&metadata),
        json!({"filter_metadata": {"istio": {"l": [1.5, true, null]}}})
    );
}

#[test]
fn an_any_within_one_is_unpacked_and_an_unknown_one_keeps_its_bytes() {
    let fault = any(&HttpFault {
        upstream_cluster: "c".to_owned(),
        ..Default::default()
    });
    let unknown = Any {
        type_url: "type.googleapis.com/a.B".to_owned(),
        value: vec![1, 2],
    };
    let broken = Any {
        type_url: Cluster::type_url(),
        value: vec![0x0a, 9],
    };
    let metadata = Metadata {
        typed_filter_metadata: HashMap::from([
            ("f".to_owned(), fault),
            ("u".to_owned(), unknown),
            ("x".to_owned(), broken),
        ]),
        ..Default::default()
    };
    assert_eq!(
        shown(&metadata)["typed_filter_metadata"],
        json!({
            "f": {"@type": HttpFault::type_url(), "upstream_cluster": "c"},
            "u": {"@type": "type.googleapis.com/a.B", "value": "AQI="},
            "x": {"@type": Cluster::type_url(), "value": "Cgk="},
        })
    );
}

#[test]
fn no_secret_is_shown() {
    let secret = |r#type| {
        shown(&Secret {
            name: "s".to_owned(),
            r#type: Some(r#type),
        })
        .to_string()
    };
    let certificate = secret(secret::Type::TlsCertificate(TlsCertificate {
        certificate_chain: inline("CHAIN"),
        private_key: inline("SECRET"),
        password: source(Specifier::InlineBytes(b"SECRET".to_vec())),
        ..Default::default()
    }));
    assert_eq!(
        certificate,
        r#"{"name":"s","tls_certificate":{"certificate_chain":{"inline_string":"CHAIN"},"private_key":{"inline_string":"[redacted]"},"password":{"inline_bytes":"W3JlZGFjdGVkXQ=="}}}"#
    );
    let keys = secret(secret::Type::SessionTicketKeys(TlsSessionTicketKeys {
        keys: vec![inline("SECRET").unwrap()],
    }));
    assert!(
        !keys.contains("SECRET") && keys.contains("[redacted]"),
        "{keys}"
    );
    let generic = secret(secret::Type::GenericSecret(GenericSecret {
        secret: inline("SECRET"),
        secrets: HashMap::from([("name".to_owned(), inline("SECRET").unwrap())]),
    }));
    assert!(
        !generic.contains("SECRET") && generic.contains(r#"{"name":{"#),
        "{generic}"
    );
}

#[test]
fn what_is_no_message_ends_the_reading_and_nothing_else() {
    let uri = HttpUri {
        uri: "u".to_owned(),
        ..Default::default()
    }
    .encode_to_vec();
    let schema = Schema::load();
    for cut in 1..uri.len() {
        let shown = schema.any(&HttpUri::type_url(), &uri[..cut]);
        assert!(shown.get("value").is_some(), "{shown}");
    }
    // A list in a list in a list, deeper than anything that is sent.
    let mut value = Value::default();
    for _ in 0..500 {
        value = Value {
            kind: Some(Kind::ListValue(ListValue {
                values: vec![value],
            })),
        };
    }
    let fields = HashMap::from([("deep".to_owned(), value)]);
    let node = Node {
        metadata: Some(Struct { fields }),
        ..Default::default()
    };
    assert!(schema.any("x/envoy.config.core.v3.Node", &node.encode_to_vec())["value"].is_string());
}
