//! Users and groups in rules: by number, or by a name that is looked up when the rules are loaded.
//!
//! The lookup reads `/etc/passwd` and `/etc/group` itself. The C library's lookup would load the host's name-service
//! modules, which a statically linked binary must not do.

use std::{fmt, fs, path::Path, str::FromStr};

use thiserror::Error;

use crate::Error;

/// Longer files of users are refused rather than read: the real ones are a few kilobytes.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// Whether an [`Owner`] is a user or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    /// The user id of the socket.
    User,
    /// The group id of the socket.
    Group,
}

/// A user or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// By number.
    Id(u32),
    /// By name.
    Name(String),
}

/// A text that can name neither a user nor a group.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is neither a number from 0 to 4294967295 nor a user or group name")]
pub struct InvalidOwner(String);

impl FromStr for Owner {
    type Err = InvalidOwner;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text
                .parse()
                .map(Self::Id)
                .map_err(|_| InvalidOwner(text.to_owned()));
        }
        let starts_well = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let rest_fits = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if starts_well && rest_fits && text.len() <= 255 {
            Ok(Self::Name(text.to_owned()))
        } else {
            Err(InvalidOwner(text.escape_debug().to_string()))
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl OwnerKind {
    /// The database that names of this kind are looked up in.
    fn file(self) -> &'static Path {
        Path::new(match self {
            Self::User => "/etc/passwd",
            Self::Group => "/etc/group",
        })
    }

    fn noun(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

impl Owner {
    /// The number of the user or group.
    ///
    /// # Errors
    /// [`Error::UnknownOwner`] when a name is in no line of its database, or the database cannot be read.
    pub fn resolve(&self, kind: OwnerKind) -> Result<u32, Error> {
        resolve(kind, self)
    }
}

fn resolve(kind: OwnerKind, owner: &Owner) -> Result<u32, Error> {
    let name = match owner {
        Owner::Id(id) => return Ok(*id),
        Owner::Name(name) => name,
    };
    let path = kind.file();
    let unknown = |why: String| Error::UnknownOwner {
        kind: kind.noun(),
        name: name.clone(),
        file: path.display().to_string(),
        why,
    };
    let size = fs::metadata(path)
        .map_err(|error| unknown(error.to_string()))?
        .len();
    if size > LARGEST_FILE {
        return Err(unknown(format!(
            "the file is larger than {LARGEST_FILE} bytes"
        )));
    }
    let database = fs::read(path).map_err(|error| unknown(error.to_string()))?;
    id_in(&String::from_utf8_lossy(&database), name)
        .ok_or_else(|| unknown("no line has that name".to_owned()))
}

/// The third field of the line whose first field is `name`: both databases agree on that (passwd(5), group(5)).
fn id_in(database: &str, name: &str) -> Option<u32> {
    database.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_the_third_field_of_its_line() {
        let database = "root:x:0:\njavascript:x:7:\nbroken\njava:x:202:dave,carol\n";
        assert_eq!(id_in(database, "java"), Some(202));
        assert_eq!(id_in(database, "root"), Some(0));
        assert_eq!(id_in(database, "broken"), None);
        assert_eq!(id_in(database, "ftp"), None);
    }

    #[test]
    fn numbers_and_names_are_told_apart_and_anything_else_is_refused() {
        assert_eq!("1337".parse::<Owner>().unwrap(), Owner::Id(1337));
        assert_eq!(
            "java".parse::<Owner>().unwrap(),
            Owner::Name("java".to_owned())
        );
        for text in ["", "4294967296", "-1", "a b", "a;b", "1a"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_user_is_an_error_that_names_it_and_the_file() {
        let error = resolve(OwnerKind::Group, &Owner::Name("no-such-group".to_owned()))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no-such-group") && error.contains("/etc/group"),
            "{error}"
        );
    }
}
