//! `ClustersConfigDump`.

use std::collections::HashSet;

use serde_json::json;
use xds::TypeUrl;

use super::{List, Section, Source, bootstrap};
use crate::admin::stamp;

pub(super) fn section(source: &Source) -> Section {
    let kind = TypeUrl::Cluster;
    let started = stamp::to_millisecond(source.started);
    let fixed = bootstrap::resources(source, "clusters", kind.as_str());
    let fixed = fixed
        .into_iter()
        .map(|cluster| json!({"cluster": cluster, "last_updated": started}));
    let shown: HashSet<&str> = source
        .graph
        .clusters
        .iter()
        .flatten()
        .map(|c| &*c.name)
        .collect();
    let (active, warming): (Vec<_>, Vec<_>) = source
        .items(kind, "cluster")
        .into_iter()
        // One that was refused from the start waits for nothing.
        .partition(|(name, item)| shown.contains(&**name) || item.get("cluster").is_none());
    let list = |name, kind, items| List { name, kind, items };
    let items = |of: Vec<_>| of.into_iter().map(|(_, item)| item).collect();
    Section {
        kind: "ClustersConfigDump",
        single: source.version(kind),
        lists: vec![
            list(
                "static_clusters",
                "ClustersConfigDump.StaticCluster",
                fixed.collect(),
            ),
            list(
                "dynamic_active_clusters",
                "ClustersConfigDump.DynamicCluster",
                items(active),
            ),
            list(
                "dynamic_warming_clusters",
                "ClustersConfigDump.DynamicCluster",
                items(warming),
            ),
        ],
    }
}
