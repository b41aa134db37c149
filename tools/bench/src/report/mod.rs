//! `docs/performance.md` and its plots, from the figures of one run.

mod machine;
mod plot;
mod targets;

use std::fmt::Write as _;
use std::path::Path;

use crate::failure::{Doing, Failure};
use crate::sample::{Figures, Range};
use crate::scenario::Scenario;

pub(crate) use machine::Machine;

/// Writes the page to `path`, and plots into the folder of its name beside it.
pub(crate) fn write(
    path: &Path,
    machine: &Machine,
    scenarios: &[Scenario],
    figures: &[Figures],
) -> Result<(), Failure> {
    let plots = path.with_extension("");
    let folder = plots
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    std::fs::create_dir_all(&plots).doing(plots.display())?;
    let mut links = String::new();
    for plot in plot::all(figures) {
        let file = plots.join(plot.file);
        std::fs::write(&file, &plot.svg).doing(file.display())?;
        let _ = writeln!(links, "![{}]({folder}/{})\n", plot.title, plot.file);
    }
    std::fs::write(path, page(machine, scenarios, figures, &links)).doing(path.display())
}

fn page(machine: &Machine, scenarios: &[Scenario], figures: &[Figures], plots: &str) -> String {
    let mut page = format!(
        "# Performance of the data plane\n\n\
         Written by `//tools/bench:dataplane`; edits are lost with the next run.\n\n{machine}\n\
         `lateen` is this repository's data plane, `direct` is load and application without any proxy. Each proxy has one\n\
         worker. CPU is that of all proxies on the way, memory that of the largest. Figures are medians over the rounds, with\n\
         least and most in parentheses; on a shared machine the ratios count, not the absolute figures. Latency counts from when\n\
         a request was due (at 1,000 requests a second) or sent (saturated, one after the other).\n\n\
         ## What was aimed at\n\n{}\n## Plots\n\n{plots}## All figures\n\n",
        targets::table(figures)
    );
    for scenario in scenarios {
        let of_it: Vec<&Figures> = figures
            .iter()
            .filter(|f| f.scenario == scenario.name)
            .collect();
        if of_it.is_empty() {
            continue;
        }
        let _ = write!(
            page,
            "### {}\n\n{}\n\n\
             | proxy | CPU us/request | requests/s | p50 ms | p90 ms | p99 ms | RSS MiB | bytes/connection |\n\
             |---|---|---|---|---|---|---|---|\n",
            scenario.name, scenario.about
        );
        for f in of_it {
            let bytes = f
                .bytes_per_connection
                .map_or_else(String::new, |b| format!("{b:.0}"));
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} | {} | {bytes} |",
                f.proxy,
                cell(f.cpu_us_per_request, f.range.cpu_us_per_request),
                cell(f.requests_per_second, f.range.requests_per_second),
                cell(f.p50_ms, f.range.p50_ms),
                cell(f.p90_ms, f.range.p90_ms),
                cell(f.p99_ms, f.range.p99_ms),
                cell(f.rss_mib, f.range.rss_mib),
            );
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// A median with its range; nothing where nothing was measured.
fn cell(median: f64, [least, most]: Range) -> String {
    if most == 0.0 {
        return String::new();
    }
    if least == most {
        return median.to_string();
    }
    format!("{median} ({least}-{most})")
}
