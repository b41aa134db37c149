//! The same load made by h2load, nghttp2's, so that figures do not hang on our own load alone.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use headers::Known;

use crate::failure::{Doing, Failure};
use crate::load::{Exchange, Pace, Version};
use crate::mesh::HOST;
use crate::proxies::found;
use crate::scenario::{Kind, Scenario};

/// The program.
#[derive(Clone, Debug)]
pub(crate) struct H2load(PathBuf);

/// What it saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) answered: u64,
    pub(crate) per_second: f64,
}

impl H2load {
    /// As this machine has it.
    pub(crate) fn installed() -> Option<Self> {
        found("h2load").map(H2load)
    }

    /// Whether it can do what the scenario does: it keeps connections busy with small requests, and knows no streams of
    /// messages.
    pub(crate) fn can(scenario: &Scenario) -> bool {
        scenario.kind == Kind::Requests
            && scenario.exchange.version != Version::Tcp
            && scenario.exchange.messages == 1
            && scenario.exchange.body.max(scenario.exchange.answer) <= 64 * 1024
            && matches!(scenario.pace, Pace::Closed { .. })
    }

    /// Makes the scenario's load, without a warm-up.
    pub(crate) fn run(
        &self,
        scenario: &Scenario,
        target: SocketAddrV4,
        time: Duration,
    ) -> Result<Seen, Failure> {
        let directory = tempfile::tempdir().doing("a directory for h2load")?;
        let body = directory.path().join("body");
        let exchange = &scenario.exchange;
        let mut command = Command::new(&self.0);
        command.args(arguments(scenario, target, time));
        if exchange.body > 0 {
            let size = usize::try_from(exchange.body).doing("a body for h2load")?;
            std::fs::write(&body, vec![b'x'; size]).doing("a body for h2load")?;
            command.arg("--data").arg(&body);
        }
        let output = command.output().doing("h2load")?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let problem = String::from_utf8_lossy(&output.stderr);
            return Err(Failure(format!("h2load: {}\n{problem}", output.status)));
        }
        seen(&said)
    }
}

fn arguments(scenario: &Scenario, target: SocketAddrV4, time: Duration) -> Vec<String> {
    let exchange = &scenario.exchange;
    let in_flight = match (exchange.version, scenario.pace) {
        (Version::Http2, Pace::Closed { in_flight }) => in_flight,
        _ => 1,
    };
    let mut arguments = vec![
        format!("--clients={}", scenario.connections),
        "--threads=1".to_owned(),
        format!("--max-concurrent-streams={in_flight}"),
        format!("--duration={}ms", time.as_millis().max(1)),
        format!("--connect-to={target}"),
    ];
    if exchange.version == Version::Http1 {
        arguments.push("--h1".to_owned());
    }
    arguments.extend(fields(exchange).map(|field| format!("--header={field}")));
    let path = exchange.head.get(Known::Path).unwrap_or_default();
    arguments.push(format!("http://{HOST}{}", String::from_utf8_lossy(path)));
    arguments
}

/// The fields that are no part of the address.
fn fields(exchange: &Exchange) -> impl Iterator<Item = String> {
    exchange.head.iter().filter_map(|field| {
        let name = String::from_utf8_lossy(field.name);
        (!name.starts_with(':'))
            .then(|| format!("{name}: {}", String::from_utf8_lossy(field.value)))
    })
}

/// What it says at its end, where all was answered well.
fn seen(said: &str) -> Result<Seen, Failure> {
    let wrong = || Failure(format!("h2load does not say what it saw: {said}"));
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    // `finished in 2.00s, 59671.00 req/s, 6.24MB/s`
    let per_second = line("finished in ").and_then(|rest| {
        let rate = rest
            .split(", ")
            .find_map(|part| part.strip_suffix(" req/s"))?;
        rate.parse().ok()
    });
    // `requests: 119342 total, 119442 started, 119342 done, 119342 succeeded, 0 failed, 0 errored, 0 timeout`
    let requests = line("requests: ").ok_or_else(wrong)?;
    let number = |what: &str| -> Option<u64> {
        let part = |part: &str| part.strip_suffix(what)?.trim().parse().ok();
        requests.split(", ").find_map(part)
    };
    let answered = number("succeeded").ok_or_else(wrong)?;
    if answered == 0 || number("failed") != Some(0) || number("timeout") != Some(0) {
        return Err(Failure(format!(
            "h2load: not all was answered well: {requests}"
        )));
    }
    Ok(Seen {
        answered,
        per_second: per_second.ok_or_else(wrong)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scenario;

    #[test]
    fn what_h2load_saw_is_read_from_its_last_lines() {
        let said = "starting benchmark...\n\nfinished in 2.00s, 59671.50 req/s, 6.24MB/s\n\
                    requests: 119343 total, 119443 started, 119343 done, 119343 succeeded, 0 failed, 0 errored, 0 timeout\n";
        let seen = seen(said).unwrap();
        assert_eq!(seen.answered, 119_343);
        assert!((seen.per_second - 59_671.5).abs() < 1e-9);
    }

    #[test]
    fn answers_that_are_wrong_for_h2load_are_a_failure() {
        let said = "finished in 2.00s, 10.00 req/s, 6.24MB/s\n\
                    requests: 20 total, 20 started, 20 done, 19 succeeded, 1 failed, 0 errored, 0 timeout\n";
        assert!(seen(said).unwrap_err().to_string().contains("1 failed"));
        assert!(seen("").is_err());
    }

    #[test]
    fn small_saturating_requests_have_a_second_opinion() {
        let names: Vec<&str> = scenario::all()
            .iter()
            .filter(|s| H2load::can(s))
            .map(|s| s.name)
            .collect();
        assert_eq!(
            names,
            [
                "grpc-mtls-2hops",
                "grpc-plain-1hop",
                "http1-mtls-2hops",
                "grpc-big-headers"
            ]
        );
    }
}
