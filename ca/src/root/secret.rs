//! The root in a Secret of the cluster, under the names of Istio's own (`istio-ca-secret`), so that either finds the
//! other's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use identity::{TrustDomain, cert};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};

use super::{CERT_FILE, KEY_FILE, Renewal, Root, RootError};

/// The type of Istio's.
const TYPE: &str = "istio.io/ca-root";

/// The Secret that a root is kept in, and what is done with the root there.
#[derive(Clone)]
pub struct RootSecret {
    /// The secrets of the control plane's namespace.
    pub secrets: Api<Secret>,
    /// The namespace, for messages.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whose root a new one is.
    pub trust_domain: TrustDomain,
    /// How long a root holds, and when it is renewed.
    pub renewal: Renewal,
}

impl RootSecret {
    /// The root kept in the Secret; a new one, kept there, if there is none. Of several replicas that begin at once one
    /// makes the root, and the others use it.
    ///
    /// # Errors
    /// The API server cannot be asked or refuses, or what is there is no root.
    pub async fn open(&self, now: SystemTime) -> Result<Root, RootError> {
        if let Some(secret) = self
            .secrets
            .get_opt(&self.name)
            .await
            .map_err(self.failed())?
        {
            return self.in_time(secret, now).await;
        }
        let root = Root::generate(&self.trust_domain, self.renewal.lifetime, now)?;
        let secret = self.of(
            &root,
            ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
        );
        match self.secrets.create(&PostParams::default(), &secret).await {
            Ok(_) => {
                tracing::info!(secret = self.name, root = %cert::fingerprint(root.certificate()),
                    "made a new root of trust");
                Ok(root)
            }
            Err(error) if is_conflict(&error) => self.current().await,
            Err(error) => Err(self.failed()(error)),
        }
    }

    async fn current(&self) -> Result<Root, RootError> {
        let secret = self.secrets.get(&self.name).await.map_err(self.failed())?;
        self.load(&secret)
    }

    /// Renews a root that nears its end, with the same key.
    async fn in_time(&self, secret: Secret, now: SystemTime) -> Result<Root, RootError> {
        let root = self.load(&secret)?;
        if now < self.renewal.due(root.validity()) {
            return Ok(root);
        }
        match self.renew(&root, secret.metadata, now).await {
            Ok(renewed) => Ok(renewed),
            Err(error) if now < root.validity().not_after => {
                tracing::error!(%error, "the root of trust nears its end and could not be renewed; trying again");
                Ok(root)
            }
            Err(error) => Err(error),
        }
    }

    async fn renew(
        &self,
        root: &Root,
        metadata: ObjectMeta,
        now: SystemTime,
    ) -> Result<Root, RootError> {
        let renewed = root
            .renewed(self.renewal.lifetime, now)
            .map_err(|problem| RootError::Renewal {
                path: self.path(CERT_FILE),
                problem: problem.to_string(),
            })?;
        // With the resourceVersion that was read: what another has written meanwhile stays.
        let secret = self.of(&renewed, metadata);
        let replaced = self
            .secrets
            .replace(&self.name, &PostParams::default(), &secret)
            .await;
        match replaced {
            Ok(_) => {
                tracing::warn!(old = %cert::fingerprint(root.certificate()), new = %cert::fingerprint(renewed.certificate()),
                    "the root of trust neared its end and was renewed with the same key: certificates stay good");
                Ok(renewed)
            }
            Err(error) if is_conflict(&error) => self.current().await,
            Err(error) => Err(self.failed()(error)),
        }
    }

    fn load(&self, secret: &Secret) -> Result<Root, RootError> {
        let text = |key: &str| {
            let value = secret.data.as_ref().and_then(|data| data.get(key));
            let unusable = |problem: &str| RootError::Unusable {
                path: self.path(key),
                problem: problem.to_owned(),
            };
            let bytes = value.ok_or_else(|| unusable("it is not there"))?;
            String::from_utf8(bytes.0.clone()).map_err(|_| unusable("it is not text"))
        };
        let (key, certificate) = (text(KEY_FILE)?, text(CERT_FILE)?);
        Root::load(
            (&self.path(KEY_FILE), &key),
            (&self.path(CERT_FILE), &certificate),
        )
    }

    fn of(&self, root: &Root, metadata: ObjectMeta) -> Secret {
        let data = [
            (KEY_FILE, root.issuer().key().serialize_pem()),
            (CERT_FILE, root.pem().to_owned()),
        ];
        Secret {
            metadata,
            type_: Some(TYPE.to_owned()),
            data: Some(BTreeMap::from(
                data.map(|(key, pem)| (key.to_owned(), ByteString(pem.into_bytes()))),
            )),
            ..Secret::default()
        }
    }

    /// How messages name a part of it.
    fn path(&self, key: &str) -> PathBuf {
        PathBuf::from(format!("Secret {}/{}", self.namespace, self.name)).join(key)
    }

