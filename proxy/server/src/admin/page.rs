//! The pages that there are.

use std::fmt::Write;

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Home,
    Certs,
    Clusters,
    ConfigDump,
    DrainListeners,
    HealthcheckFail,
    HealthcheckOk,
    Help,
    HotRestartVersion,
    Listeners,
    Logging,
    Memory,
    QuitQuitQuit,
    Ready,
    ResetCounters,
    Runtime,
    RuntimeModify,
    ServerInfo,
    Stats,
    Prometheus,
}

/// What is said of a page, and what may be asked of it.
pub(crate) struct Entry {
    pub(crate) page: Page,
    pub(crate) path: &'static str,
    /// It changes something: POST is needed.
    pub(crate) changes: bool,
    help: &'static str,
    parameters: &'static [(&'static str, &'static str)],
}

const fn shows(
    page: Page,
    path: &'static str,
    help: &'static str,
    parameters: &'static [(&'static str, &'static str)],
) -> Entry {
    Entry {
        page,
        path,
        changes: false,
        help,
        parameters,
    }
}

const fn changes(
    page: Page,
    path: &'static str,
    help: &'static str,
    parameters: &'static [(&'static str, &'static str)],
) -> Entry {
    Entry {
        changes: true,
        ..shows(page, path, help, parameters)
    }
}

const FILTER: (&str, &str) = (
    "filter",
    "a regular expression that a name must match somewhere",
);
const USED: (&str, &str) = ("usedonly", "only what was written since the start");
const BUCKETS: (&str, &str) = (
    "histogram_buckets",
    "how histograms are shown; one of (cumulative, disjoint, summary)",
);

/// All of them, sorted by path.
pub(crate) const PAGES: &[Entry] = &[
    shows(Page::Home, "/", "the list of pages, as links", &[]),
    shows(Page::Certs, "/certs", "certificates and roots in use", &[]),
    shows(
        Page::Clusters,
        "/clusters",
        "clusters, their hosts and what is counted of each",
        &[FILTER, ("format", "one of (text, json)")],
    ),
    shows(
        Page::ConfigDump,
        "/config_dump",
        "the configuration as it came, and what of it has no effect here",
        &[
            ("resource", "only this list, its items by themselves"),
            ("mask", "only these fields: paths, separated by commas"),
            ("name_regex", "only resources whose names match"),
            ("include_eds", "endpoints, too"),
        ],
    ),
    changes(
        Page::DrainListeners,
        "/drain_listeners",
        "tell clients that their connections end",
        &[
            ("graceful", "taken for granted here: nothing is cut"),
            (
                "skip_exit",
                "taken for granted here: sockets stay open until the process ends",
            ),
            ("inboundonly", "inbound listeners only"),
        ],
    ),
    changes(
        Page::HealthcheckFail,
        "/healthcheck/fail",
        "be not ready",
        &[],
    ),
    changes(
        Page::HealthcheckOk,
        "/healthcheck/ok",
        "be ready again",
        &[],
    ),
    shows(Page::Help, "/help", "this list", &[]),
    shows(
        Page::HotRestartVersion,
        "/hot_restart_version",
        "says that there is no hot restart",
        &[],
    ),
    shows(
        Page::Listeners,
        "/listeners",
        "listeners and their addresses",
        &[("format", "one of (text, json)")],
    ),
    changes(
        Page::Logging,
        "/logging",
        "show and change what is logged",
        &[
            (
                "paths",
                "levels of single loggers: NAME:LEVEL, separated by commas",
            ),
            (
                "level",
                "one level for all; one of (trace, debug, info, warning, error, critical, off)",
            ),
        ],
    ),
    shows(
        Page::Memory,
        "/memory",
        "how much memory the process holds",
        &[],
    ),
    changes(Page::QuitQuitQuit, "/quitquitquit", "end the process", &[]),
    shows(
        Page::Ready,
        "/ready",
        "the state; 200 if it is LIVE, 503 otherwise",
        &[],
    ),
    changes(
        Page::ResetCounters,
        "/reset_counters",
        "set counters to zero",
        &[],
    ),
    shows(
        Page::Runtime,
        "/runtime",
        "runtime values of the bootstrap; they have no effect here",
        &[],
    ),
    changes(
        Page::RuntimeModify,
        "/runtime_modify",
        "refused: runtime values have no effect here",
        &[],
    ),
    shows(
        Page::ServerInfo,
        "/server_info",
        "version, state, command line and node",
        &[],
    ),
    shows(
        Page::Stats,
        "/stats",
        "what is counted",
        &[
            USED,
            FILTER,
            ("invert_filter", "what the filter does not match instead"),
            ("format", "one of (text, json, prometheus)"),
            ("type", "one of (All, Counters, Gauges, Histograms)"),
            BUCKETS,
        ],
    ),
    shows(
        Page::Prometheus,
        "/stats/prometheus",
        "what is counted, for Prometheus",
        &[
            USED,
            FILTER,
            ("invert_filter", "what the filter does not match instead"),
            BUCKETS,
        ],
    ),
];

/// The page of a path.
pub(crate) fn find(path: &str) -> Option<&'static Entry> {
    PAGES.iter().find(|entry| entry.path == path)
}

/// The list of pages as text.
pub(crate) fn help() -> String {
    let mut text = String::from("admin commands are:\n");
    // Writing to a string cannot fail.
    for entry in PAGES {
        let post = if entry.changes { " (POST)" } else { "" };
        let _ = writeln!(text, "  {}{post}: {}", entry.path, entry.help);
        for (name, about) in entry.parameters {
            let _ = writeln!(text, "      {name}: {about}");
        }
    }
    text
}

/// The list of pages for a browser.
pub(crate) fn home() -> String {
    let mut text = String::from(
        "<!DOCTYPE html>\n<html lang='en'>\n<head><title>Envoy Admin</title></head>\n<body>\n<table>\n",
    );
    for entry in PAGES {
        let Entry { path, help, .. } = entry;
        let link = match entry.changes {
            true => format!("<form action='{path}' method='post'><button>{path}</button></form>"),
            false => format!("<a href='{path}'>{path}</a>"),
        };
        let _ = writeln!(text, "<tr><td>{link}</td><td>{help}</td></tr>");
    }
    text.push_str("</table>\n</body>\n</html>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_by_its_path_and_stands_in_the_list() {
        let (help, home) = (help(), home());
        for entry in PAGES {
            assert_eq!(find(entry.path).map(|e| e.page), Some(entry.page));
            assert!(help.contains(&format!("\n  {}", entry.path)), "{help}");
            assert!(home.contains(&format!("'{}'", entry.path)), "{home}");
        }
        assert!(PAGES.is_sorted_by_key(|entry| entry.path));
        assert!(find("/stats/").is_none());
    }
}
