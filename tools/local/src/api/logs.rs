//! `logs`: a container's output, once or followed.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::server::Shared;
use crate::kubelet::container;
use crate::kubelet::pod::Pod;
use crate::logs::{Follower, render, tail};
use crate::object::{Key, strings, text, uid};

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    container: Option<String>,
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    previous: bool,
    #[serde(default)]
    timestamps: bool,
    tail: Option<usize>,
}

/// The container a command means when none is named: the annotation's, else the pod's first of its own.
pub(super) fn pick(pod: &Value, asked: Option<&str>) -> Result<String, Failure> {
    let names: Vec<&str> = container::all(pod)
        .into_iter()
        .map(|(_, container)| text(container, "/name"))
        .collect();
    if let Some(asked) = asked {
        return names
            .contains(&asked)
            .then(|| asked.to_owned())
            .ok_or_else(|| {
                Failure::bad_request(format!(
                    "container {asked} is not valid for pod {}; it has: {}",
                    crate::object::name(pod),
                    names.join(", ")
                ))
            });
    }
    let annotations = strings(pod, "/metadata/annotations");
    let by_annotation = annotations
        .get("kubectl.kubernetes.io/default-container")
        .filter(|name| names.contains(&name.as_str()));
    let first = container::all(pod)
        .into_iter()
        .find(|(role, _)| *role == container::Role::App)
        .map(|(_, container)| text(container, "/name").to_owned());
    by_annotation
        .cloned()
        .or(first)
        .ok_or_else(|| Failure::bad_request("the pod has no container"))
}

/// The pod object and its life on the node.
pub(super) fn find(
    shared: &Shared,
    namespace: &str,
    pod: &str,
) -> Result<(Arc<Value>, Arc<Pod>), Failure> {
    let key = Key::core("Pod", namespace, pod);
    let object = shared
        .mesh
        .store()
        .get(&key)
        .ok_or_else(|| Failure::from(crate::store::StoreError::NotFound(key)))?;
    let running = shared
        .mesh
        .node()
        .pod(uid(&object))
        .ok_or_else(|| Failure::bad_request(format!("pod {pod} is not started yet")))?;
    Ok((object, running))
}

pub(super) async fn logs(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let (object, pod) = find(&shared, &namespace, &name)?;
    let container = pick(&object, asked.container.as_deref())?;
    let missing = || {
        Failure::bad_request(format!(
            "container {container:?} in pod {name:?} has {} log",
            if asked.previous { "no previous" } else { "no" }
        ))
    };
    let path = pod.log(&container, asked.previous).ok_or_else(missing)?;
    if !asked.follow && !path.exists() {
        return Err(Failure::bad_request(format!(
            "container {container:?} in pod {name:?} is waiting to start"
        )));
    }
    let mut follower = Follower::new(&path);
    let begin = follower
        .read_all()
        .map_err(|error| Failure::internal(format!("{}: {error}", path.display())))?;
    let begin = render(&begin, asked.timestamps);
    let begin = match asked.tail {
        Some(count) => tail(&begin, count).to_owned(),
        None => begin,
    };
    if !asked.follow {
        return Ok(begin.into_response());
    }
    let state = Following {
        pod,
        container,
        path,
        follower,
        timestamps: asked.timestamps,
        first: Some(begin),
    };
    let stream = futures::stream::unfold(state, |mut state| async move {
        let text = state.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), state))
    });
    Ok(Body::from_stream(stream).into_response())
}

struct Following {
    pod: Arc<Pod>,
    container: String,
    path: PathBuf,
    follower: Follower,
    timestamps: bool,
    first: Option<String>,
}

impl Following {
    /// The next text; None once the container's run has ended and all was read.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take()
            && !first.is_empty()
        {
            return Some(first);
        }
        loop {
            // Asked before reading, so that what was written last is read.
            let over = self.pod.is_over(&self.container, &self.path);
            let text = render(&self.follower.read_more().ok()?, self.timestamps);
            if !text.is_empty() {
                return Some(text);
            }
            if over {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
