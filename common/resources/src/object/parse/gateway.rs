//! The rules of a Gateway, as Istio's validation has them.

use std::collections::BTreeSet;

use super::refused;
use crate::istio::Gateway;
use crate::istio::gateway::{Server, ServerTlsMode, ServerTlsSettings};
use crate::problem::Problem;
use crate::yaml::RawObject;

/// What Istio knows as a port's protocol, in any case.
const PROTOCOLS: [&str; 11] = [
    "HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "MYSQL", "REDIS", "TCP", "TLS", "HBONE",
];

pub(super) fn check(raw: &RawObject, object: &Gateway) -> Result<(), Problem> {
    let servers = &object.spec.servers;
    if servers.is_empty() {
        return Err(refused(
            raw,
            "spec.servers",
            "gateway must have at least one server",
        ));
    }
    let mut names = BTreeSet::new();
    for (n, of) in servers.iter().enumerate() {
        let path = format!("spec.servers[{n}]");
        let wrong = |(field, why): (&str, String)| refused(raw, &format!("{path}{field}"), why);
        server(of).map_err(wrong)?;
        let name = of.port.as_ref().map_or("", |port| &port.name);
        if !names.insert(name) {
            return Err(wrong((
                ".port.name",
                format!("port names in servers must be unique: duplicate name {name}"),
            )));
        }
    }
    Ok(())
}

/// The field below the server and what is wrong with it.
fn server(server: &Server) -> Result<(), (&'static str, String)> {
    if server.hosts.is_empty() {
        return Err((
            ".hosts",
            "server config must contain at least one host".to_owned(),
        ));
    }
    for host in &server.hosts {
        host_is_sound(host).map_err(|why| (".hosts", why))?;
    }
    let Some(port) = &server.port else {
        return Err((".port", "port is required".to_owned()));
    };
    if port.number == 0 {
        return Err((
            ".port.number",
            "port number 0 must be in the range 1..65535".to_owned(),
        ));
    }
    if port.name.is_empty() {
        return Err((".port.name", "port name must be set".to_owned()));
    }
    let protocol = port.protocol.to_ascii_uppercase();
    if !PROTOCOLS.contains(&protocol.as_str()) {
        return Err((
            ".port.protocol",
            format!(
                "invalid protocol {:?}, supported protocols are {}",
                port.protocol,
                PROTOCOLS.join(", ")
            ),
        ));
    }
    let is_tls = matches!(protocol.as_str(), "HTTPS" | "TLS");
    match &server.tls {
        None if is_tls => Err((
            ".tls",
            format!("server must have TLS settings for HTTPS/TLS protocols, which {protocol} is"),
        )),
        Some(tls) if !is_tls && protocol != "HTTP" && wants_tls(tls) => Err((
            ".tls",
            format!("server cannot have TLS settings for non HTTPS/TLS ports, which {protocol} is"),
        )),
        Some(tls) if is_tls => settings(tls),
        _ => Ok(()),
    }
}

fn wants_tls(tls: &ServerTlsSettings) -> bool {
    tls.mode != ServerTlsMode::Passthrough || !tls.https_redirect
}

fn settings(tls: &ServerTlsSettings) -> Result<(), (&'static str, String)> {
    let by_secret = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    let verifies = matches!(
        tls.mode,
        ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual
    );
    if tls.mode == ServerTlsMode::IstioMutual {
        let all = [
            &tls.server_certificate,
            &tls.private_key,
            &tls.ca_certificates,
            &tls.credential_name,
        ];
        return match all.iter().all(|of| of.is_empty()) {
            true => Ok(()),
            false => Err((
                ".tls",
                "ISTIO_MUTUAL TLS cannot have certificates of its own".to_owned(),
            )),
        };
    }
    if (tls.mode == ServerTlsMode::Simple || verifies)
        && !by_secret
        && tls.tls_certificates.is_empty()
    {
        if tls.server_certificate.is_empty() {
            return Err((
                ".tls.serverCertificate",
                "SIMPLE TLS requires a server certificate: name a credentialName, or files"
                    .to_owned(),
            ));
        }
        if tls.private_key.is_empty() {
            return Err((
                ".tls.privateKey",
                "SIMPLE TLS requires a private key: name a credentialName, or files".to_owned(),
            ));
        }
        if verifies && tls.ca_certificates.is_empty() && tls.ca_cert_credential_name.is_empty() {
            return Err((
                ".tls.caCertificates",
                "MUTUAL TLS requires a client CA bundle".to_owned(),
            ));
        }
    }
    Ok(())
}

