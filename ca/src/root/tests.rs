#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn domain() -> TrustDomain {
    "cluster.local".parse().unwrap()
}

fn kept_in(directory: &Path) -> RootDirectory {
    RootDirectory {
        path: directory.to_owned(),
        trust_domain: domain(),
        renewal: Renewal::default(),
    }
}

fn open(directory: &Path) -> Result<Root, RootError> {
    kept_in(directory).open(SystemTime::now())
}

fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_first_start_makes_a_root_and_the_second_uses_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("made/too");
    let first = open(&inside).unwrap();
    assert_eq!(files(&inside), [CERT_FILE, KEY_FILE, ROOT_FILE]);
    let second = open(&inside).unwrap();
    assert_eq!(first.certificate(), second.certificate());
    assert_eq!(
        fs::read_to_string(inside.join(ROOT_FILE)).unwrap(),
        second.pem()
    );
}

#[test]
fn only_the_owner_can_read_the_key() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).unwrap();
    let mode = |name: &str| {
        fs::metadata(directory.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode(KEY_FILE), mode(CERT_FILE), mode(ROOT_FILE)),
        (0o600, 0o644, 0o644)
    );
    fs::set_permissions(
        directory.path().join(KEY_FILE),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    open(directory.path()).unwrap();
    assert_eq!(mode(KEY_FILE), 0o600);
}

#[test]
fn a_new_root_is_a_p256_authority_for_ten_years() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let root = Root::generate(&domain(), LIFETIME, now).unwrap();
    assert_eq!(
        root.validity().not_after,
        now + Duration::from_secs(3650 * 86400)
    );
    let (_, parsed) = X509Certificate::from_der(root.certificate()).unwrap();
    assert!(parsed.is_ca());
    assert_eq!(parsed.subject().to_string(), "O=cluster.local");
    assert_eq!(parsed.public_key().subject_public_key.data.len(), 65);
}

#[test]
fn half_a_root_is_an_error_that_names_both_files_and_is_left_alone() {
    for (gone, left) in [(CERT_FILE, KEY_FILE), (KEY_FILE, CERT_FILE)] {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path()).unwrap();
        let before = fs::read(directory.path().join(left)).unwrap();
        fs::remove_file(directory.path().join(gone)).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(matches!(error, RootError::Half { .. }));
        assert!(
            error.to_string().contains(gone) && error.to_string().contains(left),
            "{error}"
        );
        assert!(!directory.path().join(gone).exists());
        assert_eq!(fs::read(directory.path().join(left)).unwrap(), before);
    }
}

#[test]
fn a_key_of_another_root_is_an_error_and_never_a_new_root() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open(one.path()).unwrap();
    open(other.path()).unwrap();
    fs::copy(other.path().join(KEY_FILE), one.path().join(KEY_FILE)).unwrap();
    assert!(matches!(open(one.path()), Err(RootError::Mismatch { .. })));
}

#[test]
fn a_damaged_file_is_named_and_its_content_is_not_shown() {
    for name in [KEY_FILE, CERT_FILE, ROOT_FILE] {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path()).unwrap();
        fs::write(directory.path().join(name), "torn content").unwrap();
        let error = open(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains(name) && !error.contains("torn content"),
            "{error}"
        );
    }
}

#[test]
fn a_missing_copy_for_workloads_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = open(directory.path()).unwrap();
    fs::remove_file(directory.path().join(ROOT_FILE)).unwrap();
    open(directory.path()).unwrap();
    assert_eq!(
        fs::read_to_string(directory.path().join(ROOT_FILE)).unwrap(),
        root.pem()
    );
}

#[test]
fn a_certificate_that_may_not_sign_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::default().self_signed(&key).unwrap();
    fs::write(directory.path().join(KEY_FILE), key.serialize_pem()).unwrap();
    fs::write(directory.path().join(CERT_FILE), leaf.pem()).unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("not the certificate of an authority"),
        "{error}"
    );
}

#[test]
fn a_root_is_renewed_with_its_key_once_a_fifth_of_its_life_is_left_or_none() {
    const YEAR: Duration = Duration::from_secs(365 * 86400);
    let directory = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let first = open(directory.path()).unwrap();
    let at = |years: f64| {
        kept_in(directory.path())
            .open(now + YEAR.mul_f64(years))
            .unwrap()
    };
    assert_eq!(at(7.9).pem(), first.pem());
    let second = at(8.1);
    assert_ne!(second.pem(), first.pem());
    assert_eq!(open(directory.path()).unwrap().pem(), second.pem());
    let of_workloads = || fs::read_to_string(directory.path().join(ROOT_FILE)).unwrap();
    assert_eq!(of_workloads(), second.pem());
    // Nobody looked for a long time.
    let third = at(20.0);
    assert_eq!(of_workloads(), third.pem());
    for (root, until) in [(&second, 18.1), (&third, 30.0)] {
        let end = root.validity().not_after;
        let expected = now + YEAR.mul_f64(until);
        assert!(end <= expected && end > expected - Duration::from_secs(3600));
        assert!(first.is_of_the_same_key(root.pem()));
        let parsed = |of: &Root| {
            let (_, parsed) = X509Certificate::from_der(of.certificate()).unwrap();
            (
                parsed.subject().as_raw().to_vec(),
                parsed.raw_serial().to_vec(),
            )
        };
        assert_eq!(parsed(root).0, parsed(&first).0);
        assert_ne!(
            parsed(root).1,
            parsed(&first).1,
            "RFC 5280, 4.1.2.2: serial numbers are unique"
        );
    }
}

#[test]
fn a_renewal_that_was_cut_off_between_its_files_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let renewed = first.renewed(LIFETIME, SystemTime::now()).unwrap();
    fs::write(directory.path().join(CERT_FILE), renewed.pem()).unwrap();
    assert_eq!(open(directory.path()).unwrap().pem(), renewed.pem());
    let of_workloads = fs::read_to_string(directory.path().join(ROOT_FILE)).unwrap();
    assert_eq!(of_workloads, renewed.pem());
}

#[test]
fn a_directory_that_is_a_file_is_an_error_that_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "").unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(
        error.contains(path.to_str().unwrap()) && error.contains("--dataDir"),
        "{error}"
    );
}

#[test]
fn first_starts_at_the_same_time_agree_on_one_root() {
    let directory = tempfile::tempdir().unwrap();
    let roots: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| open(directory.path()).unwrap()))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap().pem().to_owned())
            .collect()
    });
    assert!(roots.windows(2).all(|pair| pair.first() == pair.last()));
}
