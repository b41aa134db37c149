//! What is shown of a run: a summary, and `docs/performance.md` with its plots.

mod machine;
mod page;
mod plot;
mod targets;

use std::fmt::Write as _;
use std::path::Path;

use crate::failure::{Doing, Failure};
use crate::rounds::Measured;
use crate::scenario::Scenario;

pub(crate) use machine::Machine;

/// The medians of all, for whoever waits at the terminal.
pub(crate) fn summary(measured: &Measured) -> String {
    let mut text = format!(
        "{:<22} {:<8} {:>12} {:>12} {:>9} {:>9} {:>9}\n",
        "scenario", "proxy", "us/request", "requests/s", "p50 ms", "p99 ms", "RSS MiB"
    );
    for f in &measured.figures {
        let _ = writeln!(
            text,
            "{:<22} {:<8} {:>12} {:>12} {:>9} {:>9} {:>9}",
            f.scenario,
            f.proxy,
            f.cpu_us_per_request.value,
            f.requests_per_second.value,
            f.p50_ms.value,
            f.p99_ms.value,
            f.rss_mib.value,
        );
    }
    for f in &measured.failed {
        let first = f.problem.lines().next().unwrap_or_default();
        let _ = writeln!(text, "{:<22} {:<8} FAILED: {first}", f.scenario, f.proxy);
    }
    text
}

/// Writes the page to `path`, and plots into the folder of its name beside it.
pub(crate) fn write(
    path: &Path,
    machine: &Machine,
    scenarios: &[Scenario],
    measured: &Measured,
) -> Result<(), Failure> {
    let plots = path.with_extension("");
    let folder = plots
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    std::fs::create_dir_all(&plots).doing(plots.display())?;
    let mut links = String::new();
    for plot in plot::all(&measured.figures) {
        let file = plots.join(plot.file);
        std::fs::write(&file, &plot.svg).doing(file.display())?;
        let _ = writeln!(links, "![{}]({folder}/{})\n", plot.title, plot.file);
    }
    let text = page::text(machine, scenarios, measured, &links);
    std::fs::write(path, text).doing(path.display())
}
