//! Interface names, checked so that neither back end has to doubt them.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The longest interface name that Linux knows: IFNAMSIZ less the closing NUL.
const LONGEST: usize = 15;

/// The name of a network interface; a closing `*` stands for any rest, as in `nft`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceName(String);

/// A text that cannot name an interface.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no interface name: 1 to {LONGEST} visible ASCII characters without `/`, `\"`, `\\` and `:` are wanted \
     (a closing `*` stands for any rest)"
)]
pub struct InvalidInterfaceName(String);

impl InterfaceName {
    /// The loopback interface.
    #[must_use]
    pub fn loopback() -> Self {
        Self("lo".to_owned())
    }

    /// The name as given, with its `*`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The characters before a closing `*`, when there is one.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    /// Whether nft's lexer takes the name without quotes, and never as a keyword: its keywords have no digit and no
    /// hyphen but for the few named here.
    fn is_plain_word(&self) -> bool {
        let letters_and_marks = self
            .0
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let starts_well = self
            .0
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic());
        let no_keyword = self.0 == "lo" || self.0.bytes().any(|b| b.is_ascii_digit() || b == b'-');
        letters_and_marks
            && starts_well
            && no_keyword
            && !["ip6", "icmpv6"].contains(&self.0.as_str())
    }
}

impl FromStr for InterfaceName {
    type Err = InvalidInterfaceName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let prefix = text.strip_suffix('*').unwrap_or(text);
        let visible = prefix
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"/\"\\:*".contains(&b));
        if prefix.is_empty()
            || prefix.len() > LONGEST
            || !visible
            || prefix == "."
            || prefix == ".."
        {
            return Err(InvalidInterfaceName(text.escape_debug().to_string()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plain_word() {
            f.write_str(&self.0)
        } else {
            write!(f, "\"{}\"", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_plain_name_is_written_bare_and_others_in_quotes() {
        for (name, written) in [
            ("lo", "lo"),
            ("eth0", "eth0"),
            ("not-istio-nic", "not-istio-nic"),
            ("eth0.100", "eth0.100"),
            ("4g", "\"4g\""),
            ("tcp", "\"tcp\""),
            ("ip6", "\"ip6\""),
            ("eth*", "\"eth*\""),
        ] {
            assert_eq!(name.parse::<InterfaceName>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn a_name_that_linux_or_nft_would_misread_is_refused_and_shown() {
        for name in [
            "",
            "*",
            "sixteen-letters-",
            "a b",
            "a\"b",
            "a/b",
            "a:b",
            "é",
            "a\nb",
            "..",
            "a*b",
        ] {
            let error = name.parse::<InterfaceName>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{}`", name.escape_debug())),
                "{error}"
            );
        }
    }
}
