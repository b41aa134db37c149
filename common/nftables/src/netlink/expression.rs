//! The kernel's rule expressions: small machines over registers. Every rule here needs two registers at most.

use super::message::Message;

/// NFT_REG_VERDICT.
const VERDICT_REGISTER: u32 = 0;
/// NFT_REG_1, of 16 bytes: where values are loaded and compared.
const FIRST: u32 = 1;
/// NFT_REG_2: the port, when the first holds an address.
const SECOND: u32 = 2;

/// NFT_META_*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetaKey {
    Mark = 3,
    Iifname = 6,
    Oifname = 7,
    Skuid = 10,
    Skgid = 11,
    Nfproto = 15,
    L4proto = 16,
}

/// NFT_CT_*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CtKey {
    State = 0,
    Mark = 3,
    Zone = 17,
}

/// NFT_PAYLOAD_*_HEADER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadBase {
    Network = 1,
    Transport = 2,
}

/// NFT_CMP_*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal = 0,
    NotEqual = 1,
    Less = 2,
}

/// Verdict codes: NF_DROP, NF_ACCEPT, NFT_JUMP, NFT_RETURN.
pub(super) const DROP: i32 = 0;
pub(super) const ACCEPT: i32 = 1;
pub(super) const JUMP: i32 = -3;
pub(super) const RETURN: i32 = -5;

/// One expression; values are loaded into the first register unless said otherwise.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// Load a fact about the packet.
    MetaLoad(MetaKey),
    /// Set a fact about the packet from the first register.
    MetaSet(MetaKey),
    /// Load a fact about the connection.
    CtLoad(CtKey),
    /// Set a fact about the connection from the first register.
    CtSet(CtKey),
    /// Load bytes of the packet.
    Payload {
        base: PayloadBase,
        offset: u32,
        length: u32,
    },
    /// Keep the bits of the first register that the mask has.
    Mask(Vec<u8>),
    /// Turn the first register's four bytes from host to network order.
    ToNetworkOrder,
    /// Go on if the first register compares to the value.
    Compare(Comparison, Vec<u8>),
    /// Go on if the first register is in the set (or is not, when inverted).
    Lookup { set: u32, inverted: bool },
    /// Load a random number below the modulus.
    Random { modulus: u32 },
    /// Load a value.
    Immediate(Vec<u8>),
    /// Load a value into the second register.
    ImmediateSecond(Vec<u8>),
    /// End the rule.
    Verdict { code: i32, chain: Option<String> },
    /// Count packets and bytes, from zero.
    Counter,
    /// Rewrite the destination to the address in the first and the port in the second register.
    Dnat { family: u32 },
    /// Rewrite the source to the address of the interface.
    Masquerade,
    /// Rewrite the destination to this host and the port in the first register.
    Redirect,
    /// Give the packet to the transparent socket of the family on the port in the first register.
    Tproxy { family: u32 },
}

impl Expression {
    /// The kernel's name for it, which is also that of its module `nft_<name>`.
    fn name(&self) -> &'static str {
        match self {
            Self::MetaLoad(_) | Self::MetaSet(_) => "meta",
            Self::CtLoad(_) | Self::CtSet(_) => "ct",
            Self::Payload { .. } => "payload",
            Self::Mask(_) => "bitwise",
            Self::ToNetworkOrder => "byteorder",
            Self::Compare(..) => "cmp",
            Self::Lookup { .. } => "lookup",
            Self::Random { .. } => "numgen",
            Self::Immediate(_) | Self::ImmediateSecond(_) | Self::Verdict { .. } => "immediate",
            Self::Counter => "counter",
            Self::Dnat { .. } => "nat",
            Self::Masquerade => "masq",
            Self::Redirect => "redir",
            Self::Tproxy { .. } => "tproxy",
        }
    }

    /// Write it as an element of a rule's list of expressions.
    pub(super) fn write(&self, list: &mut Message) {
        let name = self.name();
        list.nest_expression(1, name, |element| {
            element.put_text(1, name);
            element.nest(2, |data| self.write_data(data));
        });
    }

    fn write_data(&self, data: &mut Message) {
        match self {
            Self::MetaLoad(key) => put_pair(data, (1, FIRST), (2, *key as u32)),
            Self::MetaSet(key) => put_pair(data, (2, *key as u32), (3, FIRST)),
            Self::CtLoad(key) => put_pair(data, (1, FIRST), (2, *key as u32)),
            Self::CtSet(key) => put_pair(data, (2, *key as u32), (4, FIRST)),
            Self::Payload {
                base,
                offset,
                length,
            } => {
                put_pair(data, (1, FIRST), (2, *base as u32));
                put_pair(data, (3, *offset), (4, *length));
            }
            Self::Mask(mask) => {
                put_pair(data, (1, FIRST), (2, FIRST));
                data.put_u32(3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
                data.nest(4, |value| value.put(1, mask));
                data.nest(5, |value| value.put(1, &vec![0; mask.len()]));
            }
            Self::ToNetworkOrder => {
                put_pair(data, (1, FIRST), (2, FIRST));
                data.put_u32(3, 1);
                put_pair(data, (4, 4), (5, 4));
            }
            Self::Compare(comparison, bytes) => {
                put_pair(data, (1, FIRST), (2, *comparison as u32));
                data.nest(3, |value| value.put(1, bytes));
            }
            Self::Lookup { set, inverted } => {
                data.put_text(1, super::compile::AnonymousSet::NAME);
                put_pair(data, (2, FIRST), (4, *set));
                if *inverted {
                    data.put_u32(5, 1);
                }
            }
            Self::Random { modulus } => {
                put_pair(data, (1, FIRST), (2, *modulus));
                put_pair(data, (3, 1), (4, 0));
            }
            Self::Immediate(bytes) => put_immediate(data, FIRST, bytes),
            Self::ImmediateSecond(bytes) => put_immediate(data, SECOND, bytes),
            Self::Verdict { code, chain } => {
                data.put_u32(1, VERDICT_REGISTER);
                data.nest(2, |value| {
                    value.nest(2, |verdict| {
                        verdict.put_u32(1, code.cast_unsigned());
                        if let Some(chain) = chain {
                            verdict.put_text(2, chain);
                        }
                    });
                });
            }
            Self::Counter => {
                data.put(1, &0u64.to_be_bytes());
                data.put(2, &0u64.to_be_bytes());
            }
            // Type 1 is NFT_NAT_DNAT.
            Self::Dnat { family } => {
                put_pair(data, (1, 1), (2, *family));
                put_pair(data, (3, FIRST), (5, SECOND));
            }
            Self::Masquerade => {}
            Self::Redirect => data.put_u32(1, FIRST),
            Self::Tproxy { family } => put_pair(data, (1, *family), (3, FIRST)),
        }
    }
}

fn put_pair(data: &mut Message, first: (u16, u32), second: (u16, u32)) {
    data.put_u32(first.0, first.1);
    data.put_u32(second.0, second.1);
}

fn put_immediate(data: &mut Message, register: u32, bytes: &[u8]) {
    data.put_u32(1, register);
    data.nest(2, |value| value.put(1, bytes));
}
