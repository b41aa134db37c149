//! Configurations by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use graph::Graph;
use graph::chain::{ChainMatch, FilterChain, Network, TcpProxy};
use graph::cluster::{
    Balancing, Cluster, ClusterId, Discovery, Limits, Settings, UpstreamProtocol, UpstreamTransport,
};
use graph::endpoint::{Endpoints, Health, Host, Locality};
use graph::listener::{Direction, Listener};
use graph::manager::{
    ClientCertDetails, Codec, EscapedSlashes, Filters, ForwardClientCert, Http2Options,
    HttpManager, Routes, ServerHeader,
};
use graph::policy::{Retry, RetryOn};
use graph::route::{
    Action, Case, Forward, Forwarding, HostRewrite, PathMatch, PathRewrite, Route, RouteMatch,
    RouteTable, Target, VirtualHost,
};
use graph::tls::{DownstreamTls, Secured};

pub const LINE: &str = "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% \
%RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER_RAW%\n";

pub fn cluster(id: u32, endpoints: &[SocketAddr], protocol: UpstreamProtocol) -> Cluster {
    let hosts = endpoints.iter().map(|address| {
        Arc::new(Host {
            address: *address,
            weight: 1,
            locality: Arc::new(Locality::default()),
            health: Health::Healthy,
            transport: 0,
            workload: None,
            hostname: None,
        })
    });
    Cluster {
        id: ClusterId(id),
        name: format!("cluster-{id}").into(),
        settings: Arc::new(Settings {
            discovery: Discovery::Static,
            balancing: Balancing::RoundRobin,
            connect_timeout: Duration::from_secs(2),
            limits: Limits {
                connections: 1024,
                pending: 1024,
                requests: 1024,
                retries: 3,
                retry_budget: None,
            },
            outlier: None,
            protocol,
            idle_timeout: Duration::from_secs(3600),
            max_connection_duration: Duration::ZERO,
            max_stream_duration: Duration::ZERO,
            max_requests_per_connection: 0,
            bind: None,
            keepalive: None,
        }),
        endpoints: Some(Arc::new(Endpoints {
            priorities: vec![hosts.collect()],
            overprovisioning_percent: 140,
        })),
        transports: vec![UpstreamTransport::Raw],
        services: Vec::new(),
    }
}

pub fn forward(id: u32) -> Forward {
    Forward {
        target: Target::Cluster(ClusterId(id)),
        how: Arc::new(Forwarding {
            cluster_not_found: 503,
            timeout: Duration::ZERO,
            max_grpc_timeout: None,
            max_stream_duration: None,
            grpc_timeout_header_max: None,
            idle_timeout: None,
            retry: Some(Arc::new(Retry {
                on: RetryOn::CONNECT_FAILURE
                    .with(RetryOn::REFUSED_STREAM)
                    .with(RetryOn::UNAVAILABLE),
                retries: 2,
                backoff_base: Duration::from_millis(1),
                backoff_max: Duration::from_millis(10),
                ..Retry::default()
            })),
            path: PathRewrite::None,
            host: HostRewrite::None,
            mirrors: Vec::new(),
            hash: Vec::new(),
            upgrades: Vec::new(),
        }),
    }
}

pub fn route(prefix: &str, action: Action) -> Arc<Route> {
    Arc::new(plain_route(prefix, action))
}

pub fn plain_route(prefix: &str, action: Action) -> Route {
    Route {
        name: "default".into(),
        on: Arc::new(RouteMatch {
            path: PathMatch::Prefix(prefix.as_bytes().into(), Case::Sensitive),
            headers: Vec::new(),
            query: Vec::new(),
            grpc: false,
            fraction: None,
            client_certificate: None,
        }),
        action,
        request: graph::mutation::Mutations::default(),
        response: graph::mutation::Mutations::default(),
        fault: None,
        cors: None,
    }
}

