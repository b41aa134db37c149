//! `lateen version`: of this program, the control plane and the proxies, as istioctl shows them.

use std::collections::BTreeMap;

use clap::{ArgAction, Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::mesh::Mesh;
use crate::output;
use crate::pilot::Pilot;

/// Show the versions of this program, the control plane and the proxies
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen version
  lateen version --remote=false
  lateen version -o json")]
pub struct VersionArgs {
    #[command(flatten)]
    mesh: Mesh,
    /// Versions alone; --short=false says all that is known
    #[arg(short, long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    short: bool,
    /// Ask the mesh, too
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    remote: bool,
    /// How to print
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Yaml,
    Json,
}

/// What is known of a program's build; the fields are Istio's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Build {
    version: String,
    revision: String,
    /// Empty: nothing here is written in Go.
    golang_version: String,
    status: String,
    tag: String,
}

impl Build {
    fn own() -> Self {
        Self::of(concat!(env!("CARGO_PKG_VERSION"), "-unknown-unknown"))
    }

    /// From `VERSION-REVISION-STATUS`, where the version may have dashes of its own, and the revision a `-dirty`.
    fn of(text: &str) -> Self {
        let mut parts: Vec<&str> = text.trim().split('-').collect();
        let whole = parts.len() >= 3;
        let status = whole.then(|| parts.pop()).flatten().unwrap_or("unknown");
        let mut revision = whole.then(|| parts.pop()).flatten().unwrap_or("unknown");
        let dirty;
        if revision == "dirty"
            && let Some(before) = parts.pop()
        {
            dirty = format!("{before}-dirty");
            revision = &dirty;
        }
        let version = parts.join("-");
        Build {
            revision: revision.to_owned(),
            golang_version: String::new(),
            status: status.to_owned(),
            tag: version.clone(),
            version,
        }
    }

    /// All of it, as Istio prints it.
    fn long(&self) -> String {
        format!(
            "version.BuildInfo{{Version:{:?}, GitRevision:{:?}, GolangVersion:{:?}, BuildStatus:{:?}, GitTag:{:?}}}",
            self.version, self.revision, self.golang_version, self.status, self.tag
        )
    }
}

/// One pilot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    component: String,
    revision: String,
    info: Build,
}

/// One proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Proxy {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "IstioVersion")]
    istio_version: String,
    #[serde(rename = "Type")]
    kind: String,
}

/// All versions; none of what was not asked or did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    client_version: Build,
    #[serde(skip_serializing_if = "Option::is_none")]
    mesh_version: Option<Vec<Server>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_plane_version: Option<Vec<Proxy>>,
}

/// Runs `version`.
///
/// # Errors
/// What to print and the exit status.
pub fn run(args: VersionArgs) -> Result<(), Failure> {
    let mut versions = Versions {
        client_version: Build::own(),
        mesh_version: None,
        data_plane_version: None,
    };
    if args.remote {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let cluster = args.mesh.cluster();
        match runtime.block_on(remote(&cluster, args.mesh.istio_namespace())) {
            Ok((servers, proxies)) => {
                versions.mesh_version = Some(servers);
                versions.data_plane_version = Some(proxies);
            }
            // As with istioctl: what is known is said all the same.
            Err(failure) => eprintln!("{}", failure.message),
        }
    }
    let text = match args.output {
        None if args.short => short(&versions),
        None => long(&versions),
        Some(format) => {
            let value: Value = serde_json::to_value(&versions)
                .map_err(|error| Failure::error(error.to_string()))?;
            let value = [value];
            match format {
                Output::Json => local::print::json(&value, true),
                Output::Yaml => local::print::yaml(&value, true),
            }
            .map_err(Failure::error)?
        }
    };
    output::text(&text)
}

async fn remote(
    cluster: &dyn Cluster,
    istio_namespace: &str,
) -> Result<(Vec<Server>, Vec<Proxy>), Failure> {
    let (mut servers, mut proxies) = (Vec::new(), Vec::new());
    for pilot in Pilot::all(cluster, istio_namespace).await? {
        let info = Build::of(&pilot.page(cluster, "/version").await?);
        let connected = pilot.proxies(cluster).await?;
        proxies.extend(connected.into_iter().map(|proxy| Proxy {
            id: proxy.name,
            istio_version: proxy.version,
            kind: match proxy.kind.as_str() {
                "router" => "gateway".to_owned(),
                _ => proxy.kind,
            },
        }));
        servers.push(Server {
            component: pilot.component,
            revision: pilot.revision,
            info,
        });
    }
    Ok((servers, proxies))
}

