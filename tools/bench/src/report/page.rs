//! The text of `docs/performance.md`.

use std::fmt::Write as _;

use super::{Machine, targets};
use crate::rounds::Measured;
use crate::sample::{Figures, Median};
use crate::scenario::Scenario;

const HOW: &str = "\
`lateen` is this repository's data plane, `direct` is load and application without any proxy. CPU is that of all
proxies on the way, memory that of the largest. Figures are medians over the rounds, with least and most in
parentheses; on a shared machine the ratios count, not the absolute figures. Latency counts from when a request was due
(at 1,000 requests a second) or sent (saturated, one after the other). Every answer is checked.

Each proxy has one worker, the same hops, the same P-256 certificates and an access log. lateen and Envoy take the same
bootstrap, ADS and SDS, with Istio's filters and log format. nginx (`grpc_pass` for HTTP/2) and HAProxy have files that
say the same as far as they can: no retries, no metrics by workload, no names of peers (SPIFFE) compared; HAProxy writes
each line of its log by itself, the others a buffer at a time. They are not measured with changes of configuration,
which are new processes to them.

";

/// The page, with links to plots.
pub(super) fn text(
    machine: &Machine,
    scenarios: &[Scenario],
    measured: &Measured,
    plots: &str,
) -> String {
    let figures = &measured.figures;
    let mut page = format!(
        "# Performance of the data plane\n\n\
         Written by `//tools/bench:dataplane`; edits are lost with the next run.\n\n{machine}\n{HOW}\
         ## What was aimed at\n\n{}\n## Plots\n\n{plots}{}{}## All figures\n\n",
        targets::table(figures),
        failures(measured),
        second_opinion(figures),
    );
    for scenario in scenarios {
        let of_it: Vec<&Figures> = figures
            .iter()
            .filter(|f| f.scenario == scenario.name)
            .collect();
        if of_it.is_empty() {
            continue;
        }
        let counts_connections = of_it.iter().any(|f| f.bytes_per_connection.is_some());
        let (head, line) = if counts_connections {
            (" bytes/connection |", "---|")
        } else {
            ("", "")
        };
        let _ = write!(
            page,
            "### {}\n\n{}\n\n\
             | proxy | CPU us/request | requests/s | p50 ms | p90 ms | p99 ms | RSS MiB |{head}\n\
             |---|---|---|---|---|---|---|{line}\n",
            scenario.name, scenario.about
        );
        for f in of_it {
            let _ = write!(
                page,
                "| {} | {} | {} | {} | {} | {} | {} |",
                f.proxy,
                f.cpu_us_per_request,
                f.requests_per_second,
                f.p50_ms,
                f.p90_ms,
                f.p99_ms,
                f.rss_mib,
            );
            if counts_connections {
                let bytes = f.bytes_per_connection.unwrap_or_default();
                let _ = write!(page, " {bytes} |");
            }
            page.push('\n');
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// What could not be measured.
fn failures(measured: &Measured) -> String {
    let mut text = String::new();
    for f in &measured.failed {
        if text.is_empty() {
            text += "## What failed\n\n";
        }
        let first = f.problem.lines().next().unwrap_or_default();
        let _ = writeln!(text, "- {} with {}: {first}", f.scenario, f.proxy);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// What h2load's load gave, beside ours.
fn second_opinion(figures: &[Figures]) -> String {
    let mut text = String::new();
    let ratio = |ours: Median, theirs: Median| {
        let ratio = theirs.value / ours.value;
        if ratio.is_finite() {
            format!("{ratio:.2}")
        } else {
            String::new()
        }
    };
    for f in figures {
        let Some((cpu, rate)) = f.h2load else {
            continue;
        };
        if text.is_empty() {
            text += "## A second opinion\n\n\
                     The same saturating load made by h2load against the same processes, right after ours. It checks no \
                     answer but its\nstatus.\n\n\
                     | scenario | proxy | CPU us/request, ours | h2load | ratio | requests/s, ours | h2load | ratio |\n\
                     |---|---|---|---|---|---|---|---|\n";
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {cpu} | {} | {} | {rate} | {} |",
            f.scenario,
            f.proxy,
            f.cpu_us_per_request,
            ratio(f.cpu_us_per_request, cpu),
            f.requests_per_second,
            ratio(f.requests_per_second, rate),
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::Failed;
    use crate::sample::{Sample, SecondOpinion};

    #[test]
    fn what_failed_is_said() {
        let measured = Measured {
            figures: Vec::new(),
            failed: vec![Failed {
                scenario: "tcp-plain-1hop",
                proxy: "lateen",
                problem: "it ended\nwith a log".to_owned(),
            }],
        };
        assert_eq!(
            failures(&measured),
            "## What failed\n\n- tcp-plain-1hop with lateen: it ended\n\n"
        );
    }

    #[test]
    fn a_second_opinion_stands_beside_ours() {
        let sample = Sample {
            cpu_us_per_request: 10.0,
            requests_per_second: 100.0,
            h2load: Some(SecondOpinion {
                cpu_us_per_request: 12.0,
                requests_per_second: 90.0,
            }),
            ..Sample::default()
        };
        let text = second_opinion(&[Figures::of("a", "envoy", &[sample])]);
        assert!(
            text.ends_with("| a | envoy | 10 | 12 | 1.20 | 100 | 90 | 0.90 |\n\n"),
            "{text}"
        );
    }
}
