//! The injector's process: on one core, with a certificate made for it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::Failure;
use crate::client::Client;

/// The webhook's name in the certificate, as its Service has it.
pub(crate) const NAME: &str = "istio-sidecar-injector.istio-system.svc";
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A webhook that runs; it ends when this is dropped.
pub(crate) struct Injector {
    child: Child,
    directory: TempDir,
    certificate: CertificateDer<'static>,
    port: u16,
}

/// Takes the core from this process and all that it starts, so that the injector has it alone.
pub(crate) fn leave_the_core(core: usize) -> Result<(), Failure> {
    let this = Pid::from_raw(0);
    let failed = || Failure::of::<nix::Error>(format!("--core {core}"));
    let mut cores = sched_getaffinity(this).map_err(failed())?;
    let there = cores.is_set(core).map_err(failed())?;
    cores.unset(core).map_err(failed())?;
    let others = (0..CpuSet::count()).any(|other| cores.is_set(other).unwrap_or(false));
    if !there || !others {
        return Err(Failure(format!(
            "--core {core}: this program may use that core and another one at least; it does not: see `taskset -p $$`"
        )));
    }
    sched_setaffinity(this, &cores).map_err(failed())
}

impl Injector {
    pub(crate) fn start(program: &Path, core: usize) -> Result<Self, Failure> {
        let directory = TempDir::new().map_err(Failure::of("a temporary folder"))?;
        let file = |name: &str| directory.path().join(name);
        let certificate = certify(&file("tls.crt"), &file("tls.key"))?;
        let port = free_port()?;
        let flag = |flag: &str, path: PathBuf| format!("--{flag}={}", path.display());
        let log = File::create(file("log")).map_err(Failure::of("the injector's log"))?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .arg(program)
            .arg(format!("--port={port}"))
            .arg("--monitoringAddr=127.0.0.1:0")
            .arg(flag("tlsCertFile", file("tls.crt")))
            .arg(flag("tlsKeyFile", file("tls.key")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(Failure::of("taskset (Debian package util-linux)"))?;
        let mut injector = Injector {
            child,
            directory,
            certificate,
            port,
        };
        injector.listens()?;
        Ok(injector)
    }

    fn listens(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = self.child.try_wait().map_err(Failure::of("the injector"))?;
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.directory.path().join("log"));
                return Err(Failure(format!(
                    "the injector does not listen: {}",
                    log.unwrap_or_default()
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Connections that trust the webhook's certificate, as the API server's `caBundle` says.
    pub(crate) async fn connect(&self, connections: u16) -> Result<Vec<Client>, Failure> {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(self.certificate.clone())
            .map_err(Failure::of("the certificate"))?;
        let mut tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let tls = Arc::new(tls);
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(Client::connect(self.port, tls.clone()).await?);
        }
        Ok(clients)
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut nanoseconds: u64 = 0;
        for task in std::fs::read_dir(&tasks).map_err(Failure::of(&tasks))? {
            let path = task.map_err(Failure::of(&tasks))?.path().join("schedstat");
            // A thread may end between being listed and being read.
            let Ok(text) = std::fs::read_to_string(path) else {
                continue;
            };
            let spent = text.split(' ').next().and_then(|n| n.parse::<u64>().ok());
            nanoseconds += spent.unwrap_or_default();
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn certify(chain: &Path, key: &Path) -> Result<CertificateDer<'static>, Failure> {
    let failed = || Failure::of::<rcgen::Error>("a certificate");
    let pair = rcgen::KeyPair::generate().map_err(failed())?;
    let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])
        .and_then(|parameters| parameters.self_signed(&pair))
        .map_err(failed())?;
    std::fs::write(chain, certificate.pem()).map_err(Failure::of(chain.display()))?;
    std::fs::write(key, pair.serialize_pem()).map_err(Failure::of(key.display()))?;
    Ok(certificate.der().clone())
}

/// A port that nothing listens on.
fn free_port() -> Result<u16, Failure> {
    let listener =
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(Failure::of("a free port"))?;
    Ok(listener
        .local_addr()
        .map_err(Failure::of("a free port"))?
        .port())
}
