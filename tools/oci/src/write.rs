//! An image from a list of files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, DescriptorBuilder, ImageConfigurationBuilder,
    ImageIndexBuilder, ImageManifestBuilder, MediaType, Os, RootFsBuilder, Sha256Digest,
};

use crate::digest::Digest;
use crate::layer::Layer;

/// What an image holds and how it is started.
#[derive(Debug, Clone, Default)]
pub struct ImageSpec {
    /// The reference, `name:tag`.
    pub tag: String,
    /// Programs: path in the image and content; mode 0755.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Symbolic links: path in the image and target.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Directories that the program's user may write (mode 1777).
    pub writable: Vec<PathBuf>,
    /// `config.Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `config.Cmd`.
    pub command: Vec<String>,
    /// `config.Env`, `NAME=value`.
    pub environment: Vec<String>,
    /// `config.User`, `uid:gid`.
    pub user: String,
}

/// A finished image.
#[derive(Debug)]
pub struct Written {
    /// The tar: OCI layout and docker archive.
    pub archive: Vec<u8>,
    /// The digest of the image manifest, which names the image.
    pub digest: Digest,
}

/// An image could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A path does not fit a tar header.
    #[error("image layer: {0}")]
    Layer(#[from] io::Error),
    /// A field of the image's own documents is missing or too large.
    #[error("image configuration: {0}")]
    Spec(#[from] oci_spec::OciSpecError),
    /// A document cannot be written as JSON.
    #[error("image configuration: {0}")]
    Json(#[from] serde_json::Error),
}

const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin\nistio-proxy:x:1337:1337:istio-proxy:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nistio-proxy:x:1337:\nnonroot:x:65532:\n";
/// A static glibc would otherwise look for name-service modules that the image lacks.
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// Writes the image that `spec` describes: the same bytes for the same `spec`, on any machine.
///
/// # Errors
/// [`WriteError`] when a path does not fit a tar, or a field of the configuration is unusable.
pub fn image(spec: &ImageSpec) -> Result<Written, WriteError> {
    let layers = [base_layer(spec)?, program_layer(spec)?];
    let digests: Vec<Digest> = layers.iter().map(|l| Digest::of(l)).collect();
    let config = serde_json::to_vec(&configuration(spec, &digests)?)?;
    let config_digest = Digest::of(&config);

    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(descriptor(MediaType::ImageConfig, &config)?)
        .layers(
            layers
                .iter()
                .map(|l| descriptor(MediaType::ImageLayer, l))
                .collect::<Result<Vec<_>, _>>()?,
        )
        .build()?;
    let manifest = serde_json::to_vec(&manifest)?;
    let digest = Digest::of(&manifest);

    let mut named = descriptor(MediaType::ImageManifest, &manifest)?;
    let short = spec.tag.rsplit(':').next().unwrap_or(&spec.tag);
    named.set_annotations(Some(
        [
            ("io.containerd.image.name", spec.tag.as_str()),
            ("org.opencontainers.image.ref.name", short),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
    ));
    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests(vec![named])
        .build()?;
    let docker = serde_json::json!([{
        "Config": blob(&config_digest),
        "RepoTags": [spec.tag],
        "Layers": digests.iter().map(blob).collect::<Vec<_>>(),
    }]);

    let mut archive = Layer::default();
    archive.file(
        Path::new("oci-layout"),
        0o644,
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    archive.file(
        Path::new("index.json"),
        0o644,
        // Annotations are a hash map: sorted keys keep the bytes the same from run to run.
        serde_json::to_value(&index)
            .map(sorted)?
            .to_string()
            .as_bytes(),
    )?;
    archive.file(
        Path::new("manifest.json"),
        0o644,
        docker.to_string().as_bytes(),
    )?;
    let mut blobs: BTreeMap<String, &[u8]> = BTreeMap::new();
    blobs.insert(blob(&digest), &manifest);
    blobs.insert(blob(&config_digest), &config);
    for (name, layer) in digests.iter().map(blob).zip(&layers) {
        blobs.insert(name, layer);
    }
    for (name, content) in blobs {
        archive.file(Path::new(&name), 0o644, content)?;
    }
    Ok(Written {
        archive: archive.finish()?,
        digest,
    })
}

fn base_layer(spec: &ImageSpec) -> io::Result<Vec<u8>> {
    let mut layer = Layer::default();
    layer.directory(Path::new("etc"), 0o755)?;
    for (name, content) in [
        ("etc/group", GROUP),
        ("etc/nsswitch.conf", NSSWITCH),
        ("etc/passwd", PASSWD),
    ] {
        layer.file(Path::new(name), 0o644, content.as_bytes())?;
    }
    layer.directory(Path::new("tmp"), 0o1777)?;
    for directory in &spec.writable {
        layer.directory(directory, 0o1777)?;
    }
    layer.finish()
}

fn program_layer(spec: &ImageSpec) -> io::Result<Vec<u8>> {
    let mut layer = Layer::default();
    for (path, content) in &spec.files {
        layer.file(path, 0o755, content)?;
    }
    for (path, target) in &spec.links {
        layer.link(path, target)?;
    }
    layer.finish()
}

fn configuration(
    spec: &ImageSpec,
    layers: &[Digest],
) -> Result<oci_spec::image::ImageConfiguration, oci_spec::OciSpecError> {
    let config = ConfigBuilder::default()
        .user(spec.user.clone())
        .env(spec.environment.clone())
        .entrypoint(spec.entrypoint.clone())
        .cmd(spec.command.clone())
        .working_dir("/")
        .build()?;
    ImageConfigurationBuilder::default()
        .created("1970-01-01T00:00:00Z")
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(config)
        .rootfs(
            RootFsBuilder::default()
                .typ("layers")
                .diff_ids(layers.iter().map(Digest::to_string).collect::<Vec<_>>())
                .build()?,
        )
        .history(Vec::new())
        .build()
}

fn descriptor(media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, oci_spec::OciSpecError> {
    let digest: Sha256Digest = Digest::of(bytes).hex().parse()?;
    DescriptorBuilder::default()
        .media_type(media_type)
        .digest(digest)
        .size(bytes.len() as u64)
        .build()
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The same JSON with the keys of every object in order.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            let ordered: BTreeMap<String, serde_json::Value> =
                map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            ordered.into_iter().collect()
        }
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
