#![allow(clippy::unwrap_used)]
use super::*;

/// A layer of empty files and symbolic links.
fn layer(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, link) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(nix::unistd::geteuid().as_raw().into());
        header.set_gid(nix::unistd::getegid().as_raw().into());
        header.set_size(0);
        match link {
            Some(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, path, target).unwrap();
            }
            None => tar
                .append_data(&mut header, path, std::io::empty())
                .unwrap(),
        }
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_whiteout_hides_a_name_or_a_whole_folder() {
    let root = tempfile::tempdir().unwrap();
    let below = layer(&[
        ("a/one", None),
        ("a/two", None),
        ("b/three", None),
        ("c/.opq", None),
    ]);
    apply(&below, root.path()).unwrap();
    let above = layer(&[
        ("a/.wh.one", None),
        ("b/.wh..wh..opq", None),
        ("c/.wh..opq", None),
        ("nowhere/.wh.x", None),
    ]);
    apply(&above, root.path()).unwrap();
    for (path, there) in [
        ("a/one", false),
        ("a/two", true),
        ("b/three", false),
        ("b", true),
    ] {
        assert_eq!(root.path().join(path).exists(), there, "{path}");
    }
    assert!(!root.path().join("c/.opq").exists());
    assert!(root.path().join("c").exists());
}

#[test]
fn a_whiteout_behind_a_symbolic_link_removes_nothing_outside_the_image() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "kept").unwrap();
    let root = tempfile::tempdir().unwrap();
    apply(&layer(&[("way-out", outside.path().to_str())]), root.path()).unwrap();
    for whiteout in ["way-out/.wh.victim", "way-out/.wh..wh..opq"] {
        apply(&layer(&[(whiteout, None)]), root.path()).unwrap();
        assert!(victim.exists(), "{whiteout}");
    }
}

#[test]
fn a_whiteout_of_the_folder_itself_hides_nothing() {
    let root = tempfile::tempdir().unwrap();
    apply(&layer(&[("a/one", None)]), root.path()).unwrap();
    for name in ["a/.wh..", "a/.wh.", "a/.wh..."] {
        apply(&layer(&[(name, None)]), root.path()).unwrap();
        assert!(root.path().join("a/one").exists(), "{name}");
    }
}
