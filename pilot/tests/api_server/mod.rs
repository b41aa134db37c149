//! An API server of lists and watches, without a socket: pages, bookmarks, history that is forgotten,
//! connections that break, answers that are garbage. It answers as Kubernetes' own does, and the clock
//! may be paused while it does.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::watch;

/// What a watch may be told of.
#[derive(Debug, Clone)]
struct Happened {
    revision: u64,
    collection: String,
    line: String,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    /// By collection (`/api/v1/services`), then by `namespace/name`.
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    happened: Vec<Happened>,
    /// Watches may not begin before this revision.
    oldest: u64,
    /// Whether connections are refused.
    is_away: bool,
    /// Answers that collections give instead of their own.
    instead: HashMap<String, (u16, Value)>,
    requests: Vec<String>,
    /// The event in the middle of which the next connection breaks.
    cut: Option<u64>,
    /// Counted up to break all watches.
    broken: u64,
}

/// The server. Clones are the same one.
#[derive(Debug, Clone)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    moved: watch::Sender<()>,
}

impl ApiServer {
    /// A server that has these collections, empty.
    pub fn new(collections: &[&str]) -> Self {
        let mut state = State {
            revision: 100,
            ..State::default()
        };
        for collection in collections {
            state
                .objects
                .insert((*collection).to_owned(), BTreeMap::new());
        }
        Self {
            state: Arc::new(Mutex::new(state)),
            moved: watch::Sender::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let out = change(&mut self.state());
        self.moved.send_replace(());
        out
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let server = server.clone();
            async move {
                if server.state().is_away {
                    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                    return Err::<Response, _>(tower::BoxError::from(refused));
                }
                Ok(server.answer(request.uri()))
            }
        });
        Client::new(service, "default")
    }

    /// Creates or changes an object.
    pub fn put(&self, collection: &str, key: &str, object: Value) {
        self.change(|state| state.put(collection, key, object));
    }

    /// Creates or changes an object, and sends watches nonsense in its place.
    pub fn put_garbled(&self, collection: &str, key: &str, object: Value) {
        self.change(|state| {
            state.put(collection, key, object);
            let happened = state.happened.last_mut().unwrap();
            happened.line = happened
                .line
                .replace(r#""object":"#, r#""object": nonsense "#);
        });
    }

    /// Creates or changes an object, and breaks the connection in the middle of telling so, once.
    pub fn put_cut(&self, collection: &str, key: &str, object: Value) {
        self.change(|state| {
            state.put(collection, key, object);
            state.cut = Some(state.revision);
        });
    }

    /// Deletes an object.
    pub fn delete(&self, collection: &str, key: &str) {
        self.change(|state| {
            state.revision += 1;
            let mut object = state
                .objects
                .get_mut(collection)
                .unwrap()
                .remove(key)
                .unwrap();
            object["metadata"]["resourceVersion"] = json!(state.revision.to_string());
            state.tell(collection, "DELETED", &object);
        });
    }

    /// Sends this line to every watch of the collection.
    pub fn say(&self, collection: &str, line: &str) {
        self.change(|state| {
            state.revision += 1;
            state.happened.push(Happened {
                revision: state.revision,
                collection: collection.to_owned(),
                line: line.to_owned(),
            });
        });
    }

    /// Sends a bookmark of the present to every watch of the collection.
    pub fn bookmark(&self, collection: &str) {
        self.change(|state| {
            state.revision += 1;
            let object = json!({"apiVersion": "v1", "kind": "X", "metadata": {"resourceVersion": state.revision.to_string()}});
            state.tell(collection, "BOOKMARK", &object);
        });
    }

    /// Breaks the connection of every watch.
    pub fn break_watches(&self) {
        self.change(|state| state.broken += 1);
    }

    /// Forgets all that happened: who was told of less has to list anew.
    pub fn forget(&self) {
        self.change(|state| {
            state.revision += 1;
            state.oldest = state.revision;
            state.happened.clear();
        });
    }

    /// Is gone, its connections with it, or is back.
    pub fn is_away(&self, is_away: bool) {
        self.change(|state| {
            state.is_away = is_away;
            state.broken += u64::from(is_away);
        });
    }

    /// Has a collection from now on, or has not, objects and all.
    pub fn serves(&self, collection: &str, is_served: bool) {
        self.change(|state| {
            if is_served {
                state.objects.entry(collection.to_owned()).or_default();
            } else {
                state.objects.remove(collection);
                state.broken += 1;
            }
        });
    }

    /// Answers requests for a collection with this status instead, until it is `None`.
    pub fn answers(&self, collection: &str, instead: Option<(u16, &str)>) {
        self.change(|state| match instead {
            Some((code, message)) => {
                let status = status(code, message);
                state.instead.insert(collection.to_owned(), (code, status));
            }
            None => {
                state.instead.remove(collection);
            }
        });
    }

    /// The requests since the last call, as paths with queries.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state().requests)
    }

    fn answer(&self, uri: &http::Uri) -> Response {
        let mut state = self.state();
        state.requests.push(uri.to_string());
        let query: HashMap<String, String> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let collection = uri.path().to_owned();
        if let Some((code, status)) = state.instead.get(&collection) {
            let code = http::StatusCode::from_u16(*code).unwrap();
            return (code, axum::Json(status.clone())).into_response();
        }
        let Some(objects) = state.objects.get(&collection) else {
            let body = axum::Json(status(404, "404 page not found"));
            return (http::StatusCode::NOT_FOUND, body).into_response();
        };
        if query.get("watch").is_some_and(|watch| watch == "true") {
            let from = query["resourceVersion"].parse().unwrap();
            let seconds = query["timeoutSeconds"].parse().unwrap();
            drop(state);
            return self.watch(collection, from, Duration::from_secs(seconds));
        }
        let limit = query
            .get("limit")
            .map_or(usize::MAX, |limit| limit.parse().unwrap());
        let from: usize = query
            .get("continue")
            .map_or(0, |from| from.parse().unwrap());
        let items: Vec<_> = objects.values().skip(from).take(limit).collect();
        let next = from + items.len();
        let rest = if next < objects.len() {
            next.to_string()
        } else {
            String::new()
        };
        axum::Json(json!({
            "apiVersion": "v1", "kind": "List",
            "metadata": {"resourceVersion": state.revision.to_string(), "continue": rest},
            "items": items,
        }))
        .into_response()
    }

    /// What a watch that was told of this much is told next; `None` once it is broken.
    fn news(&self, collection: &str, told: u64, broken: u64) -> Option<Vec<Happened>> {
        let state = self.state();
        if state.broken != broken {
            return None;
        }
        if told < state.oldest {
            let line = json!({"type": "ERROR", "object": status(410, "too old resource version")});
            return Some(vec![Happened {
                revision: state.revision,
                collection: collection.to_owned(),
                line: line.to_string(),
            }]);
        }
        let all = state.happened.iter();
        let news = all.filter(|h| h.revision > told && h.collection == collection);
        Some(news.cloned().collect())
    }

    fn watch(&self, collection: String, from: u64, lasts: Duration) -> Response {
        let server = self.clone();
        let mut moved = self.moved.subscribe();
        let ends = tokio::time::Instant::now() + lasts;
        let broken = self.state().broken;
        let lines = async_lines(move |sender| async move {
            let mut told = from;
            loop {
                moved.mark_unchanged();
                let Some(news) = server.news(&collection, told, broken) else {
                    let _ = sender.send(Err(std::io::Error::other("broken"))).await;
                    return;
                };
                for one in news {
                    told = one.revision;
                    if server.state().cut.take_if(|cut| *cut == told).is_some() {
                        let half = one.line[..one.line.len() / 2].to_owned();
                        let _ = sender.send(Ok(Bytes::from(half))).await;
                        let _ = sender.send(Err(std::io::Error::other("broken"))).await;
                        return;
                    }
                    if sender.send(Ok(Bytes::from(one.line + "\n"))).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep_until(ends) => return,
                    () = sender.closed() => return,
                    _ = moved.changed() => {}
                }
            }
        });
        Response::new(lines)
    }
}

