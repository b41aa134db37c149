//! The same hosts and the same hashes: Envoy and we choose alike.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use graph::cluster::{Balancing, UpstreamProtocol};
use graph::route::{Action, HashOf, HashPolicy};
use http::Request;
use http_body_util::Full;

use crate::envoy::Envoy;
use crate::graphs::{cluster, forward, graph, http, manager, route};
use crate::peers::{free, http1, server, started, whole};

const USERS: usize = 200;

async fn choices(address: SocketAddr) -> BTreeMap<String, String> {
    let mut sender = http1(address).await;
    let mut chosen = BTreeMap::new();
    for user in 0..USERS {
        let user = format!("user-{user}-{}", "x".repeat(user % 50));
        sender.ready().await.unwrap();
        let request = Request::builder()
            .uri("/")
            .header("host", "service")
            .header("x-user", &user)
            .body(Full::new(Bytes::new()))
            .unwrap();
        let answer = whole(sender.send_request(request).await.unwrap()).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        chosen.insert(user, text.split(' ').next().unwrap().to_owned());
    }
    chosen
}

#[tokio::test]
async fn a_hash_means_the_same_endpoint_to_envoy_and_to_us() {
    let directory = tempfile::tempdir().unwrap();
    let ring = Balancing::RingHash {
        minimum: 1024,
        maximum: 8 << 20,
    };
    let maglev = Balancing::Maglev { size: 65_537 };
    for (policy, balancing) in [("RING_HASH", ring), ("MAGLEV", maglev)] {
        for weights in [[1, 1, 1, 1], [1, 2, 3, 10]] {
            let mut endpoints = Vec::new();
            for name in ["one", "two", "three", "four"] {
                endpoints.push(server(name).await.0);
            }
            let envoy = Envoy::hashing(policy, &endpoints, &weights);
            let mut forward = forward(0);
            Arc::make_mut(&mut forward.how).hash = vec![HashPolicy {
                of: HashOf::Header(b"x-user"[..].into()),
                terminal: false,
            }];
            let log = directory.path().join("log");
            let routes = vec![route("/", Action::Forward(Box::new(forward)))];
            let mut cluster = cluster(0, &endpoints, UpstreamProtocol::Http1);
            Arc::make_mut(&mut cluster.settings).balancing = balancing;
            let mut all = (**cluster.endpoints.as_ref().unwrap()).clone();
            for (host, weight) in all.priorities[0].iter_mut().zip(weights) {
                std::sync::Arc::make_mut(host).weight = weight;
            }
            cluster.endpoints = Some(all.into());
            let entry = free();
            let network = http(manager(routes, log.to_str().unwrap()));
            let _plane = started(entry, &graph(entry, network, vec![cluster])).await;
            let (theirs, ours) = (choices(envoy.address).await, choices(entry).await);
            assert_eq!(ours, theirs, "{policy} {weights:?}");
        }
    }
}
