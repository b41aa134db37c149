//! The pod template's hash: the middle of a pod's name, new for every change of the template.

use serde_json::Value;

use crate::object::canonical;
use crate::random::name_character;

/// The label that ties pods and ReplicaSets to one revision of the template.
pub const HASH_LABEL: &str = "pod-template-hash";

/// The hash of a pod template, in Kubernetes' shape: the decimal digits of a 32-bit FNV-1a hash, spelled
/// in its alphabet for names, so 1 to 10 characters and nearly always 9 or 10.
pub fn hash(template: &Value) -> String {
    spell(fnv1a(canonical(template).to_string().as_bytes()))
}

/// The same spelling cut to five characters, for names that must be stable and look generated.
pub fn short_hash(text: &str) -> String {
    let mut spelled = spell(fnv1a(text.as_bytes()));
    while spelled.len() < 5 {
        spelled.push('4');
    }
    spelled.chars().rev().take(5).collect()
}

fn spell(hash: u32) -> String {
    hash.to_string().bytes().map(name_character).collect()
}

/// 32-bit FNV-1a.
pub fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fnv1a_gives_its_published_values() {
        assert_eq!(fnv1a(b""), 0x811c_9dc5);
        assert_eq!(fnv1a(b"a"), 0xe40c_292c);
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
    }

    #[test]
    fn a_hash_is_spelled_as_in_the_articles_pod_names() {
        assert_eq!(spell(1_698_344_129), "5bfd78856f");
    }

    #[test]
    fn a_restart_annotation_changes_the_hash_and_key_order_does_not() {
        let one = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        let same = json!({"metadata": {"labels": {"b": "2", "a": "1"}}});
        let restarted = json!({"metadata": {"labels": {"a": "1", "b": "2"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "t"}}});
        assert_eq!(hash(&one), hash(&same));
        assert_ne!(hash(&one), hash(&restarted));
    }
}
