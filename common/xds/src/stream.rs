//! One stream between its wire and its session: requests in, differences out, until either side
//! ends it.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::TypeUrl;
use crate::configuration::{Configuration, Report};
use crate::protocol::Protocol;
use crate::session::{Answer, TypeReport};
use crate::wire::Response;

/// How long a client may take to say who it is.
const FIRST_REQUEST: Duration = Duration::from_secs(30);
/// How long a client that reconnects is given to name all its types before anything is removed.
const INTRODUCTION: Duration = Duration::from_secs(1);
/// Responses on their way to the wire. A session has one outstanding per type, so that this is
/// never full.
pub(crate) const RESPONSES: usize = TypeUrl::ALL.len() + 1;

/// A session that its stream and the debug pages look at.
struct Shared<P>(Mutex<P>);

impl<P> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, P> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Protocol> Report for Shared<P> {
    fn protocol(&self) -> &'static str {
        P::NAME
    }

    fn types(&self) -> Vec<TypeReport> {
        self.lock().types().report()
    }
}

/// What a stream works with.
pub(crate) struct Stream<P: Protocol, C: Configuration> {
    pub(crate) configuration: Arc<C>,
    pub(crate) credential: C::Credential,
    pub(crate) requests: Streaming<P::Request>,
    pub(crate) responses: mpsc::Sender<Result<P::Response, Status>>,
    pub(crate) max_age: Duration,
    pub(crate) shutdown: CancellationToken,
}

impl<P: Protocol, C: Configuration> Stream<P, C> {
    /// Serves until the client leaves, breaks the protocol or the server shuts down.
    pub(crate) async fn run(self) {
        let responses = self.responses.clone();
        if let Err(status) = self.serve().await {
            // The client may be gone already.
            let _ = responses.send(Err(status)).await;
        }
    }

    async fn serve(mut self) -> Result<(), Status> {
        let first = tokio::time::timeout(FIRST_REQUEST, self.requests.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no request came within 30 s"))??;
        let Some(first) = first else { return Ok(()) };
        let node = P::node(&first).ok_or_else(|| {
            Status::invalid_argument("the first request of a stream must carry a node with an id")
        })?;
        let shared = Arc::new(Shared(Mutex::new(P::default())));
        let mut changes = self.configuration.changes();
        changes.mark_unchanged();
        let client = self
            .configuration
            .admit(self.credential, node, shared.clone())?;
        let mut open = Open {
            configuration: self.configuration,
            client,
            session: shared,
            responses: self.responses,
        };
        open.take(&first)?;
        open.flush().await?;
        let introduction = tokio::time::sleep(INTRODUCTION);
        tokio::pin!(introduction);
        let mut introduced = false;
        let end = tokio::time::sleep(aged(self.max_age, chance()));
        tokio::pin!(end);
        loop {
            // A client's own requests go before pushes: their answers are what it waits for.
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => {
                    return Err(Status::unavailable("the control plane shuts down; connect again"));
                }
                () = &mut end => {
                    return Err(Status::unavailable("the stream is as old as one may be; connect again"));
                }
                request = self.requests.message() => match request? {
                    Some(request) => {
                        open.take(&request)?;
                        open.flush().await?;
                    }
                    None => return Ok(()),
                },
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Err(Status::unavailable("the control plane shuts down"));
                    }
                    open.push(&mut changes).await?;
                }
                () = &mut introduction, if !introduced => {
                    introduced = true;
                    open.session.lock().introduced();
                    open.flush().await?;
                }
            }
        }
    }
}

/// An age give or take a tenth, by a chance of 0 to 1: after a restart all clients connect at once,
/// and must not do so again and again.
fn aged(age: Duration, chance: f64) -> Duration {
    age.saturating_sub(age / 10).saturating_add(
        Duration::try_from_secs_f64(age.as_secs_f64() * chance / 5.0).unwrap_or(age),
    )
}

/// A number from 0 to 1; good enough to spread load.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

struct Open<P: Protocol, C: Configuration> {
    configuration: Arc<C>,
    client: C::Client,
    session: Arc<Shared<P>>,
    responses: mpsc::Sender<Result<P::Response, Status>>,
}

impl<P: Protocol, C: Configuration> Open<P, C> {
    fn take(&mut self, request: &P::Request) -> Result<(), Status> {
        let Some(type_url) = TypeUrl::parse(P::type_url(request)) else {
            tracing::debug!(type_url = P::type_url(request), "a type that is not served");
            return Ok(());
        };
        let outcome = self
            .session
            .lock()
            .on_request(type_url, request)
            .map_err(|error| Status::resource_exhausted(error.to_string()))?;
        if outcome.answer != Answer::None {
            self.configuration
                .answered(&self.client, type_url, &outcome.answer);
        }
        Ok(())
    }

    async fn push(&mut self, changes: &mut watch::Receiver<u64>) -> Result<(), Status> {
        changes.mark_unchanged();
        self.configuration.pushing(&self.client);
        let subscriptions: Vec<_> = self
            .session
            .lock()
            .types()
            .subscriptions()
            .map(|(type_url, subscription)| (type_url, subscription.clone()))
            .collect();
        for (type_url, subscription) in subscriptions {
            let wanted = self
                .configuration
                .resources(&self.client, type_url, &subscription);
            self.session.lock().update(type_url, &wanted);
        }
        self.flush().await?;
        self.configuration.pushed(&self.client);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Status> {
        loop {
            self.refresh();
            let Some(response) = self.session.lock().next_response() else {
                return Ok(());
            };
            let resources = response.resources();
            let bytes = resources.iter().map(|resource| resource.body.len()).sum();
            self.configuration
                .sent(&self.client, response.type_url(), resources.len(), bytes);
            if self.responses.send(Ok(response)).await.is_err() {
                return Err(Status::cancelled("the client is gone"));
            }
        }
    }

    /// Gives the session the resources of every type whose subscription changed.
    fn refresh(&self) {
        let stale: Vec<_> = self
            .session
            .lock()
            .types()
            .stale()
            .map(|(type_url, subscription)| (type_url, subscription.clone()))
            .collect();
        for (type_url, subscription) in stale {
            let wanted = self
                .configuration
                .resources(&self.client, type_url, &subscription);
            self.session.lock().update(type_url, &wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_begin_end_within_a_fifth_of_their_age() {
        let age = Duration::from_secs(1800);
        assert_eq!(aged(age, 0.0), Duration::from_secs(1620));
        assert_eq!(aged(age, 0.5), age);
        assert_eq!(aged(age, 1.0), Duration::from_secs(1980));
        assert!(aged(Duration::MAX, chance()) > age, "no age is no end");
    }
}
