//! The list of fields beside a plain one.

use headers::{Field, Headers, Known};

use crate::input::Input;

const NAMES: &[&str] = &[
    ":path", "host", "server", "te", "x", "via", "cookie", "x-other", "",
];

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut list = Headers::new();
    let mut plain: Vec<(Vec<u8>, Vec<u8>, bool)> = Vec::new();
    while !input.is_empty() {
        let what = input.byte();
        let name = input.pick(NAMES).as_bytes();
        let known = Known::of(name);
        match what % 8 {
            0 | 1 => {
                let value = input.piece();
                let sensitive = what >= 128;
                list.push_field(Field {
                    name,
                    value,
                    known,
                    sensitive,
                });
                plain.push((name.to_vec(), value.to_vec(), sensitive));
            }
            2 => {
                let value = input.piece();
                list.replace(name, value);
                replace(&mut plain, name, value, known.is_some());
            }
            3 => {
                let before = plain.len();
                plain.retain(|(n, _, _)| n != name);
                assert_eq!(list.remove_name(name), plain.len() < before);
            }
            4 => {
                list.retain(|field| field.value.len() % 2 == 0);
                plain.retain(|(_, value, _)| value.len() % 2 == 0);
            }
            5 if what > 200 => {
                list.clear();
                plain.clear();
            }
            6 => list.shrink_to(usize::from(what)),
            _ => list = list.clone(),
        }
        same(&list, &plain);
    }
}

/// A known name keeps its first place, another one goes to the end; what replaces a value keeps its mark.
fn replace(plain: &mut Vec<(Vec<u8>, Vec<u8>, bool)>, name: &[u8], value: &[u8], known: bool) {
    let first = plain.iter().position(|(n, _, _)| n == name);
    match first {
        Some(at) if known => {
            plain[at].1 = value.to_vec();
            let mut index = 0;
            plain.retain(|(n, _, _)| {
                index += 1;
                n != name || index == at + 1
            });
        }
        _ => {
            plain.retain(|(n, _, _)| n != name);
            plain.push((name.to_vec(), value.to_vec(), false));
        }
    }
}

fn same(list: &Headers, plain: &[(Vec<u8>, Vec<u8>, bool)]) {
    assert_eq!(list.len(), plain.len());
    assert_eq!(list.is_empty(), plain.is_empty());
    let size: usize = plain.iter().map(|(n, v, _)| n.len() + v.len() + 32).sum();
    assert_eq!(list.size(), size);
    for (field, (name, value, sensitive)) in list.iter().zip(plain) {
        assert_eq!((field.name, field.value), (&**name, &**value));
        assert_eq!(
            (field.known, field.sensitive),
            (Known::of(name), *sensitive)
        );
    }
    for name in NAMES {
        let name = name.as_bytes();
        let values: Vec<&[u8]> = plain
            .iter()
            .filter(|(n, _, _)| n == name)
            .map(|(_, v, _)| &**v)
            .collect();
        assert_eq!(list.find(name), values.first().copied());
        assert_eq!(list.find_all(name).collect::<Vec<_>>(), values);
        if let Some(known) = Known::of(name) {
            assert_eq!(list.get(known), values.first().copied());
            assert_eq!(list.has(known), !values.is_empty());
            assert_eq!(list.all(known).collect::<Vec<_>>(), values);
        }
    }
}
