//! What a pilot has for a proxy beside what the proxy has.

use serde_json::{Value, json};

use crate::compare::report;
use crate::dump::ConfigDump;

fn dump(clusters: Value, routes: Value) -> ConfigDump {
    let part = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}ConfigDump");
    let dump = json!({"configs": [
        {"@type": part("Clusters"), "dynamic_active_clusters": clusters},
        {"@type": part("Listeners"), "dynamic_listeners": [
            {"name": "b", "active_state": {"version_info": "7", "listener": {"name": "b"}}}]},
        {"@type": part("Routes"), "dynamic_route_configs": routes}]});
    ConfigDump::parse(&dump.to_string()).unwrap()
}

#[test]
fn versions_times_and_the_order_of_things_do_not_matter() {
    let pilot = dump(
        json!([
            {"version_info": "1", "cluster": {"name": "a", "type": "EDS"}},
            {"version_info": "1", "cluster": {"name": "b"}}]),
        json!([{"route_config": {"name": "80"}}]),
    );
    let proxy = dump(
        json!([
            {"version_info": "2", "last_updated": "2026-11-23T10:00:00.1Z", "cluster": {"name": "b"}},
            {"version_info": "2", "cluster": {"type": "EDS", "name": "a"}}]),
        json!([{"last_updated": "2026-11-23T10:00:05.123Z", "route_config": {"name": "80"}}]),
    );
    let expected = "\
Clusters Match
Listeners Match
Routes Match (RDS last loaded at Mon, 23 Nov 2026 10:00:05 UTC)
";
    assert_eq!(report(&pilot, &proxy).unwrap(), expected);
}

#[test]
fn what_differs_is_shown_as_a_unified_diff_from_the_pilot_to_the_proxy() {
    let cluster = |timeout: &str| json!([{"cluster": {"name": "a", "connect_timeout": timeout}}]);
    let (pilot, proxy) = (
        dump(cluster("10s"), json!([])),
        dump(cluster("3s"), json!([])),
    );
    let expected = "\
Clusters Don't Match
--- Istiod Clusters
+++ Envoy Clusters
@@ -1,8 +1,8 @@
 {
   \"dynamicActiveClusters\": [
     {
-      \"connect_timeout\": \"10s\",
+      \"connect_timeout\": \"3s\",
       \"name\": \"a\"
     }
   ]
 }

Listeners Match
Routes Match
";
    assert_eq!(report(&pilot, &proxy).unwrap(), expected);
}

#[test]
fn a_proxy_that_lacks_a_resource_differs() {
    let pilot = dump(json!([{"cluster": {"name": "a"}}]), json!([]));
    let proxy = dump(json!([]), json!([]));
    let report = report(&pilot, &proxy).unwrap();
    assert!(report.contains("\n-      \"name\": \"a\"\n"), "{report}");
}
