//! `proxy-config bootstrap -o short`: the versions of a proxy.

use serde_json::Value;

use crate::dump::{ConfigDump, DumpError, text};
use crate::table::Table;

/// The versions of Istio and Envoy that the proxy says it has.
///
/// # Errors
/// Where the dump has no bootstrap.
pub fn summary(dump: &ConfigDump) -> Result<String, DumpError> {
    let bootstrap = dump.bootstrap()?;
    let metadata = |name: &str| text(bootstrap, &format!("/bootstrap/node/metadata/{name}"));
    let proxy = metadata("ISTIO_PROXY_SHA");
    let proxy = proxy.split(':').nth(1).unwrap_or(proxy);
    let mut table = Table::plain(1);
    for (name, version) in [
        ("Istio Version:", metadata("ISTIO_VERSION")),
        ("Istio Proxy Version:", proxy),
        ("Envoy Version:", &envoy_version(bootstrap)),
    ] {
        if !version.is_empty() {
            table.line([name.to_owned(), version.to_owned()]);
        }
    }
    Ok(table.text())
}

/// `1.36.0/Clean/RELEASE/BoringSSL`.
fn envoy_version(bootstrap: &Value) -> String {
    let build = "/bootstrap/node/user_agent_build_version";
    let number = |name: &str| {
        let number = bootstrap.pointer(&format!("{build}/version/{name}"));
        number.and_then(Value::as_u64).unwrap_or(0)
    };
    let version = ["major_number", "minor_number", "patch"].map(|name| number(name).to_string());
    let mut version = version.join(".");
    for (before, name) in [
        ('-', "build.label"),
        ('/', "revision.status"),
        ('/', "build.type"),
        ('/', "ssl.version"),
    ] {
        match text(bootstrap, &format!("{build}/metadata/{name}")) {
            "" => {}
            label => version.extend([&before.to_string(), label]),
        }
    }
    version
}
