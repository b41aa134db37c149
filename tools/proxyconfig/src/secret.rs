//! `proxy-config secret`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;

use crate::dump::{ConfigDump, DumpError, text};
use crate::table::{Listing, Table};

/// A line for each certificate chain (its leaf) and each bundle of roots (its first) that the proxy has. `now` decides
/// which are valid.
///
/// # Errors
/// Where the dump has no secrets.
pub fn table(
    dump: &ConfigDump,
    now: OffsetDateTime,
    listing: Listing,
) -> Result<String, DumpError> {
    let heading = [
        "RESOURCE NAME",
        "TYPE",
        "STATUS",
        "VALID CERT",
        "SERIAL NUMBER",
        "NOT AFTER",
        "NOT BEFORE",
    ];
    let mut table = Table::new(&heading, 5);
    for (state, secret) in dump.secrets()? {
        let (kind, chain) = material(secret);
        let facts = chain.as_deref().and_then(|chain| Facts::read(chain, now));
        let facts = facts.unwrap_or_else(|| Facts {
            valid: false,
            serial: String::new(),
            not_after: String::new(),
            not_before: String::new(),
        });
        table.line([
            listing.name("secret", text(secret, "/name")),
            kind.to_owned(),
            state.to_owned(),
            facts.valid.to_string(),
            facts.serial,
            facts.not_after,
            facts.not_before,
        ]);
    }
    Ok(table.text())
}

/// The mesh's roots that the proxy has, each as DER; none where it has no secret `ROOTCA`.
///
/// # Errors
/// Where the dump has no secrets.
pub fn roots(dump: &ConfigDump) -> Result<Vec<Vec<u8>>, DumpError> {
    let secrets = dump.secrets()?;
    let root =
        |(state, secret): &(&str, &Value)| *state == "ACTIVE" && text(secret, "/name") == "ROOTCA";
    let pem = secrets
        .into_iter()
        .find(root)
        .and_then(|(_, secret)| material(secret).1)
        .unwrap_or_default();
    let all = Pem::iter_from_buffer(&pem);
    Ok(all.filter_map(Result::ok).map(|one| one.contents).collect())
}

/// What a secret is, and the PEM of its certificates.
fn material(secret: &Value) -> (&'static str, Option<Vec<u8>>) {
    let of = |pointer: &str| {
        let source = secret.pointer(pointer)?;
        match text(source, "/inline_bytes") {
            "" => Some(text(source, "/inline_string").as_bytes().to_vec()),
            coded => BASE64_STANDARD.decode(coded).ok(),
        }
    };
    match secret.pointer("/secret/tls_certificate") {
        Some(_) => (
            "Cert Chain",
            of("/secret/tls_certificate/certificate_chain"),
        ),
        None => ("CA", of("/secret/validation_context/trusted_ca")),
    }
}

struct Facts {
    valid: bool,
    serial: String,
    not_after: String,
    not_before: String,
}

impl Facts {
    fn read(pem: &[u8], now: OffsetDateTime) -> Option<Self> {
        let first = Pem::iter_from_buffer(pem).next()?.ok()?;
        let certificate: X509Certificate<'_> = first.parse_x509().ok()?;
        let validity = certificate.validity();
        let (from, to) = (
            validity.not_before.to_datetime(),
            validity.not_after.to_datetime(),
        );
        Some(Facts {
            valid: from <= now && now <= to,
            serial: format!(
                "{:0>32}",
                format!("{:x}", certificate.tbs_certificate.serial)
            ),
            not_after: to.format(&Rfc3339).ok()?,
            not_before: from.format(&Rfc3339).ok()?,
        })
    }
}
