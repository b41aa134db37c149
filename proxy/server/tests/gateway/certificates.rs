//! Certificates as users of a gateway make them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of a chain and its key, and what they hold.
#[derive(Debug, Clone)]
pub struct Pair {
    pub chain: String,
    pub key: String,
    pub chain_file: PathBuf,
    pub key_file: PathBuf,
}

/// A folder of certificates.
#[derive(Debug)]
pub struct Certificates(tempfile::TempDir);

/// Kinds of keys.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    Rsa,
    P256,
}

impl Certificates {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) -> String {
        let ran = Command::new("openssl")
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("this test needs openssl");
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    fn pair(&self, name: &str) -> Pair {
        let (chain_file, key_file) = (
            self.file(&format!("{name}.crt")),
            self.file(&format!("{name}.key")),
        );
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        Pair {
            chain: text(&chain_file),
            key: text(&key_file),
            chain_file,
            key_file,
        }
    }

    /// A root.
    pub fn root(&self, name: &str) -> Pair {
        self.openssl(&[
            "req",
            "-x509",
            "-sha256",
            "-nodes",
            "-days",
            "2",
            "-newkey",
            "rsa:2048",
            "-subj",
            &format!("/O={name} Inc./CN={name}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.crt"),
        ]);
        self.pair(name)
    }

    /// One signed by a root, as the tasks of Istio's documentation do it: without extensions, so of version 1.
    pub fn documented(&self, name: &str, root: &str) -> Pair {
        self.request(name, Key::Rsa);
        self.sign(name, root, &[]);
        self.pair(name)
    }

    /// One with a name in its extensions.
    pub fn named(&self, name: &str, root: &str, alternatives: &str, key: Key) -> Pair {
        self.request(name, key);
        let file = format!("{name}.ext");
        std::fs::write(self.file(&file), format!("subjectAltName={alternatives}\n")).unwrap();
        self.sign(name, root, &["-extfile", &file]);
        self.pair(name)
    }

    fn request(&self, name: &str, key: Key) {
        let (key_file, request) = (format!("{name}.key"), format!("{name}.csr"));
        let kind: &[&str] = match key {
            Key::Rsa => &["-newkey", "rsa:2048"],
            Key::P256 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        };
        let subject = format!("/C=DE/O={name} \"Ä\", <B> C;/CN={name}/emailAddress=a@b.io");
        let rest = [
            "-nodes", "-utf8", "-subj", &subject, "-keyout", &key_file, "-out", &request,
        ];
        self.openssl(&[&["req"], kind, &rest].concat());
    }

    fn sign(&self, name: &str, root: &str, more: &[&str]) {
        let (request, certificate) = (format!("{name}.csr"), format!("{name}.crt"));
        let (by, by_key) = (format!("{root}.crt"), format!("{root}.key"));
        let whole = [
            "x509",
            "-req",
            "-sha256",
            "-days",
            "2",
            "-CA",
            &by,
            "-CAkey",
            &by_key,
            "-set_serial",
            "7",
            "-in",
            &request,
            "-out",
            &certificate,
        ];
        self.openssl(&[&whole[..], more].concat());
    }

    /// SHA-256 of a certificate, in hexadecimal.
    pub fn hash(&self, of: &Pair) -> String {
        let file = of.chain_file.to_str().unwrap();
        let said = self.openssl(&["x509", "-in", file, "-noout", "-fingerprint", "-sha256"]);
        said.trim().rsplit('=').next().unwrap().to_owned()
    }

    /// SHA-256 of a certificate's public key, in base64.
    pub fn spki(&self, of: &Pair) -> String {
        let file = of.chain_file.to_str().unwrap();
        self.openssl(&["x509", "-in", file, "-noout", "-pubkey", "-out", "spki.pub"]);
        self.openssl(&[
            "pkey", "-pubin", "-in", "spki.pub", "-outform", "DER", "-out", "spki.der",
        ]);
        self.openssl(&["dgst", "-sha256", "-binary", "-out", "spki.sum", "spki.der"]);
        self.openssl(&["base64", "-in", "spki.sum"])
            .trim()
            .to_owned()
    }
}
