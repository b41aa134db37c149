//! `many`: hundreds of greeters with sidecars wanted at once, on this machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use greeter_demo::demo::privilege;
use greeter_demo::many::{Many, run};

/// Start hundreds of pods with sidecars at once, and say how long it took and what they need
///
/// Everything runs in namespaces of its own and is gone afterwards.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  ./tools/bazel run //greeter-demo:many\n  ./tools/bazel run //greeter-demo:many -- --pods 100 --envoy /usr/bin/envoy\n\nNeeds root for namespaces; it asks sudo when started as another user."
)]
struct Args {
    /// How many pods
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(4..=5000))]
    pods: u64,
    /// The longest that they may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// The `lateen` program
    #[arg(long, value_name = "FILE", hide = true)]
    lateen: PathBuf,
    /// The manifest to deploy
    #[arg(long, value_name = "FILE", hide = true)]
    manifest: PathBuf,
    /// An image archive, REFERENCE=FILE
    #[arg(long = "image", value_name = "REFERENCE=FILE", hide = true)]
    images: Vec<String>,
    /// Run this Envoy in the sidecars instead of Lateen's own data plane
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    if !privilege::is_root() {
        let error = privilege::again_as_root();
        eprintln!("many: {error}");
        return ExitCode::FAILURE;
    }
    let many = Many {
        lateen: args.lateen,
        manifest: args.manifest,
        images: args.images,
        envoy: args.envoy,
        pods: args.pods,
        patience: Duration::from_secs(args.timeout),
    };
    match run(&many).await {
        Ok(outcome) if args.json => println!("{}", serde_json::json!(outcome)),
        Ok(outcome) => print!("\n{outcome}"),
        Err(error) => {
            eprintln!("many: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
