//! `pilot-agent wait`: holds the application back until the proxy is ready.

use std::time::Duration;

use clap::Args;
use http::Uri;

use crate::fetch::{self, Limits};

/// The arguments of `wait`.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Seconds to wait at most
    #[arg(long = "timeoutSeconds", default_value_t = 60)]
    pub timeout_seconds: u64,

    /// Milliseconds that one request may take
    #[arg(long = "requestTimeoutMillis", default_value_t = 500)]
    pub request_timeout_millis: u64,

    /// Milliseconds between requests
    #[arg(long = "periodMillis", default_value_t = 500)]
    pub period_millis: u64,

    /// What to ask
    #[arg(long, default_value = "http://localhost:15021/healthz/ready")]
    pub url: Uri,
}

/// The proxy did not become ready in time.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The URL cannot be asked.
    #[error("--url {0}: it must be http://HOST:PORT/PATH")]
    Url(Uri),
    /// Time is up.
    #[error("the proxy is not ready after {0} seconds: {1}")]
    TimedOut(u64, String),
}

/// Asks until the answer is a success.
///
/// # Errors
/// [`WaitError`] with the last answer's words.
pub async fn wait(args: &WaitArgs) -> Result<(), WaitError> {
    let bad = || WaitError::Url(args.url.clone());
    let host = args.url.host().ok_or_else(bad)?;
    if args.url.scheme_str() != Some("http") {
        return Err(bad());
    }
    let address = format!("{host}:{}", args.url.port_u16().unwrap_or(80));
    let path = args.url.path_and_query().map_or("/", |p| p.as_str());
    let limits = Limits {
        body: 4096,
        time: Duration::from_millis(args.request_timeout_millis),
    };
    let mut last = "it was not asked yet".to_owned();
    let asking = async {
        loop {
            match fetch::plain(address.as_str(), fetch::get(&address, path), limits).await {
                Ok(answer) if answer.status.is_success() => return,
                Ok(answer) => last = format!("{}: {}", answer.status, answer.text()),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(args.period_millis)).await;
        }
    };
    let limit = Duration::from_secs(args.timeout_seconds);
    match tokio::time::timeout(limit, asking).await {
        Ok(()) => Ok(()),
        Err(_) => Err(WaitError::TimedOut(args.timeout_seconds, last)),
    }
}
