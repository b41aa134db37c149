//! Statements to the kernel's expressions: as `nft` compiles them, so that it lists them back in the words they had.

use ipnet::IpNet;

use crate::{
    ConnectionStates, Error, Family, InterfaceName, MarkSource, Op, Ports, Protocol, Statement,
    TproxyFamily, Verdict,
};

use super::expression::{
    ACCEPT, Comparison, CtKey, DROP, Expression, JUMP, MetaKey, PayloadBase, RETURN,
};

/// NFPROTO_IPV4 and NFPROTO_IPV6.
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// IFNAMSIZ: interface names are compared with their closing NULs.
const INTERFACE_NAME: usize = 16;

/// A set that one rule looks into.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AnonymousSet {
    /// Its number in the transaction.
    pub(super) id: u32,
    /// Its elements.
    pub(super) ports: Vec<u16>,
}

impl AnonymousSet {
    /// What the kernel makes a name of by putting in a number.
    pub(super) const NAME: &'static str = "__set%d";
}

/// Why a rule has no expressions.
#[derive(Debug)]
pub(super) enum Fault {
    /// A user or group has no number.
    Owner(Error),
    /// A statement makes no sense where it stands.
    Statement(String),
}

/// The expressions of a rule in a table of the family, with the sets that they look into, numbered from `first_set`.
pub(super) fn compile(
    family: Family,
    statements: &[Statement],
    first_set: u32,
) -> Result<(Vec<Expression>, Vec<AnonymousSet>), Fault> {
    let network = match family {
        Family::Inet => None,
        Family::Ip => Some(IPV4),
        Family::Ip6 => Some(IPV6),
    };
    let mut rule = Rule {
        expressions: Vec::new(),
        sets: Vec::new(),
        first_set,
        network,
        transport: None,
    };
    statements
        .iter()
        .try_for_each(|statement| rule.add(statement))?;
    Ok((rule.expressions, rule.sets))
}

/// A rule under compilation, with what is known of the packets that come this far.
struct Rule {
    expressions: Vec<Expression>,
    sets: Vec<AnonymousSet>,
    first_set: u32,
    /// NFPROTO_* of the packet, once known.
    network: Option<u8>,
    /// The transport protocol of the packet, once known.
    transport: Option<Protocol>,
}

impl Rule {
    fn add(&mut self, statement: &Statement) -> Result<(), Fault> {
        match statement {
            Statement::Iifname(op, name) => self.interface(MetaKey::Iifname, *op, name),
            Statement::Oifname(op, name) => self.interface(MetaKey::Oifname, *op, name),
            Statement::L4proto(Op::Eq, protocol) => self.want_transport(*protocol)?,
            Statement::L4proto(Op::Ne, protocol) => {
                self.push(Expression::MetaLoad(MetaKey::L4proto));
                self.compare(Op::Ne, vec![number(*protocol)]);
            }
            Statement::Saddr(op, network) => self.address(*op, network, (12, 8))?,
            Statement::Daddr(op, network) => self.address(*op, network, (16, 24))?,
            Statement::Sport(op, protocol, ports) => self.port(*op, *protocol, ports, 0)?,
            Statement::Dport(op, protocol, ports) => self.port(*op, *protocol, ports, 2)?,
            Statement::SocketOwner {
                kind,
                op,
                owner,
                qualified: _,
            } => {
                let id = owner.resolve(*kind).map_err(Fault::Owner)?;
                self.push(Expression::MetaLoad(match kind {
                    crate::OwnerKind::User => MetaKey::Skuid,
                    crate::OwnerKind::Group => MetaKey::Skgid,
                }));
                self.compare(*op, id.to_ne_bytes().to_vec());
            }
            Statement::Mark(op, mark) => {
                self.push(Expression::MetaLoad(MetaKey::Mark));
                self.compare(*op, mark.to_ne_bytes().to_vec());
            }
            Statement::CtMark(op, mark) => {
                self.push(Expression::CtLoad(CtKey::Mark));
                self.compare(*op, mark.to_ne_bytes().to_vec());
            }
            Statement::CtState(states) => self.states(*states)?,
            Statement::NumgenRandom { modulus, below } => self.random(*modulus, *below)?,
            Statement::Counter => self.push(Expression::Counter),
            Statement::Verdict(verdict) => self.push(expression_of(verdict)),
            Statement::Redirect(port) => {
                self.need_transport("redirect")?;
                self.push(Expression::Immediate(port.to_be_bytes().to_vec()));
                self.push(Expression::Redirect);
            }
            Statement::Dnat(to) => {
                self.need_transport("dnat")?;
                let family = if to.is_ipv4() { IPV4 } else { IPV6 };
                self.accept_network(family, "dnat")?;
                self.push(Expression::Immediate(octets(to.ip())));
                self.push(Expression::ImmediateSecond(
                    to.port().to_be_bytes().to_vec(),
                ));
                self.push(Expression::Dnat {
                    family: family.into(),
                });
            }
            Statement::Masquerade => self.push(Expression::Masquerade),
            Statement::Tproxy(family, port) => {
                self.need_transport("tproxy")?;
                let family = match family {
                    TproxyFamily::Ip => IPV4,
                    TproxyFamily::Ip6 => IPV6,
                };
                self.accept_network(family, "tproxy")?;
                self.push(Expression::Immediate(port.to_be_bytes().to_vec()));
                self.push(Expression::Tproxy {
                    family: family.into(),
                });
            }
            Statement::SetMark(source) => {
                self.mark(*source);
                self.push(Expression::MetaSet(MetaKey::Mark));
            }
            Statement::SetCtMark(source) => {
                self.mark(*source);
                self.push(Expression::CtSet(CtKey::Mark));
            }
            Statement::SetCtZone(zone) => {
                self.push(Expression::Immediate(zone.to_ne_bytes().to_vec()));
                self.push(Expression::CtSet(CtKey::Zone));
            }
        }
        Ok(())
    }

