//! `top pod`: what the containers use, measured over a moment.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Failure;
use super::server::Shared;
use crate::kubelet::runtime::Usage;
use crate::object::{name, namespace};

/// Between the two looks at the processor's time.
const MOMENT: Duration = Duration::from_millis(500);

/// By pod (namespace, name) and container.
type Usages = BTreeMap<(String, String), BTreeMap<String, Usage>>;

pub(super) async fn usage(State(shared): State<Shared>) -> Result<Json<Value>, Failure> {
    let before = look(&shared).await?;
    let began = tokio::time::Instant::now();
    tokio::time::sleep(MOMENT).await;
    let after = look(&shared).await?;
    let elapsed = began.elapsed();
    let pods: Vec<Value> = after
        .iter()
        .map(|((namespace, name), containers)| {
            let containers: Vec<Value> = containers
                .iter()
                .filter_map(|(container, now)| {
                    let then = before
                        .get(&(namespace.clone(), name.clone()))?
                        .get(container)?;
                    Some(json!({
                        "name": container,
                        "nanocores": nanocores(*then, *now, elapsed),
                        "memoryBytes": now.memory,
                    }))
                })
                .collect();
            json!({"namespace": namespace, "name": name, "containers": containers})
        })
        .collect();
    Ok(Json(json!({ "pods": pods })))
}

fn nanocores(then: Usage, now: Usage, elapsed: Duration) -> u64 {
    let used = now.cpu.saturating_sub(then.cpu).as_nanos();
    let share = used.saturating_mul(1_000_000_000) / elapsed.as_nanos().max(1);
    u64::try_from(share).unwrap_or(u64::MAX)
}

async fn look(shared: &Shared) -> Result<Usages, Failure> {
    let pods: Vec<_> = shared
        .mesh
        .node()
        .pods()
        .iter()
        .map(|pod| {
            let object = pod.object();
            let key = (namespace(object).to_owned(), name(object).to_owned());
            (key, pod.containers())
        })
        .collect();
    // Files of the kernel's: read on a thread that may wait.
    tokio::task::spawn_blocking(move || {
        let mut usages = Usages::new();
        for (key, containers) in pods {
            let mut of_pod = BTreeMap::new();
            for (container, running) in containers {
                let usage = running
                    .usage()
                    .map_err(|error| Failure::unavailable(error.to_string()))?;
                of_pod.extend(usage.map(|usage| (container, usage)));
            }
            usages.insert(key, of_pod);
        }
        Ok(usages)
    })
    .await
    .map_err(|error| Failure::internal(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_of_the_processor_in_a_quarter_is_two_cores() {
        let at = |milliseconds| Usage {
            cpu: Duration::from_millis(milliseconds),
            memory: 0,
        };
        let share = nanocores(at(100), at(600), Duration::from_millis(250));
        assert_eq!(share, 2_000_000_000);
        assert_eq!(nanocores(at(600), at(100), Duration::from_millis(250)), 0);
    }
}
