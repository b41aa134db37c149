//! What listeners and clusters ask of TLS.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::{TransportSocket, transport_socket::ConfigType};
use envoy_types::pb::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
    SubjectAltNameMatcher, TlsParameters, UpstreamTlsContext,
    common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
    downstream_tls_context::OcspStaplePolicy,
    subject_alt_name_matcher::SanType,
    tls_parameters::TlsProtocol,
};
use envoy_types::pb::google::protobuf::Any;
use graph::tls::{HTTP1_IN_HTTP2, PeerNames, Pins, SanKind, SanMatch};

use super::pin;
use crate::place::{Compiled, Place, take};
use crate::source::{self, SecretSource};
use crate::text;
use crate::value::{bool_or, known, type_name, unpack};

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The certificate shown to peers.
    Identity,
    /// The roots of trust.
    Roots,
}

/// A secret that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) name: Arc<str>,
    pub(crate) source: SecretSource,
    pub(crate) role: Role,
}

/// What both sides of TLS have.
#[derive(Debug, PartialEq)]
pub(crate) struct Shared {
    /// The certificate shown to the peer.
    pub(crate) identity: Option<Reference>,
    /// More certificates of a server, of which the caller's wishes choose one.
    pub(crate) others: Vec<Reference>,
    /// The roots to which the peer's chain must lead; none: any chain is taken.
    pub(crate) roots: Option<Reference>,
    pub(crate) peers: PeerNames,
    pub(crate) pins: Pins,
    pub(crate) alpn: Arc<[Vec<u8>]>,
    pub(crate) versions: Versions,
}

/// Versions of TLS that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Versions {
    pub(crate) tls12: bool,
    pub(crate) tls13: bool,
}

/// How a cluster opens TLS, but for the name that it asks for: clusters differ in that alone.
#[derive(Debug, PartialEq)]
pub(crate) struct Upstream {
    pub(crate) shared: Shared,
    /// The server's certificate must have the name that was asked for.
    pub(crate) verify_sni: bool,
}

#[derive(Debug)]
pub(crate) struct Downstream {
    pub(crate) shared: Shared,
    pub(crate) require_client_certificate: bool,
}

impl Downstream {
    /// Lets clients that are proxies like this one carry HTTP/1.1 in HTTP/2: for chains of the mesh that speak both.
    pub(crate) fn carry_http1(&mut self) {
        let both = [&b"h2"[..], b"http/1.1"]
            .iter()
            .all(|p| self.shared.alpn.iter().any(|own| own == p));
        if both && self.require_client_certificate {
            let own = std::iter::once(HTTP1_IN_HTTP2.to_vec());
            self.shared.alpn = own.chain(self.shared.alpn.iter().cloned()).collect();
        }
    }
}

impl Shared {
    /// The secrets that must be there.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.identity.iter().chain(&self.others).chain(&self.roots)
    }
}

const RAW: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

fn config<'a>(place: &Place<'_>, socket: &'a TransportSocket) -> Compiled<&'a Any> {
    take!(place, socket, TransportSocket { config_type } refuse {} note {} inert { name });
    match place.required("typed_config", config_type)? {
        ConfigType::TypedConfig(any) => Ok(any),
    }
}

/// A cluster's socket and the name that it asks for; `None`: bytes go as they are.
pub(crate) fn upstream(
    place: &Place<'_>,
    socket: &TransportSocket,
) -> Compiled<Option<(Upstream, Option<Arc<str>>)>> {
    let any = config(place, socket)?;
    let place = place.field("typed_config");
    if type_name(any) == RAW {
        let RawBuffer {} = unpack(&place, any)?;
        return Ok(None);
    }
    let context: UpstreamTlsContext = unpack(&place, any)?;
    take!(place, &context, UpstreamTlsContext { common_tls_context, sni, auto_sni_san_validation }
        refuse {} note { auto_host_sni, allow_renegotiation, enforce_rsa_key_usage } inert { max_session_keys });
    let shared = shared(&place, common_tls_context)?;
    if !shared.others.is_empty() {
        return Err(place.refuse(
            "common_tls_context.tls_certificate_sds_secret_configs",
            "names several certificates; a client has one",
        ));
    }
    if !shared.pins.is_empty() {
        return Err(place.refuse(
            "common_tls_context.validation_context_type",
            "verify_certificate_hash and verify_certificate_spki are not supported towards servers",
        ));
    }
    let context = Upstream {
        shared,
        verify_sni: *auto_sni_san_validation,
    };
    let sni = (!sni.is_empty()).then(|| sni.as_str().into());
    Ok(Some((context, sni)))
}

