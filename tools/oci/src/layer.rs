//! Tars whose bytes depend on their entries alone: no clock, no owner of the building machine.

use std::collections::BTreeSet;
use std::io;
use std::path::{Component, Path, PathBuf};

use tar::{Builder, EntryType, Header};

/// A tar in the making, kept in memory.
pub struct Layer {
    tar: Builder<Vec<u8>>,
    directories: BTreeSet<PathBuf>,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            tar: Builder::new(Vec::new()),
            directories: BTreeSet::new(),
        }
    }
}

impl Layer {
    /// Adds a directory and, before it, those above it that are not there yet (mode 0755).
    ///
    /// # Errors
    /// When the path does not fit a tar header.
    pub fn directory(&mut self, path: &Path, mode: u32) -> io::Result<()> {
        let path = relative(path);
        self.parents(&path)?;
        if self.directories.insert(path.clone()) {
            self.append(EntryType::Directory, &path.join(""), mode, &[])?;
        }
        Ok(())
    }

    /// Adds a regular file and the directories above it.
    ///
    /// # Errors
    /// As [`Layer::directory`].
    pub fn file(&mut self, path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
        let path = relative(path);
        self.parents(&path)?;
        self.append(EntryType::Regular, &path, mode, content)
    }

    /// Adds a symbolic link to `target` and the directories above it.
    ///
    /// # Errors
    /// As [`Layer::directory`].
    pub fn link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        let path = relative(path);
        self.parents(&path)?;
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.tar.append_link(&mut header, path, target)
    }

    /// The finished tar.
    ///
    /// # Errors
    /// None in practice: it is written to memory.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.tar.into_inner()
    }

    fn parents(&mut self, path: &Path) -> io::Result<()> {
        let above: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_path_buf).collect();
        for directory in above.into_iter().rev() {
            if directory.as_os_str().is_empty() || !self.directories.insert(directory.clone()) {
                continue;
            }
            self.append(EntryType::Directory, &directory.join(""), 0o755, &[])?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        kind: EntryType,
        path: &Path,
        mode: u32,
        content: &[u8],
    ) -> io::Result<()> {
        let mut header = header(kind, mode, content.len() as u64);
        self.tar.append_data(&mut header, path, content)
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// The path as entries name it: no leading `/`, no `.` or `..`.
fn relative(path: &Path) -> PathBuf {
    path.components()
        .filter(|c| matches!(c, Component::Normal(_)))
        .collect()
}
