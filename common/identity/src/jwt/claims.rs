//! What a service-account token says, and whether that is good enough.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::JwtError;
use crate::spiffe::excerpt;

/// How far the clock of whoever signed may be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// The most audiences repeated in a message.
const SHOWN_AUDIENCES: usize = 8;

/// The service account that a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountToken {
    /// The account's namespace.
    pub namespace: String,
    /// The account's name.
    pub service_account: String,
    /// The pod that the token is bound to, if it is bound to one.
    pub pod: Option<String>,
    /// When the token stops being good.
    pub expires: SystemTime,
}

/// The claims of RFC 7519 and Kubernetes' own that are looked at.
#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    aud: Option<OneOrMany>,
    #[serde(default)]
    exp: Option<u64>,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default, rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    serviceaccount: Named,
    #[serde(default)]
    pod: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Claims {
    /// Whose token this is. The signature has been verified before.
    pub(super) fn check(
        self,
        issuer: Option<&str>,
        audiences: &[String],
        now: SystemTime,
    ) -> Result<ServiceAccountToken, JwtError> {
        if let Some(wanted) = issuer.filter(|wanted| self.iss.as_deref() != Some(wanted)) {
            let token = excerpt(self.iss.as_deref().unwrap_or_default());
            return Err(JwtError::WrongIssuer {
                token,
                wanted: wanted.to_owned(),
            });
        }
        let expires = self.check_time(now)?;
        let aud = match self.aud {
            None => Vec::new(),
            Some(OneOrMany::One(one)) => vec![one],
            Some(OneOrMany::Many(many)) => many,
        };
        if !aud.iter().any(|aud| audiences.contains(aud)) {
            let token = aud
                .iter()
                .take(SHOWN_AUDIENCES)
                .map(|aud| excerpt(aud))
                .collect();
            return Err(JwtError::WrongAudience {
                token,
                wanted: audiences.to_vec(),
            });
        }
        let (namespace, service_account) = subject(self.sub.as_deref().unwrap_or_default())?;
        if let Some(k8s) = &self.kubernetes
            && (k8s.namespace != namespace || k8s.serviceaccount.name != service_account)
        {
            return Err(JwtError::NotAServiceAccount(
                "its subject and its kubernetes.io claim differ".to_owned(),
            ));
        }
        let pod = self.kubernetes.and_then(|k8s| k8s.pod).map(|pod| pod.name);
        Ok(ServiceAccountToken {
            namespace,
            service_account,
            pod,
            expires,
        })
    }

    fn check_time(&self, now: SystemTime) -> Result<SystemTime, JwtError> {
        let out_of_range = || JwtError::Malformed("a time in it is out of range".to_owned());
        let at = |seconds| {
            SystemTime::UNIX_EPOCH
                .checked_add(Duration::from_secs(seconds))
                .ok_or_else(out_of_range)
        };
        let expires = at(self
            .exp
            .ok_or_else(|| JwtError::Malformed("it has no exp".to_owned()))?)?;
        if let Ok(past) = now.duration_since(expires) {
            return Err(JwtError::Expired(past.as_secs()));
        }
        if let Some(nbf) = self.nbf
            && let Ok(ahead) = at(nbf)?.duration_since(now)
            && ahead > CLOCK_SKEW
        {
            return Err(JwtError::NotYetValid(ahead.as_secs()));
        }
        Ok(expires)
    }
}

/// The namespace and account in `system:serviceaccount:<namespace>:<account>`.
fn subject(sub: &str) -> Result<(String, String), JwtError> {
    sub.strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
        .filter(|(namespace, account)| {
            !namespace.is_empty() && !account.is_empty() && !account.contains(':')
        })
        .map(|(namespace, account)| (namespace.to_owned(), account.to_owned()))
        .ok_or_else(|| JwtError::NotAServiceAccount(format!("its subject is {:?}", excerpt(sub))))
}
