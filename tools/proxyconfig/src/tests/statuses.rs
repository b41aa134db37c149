//! What a pilot says of its proxies.

use serde_json::json;

use crate::sync::{self, Status};

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

fn page() -> String {
    json!([
        {
            "cluster_id": "Kubernetes", "proxy": "web-1.shop", "proxy_type": "sidecar", "istio_version": "1.32.0",
            "resources": {
                ROUTE: {"sent": "5", "acked": "4", "sentTime": "2026-11-23T10:00:00Z", "lastError": "50051: timeout: 12\n"},
                CLUSTER: {"sent": "1", "acked": "1", "sentTime": "2026-11-23T10:00:00Z"},
                LISTENER: {"sent": "3", "acked": "2", "sentTime": "2026-11-23T10:00:00Z"},
                ENDPOINTS: {},
            },
            "types": [{"type": ROUTE, "resources": [
                {"name": "50051", "version": "ab", "status": "rejected"},
                {"name": "80", "version": "cd", "status": "acked"},
                {"name": "none", "version": null, "status": "acked"},
                {"name": "81", "version": "ef", "status": "in doubt"}]}],
        },
        {"proxy": "idle.default", "cluster_id": "Kubernetes", "istio_version": "1.31.0"},
    ])
    .to_string()
}

#[test]
fn each_proxy_has_a_line_with_the_types_that_it_asked_for() {
    let expected = "\
NAME             CLUSTER        ISTIOD       VERSION     SUBSCRIBED TYPES
web-1.shop       Kubernetes     istiod-1     1.32.0      4 (CDS,LDS,EDS,RDS)
idle.default     Kubernetes     istiod-1     1.31.0      0
";
    let proxies = sync::read(&page(), "istiod-1").unwrap();
    assert_eq!(sync::table(&proxies), expected);
}

#[test]
fn the_wide_table_says_what_became_of_each_type() {
    let proxies = sync::read(&page(), "istiod-1").unwrap();
    let expected = "\
NAME             CLUSTER        CDS             ECDS        EDS          LDS            RDS            ISTIOD       VERSION
web-1.shop       Kubernetes     SYNCED (5m)     IGNORED     NOT SENT     STALE (5m)     ERROR (5m)     istiod-1     1.32.0
idle.default     Kubernetes     IGNORED         IGNORED     IGNORED      IGNORED        IGNORED        istiod-1     1.31.0
";
    assert_eq!(sync::wide_table(&proxies, |_| "5m".to_owned()), expected);
    let route = proxies[0].types.last().unwrap();
    assert_eq!((route.short(), route.status), ("RDS", Status::Error));
}

#[test]
fn a_refusal_is_told_with_the_resource_and_the_proxys_words() {
    let proxies = sync::read(&page(), "istiod-1").unwrap();
    let expected = "web-1.shop: RDS ERROR of 50051: 50051: timeout: 12\n";
    assert_eq!(sync::refusals(&proxies), expected);
    assert_eq!(sync::refusals(&proxies[1..]), "");
}

#[test]
fn json_has_an_entry_for_each_type_and_if_wanted_for_each_resource() {
    let proxies = sync::read(&page(), "istiod-1").unwrap();
    let whole = sync::json(&proxies, &json!({"ID": "istiod-1"}), false);
    assert_eq!(whole["controlPlane"]["identifier"], r#"{"ID":"istiod-1"}"#);
    let config = &whole["resources"][0];
    assert_eq!(config["node"]["id"], "web-1.shop");
    assert_eq!(config["node"]["metadata"]["NAMESPACE"], "shop");
    let types = config["genericXdsConfigs"].as_array().unwrap();
    let statuses: Vec<&str> = types
        .iter()
        .map(|one| one["configStatus"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["SYNCED", "STALE", "NOT_SENT", "ERROR"]);
    assert_eq!(types[3]["errorState"]["details"], "50051: timeout: 12\n");

    let each = sync::json(&proxies, &json!({}), true);
    let types = each["resources"][0]["genericXdsConfigs"]
        .as_array()
        .unwrap();
    let resources: Vec<(&str, &str)> = types
        .iter()
        .filter_map(|one| Some((one["name"].as_str()?, one["clientStatus"].as_str()?)))
        .collect();
    let expected = [
        ("50051", "NACKED"),
        ("80", "ACKED"),
        ("none", "DOES_NOT_EXIST"),
        ("81", "REQUESTED"),
    ];
    assert_eq!(resources, expected);
}

#[test]
fn what_is_no_list_is_refused() {
    assert!(sync::read("pilot is not ready", "istiod-1").is_err());
    assert!(sync::read("{}", "istiod-1").is_err());
}
