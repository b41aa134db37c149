//! Runs the rows in both meshes and compares what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use differential::log_line::LogLine;
use differential::nature;

use crate::case::{Case, Origin};
use crate::client::Client;
use crate::mesh::Mesh;

/// Ports of a case's client begin at this plus a multiple of [`PORTS`].
const FIRST_PORT: u16 = 2000;
const PORTS: u16 = 4;
/// How often a row may be tried until it is as it should be: a busy machine makes what has a time limit differ.
const TRIES: usize = 3;
/// After so long without a line none comes any more: proxies write theirs every second.
const QUIET: Duration = Duration::from_millis(2500);

/// A row that takes longer is named in the output: the whole suite has a minute or two.
const SLOW: Duration = Duration::from_millis(1500);

/// Bytes as they are shown, without what differs by nature: text as it is, and of what is long its length, a sum and its
/// beginning.
pub(crate) fn text(bytes: &[u8]) -> String {
    let bytes = &nature::bytes(bytes);
    let shown = bytes.escape_ascii().to_string();
    if shown.len() <= 400 {
        return format!("{} {shown:?}", bytes.len());
    }
    // FNV-1a: any change shows.
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} {:?}... sum {sum:x}", bytes.len(), &shown[..60])
}

/// A row's place and try, as its user agent tells: as long as [`crate::case::CASE`].
fn name(index: usize, attempt: usize) -> String {
    let attempt = char::from(b'a' + u8::try_from(attempt).unwrap());
    format!("c{index:04}{attempt}")
}

fn port(index: usize, attempt: usize) -> u16 {
    let index = u16::try_from(index * TRIES + attempt).unwrap();
    FIRST_PORT + index * PORTS
}

/// All rows that are not as they should be, in words.
pub(crate) fn run(cases: &[Case], theirs: &Mesh, ours: &Mesh) -> Vec<String> {
    let last =
        u32::from(FIRST_PORT) + u32::try_from(cases.len() * TRIES).unwrap() * u32::from(PORTS);
    assert!(
        last < 32768,
        "ports of clients end where the kernel's begin"
    );
    let mut left: BTreeSet<usize> = (0..cases.len()).collect();
    let mut wrong = Vec::new();
    for attempt in 0..TRIES {
        let (theirs, ours) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| outcomes(cases, &left, attempt, theirs));
            let ours = scope.spawn(|| outcomes(cases, &left, attempt, ours));
            (theirs.join().unwrap(), ours.join().unwrap())
        });
        wrong.clear();
        for index in left.clone() {
            match judge(&cases[index], &theirs[&index], &ours[&index]) {
                None => {
                    left.remove(&index);
                }
                Some(problem) => wrong.push(problem),
            }
        }
        if left.is_empty() {
            break;
        }
        println!("not as it should be, try {attempt}:\n{}", wrong.join("\n"));
    }
    wrong
}

/// What is wrong with a row's outcomes.
fn judge(case: &Case, theirs: &[String], ours: &[String]) -> Option<String> {
    let name = &case.name;
    match case.differs {
        None if theirs != ours => Some(format!("{name}:\n{}", difference(theirs, ours))),
        Some(reason) if theirs == ours => Some(format!("{name}: is no difference: {reason}\n")),
        _ => None,
    }
}

/// Lines that both have, and those that one has, marked.
fn difference(theirs: &[String], ours: &[String]) -> String {
    let mut text = String::new();
    let mut rest = ours;
    for line in theirs {
        if let Some(at) = rest.iter().position(|other| other == line) {
            text.extend(rest[..at].iter().map(|line| format!("  we    {line}\n")));
            text.push_str(&format!("        {line}\n"));
            rest = &rest[at + 1..];
        } else {
            text.push_str(&format!("  Envoy {line}\n"));
        }
    }
    text.extend(rest.iter().map(|line| format!("  we    {line}\n")));
    text
}

/// What each row comes to in one mesh.
fn outcomes(
    cases: &[Case],
    which: &BTreeSet<usize>,
    attempt: usize,
    mesh: &Mesh,
) -> BTreeMap<usize, Vec<String>> {
    let mut outcomes = BTreeMap::new();
    for &index in which {
        let case = &cases[index];
        let name = name(index, attempt);
        mesh.application.begin(&name, &case.replies);
        let pod = match case.from {
            Origin::Mesh => "client",
            Origin::Outside => "plain",
        };
        let (to, port) = (mesh.address(case.to), port(index, attempt));
        let run = || Client::run(&name, to, port, &case.steps);
        let began = Instant::now();
        let seen = mesh.pod(pod).enter(run).unwrap();
        if began.elapsed() > SLOW {
            println!("{}: {:?} with {}", case.name, began.elapsed(), mesh.name);
        }
        let lines: Vec<_> = seen
            .into_iter()
            .map(|line| format!("client: {line}"))
            .collect();
        outcomes.insert(index, lines);
    }
    let logs = logs(mesh);
    for (&index, outcome) in &mut outcomes {
        let name = name(index, attempt);
        for (number, lines) in mesh.application.seen(&name).into_iter().enumerate() {
            let lines = lines
                .into_iter()
                .map(|line| format!("request {number}: {line}"));
            outcome.extend(lines);
        }
        let first = port(index, attempt);
        outcome.extend(of_case(&logs, &name, first..first + PORTS));
        for line in outcome {
            *line = line.replace(&name, "case");
        }
    }
    outcomes
}

/// Access-log lines by pod, when no more come.
fn logs(mesh: &Mesh) -> Vec<(&'static str, Vec<LogLine>)> {
    let (mut last, mut since) = (Vec::new(), Instant::now());
    loop {
        let now: Vec<String> = Mesh::with_sidecars().map(|pod| mesh.log(pod)).collect();
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > QUIET {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let lines = |text: String| text.lines().filter_map(LogLine::read).collect();
    Mesh::with_sidecars()
        .zip(last.into_iter().map(lines))
        .collect()
}

/// The lines of a case: by its name, by its client's ports, and those of connections that these led to.
fn of_case(
    logs: &[(&'static str, Vec<LogLine>)],
    name: &str,
    ports: std::ops::Range<u16>,
) -> Vec<String> {
    let own = |address: &str| {
        let (_, port) = address.rsplit_once(':')?;
        port.parse().ok().filter(|port| ports.contains(port))
    };
    let mut led_to = BTreeSet::new();
    let mut found = Vec::new();
    for (pod, lines) in logs {
        let mut of_pod = Vec::new();
        for line in lines {
            let nameless = !line.user_agent().starts_with('c');
            if line.user_agent() == name
                || nameless && own(line.downstream_remote()).is_some()
                || nameless && led_to.contains(line.downstream_remote())
            {
                if nameless {
                    led_to.insert(line.upstream_local().to_owned());
                }
                of_pod.push(format!("log of {pod}: {}", line.without_nature()));
            }
        }
        // Lines are written as requests end, and two may end at once.
        of_pod.sort();
        found.extend(of_pod);
    }
    found
}
