use graph::manager::{ClientCertDetails, ForwardClientCert};

use super::{get, names, text};
use crate::xfcc::{Certificates, element, set};

const OF_ISTIO: ClientCertDetails = ClientCertDetails {
    subject: true,
    cert: false,
    chain: false,
    dns: true,
    uri: true,
};

fn certificates() -> Certificates<'static> {
    Certificates {
        local_uris: &["spiffe://srv/one", "spiffe://srv/two"],
        hash: "091d",
        subject: r#"CN=cli,O=Ac\"me\, x\;y,C=DE"#,
        uris: &["spiffe://c/one", "spiffe://c/two"],
        dns: &["d1.com", "d2.com"],
        pem: "PEM",
        chain_pem: "CHAIN",
    }
}

fn made(of: &Certificates<'_>, details: ClientCertDetails) -> String {
    let mut text = Vec::new();
    element(of, details, &mut text);
    String::from_utf8(text).unwrap()
}

/// Envoy 1.40, mutual TLS with two URI names on each side.
#[test]
fn the_element_lists_what_is_configured_in_envoys_order() {
    let expected = concat!(
        "By=spiffe://srv/one;By=spiffe://srv/two;Hash=091d;",
        r#"Subject="CN=cli,O=Ac\"me\, x\;y,C=DE";"#,
        "URI=spiffe://c/one;URI=spiffe://c/two;DNS=d1.com;DNS=d2.com"
    );
    assert_eq!(made(&certificates(), OF_ISTIO), expected);
    let all = ClientCertDetails {
        cert: true,
        chain: true,
        ..OF_ISTIO
    };
    assert!(made(&certificates(), all).contains(r#";Hash=091d;Cert="PEM";Chain="CHAIN";Subject="#));
    let none = made(&certificates(), ClientCertDetails::default());
    assert_eq!(none, "By=spiffe://srv/one;By=spiffe://srv/two;Hash=091d");
}

/// Envoy's source: the keys `Subject` and `URI` stay where the certificate has none.
#[test]
fn empty_names_are_said_to_be_empty() {
    assert_eq!(
        made(&Certificates::default(), OF_ISTIO),
        r#"Subject="";URI="#
    );
}

/// Envoy 1.40: no field, one, an empty one, two; by mutual TLS, then in the clear.
#[test]
fn each_mode_treats_the_field_as_envoy_does() {
    use ForwardClientCert::{AlwaysForwardOnly, AppendForward, ForwardOnly, Sanitize, SanitizeSet};
    let requests: [&[&str]; 4] = [&[], &["a"], &[""], &["one", "two"]];
    let cases = [
        (Sanitize, Some("now"), [None, None, None, None]),
        (
            ForwardOnly,
            Some("now"),
            [None, Some("a"), Some(""), Some("one|two")],
        ),
        (
            AppendForward,
            Some("now"),
            [Some("now"), Some("a,now"), Some("now"), Some("one,two,now")],
        ),
        (SanitizeSet, Some("now"), [Some("now"); 4]),
        (
            AlwaysForwardOnly,
            Some("now"),
            [None, Some("a"), Some(""), Some("one|two")],
        ),
        (Sanitize, None, [None; 4]),
        (ForwardOnly, None, [None; 4]),
        (AppendForward, None, [None; 4]),
        (SanitizeSet, None, [None; 4]),
        (
            AlwaysForwardOnly,
            None,
            [None, Some("a"), Some(""), Some("one|two")],
        ),
    ];
    for (mode, current, expected) in cases {
        for (there, expected) in requests.iter().zip(expected) {
            let more: Vec<_> = there
                .iter()
                .map(|v| ("x-forwarded-client-cert", *v))
                .collect();
            let mut request = get("/", &more);
            set(&mut request, mode, current.map(str::as_bytes));
            let left = names(&request)
                .iter()
                .any(|n| n == "x-forwarded-client-cert");
            let values: Vec<_> = request
                .find_all(b"x-forwarded-client-cert")
                .map(|v| String::from_utf8_lossy(v).into_owned())
                .collect();
            assert_eq!(left, expected.is_some(), "{mode:?} {there:?}");
            assert_eq!(
                values.join("|"),
                expected.unwrap_or(""),
                "{mode:?} {there:?}"
            );
        }
    }
    assert_eq!(text(&get("/", &[]), "x-forwarded-client-cert"), None);
}
