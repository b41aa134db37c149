//! `port-forward`.

mod ports;
mod target;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::Args;
use local::api::client::Client;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::output;
use ports::Pair;

/// Reach ports of a pod from this machine, until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local port-forward pod/NAME 8080:80
  lateen local port-forward service/web 8080:http 9090
  lateen local port-forward deployment/web :80
  lateen local port-forward --address 0.0.0.0 pod/NAME 15000")]
pub(super) struct PortForwardArgs {
    /// NAME, pod/NAME, service/NAME or deployment/NAME
    #[arg(value_name = "TARGET")]
    target: String,
    /// [LOCAL:]REMOTE; without LOCAL the same port, with an empty one any free port
    #[arg(required = true, value_name = "PORTS")]
    ports: Vec<String>,
    /// Addresses to listen on, with commas between
    #[arg(long, value_delimiter = ',', default_value = "localhost")]
    address: Vec<String>,
    #[command(flatten)]
    scope: super::Scope,
}

pub(super) async fn port_forward(client: &Client, args: PortForwardArgs) -> Result<(), Failure> {
    let interrupted = process::shutdown::on_signals()?;
    let addresses = addresses(&args.address)?;
    let target = target::find(client, &args.scope.namespace, &args.target).await?;
    let pairs = args
        .ports
        .iter()
        .map(|text| ports::parse(text, |remote| target.port(remote)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Failure::error)?;
    let mut listeners = Vec::new();
    for pair in &pairs {
        listeners.extend(listen(*pair, &addresses).await?);
    }
    if listeners.is_empty() {
        let asked: Vec<String> = pairs
            .iter()
            .map(|pair| format!("{{{} {}}}", pair.local, pair.remote))
            .collect();
        return Err(Failure::error(format!(
            "unable to listen on any of the requested ports: [{}]",
            asked.join(" ")
        )));
    }
    let mut serving = JoinSet::new();
    for (listener, pair) in listeners {
        let (client, namespace) = (client.clone(), args.scope.namespace.clone());
        serving.spawn(serve(listener, pair, client, namespace, target.pod.clone()));
    }
    // A port that fails must not end the others.
    interrupted.cancelled().await;
    Ok(())
}

/// The addresses that `--address` means. `localhost` is both versions', the second where the machine has it.
fn addresses(words: &[String]) -> Result<Vec<(IpAddr, bool)>, Failure> {
    let mut all = Vec::new();
    for word in words {
        if word == "localhost" {
            all.push((IpAddr::V4(Ipv4Addr::LOCALHOST), true));
            all.push((IpAddr::V6(Ipv6Addr::LOCALHOST), false));
        } else {
            let address = word.parse().map_err(|_| {
                Failure::error(format!(
                    "invalid --address {word:?}: write an IP address or localhost"
                ))
            })?;
            all.push((address, true));
        }
    }
    Ok(all)
}

async fn listen(
    mut pair: Pair,
    addresses: &[(IpAddr, bool)],
) -> Result<Vec<(TcpListener, Pair)>, Failure> {
    let mut listeners = Vec::new();
    let mut problems = Vec::new();
    for (address, must) in addresses {
        match TcpListener::bind(SocketAddr::new(*address, pair.local)).await {
            Ok(listener) => {
                // All addresses share the port that the first got.
                pair.local = listener.local_addr()?.port();
                let shown = SocketAddr::new(*address, pair.local);
                output::line(format!("Forwarding from {shown} -> {}", pair.remote))?;
                listeners.push((listener, pair));
            }
            Err(error) if *must => problems.push(format!(
                "unable to create listener: Error listen {} {}: {error}",
                if address.is_ipv4() { "tcp4" } else { "tcp6" },
                SocketAddr::new(*address, pair.local)
            )),
            Err(_) => {}
        }
    }
    if listeners.is_empty() {
        eprintln!(
            "Unable to listen on port {}: Listeners failed to create with the following errors: [{}]",
            pair.local,
            problems.join(" ")
        );
    }
    Ok(listeners)
}

async fn serve(listener: TcpListener, pair: Pair, client: Client, namespace: String, pod: String) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                eprintln!("error accepting connection on port {}: {error}", pair.local);
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        // Whoever closed our output does not want the line; the connection is served all the same.
        let _ = output::line(format!("Handling connection for {}", pair.local));
        let (client, namespace, pod) = (client.clone(), namespace.clone(), pod.clone());
        connections.spawn(async move {
            if let Err(problem) = carry(stream, pair, &client, &namespace, &pod).await {
                eprintln!(
                    "an error occurred forwarding {} -> {}: {problem}",
                    pair.local, pair.remote
                );
            }
        });
    }
}

async fn carry(
    mut stream: TcpStream,
    pair: Pair,
    client: &Client,
    namespace: &str,
    pod: &str,
) -> Result<(), String> {
    let mut to_pod = client
        .port_forward(namespace, pod, pair.remote)
        .await
        .map_err(|error| match error {
            local::api::client::ClientError::Refused(failure) => failure.message,
            other => other.to_string(),
        })?;
    // Either side may break off.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut to_pod).await;
    Ok(())
}
