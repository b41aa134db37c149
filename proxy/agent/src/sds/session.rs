//! What one secret stream wants and was given: pure, for the delta and the state-of-the-world form.

use std::collections::{BTreeMap, BTreeSet};

use super::secret::Name;

/// Names that are asked for beyond this are dropped: there are three secrets.
const MOST_UNKNOWN: usize = 64;

/// The state of one stream.
#[derive(Debug, Default)]
pub struct Session {
    wanted: BTreeSet<Name>,
    /// Versions (certificate fingerprints) that the client was given or says it holds.
    given: BTreeMap<Name, String>,
    unknown: BTreeSet<String>,
    nonce: u64,
}

/// What to send now.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// Secrets to send, in full.
    pub secrets: Vec<Name>,
    /// Names that do not exist; only the delta form can say so.
    pub absent: Vec<String>,
    /// The nonce of the response.
    pub nonce: String,
}

impl Session {
    /// Adds names to what is wanted (delta's `resource_names_subscribe`). A name that is asked for
    /// again is sent again.
    pub fn subscribe<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            match Name::parse(name) {
                Some(name) => {
                    self.wanted.insert(name);
                    self.given.remove(&name);
                }
                None if self.unknown.len() < MOST_UNKNOWN => {
                    tracing::warn!(
                        "the proxy asks for the secret `{}`; this agent has `default`, `ROOTCA` and `file-root:system`",
                        name.escape_debug()
                    );
                    self.unknown.insert(name.to_owned());
                }
                None => {}
            }
        }
    }

    /// Takes names out of what is wanted (delta's `resource_names_unsubscribe`).
    pub fn unsubscribe<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names.into_iter().filter_map(Name::parse) {
            self.wanted.remove(&name);
            self.given.remove(&name);
        }
    }

    /// Notes what a reconnecting client holds already (delta's `initial_resource_versions`).
    pub fn holds(&mut self, name: &str, version: &str) {
        if let Some(name) = Name::parse(name).filter(|name| self.wanted.contains(name)) {
            self.given.insert(name, version.to_owned());
        }
    }

    /// Replaces what is wanted (the state-of-the-world form). Secrets wanted before are not sent
    /// again for that.
    pub fn want_exactly(&mut self, names: &[String]) {
        let wanted: BTreeSet<Name> = names.iter().filter_map(|n| Name::parse(n)).collect();
        self.given.retain(|name, _| wanted.contains(name));
        self.wanted = wanted;
    }

    /// Whether a request's nonce answers the latest response; a first request has none.
    pub fn is_current(&self, nonce: &str) -> bool {
        nonce.is_empty() || nonce == self.nonce.to_string()
    }

    /// What the client lacks of secrets in their present versions (`None` for one that cannot be handed out now), or
    /// `None` if nothing is to be said. It counts as sent from then on: a client that refuses a version is not sent
    /// it again.
    pub fn due<'a>(&mut self, version: impl Fn(Name) -> Option<&'a str>) -> Option<Due> {
        let mut secrets = Vec::new();
        for name in &self.wanted {
            if let Some(version) = version(*name)
                && self.given.get(name).map(String::as_str) != Some(version)
            {
                self.given.insert(*name, version.to_owned());
                secrets.push(*name);
            }
        }
        let absent: Vec<String> = std::mem::take(&mut self.unknown).into_iter().collect();
        if secrets.is_empty() && absent.is_empty() {
            return None;
        }
        self.nonce += 1;
        Some(Due {
            secrets,
            absent,
            nonce: self.nonce.to_string(),
        })
    }

    /// All that is wanted, for a state-of-the-world response, which must hold everything.
    pub fn wanted(&self) -> impl Iterator<Item = Name> + '_ {
        self.wanted.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// All secrets are in this version, or there is none.
    fn all<'a>(version: impl Into<Option<&'a str>>) -> impl Fn(Name) -> Option<&'a str> {
        let version = version.into();
        move |_| version
    }

    #[test]
    fn each_version_of_a_wanted_secret_is_sent_once() {
        let mut session = Session::default();
        session.subscribe(["default"]);
        assert_eq!(session.due(all("a")).unwrap().secrets, [Name::Default]);
        assert_eq!(session.due(all("a")), None);
        assert_eq!(session.due(all("b")).unwrap().secrets, [Name::Default]);
    }

    #[test]
    fn without_a_valid_certificate_nothing_is_sent_and_the_wish_is_kept() {
        let mut session = Session::default();
        session.subscribe(["default", "ROOTCA"]);
        assert_eq!(session.due(all(None)), None);
        let due = session.due(all("a")).unwrap();
        assert_eq!(due.secrets, [Name::Default, Name::RootCa]);
    }

    #[test]
    fn roots_of_the_system_do_not_wait_for_a_certificate() {
        let mut session = Session::default();
        session.subscribe(["default", "file-root:system"]);
        let system_alone = |name| (name == Name::SystemRoots).then_some("s");
        let due = session.due(system_alone).unwrap();
        assert_eq!(due.secrets, [Name::SystemRoots]);
        assert_eq!(session.due(system_alone), None);
    }

    #[test]
    fn a_secret_that_does_not_exist_is_said_to_be_absent_once() {
        let mut session = Session::default();
        session.subscribe(["kubernetes://x"]);
        assert_eq!(session.due(all(None)).unwrap().absent, ["kubernetes://x"]);
        assert_eq!(session.due(all("a")), None);
    }

    #[test]
    fn a_reconnecting_client_is_not_sent_what_it_holds() {
        let mut session = Session::default();
        session.subscribe(["default", "ROOTCA"]);
        session.holds("default", "a");
        assert_eq!(session.due(all("a")).unwrap().secrets, [Name::RootCa]);
    }

    #[test]
    fn asking_again_or_after_unsubscribing_sends_again() {
        let mut session = Session::default();
        session.subscribe(["default"]);
        session.due(all("a"));
        session.unsubscribe(["default"]);
        assert_eq!(session.due(all("b")), None);
        session.subscribe(["default"]);
        assert_eq!(session.due(all("b")).unwrap().secrets, [Name::Default]);
        session.subscribe(["default"]);
        assert_eq!(session.due(all("b")).unwrap().secrets, [Name::Default]);
    }

    #[test]
    fn an_acknowledgement_of_an_old_response_is_recognized() {
        let mut session = Session::default();
        session.want_exactly(&["default".to_owned()]);
        let first = session.due(all("a")).unwrap().nonce;
        let second = session.due(all("b")).unwrap().nonce;
        assert!(!session.is_current(&first));
        assert!(session.is_current(&second));
        assert!(session.is_current(""));
    }

    #[test]
    fn a_client_cannot_make_the_session_grow_without_end() {
        let mut session = Session::default();
        let names: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        session.subscribe(names.iter().map(String::as_str));
        assert_eq!(session.due(all(None)).unwrap().absent.len(), MOST_UNKNOWN);
    }
}
