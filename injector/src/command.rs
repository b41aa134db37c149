//! `kube-inject`: injects manifests on the command line.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{KubeInjectError, SettingsError};
use crate::kube_inject::kube_inject_noting;
use crate::settings::Settings;

/// The largest manifest that is read, in bytes.
const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// Adds the sidecar to every workload of a YAML file
#[derive(Debug, Clone, Default, clap::Args)]
pub struct KubeInjectArgs {
    /// Manifest to inject; `-` is standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub filename: PathBuf,

    /// Where to write the result [default: standard output]
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// One install value, such as values.global.hub=example.com/mesh; may be given repeatedly
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Install values as YAML; may be given repeatedly, the last wins
    #[arg(long = "valuesFile", value_name = "FILE")]
    pub values_files: Vec<PathBuf>,

    /// An IstioOperator file that holds install values
    #[arg(long = "operatorFileName", value_name = "FILE")]
    pub operator_files: Vec<PathBuf>,

    /// Mesh config as YAML
    #[arg(long = "meshConfigFile", value_name = "FILE")]
    pub mesh_config_file: Option<PathBuf>,

    /// The injector's revision
    #[arg(short = 'r', long = "revision", value_name = "NAME")]
    pub revision: Option<String>,
}

/// `kube-inject` failed; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file as it was given.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The manifest could not be injected.
    #[error("{path}: {source}")]
    Inject {
        /// The manifest.
        path: String,
        /// Why.
        source: KubeInjectError,
    },
}

/// Runs `kube-inject`. `stdin` is read when the file is `-`, `stdout` is written when no output
/// file is named. Relative paths are the current directory's.
///
/// # Errors
/// [`CommandError`]: print it and exit with 1. Nothing was written then.
pub fn run(
    args: &KubeInjectArgs,
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
) -> Result<(), CommandError> {
    let settings = settings(args)?;
    let path = args.filename.display().to_string();
    let manifest = if path == "-" {
        read(stdin, "standard input")?
    } else {
        read_file(&args.filename)?
    };
    let mut warnings = Vec::new();
    let injected = kube_inject_noting(&manifest, &settings, &mut warnings)
        .map_err(|source| CommandError::Inject { path, source })?;
    // As kubectl shows an admission's warnings: the result itself stays YAML.
    for warning in warnings {
        eprintln!("Warning: {warning}");
    }
    match &args.output {
        Some(output) => std::fs::write(output, injected).map_err(|e| file_error(output, e)),
        None => stdout
            .write_all(injected.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|e| file_error(Path::new("standard output"), e)),
    }
}

/// Files first, in the order of their flags, then `--set`.
fn settings(args: &KubeInjectArgs) -> Result<Settings, CommandError> {
    let mut settings = Settings::default();
    for file in args.values_files.iter().chain(&args.operator_files) {
        settings.add_values(&read_file(file)?, &file.display().to_string())?;
    }
    if let Some(file) = &args.mesh_config_file {
        settings.add_mesh_config(&read_file(file)?, &file.display().to_string())?;
    }
    for argument in &args.set {
        settings.set(argument)?;
    }
    if let Some(revision) = &args.revision {
        settings.set(&format!("revision={revision}"))?;
    }
    Ok(settings)
}

fn read_file(path: &Path) -> Result<String, CommandError> {
    let mut file = std::fs::File::open(path).map_err(|e| file_error(path, e))?;
    read(&mut file, &path.display().to_string())
}

fn read(source: &mut dyn Read, name: &str) -> Result<String, CommandError> {
    let mut text = String::new();
    let mut limited = source.take(MAX_INPUT + 1);
    let read = limited.read_to_string(&mut text);
    let read = read.map_err(|e| file_error(Path::new(name), e))?;
    if read as u64 > MAX_INPUT {
        let error = std::io::Error::other(format!("is over {MAX_INPUT} bytes long; split it"));
        return Err(file_error(Path::new(name), error));
    }
    Ok(text)
}

fn file_error(path: &Path, source: std::io::Error) -> CommandError {
    CommandError::File {
        path: path.display().to_string(),
        source,
    }
}
