//! What peers say of who they are: SPIFFE identities, forwarded certificates (XFCC).

use identity::{SpiffeId, TrustDomain, forwarded};

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(id) = text.parse::<SpiffeId>() {
        assert_eq!(id.to_string(), *text, "an identity has one form");
        let again = SpiffeId::new(
            id.trust_domain().clone(),
            id.namespace(),
            id.service_account(),
        );
        assert_eq!(again.as_ref(), Ok(&id));
        let said = forwarded::value(&id);
        assert_eq!(forwarded::parse(&said), Ok(id));
    }
    if let Ok(domain) = text.parse::<TrustDomain>() {
        assert_eq!(domain.as_str(), text);
    }
    if let Ok(id) = forwarded::parse(&text) {
        assert!(text.contains(&id.to_string()));
    }
}
