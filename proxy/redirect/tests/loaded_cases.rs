//! What is loaded over netlink is what `nft -f` makes of the text, for every case of Istio's.
//! Needs root, the program `nft` and LATEEN_CONFORMANCE.
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
    let cases = cases::read();
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
