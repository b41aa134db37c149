//! `up` and `down`.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Args;
use local::api::client::{Client, Which};
use local::daemon::Daemon;
use local::kubelet::image::Images;
use local::manifest::Manifests;
use local::mesh::{Leftovers, MeshError, Options, SYSTEM};
use local::object::{list, text};
use process::logging::LogArgs;

use super::Place;
use super::apply::{read, report};
use crate::failure::Failure;
use crate::output;

/// Start the mesh and apply manifests
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo lateen local up -f manifests/
  sudo lateen local up -f deployment.yaml --image crossoverjie/k8s-combat=greeter.tar
  sudo lateen local up --images DIR --envoy /usr/local/bin/envoy")]
pub(super) struct UpArgs {
    /// File, directory or - for standard input, applied to namespace default; may be repeated
    #[arg(short = 'f', long = "filename", num_args = 1.., value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// An OCI archive for an image: REFERENCE=FILE; without a tag for all its tags; may be repeated
    #[arg(long, value_name = "REFERENCE=FILE")]
    image: Vec<String>,
    /// Directory of OCI archives: NAME.tar is lateen/NAME; may be repeated [default: images beside the program]
    #[arg(long, value_name = "DIR")]
    images: Vec<PathBuf>,
    /// An Envoy binary for the sidecars
    #[arg(long, value_name = "PATH", env = "LATEEN_ENVOY")]
    envoy: Option<PathBuf>,
    /// One install value or part of the mesh config, such as values.global.proxy.logLevel=debug or
    /// meshConfig.accessLogEncoding=JSON; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Only run pods: no pilot, no ca, no injector, no gateway
    #[arg(long)]
    no_control_plane: bool,
    /// Stay in the foreground until Ctrl-C
    #[arg(long)]
    foreground: bool,
    /// Leave a mesh running whose control plane does not get ready, to look into it
    #[arg(long)]
    keep: bool,
    /// Say only that the mesh is up, or why it is not
    #[arg(short, long)]
    quiet: bool,
    /// Seconds to wait for the control plane
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    timeout: u64,
    #[command(flatten)]
    log: LogArgs,
}

/// How often the daemon is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// After which a control plane that is not ready has a reason worth telling.
const LONG: Duration = Duration::from_secs(10);
/// Longest wait for the end of a mesh.
const END: Duration = Duration::from_secs(90);

/// Where a background daemon writes.
fn log_path(place: &Place) -> PathBuf {
    place.state.join(format!("{}.log", place.name))
}

pub(super) async fn up(place: &Place, args: UpArgs) -> Result<(), Failure> {
    // Told before anything is read or started, whoever runs it.
    if !nix::unistd::geteuid().is_root() {
        return Err(MeshError::NotRoot.into());
    }
    let options = options(place, &args)?;
    if args.foreground {
        return foreground(place, args, options).await;
    }
    if let Ok(status) = place.client().status().await {
        return Err(MeshError::Running {
            name: status.name,
            pid: status.pid.to_string(),
        }
        .into());
    }
    let manifests = read(&args.filename);
    // Before the daemon is there, so that no Ctrl-C leaves it behind.
    let interrupted = process::shutdown::on_signals()?;
    let mut daemon = start_daemon(place)?;
    let outcome = tokio::select! {
        outcome = bring_up(place, &mut daemon, &manifests, &args) => outcome,
        () = interrupted.cancelled() => {
            say("interrupted: taking everything down");
            end_daemon(place, &mut daemon).await;
            return Err(Failure::silent(130));
        }
    };
    let applied = match outcome {
        Ok(applied) => applied,
        Err(NotUp::Ready(failure)) if args.keep => return Err(failure),
        Err(NotUp::Ready(failure)) => {
            // What could be looked at is gone in a moment: it is told now.
            let told = troubles(&place.client()).await;
            end_daemon(place, &mut daemon).await;
            return Err(Failure::plain(
                [failure.message]
                    .into_iter()
                    .chain(told)
                    .collect::<Vec<_>>()
                    .join("\n"),
            ));
        }
        Err(NotUp::Started(failure)) => {
            end_daemon(place, &mut daemon).await;
            return Err(failure);
        }
    };
    if args.quiet {
        say(&format!("mesh {:?} is up", place.name));
    } else {
        next_steps(place);
    }
    if applied && manifests.errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::silent(1))
    }
}

/// How far a mesh came that is not up.
enum NotUp {
    /// Its daemon did not start: nothing may stay.
    Started(Failure),
    /// It runs, without all of its control plane: nothing stays either, unless the user wants to look into it.
    Ready(Failure),
}

