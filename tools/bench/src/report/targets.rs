//! What the data plane is to reach, beside what it reached.

use std::fmt::Write as _;

use crate::sample::Figures;

/// The figures of a run, by scenario and proxy.
struct Run<'f>(&'f [Figures]);

impl Run<'_> {
    fn of(&self, scenario: &str, proxy: &str) -> Option<&Figures> {
        self.0
            .iter()
            .find(|f| f.scenario == scenario && f.proxy == proxy)
    }

    /// Ours by Envoy's.
    fn ratio(&self, scenario: &str, of: fn(&Figures) -> f64) -> Option<f64> {
        let (ours, envoy) = (self.of(scenario, "lateen")?, self.of(scenario, "envoy")?);
        Some(of(ours) / of(envoy)).filter(|r| r.is_finite())
    }

    /// What ours adds to the median latency, by what Envoy adds.
    fn added_p50(&self, scenario: &str) -> Option<f64> {
        let direct = self.of(scenario, "direct")?.p50_ms.value;
        let added = |proxy| Some(self.of(scenario, proxy)?.p50_ms.value - direct);
        Some(added("lateen")? / added("envoy")?).filter(|r| r.is_finite())
    }
}

/// Something that is to be reached: no more than `most`.
struct Target {
    what: &'static str,
    unit: &'static str,
    most: f64,
    reached: fn(&Run<'_>) -> Option<f64>,
}

const OF_ENVOYS: &str = " of Envoy's";

const TARGETS: [Target; 10] = [
    Target {
        what: "CPU, gRPC, two hops of mutual TLS, saturated",
        unit: OF_ENVOYS,
        most: 0.12,
        reached: |run| run.ratio("grpc-mtls-2hops", |f| f.cpu_us_per_request.value),
    },
    Target {
        what: "CPU, the same at 1,000 requests a second",
        unit: OF_ENVOYS,
        most: 0.25,
        reached: |run| run.ratio("grpc-mtls-2hops@1000", |f| f.cpu_us_per_request.value),
    },
    Target {
        what: "added p50, the same",
        unit: OF_ENVOYS,
        most: 0.25,
        reached: |run| run.added_p50("grpc-mtls-2hops@1000"),
    },
    Target {
        what: "CPU, HTTP/1.1, two hops of mutual TLS, saturated",
        unit: OF_ENVOYS,
        most: 0.25,
        reached: |run| run.ratio("http1-mtls-2hops", |f| f.cpu_us_per_request.value),
    },
    Target {
        what: "CPU of a full handshake",
        unit: OF_ENVOYS,
        most: 0.7,
        reached: |run| run.ratio("handshake-full", |f| f.cpu_us_per_request.value),
    },
    Target {
        what: "CPU for a GB, TCP over mutual TLS",
        unit: OF_ENVOYS,
        most: 0.8,
        reached: |run| run.ratio("tcp-mtls-2hops", |f| f.cpu_us_per_request.value),
    },
    Target {
        what: "memory of a proxy under load",
        unit: " MB",
        most: 16.0,
        reached: |run| Some(run.of("grpc-mtls-2hops", "lateen")?.rss_mib.value * 1.048_576),
    },
    Target {
        what: "memory with 10,000 services",
        unit: OF_ENVOYS,
        most: 0.05,
        reached: |run| run.ratio("services-10000", |f| f.rss_mib.value),
    },
    Target {
        what: "memory of an idle connection, plaintext",
        unit: " bytes",
        most: 8192.0,
        reached: |run| {
            run.of("idle-plain-10000", "lateen")?
                .bytes_per_connection
                .map(|m| m.value)
        },
    },
    Target {
        what: "memory of an idle connection, mutual TLS",
        unit: " bytes",
        most: 24_576.0,
        reached: |run| {
            run.of("idle-mtls-10000", "lateen")?
                .bytes_per_connection
                .map(|m| m.value)
        },
    },
];

/// All targets and what this run reached of them.
pub(super) fn table(figures: &[Figures]) -> String {
    let run = Run(figures);
    let mut table = "| what | at most | reached | |\n|---|---|---|---|\n".to_owned();
    for target in &TARGETS {
        let Target {
            what,
            unit,
            most,
            reached,
        } = target;
        let (reached, verdict) = match reached(&run) {
            None => ("not measured in this run".to_owned(), ""),
            Some(value) => {
                let text = if *most < 1.0 {
                    format!("{value:.3}")
                } else {
                    format!("{value:.0}")
                };
                (text + unit, if value <= *most { "yes" } else { "**no**" })
            }
        };
        let _ = writeln!(table, "| {what} | {most}{unit} | {reached} | {verdict} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn figures(proxy: &str, cpu: f64, p50_ms: f64) -> Figures {
        let sample = Sample {
            cpu_us_per_request: cpu,
            p50_ms,
            ..Sample::default()
        };
        Figures::of("grpc-mtls-2hops@1000", proxy, &[sample])
    }

    #[test]
    fn ratios_are_ours_by_envoys_and_added_latency_is_without_the_direct_way() {
        let run = [
            figures("direct", 0.0, 0.2),
            figures("lateen", 20.0, 0.4),
            figures("envoy", 200.0, 1.2),
        ];
        let table = table(&run);
        assert!(table.contains("| CPU, the same at 1,000 requests a second | 0.25 of Envoy's | 0.100 of Envoy's | yes |"), "{table}");
        assert!(
            table.contains("| added p50, the same | 0.25 of Envoy's | 0.200 of Envoy's | yes |"),
            "{table}"
        );
        assert!(
            table.contains(
                "| CPU of a full handshake | 0.7 of Envoy's | not measured in this run |  |"
            ),
            "{table}"
        );
    }

    #[test]
    fn what_is_not_reached_is_said() {
        let table = table(&[figures("lateen", 60.0, 1.0), figures("envoy", 100.0, 1.0)]);
        assert!(table.contains("0.600 of Envoy's | **no** |"), "{table}");
    }
}