/// A filter chain's socket; `None`: bytes come as they are.
pub(crate) fn downstream(
    place: &Place<'_>,
    socket: &TransportSocket,
) -> Compiled<Option<Downstream>> {
    let any = config(place, socket)?;
    let place = place.field("typed_config");
    if type_name(any) == RAW {
        let RawBuffer {} = unpack(&place, any)?;
        return Ok(None);
    }
    let context: DownstreamTlsContext = unpack(&place, any)?;
    take!(place, &context, DownstreamTlsContext { common_tls_context, require_client_certificate, require_sni, ocsp_staple_policy }
        refuse { session_ticket_keys_type }
        note { disable_stateful_session_resumption, session_timeout, full_scan_certs_on_sni_mismatch, prefer_client_ciphers }
        inert {});
    if bool_or(require_sni, false) {
        return Err(place.refuse(
            "require_sni",
            "is not supported; match server_names in the filter chain",
        ));
    }
    if *ocsp_staple_policy != OcspStaplePolicy::LenientStapling as i32 {
        return Err(place.refuse("ocsp_staple_policy", "only LENIENT_STAPLING is supported"));
    }
    let shared = shared(&place, common_tls_context)?;
    if shared.identity.is_none() {
        return Err(place.refuse(
            "common_tls_context.tls_certificate_sds_secret_configs",
            "names no certificate; a server needs one",
        ));
    }
    let require_client_certificate = bool_or(require_client_certificate, false);
    if require_client_certificate && shared.roots.is_none() {
        return Err(place.refuse(
            "common_tls_context.validation_context_type",
            "is required where client certificates are; name the secret of the trusted roots",
        ));
    }
    Ok(Some(Downstream {
        shared,
        require_client_certificate,
    }))
}

fn shared(place: &Place<'_>, given: &Option<CommonTlsContext>) -> Compiled<Shared> {
    let place = place.field("common_tls_context");
    let empty = CommonTlsContext::default();
    let given = given.as_ref().unwrap_or(&empty);
    take!(place, given, CommonTlsContext {
        tls_params, tls_certificate_sds_secret_configs, alpn_protocols, validation_context_type,
    } refuse {
        tls_certificates, tls_certificate_provider_instance, custom_tls_certificate_selector,
        tls_certificate_certificate_provider, tls_certificate_certificate_provider_instance, custom_handshaker,
    } note { key_log } inert {});
    let mut identities = Vec::with_capacity(tls_certificate_sds_secret_configs.len());
    for (index, one) in tls_certificate_sds_secret_configs.iter().enumerate() {
        let place = place.item("tls_certificate_sds_secret_configs", index);
        identities.push(reference(&place, one, Role::Identity)?);
    }
    let mut identities = identities.into_iter();
    let (roots, (names, pins)) = match validation_context_type {
        None => (None, Default::default()),
        Some(ValidationContextType::ValidationContextSdsSecretConfig(config)) => (
            Some(reference(
                &place.field("validation_context_sds_secret_config"),
                config,
                Role::Roots,
            )?),
            Default::default(),
        ),
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            let place = place.field("combined_validation_context");
            take!(place, combined, CombinedCertificateValidationContext {
                default_validation_context, validation_context_sds_secret_config,
            } refuse { validation_context_certificate_provider, validation_context_certificate_provider_instance } note {} inert {});
            let config = place.required(
                "validation_context_sds_secret_config",
                validation_context_sds_secret_config,
            )?;
            let roots = reference(
                &place.field("validation_context_sds_secret_config"),
                config,
                Role::Roots,
            )?;
            let peers = match default_validation_context {
                Some(context) => peers(&place.field("default_validation_context"), context)?,
                None => Default::default(),
            };
            (Some(roots), peers)
        }
        Some(_) => {
            return Err(place.refuse(
                "validation_context_type",
                "only secrets are supported; use combined_validation_context or validation_context_sds_secret_config",
            ));
        }
    };
    Ok(Shared {
        identity: identities.next(),
        others: identities.collect(),
        roots,
        peers: PeerNames {
            names: names.into(),
        },
        pins,
        alpn: alpn_protocols
            .iter()
            .map(|p| p.clone().into_bytes())
            .collect(),
        versions: versions(&place, tls_params)?,
    })
}

