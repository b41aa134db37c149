//! `greeter`: the server.

use std::process::ExitCode;

use clap::Parser;
use greeter_demo::greeter::PodGreeter;
use greeter_demo::hostname::hostname;
use greeter_demo::server::serve;
use greeter_demo::web::Web;
use process::http::bind;

/// Greet over gRPC and HTTP, and say which pod did
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  greeter\n  greeter --grpc-address 127.0.0.1:50051 --http-address 127.0.0.1:8081 --print-metadata"
)]
struct Args {
    /// Where helloworld.Greeter and grpc.health.v1.Health listen
    #[arg(long, value_name = "ADDRESS", default_value = ":50051")]
    grpc_address: String,
    /// Where /, /ping, /service and /grpc_client listen
    #[arg(long, value_name = "ADDRESS", default_value = ":8081")]
    http_address: String,
    /// Add the request's metadata to each answer
    #[arg(long)]
    print_metadata: bool,
    /// What /service gets
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://k8s-combat-service:8081/ping"
    )]
    service_url: String,
    /// The port that /grpc_client calls
    #[arg(long, value_name = "PORT", default_value_t = 50051)]
    client_port: u16,
    #[command(flatten)]
    log: process::logging::LogArgs,
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = process::shutdown::on_signals()?;
    let grpc = bind(&args.grpc_address, "--grpc-address").await?;
    let http = bind(&args.http_address, "--http-address").await?;
    let hostname = hostname();
    tracing::info!(
        "{hostname}: gRPC on {}, HTTP on {}",
        grpc.local_addr()?,
        http.local_addr()?
    );
    let web = Web::new(&hostname, &args.service_url, args.client_port);
    let greeter = PodGreeter {
        hostname,
        print_metadata: args.print_metadata,
    };
    serve(grpc, http, greeter, web, shutdown).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    process::crypto::install();
    let args = Args::parse();
    if let Err(error) = args.log.init() {
        eprintln!("greeter: {error}");
        return ExitCode::from(2);
    }
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("greeter: {error}");
            ExitCode::FAILURE
        }
    }
}
