//! The rules as the kernel has them: applied twice they are the same, other settings replace them, cleanup leaves
//! nothing. Needs root and the programs `nft`, `iptables-save` and `ip`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod namespace;

use namespace::{ip, listed, nft};

#[test]
fn a_group_that_does_not_exist_is_an_error_that_names_it_and_nothing_is_loaded() {
    namespace::fresh(|| {
        let (code, _, errors) =
            namespace::run(&["--istio-outbound-owner-groups", "no-such-group", "-i", "*"]);
        assert_eq!(code, 1);
        assert!(
            errors.contains("no-such-group") && errors.contains("/etc/group"),
            "{errors}"
        );
        assert_eq!(listed(), "");
    });
}

#[test]
fn running_twice_is_running_once_and_other_settings_replace_all() {
    namespace::fresh(|| {
        let tproxy = [
            "-m",
            "TPROXY",
            "-i",
            "*",
            "-b",
            "*",
            "--redirect-dns",
            "--capture-all-dns",
            "--drop-invalid",
        ];
        assert_eq!(namespace::run(&tproxy).0, 0);
        let (rules, routes) = (
            listed(),
            (ip(&["rule"]), ip(&["route", "show", "table", "133"])),
        );
        assert!(
            rules.contains("istio-proxy-mangle") && rules.contains("istio-proxy-raw"),
            "{rules}"
        );
        assert!(routes.0.contains("fwmark 0x539 lookup 133"), "{routes:?}");
        assert!(routes.1.contains("local default dev lo"), "{routes:?}");
        assert_eq!(namespace::run(&tproxy).0, 0);
        assert_eq!(
            (
                listed(),
                ip(&["rule"]),
                ip(&["route", "show", "table", "133"])
            ),
            (rules, routes.0, routes.1)
        );

        assert_eq!(namespace::run(&["-i", "*", "-b", "*"]).0, 0);
        let replaced = listed();
        assert!(
            !replaced.contains("mangle") && !replaced.contains("raw"),
            "{replaced}"
        );
        assert!(!ip(&["rule"]).contains("133"));
    });
}

#[test]
fn cleanup_leaves_no_table_no_route_and_no_address() {
    namespace::fresh(|| {
        let (rules, addresses) = (ip(&["rule"]), ip(&["addr", "show", "lo"]));
        ip(&["-6", "addr", "add", "fd00::2/128", "dev", "lo"]);
        assert_eq!(namespace::run(&["-m", "TPROXY", "-i", "*", "-b", "*"]).0, 0);
        assert!(listed().contains("ip6") && ip(&["addr", "show", "lo"]).contains("::6/128"));
        assert!(ip(&["-6", "rule"]).contains("fwmark 0x539 lookup 133"));
        assert_eq!(namespace::run(&["--cleanup-only"]).0, 0);
        assert_eq!(listed(), "");
        assert_eq!(ip(&["rule"]), rules);
        assert!(!ip(&["-6", "rule"]).contains("133"));
        assert_eq!(ip(&["-6", "route", "show", "table", "133"]).trim(), "");
        ip(&["-6", "addr", "del", "fd00::2/128", "dev", "lo"]);
        assert_eq!(ip(&["addr", "show", "lo"]), addresses);
        assert_eq!(
            namespace::run(&["--cleanup-only"]).0,
            0,
            "cleaning what is clean is no error"
        );
    });
}

#[test]
fn a_dry_run_prints_text_that_nft_loads_and_changes_nothing() {
    namespace::fresh(|| {
        let (code, text, errors) =
            namespace::run(&["-i", "*", "-b", "*", "-d", "15090", "--dry-run"]);
        assert_eq!(code, 0, "{errors}");
        assert_eq!(listed(), "");
        nft(&["-f", "-"], &text);
        assert!(listed().contains("tcp dport 15090"), "{text}");
    });
}

#[test]
fn another_network_namespace_is_entered_when_named() {
    namespace::fresh(|| {
        let here = listed();
        let there = namespace::Other::new();
        let path = there.path();
        assert_eq!(
            namespace::run(&["-i", "*", "--network-namespace", &path]).0,
            0
        );
        assert_eq!(listed(), here);
        assert!(there.inside(listed).contains("istio-proxy-nat"));
        let (code, _, errors) = namespace::run(&["--network-namespace", "/does/not/exist"]);
        assert_eq!(code, 1);
        assert!(
            errors.contains("--network-namespace /does/not/exist"),
            "{errors}"
        );
    });
}

