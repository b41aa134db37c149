//! Whether an authenticated caller may have the configuration of the node that it names. As in
//! Istio: the node's namespace, and its service account where it names one, must be the caller's.

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::google::protobuf::value::Kind;
use identity::SpiffeId;

/// A caller that asks for another's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "authorization failed: the caller is {caller}, but node {node} is of namespace {namespace:?}{}",
    account(.service_account)
)]
pub struct NotItsNode {
    caller: SpiffeId,
    node: String,
    namespace: String,
    service_account: Option<String>,
}

fn account(name: &Option<String>) -> String {
    name.as_ref()
        .map(|name| format!(" and service account {name:?}"))
        .unwrap_or_default()
}

/// Checks the node that an authenticated caller names; `namespace` is that of the node as it will
/// be configured.
///
/// # Errors
/// When the node is another workload's.
pub fn check(caller: &SpiffeId, node: &Node, namespace: &str) -> Result<(), NotItsNode> {
    let service_account = text(node, "SERVICE_ACCOUNT");
    let same_account = service_account
        .as_deref()
        .is_none_or(|claimed| claimed == caller.service_account());
    if namespace == caller.namespace() && same_account {
        return Ok(());
    }
    Err(NotItsNode {
        caller: caller.clone(),
        node: node.id.chars().take(200).collect(),
        namespace: namespace.chars().take(100).collect(),
        service_account,
    })
}

/// A text of the node's metadata; `None` where it is empty or not there.
pub fn text(node: &Node, key: &str) -> Option<String> {
    match node.metadata.as_ref()?.fields.get(key)?.kind.as_ref()? {
        Kind::StringValue(text) if !text.is_empty() => Some(text.chars().take(256).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use envoy_types::pb::google::protobuf::{Struct, Value};

    use super::*;

    fn node(service_account: Option<&str>) -> Node {
        let fields = service_account.map(|name| {
            let kind = Some(Kind::StringValue(name.to_owned()));
            ("SERVICE_ACCOUNT".to_owned(), Value { kind })
        });
        Node {
            id: "sidecar~10.0.0.1~a.shop~shop.svc.cluster.local".to_owned(),
            metadata: Some(Struct {
                fields: fields.into_iter().collect(),
            }),
            ..Node::default()
        }
    }

    #[test]
    fn a_caller_gets_the_nodes_of_its_own_namespace_and_account() {
        let caller: SpiffeId = "spiffe://cluster.local/ns/shop/sa/cart".parse().unwrap();
        assert_eq!(check(&caller, &node(None), "shop"), Ok(()));
        assert_eq!(check(&caller, &node(Some("cart")), "shop"), Ok(()));
        let other_account = check(&caller, &node(Some("admin")), "shop").unwrap_err();
        assert!(other_account.to_string().contains("\"admin\""));
        let other_namespace = check(&caller, &node(Some("cart")), "bank").unwrap_err();
        assert!(other_namespace.to_string().contains("\"bank\""));
    }
}
