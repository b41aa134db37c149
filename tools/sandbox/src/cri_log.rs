//! The log file of a container, in the format of the Kubernetes container runtime interface:
//! `<RFC 3339 time> <stdout|stderr> <F|P> <line>`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:9]Z");

/// A longer line is cut into partial ones (tag `P`), as containerd does.
const MAX_LINE: usize = 16 * 1024;

/// One file for both streams, whole lines only.
pub(crate) struct CriLog {
    path: PathBuf,
    limit: u64,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    size: u64,
}

impl CriLog {
    /// Opens `path` for appending. Beyond `limit` bytes the file becomes `<path>.1` and a new one
    /// is begun, so at most twice the limit is kept.
    pub(crate) fn open(path: &Path, limit: u64) -> std::io::Result<Self> {
        let file = append_to(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            limit,
            inner: Mutex::new(Inner { file, size }),
        })
    }

    /// Copies a stream until its end. A full disk loses lines but never blocks the container.
    pub(crate) fn copy(&self, stream: &str, mut from: impl Read) {
        let mut pending: Vec<u8> = Vec::with_capacity(MAX_LINE);
        let mut chunk = [0_u8; 8192];
        loop {
            let read = match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            for &byte in chunk.iter().take(read) {
                if byte == b'\n' {
                    self.line(stream, 'F', &pending);
                    pending.clear();
                } else {
                    pending.push(byte);
                    if pending.len() == MAX_LINE {
                        self.line(stream, 'P', &pending);
                        pending.clear();
                    }
                }
            }
        }
        if !pending.is_empty() {
            self.line(stream, 'F', &pending);
        }
    }

    fn line(&self, stream: &str, tag: char, content: &[u8]) {
        let time = OffsetDateTime::now_utc().format(TIME).unwrap_or_default();
        let mut line = format!("{time} {stream} {tag} ").into_bytes();
        line.extend_from_slice(content);
        line.push(b'\n');
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.size.saturating_add(line.len() as u64) > self.limit {
            self.rotate(&mut inner);
        }
        if inner.file.write_all(&line).is_ok() {
            inner.size += line.len() as u64;
        }
    }

    fn rotate(&self, inner: &mut Inner) {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        if std::fs::rename(&self.path, old).is_ok()
            && let Ok(file) = append_to(&self.path)
        {
            *inner = Inner { file, size: 0 };
        }
    }
}

fn append_to(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn logged(limit: u64, stream: &str, input: &[u8]) -> (String, Option<String>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        CriLog::open(&path, limit).unwrap().copy(stream, input);
        (
            std::fs::read_to_string(&path).unwrap(),
            std::fs::read_to_string(directory.path().join("0.log.1")).ok(),
        )
    }

    #[test]
    fn each_line_carries_time_stream_and_tag() {
        let (text, _) = logged(1 << 20, "stdout", b"one\n\nthree");
        let lines: Vec<(&str, &str)> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .collect();
        assert_eq!(
            lines.iter().map(|(_, rest)| *rest).collect::<Vec<_>>(),
            ["stdout F one", "stdout F ", "stdout F three"]
        );
        for (time, _) in lines {
            assert_eq!(time.len(), "2026-01-02T03:04:05.123456789Z".len(), "{time}");
        }
    }

    #[test]
    fn a_line_longer_than_the_limit_is_cut_into_partial_ones() {
        let mut input = vec![b'x'; MAX_LINE + 3];
        input.push(b'\n');
        let (text, _) = logged(1 << 20, "stderr", &input);
        let tags: Vec<&str> = text
            .lines()
            .map(|line| line.split(' ').nth(2).unwrap())
            .collect();
        assert_eq!(tags, ["P", "F"]);
        assert!(text.ends_with(" stderr F xxx\n"));
    }

    #[test]
    fn a_full_log_is_moved_aside_once_and_begun_anew() {
        let (text, old) = logged(
            100,
            "stdout",
            b"aaaaaaaaaaaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbbbbbbbbbbb\n",
        );
        assert!(text.contains("bbb") && !text.contains("aaa"));
        assert!(old.unwrap().contains("aaa"));
    }
}
