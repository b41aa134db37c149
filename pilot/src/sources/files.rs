//! What a set of files holds, apart from reading them: the last good objects of each file, and of
//! objects that stand in two files the one that counts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use resources::problem::{Problem, Severity};
use resources::yaml::{self, RawKey, RawObject};

/// What was found where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Its text.
    Text(String),
    /// It is there and cannot be read, for this reason.
    Unreadable(String),
}

/// One file: what of it is in use, and what is wrong with it as it is now.
#[derive(Debug, Default)]
struct File {
    reading: Option<Reading>,
    objects: Vec<Arc<RawObject>>,
    problems: Vec<Problem>,
}

/// The files of a source, by name.
#[derive(Debug, Default)]
pub struct Files {
    files: BTreeMap<String, File>,
}

impl Files {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what a scan found: files that are not in it are gone with their objects. Returns
    /// whether anything differs from the scan before.
    pub fn scanned(&mut self, found: BTreeMap<String, Reading>) -> bool {
        let before = self.files.len();
        let unlisted: Vec<&str> = found
            .iter()
            .filter(|(_, reading)| matches!(reading, Reading::Unreadable(_)))
            .map(|(name, _)| name.as_str())
            .collect();
        // What was in a directory that cannot be listed any more may still be there.
        let hidden = |name: &str| {
            unlisted.iter().any(|directory| {
                name.strip_prefix(directory)
                    .is_some_and(|rest| rest.starts_with('/'))
            })
        };
        self.files
            .retain(|name, _| found.contains_key(name) || hidden(name));
        let mut changed = self.files.len() != before;
        for (name, reading) in found {
            let file = self.files.entry(name.clone()).or_default();
            if file.reading.as_ref() != Some(&reading) {
                file.read(&name, reading);
                changed = true;
            }
        }
        changed
    }

    /// Every object in use, by key: of two with one key that of the first file by name.
    pub fn objects(&self) -> BTreeMap<RawKey, Arc<RawObject>> {
        self.merged().0
    }

    /// What is wrong, file by file, objects that stand in two files included.
    pub fn problems(&self) -> Vec<Problem> {
        let of_files = self.files.values().flat_map(|file| file.problems.clone());
        of_files.chain(self.merged().1).collect()
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn merged(&self) -> (BTreeMap<RawKey, Arc<RawObject>>, Vec<Problem>) {
        let mut objects: BTreeMap<RawKey, Arc<RawObject>> = BTreeMap::new();
        let mut problems = Vec::new();
        for object in self.files.values().flat_map(|file| &file.objects) {
            match objects.entry(object.key()) {
                Entry::Vacant(free) => {
                    free.insert(object.clone());
                }
                Entry::Occupied(taken) => {
                    let message = format!(
                        "is already defined in {}; that one is in use, remove one of the two",
                        taken.get().source
                    );
                    let problem = Problem::error(&object.source, message);
                    problems.push(problem.about(object.describe()));
                }
            }
        }
        (objects, problems)
    }
}

impl File {
    fn read(&mut self, name: &str, reading: Reading) {
        let (objects, mut problems) = match &reading {
            Reading::Text(text) => {
                let loaded = yaml::load(text, name);
                let emptied = loaded.objects.is_empty()
                    && loaded.problems.is_empty()
                    && !self.objects.is_empty();
                let mut problems = loaded.problems;
                if emptied {
                    problems.push(Problem::error(
                        name,
                        "is empty, which a file is while it is being written; delete it to \
                         remove its objects",
                    ));
                }
                (loaded.objects.into_iter().map(Arc::new).collect(), problems)
            }
            Reading::Unreadable(why) => (
                Vec::new(),
                vec![Problem::error(name, format!("cannot be read: {why}"))],
            ),
        };
        let broken = problems.iter().any(|p| p.severity == Severity::Error);
        let before = std::mem::replace(&mut self.objects, objects);
        if broken {
            self.keep(before, name, &mut problems);
        }
        self.problems = problems;
        self.reading = Some(reading);
    }

    /// What a broken file no longer shows may stand in its broken part: it stays in use.
    fn keep(&mut self, before: Vec<Arc<RawObject>>, name: &str, problems: &mut Vec<Problem>) {
        let shown: HashSet<RawKey> = self.objects.iter().map(|o| o.key()).collect();
        for object in before {
            if shown.contains(&object.key()) {
                continue;
            }
            let message = "is not in what could be read of the file; its last good form stays in \
                           use until the file is whole again or removed";
            problems.push(Problem::warning(name, message).about(object.describe()));
            self.objects.push(object);
        }
    }
}