fn short(versions: &Versions) -> String {
    let mut lines = vec![format!(
        "client version: {}",
        versions.client_version.version
    )];
    let servers = versions.mesh_version.as_deref().unwrap_or_default();
    match servers {
        [first, others @ ..] if others.iter().all(|o| o.info.version == first.info.version) => {
            lines.push(format!("control plane version: {}", first.info.version));
        }
        servers => lines.extend(
            servers
                .iter()
                .map(|server| format!("{} version: {}", server.component, server.info.version)),
        ),
    }
    if let Some(proxies) = &versions.data_plane_version {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for proxy in proxies {
            *counts.entry(&proxy.istio_version).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .into_iter()
            .map(|(version, count)| format!("{version} ({count} proxies)"))
            .collect();
        let counts = match counts.is_empty() {
            true => "none".to_owned(),
            false => counts.join(", "),
        };
        lines.push(format!("data plane version: {counts}"));
    }
    lines.join("\n") + "\n"
}

fn long(versions: &Versions) -> String {
    let mut lines = vec![format!(
        "client version: {}",
        versions.client_version.long()
    )];
    let servers = versions.mesh_version.iter().flatten();
    lines.extend(
        servers.map(|server| format!("{} version: {}", server.component, server.info.long())),
    );
    let proxies = versions.data_plane_version.iter().flatten();
    lines.extend(proxies.map(|proxy| {
        format!(
            "data plane version: version.ProxyInfo{{ID:{:?}, IstioVersion:{:?}, Type:{:?}}}",
            proxy.id, proxy.istio_version, proxy.kind
        )
    }));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn versions(pilots: &[&str], proxies: &[&str]) -> Versions {
        let server = |version: &&str| Server {
            component: "pilot".to_owned(),
            revision: "default".to_owned(),
            info: Build::of(version),
        };
        let proxy = |version: &&str| Proxy {
            id: "web.shop".to_owned(),
            istio_version: (*version).to_owned(),
            kind: "sidecar".to_owned(),
        };
        Versions {
            client_version: Build::of("1.2-abc-Clean"),
            mesh_version: Some(pilots.iter().map(server).collect()),
            data_plane_version: Some(proxies.iter().map(proxy).collect()),
        }
    }

    #[test]
    fn a_control_plane_of_one_version_is_one_line_and_proxies_are_counted() {
        let all = versions(
            &["1.2-abc-Clean", "1.2-abc-Clean"],
            &["1.32.0", "1.31.1", "1.32.0"],
        );
        let expected = "\
client version: 1.2
control plane version: 1.2
data plane version: 1.31.1 (1 proxies), 1.32.0 (2 proxies)
";
        assert_eq!(short(&all), expected);
        let expected = "\
client version: 1.2
pilot version: 1.2
pilot version: 1.3
data plane version: none
";
        assert_eq!(short(&versions(&["1.2-a-b", "1.3-a-b"], &[])), expected);
    }

    #[test]
    fn without_the_mesh_only_the_program_is_told() {
        let mut own = versions(&[], &[]);
        own.mesh_version = None;
        own.data_plane_version = None;
        assert_eq!(short(&own), "client version: 1.2\n");
        let value = serde_json::to_value(&own).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 1);
        assert_eq!(value["clientVersion"]["revision"], "abc");
    }

    #[test]
    fn the_long_form_is_istios() {
        let all = versions(&["1.2-abc-Clean"], &["1.32.0"]);
        let expected = "\
client version: version.BuildInfo{Version:\"1.2\", GitRevision:\"abc\", GolangVersion:\"\", BuildStatus:\"Clean\", GitTag:\"1.2\"}
pilot version: version.BuildInfo{Version:\"1.2\", GitRevision:\"abc\", GolangVersion:\"\", BuildStatus:\"Clean\", GitTag:\"1.2\"}
data plane version: version.ProxyInfo{ID:\"web.shop\", IstioVersion:\"1.32.0\", Type:\"sidecar\"}
";
        assert_eq!(long(&all), expected);
    }

    #[test]
    fn a_pilots_version_is_read_with_and_without_its_revision() {
        let of = |text: &str| {
            let build = Build::of(text);
            [build.version, build.revision, build.status]
        };
        assert_eq!(
            of("1.12.0-custom-016bc-Clean\n"),
            ["1.12.0-custom", "016bc", "Clean"]
        );
        assert_eq!(
            of("1.12.0-016bc-dirty-Modified"),
            ["1.12.0", "016bc-dirty", "Modified"]
        );
        assert_eq!(of("1.12.0"), ["1.12.0", "unknown", "unknown"]);
    }
}
