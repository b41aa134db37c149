//! Log output, with Istio's flags (`--log_output_level`, `--log_as_json`).

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// The logging flags that every Lateen program takes.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// Minimum level of messages, per scope: SCOPE:LEVEL[,SCOPE:LEVEL...] with the levels debug,
    /// info, warn, error, none; scope `default` is everything else. Example: default:info,xds:debug
    #[arg(
        long = "log_output_level",
        default_value = "default:info",
        global = true
    )]
    pub log_output_level: String,

    /// Write log lines as JSON objects
    #[arg(long = "log_as_json", global = true)]
    pub log_as_json: bool,
}

/// A `--log_output_level` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A part is not `SCOPE:LEVEL` with a known level.
    #[error(
        "--log_output_level: `{0}` is not SCOPE:LEVEL with one of debug, info, warn, error, none"
    )]
    Level(String),
    /// Logging was set up before in this process.
    #[error("logging is set up already")]
    AlreadySet,
    /// Levels are to change and logging was not set up.
    #[error("logging is not set up")]
    NotSet,
}

/// Takes a filter in place of the one before.
type Change = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// How the levels of the running program are changed.
static CHANGE: OnceLock<Change> = OnceLock::new();

/// Changes what is logged from now on, with the words of `--log_output_level`.
///
/// # Errors
/// [`LogError`] when the words cannot be read or nothing was set up.
pub fn set(levels: &str) -> Result<(), LogError> {
    let filter = filter(levels)?;
    match CHANGE.get() {
        Some(change) if change(filter) => Ok(()),
        _ => Err(LogError::NotSet),
    }
}

impl LogArgs {
    /// Starts logging to standard error.
    ///
    /// # Errors
    /// [`LogError`] when the flag cannot be read or logging runs already.
    pub fn init(&self) -> Result<(), LogError> {
        let filter = filter(&self.log_output_level)?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            // It would tell of a line that cannot be written on standard error, and panic when that cannot be written
            // either: a full disk below the log would end whatever task logs.
            .log_internal_errors(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
        let (started, change): (_, Change) = if self.log_as_json {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            let change = move |filter| handle.reload(filter).is_ok();
            (builder.try_init(), Box::new(change))
        } else {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let change = move |filter| handle.reload(filter).is_ok();
            (builder.try_init(), Box::new(change))
        };
        started.map_err(|_| LogError::AlreadySet)?;
        CHANGE.set(change).map_err(|_| LogError::AlreadySet)
    }
}

/// Says things that strangers can make happen, once a second at most: a peer must not be able to
/// fill a disk with its refusals.
#[derive(Debug, Default)]
pub struct Sparingly {
    state: Mutex<(Option<Instant>, u64)>,
}

impl Sparingly {
    /// Nothing was said yet.
    pub const fn new() -> Self {
        Self {
            state: Mutex::new((None, 0)),
        }
    }

    /// Whether to say it now: how often it was left unsaid since the last time, or none to leave it
    /// unsaid this time.
    pub fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_some_and(|last| now.duration_since(last) < PAUSE) {
            state.1 += 1;
            return None;
        }
        let unsaid = std::mem::take(&mut state.1);
        state.0 = Some(now);
        Some(unsaid)
    }
}

/// The least time between two lines of one [`Sparingly`].
const PAUSE: Duration = Duration::from_secs(1);

/// The client of Kubernetes tells of every attempt that fails; our programs say it once, with the object.
const WITHOUT_FLAGS: &str = "info,kube_client=off,kube_runtime=off";

fn filter(levels: &str) -> Result<EnvFilter, LogError> {
    let mut filter = EnvFilter::new(WITHOUT_FLAGS);
    for part in levels.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        filter = filter.add_directive(directive(part)?);
    }
    Ok(filter)
}

/// One `SCOPE:LEVEL` (or a bare `LEVEL`, as Istio takes it) in tracing's form.
fn directive(part: &str) -> Result<Directive, LogError> {
    let unusable = || LogError::Level(part.to_owned());
    let (scope, level) = part.rsplit_once(':').unwrap_or(("default", part));
    let level = match level {
        "none" => "off",
        "fatal" | "error" => "error",
        "warn" | "warning" => "warn",
        "info" => "info",
        "debug" => "debug",
        "trace" => "trace",
        _ => return Err(unusable()),
    };
    let text = match scope {
        "default" | "all" => level.to_owned(),
        // Crate names have no dashes; Istio's scope names do.
        scope => format!("{}={level}", scope.replace('-', "_")),
    };
    text.parse().map_err(|_| unusable())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn scopes_and_levels_are_read_as_istio_writes_them() {
        // After what is silenced in any case.
        let level_of_all = |levels: &str| {
            let filter = filter(levels).unwrap().to_string();
            filter.rsplit(',').next().unwrap_or_default().to_owned()
        };
        assert_eq!(level_of_all("default:warn"), "warn");
        let two = filter("default:info,xds:debug").unwrap().to_string();
        assert!(two.contains("xds=debug") && two.contains("info"), "{two}");
        assert_eq!(level_of_all("none"), "off");
    }

    #[test]
    fn what_happens_often_is_said_once_a_second_with_how_often_it_was_left_unsaid() {
        let (saying, start) = (Sparingly::new(), Instant::now());
        let at = |ms| saying.due_at(start + Duration::from_millis(ms));
        let said: Vec<_> = [0, 1, 999, 1000, 1001, 5000].map(at).into();
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }

    #[test]
    fn an_unknown_level_is_named() {
        let message = filter("default:loud").unwrap_err().to_string();
        assert!(message.contains("default:loud"), "{message}");
    }
}
