//! How bytes go to hosts: the cluster's transport sockets and which host gets which.

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::cluster::TransportSocketMatch;
use envoy_types::pb::envoy::config::core::v3::TransportSocket;
use envoy_types::pb::google::protobuf::Struct;

use crate::place::{Compiled, Place, take};
use crate::tls::context::{self, Upstream};

/// A way to send bytes.
#[derive(Debug)]
pub(crate) enum Socket {
    Raw,
    Tls {
        context: Arc<Upstream>,
        /// The name that is asked for.
        sni: Option<Arc<str>>,
    },
}

/// All ways that a cluster has. A host takes the first whose criteria are among its metadata, else the last, which
/// is the cluster's own.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) criteria: Arc<[Struct]>,
    pub(crate) sockets: Vec<Socket>,
}

impl Sockets {
    /// The contexts of its sockets of TLS.
    pub(crate) fn contexts(&mut self) -> impl Iterator<Item = &mut Arc<Upstream>> {
        self.sockets.iter_mut().filter_map(|socket| match socket {
            Socket::Raw => None,
            Socket::Tls { context, .. } => Some(context),
        })
    }

    /// Index of the socket for a host's metadata.
    pub(crate) fn of(&self, metadata: Option<&Struct>) -> u16 {
        let holds = |criteria: &Struct| {
            criteria
                .fields
                .iter()
                .all(|(key, want)| metadata.and_then(|m| m.fields.get(key)) == Some(want))
        };
        let index = self
            .criteria
            .iter()
            .position(holds)
            .unwrap_or(self.criteria.len());
        u16::try_from(index).unwrap_or(u16::MAX)
    }
}

pub(super) fn compile(
    place: &Place<'_>,
    matches: &[TransportSocketMatch],
    own: &Option<TransportSocket>,
) -> Compiled<Sockets> {
    if matches.len() >= usize::from(u16::MAX) {
        return Err(place.refuse("transport_socket_matches", "has too many items"));
    }
    let mut criteria = Vec::with_capacity(matches.len());
    let mut sockets = Vec::with_capacity(matches.len() + 1);
    for given in matches {
        let inside = place.key("transport_socket_matches", &given.name);
        take!(inside, given, TransportSocketMatch { r#match, transport_socket } refuse {} note {} inert { name });
        criteria.push(r#match.clone().unwrap_or_default());
        sockets.push(socket(
            &inside,
            inside.required("transport_socket", transport_socket)?,
        )?);
    }
    sockets.push(match own {
        Some(own) => socket(place, own)?,
        None => Socket::Raw,
    });
    Ok(Sockets {
        criteria: criteria.into(),
        sockets,
    })
}

fn socket(place: &Place<'_>, given: &TransportSocket) -> Compiled<Socket> {
    Ok(
        match context::upstream(&place.field("transport_socket"), given)? {
            None => Socket::Raw,
            Some((context, sni)) => Socket::Tls {
                context: Arc::new(context),
                sni,
            },
        },
    )
}
