//! What is written can be read again, and the same input gives the same bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use oci::archive::Image;
use oci::write::{ImageSpec, image};

fn spec() -> ImageSpec {
    ImageSpec {
        tag: "lateen/proxy:dev".into(),
        files: [(PathBuf::from("/usr/local/bin/proxy"), b"\x7fELF".to_vec())].into(),
        links: [(
            PathBuf::from("/usr/local/bin/pilot-agent"),
            PathBuf::from("proxy"),
        )]
        .into(),
        writable: vec!["/etc/istio/proxy".into()],
        entrypoint: vec!["/usr/local/bin/pilot-agent".into()],
        user: "1337:1337".into(),
        ..ImageSpec::default()
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    assert_eq!(
        image(&spec()).unwrap().archive,
        image(&spec()).unwrap().archive
    );
}

#[test]
fn an_image_reads_back_with_its_configuration_links_and_modes() {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("proxy.tar");
    let written = image(&spec()).unwrap();
    std::fs::write(&tar, &written.archive).unwrap();

    let read = Image::open(&tar).unwrap();
    assert_eq!(read.references(), ["lateen/proxy:dev"]);
    assert_eq!(read.digest(), written.digest.to_string());
    assert_eq!(read.entrypoint(), ["/usr/local/bin/pilot-agent"]);
    assert_eq!(read.user(), "1337:1337");

    let root = read.unpack(directory.path()).unwrap();
    let program = root.join("usr/local/bin/proxy");
    assert_eq!(
        std::fs::metadata(&program).unwrap().permissions().mode() & 0o777,
        0o755
    );
    let link = std::fs::read_link(root.join("usr/local/bin/pilot-agent")).unwrap();
    assert_eq!(link, PathBuf::from("proxy"));
    let writable = std::fs::metadata(root.join("etc/istio/proxy")).unwrap();
    assert_eq!(writable.permissions().mode() & 0o7777, 0o1777);
    assert_eq!(
        read.unpack(directory.path()).unwrap(),
        root,
        "unpacked once"
    );
}

#[test]
fn a_file_that_is_no_image_is_named_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("notes.tar");
    std::fs::write(&tar, [0u8; 1024]).unwrap();
    let message = Image::open(&tar).unwrap_err().to_string();
    assert!(
        message.contains("notes.tar") && message.contains("index.json"),
        "{message}"
    );
}

#[test]
fn a_damaged_layer_is_refused_and_nothing_stays_unpacked() {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("proxy.tar");
    let mut bytes = image(&spec()).unwrap().archive;
    let at = bytes.windows(4).rposition(|w| w == b"\x7fELF").unwrap();
    bytes[at] = b'X';
    std::fs::write(&tar, bytes).unwrap();
    let cache = directory.path().join("cache");
    let message = Image::open(&tar)
        .unwrap()
        .unpack(&cache)
        .unwrap_err()
        .to_string();
    assert!(message.contains("damaged"), "{message}");
    assert_eq!(std::fs::read_dir(&cache).map_or(0, Iterator::count), 0);
}
