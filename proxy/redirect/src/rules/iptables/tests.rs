#![allow(clippy::unwrap_used)]
use super::super::tests::settings;
use super::*;

fn lines(args: &str, version: IpVersion) -> Vec<String> {
    let settings = settings(args, &["10.0.0.2", "fd00::2"], "nameserver 10.0.0.10\n");
    text(&settings, version)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn of_chain(lines: &[String], chain: &str) -> Vec<String> {
    let there = |line: &&String| {
        [format!("-A {chain} "), format!("-I {chain} ")]
            .iter()
            .any(|start| line.starts_with(start.as_str()))
    };
    lines.iter().filter(there).cloned().collect()
}

#[test]
fn tproxy_is_written_as_istios_tool_writes_it() {
    let lines = lines("-m TPROXY -b 80 --dual-stack", IpVersion::V6);
    assert_eq!(
        of_chain(&lines, "ISTIO_TPROXY"),
        [
            "-A ISTIO_TPROXY ! -d ::1/128 -p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006"
        ]
    );
    assert_eq!(
        of_chain(&lines, "ISTIO_DIVERT"),
        [
            "-A ISTIO_DIVERT -j MARK --set-mark 1337",
            "-A ISTIO_DIVERT -j ACCEPT"
        ]
    );
    assert_eq!(
        of_chain(&lines, "ISTIO_INBOUND"),
        [
            "-A ISTIO_INBOUND -p tcp --dport 80 -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT",
            "-A ISTIO_INBOUND -p tcp --dport 80 -j ISTIO_TPROXY",
            "-I ISTIO_INBOUND 1 -p tcp -m mark --mark 1337 -j RETURN",
            "-I ISTIO_INBOUND 2 -p tcp -s ::6/128 -i lo -j RETURN",
            "-I ISTIO_INBOUND 3 -p tcp -i lo -m mark ! --mark 1338 -j RETURN",
            "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
        ]
    );
    let mut output = of_chain(&lines, "OUTPUT");
    assert_eq!(output.pop().unwrap(), "-A OUTPUT -j ISTIO_OUTPUT");
    assert_eq!(
        output,
        [
            "-A OUTPUT -p tcp -o lo -m mark --mark 1337 -j RETURN",
            "-A OUTPUT ! -d ::1/128 -p tcp -o lo -m owner --uid-owner 1337 -j MARK --set-mark 1338",
            "-A OUTPUT ! -d ::1/128 -p tcp -o lo -m owner --gid-owner 1337 -j MARK --set-mark 1338",
            "-A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark",
        ]
    );
}

#[test]
fn a_family_without_a_name_server_has_the_chain_that_is_jumped_to() {
    let lines = lines("-i * --redirect-dns --dual-stack", IpVersion::V6);
    assert!(
        lines.contains(&"-N ISTIO_OUTPUT_DNS".to_owned()),
        "{lines:?}"
    );
    assert_eq!(
        of_chain(&lines, "ISTIO_OUTPUT_DNS").len(),
        4,
        "the zones of the proxy's own: {lines:?}"
    );
}

#[test]
fn any_rest_of_an_interface_has_a_plus_sign_and_all_dns_needs_no_server() {
    let lines = lines(
        "-c net* --redirect-dns --capture-all-dns --drop-invalid",
        IpVersion::V4,
    );
    assert!(
        lines.contains(&"-A PREROUTING -i net+ -j RETURN".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP".to_owned()),
        "{lines:?}"
    );
    assert_eq!(
        of_chain(&lines, "ISTIO_OUTPUT_DNS").get(..2).unwrap(),
        [
            "-A ISTIO_OUTPUT_DNS -p tcp --dport 53 -j REDIRECT --to-ports 15053",
            "-A ISTIO_OUTPUT_DNS -p udp --dport 53 -j REDIRECT --to-port 15053",
        ]
    );
}

#[test]
fn dns_servers_of_one_family_leave_no_empty_chains_in_the_other() {
    let args = "--redirect-dns --dual-stack";
    let (v4, v6) = (lines(args, IpVersion::V4), lines(args, IpVersion::V6));
    let jump = "-A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS".to_owned();
    assert!(v4.contains(&jump), "{v4:#?}");
    assert!(!v6.contains(&jump), "{v6:#?}");
    let inbound = "-A PREROUTING -j ISTIO_INBOUND".to_owned();
    assert!(v4.contains(&inbound), "{v4:#?}");
    assert!(!v6.contains(&inbound), "{v6:#?}");
    // The proxy's own requests are told apart in both.
    assert!(
        v6.contains(&"-A OUTPUT -j ISTIO_OUTPUT_DNS".to_owned()),
        "{v6:#?}"
    );
}
