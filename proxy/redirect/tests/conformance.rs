//! Istio's own cases: settings in, rules out, compared chain by chain with what Istio's tool writes.
//! LATEEN_CONFORMANCE names the directory that holds `nftables/cases.json` and `iptables/cases.json` with the expected
//! texts beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cases;

use std::collections::BTreeMap;

use redirect::rules::{self, iptables};

/// What a text says of each chain: its own line, and its rules in order.
type Chains = BTreeMap<(String, String), (String, Vec<String>)>;

/// Read `nft -f` lines; an insertion stays one, with its index, in the place of its line.
fn chains(text: &str) -> (Vec<String>, Chains) {
    let mut tables = Vec::new();
    let mut chains = Chains::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["add" | "flush", "table", ..] => tables.push(words.join(" ")),
            ["add", "chain", _, table, chain, ..] => {
                chains.insert(
                    (table.to_string(), chain.to_string()),
                    (words.join(" "), Vec::new()),
                );
            }
            ["add" | "insert", "rule", _, table, chain, ..] => {
                let key = (table.to_string(), chain.to_string());
                let (_, rules) = chains
                    .get_mut(&key)
                    .unwrap_or_else(|| panic!("no chain for {line}"));
                rules.push(words.join(" "));
            }
            _ => panic!("a line that is no command: {line}"),
        }
    }
    (tables, chains)
}

#[test]
fn every_case_of_istio_gives_the_rules_that_istio_gives() {
    let cases = cases::read("nftables");
    assert!(cases.len() >= 17, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let text = rules::batch(&case.settings()).to_nft_text();
        let (got, want) = (chains(&text), chains(&case.want));
        if got != want {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (got, want) = (lines(&text), lines(&case.want));
            let missing = want
                .iter()
                .filter(|line| !got.contains(line))
                .map(|line| format!("  wanted: {line}"));
            let more = got
                .iter()
                .filter(|line| !want.contains(line))
                .map(|line| format!("  got:    {line}"));
            wrong.push(format!(
                "{}\n{}",
                case.name,
                missing.chain(more).collect::<Vec<_>>().join("\n")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// What an iptables text says of each chain of each table, the first or the second time that the table is written: the
/// second time is for IPv6.
fn iptables_chains(text: &str) -> BTreeMap<(String, usize, String), Vec<String>> {
    let mut chains = BTreeMap::new();
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    let mut table = (String::new(), 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["*", name] => {
                let times = written.entry(name.to_string()).or_default();
                *times += 1;
                table = (name.to_string(), *times);
            }
            ["-N", chain] => {
                chains.insert((table.0.clone(), table.1, chain.to_string()), Vec::new());
            }
            ["-A" | "-I", chain, ..] => chains
                .entry((table.0.clone(), table.1, chain.to_string()))
                .or_default()
                .push(words.join(" ")),
            // Istio's tool lists the programs that it would run.
            ["COMMIT" | "iptables-save" | "ip6tables-save"] => {}
            _ => panic!("a line that is no command: {line}"),
        }
    }
    chains
}

#[test]
fn every_case_of_istios_iptables_gives_the_rules_that_istio_gives() {
    let cases = cases::read("iptables");
    assert!(cases.len() >= 15, "only {} cases", cases.len());
    for case in &cases {
        let settings = case.settings();
        let mut text = iptables::text(&settings, iptables::IpVersion::V4);
        if settings.ipv6 {
            text.push_str(&iptables::text(&settings, iptables::IpVersion::V6));
        }
        let (got, want) = (iptables_chains(&text), iptables_chains(&case.want));
        assert_eq!(got, want, "case {}", case.name);
        // The order of what is made is Istio's too.
        let lines = |text: &str| -> Vec<String> {
            let saves = ["iptables-save", "ip6tables-save"];
            let lines = text.lines().filter(|line| !saves.contains(line));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(lines(&text), lines(&case.want), "case {}", case.name);
    }
}
