#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::kubelet::runtime::{Forward, ImageContent, Running, RuntimeError, Start};

/// A runtime whose node reaches one server of the test's, or nobody.
struct Reaches(Option<SocketAddr>);

#[async_trait::async_trait]
impl Runtime for Reaches {
    fn host_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 244, 0, 1)
    }
    async fn add_pod(&self, _: &str) -> Result<Ipv4Addr, RuntimeError> {
        Err(RuntimeError("no pods here".into()))
    }
    async fn remove_pod(&self, _: &str) {}
    async fn image(&self, _: &std::path::Path) -> Result<Arc<ImageContent>, RuntimeError> {
        Err(RuntimeError("no images here".into()))
    }
    async fn start(&self, _: Start) -> Result<Arc<dyn Running>, RuntimeError> {
        Err(RuntimeError("no containers here".into()))
    }
    async fn connect(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        assert_eq!(to, "10.96.0.20:80".parse().unwrap());
        match self.0 {
            Some(server) => TcpStream::connect(server).await,
            None => Err(std::io::ErrorKind::ConnectionRefused.into()),
        }
    }
    async fn connect_inside(&self, _: &str, _: u16) -> std::io::Result<TcpStream> {
        Err(std::io::ErrorKind::ConnectionRefused.into())
    }
    async fn close(&self) {}
    async fn forward(&self, _: Vec<Forward>) -> Result<(), RuntimeError> {
        Ok(())
    }
}

fn store(kind: &str, node_port: u16, port: u16) -> Arc<Store> {
    let store = Store::default();
    store
        .create(json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"type": kind, "clusterIP": "10.96.0.20", "ports": [
                {"port": port, "protocol": "TCP", "nodePort": node_port},
                {"port": 53, "protocol": "UDP", "nodePort": 1}]}}))
        .unwrap();
    Arc::new(store)
}

async fn greeter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"hello").await.unwrap();
        }
    });
    address
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

async fn ask(port: u16) -> std::io::Result<String> {
    let mut text = String::new();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

async fn follow(fronts: &mut Fronts, store: &Arc<Store>, reaches: Option<SocketAddr>) -> bool {
    let runtime: Arc<dyn Runtime> = Arc::new(Reaches(reaches));
    let all_open = fronts.follow(&store.view(), store, &runtime).await;
    fronts.publish(&store.view(), store);
    all_open
}

#[tokio::test]
async fn a_node_port_leads_to_the_service_until_the_service_goes() {
    let (port, server) = (free_port().await, greeter().await);
    let store = store("NodePort", port, 80);
    let mut fronts = Fronts::default();
    assert!(follow(&mut fronts, &store, Some(server)).await);
    assert_eq!(ask(port).await.unwrap(), "hello");
    store
        .delete(&Key::core("Service", "default", "web"), None)
        .unwrap();
    assert!(follow(&mut fronts, &store, Some(server)).await);
    // The task that listened ends in a moment.
    while ask(port).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_service_without_endpoints_resets_the_connection() {
    let port = free_port().await;
    let store = store("NodePort", port, 80);
    let mut fronts = Fronts::default();
    follow(&mut fronts, &store, None).await;
    let error = ask(port).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_another_has_is_told_and_tried_again() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let store = store("NodePort", port, 80);
    let mut fronts = Fronts::default();
    assert!(!follow(&mut fronts, &store, None).await);
    let event = store.events().list().remove(0);
    assert_eq!(event["reason"], "PortUnavailable");
    assert_eq!(
        event["message"],
        format!(
            "cannot listen on 127.0.0.1:{port}: another mesh or program of this machine does; free it, or give port 80 of the Service another nodePort"
        )
    );
    drop(taken);
    assert!(!follow(&mut fronts, &store, None).await, "not at once");
    tokio::time::advance(TRY_AGAIN).await;
    assert!(follow(&mut fronts, &store, None).await);
    let last = store.events().list().pop().unwrap();
    assert_eq!(last["reason"], "PortAvailable");
}

#[tokio::test]
async fn a_load_balancer_is_on_localhost_where_its_port_is_free() {
    let (node_port, port) = (free_port().await, free_port().await);
    let store = store("LoadBalancer", node_port, port);
    let mut fronts = Fronts::default();
    assert!(follow(&mut fronts, &store, None).await);
    let key = Key::core("Service", "default", "web");
    let status = |store: &Store| store.get(&key).unwrap()["status"]["loadBalancer"].clone();
    let ports = json!([{"port": port, "protocol": "TCP"}]);
    assert_eq!(
        status(&store),
        json!({"ingress": [{"hostname": "localhost", "ports": ports}]})
    );

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let store = self::store("LoadBalancer", free_port().await, port);
    let mut fronts = Fronts::default();
    assert!(!follow(&mut fronts, &store, None).await);
    assert_eq!(status(&store), json!({}), "it stays pending");
    let event = store.events().list().remove(0);
    let instead = format!("use the node port of port {port} instead");
    assert!(text(&event, "/message").ends_with(&instead), "{event}");
    assert_eq!(fronts.open.len(), 1, "its node port is open");
}

#[tokio::test]
async fn a_service_that_is_no_load_balancer_any_more_is_nowhere() {
    let store = store("LoadBalancer", free_port().await, free_port().await);
    let mut fronts = Fronts::default();
    follow(&mut fronts, &store, None).await;
    let key = Key::core("Service", "default", "web");
    let inside = json!({"spec": {"type": "ClusterIP"}});
    store.patch(&key, &inside).unwrap();
    follow(&mut fronts, &store, None).await;
    let service = store.get(&key).unwrap();
    assert_eq!(service["status"]["loadBalancer"], json!({}));
    assert!(fronts.open.is_empty());
}
