#![allow(clippy::unwrap_used)]
use std::collections::HashMap;

use clap::CommandFactory;

use super::*;
use crate::{Addresses, Environment};

fn environment(variables: &[(&'static str, &str)]) -> Environment {
    Environment {
        addresses: Addresses(vec!["10.0.0.2".parse().unwrap()]),
        proxy_user: Owner::Id(1337),
        resolv_conf: Err("No such file or directory".to_owned()),
        variables: variables
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect::<HashMap<_, _>>(),
    }
}

fn refused(args: &[&str]) -> String {
    let args = ["istio-iptables"].iter().chain(args);
    Options::try_parse_from(args).unwrap_err().to_string()
}

fn settings(args: &[&str]) -> Settings {
    let args = ["istio-iptables"].iter().chain(args);
    Options::try_parse_from(args)
        .unwrap()
        .settings(&environment(&[]))
        .unwrap()
}

#[test]
fn the_definition_of_the_flags_is_consistent() {
    Options::command().debug_assert();
}

#[test]
fn without_flags_the_settings_are_istios_defaults() {
    let settings = settings(&[]);
    assert_eq!(settings.proxy_port, 15001);
    assert_eq!(settings.inbound_capture_port, 15006);
    assert_eq!(settings.inbound_tunnel_port, 15008);
    assert_eq!(
        (settings.tproxy_mark, settings.tproxy_route_table),
        (1337, 133)
    );
    assert_eq!(settings.proxy_users, [Owner::Id(1337)]);
    assert_eq!(settings.proxy_groups, [Owner::Id(1337)]);
    assert_eq!(settings.inbound_mode, InboundMode::Redirect);
    assert!(settings.inbound_ports.is_none() && settings.outbound_ranges.is_none());
    assert_eq!(settings.owner_groups, OwnerGroups::AllBut(Vec::new()));
    assert_eq!(settings.loopback.to_string(), "127.0.0.1/32");
}

#[test]
fn the_arguments_of_an_injected_pod_are_understood() {
    let settings = settings(&[
        "-p",
        "15001",
        "-z",
        "15006",
        "-u",
        "1337",
        "-m",
        "REDIRECT",
        "-i",
        "*",
        "-x",
        "",
        "-b",
        "*",
        "-d",
        "15090,15021,15020",
        "--log_output_level=default:info",
    ]);
    assert_eq!(settings.inbound_ports, Selection::All);
    assert_eq!(settings.outbound_ranges, Selection::All);
    assert_eq!(settings.inbound_ports_exclude, [15090, 15021, 15020]);
}

#[test]
fn the_proxys_groups_are_its_users_unless_given() {
    assert_eq!(
        settings(&["-u", "3,4"]).proxy_groups,
        [Owner::Id(3), Owner::Id(4)]
    );
    assert_eq!(
        settings(&["-u", "3", "-g", "5"]).proxy_groups,
        [Owner::Id(5)]
    );
}

#[test]
fn an_invalid_value_is_refused_with_the_flag_and_what_is_wanted() {
    for (args, flag, wanted) in [
        (["-p", "70000"], "--envoy-port", "1 to 65535"),
        (["-b", "80,x"], "--istio-inbound-ports", "1 to 65535"),
        (["-i", "10.0.0.0/33"], "--istio-service-cidr", "CIDR"),
        (
            ["-x", "*"],
            "--istio-service-exclude-cidr",
            "cannot be excluded",
        ),
        (
            ["-m", "NONE"],
            "--istio-inbound-interception-mode",
            "REDIRECT or TPROXY",
        ),
        (
            ["-c", "sixteen-letters-"],
            "--istio-exclude-interfaces",
            "interface name",
        ),
        (["-u", "a b"], "--proxy-uid", "user or group name"),
        (
            ["-t", "0"],
            "--istio-inbound-tproxy-mark",
            "1 to 4294967295",
        ),
        (["--probe-timeout", "soon"], "--probe-timeout", "500ms"),
        (["--dry-run=perhaps", "-n"], "--dry-run", "true nor false"),
    ] {
        let error = refused(&args);
        assert!(
            error.contains(flag) && error.contains(wanted),
            "{args:?}: {error}"
        );
    }
}

#[test]
fn booleans_stand_alone_or_with_a_value() {
    let parse = |arg: &str| Options::try_parse_from(["istio-iptables", arg]).unwrap();
    assert!(parse("--dry-run").dry_run && parse("-n").dry_run && parse("--dry-run=true").dry_run);
    assert!(!parse("--dry-run=false").dry_run);
    assert_eq!(parse("--redirect-dns=false").redirect_dns, Some(false));
}

#[test]
fn a_variable_stands_in_for_its_flag_and_the_flag_wins() {
    let drop_invalid = |args: &[&str], value| {
        let args = ["istio-iptables"].iter().chain(args);
        let options = Options::try_parse_from(args).unwrap();
        options
            .settings(&environment(&[("INVALID_DROP", value)]))
            .map(|settings| settings.drop_invalid)
    };
    assert!(drop_invalid(&[], "true").unwrap());
    assert!(!drop_invalid(&["--drop-invalid=false"], "true").unwrap());
    let error = drop_invalid(&[], "maybe").unwrap_err().to_string();
    assert!(
        error.contains("INVALID_DROP") && error.contains("maybe"),
        "{error}"
    );
}

#[test]
fn dns_without_a_readable_resolv_conf_is_an_error_that_names_the_way_out() {
    let options = Options::try_parse_from(["istio-iptables", "--redirect-dns"]).unwrap();
    let error = options.settings(&environment(&[])).unwrap_err().to_string();
    assert!(
        error.contains("/etc/resolv.conf") && error.contains("--capture-all-dns"),
        "{error}"
    );
}

#[test]
fn every_flag_that_takes_a_list_shows_an_example_in_its_help() {
    let command = Options::command();
    for flag in command.get_arguments().filter(|flag| !flag.is_hide_set()) {
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        assert!(!help.is_empty(), "{}", flag.get_id());
        let names = flag.get_value_names().unwrap_or_default();
        let list = names
            .iter()
            .any(|name| matches!(name.as_str(), "PORTS" | "CIDRS" | "NAMES" | "GIDS" | "UIDS"));
        assert!(
            !list || help.contains("Example"),
            "{}: {help}",
            flag.get_id()
        );
    }
}
