//! HPACK: blocks of one connection in turn, with changes of the table's size between.

use headers::Headers;
use hpack::{DEFAULT_TABLE_SIZE, Decoder, Encoder, Limits, Outcome};

use crate::input::Input;

const LIMITS: Limits = Limits {
    max_list_size: 60 * 1024,
    max_fields: 100,
};

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut largest = DEFAULT_TABLE_SIZE;
    let mut decoder = Decoder::new(largest);
    while !input.is_empty() {
        if input.byte() == 0xff {
            let size = usize::from(input.short());
            decoder.set_max_table_size(size);
            largest = largest.max(size);
            continue;
        }
        let block = input.long_piece();
        let mut list = Headers::new();
        let decoded = decoder.decode(block, &mut list, LIMITS);
        assert!(list.size() <= LIMITS.max_list_size && list.len() <= LIMITS.max_fields);
        let bound = 4 * (largest + block.len()) + 4096;
        assert!(decoder.memory() <= bound, "{} of {bound}", decoder.memory());
        match decoded {
            Ok(Outcome::Complete) => {
                round(&list, Encoder::new());
                round(&list, Encoder::with_huffman());
            }
            Ok(Outcome::TooLarge) => {}
            Err(_) => return,
        }
    }
}

/// What is encoded is decoded as the same.
fn round(list: &Headers, mut encoder: Encoder) {
    let mut again = Headers::new();
    let mut block = Vec::new();
    encoder.encode(list, &mut block);
    let outcome = Decoder::default().decode(&block, &mut again, LIMITS);
    assert_eq!(outcome, Ok(Outcome::Complete));
    assert_eq!(*list, again);
}
