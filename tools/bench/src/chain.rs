//! The way from the load to the application: the proxies of one scenario, started and configured.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use crate::changes::Changes;
use crate::failure::{Doing, Failure};
use crate::load::{self, Load, Pace};
use crate::mesh::{Authority, ControlPlane, Hop, MeshClient, Objects, Place};
use crate::proxies::{self, FileHop, Process, Program, Takes, Usage, free_port};
use crate::scenario::{Kind, Path, Scenario};
use crate::session::Session;

/// How long it may take until the first request is answered.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pods' addresses, at which the proxy beside the application listens.
const PODS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(127, 0, 1, 1),
    Ipv4Addr::new(127, 0, 1, 2),
    Ipv4Addr::new(127, 0, 1, 3),
];

/// Proxies that run, and where requests go in.
pub(crate) struct Chain {
    pub(crate) processes: Vec<Process>,
    pub(crate) entry: SocketAddrV4,
    /// What the proxies' configuration is made of, where it comes from a control plane.
    pub(crate) objects: Option<Objects>,
    /// A caller with a certificate of the mesh.
    pub(crate) client: Option<MeshClient>,
}

impl Chain {
    /// No proxy at all.
    pub(crate) fn direct(applications: &[SocketAddrV4]) -> Result<Self, Failure> {
        let entry = applications.first().copied();
        Ok(Chain {
            processes: Vec::new(),
            objects: None,
            client: None,
            entry: entry.ok_or_else(|| Failure("no application".to_owned()))?,
        })
    }

    /// A proxy on each hop of a scenario.
    pub(crate) fn through(
        program: &Program,
        scenario: &Scenario,
        applications: &[SocketAddrV4],
    ) -> Result<Self, Failure> {
        let authority = Authority::new()?;
        let entry = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
        let mutual = scenario.path != Path::OneHop;
        let (pods, target) = if mutual {
            (PODS.to_vec(), free_port()?)
        } else {
            let port = applications.first().map_or(0, SocketAddrV4::port);
            (applications.iter().map(|at| *at.ip()).collect(), port)
        };
        let mut places = Vec::new();
        if mutual {
            places.push(Place {
                hop: Hop::Inbound,
                listen: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, target),
                applications: applications.to_vec(),
            });
        }
        if scenario.path != Path::Inbound {
            places.push(Place {
                hop: Hop::Outbound,
                listen: entry,
                applications: Vec::new(),
            });
        }
        let called = pods.iter().map(|ip| SocketAddrV4::new(*ip, target));
        let called: Vec<SocketAddrV4> = called.collect();
        let objects = Objects {
            speaks: scenario.speaks,
            port: entry.port(),
            target,
            pods,
            mutual,
            services: scenario.services,
            access_log: String::new(),
        };
        let mut processes = Vec::new();
        for place in places {
            let directory = tempfile::tempdir().doing("a directory for the proxy")?;
            let listen = place.listen;
            let is_inbound = place.hop == Hop::Inbound;
            let identity = authority.issue(if is_inbound { "greeter" } else { "client" })?;
            let mut process = match program.takes {
                Takes::Mesh => {
                    let objects = Objects {
                        access_log: directory.path().join("access.log").display().to_string(),
                        ..objects.clone()
                    };
                    proxies::start(program, objects.snapshot()?, place, &identity, directory)?
                }
                Takes::Nginx | Takes::Haproxy => FileHop {
                    speaks: scenario.protocol(),
                    listen,
                    to: if is_inbound {
                        place.applications
                    } else {
                        called.clone()
                    },
                    tls_in: is_inbound,
                    tls_out: mutual && !is_inbound,
                    services: scenario.services,
                    connections: match scenario.kind {
                        Kind::Idle { connections } => connections,
                        Kind::Requests | Kind::Handshakes { .. } => scenario.connections,
                    },
                }
                .start(program, &identity, directory)?,
            };
            process.listens(listen)?;
            processes.push(process);
        }
        let entry = match scenario.path {
            Path::Inbound => SocketAddrV4::new(PODS[0], target),
            Path::OneHop | Path::TwoHops => entry,
        };
        Ok(Chain {
            processes,
            entry,
            objects: (program.takes == Takes::Mesh).then_some(objects),
            client: Some(authority.client("client")?),
        })
    }

    /// Waits until a request is answered as it should be.
    pub(crate) fn answers(&mut self, scenario: &Scenario) -> Result<(), Failure> {
        let probe = Load {
            target: self.entry,
            connections: 1,
            pace: Pace::Closed { in_flight: 1 },
            warm_up: Duration::ZERO,
            time: Duration::ZERO,
            exchange: scenario.exchange.clone(),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answered = match (scenario.path, &self.client) {
                (Path::Inbound, Some(client)) => {
                    Session::open(self.entry, &client.config(false)).and_then(|mut s| s.ask())
                }
                _ => load::run(&probe, &mut |_| Ok(())).map(|_| ()),
            };
            let Err(problem) = answered else {
                return Ok(());
            };
            self.check()?;
            if Instant::now() > deadline {
                let what = format!("does not pass requests after {PATIENCE:?}: {problem}");
                return Err(match self.processes.last() {
                    Some(process) => process.failure(&what),
                    None => Failure(what),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Begins to change the proxies' configuration, if the scenario says so.
    pub(crate) fn changes(&self, scenario: &Scenario) -> Result<Option<Changes>, Failure> {
        let Some(objects) = self
            .objects
            .clone()
            .filter(|_| scenario.changes_per_second > 0)
        else {
            return Ok(None);
        };
        let controls = self.processes.iter().filter_map(|p| p.control.as_ref());
        let publishers = controls.map(ControlPlane::publisher).collect();
        Changes::start(objects, publishers, scenario.changes_per_second).map(Some)
    }

    /// That all proxies run and took their configuration.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        self.processes.iter_mut().try_for_each(Process::check)
    }

    /// What all proxies used so far: CPU of all together, memory of the largest.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        let mut all = Usage::default();
        for process in &self.processes {
            let usage = process.usage()?;
            all.cpu += usage.cpu;
            all.resident = all.resident.max(usage.resident);
        }
        Ok(all)
    }
}
