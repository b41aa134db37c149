//! Numbers as text, without the formatting machinery: a log line has a dozen.

/// `00` to `99`.
static PAIRS: [[u8; 2]; 100] = pairs();

/// Each number of an IPv4 address with a dot after it, and how many bytes that is.
static OCTETS: [([u8; 4], u8); 256] = octets();

#[allow(clippy::indexing_slicing)] // when the program is compiled
const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
}

const fn digit(number: usize) -> u8 {
    b'0' + (number % 10) as u8
}

#[allow(clippy::indexing_slicing)] // when the program is compiled
const fn octets() -> [([u8; 4], u8); 256] {
    let mut octets = [([0; 4], 0); 256];
    let mut number = 0;
    while number < 256 {
        octets[number] = match number {
            0..10 => ([digit(number), b'.', 0, 0], 2),
            10..100 => ([digit(number / 10), digit(number), b'.', 0], 3),
            _ => (
                [digit(number / 100), digit(number / 10), digit(number), b'.'],
                4,
            ),
        };
        number += 1;
    }
    octets
}

/// A few bytes of text, made on the stack and appended at once: appending each alone costs more than making it.
pub(crate) struct Small {
    bytes: [u8; 32],
    length: usize,
}

impl Small {
    #[inline]
    pub(crate) fn new() -> Self {
        Small {
            bytes: [0; 32],
            length: 0,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// A number in decimal.
    #[inline]
    pub(crate) fn decimal(&mut self, number: u64) {
        match number {
            0..10 => self.push(b'0' + number as u8),
            10..100 => self.pair(number),
            100..1_000 => {
                self.push(b'0' + (number / 100) as u8);
                self.pair(number % 100);
            }
            1_000..10_000 => {
                self.pair(number / 100);
                self.pair(number % 100);
            }
            10_000..100_000 => {
                self.push(b'0' + (number / 10_000) as u8);
                self.pair(number / 100 % 100);
                self.pair(number % 100);
            }
            _ => self.padded(number, number.ilog10() as usize + 1),
        }
    }

    /// Two digits of a number below 100.
    #[inline]
    pub(crate) fn pair(&mut self, number: u64) {
        let places = self.bytes.get_mut(self.length..self.length + 2);
        if let (Some(places), Some(pair)) = (places, PAIRS.get(number as usize)) {
            places.copy_from_slice(pair);
            self.length += 2;
        }
    }

    /// The last `width` digits of a number, with zeros before it.
    pub(crate) fn padded(&mut self, mut number: u64, width: usize) {
        let end = self.length + width;
        if let Some(places) = self.bytes.get_mut(self.length..end) {
            for place in places.iter_mut().rev() {
                *place = b'0' + (number % 10) as u8;
                number /= 10;
            }
            self.length = end;
        }
    }

    /// The four numbers of an address and a dot after each; the last dot is `end` instead.
    #[inline]
    pub(crate) fn octets(&mut self, octets: [u8; 4], end: u8) {
        for octet in octets {
            let places = self.bytes.get_mut(self.length..self.length + 4);
            if let (Some(places), Some((text, length))) = (places, OCTETS.get(usize::from(octet))) {
                places.copy_from_slice(text);
                self.length += usize::from(*length);
            }
        }
        if let Some(dot) = self.bytes.get_mut(self.length.saturating_sub(1)) {
            *dot = end;
        }
    }

    /// All but the last byte.
    #[inline]
    pub(crate) fn shorten(&mut self) {
        self.length = self.length.saturating_sub(1);
    }

    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes.get(..self.length).unwrap_or_default());
    }
}

/// Appends a number in decimal.
#[inline]
pub(crate) fn decimal(number: u64, out: &mut Vec<u8>) {
    let mut text = Small::new();
    text.decimal(number);
    text.append_to(out);
}

/// Appends the last `width` digits of a number, with zeros before it.
pub(crate) fn padded(number: u64, width: usize, out: &mut Vec<u8>) {
    let mut text = Small::new();
    text.padded(number, width);
    text.append_to(out);
}
