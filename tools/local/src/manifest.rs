//! Manifests: files, directories and standard input as objects and complaints.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use resources::object::Object;
use resources::problem::{Problem, Severity};
use resources::yaml::{RawObject, load};
use serde_json::Value;

use crate::object::kinds;

/// Bytes that are read in all; the daemon takes no more at once.
const LIMIT: u64 = 32 * 1024 * 1024;

/// What was read.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects, in the order of their files and documents.
    pub objects: Vec<RawObject>,
    /// Documents and files that could not be read; the rest was.
    pub errors: Vec<String>,
    /// What is kept and deserves a word.
    pub warnings: Vec<String>,
    /// Bytes read so far.
    read: u64,
}

impl Manifests {
    /// Adds the objects of a YAML text. `source` names it in complaints.
    pub fn add_text(&mut self, text: &str, source: &str) {
        let loaded = load(text, source);
        for problem in loaded.problems {
            match problem.severity {
                Severity::Warning => self.warnings.push(words(&problem)),
                Severity::Error => self.errors.push(words(&problem)),
            }
        }
        for object in loaded.objects {
            self.warnings.extend(warnings(&object));
            self.objects.push(object);
        }
    }

    /// Adds a file, the `.yaml`, `.yml` and `.json` files of a directory in the order of their names (each once,
    /// however many symbolic links lead to it), or standard input for `-`.
    pub fn add_path(&mut self, path: &Path) {
        if path.as_os_str() == "-" {
            self.add_read(&mut std::io::stdin(), "standard input");
            return;
        }
        for file in match files(path) {
            Ok(files) => files,
            Err(error) => {
                self.errors.push(format!(
                    "the path {:?} cannot be read: {error}",
                    path.display().to_string()
                ));
                return;
            }
        } {
            match std::fs::File::open(&file) {
                Ok(mut open) => self.add_read(&mut open, &file.display().to_string()),
                Err(error) => self.errors.push(format!("{}: {error}", file.display())),
            }
        }
    }

    fn add_read(&mut self, from: &mut dyn Read, source: &str) {
        let left = LIMIT.saturating_sub(self.read);
        let mut text = String::new();
        match from.take(left + 1).read_to_string(&mut text) {
            Ok(length) if length as u64 > left => self.errors.push(format!(
                "{source}: is beyond the {} MiB that are read at once: apply it in parts",
                LIMIT >> 20
            )),
            Ok(length) => {
                self.read += length as u64;
                self.add_text(&text, source);
            }
            Err(error) => self.errors.push(format!("{source}: {error}")),
        }
    }

    /// The objects' JSON, Namespaces first, so that what lives in them finds them.
    pub fn values(&self) -> Vec<Value> {
        let (namespaces, others): (Vec<&RawObject>, Vec<&RawObject>) = self
            .objects
            .iter()
            .partition(|object| object.kind == "Namespace");
        namespaces
            .into_iter()
            .chain(others)
            .map(|object| object.value.clone())
            .collect()
    }
}

/// The complaint without its severity, which whoever prints it says in its own way.
fn words(problem: &Problem) -> String {
    let text = problem.to_string();
    ["error: ", "warning: "]
        .iter()
        .find_map(|severity| text.strip_prefix(severity))
        .unwrap_or(&text)
        .to_owned()
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        std::fs::metadata(path)?;
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?
        .into_iter()
        .filter(|file| {
            file.is_file()
                && file
                    .extension()
                    .is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json")
        })
        .collect();
    files.sort();
    let mut seen = BTreeSet::new();
    // A link that leads nowhere is told when it is opened.
    files.retain(|file| {
        file.canonicalize()
            .map_or(true, |canonical| seen.insert(canonical))
    });
    Ok(files)
}

/// What an object's author should know: a kind that nothing here acts on, fields that are unknown.
fn warnings(object: &RawObject) -> Vec<String> {
    let known = kinds::by_kind(&object.kind)
        .is_some_and(|kind| kind.group == crate::object::group_of(&object.api_version));
    if !known {
        return vec![format!(
            "{}: {} {:?} ({}) is kept, but lateen local does not act on this kind",
            object.source, object.kind, object.name, object.api_version
        )];
    }
    match Object::parse(object) {
        Ok((Object::Unsupported { .. }, _)) => vec![],
        Ok((_, problems)) => problems.iter().map(words).collect(),
        // Kept as it is: the pilot refuses it with the same words and everything else goes on.
        Err(problem) => vec![words(&problem)],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_malformed_document_is_reported_and_the_rest_is_kept() {
        let mut read = Manifests::default();
        read.add_text(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\nkind: [unclosed\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: probe}\n",
            "x.yaml",
        );
        assert_eq!(read.errors.len(), 1, "{:?}", read.errors);
        assert!(read.errors[0].starts_with("x.yaml"), "{:?}", read.errors);
        let kinds: Vec<&str> = read.objects.iter().map(|o| o.kind.as_str()).collect();
        assert_eq!(kinds, ["ConfigMap", "Namespace"]);
        assert_eq!(read.values()[0]["kind"], "Namespace");
    }

    #[test]
    fn an_unknown_kind_is_kept_with_a_warning_that_names_it() {
        let mut read = Manifests::default();
        read.add_text(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\n",
            "x.yaml",
        );
        assert_eq!(read.objects.len(), 1);
        assert!(
            read.warnings.iter().any(|w| w.contains("CronJob \"c\"")),
            "{:?}",
            read.warnings
        );
    }

    #[test]
    fn a_directory_is_read_in_the_order_of_its_files_names() {
        let directory = tempfile::tempdir().unwrap();
        for (file, name) in [("b.yaml", "second"), ("a.yml", "first"), ("c.txt", "never")] {
            std::fs::write(
                directory.path().join(file),
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"),
            )
            .unwrap();
        }
        let mut read = Manifests::default();
        read.add_path(directory.path());
        read.add_path(&directory.path().join("missing"));
        let names: Vec<&str> = read.objects.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["first", "second"]);
        assert_eq!(read.errors.len(), 1);
    }

    #[test]
    fn a_file_that_many_links_of_a_directory_lead_to_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("b.yaml");
        std::fs::write(
            &file,
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        )
        .unwrap();
        for link in ["a.yaml", "c.yaml"] {
            std::os::unix::fs::symlink(&file, directory.path().join(link)).unwrap();
        }
        let mut read = Manifests::default();
        read.add_path(directory.path());
        assert_eq!((read.objects.len(), read.errors.len()), (1, 0));
    }

    #[test]
    fn what_is_longer_than_is_read_at_once_is_refused_and_not_cut() {
        let mut read = Manifests::default();
        let long = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n#";
        read.add_read(&mut long.as_bytes(), "small.yaml");
        read.add_read(
            &mut long.as_bytes().chain(std::io::repeat(b'#')),
            "endless.yaml",
        );
        assert_eq!(read.objects.len(), 1);
        assert!(
            read.errors[0].starts_with("endless.yaml") && read.errors[0].contains("32 MiB"),
            "{:?}",
            read.errors
        );
    }
}
