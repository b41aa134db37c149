//! Which capabilities a container's root user keeps.

use std::collections::BTreeSet;
use std::str::FromStr;

use caps::{CapSet, Capability, CapsHashSet};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The set that containerd and CRI-O give a container that asks for nothing.
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// A bounding set, by names without the `CAP_` prefix as Kubernetes writes them.
///
/// As with Kubernetes, it is what uid 0 has; any other uid holds no capability, and can gain only
/// these by executing a file that carries them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities(BTreeSet<String>);

impl Default for Capabilities {
    /// What a container has that asks for nothing.
    fn default() -> Self {
        Self(DEFAULT.iter().map(ToString::to_string).collect())
    }
}

impl Capabilities {
    /// No capability at all, for any uid.
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Every capability that this machine's kernel grants: `privileged: true`.
    pub fn all() -> Self {
        Self(every_name().collect())
    }

    /// `securityContext.capabilities` of a container applied to the default set; `ALL` means every
    /// capability, and `add` wins over `drop: [ALL]`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a capability that does not exist.
    pub fn of_security_context(add: &[String], drop: &[String]) -> Result<Self, Error> {
        let mut set = Self::default().0;
        for name in drop {
            match canonical("securityContext.capabilities.drop", name)? {
                None => set.clear(),
                Some(name) => {
                    set.remove(&name);
                }
            }
        }
        for name in add {
            match canonical("securityContext.capabilities.add", name)? {
                None => set.extend(every_name()),
                Some(name) => {
                    set.insert(name);
                }
            }
        }
        Ok(Self(set))
    }

    /// Whether the set holds `name` (without `CAP_`).
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    fn to_set(&self) -> CapsHashSet {
        self.0
            .iter()
            .filter_map(|name| Capability::from_str(&format!("CAP_{name}")).ok())
            .collect()
    }

    /// Bounds the calling thread: bounding set to this, inheritable and ambient sets to nothing.
    pub(crate) fn bound(&self) -> Result<(), caps::errors::CapsError> {
        let keep = self.to_set();
        caps::clear(None, CapSet::Ambient)?;
        for capability in caps::runtime::thread_all_supported() {
            if !keep.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability)?;
            }
        }
        caps::clear(None, CapSet::Inheritable)
    }

    /// Gives up, for a thread that stays uid 0, what is outside the set. Capabilities that the
    /// thread never had (a container host's root may lack some) stay absent.
    pub(crate) fn keep_only(&self) -> Result<(), caps::errors::CapsError> {
        let keep: CapsHashSet = caps::read(None, CapSet::Permitted)?
            .intersection(&self.to_set())
            .copied()
            .collect();
        caps::set(None, CapSet::Effective, &keep)?;
        caps::set(None, CapSet::Permitted, &keep)
    }
}

fn every_name() -> impl Iterator<Item = String> {
    caps::all()
        .into_iter()
        .map(|capability| capability.to_string().trim_start_matches("CAP_").to_owned())
}

/// `None` is `ALL`.
fn canonical(field: &str, name: &str) -> Result<Option<String>, Error> {
    let upper = name.to_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if bare == "ALL" {
        return Ok(None);
    }
    Capability::from_str(&format!("CAP_{bare}"))
        .map(|_| Some(bare.to_owned()))
        .map_err(|_| Error::Invalid {
            field: field.to_owned(),
            problem: format!(
                "{name:?} is not a Linux capability; write one such as NET_ADMIN, or ALL"
            ),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_istio_init_asks_for_leaves_two_capabilities() {
        let set =
            Capabilities::of_security_context(&names(&["NET_ADMIN", "NET_RAW"]), &names(&["ALL"]))
                .unwrap();
        assert_eq!(
            set.0.into_iter().collect::<Vec<_>>(),
            ["NET_ADMIN", "NET_RAW"]
        );
    }

    #[test]
    fn a_prefix_and_small_letters_name_the_same_capability() {
        let set = Capabilities::of_security_context(&names(&["cap_sys_time"]), &[]).unwrap();
        assert!(set.contains("SYS_TIME") && set.contains("CHOWN"));
    }

    #[test]
    fn an_unknown_capability_is_named_with_its_field() {
        let error = Capabilities::of_security_context(&[], &names(&["NET_ADMINS"])).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("securityContext.capabilities.drop: \"NET_ADMINS\"")
        );
    }
}
