//! Comma-separated values of flags. Empty elements are passed over, as `6000,7000,` means two ports.

use std::{net::IpAddr, str::FromStr, time::Duration};

use ipnet::{IpNet, Ipv4Net};
use nftables::{InterfaceName, Owner};
use thiserror::Error;

use super::{InboundMode, Selection, Variant};

/// A value that a flag cannot take; the command line adds the flag's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidValue {
    /// Not a port.
    #[error("`{0}` is no port: a number from 1 to 65535 is wanted")]
    Port(String),
    /// Not a network.
    #[error("`{0}` is no network in CIDR form, such as 10.0.0.0/8 or 2001:db8::/32")]
    Network(String),
    /// Not a loopback network.
    #[error(
        "`{0}` is no IPv4 loopback network: one inside 127.0.0.0/8 is wanted, such as 127.0.0.1/32"
    )]
    Loopback(String),
    /// A `*` where a list is wanted.
    #[error("`*` cannot be excluded: list what is to be left alone, or leave the inclusion empty")]
    ExcludesAll,
    /// Not a user or group.
    #[error(transparent)]
    Owner(#[from] nftables::InvalidOwner),
    /// Not an interface.
    #[error(transparent)]
    Interface(#[from] nftables::InvalidInterfaceName),
    /// Not a mode.
    #[error("`{0}` is no interception mode: REDIRECT or TPROXY is wanted")]
    Mode(String),
    /// Not a variant of iptables.
    #[error("`{0}` is no variant of iptables: nft or legacy is wanted")]
    Variant(String),
    /// Not a mark.
    #[error("`{0}` is no {1}: a number from 1 to 4294967295 is wanted")]
    Number(String, &'static str),
    /// Not a boolean.
    #[error("`{0}` is neither true nor false")]
    Boolean(String),
    /// Not a duration.
    #[error("`{0}` is no duration: numbers with units are wanted, such as 500ms, 5s or 1m30s")]
    Duration(String),
    /// Too many groups.
    #[error("{0} groups are more than the {1} that one rule can name: use group exclusion instead")]
    Groups(usize, usize),
}

fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

fn selection<T>(
    text: &str,
    read: impl Fn(&str) -> Result<T, InvalidValue>,
) -> Result<Selection<T>, InvalidValue> {
    if text.trim() == "*" {
        return Ok(Selection::All);
    }
    elements(text)
        .map(read)
        .collect::<Result<_, _>>()
        .map(Selection::These)
}

fn listed<T>(selection: Selection<T>) -> Result<Vec<T>, InvalidValue> {
    match selection {
        Selection::All => Err(InvalidValue::ExcludesAll),
        Selection::These(list) => Ok(list),
    }
}

/// One port.
///
/// # Errors
/// When the text is no number from 1 to 65535.
pub fn port(text: &str) -> Result<u16, InvalidValue> {
    text.trim()
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| InvalidValue::Port(text.to_owned()))
}

/// `*` or ports.
///
/// # Errors
/// When an element is no port.
pub fn port_selection(text: &str) -> Result<Selection<u16>, InvalidValue> {
    selection(text, port)
}

/// Ports.
///
/// # Errors
/// When an element is no port.
pub fn ports(text: &str) -> Result<Vec<u16>, InvalidValue> {
    listed(port_selection(text)?)
}

fn network(text: &str) -> Result<IpNet, InvalidValue> {
    IpNet::from_str(text).map_err(|_| InvalidValue::Network(text.to_owned()))
}

/// `*` or networks.
///
/// # Errors
/// When an element is no network.
pub fn network_selection(text: &str) -> Result<Selection<IpNet>, InvalidValue> {
    selection(text, network)
}

/// Networks.
///
/// # Errors
/// When an element is no network, or all are meant.
pub fn networks(text: &str) -> Result<Vec<IpNet>, InvalidValue> {
    listed(network_selection(text)?)
}

/// The IPv4 loopback network, or a part of it.
///
/// # Errors
/// When the text is no network inside 127.0.0.0/8.
pub fn loopback(text: &str) -> Result<Ipv4Net, InvalidValue> {
    let refused = || InvalidValue::Loopback(text.to_owned());
    let network = Ipv4Net::from_str(text.trim()).map_err(|_| refused())?;
    if network.addr().is_loopback() && network.prefix_len() >= 8 {
        Ok(network)
    } else {
        Err(refused())
    }
}

/// Users or groups, by number or name.
///
/// # Errors
/// When an element is neither a number nor a name.
pub fn owners(text: &str) -> Result<Vec<Owner>, InvalidValue> {
    elements(text).map(|element| Ok(element.parse()?)).collect()
}

/// `*` or groups.
///
/// # Errors
/// When an element is neither a number nor a name.
pub fn owner_selection(text: &str) -> Result<Selection<Owner>, InvalidValue> {
    /// What Istio allows; one rule names them all.
    const MOST: usize = 64;
    let selection = selection(text, |element| Ok(element.parse()?))?;
    match &selection {
        Selection::These(groups) if groups.len() > MOST => {
            Err(InvalidValue::Groups(groups.len(), MOST))
        }
        _ => Ok(selection),
    }
}

/// Interface names.
///
/// # Errors
/// When an element cannot name an interface.
pub fn interfaces(text: &str) -> Result<Vec<InterfaceName>, InvalidValue> {
    elements(text).map(|element| Ok(element.parse()?)).collect()
}

/// `REDIRECT` (also when empty) or `TPROXY`.
///
/// # Errors
/// When it is anything else.
pub fn mode(text: &str) -> Result<InboundMode, InvalidValue> {
    match text.trim() {
        "" | "REDIRECT" => Ok(InboundMode::Redirect),
        "TPROXY" => Ok(InboundMode::Tproxy),
        other => Err(InvalidValue::Mode(other.to_owned())),
    }
}

/// `nft`, `legacy`, or nothing for what `iptables` is.
///
/// # Errors
/// When it is anything else.
pub fn variant(text: &str) -> Result<Variant, InvalidValue> {
    match text.trim() {
        "" => Ok(Variant::Default),
        "nft" => Ok(Variant::Nft),
        "legacy" => Ok(Variant::Legacy),
        other => Err(InvalidValue::Variant(other.to_owned())),
    }
}

/// A packet mark; zero is that of packets without one.
///
/// # Errors
/// When it is no number, or zero.
pub fn mark(text: &str) -> Result<u32, InvalidValue> {
    number(text, "packet mark")
}

/// A routing table's number.
///
/// # Errors
/// When it is no number, or zero.
pub fn route_table(text: &str) -> Result<u32, InvalidValue> {
    number(text, "routing table")
}

fn number(text: &str, what: &'static str) -> Result<u32, InvalidValue> {
    let number = text.trim().parse().ok().filter(|number| *number != 0);
    number.ok_or_else(|| InvalidValue::Number(text.to_owned(), what))
}

/// A boolean in the spellings that Istio's flags and variables take.
///
/// # Errors
/// When it is none of them.
pub fn boolean(text: &str) -> Result<bool, InvalidValue> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => Err(InvalidValue::Boolean(other.to_owned())),
    }
}