pub fn manager(routes: Vec<Arc<Route>>, log: &str) -> HttpManager {
    let host = VirtualHost {
        name: "any".into(),
        routes,
        ..VirtualHost::default()
    };
    let table = RouteTable {
        name: "table".into(),
        default: Some(Arc::new(host)),
        ..RouteTable::default()
    };
    HttpManager {
        stat_prefix: "outbound_test".into(),
        codec: Codec::Auto,
        routes: Routes::Inline(Arc::new(table)),
        access_logs: vec![Arc::new(accesslog::AccessLog {
            path: log.into(),
            filter: accesslog::Filter::All,
            format: accesslog::Format::Text(accesslog::Template::parse(LINE).unwrap()),
        })],
        server_name: "envoy".into(),
        server_header: ServerHeader::Overwrite,
        forward_client_cert: ForwardClientCert::Sanitize,
        set_current_client_cert: ClientCertDetails::default(),
        use_remote_address: false,
        trusted_hops: 0,
        skip_xff_append: false,
        generate_request_id: true,
        preserve_external_request_id: false,
        always_set_request_id_in_response: false,
        normalize_path: true,
        merge_slashes: false,
        escaped_slashes: EscapedSlashes::Keep,
        upgrades: vec![b"websocket"[..].into()],
        stream_idle_timeout: Duration::ZERO,
        request_timeout: Duration::ZERO,
        request_headers_timeout: Duration::ZERO,
        idle_timeout: Duration::from_secs(3600),
        max_connection_duration: Duration::ZERO,
        max_stream_duration: Duration::ZERO,
        max_requests_per_connection: 0,
        drain_timeout: Duration::from_secs(5),
        max_request_headers_kib: 60,
        max_headers_count: 100,
        accept_http_10: false,
        http2: Http2Options {
            max_concurrent_streams: 1000,
            initial_stream_window: 256 << 10,
            initial_connection_window: 1 << 20,
            allow_connect: true,
        },
        filters: Filters::default(),
        stats: None,
        via: "".into(),
        proxy_100_continue: false,
    }
}

pub fn http(manager: HttpManager) -> Network {
    Network::Http(Arc::new(manager))
}

pub fn tcp(cluster: u32) -> Network {
    Network::Tcp(Arc::new(TcpProxy {
        stat_prefix: "tcp".into(),
        clusters: vec![(ClusterId(cluster), 1)],
        total_weight: 1,
        idle_timeout: Duration::ZERO,
        hashes_source: false,
        max_connection_duration: Duration::ZERO,
        max_connect_attempts: 1,
        access_logs: Vec::new(),
        stats: None,
    }))
}

pub fn graph(listen: SocketAddr, network: Network, clusters: Vec<Cluster>) -> Arc<Graph> {
    secured(listen, None, network, clusters)
}

pub fn secured(
    listen: SocketAddr,
    tls: Option<Secured<DownstreamTls>>,
    network: Network,
    clusters: Vec<Cluster>,
) -> Arc<Graph> {
    let chain = FilterChain {
        name: "".into(),
        on: ChainMatch::default(),
        tls,
        connect_timeout: Duration::ZERO,
        network,
    };
    let listener = Listener {
        name: "test".into(),
        addresses: vec![listen],
        bind: true,
        use_original_dst: false,
        restores_destination: false,
        transparent: false,
        original_source_mark: None,
        direction: Direction::Outbound,
        tls_inspector: None,
        http_inspector: None,
        inspection_timeout: Duration::ZERO,
        continue_on_inspection_timeout: true,
        chains: vec![Arc::new(chain)],
        default_chain: None,
        access_logs: Vec::new(),
        buffer_limit: 1 << 20,
    };
    let most = clusters.iter().map(|c| c.id.index() + 1).max().unwrap_or(0);
    let mut slots = vec![None; most];
    for cluster in clusters {
        let at = cluster.id.index();
        slots[at] = Some(Arc::new(cluster));
    }
    Arc::new(Graph {
        listeners: vec![Arc::new(listener)],
        clusters: slots,
        tables: Vec::new(),
    })
}