    fn push(&mut self, expression: Expression) {
        self.expressions.push(expression);
    }

    fn compare(&mut self, op: Op, bytes: Vec<u8>) {
        self.push(Expression::Compare(
            match op {
                Op::Eq => Comparison::Equal,
                Op::Ne => Comparison::NotEqual,
            },
            bytes,
        ));
    }

    /// A whole name is compared with the NULs that fill its field, a prefix without.
    fn interface(&mut self, key: MetaKey, op: Op, name: &InterfaceName) {
        self.push(Expression::MetaLoad(key));
        let bytes = match name.prefix() {
            Some(prefix) => prefix.as_bytes().to_vec(),
            None => {
                let mut field = name.as_str().as_bytes().to_vec();
                field.resize(INTERFACE_NAME, 0);
                field
            }
        };
        self.compare(op, bytes);
    }

    /// Let only packets of the protocol pass, unless that is so already.
    fn want_transport(&mut self, protocol: Protocol) -> Result<(), Fault> {
        match self.transport {
            Some(known) if known == protocol => {}
            Some(known) => {
                return Err(Fault::Statement(format!(
                    "no packet is of {known} and {protocol}"
                )));
            }
            None => {
                self.transport = Some(protocol);
                self.push(Expression::MetaLoad(MetaKey::L4proto));
                self.compare(Op::Eq, vec![number(protocol)]);
            }
        }
        Ok(())
    }

    fn need_transport(&self, what: &str) -> Result<(), Fault> {
        match self.transport {
            Some(_) => Ok(()),
            None => Err(Fault::Statement(format!(
                "{what} wants `meta l4proto` or a port matched before it"
            ))),
        }
    }

    fn accept_network(&self, family: u8, what: &str) -> Result<(), Fault> {
        match self.network {
            Some(known) if known != family => Err(Fault::Statement(format!(
                "{what} is of another address family than the table or the matches"
            ))),
            _ => Ok(()),
        }
    }

    /// `offsets` are those of the address in an IPv4 and in an IPv6 header.
    fn address(&mut self, op: Op, network: &IpNet, offsets: (u32, u32)) -> Result<(), Fault> {
        let (family, offset) = match network {
            IpNet::V4(_) => (IPV4, offsets.0),
            IpNet::V6(_) => (IPV6, offsets.1),
        };
        self.accept_network(family, "an address match")?;
        if self.network.is_none() {
            self.network = Some(family);
            self.push(Expression::MetaLoad(MetaKey::Nfproto));
            self.compare(Op::Eq, vec![family]);
        }
        let mut address = octets(network.network());
        let prefix = usize::from(network.prefix_len());
        // A prefix of whole bytes is a shorter load; any other wants the rest masked away.
        if prefix > 0 && prefix % 8 == 0 {
            address.truncate(prefix / 8);
        }
        let length = u32::try_from(address.len()).unwrap_or_default();
        self.push(Expression::Payload {
            base: PayloadBase::Network,
            offset,
            length,
        });
        if prefix == 0 || prefix % 8 != 0 {
            self.push(Expression::Mask(octets(network.netmask())));
        }
        self.compare(op, address);
        Ok(())
    }

