//! Reaching pods from the host.

use std::time::Duration;

use local::api::exec;
use local::object::integer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{LIMIT, World, server, with_mesh};

/// The body of the answer to a GET.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    Ok(body.trim_end().to_owned())
}

pub(crate) fn a_forwarded_port_reaches_what_listens_on_the_pods_loopback() {
    with_mesh(async |world| {
        world.pod("p", &server("127.0.0.1:8080"), json!({})).await;
        world.running("p").await;
        let body = loop {
            // The server may take a moment to listen.
            match world.client.port_forward("default", "p", 8080).await {
                Ok(connection) => break get(connection).await.unwrap(),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        assert_eq!(body, "p");
        let refused = world
            .client
            .port_forward("default", "p", 9)
            .await
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("error forwarding port 9 to pod default/p"),
            "{refused}"
        );
    });
}

fn service(name: &str, node_port: Option<u16>) -> Value {
    let mut port = json!({"port": 80, "targetPort": 8080});
    if let Some(node_port) = node_port {
        port["nodePort"] = json!(node_port);
    }
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [port]}})
}

async fn answer_of(port: u16, wanted: &str) {
    let begun = std::time::Instant::now();
    loop {
        let answered = match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => get(stream).await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        if answered == wanted {
            return;
        }
        assert!(
            begun.elapsed() < LIMIT,
            "{port}: {answered:?}, not {wanted:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn node_port(world: &World, name: &str) -> u16 {
    let given = |service: &Value| integer(service, "/spec/ports/0/nodePort").is_some();
    let service = world.until("service", name, given).await;
    u16::try_from(integer(&service, "/spec/ports/0/nodePort").unwrap()).unwrap()
}

pub(crate) fn two_meshes_with_the_same_services_are_reached_side_by_side() {
    with_mesh(async |one| {
        let two = World::up("two").await;
        for (world, hostname) in [(one, "one"), (&two, "two")] {
            let spec = json!({"hostname": hostname});
            world.pod("web", &server("0.0.0.0:8080"), spec).await;
            world.apply(service("web", None)).await;
        }
        let (first, second) = (node_port(one, "web").await, node_port(&two, "web").await);
        answer_of(first, "one").await;
        answer_of(second, "two").await;
        assert_ne!(first, second);

        // One that both ask for by number goes to the first; the second says so.
        let fixed = (32_000..32_768)
            .find(|port| local::fronts::is_free(*port))
            .unwrap();
        one.apply(service("fixed", Some(fixed))).await;
        answer_of(fixed, "one").await;
        two.apply(service("fixed", Some(fixed))).await;
        let begun = std::time::Instant::now();
        loop {
            let told = two.events("fixed").await;
            let wanted = format!(
                "PortUnavailable: cannot listen on 127.0.0.1:{fixed}: another mesh or program"
            );
            if told.iter().any(|event| event.starts_with(&wanted)) {
                break;
            }
            assert!(begun.elapsed() < LIMIT, "{told:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // When the first gives it up, the second has it.
        let which = local::api::client::Which {
            namespace: Some("default"),
            ..Default::default()
        };
        one.client.delete("service", "fixed", &which).await.unwrap();
        answer_of(fixed, "two").await;
        two.down().await;
    });
}

pub(crate) fn a_program_on_a_terminal_is_typed_to() {
    with_mesh(async |world| {
        world.pod("p", "sleep 1000", json!({})).await;
        world.running("p").await;
        let command = json!([
            "sh",
            "-c",
            "test -t 0 && echo terminal; read line; echo got $line; exit 3"
        ]);
        let asked = json!({"stdin": true, "tty": true, "rows": 24, "columns": 80, "command": command.to_string()});
        let mut connection = world.client.exec("default", "p", &asked).await.unwrap();
        let mut screen = String::new();
        let mut typed = false;
        let code = loop {
            let (channel, payload) = exec::read_frame(&mut connection).await.unwrap();
            match channel {
                exec::STDOUT => screen.push_str(&String::from_utf8_lossy(&payload)),
                exec::EXIT => break i32::from_be_bytes(payload.try_into().unwrap()),
                other => panic!("{other}: {}", String::from_utf8_lossy(&payload)),
            }
            if screen.contains("terminal\r\n") && !std::mem::replace(&mut typed, true) {
                exec::write_frame(&mut connection, exec::STDIN, b"keys\n")
                    .await
                    .unwrap();
            }
        };
        assert_eq!(screen, "terminal\r\nkeys\r\ngot keys\r\n");
        assert_eq!(code, 3);
    });
}
