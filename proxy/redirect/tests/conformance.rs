//! Istio's own cases: settings in, rules out, compared chain by chain with what Istio's tool writes.
//! LATEEN_CONFORMANCE names the directory that holds `nftables/cases.json` and the expected texts beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cases;

use std::collections::BTreeMap;

use redirect::rules;

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
    let cases = cases::read();
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
