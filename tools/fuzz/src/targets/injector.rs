//! AdmissionReviews as the API server sends them, or somebody else.

use std::sync::OnceLock;

use injector::Settings;
use injector::webhook::review;
use serde_json::Value;

pub(crate) fn run(bytes: &[u8]) {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(Settings::default);
    let line = bytes.iter().position(|b| *b == b'\n').unwrap_or(0);
    let (path, body) = bytes.split_at(line);
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let path = String::from_utf8_lossy(path);
    if let Ok(answer) = review(&request, &path, settings) {
        let response = &answer["response"];
        assert_eq!(response["uid"], request["request"]["uid"]);
        assert!(response["allowed"].is_boolean());
        assert!(response["allowed"] == true || response["status"]["message"].is_string());
    }
}
