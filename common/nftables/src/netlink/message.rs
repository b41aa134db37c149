//! One netlink message under construction: header, then attributes, each nested one closed before its parent.

use std::ops::Range;

use crate::Error;

/// NLM_F_REQUEST.
pub(super) const REQUEST: u16 = 0x1;
/// NLM_F_ACK: answer also when all went well.
pub(super) const ACK: u16 = 0x4;
/// NLM_F_CREATE.
pub(super) const CREATE: u16 = 0x400;
/// NLM_F_APPEND.
pub(super) const APPEND: u16 = 0x800;

/// NLA_F_NESTED: the attribute's payload is attributes.
const NESTED: u16 = 0x8000;

/// A message of the nfnetlink family.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    /// Which bytes belong to which expression of a rule, for the kernel's answer "the fault is at this offset".
    expressions: Vec<(Range<usize>, &'static str)>,
    /// An attribute was too long for its 16-bit length.
    overlong: bool,
}

impl Message {
    /// Begin a message. `resource` is 0 but for the marks of a batch, where it names the subsystem.
    pub(super) fn new(kind: u16, flags: u16, sequence: u32, family: u8, resource: u16) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | REQUEST).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend([family, 0]);
        bytes.extend(resource.to_be_bytes());
        Self {
            bytes,
            expressions: Vec::new(),
            overlong: false,
        }
    }

    /// Ask for an answer also when all goes well.
    pub(super) fn ask_for_answer(&mut self) {
        if let Some(flags) = self.bytes.get_mut(6..8) {
            let with_ack = u16::from_ne_bytes([
                flags.first().copied().unwrap_or(0),
                flags.get(1).copied().unwrap_or(0),
            ]) | ACK;
            flags.copy_from_slice(&with_ack.to_ne_bytes());
        }
    }

    /// An attribute of raw bytes.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |message| message.bytes.extend(value));
    }

    /// An attribute of a number, in network order as nf_tables wants all of its own.
    pub(super) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// An attribute of a text, with the NUL that closes it.
    pub(super) fn put_text(&mut self, kind: u16, text: &str) {
        self.attribute(kind, |message| {
            message.bytes.extend(text.as_bytes());
            message.bytes.push(0);
        });
    }

    /// An attribute that holds what `fill` adds.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        self.attribute(kind | NESTED, fill);
    }

    /// A nested attribute that is the expression `name` of a rule.
    pub(super) fn nest_expression(
        &mut self,
        kind: u16,
        name: &'static str,
        fill: impl FnOnce(&mut Self),
    ) {
        let start = self.bytes.len();
        self.nest(kind, fill);
        self.expressions.push((start..self.bytes.len(), name));
    }

    fn attribute(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or_else(|_| {
            self.overlong = true;
            u16::MAX
        });
        if let Some(place) = self.bytes.get_mut(start..start + 2) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The name of the expression that covers this offset from the message's first byte.
    pub(super) fn expression_at(&self, offset: u32) -> Option<&'static str> {
        let offset = usize::try_from(offset).ok()?;
        self.expressions
            .iter()
            .find(|(range, _)| range.contains(&offset))
            .map(|(_, name)| *name)
    }

    /// The sequence number given at the start.
    #[cfg(test)]
    pub(super) fn sequence(&self) -> u32 {
        self.bytes
            .get(8..12)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_ne_bytes)
    }

    /// Write the length into the header and give the bytes out.
    ///
    /// # Errors
    /// When a part was larger than netlink can carry; `command` names it.
    pub(super) fn finish(&mut self, command: impl Fn() -> String) -> Result<(), Error> {
        let length = u32::try_from(self.bytes.len())
            .ok()
            .filter(|_| !self.overlong);
        let Some(length) = length else {
            return Err(Error::Invalid {
                command: command(),
                why: "it is larger than a netlink message can be: use several smaller rules"
                    .to_owned(),
            });
        };
        if let Some(place) = self.bytes.get_mut(0..4) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        Ok(())
    }

    /// The bytes of a finished message.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    /// Size of `nlmsghdr`; `nfgenmsg` of 4 bytes follows it.
    const HEADER: usize = 16;

    #[test]
    fn attributes_carry_their_length_and_are_padded_to_four_bytes() {
        let mut message = Message::new(0xa00, CREATE, 7, 1, 0);
        message.nest(4, |inner| inner.put_text(1, "ab"));
        message.finish(String::new).unwrap();
        let attributes = &message.bytes()[HEADER + 4..];
        assert_eq!(attributes[0..2], 12u16.to_ne_bytes());
        assert_eq!(attributes[2..4], 0x8004u16.to_ne_bytes());
        assert_eq!(attributes[4..6], 7u16.to_ne_bytes());
        assert_eq!(&attributes[8..12], b"ab\0\0");
        assert_eq!(message.bytes()[0..4], 32u32.to_ne_bytes());
        assert_eq!(message.sequence(), 7);
    }

    #[test]
    fn a_part_that_netlink_cannot_carry_is_an_error_that_names_the_command() {
        let mut message = Message::new(0xa00, CREATE, 7, 1, 0);
        message.put(1, &vec![0; 70_000]);
        let error = message
            .finish(|| "add rule x".to_owned())
            .unwrap_err()
            .to_string();
        assert!(error.contains("add rule x"), "{error}");
    }

    #[test]
    fn asking_for_an_answer_keeps_the_other_flags() {
        let mut message = Message::new(0xa00, CREATE, 7, 1, 0);
        message.ask_for_answer();
        assert_eq!(
            message.bytes()[6..8],
            (CREATE | REQUEST | ACK).to_ne_bytes()
        );
    }
}