/// `[NAMESPACE/]HOST`, the host being `*`, `*.DOMAIN` or a name.
fn host_is_sound(text: &str) -> Result<(), String> {
    let (namespace, host) = match text.split_once('/') {
        Some((namespace, host)) => (Some(namespace), host),
        None => (None, text),
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if let Some(namespace) = namespace
        && !matches!(namespace, "*" | ".")
        && !label(namespace)
    {
        return Err(format!("invalid namespace value {namespace:?} in {text:?}"));
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    if host == "*" || (host.len() <= 253 && name.split('.').all(label)) {
        return Ok(());
    }
    Err(format!(
        "invalid host {host:?}: write a DNS name, *.DOMAIN or *"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::object::Object;
    use crate::yaml::load;

    fn parse(server: &str) -> Result<(), String> {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: g}}\nspec:\n  servers:\n  - {server}\n"
        );
        let loaded = load(&text, "g.yaml");
        let object = loaded.objects.first().unwrap();
        Object::parse(object)
            .map(|_| ())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_istio_takes_is_taken() {
        for server in [
            "{port: {number: 80, name: http, protocol: HTTP}, hosts: [www.service1.io]}",
            "{port: {number: 80, name: http, protocol: http}, hosts: ['*'], tls: {httpsRedirect: true}}",
            "{port: {number: 443, name: s, protocol: HTTPS}, hosts: ['ns/*.a.io'], tls: {mode: SIMPLE, credentialName: c}}",
            "{port: {number: 443, name: s, protocol: TLS}, hosts: ['./a.io'], tls: {}}",
            "{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a], tls: {mode: ISTIO_MUTUAL}}",
            "{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a], tls: {mode: MUTUAL, serverCertificate: a, privateKey: b, caCertificates: c}}",
        ] {
            assert_eq!(parse(server), Ok(()), "{server}");
        }
    }

    #[test]
    fn what_istio_refuses_is_refused_with_its_field() {
        for (server, field) in [
            (
                "{port: {number: 80, name: http, protocol: HTTP}}",
                "servers[0].hosts",
            ),
            ("{hosts: ['*']}", "servers[0].port"),
            (
                "{port: {number: 0, name: h, protocol: HTTP}, hosts: ['*']}",
                "port.number",
            ),
            (
                "{port: {number: 80, protocol: HTTP}, hosts: ['*']}",
                "port.name",
            ),
            (
                "{port: {number: 80, name: h, protocol: FTP}, hosts: ['*']}",
                "port.protocol",
            ),
            (
                "{port: {number: 443, name: h, protocol: HTTPS}, hosts: ['*']}",
                "servers[0].tls",
            ),
            (
                "{port: {number: 443, name: h, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE}}",
                "serverCertificate",
            ),
            (
                "{port: {number: 443, name: h, protocol: HTTPS}, hosts: ['*'], tls: {mode: ISTIO_MUTUAL, credentialName: c}}",
                "servers[0].tls",
            ),
            (
                "{port: {number: 80, name: h, protocol: HTTP}, hosts: ['a.*.b']}",
                "servers[0].hosts",
            ),
            (
                "{port: {number: 80, name: h, protocol: HTTP}, hosts: ['a/b/c']}",
                "servers[0].hosts",
            ),
            (
                "{port: {number: 80, name: h, protocol: GRPC}, hosts: [a], tls: {mode: SIMPLE, credentialName: c}}",
                "servers[0].tls",
            ),
        ] {
            let error = parse(server).unwrap_err();
            assert!(error.contains(field), "{server}: {error}");
        }
    }
}
