//! Container logs: the CRI format on disk as the lines that a person asks for.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// One piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// RFC 3339 time with nanoseconds.
    pub time: &'a str,
    /// What was written, without the newline.
    pub text: &'a str,
    /// True when a newline followed; false when the line was longer than one entry.
    pub complete: bool,
}

/// Reads a line `<time> stdout|stderr F|P <text>`; None when it is not one.
pub fn parse(line: &str) -> Option<Entry<'_>> {
    let mut parts = line.splitn(4, ' ');
    let time = parts.next()?;
    let stream = parts.next()?;
    let tag = parts.next()?;
    if !matches!(stream, "stdout" | "stderr") || !matches!(tag, "F" | "P") {
        return None;
    }
    Some(Entry {
        time,
        text: parts.next().unwrap_or_default(),
        complete: tag == "F",
    })
}

/// The output in CRI `lines`, with times in front of lines when asked for.
pub fn render(lines: &str, timestamps: bool) -> String {
    let mut output = String::new();
    let mut at_line_start = true;
    for entry in lines.lines().filter_map(parse) {
        if timestamps && at_line_start {
            output.push_str(entry.time);
            output.push(' ');
        }
        output.push_str(entry.text);
        if entry.complete {
            output.push('\n');
        }
        at_line_start = entry.complete;
    }
    output
}

/// The last `count` lines of `text`.
pub fn tail(text: &str, count: usize) -> &str {
    if count == 0 {
        return "";
    }
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.rmatch_indices('\n')
        .nth(count - 1)
        .and_then(|(at, _)| text.get(at + 1..))
        .unwrap_or(text)
}

/// Follows one log file through its growth and rotation (`FILE` becomes `FILE.1`).
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<std::fs::File>,
    rest: String,
}

impl Follower {
    /// A follower that begins with what was rotated away last.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: None,
            rest: String::new(),
        }
    }

    /// Everything from the beginning: the rotated file and the current one.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read_all(&mut self) -> std::io::Result<String> {
        let mut rotated = self.path.as_os_str().to_owned();
        rotated.push(".1");
        let mut text = match std::fs::read(&rotated) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => String::new(),
        };
        text.push_str(&self.read_more()?);
        Ok(text)
    }

    /// The complete lines that were added since.
    ///
    /// # Errors
    /// When the file cannot be read; one that is not there yet is empty.
    pub fn read_more(&mut self) -> std::io::Result<String> {
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut bytes)?;
        }
        if self.was_rotated()? {
            self.file = match std::fs::File::open(&self.path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            if let Some(file) = &mut self.file {
                file.seek(SeekFrom::Start(0))?;
                file.read_to_end(&mut bytes)?;
            }
        }
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        let complete = self.rest.rfind('\n').map_or(0, |at| at + 1);
        let remaining = self.rest.split_off(complete);
        Ok(std::mem::replace(&mut self.rest, remaining))
    }

    fn was_rotated(&self) -> std::io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let Some(file) = &self.file else {
            return Ok(true);
        };
        let mine = file.metadata()?;
        Ok(std::fs::metadata(&self.path)
            .is_ok_and(|now| (now.dev(), now.ino()) != (mine.dev(), mine.ino())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    const LOG: &str = "2023-10-31T14:52:14.279000000Z stdout F one\n2023-10-31T14:52:15.279000000Z stderr P tw\n2023-10-31T14:52:15.279000001Z stderr F o\nnonsense\n";

    #[test]
    fn parts_of_a_long_line_are_joined() {
        assert_eq!(render(LOG, false), "one\ntwo\n");
        assert_eq!(
            render(LOG, true),
            "2023-10-31T14:52:14.279000000Z one\n2023-10-31T14:52:15.279000000Z two\n"
        );
    }

    #[test]
    fn the_tail_is_whole_lines() {
        for (count, expected) in [(0, ""), (1, "c\n"), (2, "b\nc\n"), (9, "a\nb\nc\n")] {
            assert_eq!(tail("a\nb\nc\n", count), expected);
        }
    }

    #[test]
    fn a_follower_sees_growth_and_the_file_after_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let mut follower = Follower::new(&path);
        assert_eq!(follower.read_more().unwrap(), "");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"a\nhal").unwrap();
        assert_eq!(follower.read_more().unwrap(), "a\n");
        file.write_all(b"f\n").unwrap();
        assert_eq!(follower.read_more().unwrap(), "half\n");
        file.write_all(b"last\n").unwrap();
        std::fs::rename(&path, directory.path().join("0.log.1")).unwrap();
        std::fs::write(&path, b"new\n").unwrap();
        assert_eq!(follower.read_more().unwrap(), "last\nnew\n");
    }
}
