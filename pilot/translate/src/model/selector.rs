//! Equality selectors on labels.

use std::collections::BTreeMap;

/// Labels of an object.
pub(crate) type Labels = BTreeMap<String, String>;

/// Whether `labels` has every pair of `wanted`. Nothing wanted matches everything.
pub(crate) fn selects(wanted: &Labels, labels: &Labels) -> bool {
    wanted
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}