fn reference(place: &Place<'_>, given: &SdsSecretConfig, role: Role) -> Compiled<Reference> {
    take!(place, given, SdsSecretConfig { name, sds_config } refuse {} note {} inert {});
    if name.is_empty() {
        return Err(place.refuse("name", "is required; name the secret"));
    }
    Ok(Reference {
        name: name.as_str().into(),
        source: source::secret(place, "sds_config", sds_config)?,
        role,
    })
}

/// What the peer's certificate must name and be; trust itself must come by a secret.
fn peers(
    place: &Place<'_>,
    given: &CertificateValidationContext,
) -> Compiled<(Vec<SanMatch>, Pins)> {
    take!(place, given, CertificateValidationContext {
            match_typed_subject_alt_names, verify_certificate_spki, verify_certificate_hash,
        } refuse {
            trusted_ca, ca_certificate_provider_instance, system_root_certs, match_subject_alt_names, require_signed_certificate_timestamp, crl,
            allow_expired_certificate, trust_chain_verification, custom_validator_config, only_verify_leaf_cert_crl,
            max_verify_depth,
        }
        note {} inert { watched_directory, suppress_client_ca_list });
    let mut names = Vec::with_capacity(match_typed_subject_alt_names.len());
    for (index, given) in match_typed_subject_alt_names.iter().enumerate() {
        let place = place.item("match_typed_subject_alt_names", index);
        take!(place, given, SubjectAltNameMatcher { san_type, matcher } refuse { oid } note {} inert {});
        let kind = match known(&place, "san_type", *san_type)? {
            SanType::Uri => SanKind::Uri,
            SanType::Dns => SanKind::Dns,
            _ => return Err(place.refuse("san_type", "only URI and DNS are supported")),
        };
        let matcher = place.required("matcher", matcher)?;
        names.push(SanMatch {
            kind,
            pattern: text::matcher(&place, "matcher", matcher)?,
        });
    }
    let pins = Pins {
        certificates: sums(
            place,
            "verify_certificate_hash",
            verify_certificate_hash,
            pin::hexadecimal,
        )?,
        keys: sums(
            place,
            "verify_certificate_spki",
            verify_certificate_spki,
            pin::base64,
        )?,
    };
    Ok((names, pins))
}

/// The sums that a field holds.
fn sums(
    place: &Place<'_>,
    field: &str,
    texts: &[String],
    read: fn(&str) -> Option<[u8; 32]>,
) -> Compiled<Arc<[[u8; 32]]>> {
    let one = |text: &String| {
        let shown = text.escape_debug();
        read(text).ok_or_else(|| place.refuse(field, format!("`{shown}` is no SHA-256")))
    };
    texts.iter().map(one).collect()
}

fn versions(place: &Place<'_>, given: &Option<TlsParameters>) -> Compiled<Versions> {
    let both = Versions {
        tls12: true,
        tls13: true,
    };
    let Some(given) = given else { return Ok(both) };
    let place = place.field("tls_params");
    take!(place, given, TlsParameters { tls_minimum_protocol_version, tls_maximum_protocol_version, cipher_suites }
        refuse { compliance_policies } note { ecdh_curves, signature_algorithms } inert {});
    // The suites are those of the TLS library, all of them with forward secrecy and authenticated encryption: a
    // list that holds one that is not spoken asks for nothing weaker.
    if let Some(weak) = cipher_suites
        .iter()
        .find(|s| s.contains("NULL") || s.contains("RC4"))
    {
        return Err(place.refuse(
            "cipher_suites",
            format!("`{weak}` is not supported; leave it out"),
        ));
    }
    let low: TlsProtocol = known(
        &place,
        "tls_minimum_protocol_version",
        *tls_minimum_protocol_version,
    )?;
    let high: TlsProtocol = known(
        &place,
        "tls_maximum_protocol_version",
        *tls_maximum_protocol_version,
    )?;
    let versions = Versions {
        tls12: low != TlsProtocol::TlSv13
            && !matches!(high, TlsProtocol::TlSv10 | TlsProtocol::TlSv11),
        // For clients Envoy's own default is 1.2; 1.3 is no less safe.
        tls13: matches!(high, TlsProtocol::TlsAuto | TlsProtocol::TlSv13),
    };
    match versions {
        Versions {
            tls12: false,
            tls13: false,
        } => Err(place.refuse(
            "tls_maximum_protocol_version",
            "leaves no version that is supported; use TLSv1_2 or TLSv1_3",
        )),
        some => Ok(some),
    }
}
