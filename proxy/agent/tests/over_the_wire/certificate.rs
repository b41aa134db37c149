use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use agent::certificate::Issued;
use agent::certificate::issuer::Issuer;
use agent::certificate::keeper;
use agent::certificate::state::State;
use identity::cert::Validity;
use tokio::sync::watch;

use crate::support::authority::IDENTITY;
use crate::support::{PATIENCE, Plane};

/// A keeper at work against `plane`, as long as the test runs.
pub(crate) fn keep(plane: &Plane, directory: &Path) -> watch::Receiver<State> {
    let (sender, receiver) = watch::channel(State::Waiting { problem: None });
    let issuer = Issuer {
        authority: plane.mount(directory),
        id: IDENTITY.parse().unwrap(),
        lifetime: Duration::from_secs(24 * 3600),
    };
    tokio::spawn(keeper::keep(issuer, 0.5, sender));
    receiver
}

pub(crate) async fn until(
    state: &mut watch::Receiver<State>,
    wanted: impl FnMut(&State) -> bool,
) -> State {
    let waiting = tokio::time::timeout(PATIENCE, state.wait_for(wanted));
    waiting.await.unwrap().unwrap().clone()
}

pub(crate) async fn issued(state: &mut watch::Receiver<State>) -> Arc<Issued> {
    let state = until(state, |state| state.usable().is_some()).await;
    state.usable().unwrap().clone()
}

#[tokio::test]
async fn the_token_buys_a_certificate_for_the_workloads_identity() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    let issued = issued(&mut keep(&plane, directory.path())).await;
    let parsed = issued.parsed().unwrap();
    assert_eq!(parsed.identity().unwrap().to_string(), IDENTITY);
    assert_eq!(issued.roots.trim(), plane.authority.root_pem().trim());
    assert_eq!(
        plane.authority.asked_lifetime.load(Ordering::Relaxed),
        86_400
    );
}

#[tokio::test]
async fn a_refused_token_is_told_and_a_new_one_on_disk_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    let mut state = keep(&plane, directory.path());
    let token = plane.mount(directory.path()).token;
    std::fs::write(&token, "stale").unwrap();
    let waiting = until(&mut state, |s| {
        matches!(s, State::Waiting { problem: Some(_) })
    })
    .await;
    assert!(waiting.to_string().contains("wrong audience"), "{waiting}");
    assert!(!waiting.to_string().contains("stale"), "{waiting}");
    plane.mount(directory.path());
    issued(&mut state).await;
}

#[tokio::test]
async fn an_authority_that_comes_up_later_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut plane = Plane::down().await;
    let mut state = keep(&plane, directory.path());
    let waiting = until(&mut state, |s| {
        matches!(s, State::Waiting { problem: Some(_) })
    })
    .await;
    assert!(
        waiting.to_string().contains("no certificate yet"),
        "{waiting}"
    );
    plane.start().await;
    issued(&mut state).await;
}

#[tokio::test]
async fn a_certificate_is_renewed_in_time_with_a_new_key() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    plane.authority.lifetime.store(4, Ordering::Relaxed);
    let mut state = keep(&plane, directory.path());
    let first = issued(&mut state).await;
    let second = until(&mut state, |state| {
        state
            .usable()
            .is_some_and(|now| now.fingerprint != first.fingerprint)
    })
    .await;
    assert!(
        SystemTime::now() < first.validity.not_after,
        "renewed too late"
    );
    assert_ne!(second.usable().unwrap().key.as_str(), first.key.as_str());
}

#[tokio::test]
async fn an_expired_certificate_is_not_usable_and_the_authoritys_return_ends_that() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    plane.authority.lifetime.store(3, Ordering::Relaxed);
    let mut state = keep(&plane, directory.path());
    let first = issued(&mut state).await;
    plane.authority.refusing.store(true, Ordering::Relaxed);
    let renewing = until(&mut state, |s| matches!(s, State::Renewing { .. })).await;
    assert!(
        renewing.usable().is_some(),
        "still valid while renewal fails"
    );
    let expired = until(&mut state, |s| matches!(s, State::Expired { .. })).await;
    assert!(expired.usable().is_none());
    for part in ["expired at", "out for lunch"] {
        assert!(expired.to_string().contains(part), "{expired}");
    }
    plane.authority.refusing.store(false, Ordering::Relaxed);
    assert_ne!(issued(&mut state).await.fingerprint, first.fingerprint);
}

#[tokio::test]
async fn a_certificate_that_has_ended_before_it_came_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    plane.authority.lifetime.store(0, Ordering::Relaxed);
    let mut state = keep(&plane, directory.path());
    let waiting = until(&mut state, |s| {
        matches!(s, State::Waiting { problem: Some(_) })
    })
    .await;
    assert!(
        waiting.to_string().contains("compare the clocks"),
        "{waiting}"
    );
}

#[tokio::test]
async fn a_certificate_of_an_authority_whose_clock_is_ahead_is_used_once_it_is_valid_and_not_before()
 {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    // Dated back by two minutes, it is valid two seconds from now.
    plane.authority.ahead.store(122, Ordering::Relaxed);
    let mut state = keep(&plane, directory.path());
    let waiting = until(&mut state, |s| {
        matches!(s, State::Waiting { problem: Some(_) })
    })
    .await;
    assert!(
        waiting.to_string().contains("compare the clocks"),
        "{waiting}"
    );
    let first = issued(&mut state).await;
    assert!(first.validity.contains(SystemTime::now()));
}

#[tokio::test]
async fn an_authority_whose_clock_is_set_right_is_believed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    plane.authority.ahead.store(86_400, Ordering::Relaxed);
    let mut state = keep(&plane, directory.path());
    until(&mut state, |s| {
        matches!(s, State::Waiting { problem: Some(_) })
    })
    .await;
    plane.authority.ahead.store(0, Ordering::Relaxed);
    issued(&mut state).await;
}

#[tokio::test]
async fn an_expired_certificate_is_not_shown_where_there_is_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let plane = Plane::up().await;
    let first = issued(&mut keep(&plane, directory.path())).await;
    let expired = Issued {
        chain: first.chain.clone(),
        key: first.key.clone(),
        roots: first.roots.clone(),
        validity: Validity {
            not_after: SystemTime::now() - Duration::from_secs(1),
            ..first.validity
        },
        fingerprint: first.fingerprint.clone(),
    };
    let authority = plane.mount(directory.path());
    std::fs::remove_file(&authority.token).unwrap();
    let issuer = Issuer {
        authority,
        id: IDENTITY.parse().unwrap(),
        lifetime: Duration::from_secs(3600),
    };
    // As after the sleep of a machine: nobody has looked at the clock since it was fresh.
    let (sender, mut state) = watch::channel(State::Fresh(Arc::new(expired)));
    tokio::spawn(keeper::keep(issuer, 0.5, sender));
    let state = until(&mut state, |s| matches!(s, State::Expired { .. })).await;
    assert!(
        state.to_string().contains("no valid certificate to show"),
        "{state}"
    );
}
