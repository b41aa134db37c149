//! Many replicas started at once: how long it takes until all are ready, and what they need.

mod memory;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::demo::DemoError;
use crate::demo::command::Lateen;

pub use memory::Memory;

const DEPLOYMENT: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";
const POLL: Duration = Duration::from_millis(500);

/// What is started, and with what.
#[derive(Debug, Clone)]
pub struct Many {
    /// The `lateen` program.
    pub lateen: PathBuf,
    /// The manifest of the service.
    pub manifest: PathBuf,
    /// Image archives, `REFERENCE=FILE`.
    pub images: Vec<String>,
    /// The Envoy that sidecars run instead of Lateen's own data plane.
    pub envoy: Option<PathBuf>,
    /// How many replicas.
    pub pods: u64,
    /// The longest that they may take.
    pub patience: Duration,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Replicas.
    pub pods: u64,
    /// From the wish for them to the moment that half of them were ready, in seconds.
    pub seconds_to_half: f64,
    /// The same for all of them.
    pub seconds_to_all: f64,
    /// The same until every one of them had answered a request of one client.
    pub seconds_to_answers_of_all: f64,
    /// Requests that failed meanwhile, sent by one pod since half of them were ready.
    pub failed_requests: u64,
    /// Containers that were started more than once.
    pub restarts: i64,
    /// What the processes take, by program.
    pub memory: Vec<Memory>,
}

/// Starts a mesh, the replicas in it, and removes all of it again, also when it fails.
///
/// # Errors
/// [`DemoError`] says which step failed and why.
pub async fn run(many: &Many) -> Result<Outcome, DemoError> {
    let name = format!("many-{}", std::process::id());
    let lateen = Lateen::new(many.lateen.clone(), name.clone());
    let outcome = tokio::select! {
        outcome = steps(many, &lateen, &name) => outcome,
        _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted),
    };
    let down = lateen.output(&["down"]).await;
    let outcome = outcome?;
    down?;
    Ok(outcome)
}

async fn steps(many: &Many, lateen: &Lateen, name: &str) -> Result<Outcome, DemoError> {
    let manifest = many.manifest.to_string_lossy().into_owned();
    lateen.up(&many.images, many.envoy.as_deref()).await?;
    lateen
        .show(&["label", "namespace", "default", "istio-injection=enabled"])
        .await?;
    lateen.show(&["apply", "-f", &manifest]).await?;
    wait(many, lateen, 3, Instant::now()).await?;
    let start = Instant::now();
    let deployment = format!("deployment/{DEPLOYMENT}");
    lateen
        .show(&["scale", &deployment, "--replicas", &many.pods.to_string()])
        .await?;
    let seconds_to_half = wait(many, lateen, many.pods / 2, start).await?;
    let seconds_to_all = wait(many, lateen, many.pods, start).await?;
    let failed_requests = until_all_answer(many, lateen, start).await?;
    let seconds_to_answers_of_all = start.elapsed().as_secs_f64();
    // What they need while nothing happens.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let list: Value = lateen.json(&["get", "pods", "-o", "json"]).await?;
    Ok(Outcome {
        pods: many.pods,
        seconds_to_half,
        seconds_to_all,
        seconds_to_answers_of_all,
        failed_requests,
        restarts: statuses(&list)
            .filter_map(|status| status.get("restartCount")?.as_i64())
            .sum(),
        memory: memory::of_mesh(name),
    })
}

/// Waits until so many pods are ready; the seconds since `start`.
async fn wait(many: &Many, lateen: &Lateen, wanted: u64, start: Instant) -> Result<f64, DemoError> {
    let mut said = Instant::now();
    loop {
        let deployment: Value = lateen
            .json(&["get", "deployment", DEPLOYMENT, "-o", "json"])
            .await?;
        let ready = deployment
            .pointer("/status/readyReplicas")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let seconds = start.elapsed().as_secs_f64();
        if ready >= wanted {
            eprintln!("{ready} pods are ready after {seconds:.1} s");
            return Ok(seconds);
        }
        if start.elapsed() > many.patience {
            return Err(DemoError::Timeout {
                what: format!("{wanted} pods to be ready; {ready} are"),
                seconds: many.patience.as_secs(),
            });
        }
        if said.elapsed() > Duration::from_secs(5) {
            said = Instant::now();
            eprintln!("{ready} pods are ready after {seconds:.1} s");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Asks from inside one pod until every pod has answered; how many requests failed.
async fn until_all_answer(many: &Many, lateen: &Lateen, start: Instant) -> Result<u64, DemoError> {
    let pods: Value = lateen.json(&["get", "pods", "-o", "json"]).await?;
    let first = pods.pointer("/items/0/metadata/name");
    let first = first.and_then(Value::as_str).unwrap_or_default();
    let requests = many.pods.saturating_mul(10).to_string();
    let mut answered = std::collections::BTreeSet::new();
    let mut failed = 0;
    loop {
        let report: crate::report::Report = lateen
            .json(&[
                "exec",
                first,
                "-c",
                DEPLOYMENT,
                "--",
                "/usr/local/bin/greeter-client",
                "--requests",
                &requests,
                "--json",
                TARGET,
            ])
            .await?;
        failed += report.failed();
        answered.extend(report.answers.into_keys());
        if answered.len() as u64 >= many.pods {
            return Ok(failed);
        }
        if start.elapsed() > many.patience {
            return Err(DemoError::Timeout {
                what: format!("all pods to answer; {} have", answered.len()),
                seconds: many.patience.as_secs(),
            });
        }
    }
}

fn statuses(pods: &Value) -> impl Iterator<Item = &Value> {
    let items = pods.get("items").and_then(Value::as_array);
    items.into_iter().flatten().flat_map(|pod| {
        ["/status/containerStatuses", "/status/initContainerStatuses"]
            .into_iter()
            .filter_map(|path| pod.pointer(path)?.as_array())
            .flatten()
    })
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} pods with sidecars, wanted at once", self.pods)?;
        writeln!(f, "  half of them ready    {:.1} s", self.seconds_to_half)?;
        writeln!(f, "  all of them ready     {:.1} s", self.seconds_to_all)?;
        writeln!(
            f,
            "  each has answered     {:.1} s",
            self.seconds_to_answers_of_all
        )?;
        writeln!(f, "  failed requests       {}", self.failed_requests)?;
        writeln!(f, "  containers restarted  {}", self.restarts)?;
        writeln!(f, "\n  PROGRAM            PROCESSES  MIB EACH  MIB IN ALL")?;
        for of in &self.memory {
            writeln!(
                f,
                "  {:<18} {:>9} {:>9.1} {:>11.1}",
                of.program,
                of.processes,
                of.mib / of.processes.max(1) as f64,
                of.mib
            )?;
        }
        Ok(())
    }
}
