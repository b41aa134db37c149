//! Clients that do nothing wrong and must not notice who else does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::peers::{ask1, ask2, http1, http2};

/// Two clients, one of each version of HTTP, that ask one thing after another.
pub struct Bystanders {
    asked: Arc<[AtomicU32; 2]>,
    tasks: [JoinHandle<()>; 2],
}

/// In which every answer has to be there: far above what a busy machine takes, far below for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two questions: they are there to be served, not to be load.
const PAUSE: Duration = Duration::from_millis(5);

impl Bystanders {
    pub async fn at(address: SocketAddr) -> Self {
        let asked: Arc<[AtomicU32; 2]> = Arc::default();
        let (mut one, mut two) = (http1(address).await, http2(address).await);
        let counts = asked.clone();
        let first = tokio::spawn(async move {
            loop {
                let body = counts[0].load(Ordering::Relaxed).to_string();
                let answer = ask1(&mut one, "POST", "/echo", body.clone().into());
                let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
                assert_eq!((answer.status, answer.body), (200, body.into()));
                counts[0].fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        });
        let counts = asked.clone();
        let second = tokio::spawn(async move {
            loop {
                let body = counts[1].load(Ordering::Relaxed).to_string();
                let answer = ask2(&mut two, "POST", "/echo", body.clone().into());
                let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
                assert_eq!((answer.status, answer.body), (200, body.into()));
                counts[1].fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        });
        Bystanders {
            asked,
            tasks: [first, second],
        }
    }

    /// All went well until now, and goes on.
    pub async fn were_served(self) {
        for (asked, task) in self.asked.iter().zip(&self.tasks) {
            let before = asked.load(Ordering::Relaxed);
            while asked.load(Ordering::Relaxed) < before + 3 {
                assert!(!task.is_finished(), "a well-behaved client was not served");
                tokio::time::sleep(PAUSE).await;
            }
            task.abort();
        }
    }
}