    /// TCP and UDP both begin with the source port and then the destination port.
    fn port(
        &mut self,
        op: Op,
        protocol: Protocol,
        ports: &Ports,
        offset: u32,
    ) -> Result<(), Fault> {
        self.want_transport(protocol)?;
        self.push(Expression::Payload {
            base: PayloadBase::Transport,
            offset,
            length: 2,
        });
        match ports {
            Ports::One(port) => self.compare(op, port.to_be_bytes().to_vec()),
            Ports::Set(ports) => {
                let mut ports = ports.clone();
                ports.sort_unstable();
                ports.dedup();
                if ports.is_empty() {
                    return Err(Fault::Statement("a set of ports is empty".to_owned()));
                }
                let id = self
                    .first_set
                    .saturating_add(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
                self.push(Expression::Lookup {
                    set: id,
                    inverted: op == Op::Ne,
                });
                self.sets.push(AnonymousSet { id, ports });
            }
        }
        Ok(())
    }

    /// The bits are those of NF_CT_STATE_BIT.
    fn states(&mut self, states: ConnectionStates) -> Result<(), Fault> {
        let bits = [
            (states.invalid, 1u32),
            (states.established, 2),
            (states.related, 4),
            (states.new, 8),
        ];
        let mask = bits
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .fold(0, |mask, (_, bit)| mask | bit);
        if mask == 0 {
            return Err(Fault::Statement("`ct state` names no state".to_owned()));
        }
        self.push(Expression::CtLoad(CtKey::State));
        self.push(Expression::Mask(mask.to_ne_bytes().to_vec()));
        self.compare(Op::Ne, vec![0; 4]);
        Ok(())
    }

    /// Registers are compared byte by byte, so that "less" wants network order.
    fn random(&mut self, modulus: u32, below: u32) -> Result<(), Fault> {
        if modulus == 0 || below > modulus {
            return Err(Fault::Statement(format!(
                "numgen wants a modulus of at least 1 and a bound from 0 to the modulus, not {modulus} and {below}"
            )));
        }
        self.push(Expression::Random { modulus });
        self.push(Expression::ToNetworkOrder);
        self.push(Expression::Compare(
            Comparison::Less,
            below.to_be_bytes().to_vec(),
        ));
        Ok(())
    }

    fn mark(&mut self, source: MarkSource) {
        self.push(match source {
            MarkSource::Value(mark) => Expression::Immediate(mark.to_ne_bytes().to_vec()),
            MarkSource::Packet => Expression::MetaLoad(MetaKey::Mark),
            MarkSource::Connection => Expression::CtLoad(CtKey::Mark),
        });
    }
}

fn expression_of(verdict: &Verdict) -> Expression {
    let (code, chain) = match verdict {
        Verdict::Accept => (ACCEPT, None),
        Verdict::Drop => (DROP, None),
        Verdict::Return => (RETURN, None),
        Verdict::Jump(chain) => (JUMP, Some(chain.clone())),
    };
    Expression::Verdict { code, chain }
}

/// IPPROTO_*.
fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

fn octets(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn expressions(statements: &[Statement]) -> Vec<Expression> {
        compile(Family::Inet, statements, 1).unwrap().0
    }

    fn fault(family: Family, statements: &[Statement]) -> String {
        match compile(family, statements, 1).unwrap_err() {
            Fault::Statement(why) => why,
            Fault::Owner(error) => error.to_string(),
        }
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_port_brings_its_protocol_along_once() {
        let spelled = [
            Statement::l4proto(Protocol::Tcp),
            Statement::dport(Protocol::Tcp, 80),
        ];
        assert_eq!(
            expressions(&spelled),
            expressions(&[Statement::dport(Protocol::Tcp, 80)])
        );
    }

    #[test]
    fn a_prefix_of_whole_bytes_needs_no_mask_and_host_bits_are_ignored() {
        let loaded = |text: &str| expressions(&[Statement::daddr(net(text))]);
        assert!(
            !loaded("127.0.0.1/8")
                .iter()
                .any(|e| matches!(e, Expression::Mask(_)))
        );
        assert_eq!(loaded("127.0.0.1/8"), loaded("127.0.0.0/8"));
        assert!(loaded("10.0.0.0/12").contains(&Expression::Mask(vec![0xff, 0xf0, 0, 0])));
        assert!(loaded("0.0.0.0/0").contains(&Expression::Mask(vec![0; 4])));
    }

    #[test]
    fn what_can_never_match_or_means_nothing_is_refused() {
        let both = [
            Statement::l4proto(Protocol::Tcp),
            Statement::dport(Protocol::Udp, 53),
        ];
        assert!(fault(Family::Inet, &both).contains("tcp and udp"));
        assert!(
            fault(Family::Ip, &[Statement::daddr(net("::1/128"))])
                .contains("another address family")
        );
        assert!(fault(Family::Inet, &[Statement::Redirect(1)]).contains("meta l4proto"));
        assert!(
            fault(
                Family::Inet,
                &[Statement::CtState(ConnectionStates::default())]
            )
            .contains("no state")
        );
        assert!(
            fault(
                Family::Inet,
                &[Statement::NumgenRandom {
                    modulus: 0,
                    below: 0
                }]
            )
            .contains("modulus")
        );
    }

    #[test]
    fn each_set_of_a_rule_has_its_own_number() {
        let rule = [
            Statement::sport(Protocol::Tcp, vec![1, 2]),
            Statement::dport(Protocol::Tcp, vec![4, 3, 4]),
        ];
        let (_, sets) = compile(Family::Inet, &rule, 7).unwrap();
        assert_eq!(
            sets,
            [
                AnonymousSet {
                    id: 7,
                    ports: vec![1, 2]
                },
                AnonymousSet {
                    id: 8,
                    ports: vec![3, 4]
                }
            ]
        );
    }
}
