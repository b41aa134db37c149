//! `greeter-client`: which pods answer, how fast, and what fails.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use greeter_demo::client::{Load, run};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};

/// Send greetings and count the answers by pod
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  greeter-client k8s-combat-service:50051\n  greeter-client --requests 1000 --concurrency 50 --connections 2 --metadata version=200 k8s-combat-service-istio-mesh:50051\n\nThe exit code is 1 when any request failed."
)]
struct Args {
    /// HOST:PORT of the greeter
    target: String,
    /// Requests in all
    #[arg(short = 'n', long, default_value_t = 100)]
    requests: u64,
    /// Requests under way at once
    #[arg(short = 'c', long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: u16,
    /// Connections, each made once and kept
    #[arg(short = 'k', long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    connections: u16,
    /// Whom to greet
    #[arg(long, default_value = "world")]
    name: String,
    /// Metadata of every request; may be repeated
    #[arg(long = "metadata", value_name = "KEY=VALUE", value_parser = metadata)]
    metadata: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
    /// How long one request may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    timeout_ms: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

fn metadata(text: &str) -> Result<(AsciiMetadataKey, AsciiMetadataValue), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is wanted")?;
    Ok((
        key.to_ascii_lowercase()
            .parse()
            .map_err(|_| format!("`{key}` is no metadata key"))?,
        value
            .parse()
            .map_err(|_| format!("`{value}` is no metadata value"))?,
    ))
}

#[tokio::main]
async fn main() -> ExitCode {
    process::crypto::install();
    let args = Args::parse();
    let load = Load {
        target: args.target,
        name: args.name,
        requests: args.requests,
        concurrency: args.concurrency.into(),
        connections: args.connections.into(),
        timeout: Duration::from_millis(args.timeout_ms),
        metadata: args.metadata,
    };
    let report = match run(load).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("greeter-client: {error}");
            return ExitCode::from(2);
        }
    };
    if args.json {
        println!("{}", serde_json::json!(report));
    } else {
        println!("{report}");
    }
    if report.failed() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
