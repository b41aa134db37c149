//! Where the workload's certificate stands.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::Issued;

/// The state of the certificate.
#[derive(Debug, Clone)]
pub enum State {
    /// None was issued yet; the authority is being asked.
    Waiting {
        /// What the last attempt met, if there was one.
        problem: Option<String>,
    },
    /// It is valid and not due for renewal.
    Fresh(Arc<Issued>),
    /// It is valid and due for renewal, which has failed so far.
    Renewing {
        /// The certificate in use.
        issued: Arc<Issued>,
        /// What the last attempt met.
        problem: String,
    },
    /// It has ended. It is no longer handed out, and renewal goes on being tried.
    Expired {
        /// The certificate that ended.
        issued: Arc<Issued>,
        /// What the last attempt met.
        problem: String,
    },
}

impl State {
    /// The certificate to hand out, if there is a valid one.
    pub fn usable(&self) -> Option<&Arc<Issued>> {
        match self {
            Self::Fresh(issued) | Self::Renewing { issued, .. } => Some(issued),
            Self::Waiting { .. } | Self::Expired { .. } => None,
        }
    }

    /// The state after a failed attempt.
    #[must_use]
    pub fn failed(self, problem: String, now: SystemTime) -> Self {
        match self {
            Self::Waiting { .. } => Self::Waiting {
                problem: Some(problem),
            },
            Self::Fresh(issued) | Self::Renewing { issued, .. } | Self::Expired { issued, .. } => {
                Self::Renewing { issued, problem }.at(now)
            }
        }
    }

    /// The state as `now` makes it: what has ended meanwhile is expired.
    #[must_use]
    pub fn at(self, now: SystemTime) -> Self {
        let ended = |issued: &Issued| issued.validity.not_after <= now;
        match self {
            Self::Fresh(issued) if ended(&issued) => Self::Expired {
                issued,
                problem: "no renewal was tried".to_owned(),
            },
            Self::Renewing { issued, problem } if ended(&issued) => {
                Self::Expired { issued, problem }
            }
            other => other,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { problem: None } => {
                f.write_str("no certificate yet: the authority is being asked")
            }
            Self::Waiting {
                problem: Some(problem),
            } => write!(f, "no certificate yet: {problem}"),
            Self::Fresh(issued) => write!(f, "the certificate is valid until {}", end(issued)),
            Self::Renewing { issued, problem } => write!(
                f,
                "the certificate is valid until {}, but its renewal fails: {problem}",
                end(issued)
            ),
            Self::Expired { issued, problem } => write!(
                f,
                "the certificate expired at {} and its renewal fails: {problem}",
                end(issued)
            ),
        }
    }
}

/// The end of the certificate as RFC 3339 text in UTC.
fn end(issued: &Issued) -> String {
    time::OffsetDateTime::from(issued.validity.not_after)
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default()
}
