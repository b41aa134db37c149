//! Who speaks to whom: the labels that stay the same from one answer to the next.

/// Which side reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reporter {
    /// The client's sidecar or a gateway.
    Source,
    /// The server's sidecar.
    Destination,
    /// A waypoint.
    Waypoint,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP.
    Http,
    /// gRPC.
    Grpc,
    /// Bytes.
    Tcp,
}

/// `connection_security_policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// The client's side does not say.
    Unknown,
    /// Plain text.
    None,
    /// mTLS with both identities known.
    MutualTls,
}

/// A workload on either side.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Workload {
    /// `productpage-v1`
    pub workload: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// SPIFFE identity with its scheme.
    pub principal: Box<str>,
    /// Label `app`.
    pub app: Box<str>,
    /// Label `version`.
    pub version: Box<str>,
    /// The cluster's id.
    pub cluster: Box<str>,
    /// `service.istio.io/canonical-name`
    pub canonical_service: Box<str>,
    /// `service.istio.io/canonical-revision`
    pub canonical_revision: Box<str>,
}

impl Workload {
    /// What Istio shows of a peer: `unknown` for what is not known, `latest` for a revision. (Of its own workload it
    /// shows what there is, but for the principal.)
    #[must_use]
    pub fn as_peer(self) -> Self {
        let or = |text: Box<str>, other: &str| if text.is_empty() { other.into() } else { text };
        Workload {
            workload: or(self.workload, "unknown"),
            namespace: or(self.namespace, "unknown"),
            principal: or(self.principal, "unknown"),
            app: or(self.app, "unknown"),
            version: or(self.version, "unknown"),
            cluster: or(self.cluster, "unknown"),
            canonical_service: or(self.canonical_service, "unknown"),
            canonical_revision: or(self.canonical_revision, "latest"),
        }
    }
}

/// Traffic's fixed labels. Values stand in the output as they are here, but that an empty principal or service is
/// `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dimensions {
    /// Which side reports.
    pub reporter: Reporter,
    /// The client.
    pub source: Workload,
    /// The server.
    pub destination: Workload,
    /// The service's host name: `reviews.default.svc.cluster.local`.
    pub destination_service: Box<str>,
    /// The service's name: `reviews`, `PassthroughCluster`, `BlackHoleCluster`.
    pub destination_service_name: Box<str>,
    /// The service's namespace.
    pub destination_service_namespace: Box<str>,
    /// What is spoken.
    pub protocol: Protocol,
    /// How the connection is secured.
    pub security: Security,
}

impl Dimensions {
    /// The labels with their values, in Istio's order, up to where those begin that differ between metrics.
    pub(super) fn labels(&self) -> [(&'static str, &str); 20] {
        fn known(text: &str) -> &str {
            if text.is_empty() { "unknown" } else { text }
        }
        let (source, destination) = (&self.source, &self.destination);
        let reporter = match self.reporter {
            Reporter::Source => "source",
            Reporter::Destination => "destination",
            Reporter::Waypoint => "waypoint",
        };
        [
            ("reporter", reporter),
            ("source_workload", &source.workload),
            ("source_canonical_service", &source.canonical_service),
            ("source_canonical_revision", &source.canonical_revision),
            ("source_workload_namespace", &source.namespace),
            ("source_principal", known(&source.principal)),
            ("source_app", &source.app),
            ("source_version", &source.version),
            ("source_cluster", &source.cluster),
            ("destination_workload", &destination.workload),
            ("destination_workload_namespace", &destination.namespace),
            ("destination_principal", known(&destination.principal)),
            ("destination_app", &destination.app),
            ("destination_version", &destination.version),
            ("destination_service", known(&self.destination_service)),
            (
                "destination_canonical_service",
                &destination.canonical_service,
            ),
            (
                "destination_canonical_revision",
                &destination.canonical_revision,
            ),
            (
                "destination_service_name",
                known(&self.destination_service_name),
            ),
            (
                "destination_service_namespace",
                known(&self.destination_service_namespace),
            ),
            ("destination_cluster", &destination.cluster),
        ]
    }

    pub(super) fn protocol_name(&self) -> &'static str {
        match self.protocol {
            Protocol::Http => "http",
            Protocol::Grpc => "grpc",
            Protocol::Tcp => "tcp",
        }
    }

    pub(super) fn security_name(&self) -> &'static str {
        match self.security {
            Security::Unknown => "unknown",
            Security::None => "none",
            Security::MutualTls => "mutual_tls",
        }
    }
}
