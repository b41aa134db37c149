//! Make before break: which types must have settled before something of a type may go away.
//!
//! Additions go out in the order of [`TypeUrl::ALL`]. Listeners and routes wait until the clusters
//! that they may use are answered; endpoints wait for nothing, so that a change of them is never
//! held up.
//! A removal waits until every type that can refer to what goes has been brought up to date and
//! answered. If one of those was refused, the client goes on with its old form, which may still
//! refer to what is no longer wanted: the removal then waits until the refusal is mended.

use crate::TypeUrl;

/// The order in which removals are tried: those who refer first, what they refer to after.
pub(super) const REMOVALS: [TypeUrl; 5] = [
    TypeUrl::Listener,
    TypeUrl::Route,
    TypeUrl::Cluster,
    TypeUrl::Endpoints,
    TypeUrl::Secret,
];

/// The types that can refer to resources of a type, itself included (a replacement under another
/// name must be there first).
pub(super) const fn referrers(type_url: TypeUrl) -> &'static [TypeUrl] {
    match type_url {
        TypeUrl::Listener => &[TypeUrl::Listener],
        TypeUrl::Route => &[TypeUrl::Listener, TypeUrl::Route],
        TypeUrl::Cluster => &[TypeUrl::Listener, TypeUrl::Route, TypeUrl::Cluster],
        TypeUrl::Endpoints => &[TypeUrl::Cluster, TypeUrl::Endpoints],
        TypeUrl::Secret => &[TypeUrl::Listener, TypeUrl::Cluster, TypeUrl::Secret],
    }
}

/// Whether additions of a type may be sent now.
pub(super) fn may_add(type_url: TypeUrl, progress: impl Fn(TypeUrl) -> Progress) -> bool {
    match type_url {
        TypeUrl::Listener | TypeUrl::Route => !progress(TypeUrl::Cluster).busy,
        TypeUrl::Cluster | TypeUrl::Endpoints | TypeUrl::Secret => true,
    }
}

/// How far a type is, as far as others must know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Something new is still to be sent, or a response is unanswered.
    pub(super) busy: bool,
    /// A resource was refused, so the client may use an older one.
    pub(super) refused: bool,
    /// Something is still to be removed.
    pub(super) removing: bool,
}

/// Whether removals of a type may be sent now.
pub(super) fn may_remove(type_url: TypeUrl, progress: impl Fn(TypeUrl) -> Progress) -> bool {
    referrers(type_url).iter().all(|&referrer| {
        let p = progress(referrer);
        let own = referrer == type_url;
        !p.busy && (own || !p.refused && !p.removing)
    })
}