/// What went wrong in the control plane's namespace, as far as it is known.
async fn troubles(client: &Client) -> Vec<String> {
    let which = Which {
        namespace: Some(SYSTEM),
        ..Which::default()
    };
    let waiting = client.status().await.map(|status| status.waiting);
    // A daemon that does not answer is what went wrong, and is known by then.
    let events = client.get("events", &which).await.unwrap_or_default();
    let warnings = list(&events, "/items")
        .iter()
        .filter(|event| text(event, "/type") == "Warning")
        .map(|event| {
            format!(
                "{}/{}: {}: {}",
                text(event, "/involvedObject/kind").to_ascii_lowercase(),
                text(event, "/involvedObject/name"),
                text(event, "/reason"),
                text(event, "/message")
            )
        });
    waiting.into_iter().flatten().chain(warnings).collect()
}

/// Waits for the daemon, applies the manifests and waits for the control plane; true when every object was
/// applied.
async fn bring_up(
    place: &Place,
    daemon: &mut Child,
    manifests: &Manifests,
    args: &UpArgs,
) -> Result<bool, NotUp> {
    if !args.quiet {
        say(&format!("starting mesh {:?}", place.name));
    }
    wait_for_daemon(place, daemon)
        .await
        .map_err(NotUp::Started)?;
    let client = place.client();
    let later = async {
        let mut applied = true;
        if !manifests.objects.is_empty() {
            let request = local::api::Apply {
                namespace: "default".to_owned(),
                objects: manifests.values(),
            };
            applied = report(&client.apply(&request).await?.results)?;
        }
        wait_until_ready(&client, args).await?;
        Ok(applied)
    };
    later.await.map_err(NotUp::Ready)
}

fn options(place: &Place, args: &UpArgs) -> Result<Options, Failure> {
    let mut options = Options {
        name: place.name.clone(),
        state: place.state.clone(),
        envoy: args.envoy.clone(),
        control_plane: !args.no_control_plane,
        set: args.set.clone(),
        ..Options::default()
    };
    options.images = images(args)?;
    Ok(options)
}

fn images(args: &UpArgs) -> Result<Images, Failure> {
    let mut images = Images::default();
    let beside = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join("images")))
        .filter(|directory| args.images.is_empty() && directory.is_dir());
    for directory in args.images.iter().chain(&beside) {
        images
            .add_directory(directory)
            .map_err(|error| Failure::error(error.to_string()))?;
    }
    for argument in &args.image {
        images
            .add_argument(argument)
            .map_err(|error| Failure::error(error.to_string()))?;
    }
    Ok(images)
}

