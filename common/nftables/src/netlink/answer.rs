//! The kernel's answers: NLMSG_ERROR messages, with the extended acknowledgement when the kernel adds one.

use crate::Error;

/// NLMSG_ERROR.
const ERROR: u16 = 2;
/// NLM_F_CAPPED: the message that is answered is left out but for its header.
const CAPPED: u16 = 0x100;
/// NLM_F_ACK_TLVS: attributes follow.
const ACK_TLVS: u16 = 0x200;
/// NLMSGERR_ATTR_MSG: what is wrong, in words.
const TEXT: u16 = 1;
/// NLMSGERR_ATTR_OFFS: where in the message the fault is.
const OFFSET: u16 = 2;
/// Size of `nlmsghdr`.
const HEADER: usize = 16;

/// The kernel's answer to one message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The sequence number of the message.
    pub(super) sequence: u32,
    /// What went wrong; 0 when nothing did.
    pub(super) errno: i32,
    /// Where in the message, in bytes from its start.
    pub(super) offset: Option<u32>,
    /// What went wrong, in the kernel's words.
    pub(super) text: Option<String>,
}

/// Walks the answers in one datagram; other messages are passed over.
#[derive(Debug)]
pub(super) struct Answers<'a> {
    rest: &'a [u8],
}

impl<'a> Answers<'a> {
    pub(super) fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    fn take(&mut self) -> Option<Option<Answer>> {
        let length = usize::try_from(u32_at(self.rest, 0)?).ok()?;
        let kind = u16_at(self.rest, 4)?;
        let flags = u16_at(self.rest, 6)?;
        let message = self
            .rest
            .get(..length)
            .filter(|message| message.len() >= HEADER)?;
        self.rest = self
            .rest
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        if kind == ERROR {
            read(message, flags).map(Some)
        } else {
            Some(None)
        }
    }
}

impl Iterator for Answers<'_> {
    type Item = Result<Answer, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.take() {
                Some(Some(answer)) => return Some(Ok(answer)),
                Some(None) => {}
                None => {
                    self.rest = &[];
                    return Some(Err(Error::Answer("a message is cut short")));
                }
            }
        }
        None
    }
}

/// Read `nlmsgerr`: the negative errno, the header of what is answered (with its payload unless capped), attributes.
fn read(message: &[u8], flags: u16) -> Option<Answer> {
    let errno =
        i32::from_ne_bytes(message.get(HEADER..HEADER + 4)?.try_into().ok()?).checked_neg()?;
    let answered = message.get(HEADER + 4..)?;
    let answered_length = usize::try_from(u32_at(answered, 0)?).ok()?;
    let mut answer = Answer {
        sequence: u32_at(answered, 8)?,
        errno,
        offset: None,
        text: None,
    };
    if flags & ACK_TLVS != 0 {
        let skipped = if flags & CAPPED != 0 {
            HEADER
        } else {
            answered_length.next_multiple_of(4)
        };
        read_attributes(answered.get(skipped..)?, &mut answer);
    }
    Some(answer)
}

/// Attributes only help a person: what cannot be read of them is left out.
fn read_attributes(mut rest: &[u8], answer: &mut Answer) {
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let Some(value) = rest.get(4..length) else {
            return;
        };
        match kind {
            TEXT => {
                let text = value.split(|&byte| byte == 0).next().unwrap_or_default();
                answer.text = Some(String::from_utf8_lossy(text).into_owned());
            }
            OFFSET => answer.offset = u32_at(value, 0),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(
        bytes.get(at..at.checked_add(2)?)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn error(errno: i32, sequence: u32, flags: u16, attributes: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend((-errno).to_ne_bytes());
        body.extend(20u32.to_ne_bytes());
        body.extend([0; 4]);
        body.extend(sequence.to_ne_bytes());
        body.extend([0; 4]);
        body.extend(attributes);
        let mut message = Vec::new();
        message.extend(u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes());
        message.extend(ERROR.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        message
    }

    #[test]
    fn an_error_carries_the_sequence_the_place_and_the_words() {
        let mut attributes = Vec::new();
        attributes.extend(8u16.to_ne_bytes());
        attributes.extend(OFFSET.to_ne_bytes());
        attributes.extend(52u32.to_ne_bytes());
        attributes.extend(7u16.to_ne_bytes());
        attributes.extend(TEXT.to_ne_bytes());
        attributes.extend(b"no\0\0");
        let mut datagram = error(2, 9, CAPPED | ACK_TLVS, &attributes);
        datagram.extend(error(0, 10, CAPPED, &[]));
        let answers: Vec<Answer> = Answers::new(&datagram).map(Result::unwrap).collect();
        assert_eq!(
            answers[0],
            Answer {
                sequence: 9,
                errno: 2,
                offset: Some(52),
                text: Some("no".to_owned())
            }
        );
        assert_eq!(
            answers[1],
            Answer {
                sequence: 10,
                errno: 0,
                offset: None,
                text: None
            }
        );
    }

    #[test]
    fn a_datagram_cut_anywhere_is_an_error_and_never_a_panic() {
        let whole = error(2, 9, CAPPED, &[]);
        for length in 1..whole.len() {
            assert!(
                Answers::new(&whole[..length]).next().unwrap().is_err(),
                "{length}"
            );
        }
        assert!(Answers::new(&[0; 64]).next().unwrap().is_err());
    }
}
