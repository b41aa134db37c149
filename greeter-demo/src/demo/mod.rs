//! The demonstration: the same client in the same deployment, without a mesh and with one.

mod access_log;
pub(crate) mod command;
pub mod privilege;
mod steps;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use command::DemoError;
pub use steps::run;

/// What the demonstration is made of.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The `lateen` program.
    pub lateen: PathBuf,
    /// The manifest of the service with three replicas.
    pub manifest: PathBuf,
    /// Image archives, `REFERENCE=FILE`.
    pub images: Vec<String>,
    /// The Envoy that sidecars run.
    pub envoy: Option<PathBuf>,
    /// Requests of each run.
    pub requests: u64,
    /// Whether the mesh stays up afterwards.
    pub keep: bool,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Answers by pod, all requests on one connection, no sidecars.
    pub without_mesh: BTreeMap<String, u64>,
    /// Answers by pod, all requests on one connection, with sidecars.
    pub with_mesh: BTreeMap<String, u64>,
    /// Whether every request reached its pod over mutual TLS.
    pub mtls: bool,
    /// From the restart in the labelled namespace to the first run that all replicas answered.
    pub seconds_to_first_balanced: f64,
}

/// The replicas that the manifest asks for.
const REPLICAS: usize = 3;

impl Outcome {
    /// Whether the mesh did what it is for.
    ///
    /// # Errors
    /// The sentence that says what is missing.
    pub fn verdict(&self) -> Result<(), String> {
        if self.without_mesh.len() != 1 {
            return Err(format!(
                "without a mesh {} pods answered one connection: one was expected",
                self.without_mesh.len()
            ));
        }
        if self.with_mesh.len() != REPLICAS {
            return Err(format!(
                "with the mesh {} pods answered: {REPLICAS} were expected",
                self.with_mesh.len()
            ));
        }
        if !self.mtls {
            return Err("some requests did not travel over mutual TLS".to_owned());
        }
        Ok(())
    }
}

/// As the demonstration ends.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let answered = |f: &mut std::fmt::Formatter<'_>, answers: &BTreeMap<String, u64>| {
            let counts: Vec<String> = answers.values().map(u64::to_string).collect();
            let pods = if counts.len() == 1 { "pod" } else { "pods" };
            writeln!(
                f,
                "{} {pods} answered: {}",
                counts.len(),
                counts.join(" + ")
            )
        };
        f.write_str("  without the mesh  ")?;
        answered(f, &self.without_mesh)?;
        f.write_str("  with the mesh     ")?;
        answered(f, &self.with_mesh)?;
        let mtls = if self.mtls {
            "between all pods"
        } else {
            "missing from some requests"
        };
        writeln!(f, "  mutual TLS        {mtls}")?;
        write!(
            f,
            "  first balanced    {:.1} s after the restart",
            self.seconds_to_first_balanced
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn outcome(without: &[&str], with: &[&str], mtls: bool) -> Outcome {
        let count = |pods: &[&str]| pods.iter().map(|p| ((*p).to_owned(), 1)).collect();
        Outcome {
            without_mesh: count(without),
            with_mesh: count(with),
            mtls,
            seconds_to_first_balanced: 1.0,
        }
    }

    #[test]
    fn one_pod_without_a_mesh_and_three_over_mutual_tls_with_it_is_success() {
        assert_eq!(outcome(&["a"], &["a", "b", "c"], true).verdict(), Ok(()));
    }

    #[test]
    fn a_run_that_shows_less_says_what_is_missing() {
        let two = outcome(&["a"], &["a", "b"], true).verdict().unwrap_err();
        assert!(two.contains("2 pods"), "{two}");
        let plain = outcome(&["a"], &["a", "b", "c"], false)
            .verdict()
            .unwrap_err();
        assert!(plain.contains("mutual TLS"), "{plain}");
    }

    #[test]
    fn the_summary_says_what_was_seen() {
        let text = outcome(&["a"], &["a", "b", "c"], true).to_string();
        let expected = [
            "  without the mesh  1 pod answered: 1",
            "  with the mesh     3 pods answered: 1 + 1 + 1",
            "  mutual TLS        between all pods",
            "  first balanced    1.0 s after the restart",
        ];
        assert_eq!(text, expected.join("\n"));
    }

    #[test]
    fn the_json_has_the_documented_keys() {
        let json = serde_json::json!(outcome(&["a"], &["b"], true));
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "without_mesh",
                "with_mesh",
                "mtls",
                "seconds_to_first_balanced"
            ]
        );
    }
}
