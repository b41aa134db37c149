//! TLS that ends at the gateway, and TLS that goes through.

use crate::behind;
use crate::callers::{Comparison, curl};
use crate::certificates::{Certificates, Key, Pair};
use crate::planes::{Planes, free};
use crate::resources::{
    Callers, bytes, certificate, cluster, host, listener, named, requests, roots, routes, secured,
};

/// Arguments of `curl` for a certificate of its own.
fn shown(pair: &Pair) -> [&str; 4] {
    let [chain, key] = [&pair.chain_file, &pair.key_file].map(|file| file.to_str().unwrap());
    ["--cert", chain, "--key", key]
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_with_tls_get_what_envoy_gives_them() {
    let made = Certificates::new();
    let root = made.root("example");
    made.root("stranger");
    let www = made.named(
        "www.example.com",
        "example",
        "DNS:www.example.com",
        Key::Rsa,
    );
    let curve = made.named(
        "curve.example.com",
        "example",
        "DNS:two.example.com",
        Key::P256,
    );
    let two = made.named(
        "two.example.com",
        "example",
        "DNS:two.example.com",
        Key::Rsa,
    );
    let documented = made.documented("httpbin.example.com", "example");
    let all = made.named(
        "all.example.com",
        "example",
        "DNS:*.example.com,DNS:*.wild.example.com",
        Key::P256,
    );
    let client = made.named(
        "client",
        "example",
        "DNS:client.example.com,URI:spiffe://a/b",
        Key::P256,
    );
    let other = made.named("other", "example", "DNS:other.example.com", Key::P256);
    let old = made.documented("client.example.com", "example");
    let stranger = made.named("nobody", "stranger", "DNS:client.example.com", Key::P256);

    let echo = behind::echo();
    let secure = behind::secure_echo(&all);
    let [port] = free();
    let ends = |names: &[&str], certificates: &[&str], callers: Callers| {
        named(names, secured(certificates, callers, requests("https")))
    };
    let mutual = Callers {
        roots: Some("kubernetes://all-cacert"),
        required: true,
        ..Callers::default()
    };
    let all_name = ["kubernetes://all"];
    let chains = vec![
        ends(
            &["www.example.com"],
            &["kubernetes://www"],
            Callers::default(),
        ),
        ends(
            &["httpbin.example.com"],
            &["kubernetes://httpbin"],
            Callers::default(),
        ),
        ends(
            &["*.wild.example.com", "a.example.com"],
            &all_name,
            Callers::default(),
        ),
        ends(
            &["two.example.com"],
            &["kubernetes://two", "kubernetes://curve"],
            Callers::default(),
        ),
        ends(&["mutual.example.com"], &all_name, mutual.clone()),
        ends(
            &["optional.example.com"],
            &all_name,
            Callers {
                required: false,
                ..mutual.clone()
            },
        ),
        ends(
            &["dns.example.com"],
            &all_name,
            Callers {
                dns: vec!["client.example.com"],
                ..mutual.clone()
            },
        ),
        ends(
            &["hash.example.com"],
            &all_name,
            Callers {
                hashes: vec![made.hash(&client)],
                ..mutual.clone()
            },
        ),
        ends(
            &["spki.example.com"],
            &all_name,
            Callers {
                spki: vec![made.spki(&client)],
                ..mutual.clone()
            },
        ),
        named(&["through.example.com"], bytes("secure")),
    ];
    let planes = Planes::start(|ip| {
        vec![
            cluster("behind", echo),
            cluster("secure", secure),
            certificate("kubernetes://www", &www),
            certificate("kubernetes://httpbin", &documented),
            certificate("kubernetes://all", &all),
            certificate("kubernetes://two", &two),
            certificate("kubernetes://curve", &curve),
            roots("kubernetes://all-cacert", &root),
            routes("https", vec![host("*", "behind")]),
            listener(ip, port, chains.clone()),
        ]
    })
    .await;
    let mut both = Comparison::of(&planes);
    let verified = ["--cacert", root.chain_file.to_str().unwrap()];
    let with = |more: &[&'static str]| -> Vec<String> {
        verified.iter().chain(more).map(|&a| a.to_owned()).collect()
    };
    let mut case = |name: &str, host: &str, arguments: &[String], expected: &[&str]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        both.case(name, expected, |plane| {
            curl(plane, host, port, &arguments, "/a")
        });
    };
    let refused = ["curl is refused"];
    case(
        "HTTP/2 by ALPN",
        "www.example.com",
        &with(&[]),
        &["HTTP/2 200", "x-forwarded-proto: https"],
    );
    case(
        "HTTP/1.1 by ALPN",
        "www.example.com",
        &with(&["--http1.1"]),
        &["HTTP/1.1 200"],
    );
    case(
        "no ALPN",
        "www.example.com",
        &with(&["--no-alpn"]),
        &["HTTP/1.1 200"],
    );
    case(
        "TLS 1.2",
        "www.example.com",
        &with(&["--tls-max", "1.2"]),
        &["200"],
    );
    case(
        "TLS 1.1",
        "www.example.com",
        &with(&["--tls-max", "1.1"]),
        &refused,
    );
    case("capitals", "WWW.Example.com", &with(&[]), &["200"]);
    case(
        "a name of a pattern",
        "x.wild.example.com",
        &with(&[]),
        &["200"],
    );
    case(
        "of nobody",
        "nobody.example.com",
        &["--insecure".to_owned()],
        &refused,
    );
    case("no name", "127.0.0.9", &["--insecure".to_owned()], &refused);
    case(
        "a certificate as documented",
        "httpbin.example.com",
        &["--insecure".to_owned()],
        &["200"],
    );
    case(
        "one of two certificates",
        "two.example.com",
        &with(&[]),
        &["200"],
    );
    let curves = [
        "--tls-max",
        "1.2",
        "--ciphers",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ];
    case("the other one", "two.example.com", &with(&curves), &["200"]);
    let rsa = [
        "--tls-max",
        "1.2",
        "--ciphers",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ];
    case("the one", "two.example.com", &with(&rsa), &["200"]);
    case(
        "through",
        "through.example.com",
        &with(&[]),
        &["200", "server: behind"],
    );
    for host in ["mutual", "optional", "dns", "hash", "spki"] {
        let name = format!("{host}.example.com");
        for (who, pair, comes_in) in [
            ("nobody", None, host == "optional"),
            ("client", Some(&client), true),
            (
                "other",
                Some(&other),
                host == "mutual" || host == "optional",
            ),
            (
                "as documented",
                Some(&old),
                host == "mutual" || host == "optional",
            ),
            ("stranger", Some(&stranger), false),
        ] {
            for version in [&[][..], &["--tls-max", "1.2"]] {
                let mut arguments = with(version);
                arguments.extend(pair.map(shown).into_iter().flatten().map(str::to_owned));
                let expected: &[&str] = match (comes_in, pair) {
                    (true, None) => &["200"],
                    (true, Some(_)) => &["200", "x-forwarded-client-cert"],
                    (false, _) => &refused,
                };
                case(
                    &format!("{host}, {who}, {version:?}"),
                    &name,
                    &arguments,
                    expected,
                );
            }
        }
    }
}
