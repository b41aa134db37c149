//! What is subscribed to on a stream, and the requests that say so (delta xDS).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::google::rpc::Status;
use xds::TypeUrl;

use crate::view::View;

/// The name by which everything of a type is subscribed to.
pub(crate) const ALL: &str = "*";

/// gRPC's code of an internal error, with which Envoy refuses configuration.
const INTERNAL: i32 = 13;

/// Subscriptions of one stream; they outlive it.
#[derive(Debug)]
pub(crate) struct Session {
    node: Node,
    /// The names that are wanted of each type.
    types: BTreeMap<TypeUrl, BTreeSet<Arc<str>>>,
    /// The node goes with the first request of a stream alone.
    introduced: bool,
    open: bool,
}

impl Session {
    pub(crate) fn new(node: Node) -> Self {
        Session {
            node,
            types: BTreeMap::new(),
            introduced: false,
            open: false,
        }
    }

    /// A stream was opened: the requests that begin it. They say in which versions resources of the view are used.
    pub(crate) fn opened(&mut self, view: &View) -> Vec<DeltaDiscoveryRequest> {
        self.open = true;
        self.introduced = false;
        let begin = |(kind, wanted): (&TypeUrl, &BTreeSet<Arc<str>>)| DeltaDiscoveryRequest {
            type_url: kind.as_str().to_owned(),
            resource_names_subscribe: strings(wanted),
            initial_resource_versions: view
                .versions(*kind, |name| wanted.contains(ALL) || wanted.contains(name)),
            ..Default::default()
        };
        let wanted = self.types.iter().filter(|(_, wanted)| !wanted.is_empty());
        let requests: Vec<_> = wanted.map(begin).collect();
        requests
            .into_iter()
            .map(|request| self.introduce(request))
            .collect()
    }

    /// The stream is gone.
    pub(crate) fn closed(&mut self) {
        self.open = false;
    }

    /// Subscribes to these names of a type (`*`: all) and to no others; the request that says what changed.
    pub(crate) fn want(
        &mut self,
        kind: TypeUrl,
        names: BTreeSet<Arc<str>>,
    ) -> Option<DeltaDiscoveryRequest> {
        let wanted = self.types.entry(kind).or_default();
        if *wanted == names {
            return None;
        }
        let more: BTreeSet<_> = names.difference(wanted).cloned().collect();
        let less: BTreeSet<_> = wanted.difference(&names).cloned().collect();
        *wanted = names;
        if !self.open {
            return None;
        }
        Some(self.introduce(DeltaDiscoveryRequest {
            type_url: kind.as_str().to_owned(),
            resource_names_subscribe: strings(&more),
            resource_names_unsubscribe: strings(&less),
            ..Default::default()
        }))
    }

    /// Whether a type is subscribed to at all.
    pub(crate) fn wants(&self, kind: TypeUrl) -> bool {
        self.types
            .get(&kind)
            .is_some_and(|wanted| !wanted.is_empty())
    }

    /// The answer to a response: an error refuses it.
    pub(crate) fn answer(
        &mut self,
        type_url: &str,
        nonce: &str,
        error: Option<String>,
    ) -> DeltaDiscoveryRequest {
        let detail = |message| Status {
            code: INTERNAL,
            message,
            details: Vec::new(),
        };
        self.introduce(DeltaDiscoveryRequest {
            type_url: type_url.to_owned(),
            response_nonce: nonce.to_owned(),
            error_detail: error.map(detail),
            ..Default::default()
        })
    }

    fn introduce(&mut self, mut request: DeltaDiscoveryRequest) -> DeltaDiscoveryRequest {
        if !std::mem::replace(&mut self.introduced, true) {
            request.node = Some(self.node.clone());
        }
        request
    }
}

fn strings(names: &BTreeSet<Arc<str>>) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
        names.iter().map(|n| Arc::from(*n)).collect()
    }

    /// A view in which a cluster is used.
    fn holding(name: &str, version: &str) -> View {
        let mut view = View::default();
        let clusters = view.entry(TypeUrl::Cluster);
        let packed = clusters.packer.pack(version.to_owned(), &[]);
        clusters.accepted(&name.into(), packed, SystemTime::UNIX_EPOCH);
        view
    }

    #[test]
    fn a_new_stream_says_what_is_wanted_and_what_is_held_and_who_asks_once() {
        let node = Node {
            id: "n".to_owned(),
            ..Default::default()
        };
        let mut session = Session::new(node);
        assert_eq!(
            session.want(TypeUrl::Cluster, names(&["*"])),
            None,
            "no stream yet"
        );
        session.want(TypeUrl::Route, names(&["80"]));
        let view = holding("a", "7");
        for _ in 0..2 {
            let requests = session.opened(&view);
            let [clusters, routes] = requests.as_slice() else {
                unreachable!("{requests:?}")
            };
            assert_eq!(clusters.node.as_ref().map(|n| &*n.id), Some("n"));
            assert_eq!(clusters.resource_names_subscribe, ["*"]);
            assert_eq!(
                clusters
                    .initial_resource_versions
                    .get("a")
                    .map(String::as_str),
                Some("7")
            );
            assert_eq!(routes.node, None);
            session.closed();
        }
    }

    #[test]
    fn a_change_of_subscription_says_the_difference() {
        let mut session = Session::new(Node::default());
        session.opened(&View::default());
        session.want(TypeUrl::Endpoints, names(&["a", "b"]));
        let change = session
            .want(TypeUrl::Endpoints, names(&["b", "c"]))
            .unwrap_or_default();
        assert_eq!(change.resource_names_subscribe, ["c"]);
        assert_eq!(change.resource_names_unsubscribe, ["a"]);
        assert_eq!(session.want(TypeUrl::Endpoints, names(&["b", "c"])), None);
        session.want(TypeUrl::Endpoints, names(&[]));
        assert_eq!(session.opened(&View::default()), [], "nothing is wanted");
    }

    #[test]
    fn a_refusal_carries_the_nonce_and_the_reason() {
        let mut session = Session::new(Node::default());
        let nack = session.answer("t", "5", Some("no".to_owned()));
        assert_eq!(
            (
                nack.response_nonce.as_str(),
                nack.error_detail.map(|e| e.message)
            ),
            ("5", Some("no".to_owned()))
        );
        assert_eq!(session.answer("t", "6", None).error_detail, None);
    }
}
