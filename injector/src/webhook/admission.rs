//! The envelope of admission.k8s.io/v1: what is asked, and the answer to it.

use serde::Serialize;
use serde_json::{Value, json};

/// The request is no AdmissionReview that this webhook can answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// `apiVersion` or `kind` is another.
    #[error("the request is not an AdmissionReview of admission.k8s.io/v1")]
    NotAReview,
    /// Without it no answer can be matched.
    #[error("request.uid: is missing")]
    NoUid,
}

/// What is asked of both webhooks (`AdmissionRequest`).
pub(super) struct Request<'a> {
    pub(super) uid: &'a str,
    /// `None` for objects that live in none.
    pub(super) namespace: Option<&'a str>,
    /// `request.kind`: group and version as `group/version`, as objects write them.
    pub(super) api_version: String,
    pub(super) kind: &'a str,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub(super) operation: &'a str,
    /// The object as it is to be; null when it is deleted.
    pub(super) object: &'a Value,
}

impl<'a> Request<'a> {
    /// # Errors
    /// [`ReviewError`] when there is nothing to answer to.
    pub(super) fn of(review: &'a Value) -> Result<Self, ReviewError> {
        let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str);
        if text("/apiVersion") != Some("admission.k8s.io/v1")
            || text("/kind") != Some("AdmissionReview")
        {
            return Err(ReviewError::NotAReview);
        }
        let version = text("/request/kind/version").unwrap_or_default();
        Ok(Self {
            uid: text("/request/uid").ok_or(ReviewError::NoUid)?,
            namespace: text("/request/namespace").filter(|namespace| !namespace.is_empty()),
            api_version: match text("/request/kind/group").unwrap_or_default() {
                "" => version.to_owned(),
                group => format!("{group}/{version}"),
            },
            kind: text("/request/kind/kind").unwrap_or_default(),
            operation: text("/request/operation").unwrap_or_default(),
            object: review.pointer("/request/object").unwrap_or(&Value::Null),
        })
    }

    /// Lets the object through as it is.
    pub(super) fn allowed(&self, warnings: Vec<String>) -> Response<'a> {
        Response {
            uid: self.uid,
            allowed: true,
            patch_type: None,
            patch: None,
            status: None,
            warnings,
        }
    }

    /// Refuses the object.
    pub(super) fn refused(&self, message: String, warnings: Vec<String>) -> Response<'a> {
        Response {
            allowed: false,
            status: Some(Status { code: 400, message }),
            ..self.allowed(warnings)
        }
    }
}

/// `AdmissionResponse`, as far as it is used here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patch_type: Option<&'static str>,
    /// Base64 of the patch's JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    /// kubectl prints each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Response<'_> {
    pub(super) fn review(&self) -> Value {
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": self,
        })
    }
}

/// Why an object is refused, as `kubectl` shows it.
#[derive(Serialize)]
struct Status {
    code: u16,
    message: String,
}
