//! A data plane with one worker, configured by the pilot, between clients and an application that stand still while it
//! works: whatever is counted between two of their steps is the worker's.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use compile::Compiler;
use dataplane::{DataPlane, Telemetry};
use stats::Registry;
use stats::istio::Workload;

use crate::peers::{Application, Client, Version};
use crate::pilot::{self, Mesh};
use crate::{Failure, heap};

/// The data plane, and where its application listens.
pub(crate) struct Plane {
    application: TcpListener,
    listen: SocketAddr,
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
        let telemetry = Arc::new(Telemetry::new(registry, own, pilot::NODE));
        let plane = DataPlane::start(1, &telemetry)?;
        let application = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Of this process alone among those that run beside it.
        let [_, high, mid, low] = std::process::id().to_be_bytes();
        let own_address = Ipv4Addr::new(127, high.saturating_add(1), mid, low);
        let listen = SocketAddr::from((own_address, 15_001));
        let mut compiler = pilot::placed(mesh, listen, application.local_addr()?)?;
        plane.publish(&compiler.graph());
        Ok(Plane {
            application,
            listen,
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
        Ok(V::Client::on(self.connect()?, &pilot::authority(0)))
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
