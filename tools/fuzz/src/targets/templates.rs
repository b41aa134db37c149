//! Injection templates that an operator wrote, run for a pod.

use injector::{InjectError, PodContext, Settings, inject};
use serde_json::json;

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let values = json!({"sidecarInjectorWebhook": {"templates": {"own": text}, "defaultTemplates": ["own"]}});
    let mut settings = Settings::default();
    if settings
        .add_values(&values.to_string(), "values.yaml")
        .is_err()
    {
        assert_eq!(
            settings,
            Settings::default(),
            "what is refused changes nothing"
        );
        return;
    }
    let pod = json!({
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"unknown": [1], "containers": [
            {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]},
        ]},
    });
    let context = PodContext::of_pod("shop", &pod);
    let first = inject(&pod, &context, &settings);
    assert_eq!(
        first,
        inject(&pod, &context, &settings),
        "the same each time"
    );
    if let Err(InjectError::Template { name, problem }) = first {
        assert!(name == "own" && !problem.is_empty());
    }
}