/// Runs the mesh in this process until a signal or `down`.
async fn foreground(place: &Place, args: UpArgs, options: Options) -> Result<(), Failure> {
    args.log
        .init()
        .map_err(|error| Failure::error(error.to_string()))?;
    let signals = process::shutdown::on_signals()?;
    let manifests = read(&args.filename);
    let starting = Daemon::start(options, manifests.values(), owner());
    let (daemon, applied) = starting.await?;
    report(&applied)?;
    let client = place.client();
    let announce = async {
        match wait_until_ready(&client, &args).await {
            Ok(()) => next_steps(place),
            Err(failure) => eprintln!("{}", failure.message),
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = announce => {}
        () = daemon.ended() => {}
        () = signals.cancelled() => {}
    }
    say(&format!("stopping mesh {:?}", place.name));
    daemon.stop().await;
    Ok(())
}

/// What is said on the way down must not stop the way down.
fn say(line: &str) {
    let _ = output::line(line);
}

/// The user behind sudo, who may speak to the mesh too.
fn owner() -> Option<u32> {
    std::env::var("SUDO_UID").ok()?.parse().ok()
}

/// Starts this program again as the mesh's daemon, with the same arguments but for the manifests, which the
/// caller applies.
fn start_daemon(place: &Place) -> Result<Child, Failure> {
    std::fs::create_dir_all(&place.state)?;
    let log = File::create(log_path(place))?;
    let mut arguments: Vec<std::ffi::OsString> = Vec::new();
    let mut skip = false;
    for argument in std::env::args_os().skip(1) {
        let text = argument.to_string_lossy().into_owned();
        let flag = text.starts_with('-') && text != "-";
        if flag {
            skip = text == "-f" || text == "--filename";
        }
        let joined = text.starts_with("--filename=") || (text.starts_with("-f") && text != "-f");
        if !skip && !joined {
            arguments.push(argument);
        }
    }
    arguments.push("--foreground".into());
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A Ctrl-C at this terminal is for this process, which ends the daemon in order.
        .process_group(0)
        .spawn()
        .map_err(|error| Failure::error(format!("cannot start the daemon: {error}")))
}

async fn wait_for_daemon(place: &Place, daemon: &mut Child) -> Result<(), Failure> {
    let client = place.client();
    loop {
        if let Some(status) = daemon.try_wait()? {
            let log = std::fs::read_to_string(log_path(place)).unwrap_or_default();
            let last = log.trim_end();
            return Err(match last.is_empty() {
                true => Failure::error(format!("the daemon ended with {status}")),
                false => Failure::plain(local::logs::tail(last, 10).to_owned()),
            });
        }
        // Another daemon of this name may have been a moment earlier: this one then ends and says so.
        if client
            .status()
            .await
            .is_ok_and(|status| status.pid == daemon.id())
        {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Prints what is not there yet, whenever it changes; why, once it takes long.
async fn wait_until_ready(client: &Client, args: &UpArgs) -> Result<(), Failure> {
    let timeout = args.timeout;
    let mut said = String::new();
    let began = tokio::time::Instant::now();
    let waiting = async {
        loop {
            let status = client.status().await?;
            let why = status.waiting.first().filter(|_| began.elapsed() >= LONG);
            let line = match (status.unready.as_slice(), why) {
                ([], _) => return Ok::<(), Failure>(()),
                (unready, None) => format!("waiting for {}", unready.join(", ")),
                (unready, Some(why)) => format!("waiting for {}: {why}", unready.join(", ")),
            };
            if line != said && (!args.quiet || why.is_some()) {
                output::line(&line)?;
                said = line;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(timeout), waiting)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::error(format!(
                "the control plane is not ready after {timeout} s; with --keep it stays to be looked at: lateen local describe pods -n istio-system"
            )))
        })
}

fn next_steps(place: &Place) {
    let flag = place.flag();
    say(&format!(
        "mesh {:?} is up. Next:\n  lateen local{flag} label namespace default istio-injection=enabled\n  lateen local{flag} apply -f FILE\n  lateen local{flag} get pods\n  sudo lateen local{flag} down",
        place.name
    ));
}

async fn end_daemon(place: &Place, daemon: &mut Child) {
    if let Ok(pid) = i32::try_from(daemon.id()) {
        let pid = nix::unistd::Pid::from_raw(pid);
        // One that has ended already needs no signal.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
    }
    let deadline = tokio::time::Instant::now() + END;
    while matches!(daemon.try_wait(), Ok(None)) && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
    let _ = std::fs::remove_file(log_path(place));
}

pub(super) async fn down(place: &Place) -> Result<(), Failure> {
    let client = place.client();
    let deadline = tokio::time::Instant::now() + END;
    loop {
        match client.shutdown().await {
            Ok(status) => {
                let process = PathBuf::from(format!("/proc/{}", status.pid));
                wait_for_end(&process).await?;
                let _ = std::fs::remove_file(log_path(place));
                say(&format!("mesh {:?} is down", place.name));
                return Ok(());
            }
            Err(error @ local::api::client::ClientError::Denied { .. }) => return Err(error.into()),
            Err(_) => {}
        }
        if !nix::unistd::geteuid().is_root() {
            return without_root(place);
        }
        match Leftovers::remove(&place.state, &place.name) {
            Ok(found) => {
                let _ = std::fs::remove_file(log_path(place));
                say(&match found {
                    Leftovers::None => format!("no mesh {:?} is running", place.name),
                    Leftovers::Removed => format!(
                        "mesh {:?} was not running; what it had left is gone",
                        place.name
                    ),
                });
                return Ok(());
            }
            // It is starting, or ending by itself: in a moment it answers or is gone.
            Err(MeshError::Running { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a user can say of a mesh that does not answer.
fn without_root(place: &Place) -> Result<(), Failure> {
    if place.state.join(&place.name).exists() {
        return Err(Failure::error(format!(
            "mesh {:?} has left files that belong to root: sudo lateen local{} down",
            place.name,
            place.flag()
        )));
    }
    say(&format!("no mesh {:?} is running", place.name));
    Ok(())
}

async fn wait_for_end(process: &Path) -> Result<(), Failure> {
    let deadline = tokio::time::Instant::now() + END;
    while is_alive(process) {
        if tokio::time::Instant::now() >= deadline {
            return Err(Failure::error(format!(
                "the daemon ({}) does not end",
                process.display()
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// A process that nobody has waited for yet is over all the same.
fn is_alive(process: &Path) -> bool {
    std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .starts_with(" Z")
    })
}
