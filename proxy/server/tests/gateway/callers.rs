//! Callers from outside, and what they see.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::planes::{Plane, Planes};

/// Header fields that are others each time.
const CHANGING: [&str; 4] = [
    "date:",
    "x-request-id:",
    "x-envoy-upstream-service-time:",
    "user-agent:",
];

/// What is the same each time: lines in order, those that change without their value.
fn settled(text: &str) -> String {
    let mut lines: Vec<String> = text
        .replace('\r', "")
        .lines()
        .map(|line| {
            let lower = line.to_ascii_lowercase();
            match CHANGING.iter().find(|name| lower.starts_with(**name)) {
                Some(name) => (*name).to_owned(),
                None if lower.starts_with("x-forwarded-for:") => without_own(line),
                None => line.to_owned(),
            }
        })
        .collect();
    // Fields of a message have no order.
    lines.sort();
    lines.join("\n")
}

/// A caller on the loopback has no address that says anything: Envoy writes its machine's, we the one that was called.
fn without_own(line: &str) -> String {
    match line.rsplit_once(',') {
        Some((others, _)) => format!("{others},OWN"),
        None => "x-forwarded-for: OWN".to_owned(),
    }
}

/// What `curl` sees of a plane: head and body, or its error's number.
pub fn curl(plane: &Plane, host: &str, port: u16, arguments: &[&str], path: &str) -> String {
    let scheme = if arguments.contains(&"--cacert") || arguments.contains(&"--insecure") {
        "https"
    } else {
        "http"
    };
    let ran = Command::new("curl")
        .args([
            "--silent",
            "--include",
            "--path-as-is",
            "--max-time",
            "10",
            "--noproxy",
            "*",
        ])
        .args(["--resolve", &format!("{host}:{port}:{}", plane.address)])
        .args(arguments)
        .arg(format!("{scheme}://{host}:{port}{path}"))
        .stdin(Stdio::null())
        .output()
        .expect("this test needs curl");
    match ran.status.code() {
        Some(0) => settled(&String::from_utf8_lossy(&ran.stdout)),
        // How a library words that it was refused is its own; that nobody came to refuse is not.
        Some(7 | 28) => format!("curl fails: {:?}", ran.status),
        _ => "curl is refused".to_owned(),
    }
}

/// What comes back on a connection that is sent these bytes.
pub fn raw(plane: &Plane, port: u16, sent: &str) -> String {
    let mut stream = TcpStream::connect((plane.address, port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    let mut all = Vec::new();
    // A reset shows nothing more.
    let _ = stream.read_to_end(&mut all);
    settled(&String::from_utf8_lossy(&all))
}

/// What both planes show of a case; all that differ are told at once.
pub struct Comparison<'a> {
    planes: &'a Planes,
    differ: Vec<String>,
}

impl<'a> Comparison<'a> {
    pub fn of(planes: &'a Planes) -> Self {
        Self {
            planes,
            differ: Vec::new(),
        }
    }

    /// A case of which we show something else, for a reason. One that is equal again fails.
    pub fn differs(&mut self, name: &str, _why: &str, look: impl Fn(&Plane) -> String) {
        let [ours, theirs] = self.planes.both().map(look);
        if ours == theirs {
            self.differ
                .push(format!("== {name} does not differ any more:\n{ours}\n"));
        }
    }

    /// Looks at both; `expected` must be in what either shows, so that two failures are no match.
    pub fn case(&mut self, name: &str, expected: &[&str], look: impl Fn(&Plane) -> String) {
        let [ours, theirs] = self.planes.both().map(look);
        let different = ours != theirs;
        if different || !expected.iter().all(|part| theirs.contains(part)) {
            self.differ.push(format!(
                "== {name}, wanted {expected:?}\n-- ours:\n{ours}\n-- Envoy's:\n{theirs}\n"
            ));
        }
    }
}

impl Drop for Comparison<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.differ.is_empty(), "\n{}", self.differ.join("\n"));
        }
    }
}
