//! The events at the end of a description.

use serde_json::Value;
use time::OffsetDateTime;

use crate::object::{age, integer, text, uid};

/// The events that are about `object`.
pub fn of(events: &[Value], object: &Value) -> Vec<Value> {
    events
        .iter()
        .filter(|event| text(event, "/involvedObject/uid") == uid(object))
        .cloned()
        .collect()
}

pub(super) fn table(out: &mut String, events: &[Value], now: OffsetDateTime) {
    if events.is_empty() {
        out.push_str("Events:\t<none>\n");
        return;
    }
    out.push_str("Events:\n  Type\tReason\tAge\tFrom\tMessage\n");
    out.push_str("  ----\t------\t----\t----\t-------\n");
    for event in events {
        let last = age::since(text(event, "/lastTimestamp"), now);
        let seen = match integer(event, "/count").unwrap_or(1) {
            ..=1 => last,
            count => format!(
                "{last} (x{count} over {})",
                age::since(text(event, "/firstTimestamp"), now)
            ),
        };
        out.push_str(&format!(
            "  {}\t{}\t{seen}\t{}\t{}\n",
            text(event, "/type"),
            text(event, "/reason"),
            text(event, "/source/component"),
            text(event, "/message").trim().replace(['\n', '\t'], " "),
        ));
    }
}
