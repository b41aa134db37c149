//! Manifests: files, directories and standard input as objects and complaints.

use std::io::Read;
use std::path::{Path, PathBuf};

use resources::object::Object;
use resources::problem::{Problem, Severity};
use resources::yaml::{RawObject, load};
use serde_json::Value;

use crate::object::kinds;

/// Standard input is read up to this many bytes.
const STDIN_LIMIT: u64 = 64 * 1024 * 1024;

/// What was read.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects, in the order of their files and documents.
    pub objects: Vec<RawObject>,
    /// Documents and files that could not be read; the rest was.
    pub errors: Vec<String>,
    /// What is kept and deserves a word.
    pub warnings: Vec<String>,
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

    /// Adds a file, the `.yaml`, `.yml` and `.json` files of a directory in the order of their names, or
    /// standard input for `-`.
    pub fn add_path(&mut self, path: &Path) {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            match std::io::stdin().take(STDIN_LIMIT).read_to_string(&mut text) {
                Ok(_) => self.add_text(&text, "standard input"),
                Err(error) => self.errors.push(format!("standard input: {error}")),
            }
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
            match std::fs::read_to_string(&file) {
                Ok(text) => self.add_text(&text, &file.display().to_string()),
                Err(error) => self.errors.push(format!("{}: {error}", file.display())),
            }
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
}
