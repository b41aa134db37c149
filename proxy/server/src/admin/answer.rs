//! Answers with the headers that Envoy's have.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

const PLAIN: &str = "text/plain; charset=UTF-8";

pub(crate) fn text(body: impl Into<String>) -> Response {
    answer(StatusCode::OK, PLAIN, body.into())
}

pub(crate) fn refused(status: StatusCode, body: impl Into<String>) -> Response {
    answer(status, PLAIN, body.into())
}

pub(crate) fn html(body: String) -> Response {
    answer(StatusCode::OK, "text/html; charset=UTF-8", body)
}

/// JSON that is text already.
pub(crate) fn json_text(body: String) -> Response {
    answer(StatusCode::OK, "application/json", body)
}

/// JSON, a member a line, as Envoy prints it.
pub(crate) fn json(value: &Value) -> Response {
    let mut body = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut body, PrettyFormatter::with_indent(b" "));
    // Neither JSON values nor memory fail to be written.
    let _ = value.serialize(&mut serializer);
    body.push(b'\n');
    json_text(String::from_utf8(body).unwrap_or_default())
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response {
    const NO_SNIFFING: HeaderName = header::X_CONTENT_TYPE_OPTIONS;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, max-age=0"),
        ),
        (NO_SNIFFING, HeaderValue::from_static("nosniff")),
        (header::SERVER, HeaderValue::from_static("envoy")),
    ];
    (status, headers, body).into_response()
}
