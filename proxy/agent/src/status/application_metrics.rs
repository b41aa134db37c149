//! Where the application's own metrics are, as its `prometheus.io/*` annotations said before
//! injection pointed them at the agent (`ISTIO_PROMETHEUS_ANNOTATIONS`).

use std::time::Duration;

use http::{HeaderValue, header};
use serde::Deserialize;

use crate::fetch::{self, Limits};

/// An application with more metrics than this is not scraped through the agent.
const LIMITS: Limits = Limits {
    body: 10 << 20,
    time: Duration::from_secs(10),
};

/// One page of the application's metrics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Page {
    /// Its port, on loopback.
    pub port: String,
    /// Its path.
    pub path: String,
}

#[derive(Deserialize)]
#[serde(default)]
struct Annotations {
    scrape: String,
    path: String,
    port: String,
    targets: Vec<Page>,
}

impl Default for Annotations {
    fn default() -> Self {
        Self {
            scrape: String::new(),
            path: "/metrics".to_owned(),
            port: "80".to_owned(),
            targets: Vec::new(),
        }
    }
}

/// `ISTIO_PROMETHEUS_ANNOTATIONS` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnnotationsError {
    /// It is not JSON.
    #[error("ISTIO_PROMETHEUS_ANNOTATIONS is not the JSON that injection writes: {0}")]
    Json(#[from] serde_json::Error),
    /// A port is not one.
    #[error("ISTIO_PROMETHEUS_ANNOTATIONS: `{0}` is not a port; correct prometheus.io/port")]
    Port(String),
    /// The page would be the agent's own, which would then ask itself without end.
    #[error(
        "ISTIO_PROMETHEUS_ANNOTATIONS: port {0} is the agent's own; set prometheus.io/port to the application's"
    )]
    Loop(u16),
}

/// The pages to merge; none unless the application wants to be scraped. `own` is the agent's port.
///
/// # Errors
/// [`AnnotationsError`] names what to correct.
pub fn pages(json: &str, own: u16) -> Result<Vec<Page>, AnnotationsError> {
    let annotations: Annotations = serde_json::from_str(json)?;
    if annotations.scrape != "true" {
        return Ok(Vec::new());
    }
    let pages = if annotations.targets.is_empty() {
        vec![Page {
            port: annotations.port,
            path: annotations.path,
        }]
    } else {
        annotations.targets
    };
    for page in &pages {
        match page.port.parse::<u16>() {
            Ok(port) if port == own => return Err(AnnotationsError::Loop(port)),
            Ok(_) => {}
            Err(_) => return Err(AnnotationsError::Port(page.port.clone())),
        }
    }
    Ok(pages)
}

/// Gets a page in the classic text format.
///
/// # Errors
/// A sentence that says why there is none.
pub async fn scrape(address: &str, path: &str) -> Result<String, String> {
    let mut request = fetch::get(address, path);
    request.headers_mut().insert(
        header::ACCEPT,
        HeaderValue::from_static("text/plain;version=0.0.4;q=1,*/*;q=0.1"),
    );
    let answer = fetch::plain(address, request, LIMITS)
        .await
        .map_err(|e| e.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("{address}{path} answered {}", answer.status));
    }
    if answer.truncated {
        return Err(format!(
            "{address}{path} is larger than {} bytes",
            LIMITS.body
        ));
    }
    Ok(answer.text())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_are_those_of_the_prometheus_convention() {
        let pages = pages(r#"{"scrape":"true"}"#, 15020).unwrap();
        assert_eq!(
            pages,
            [Page {
                port: "80".into(),
                path: "/metrics".into()
            }]
        );
    }

    #[test]
    fn several_targets_replace_the_single_one() {
        let json = r#"{"scrape":"true","path":"/metrics","port":"8080","targets":[{"port":"8080","path":"/metrics"},{"port":"9100","path":"/custom-metrics"}]}"#;
        assert_eq!(pages(json, 15020).unwrap().len(), 2);
    }

    #[test]
    fn an_application_that_does_not_want_to_be_scraped_is_left_alone() {
        assert_eq!(pages(r#"{"port":"80"}"#, 15020).unwrap(), []);
        assert_eq!(pages(r#"{"scrape":"false"}"#, 15020).unwrap(), []);
    }

    #[test]
    fn the_agents_own_port_and_a_bad_port_are_refused_with_the_fix() {
        let own = pages(r#"{"scrape":"true","port":"15020"}"#, 15020);
        assert!(own.unwrap_err().to_string().contains("prometheus.io/port"));
        let bad = pages(r#"{"scrape":"true","port":"http"}"#, 15020);
        assert!(bad.unwrap_err().to_string().contains("`http`"));
    }
}
