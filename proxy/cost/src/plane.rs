//! A data plane with one worker, configured by the pilot, between clients and an application that stand still while it
//! works: whatever is counted between two of their steps is the worker's.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use compile::Compiler;
use dataplane::{DataPlane, Telemetry};
use rustls::ClientConfig;
use stats::Registry;
use stats::istio::Workload;

use crate::peers::{Application, Client, Stream, Version};
use crate::pilot::{self, Mesh, Side};
use crate::{Failure, heap, secrets};

/// The data plane, and where its application listens.
pub(crate) struct Plane {
    application: TcpListener,
    listen: SocketAddr,
    /// Of its clients, where they speak mutual TLS.
    tls: Option<Arc<ClientConfig>>,
    _compiler: Compiler,
    _plane: DataPlane,
}

impl Plane {
    /// One for a mesh.
    pub(crate) fn start(mesh: &Mesh) -> Result<Self, Failure> {
        let own = Workload {
            workload: "caller".into(),
            namespace: "default".into(),
            canonical_service: "caller".into(),
            ..Workload::default()
        };
        let registry = Arc::new(Registry::new(1, ""));
        let telemetry = Arc::new(Telemetry::new(registry, own, mesh.side.node()));
        let plane = DataPlane::start(1, &telemetry)?;
        let application = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Of this process alone among those that run beside it.
        let [_, high, mid, low] = std::process::id().to_be_bytes();
        let own_address = Ipv4Addr::new(127, high.saturating_add(1), mid, low);
        let (port, tls) = match mesh.side {
            Side::Caller => (15_001, None),
            // Its chains are chosen by the application's port.
            Side::Application => (application.local_addr()?.port(), Some(secrets::caller()?)),
        };
        let listen = SocketAddr::from((own_address, port));
        let mut compiler = pilot::placed(mesh, listen, application.local_addr()?)?;
        plane.publish(&compiler.graph());
        Ok(Plane {
            application,
            listen,
            tls,
            _compiler: compiler,
            _plane: plane,
        })
    }

    /// A client that has asked once, and the application that answered it.
    pub(crate) fn first<V: Version>(&self) -> Result<(V::Client, V::Application), Failure> {
        let mut client: V::Client = self.client::<V>()?;
        client.ask()?;
        let mut application = V::Application::on(self.application.accept()?.0);
        application.answer()?;
        client.hear()?;
        Ok((client, application))
    }

    /// A client of the service that has an application.
    pub(crate) fn client<V: Version>(&self) -> Result<V::Client, Failure> {
        let socket = self.connect()?;
        let stream = match &self.tls {
            None => Stream::Plain(socket),
            Some(config) => Stream::secure(socket, config.clone())?,
        };
        Ok(V::Client::on(stream, &pilot::authority(0)))
    }

    /// Reports what is held and ends the process as it stands.
    pub(crate) fn end(self) -> ! {
        heap::report();
        std::process::exit(0)
    }

    /// A connection to its listener, which is bound once the worker has the configuration.
    fn connect(&self) -> Result<TcpStream, Failure> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match TcpStream::connect(self.listen) {
                Err(e) if e.kind() == ErrorKind::ConnectionRefused && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                connected => {
                    let socket = connected?;
                    socket.set_nodelay(true)?;
                    return Ok(socket);
                }
            }
        }
    }
}
