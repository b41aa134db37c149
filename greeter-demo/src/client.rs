//! The counting client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::helloworld::HelloRequest;
use crate::helloworld::greeter_client::GreeterClient;
use crate::report::{Outcome, Report};

/// What to send.
#[derive(Debug, Clone)]
pub struct Load {
    /// `host:port` of the greeter.
    pub target: String,
    /// Whom to greet.
    pub name: String,
    /// How many requests in all.
    pub requests: u64,
    /// How many requests are under way at once.
    pub concurrency: usize,
    /// Over how many connections; each is made once and kept.
    pub connections: usize,
    /// How long one request may take.
    pub timeout: Duration,
    /// Metadata of every request.
    pub metadata: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
}

/// The target cannot be called at all.
#[derive(Debug, thiserror::Error)]
#[error("target `{target}`: {source} (HOST:PORT is wanted)")]
pub struct TargetError {
    target: String,
    source: tonic::transport::Error,
}

/// Sends the load and counts the answers. Requests are dealt to the connections in turn.
///
/// # Errors
/// [`TargetError`] when the target is no address. Requests that fail are part of the report.
pub async fn run(load: Load) -> Result<Report, TargetError> {
    let endpoint = Endpoint::from_shared(format!("http://{}", load.target))
        .map_err(|source| TargetError {
            target: load.target.clone(),
            source,
        })?
        .user_agent(concat!("greeter-client/", env!("CARGO_PKG_VERSION")))
        .map_err(|source| TargetError {
            target: load.target.clone(),
            source,
        })?
        .tcp_nodelay(true)
        .connect_timeout(load.timeout);
    let channels: Vec<Channel> = (0..load.connections.max(1))
        .map(|_| endpoint.connect_lazy())
        .collect();
    let load = Arc::new(load);
    let next = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = channels
        .iter()
        .cycle()
        .take(load.concurrency.max(channels.len()))
        .map(|channel| tokio::spawn(worker(channel.clone(), load.clone(), next.clone())))
        .collect();
    let mut outcomes = Vec::new();
    for worker in workers {
        // A worker that panicked has nothing to count; the others' answers still stand.
        outcomes.extend(worker.await.unwrap_or_default());
    }
    Ok(Report::of(outcomes))
}

async fn worker(channel: Channel, load: Arc<Load>, next: Arc<AtomicU64>) -> Vec<Outcome> {
    let mut client = GreeterClient::new(channel);
    let mut outcomes = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < load.requests {
        let mut request = tonic::Request::new(HelloRequest {
            name: load.name.clone(),
        });
        request.set_timeout(load.timeout);
        for (key, value) in &load.metadata {
            request.metadata_mut().append(key.clone(), value.clone());
        }
        let start = Instant::now();
        outcomes.push(match client.say_hello(request).await {
            Ok(reply) => Outcome::Answer(reply.into_inner().message, start.elapsed()),
            Err(status) => Outcome::Error(status),
        });
    }
    outcomes
}