    fn failed(&self) -> impl Fn(kube::Error) -> RootError + use<> {
        let secret = format!("{}/{}", self.namespace, self.name);
        move |error| RootError::Cluster {
            secret: secret.clone(),
            problem: kubernetes::client::said(&error),
        }
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use http::{Method, Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    /// An API server that keeps one Secret, with optimistic concurrency.
    #[derive(Clone, Default)]
    struct Cluster {
        secret: Arc<Mutex<Option<Value>>>,
        /// What another replica writes between a look and a write.
        rival: Arc<Mutex<Option<Value>>>,
    }

    impl Cluster {
        async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
            let method = request.method().clone();
            let body = request.into_body().collect_bytes().await.unwrap();
            let mut kept = self.secret.lock().unwrap();
            if method != Method::GET
                && let Some(rival) = self.rival.lock().unwrap().take()
            {
                *kept = Some(rival);
            }
            let version = |secret: &Value| secret["metadata"]["resourceVersion"].clone();
            let answer = match (&method, kept.clone()) {
                (&Method::GET, Some(secret)) => (StatusCode::OK, secret),
                (&Method::POST, None) | (&Method::PUT, Some(_)) => {
                    let mut new: Value = serde_json::from_slice(&body).unwrap();
                    if kept
                        .as_ref()
                        .is_some_and(|old| version(old) != version(&new))
                    {
                        return Ok(response(StatusCode::CONFLICT, &status(409)));
                    }
                    let next = version(&new)
                        .as_str()
                        .map_or(1, |v| v.parse::<u64>().unwrap() + 1);
                    new["metadata"]["resourceVersion"] = json!(next.to_string());
                    *kept = Some(new.clone());
                    (StatusCode::OK, new)
                }
                (&Method::POST, Some(_)) => (StatusCode::CONFLICT, status(409)),
                _ => (StatusCode::NOT_FOUND, status(404)),
            };
            Ok(response(answer.0, &answer.1))
        }

        fn root(&self) -> RootSecret {
            let cluster = self.clone();
            let service = tower::service_fn(move |request| cluster.clone().answer(request));
            let client = kube::Client::new(service, "istio-system");
            RootSecret {
                secrets: Api::namespaced(client, "istio-system"),
                namespace: "istio-system".to_owned(),
                name: "istio-ca-secret".to_owned(),
                trust_domain: "cluster.local".parse().unwrap(),
                renewal: Renewal {
                    lifetime: 10 * YEAR,
                    grace_percent: 20,
                },
            }
        }

        fn taken(&self) -> Value {
            self.secret.lock().unwrap().clone().unwrap()
        }
    }

    fn response(code: StatusCode, body: &Value) -> Response<Body> {
        let body = Body::from(serde_json::to_vec(body).unwrap());
        Response::builder().status(code).body(body).unwrap()
    }

    fn status(code: u16) -> Value {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "message": "no",
            "reason": if code == 404 { "NotFound" } else { "Conflict" }, "metadata": {}})
    }

    #[tokio::test]
    async fn a_root_is_made_once_and_found_by_everyone_after() {
        let cluster = Cluster::default();
        let now = SystemTime::now();
        let made = cluster.root().open(now).await.unwrap();
        let found = cluster.root().open(now).await.unwrap();
        assert_eq!(made.pem(), found.pem());
        assert_eq!(cluster.taken()["type"], "istio.io/ca-root");
    }

    #[tokio::test]
    async fn of_two_that_begin_at_once_the_second_uses_the_firsts_root() {
        let first = Cluster::default();
        let made = first.root().open(SystemTime::now()).await.unwrap();
        let second = Cluster::default();
        *second.rival.lock().unwrap() = Some(first.taken());
        let found = second.root().open(SystemTime::now()).await.unwrap();
        assert_eq!(found.pem(), made.pem());
    }

    #[tokio::test]
    async fn a_root_near_its_end_is_renewed_with_its_key_and_a_rivals_renewal_counts() {
        let cluster = Cluster::default();
        let now = SystemTime::now();
        let made = cluster.root().open(now).await.unwrap();
        let before = cluster.taken();
        let late = now + 9 * YEAR;
        let renewed = cluster.root().open(late).await.unwrap();
        assert_ne!(renewed.pem(), made.pem());
        assert!(made.is_of_the_same_key(renewed.pem()));
        // The other replica looked before that, and writes after it.
        let other = Cluster::default();
        *other.secret.lock().unwrap() = Some(before);
        *other.rival.lock().unwrap() = Some(cluster.taken());
        let found = other.root().open(late).await.unwrap();
        assert_eq!(found.pem(), renewed.pem());
    }

    #[tokio::test]
    async fn a_secret_that_holds_no_root_is_named_and_left_alone() {
        let cluster = Cluster::default();
        cluster.root().open(SystemTime::now()).await.unwrap();
        let mut broken = cluster.taken();
        broken["data"]["ca-cert.pem"] = json!("bm9uZQ==");
        *cluster.secret.lock().unwrap() = Some(broken.clone());
        let error = cluster.root().open(SystemTime::now()).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("Secret istio-system/istio-ca-secret/ca-cert.pem"),
            "{error}"
        );
        assert_eq!(cluster.taken(), broken);
    }
}
