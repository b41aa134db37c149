//! `/logging`: what is logged, under Envoy's names of loggers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::Response;

use super::answer;
use super::parameters::Parameters;

/// Envoy's names for what there is here, with the modules that log it. `misc` is everything else.
const LOGGERS: [(&str, &[&str]); 9] = [
    ("admin", &["server::admin"]),
    ("config", &["control", "compile"]),
    ("conn_handler", &["dataplane::worker::accept"]),
    ("connection", &["dataplane::wire", "dataplane::tls"]),
    ("file", &["dataplane::logs"]),
    ("http", &["dataplane", "http1", "http2", "routing"]),
    ("main", &["server", "process"]),
    ("pool", &["dataplane::worker::dial"]),
    ("upstream", &["dataplane::upstream", "balance"]),
];
const OTHERS: &str = "misc";

const USAGE: &str = "usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: trace debug info warning error critical off
";

/// The levels that were chosen.
pub(crate) struct Loggers {
    levels: Mutex<Levels>,
}

type Levels = BTreeMap<&'static str, Level>;

/// Envoy's levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Critical,
    Off,
}

const LEVELS: [(&str, Level); 7] = [
    ("trace", Level::Trace),
    ("debug", Level::Debug),
    ("info", Level::Info),
    ("warning", Level::Warning),
    ("error", Level::Error),
    ("critical", Level::Critical),
    ("off", Level::Off),
];

impl Level {
    fn parse(name: &str) -> Option<Self> {
        let found = LEVELS.iter().find(|(known, _)| *known == name);
        found.map(|(_, level)| *level)
    }

    fn name(self) -> &'static str {
        let found = LEVELS.iter().find(|(_, level)| *level == self);
        found.map_or("", |(name, _)| name)
    }

    /// As `--log_output_level` has it.
    fn output(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warn",
            Level::Error | Level::Critical => "error",
            Level::Off => "none",
        }
    }
}

/// Why nothing was changed.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Parameters,
    Logger,
    Level,
}

impl Refusal {
    fn words(&self) -> &'static str {
        match self {
            Refusal::Parameters => "error: invalid number of parameters",
            Refusal::Logger => "error: unknown logger name",
            Refusal::Level => "error: unknown logger level",
        }
    }
}

impl Loggers {
    /// All of them at the level of the command line.
    pub(crate) fn new(level: &str) -> Self {
        let level = Level::parse(level).unwrap_or(Level::Info);
        Loggers {
            levels: Mutex::new(names().map(|name| (name, level)).collect()),
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    LOGGERS.iter().map(|(name, _)| *name).chain([OTHERS])
}

pub(crate) fn page(loggers: &Loggers, parameters: &Parameters) -> Response {
    let mut levels = loggers
        .levels
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    match changed(&levels, parameters) {
        Ok(changed) => {
            if *levels != changed {
                if let Err(error) = process::logging::set(&output(&changed)) {
                    return answer::refused(StatusCode::BAD_REQUEST, format!("error: {error}\n"));
                }
                *levels = changed;
            }
            answer::text(active(&levels))
        }
        Err(refusal) => answer::refused(
            StatusCode::BAD_REQUEST,
            format!("{}\n\n{USAGE}{}", refusal.words(), active(&levels)),
        ),
    }
}

fn active(levels: &Levels) -> String {
    let mut text = String::from("active loggers:\n");
    for (name, level) in levels {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name}: {}", level.name());
    }
    text.push('\n');
    text
}

fn changed(levels: &Levels, parameters: &Parameters) -> Result<Levels, Refusal> {
    let mut changed = levels.clone();
    match parameters.all() {
        [] => {}
        [(name, level)] if name == "level" => {
            let level = Level::parse(level).ok_or(Refusal::Level)?;
            changed.values_mut().for_each(|known| *known = level);
        }
        [(name, paths)] if name == "paths" => {
            for path in paths.split(',').filter(|path| !path.is_empty()) {
                let (name, level) = path.split_once(':').ok_or(Refusal::Level)?;
                change(&mut changed, name, level)?;
            }
        }
        [(name, level)] => change(&mut changed, name, level)?,
        _ => return Err(Refusal::Parameters),
    }
    Ok(changed)
}

fn change(levels: &mut Levels, name: &str, level: &str) -> Result<(), Refusal> {
    let level = Level::parse(level).ok_or(Refusal::Level)?;
    *levels.get_mut(name).ok_or(Refusal::Logger)? = level;
    Ok(())
}

/// As `--log_output_level` has it.
fn output(levels: &Levels) -> String {
    let of = |name: &str| levels.get(name).map_or("info", |level| level.output());
    let mut text = format!("default:{}", of(OTHERS));
    for (name, targets) in LOGGERS {
        for target in targets {
            let _ = write!(text, ",{target}:{}", of(name));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn after(query: &str) -> Result<Levels, Refusal> {
        let before = names().map(|name| (name, Level::Info)).collect();
        changed(&before, &Parameters::parse(query))
    }

    #[test]
    fn one_some_or_all_levels_change() {
        let all = after("level=debug").unwrap();
        assert!(all.values().all(|level| *level == Level::Debug));
        let one = after("http=off").unwrap();
        assert_eq!((one["http"], one["pool"]), (Level::Off, Level::Info));
        let two = after("paths=http:trace,misc:critical").unwrap();
        assert_eq!((two["http"], two["misc"]), (Level::Trace, Level::Critical));
        assert_eq!(after("").unwrap()["admin"], Level::Info);
        assert!(active(&two).contains("\n  http: trace\n"));
    }

    #[test]
    fn what_is_not_known_changes_nothing() {
        assert_eq!(after("paths=http:debug,nope:debug"), Err(Refusal::Logger));
        assert_eq!(after("level=loud"), Err(Refusal::Level));
        assert_eq!(after("paths=http"), Err(Refusal::Level));
        assert_eq!(after("a=b&c=d"), Err(Refusal::Parameters));
    }

    #[test]
    fn levels_become_what_the_log_takes() {
        let text = output(&after("paths=http:trace,misc:off,config:critical").unwrap());
        assert!(text.starts_with("default:none,"), "{text}");
        for part in [
            "http2:trace",
            "control:error",
            "dataplane::worker::dial:info",
        ] {
            assert!(text.split(',').any(|p| p == part), "{text}");
        }
    }
}