impl State {
    fn put(&mut self, collection: &str, key: &str, mut object: Value) {
        self.revision += 1;
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let mut metadata = json!({"name": name, "resourceVersion": self.revision.to_string()});
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        match object.get_mut("metadata") {
            // Garbage stays as it was given, but for what names it.
            Some(Value::Object(given)) => {
                for (field, value) in metadata.as_object().unwrap() {
                    given.entry(field.clone()).or_insert(value.clone());
                }
            }
            _ => object["metadata"] = metadata,
        }
        let all = self.objects.entry(collection.to_owned()).or_default();
        let before = all.insert(key.to_owned(), object.clone());
        let kind = if before.is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        self.tell(collection, kind, &object);
    }

    fn tell(&mut self, collection: &str, kind: &str, object: &Value) {
        self.happened.push(Happened {
            revision: self.revision,
            collection: collection.to_owned(),
            line: json!({"type": kind, "object": object}).to_string(),
        });
    }
}

/// A body of what the task sends.
fn async_lines<F: Future<Output = ()> + Send + 'static>(
    task: impl FnOnce(tokio::sync::mpsc::Sender<Result<Bytes, std::io::Error>>) -> F,
) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(task(sender));
    Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver))
}

fn status(code: u16, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message, "reason": "x", "metadata": {}})
}

/// A file that leads to the server on a socket of its own.
pub async fn kubeconfig(server: &ApiServer) -> tempfile::NamedTempFile {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = server.clone();
    let router = axum::Router::new().fallback(move |uri: http::Uri| {
        let server = server.clone();
        async move { server.answer(&uri) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": address}}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    file
}