/// A duration as Go writes them: numbers with the units h, m, s or ms.
///
/// # Errors
/// When it is none, zero, or longer than an hour.
pub fn duration(text: &str) -> Result<Duration, InvalidValue> {
    const HOUR: Duration = Duration::from_secs(3600);
    sum_of_parts(text.trim())
        .filter(|total| !total.is_zero() && *total <= HOUR)
        .ok_or_else(|| InvalidValue::Duration(text.to_owned()))
}

fn sum_of_parts(mut rest: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let (unit, tail) = tail.split_at(
            tail.find(|c: char| c.is_ascii_digit())
                .unwrap_or(tail.len()),
        );
        let number = number.parse::<u64>().ok()?;
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

/// The addresses of the `nameserver` lines of a resolv.conf(5); a scope (`fe80::1%eth0`) is left out, lines that
/// cannot be read are passed over as the C library does.
#[must_use]
pub fn name_servers(resolv_conf: &str) -> Vec<IpAddr> {
    resolv_conf
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            if words.next()? != "nameserver" {
                return None;
            }
            words.next()?.split('%').next()?.parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn empty_elements_and_spaces_are_passed_over() {
        assert_eq!(ports("6000, 7000,").unwrap(), [6000, 7000]);
        assert!(port_selection("").unwrap().is_none());
        assert_eq!(port_selection("*").unwrap(), Selection::All);
    }

    #[test]
    fn values_out_of_range_are_refused_with_what_is_wanted() {
        assert!(
            port("70000")
                .unwrap_err()
                .to_string()
                .contains("1 to 65535")
        );
        assert!(port("0").is_err() && port("-1").is_err() && port("").is_err());
        assert!(ports("80,*").is_err());
        assert!(
            network_selection("10.0.0.0/33")
                .unwrap_err()
                .to_string()
                .contains("10.0.0.0/33")
        );
        assert!(
            networks("*")
                .unwrap_err()
                .to_string()
                .contains("cannot be excluded")
        );
        assert!(mode("NONE").unwrap_err().to_string().contains("TPROXY"));
        for text in ["10.0.0.0/8", "127.0.0.1/7", "::1/128", "x"] {
            assert!(loopback(text).is_err(), "{text}");
        }
        assert!(boolean("yes").is_err() && mark("0").is_err() && route_table("x").is_err());
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("5s").unwrap(), Duration::from_secs(5));
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        for text in ["", "5", "s", "5x", "0s", "2h", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn more_groups_than_one_rule_can_name_are_refused() {
        let groups = vec!["1"; 65].join(",");
        assert!(
            owner_selection(&groups)
                .unwrap_err()
                .to_string()
                .contains("65")
        );
    }

    #[test]
    fn name_servers_are_read_and_the_rest_of_resolv_conf_is_left_alone() {
        let text = "# nameserver 1.1.1.1\nsearch a.b\nnameserver 10.0.0.10\nnameserver fe80::1%eth0\nnameserver x\n";
        let wanted: Vec<IpAddr> = vec!["10.0.0.10".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(name_servers(text), wanted);
    }
}
