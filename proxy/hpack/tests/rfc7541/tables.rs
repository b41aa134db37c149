//! The tables and their sizes (RFC 7541, 2.3 and 4).

use headers::{Headers, Known};
use hpack::{Decoder, Error};

use crate::{decode, decode_once, hex, list};

/// A literal with indexing and a new name.
fn indexed(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0x40, u8::try_from(name.len()).unwrap()];
    block.extend(name.bytes());
    block.push(u8::try_from(value.len()).unwrap());
    block.extend(value.bytes());
    block
}

#[test]
fn every_static_entry_has_its_index_and_its_slot() {
    let block: Vec<u8> = (1..=61).map(|index| 0x80 | index).collect();
    let got = decode_once(&block).unwrap();
    let at = |index: usize| got.iter().nth(index - 1).unwrap();
    for (index, name, value) in [
        (1, ":authority", ""),
        (2, ":method", "GET"),
        (8, ":status", "200"),
        (14, ":status", "500"),
        (15, "accept-charset", ""),
        (16, "accept-encoding", "gzip, deflate"),
        (31, "content-type", ""),
        (45, "link", ""),
        (58, "user-agent", ""),
        (61, "www-authenticate", ""),
    ] {
        assert_eq!(
            (at(index).name, at(index).value),
            (name.as_bytes(), value.as_bytes())
        );
    }
    for field in got.iter() {
        assert_eq!(field.known, Known::of(field.name));
    }
}

#[test]
fn an_index_beyond_both_tables_must_be_an_error() {
    assert_eq!(decode_once(&hex("be")).unwrap_err(), Error::InvalidIndex);
    // As the name of a literal too, with indexing and without.
    assert_eq!(
        decode_once(&hex("7e0161")).unwrap_err(),
        Error::InvalidIndex
    );
    assert_eq!(
        decode_once(&hex("0f2f0161")).unwrap_err(),
        Error::InvalidIndex
    );
}

#[test]
fn index_0_must_be_an_error() {
    assert_eq!(decode_once(&hex("80")).unwrap_err(), Error::InvalidIndex);
}

#[test]
fn duplicate_entries_must_not_be_an_error() {
    let mut decoder = Decoder::new(4096);
    let block = [indexed("a", "1"), indexed("a", "1")].concat();
    decode(&mut decoder, &block).unwrap();
    assert_eq!(
        decode(&mut decoder, &hex("bebf")).unwrap(),
        list(&[("a", "1"), ("a", "1")])
    );
}

#[test]
fn entries_are_evicted_from_the_oldest_until_the_new_one_fits() {
    // Each takes 34: two fit.
    let mut decoder = Decoder::new(68);
    for (name, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        decode(&mut decoder, &indexed(name, value)).unwrap();
    }
    assert_eq!(
        decode(&mut decoder, &hex("bebf")).unwrap(),
        list(&[("c", "3"), ("b", "2")])
    );
    assert!(decode(&mut decoder, &hex("c0")).is_err());
}

#[test]
fn an_entry_larger_than_the_table_empties_it_and_is_no_error() {
    let mut decoder = Decoder::new(68);
    decode(&mut decoder, &indexed("a", "1")).unwrap();
    let large = indexed("name", &"v".repeat(40));
    assert_eq!(
        decode(&mut decoder, &large).unwrap(),
        list(&[("name", &"v".repeat(40))])
    );
    assert_eq!(
        decode(&mut decoder, &hex("be")).unwrap_err(),
        Error::InvalidIndex
    );
}

#[test]
fn a_new_entry_may_take_its_name_from_an_entry_that_it_evicts() {
    let mut decoder = Decoder::new(68);
    decode(&mut decoder, &indexed("name", "1")).unwrap();
    // The first dynamic entry's name with a value that leaves room for itself only.
    let mut block = hex("7e14");
    block.extend([b'v'; 20]);
    let want = list(&[("name", &"v".repeat(20))]);
    assert_eq!(decode(&mut decoder, &block).unwrap(), want);
    assert_eq!(decode(&mut decoder, &hex("be")).unwrap(), want);
    assert!(decode(&mut decoder, &hex("bf")).is_err());
}

