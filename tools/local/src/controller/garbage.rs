//! What was made for an owner goes with it.

use std::collections::BTreeSet;

use super::Action;
use crate::object::{is_terminating, list, text, uid};
use crate::store::View;

/// Deletes objects all of whose owners are gone.
pub fn reconcile(view: &View) -> Vec<Action> {
    let uids: BTreeSet<&str> = view.iter().map(|(_, object)| uid(object)).collect();
    view.iter()
        .filter(|(_, object)| {
            let owners = list(object, "/metadata/ownerReferences");
            !owners.is_empty()
                && !is_terminating(object)
                && owners
                    .iter()
                    .all(|owner| !uids.contains(text(owner, "/uid")))
        })
        .map(|(key, _)| Action::Delete(key.clone()))
        .collect()
}
