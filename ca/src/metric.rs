//! The metrics, named as Istio's citadel names them so that its dashboards and alerts go on working.

use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{counter, describe_counter, describe_gauge, gauge};

const CSR_COUNT: &str = "citadel_server_csr_count";
const SUCCESS: &str = "citadel_server_success_cert_issuance_count";
const CSR_PARSING_ERROR: &str = "citadel_server_csr_parsing_err_count";
const CSR_SIGN_ERROR: &str = "citadel_server_csr_sign_err_count";
const AUTHENTICATION_FAILURE: &str = "citadel_server_authentication_failure_count";
const ROOT_EXPIRY: &str = "citadel_server_root_cert_expiry_timestamp";

/// Makes every metric visible from the start: a counter that appears with its first event hides that event from rates.
pub(crate) fn describe(root_end: SystemTime) {
    describe_counter!(CSR_COUNT, "Certificate requests received.");
    describe_counter!(SUCCESS, "Certificates issued.");
    describe_counter!(
        CSR_PARSING_ERROR,
        "Requests refused because the CSR cannot be used."
    );
    describe_counter!(CSR_SIGN_ERROR, "Requests that failed while signing.");
    describe_counter!(
        AUTHENTICATION_FAILURE,
        "Requests refused because the caller is not authenticated."
    );
    for name in [
        CSR_COUNT,
        SUCCESS,
        CSR_PARSING_ERROR,
        CSR_SIGN_ERROR,
        AUTHENTICATION_FAILURE,
    ] {
        counter!(name).increment(0);
    }
    describe_gauge!(
        ROOT_EXPIRY,
        "When the root certificate expires, in seconds since 1970."
    );
    root_expires(root_end);
}

/// The root that signs now, after a renewal too.
pub(crate) fn root_expires(at: SystemTime) {
    gauge!(ROOT_EXPIRY).set(
        at.duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64(),
    );
}

pub(crate) fn request() {
    counter!(CSR_COUNT).increment(1);
}

pub(crate) fn issued() {
    counter!(SUCCESS).increment(1);
}

pub(crate) fn csr_refused() {
    counter!(CSR_PARSING_ERROR).increment(1);
}

pub(crate) fn signing_failed() {
    counter!(CSR_SIGN_ERROR).increment(1);
}

pub(crate) fn authentication_failed() {
    counter!(AUTHENTICATION_FAILURE).increment(1);
}