#[test]
fn a_size_update_evicts() {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &indexed("a", "1")).unwrap();
    decode(&mut decoder, &hex("20")).unwrap();
    assert!(decode(&mut decoder, &hex("be")).is_err());
}

#[test]
fn a_size_update_must_come_before_the_first_field() {
    assert_eq!(
        decode_once(&hex("8220")).unwrap_err(),
        Error::MisplacedSizeUpdate
    );
    assert!(decode_once(&hex("203f0082")).is_ok());
}

#[test]
fn a_size_update_must_not_exceed_the_announced_size() {
    // 4097
    assert_eq!(
        decode_once(&hex("3fe21f")).unwrap_err(),
        Error::ExcessiveSizeUpdate
    );
    assert!(decode_once(&hex("3fe11f")).is_ok());
}

#[test]
fn a_reduced_size_must_be_taken_up_at_the_start_of_the_next_block() {
    let reduced = || {
        let mut decoder = Decoder::new(4096);
        decoder.set_max_table_size(100);
        decoder
    };
    assert_eq!(
        decode(&mut reduced(), &hex("82")).unwrap_err(),
        Error::MissingSizeUpdate
    );
    let mut decoder = reduced();
    // 100, and then no more is due.
    decode(&mut decoder, &hex("3f4582")).unwrap();
    decode(&mut decoder, &hex("82")).unwrap();
    // One to zero is less still.
    decode(&mut reduced(), &hex("2082")).unwrap();
}

#[test]
fn the_smallest_of_several_sizes_must_be_taken_up() {
    let changed = || {
        let mut decoder = Decoder::new(4096);
        decoder.set_max_table_size(100);
        decoder.set_max_table_size(4096);
        decoder
    };
    // 4096 alone does not tell of the eviction between.
    assert_eq!(
        decode(&mut changed(), &hex("3fe11f82")).unwrap_err(),
        Error::MissingSizeUpdate
    );
    decode(&mut changed(), &hex("3f453fe11f82")).unwrap();
}

#[test]
fn a_raised_size_may_be_used_once_announced() {
    let mut decoder = Decoder::new(4096);
    decoder.set_max_table_size(8192);
    decode(&mut decoder, &hex("82")).unwrap();
    decode(&mut decoder, &hex("3fe13f82")).unwrap();
}

#[test]
fn the_table_agrees_with_a_plain_list_over_many_insertions() {
    let mut decoder = Decoder::new(1000);
    let mut plain: Vec<(String, String)> = Vec::new();
    let mut seed = 7u32;
    for i in 0..5000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = "v".repeat((seed >> 24) as usize % 90);
        let (name, block) = if seed & 0x100 != 0 && !plain.is_empty() {
            let index = (seed >> 16) as usize % plain.len();
            let mut block = vec![0x40];
            // 62 and on: within the prefix of six bits up to 62, else one more octet.
            if 62 + index < 63 {
                block[0] |= 62;
            } else {
                block[0] |= 63;
                block.push(u8::try_from(62 + index - 63).unwrap());
            }
            block.push(u8::try_from(value.len()).unwrap());
            block.extend(value.bytes());
            (plain[index].0.clone(), block)
        } else {
            let name = format!("x-{i}");
            let block = indexed(&name, &value);
            (name, block)
        };
        let got = decode(&mut decoder, &block).unwrap();
        assert_eq!(got, list(&[(&name, &value)]));
        plain.insert(0, (name, value));
        while plain
            .iter()
            .map(|(n, v)| n.len() + v.len() + 32)
            .sum::<usize>()
            > 1000
        {
            plain.pop();
        }
        let mut block = Vec::new();
        for index in 0..plain.len() {
            if 62 + index < 127 {
                block.push(0x80 | u8::try_from(62 + index).unwrap());
            }
        }
        let mut want = Headers::new();
        want.extend(
            plain
                .iter()
                .take(65)
                .map(|(n, v)| (n.as_bytes(), v.as_bytes())),
        );
        assert_eq!(decode(&mut decoder, &block).unwrap(), want);
        assert!(decoder.memory() < 8000, "{}", decoder.memory());
    }
}
