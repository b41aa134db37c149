//! What is loaded over netlink is what `nft -f` makes of the text, for every case of Istio's.
//! So is what iptables makes of Istio's cases for it. Needs root, the programs `nft` and `iptables-restore`, and
//! LATEEN_CONFORMANCE.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cases;
mod namespace;

use namespace::{listed, nft};
use redirect::rules;

/// Istio's cases name groups that a machine may lack; both back ends look up this one, which every machine has.
fn with_known_groups(value: String) -> String {
    value.replace("java", "root").replace("ftp", "root")
}

#[test]
fn every_case_of_istio_is_loaded_as_nft_loads_its_text() {
    let cases = cases::read("nftables");
    assert!(cases.len() >= 17, "only {} cases", cases.len());
    for case in cases {
        let settings = case.settings_with(with_known_groups);
        let text = rules::batch(&settings).to_nft_text();
        let (by_nft, by_netlink) = namespace::fresh(move || {
            nft(&["-f", "-"], &text);
            let by_nft = listed();
            nft(&["flush", "ruleset"], "");
            rules::replacement(&settings).apply().unwrap();
            (by_nft, listed())
        });
        assert!(by_nft.contains("chain istio-output"), "{by_nft}");
        assert_eq!(by_netlink, by_nft, "case {}", case.name);
    }
}

#[test]
fn every_case_of_istios_iptables_is_loaded_rule_by_rule() {
    for case in cases::read("iptables") {
        let settings = case.settings_with(with_known_groups);
        for variant in ["nft", "legacy"] {
            let name = case.name.clone();
            let text = rules::iptables::text(&settings, rules::iptables::IpVersion::V4);
            let wanted = text
                .lines()
                .filter(|l| l.starts_with("-A") || l.starts_with("-I"))
                .count();
            let loaded = namespace::fresh(move || {
                namespace::restored(variant, &text);
                namespace::saved_by(variant)
            });
            let got = loaded.lines().filter(|line| line.starts_with("-A")).count();
            assert_eq!(got, wanted, "case {name}: {loaded}");
        }
    }
}
