//! A run: what is asked for, measured, written and shown.

use std::fs::File;
use std::io::Write;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::command_line::{Arguments, where_the_user_is};
use crate::failure::{Doing, Failure};
use crate::measure::Means;
use crate::peer::Peer;
use crate::report::{self, Machine};
use crate::rounds::{self, Measured};
use crate::scenario::{self, Scenario};
use crate::second_opinion::H2load;

/// Does what the arguments ask for.
///
/// # Errors
/// A proxy is missing, or a measurement failed: its proxy did not start, or gave a wrong answer. All other measurements
/// were made, shown and written then.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let scenarios = chosen(&arguments.scenario)?;
    if arguments.list {
        for scenario in scenarios {
            println!("{:<28} {}", scenario.name, scenario.about);
        }
        return Ok(());
    }
    let peers = Peer::chosen(arguments)?;
    // Ten thousand connections have two ends each, one here and one in a proxy, which inherits the limit.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).doing("the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).doing("the limit of open files")?;
    let json = Output::open(arguments.json.as_deref())?;
    let samples = Output::open(arguments.samples.as_deref())?;
    let (rounds, extent) = arguments.extent();
    let h2load = H2load::installed();
    if h2load.is_none() && scenarios.iter().any(H2load::can) {
        eprintln!(
            "dataplane: no second opinion: h2load is not installed: apt-get install nghttp2-client"
        );
    }
    let means = Means { extent, h2load };
    let mut samples = samples.map(|output| output.0);
    let kept = samples.as_mut().map(|kept| kept as &mut dyn Write);
    let measured = rounds::all(&scenarios, &peers, rounds, &means, kept)?;
    let Measured { figures, failed } = &measured;
    eprint!("\n{}", report::summary(&measured));
    if let Some(Output(mut json)) = json {
        let text = serde_json::to_string_pretty(figures).doing("the figures")?;
        writeln!(json, "{text}").doing("the file of figures")?;
    }
    if let Some(path) = arguments.page() {
        let machine = Machine::now(arguments, &peers);
        report::write(&path, &machine, &scenarios, &measured)?;
        eprintln!("{} is written", path.display());
    }
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = failed
        .iter()
        .map(|f| format!("{} {}", f.scenario, f.proxy))
        .collect();
    Err(Failure(format!(
        "{} measurements failed: {}",
        failed.len(),
        names.join(", ")
    )))
}

/// Where figures go: opened before anything is measured, so that a place that cannot be written costs nothing.
struct Output(Box<dyn Write>);

impl Output {
    fn open(path: Option<&std::path::Path>) -> Result<Option<Self>, Failure> {
        let Some(path) = path else { return Ok(None) };
        if path.as_os_str() == "-" {
            return Ok(Some(Output(Box::new(std::io::stdout()))));
        }
        let file = File::create(where_the_user_is(path)).doing(path.display())?;
        Ok(Some(Output(Box::new(file))))
    }
}

/// The scenarios of these names and their variants.
fn chosen(names: &[String]) -> Result<Vec<Scenario>, Failure> {
    let all = scenario::all();
    let is = |scenario: &Scenario, name: &str| {
        scenario.name == name || scenario.name.split('@').next() == Some(name)
    };
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|s| is(s, name))) {
        return Err(Failure(format!(
            "--scenario {unknown}: no such scenario; --list shows all"
        )));
    }
    Ok(all
        .into_iter()
        .filter(|s| names.is_empty() || names.iter().any(|name| is(s, name)))
        .collect())
}
