//! YAML as the pilot reads it from its directory.

use resources::mesh_config::{MeshConfig, ProxyConfig};
use resources::object::Object;

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let loaded = resources::yaml::load(&text, "a.yaml");
    let mut keys: Vec<_> = loaded.objects.iter().map(|raw| raw.key()).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "keys are unique");
    for raw in &loaded.objects {
        // An object or a reason, always.
        if let Err(problem) = Object::parse(raw) {
            assert!(!problem.to_string().is_empty());
        }
    }
    let _ = MeshConfig::from_yaml(&text, "mesh");
    let _ = ProxyConfig::from_yaml(&text, "proxy");
}