#[test]
fn without_the_capability_the_error_names_it() {
    namespace::fresh(|| {
        let (code, _, errors) = namespace::run_without_capabilities(&["-i", "*"]);
        assert_eq!(code, 1);
        assert!(errors.contains("NET_ADMIN"), "{errors}");
    });
}

const VARIANTS: [&str; 2] = ["nft", "legacy"];

/// Run with the iptables back end.
fn by_iptables(variant: &str, arguments: &[&str]) -> String {
    let backend = ["--backend", "iptables", "--force-iptables-binary", variant];
    let (code, text, errors) = namespace::run(&[arguments, &backend].concat());
    assert_eq!(code, 0, "{errors}");
    text
}

#[test]
fn by_iptables_too_running_twice_is_running_once_and_other_settings_replace_all() {
    for variant in VARIANTS {
        namespace::fresh(move || {
            ip(&["-6", "addr", "add", "fd00::2/128", "dev", "lo"]);
            // Somebody else's rule stays through all of it.
            namespace::restored(
                variant,
                "*nat\n-A OUTPUT -d 192.0.2.5/32 -j RETURN\nCOMMIT\n",
            );
            let saved = || namespace::saved_by(variant);
            let before = saved();
            let tproxy = [
                "-m",
                "TPROXY",
                "-i",
                "*",
                "-b",
                "*",
                "-c",
                "eth7",
                "-k",
                "tap0",
                "--redirect-dns",
                "--capture-all-dns",
                "--drop-invalid",
            ];
            by_iptables(variant, &tproxy);
            let rules = saved();
            for table in ["*nat", "*mangle", "*raw"] {
                assert_eq!(rules.matches(table).count(), 2, "{rules}");
            }
            by_iptables(variant, &tproxy);
            assert_eq!(saved(), rules);
            by_iptables(variant, &["-i", "*", "-b", "*"]);
            let replaced = saved();
            for gone in [
                "TPROXY",
                "CONNMARK",
                "eth7",
                "tap0",
                "ISTIO_OUTPUT_DNS",
                "ISTIO_DROP",
            ] {
                assert!(!replaced.contains(gone), "{gone}: {replaced}");
            }
            assert!(replaced.contains("-j ISTIO_IN_REDIRECT"), "{replaced}");
            by_iptables(variant, &["--cleanup-only"]);
            let rules = |text: &str| -> Vec<String> {
                text.lines()
                    .filter(|l| l.starts_with("-A"))
                    .map(str::to_owned)
                    .collect()
            };
            assert_eq!(rules(&saved()), rules(&before));
            assert!(!saved().contains("ISTIO_"), "{}", saved());
        });
    }
}

#[test]
fn a_dry_run_prints_text_that_iptables_restore_loads_and_changes_nothing() {
    for variant in VARIANTS {
        namespace::fresh(move || {
            let text = by_iptables(variant, &["-i", "*", "-b", "*", "-d", "15090", "--dry-run"]);
            assert!(!namespace::saved_by(variant).contains("ISTIO_"));
            namespace::restored(variant, &text);
            let printed = namespace::saved_by(variant);
            assert!(printed.contains("--dport 15090 -j RETURN"), "{printed}");
            by_iptables(variant, &["-i", "*", "-b", "*", "-d", "15090"]);
            assert_eq!(namespace::saved_by(variant), printed);
        });
    }
}

#[test]
fn a_program_that_is_missing_or_refuses_is_named_with_what_helps() {
    namespace::fresh(|| {
        let backend = ["--backend", "iptables", "-i", "*"];
        let groups = ["--istio-outbound-owner-groups", "no-such-group"];
        let (code, _, errors) = namespace::run(&[&backend[..], &groups].concat());
        assert_eq!(code, 1);
        assert!(
            errors.contains("iptables-restore") && errors.contains("no-such-group"),
            "{errors}"
        );
        let (code, _, errors) = namespace::run_without_capabilities(&backend);
        assert_eq!(code, 1);
        assert!(errors.contains("NET_ADMIN"), "{errors}");
    });
}
