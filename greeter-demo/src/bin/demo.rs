//! `demo`: a greeter with three replicas, first without a mesh, then with one, on this machine.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use greeter_demo::demo::{Demo, privilege, run};

/// Show on this machine what a mesh does for a gRPC service with three replicas
///
/// A pod's client sends its requests over one connection: without a mesh one replica answers them
/// all; with sidecars they spread over all three, over mutual TLS. Everything runs in namespaces of
/// its own and is gone afterwards.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  ./tools/bazel run //greeter-demo:demo\n  ./tools/bazel run //greeter-demo:demo -- --requests 1000 --json result.json\n  ./tools/bazel run //greeter-demo:demo -- --envoy /usr/bin/envoy\n\nNeeds root for namespaces; it asks sudo when started as another user."
)]
struct Args {
    /// Requests in each of the two runs
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(3..=1_000_000))]
    requests: u64,
    /// Write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leave the mesh running at the end
    #[arg(long)]
    keep: bool,
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

/// `bazel run` starts programs in a folder of its own and says where the user is.
fn where_the_user_is(file: PathBuf) -> PathBuf {
    match std::env::var_os("BUILD_WORKING_DIRECTORY") {
        Some(directory) => PathBuf::from(directory).join(file),
        None => file,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    if !privilege::is_root() {
        let error = privilege::again_as_root();
        eprintln!("demo: {error}");
        return ExitCode::FAILURE;
    }
    // Minutes later it would be too late to say that it cannot be written.
    let json = match args.json.map(where_the_user_is) {
        Some(file) => match std::fs::File::create(&file) {
            Ok(open) => Some((file, open)),
            Err(error) => {
                eprintln!("demo: {}: {error}", file.display());
                return ExitCode::FAILURE;
            }
        },
        None => None,
    };
    let demo = Demo {
        lateen: args.lateen,
        manifest: args.manifest,
        images: args.images,
        envoy: args.envoy.map(where_the_user_is),
        requests: args.requests,
        keep: args.keep,
    };
    let result = match run(&demo).await {
        Ok(result) => result,
        Err(error) => {
            eprintln!("demo: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some((file, mut open)) = json {
        let text = format!("{}\n", serde_json::json!(result));
        if let Err(error) = open.write_all(text.as_bytes()) {
            eprintln!("demo: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    match result.verdict() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("demo: {reason}");
            ExitCode::FAILURE
        }
    }
}
