//! The status of a gRPC call.

use headers::Known;

use crate::Entry;
use crate::digits::decimal;

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusForm {
    /// `NotFound`
    Camel,
    /// `NOT_FOUND`
    Snake,
    /// `5`
    Number,
}

const NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

impl StatusForm {
    pub(crate) fn write(self, status: i64, out: &mut Vec<u8>) {
        let names = usize::try_from(status)
            .ok()
            .and_then(|status| NAMES.get(status));
        match (self, names) {
            (StatusForm::Camel, Some((camel, _))) => out.extend_from_slice(camel.as_bytes()),
            (StatusForm::Snake, Some((_, snake))) => out.extend_from_slice(snake.as_bytes()),
            (StatusForm::Number, _) | (_, None) => {
                if status < 0 {
                    out.push(b'-');
                }
                decimal(status.unsigned_abs(), out);
            }
        }
    }
}

impl Entry<'_> {
    /// The status of a gRPC call as Envoy sees it: the trailers' `grpc-status`, else the answer's, else what gRPC makes
    /// of the HTTP status; -1 where the field holds no number. None where the request is not gRPC or nothing was answered.
    #[must_use]
    pub fn grpc_status(&self) -> Option<i64> {
        let kind = self.request?.get(Known::ContentType)?;
        let rest = kind.strip_prefix(b"application/grpc")?;
        if !matches!(rest.first(), None | Some(b'+')) {
            return None;
        }
        [self.trailers, self.response]
            .into_iter()
            .flatten()
            .filter_map(|fields| fields.get(Known::GrpcStatus))
            .find(|value| !value.is_empty())
            .map(|value| {
                let digits = value.iter().all(u8::is_ascii_digit);
                let text = std::str::from_utf8(value).ok().filter(|_| digits);
                text.and_then(|text| text.parse().ok()).unwrap_or(-1)
            })
            .or_else(|| (self.response_code != 0).then(|| from_http(self.response_code)))
    }
}

/// gRPC's mapping of HTTP statuses (grpc/doc/http-grpc-status-mapping.md).
fn from_http(status: u16) -> i64 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}
