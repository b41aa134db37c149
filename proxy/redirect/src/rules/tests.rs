#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::collections::HashMap;

use clap::Parser;

use super::*;
use crate::{Addresses, Environment, Options};

/// The settings of a command line, in a pod with the given addresses and name servers.
pub(super) fn settings(args: &str, addresses: &[&str], name_servers: &str) -> Settings {
    let environment = Environment {
        addresses: Addresses(
            addresses
                .iter()
                .map(|address| address.parse().unwrap())
                .collect(),
        ),
        proxy_user: Owner::Id(1337),
        resolv_conf: Ok(name_servers.to_owned()),
        variables: HashMap::new(),
    };
    let args = ["istio-iptables"]
        .into_iter()
        .chain(args.split_whitespace());
    Options::try_parse_from(args)
        .unwrap()
        .settings(&environment)
        .unwrap()
}

fn lines(args: &str, addresses: &[&str], name_servers: &str) -> Vec<String> {
    batch(&settings(args, addresses, name_servers))
        .to_nft_text()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn of_chain(lines: &[String], table: &str, chain: &str) -> Vec<String> {
    let add = format!("add rule inet {table} {chain} ");
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(&add))
        .map(str::to_owned)
        .collect()
}

#[test]
fn excluded_inbound_ports_return_before_all_others_are_redirected() {
    let lines = lines("-b * -d 15090,15021", &["10.0.0.2"], "");
    assert_eq!(
        of_chain(&lines, "istio-proxy-nat", "istio-inbound"),
        [
            "meta l4proto tcp tcp dport 15008 counter return",
            "meta l4proto tcp tcp dport 15090 counter return",
            "meta l4proto tcp tcp dport 15021 counter return",
            "meta l4proto tcp counter jump istio-in-redirect",
        ]
    );
}

#[test]
fn excluded_outbound_ports_return_before_anything_else_on_the_way_out() {
    let lines = lines("-i * -o 5432", &["10.0.0.2"], "");
    let output = of_chain(&lines, "istio-proxy-nat", "istio-output");
    assert_eq!(
        output[..2],
        [
            "tcp dport 5432 counter return",
            "udp dport 5432 counter return"
        ]
    );
    assert_eq!(output.last().unwrap(), "counter jump istio-redirect");
}

#[test]
fn invalid_packets_are_dropped_in_a_chain_of_their_own() {
    let lines = lines("--drop-invalid", &["10.0.0.2"], "");
    assert_eq!(
        of_chain(&lines, "istio-proxy-mangle", "prerouting"),
        ["meta l4proto tcp ct state invalid counter jump istio-drop"]
    );
    assert_eq!(
        of_chain(&lines, "istio-proxy-mangle", "istio-drop"),
        ["counter drop"]
    );
}

#[test]
fn all_dns_is_captured_without_knowing_servers() {
    let lines = lines("--redirect-dns --capture-all-dns", &["10.0.0.2"], "");
    assert_eq!(
        of_chain(&lines, "istio-proxy-nat", "istio-output-dns"),
        [
            "meta l4proto tcp tcp dport 53 counter redirect to :15053",
            "udp dport 53 counter redirect to :15053",
        ]
    );
    assert_eq!(
        of_chain(&lines, "istio-proxy-raw", "istio-inbound"),
        ["udp sport 53 counter ct zone set 1"]
    );
}

#[test]
fn name_servers_of_a_family_without_rules_capture_nothing() {
    let captured = lines("--redirect-dns", &["fd00::2"], "nameserver fd00::53\n");
    assert!(!of_chain(&captured, "istio-proxy-nat", "istio-output-dns").is_empty());
    // A jump to a chain that has no rule, and so is not made, would fail to load.
    let left_alone = lines("--redirect-dns", &["10.0.0.2"], "nameserver fd00::53\n");
    assert!(
        !left_alone.iter().any(|line| line.contains("dns")),
        "{left_alone:?}"
    );
}

#[test]
fn ipv6_ranges_are_left_out_of_rules_for_ipv4_alone() {
    let ranges = "-i 10.0.0.0/8,fd00::/8 -x 10.1.0.0/16,fd01::/16";
    assert!(
        !lines(ranges, &["10.0.0.2"], "")
            .iter()
            .any(|line| line.contains("ip6"))
    );
    let both = lines(
        &format!("{ranges} --dual-stack"),
        &["10.0.0.2", "fd00::2"],
        "",
    );
    assert!(
        both.iter()
            .any(|line| line.ends_with("ip6 daddr fd00::/8 counter jump istio-redirect"))
    );
}

#[test]
fn no_group_included_redirects_nothing_on_the_way_out() {
    let lines = lines("-i * --istio-outbound-owner-groups=", &["10.0.0.2"], "");
    let output = of_chain(&lines, "istio-proxy-nat", "istio-output");
    let all_return = output
        .iter()
        .position(|rule| rule == "counter return")
        .unwrap();
    let redirect = output
        .iter()
        .position(|rule| rule == "counter jump istio-redirect")
        .unwrap();
    assert!(all_return < redirect);
}

#[test]
fn a_replacement_removes_every_table_first_and_cleanup_removes_them_all() {
    let cleanup = cleanup().to_nft_text();
    for table in TABLES {
        let removal = format!("add table inet {table}\ndelete table inet {table}\n");
        assert!(cleanup.contains(&removal), "{cleanup}");
    }
}

#[test]
fn a_rule_is_put_before_another_only_where_that_one_is_there() {
    let text = lines("-m TPROXY", &["10.0.0.2"], "").join("\n");
    assert!(
        text.contains("add rule inet istio-proxy-mangle istio-inbound iifname lo meta l4proto tcp mark != 1338 counter return"),
        "{text}"
    );
    assert!(!text.contains("istio-inbound index"), "{text}");
}
