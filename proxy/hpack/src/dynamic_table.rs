//! The dynamic table (RFC 7541, 2.3.2 and 4), newest entry first.

use std::collections::VecDeque;

use headers::{Field, Known};

/// What an entry counts beyond its bytes (RFC 7541, 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// One entry's place among the bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its name starts, counted over all bytes ever kept (modulo 2^32).
    at: u32,
    name_len: u32,
    value_len: u32,
    known: Option<Known>,
}

impl Entry {
    fn size(&self) -> usize {
        self.name_len as usize + self.value_len as usize + ENTRY_OVERHEAD
    }
}

/// Where the name of a new entry comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name<'a> {
    /// The block or the static table.
    Bytes(&'a [u8], Option<Known>),
    /// The entry with this index, from 0.
    Entry(usize),
}

/// The table. The bytes of all entries lie in one buffer, oldest first, which slides: no entry has memory of its own,
/// and the whole is never more than four times the table's maximum size.
#[derive(Debug)]
pub(crate) struct DynamicTable {
    bytes: Vec<u8>,
    /// Where `bytes` starts, counted over all bytes ever kept (modulo 2^32).
    base: u32,
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
}

impl DynamicTable {
    pub(crate) fn new(max_size: usize) -> Self {
        DynamicTable {
            bytes: Vec::new(),
            base: 0,
            entries: VecDeque::new(),
            size: 0,
            max_size,
        }
    }

    pub(crate) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Bytes of memory in use.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    pub(crate) fn get(&self, index: usize) -> Option<Field<'_>> {
        let entry = self.entries.get(index)?;
        let (name, rest) = self
            .bytes
            .get(self.offset(entry)..)?
            .split_at_checked(entry.name_len as usize)?;
        Some(Field {
            name,
            value: rest.get(..entry.value_len as usize)?,
            known: entry.known,
            sensitive: false,
        })
    }

    pub(crate) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict_to(max_size);
        if max_size == 0 {
            self.bytes = Vec::new();
            self.entries = VecDeque::new();
        }
    }

    /// Inserts an entry (RFC 7541, 4.4): one larger than the table empties it. None where the name's entry is not there.
    pub(crate) fn insert(&mut self, name: Name<'_>, value: &[u8]) -> Option<()> {
        let (name_len, known) = match name {
            Name::Bytes(bytes, known) => (bytes.len(), known),
            Name::Entry(index) => {
                let entry = self.entries.get(index)?;
                (entry.name_len as usize, entry.known)
            }
        };
        let size = name_len + value.len() + ENTRY_OVERHEAD;
        if size > self.max_size {
            self.evict_to(0);
            return Some(());
        }
        self.make_room(name_len + value.len());
        let at = self.bytes.len();
        // The name is copied before anything is evicted: its own entry may be.
        match name {
            Name::Bytes(bytes, _) => self.bytes.extend_from_slice(bytes),
            Name::Entry(index) => {
                let from = self.offset(self.entries.get(index)?);
                self.bytes.extend_from_within(from..from + name_len);
            }
        }
        self.bytes.extend_from_slice(value);
        self.evict_to(self.max_size - size);
        self.entries.push_front(Entry {
            at: self.base.wrapping_add(u32::try_from(at).ok()?),
            name_len: u32::try_from(name_len).ok()?,
            value_len: u32::try_from(value.len()).ok()?,
            known,
        });
        self.size += size;
        Some(())
    }

    fn offset(&self, entry: &Entry) -> usize {
        entry.at.wrapping_sub(self.base) as usize
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size {
            let Some(entry) = self.entries.pop_back() else {
                return;
            };
            self.size -= entry.size();
        }
    }

    /// Slides the live bytes to the front where the buffer would grow otherwise and half of it is dead.
    fn make_room(&mut self, more: usize) {
        if self.bytes.len() + more <= self.bytes.capacity() {
            return;
        }
        let dead = self
            .entries
            .back()
            .map_or(self.bytes.len(), |oldest| self.offset(oldest));
        if dead > 0 && dead * 2 >= self.bytes.len() {
            self.bytes.drain(..dead);
            self.base = self.base.wrapping_add(u32::try_from(dead).unwrap_or(0));
        }
    }
}
