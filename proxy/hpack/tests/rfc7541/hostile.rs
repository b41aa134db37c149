//! Bytes of no meaning: no panic, no growth, and the same answer each time.

use headers::Headers;
use hpack::{Decoder, Limits};

/// A deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 1).unwrap() % n
    }
}

#[test]
fn random_blocks_neither_panic_nor_grow_the_decoder() {
    let limits = Limits {
        max_list_size: 8192,
        max_fields: 64,
    };
    let mut random = Random(42);
    let mut decoder = Decoder::new(4096);
    let (mut decoded, mut broken) = (0, 0);
    for _ in 0..200_000 {
        let len = random.below(48);
        let mut block: Vec<u8> = (0..len)
            .map(|_| {
                let byte = random.next().to_le_bytes()[0];
                // Small numbers make lengths and indices that mean something.
                if random.below(3) == 0 {
                    byte
                } else {
                    byte & 0x4f
                }
            })
            .collect();
        if random.below(4) == 0 {
            block.insert(0, 0x40);
        }
        let mut out = Headers::new();
        match decoder.decode(&block, &mut out, limits) {
            Ok(_) => decoded += 1,
            Err(_) => {
                broken += 1;
                decoder = Decoder::new(4096);
            }
        }
        assert!(out.size() <= limits.max_list_size && out.len() <= limits.max_fields);
        assert!(decoder.memory() <= 5 * 4096 + 4096, "{}", decoder.memory());
    }
    assert!(decoded > 1000 && broken > 1000, "{decoded} {broken}");
}
