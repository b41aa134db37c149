//! Where and with what a run was made.

use std::fmt;

use time::OffsetDateTime;

use crate::command_line::Arguments;
use crate::peer::Peer;

/// What the page says of a run.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    date: String,
    cpu: String,
    cores: usize,
    kernel: String,
    versions: Vec<String>,
    rounds: u32,
    seconds: f64,
    command: String,
}

impl Machine {
    pub(crate) fn now(arguments: &Arguments, peers: &[Peer]) -> Self {
        let (rounds, extent) = arguments.extent();
        let file = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = file("/proc/cpuinfo");
        let cpu = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, name)| name);
        Machine {
            date: OffsetDateTime::now_utc().date().to_string(),
            cpu: cpu.to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
            versions: peers.iter().filter_map(version).collect(),
            rounds,
            seconds: extent.time.as_secs_f64(),
            command: asked(std::env::args().skip(1)),
        }
    }
}

/// What was asked for, without what is of one machine: where the programs are, which Bazel says by itself, and where
/// figures went.
fn asked(arguments: impl Iterator<Item = String>) -> String {
    const PLACES: [&str; 4] = ["--envoy", "--proxy", "--json", "--samples"];
    let mut words = Vec::new();
    let mut arguments = arguments;
    while let Some(word) = arguments.next() {
        let (name, given) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word.as_str(), false),
        };
        match (PLACES.contains(&name), given) {
            (true, false) => drop(arguments.next()),
            (true, true) => {}
            (false, _) => words.push(word),
        }
    }
    words.join(" ")
}

/// What a program says of itself.
fn version(peer: &Peer) -> Option<String> {
    match peer {
        Peer::Direct => None,
        Peer::Proxy(program) if program.name == "lateen" => {
            Some(format!("lateen {}", env!("CARGO_PKG_VERSION")))
        }
        Peer::Proxy(program) => program.version(),
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "- Date: {}", self.date)?;
        writeln!(
            f,
            "- Machine: {} cores of {}, Linux {}",
            self.cores, self.cpu, self.kernel
        )?;
        writeln!(f, "- Versions: {}", self.versions.join("; "))?;
        writeln!(
            f,
            "- Rounds: {} in random order, {} s each after a warm-up",
            self.rounds, self.seconds
        )?;
        writeln!(
            f,
            "- Again: `./tools/bazel run //tools/bench:dataplane -- {}`",
            self.command
        )
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_of_one_machine_are_not_part_of_what_was_asked_for() {
        let given = "--envoy=/e --proxy=p --scenario a --proxy /p --json /f --quick";
        let words = given.split(' ').map(str::to_owned);
        assert_eq!(super::asked(words), "--scenario a --quick");
    }
}
