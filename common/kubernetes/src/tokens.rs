//! Service-account tokens, checked by the cluster that made them (`authentication.k8s.io/v1`, TokenReview).

use std::time::{Duration, SystemTime};

use identity::caller::{Account, AuthenticationError, Tokens};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::{Api, PostParams};

use crate::client::said;

/// How long the API server may take.
const TIME: Duration = Duration::from_secs(5);

/// Asks the API server about each token. Its answer takes into account what no signature tells: whether the pod and the
/// account that the token is bound to are still there.
#[derive(Clone)]
pub struct TokenReviews {
    reviews: Api<TokenReview>,
}

impl std::fmt::Debug for TokenReviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenReviews").finish_non_exhaustive()
    }
}

impl TokenReviews {
    /// Reviews by this cluster.
    pub fn new(client: kube::Client) -> Self {
        Self {
            reviews: Api::all(client),
        }
    }
}

#[tonic::async_trait]
impl Tokens for TokenReviews {
    async fn account(
        &self,
        token: &str,
        audiences: &[String],
        _: SystemTime,
    ) -> Result<Account, AuthenticationError> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: Some(audiences.to_vec()),
            },
            ..TokenReview::default()
        };
        let unchecked = |problem: String| {
            AuthenticationError::Unchecked(format!("the API server does not answer: {problem}"))
        };
        let parameters = PostParams::default();
        let answer = tokio::time::timeout(TIME, self.reviews.create(&parameters, &review))
            .await
            .map_err(|_| unchecked(format!("{TIME:?} have passed")))?
            .map_err(|error| unchecked(said(&error)))?;
        let status = answer.status.unwrap_or_default();
        account(&status, audiences).map_err(AuthenticationError::Rejected)
    }
}

/// Whose token it is, by the API server's word, or why it proves nothing.
fn account(status: &TokenReviewStatus, audiences: &[String]) -> Result<Account, String> {
    if status.authenticated != Some(true) {
        let said = status.error.clone().filter(|said| !said.is_empty());
        return Err(said.unwrap_or_else(|| "it proves nobody".to_owned()));
    }
    // An API server that knows nothing of audiences would accept a token for anybody (KEP 1205).
    let good = status.audiences.iter().flatten();
    if !good.into_iter().any(|one| audiences.contains(one)) {
        return Err(format!(
            "it has the wrong audience: one of [{}] is needed",
            audiences.join(", ")
        ));
    }
    let name = status
        .user
        .as_ref()
        .and_then(|user| user.username.as_deref());
    let name = name.unwrap_or_default();
    let account = name
        .strip_prefix("system:serviceaccount:")
        .and_then(|account| account.split_once(':'))
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    match account {
        Some((namespace, name)) => Ok(Account {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        None => Err(format!("{name:?} is no service account")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::authentication::v1::UserInfo;
    use kube::client::Body;

    use super::*;

    fn status(user: &str, audiences: &[&str]) -> TokenReviewStatus {
        TokenReviewStatus {
            authenticated: Some(true),
            audiences: Some(audiences.iter().map(|one| (*one).to_owned()).collect()),
            user: Some(UserInfo {
                username: Some(user.to_owned()),
                ..UserInfo::default()
            }),
            error: None,
        }
    }

    fn wanted() -> Vec<String> {
        vec!["istio-ca".to_owned()]
    }

    #[test]
    fn a_service_accounts_token_for_us_is_its_account() {
        let found = account(
            &status("system:serviceaccount:a:b", &["istio-ca"]),
            &wanted(),
        );
        assert_eq!(
            found.unwrap(),
            Account {
                namespace: "a".to_owned(),
                name: "b".to_owned()
            }
        );
    }

    #[test]
    fn what_the_cluster_does_not_vouch_for_is_refused_in_its_words() {
        let mut no = status("system:serviceaccount:a:b", &["istio-ca"]);
        no.authenticated = Some(false);
        no.error = Some("token has expired".to_owned());
        assert_eq!(account(&no, &wanted()).unwrap_err(), "token has expired");
        for (status, told) in [
            (TokenReviewStatus::default(), "nobody"),
            (status("system:serviceaccount:a:b", &[]), "wrong audience"),
            (
                status("system:serviceaccount:a:b", &["api"]),
                "wrong audience",
            ),
            (status("system:node:a", &["istio-ca"]), "no service account"),
            (
                status("system:serviceaccount:a:", &["istio-ca"]),
                "no service account",
            ),
        ] {
            let refused = account(&status, &wanted()).unwrap_err();
            assert!(refused.contains(told), "{refused}");
        }
    }

    #[tokio::test]
    async fn an_api_server_that_does_not_answer_proves_nothing_and_asking_again_is_safe() {
        let broken = tower::service_fn(|_: http::Request<Body>| async {
            Err::<http::Response<Body>, _>(std::io::Error::from(
                std::io::ErrorKind::ConnectionRefused,
            ))
        });
        let reviews = TokenReviews::new(kube::Client::new(broken, "default"));
        let error = reviews
            .account("token", &wanted(), SystemTime::now())
            .await
            .unwrap_err();
        assert!(
            matches!(error, AuthenticationError::Unchecked(_)),
            "{error}"
        );
        let status = tonic::Status::from(error);
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert!(!status.message().contains("token\""), "{status}");
    }
}
