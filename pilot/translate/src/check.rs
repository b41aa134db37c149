//! What is wrong with the configuration of a snapshot as a whole: references to what is not there,
//! and fields that are read but not honoured. Each finding names the object and the field.

mod conflicts;
mod honoured;
mod references;

pub use conflicts::{Conflicts, conflicts};
use resources::problem::Problem;

use crate::snapshot::Snapshot;

/// Findings about the mesh's configuration and about all VirtualServices and DestinationRules, in the
/// order of their names. None of them keeps anything else from working.
pub fn check(snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = honoured::mesh(snapshot.mesh());
    let mut routes: Vec<_> = snapshot.all_virtual_services().collect();
    routes.sort_by(|a, b| a.key.cmp(&b.key));
    for config in routes {
        let object = format!(
            "VirtualService {}/{}",
            config.key.namespace, config.key.name
        );
        problems.extend(references::virtual_service(config, &object, snapshot));
        problems.extend(honoured::virtual_service(&config.spec, &object));
    }
    let mut rules: Vec<_> = snapshot.all_destination_rules().collect();
    rules.sort_by(|a, b| a.key.cmp(&b.key));
    for config in rules {
        let object = format!(
            "DestinationRule {}/{}",
            config.key.namespace, config.key.name
        );
        problems.extend(references::destination_rule(config, &object, snapshot));
        problems.extend(honoured::destination_rule(&config.spec, &object));
    }
    problems
}
