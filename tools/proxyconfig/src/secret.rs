//! `proxy-config secret`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

use crate::dump::{ConfigDump, DumpError, list, text};
use crate::table::{Listing, Table};

const HEADING: [&str; 7] = [
    "RESOURCE NAME",
    "TYPE",
    "STATUS",
    "VALID CERT",
    "SERIAL NUMBER",
    "NOT AFTER",
    "NOT BEFORE",
];
/// Validation by one bundle of roots for each trust domain.
const SPIFFE: &str = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";

/// A line for each certificate chain (its leaf) and each bundle of roots (its first) that the proxy has. `now` decides
/// which are valid. Where each has a trust domain, that is shown too, as Istio does for federated meshes.
///
/// # Errors
/// Where the dump has no secrets.
pub fn table(
    dump: &ConfigDump,
    now: OffsetDateTime,
    listing: Listing,
) -> Result<String, DumpError> {
    let mut items = Vec::new();
    for (state, secret) in dump.secrets()? {
        let name = text(secret, "/name");
        for bundle in material(secret) {
            let facts = Facts::read(&bundle, now).unwrap_or_default();
            items.push((listing.name("secret", name), state, facts));
        }
    }
    if items.is_empty() {
        return Ok("No active or warming secrets found.\n".to_owned());
    }
    let federated = items
        .iter()
        .all(|(_, _, facts)| facts.trust_domain.is_some());
    let mut heading = HEADING.to_vec();
    heading.extend(federated.then_some("TRUST DOMAIN"));
    let mut table = Table::new(&heading, 5);
    for (name, state, facts) in items {
        let cells = [
            name,
            facts.kind.to_owned(),
            state.to_owned(),
            facts.valid.to_string(),
            facts.serial,
            facts.not_after,
            facts.not_before,
        ];
        let domain = facts.trust_domain.filter(|_| federated);
        table.line(cells.into_iter().chain(domain));
    }
    Ok(table.text())
}

/// The mesh's roots that the proxy has, each as DER; none where it has no secret `ROOTCA`.
///
/// # Errors
/// Where the dump has no secrets.
pub fn roots(dump: &ConfigDump) -> Result<Vec<Vec<u8>>, DumpError> {
    let secrets = dump.secrets()?.into_iter();
    let bundles = secrets
        .filter(|(state, secret)| *state == "ACTIVE" && text(secret, "/name") == "ROOTCA")
        .flat_map(|(_, secret)| material(secret));
    let mut roots = Vec::new();
    for bundle in bundles {
        let all = Pem::iter_from_buffer(&bundle.pem);
        roots.extend(all.filter_map(Result::ok).map(|one| one.contents));
    }
    Ok(roots)
}

/// Certificates that belong together.
struct Bundle {
    pem: Vec<u8>,
    /// Where the proxy was told whose they are.
    trust_domain: Option<String>,
}

/// What a secret holds; one bundle of nothing where that is nothing.
fn material(secret: &Value) -> Vec<Bundle> {
    let whole = |pem| Bundle {
        pem,
        trust_domain: None,
    };
    let chain = source(secret, "/secret/tls_certificate/certificate_chain");
    let roots = || source(secret, "/secret/validation_context/trusted_ca");
    if let Some(pem) = chain.or_else(roots) {
        return vec![whole(pem)];
    }
    let validator = "/secret/validation_context/custom_validator_config/typed_config";
    let Some(config) = secret.pointer(validator) else {
        return vec![whole(Vec::new())];
    };
    if !text(config, "/@type").ends_with(SPIFFE) {
        return vec![whole(Vec::new())];
    }
    list(config, "/trust_domains")
        .map(|domain| Bundle {
            pem: source(domain, "/trust_bundle").unwrap_or_default(),
            trust_domain: Some(text(domain, "/name").to_owned()),
        })
        .collect()
}

/// The bytes of a data source; none where there are none.
fn source(value: &Value, pointer: &str) -> Option<Vec<u8>> {
    let source = value.pointer(pointer)?;
    let bytes = match text(source, "/inline_bytes") {
        "" => text(source, "/inline_string").as_bytes().to_vec(),
        coded => BASE64_STANDARD.decode(coded).ok()?,
    };
    (!bytes.is_empty()).then_some(bytes)
}

/// What is shown of the first certificate of a bundle; empty of none.
#[derive(Default)]
struct Facts {
    kind: &'static str,
    valid: bool,
    serial: String,
    not_after: String,
    not_before: String,
    trust_domain: Option<String>,
}

impl Facts {
    fn read(bundle: &Bundle, now: OffsetDateTime) -> Option<Self> {
        let first = Pem::iter_from_buffer(&bundle.pem).next()?.ok()?;
        let certificate: X509Certificate<'_> = first.parse_x509().ok()?;
        let validity = certificate.validity();
        let (from, to) = (
            validity.not_before.to_datetime(),
            validity.not_after.to_datetime(),
        );
        let told = bundle.trust_domain.clone();
        Some(Facts {
            kind: match certificate.is_ca() {
                true => "CA",
                false => "Cert Chain",
            },
            valid: from <= now && now <= to,
            serial: format!(
                "{:0>32}",
                format!("{:x}", certificate.tbs_certificate.serial)
            ),
            not_after: to.format(&Rfc3339).ok()?,
            not_before: from.format(&Rfc3339).ok()?,
            trust_domain: told.or_else(|| trust_domain(&certificate)),
        })
    }
}

/// The trust domain of a certificate's SPIFFE id.
fn trust_domain(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok()??;
    names
        .value
        .general_names
        .iter()
        .find_map(|name| match name {
            GeneralName::URI(uri) => {
                let id = uri.strip_prefix("spiffe://")?;
                id.split('/').next().map(str::to_owned)
            }
            _ => None,
        })
}
