//! The list itself.

use crate::Known;
use crate::known::SLOTS;

/// One field's place in the shared buffer, where a known name does not lie: it has its text elsewhere.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    value_at: u32,
    name_len: u32,
    value_len: u32,
    known: Option<Known>,
    sensitive: bool,
    removed: bool,
}

/// One field of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Lower case, as on the wire of HTTP/2.
    pub name: &'a [u8],
    /// Bytes as they came: not trimmed, not decoded.
    pub value: &'a [u8],
    /// The slot that the name has.
    pub known: Option<Known>,
    /// Came as "never indexed" (RFC 7541, 6.2.3) and must leave so.
    pub sensitive: bool,
}

/// A list of fields in order. Cleared and used again, it allocates nothing.
#[derive(Clone, Debug)]
pub struct Headers {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Index + 1 of the first live entry of a known name, 0 where there is none.
    slots: [u16; SLOTS],
    /// Live entries.
    live: u32,
    /// Sum of name + value + 32 of live entries.
    size: usize,
}

impl Default for Headers {
    fn default() -> Self {
        Headers {
            bytes: Vec::new(),
            entries: Vec::new(),
            slots: [0; SLOTS],
            live: 0,
            size: 0,
        }
    }
}

impl Headers {
    /// The most fields a list takes; `push` drops what goes beyond, which no codec lets happen (their limits are lower).
    pub const MOST_FIELDS: usize = u16::MAX as usize - 1;

    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.slots = [0; SLOTS];
        self.live = 0;
        self.size = 0;
    }

    /// Gives back memory beyond `bytes` bytes of capacity: for lists that are kept for reuse.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.bytes.shrink_to(bytes);
        self.entries.shrink_to(bytes / 32);
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live as usize
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Size as RFC 7541, 4.1 and SETTINGS_MAX_HEADER_LIST_SIZE count: name and value bytes and 32 for each field.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Appends a field. `name` is lower case.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_field(Field {
            name,
            value,
            known: Known::of(name),
            sensitive: false,
        });
    }

    /// Appends a field with a known name.
    pub fn push_known(&mut self, known: Known, value: &[u8]) {
        self.push_field(Field {
            name: known.name().as_bytes(),
            value,
            known: Some(known),
            sensitive: false,
        });
    }

    /// Appends a field; `field.known` is what `Known::of(field.name)` is (a decoder knows it from its static table).
    #[inline]
    pub fn push_field(&mut self, field: Field<'_>) {
        let Field {
            name,
            value,
            known,
            sensitive,
        } = field;
        let start = self.bytes.len();
        if self.entries.len() >= Self::MOST_FIELDS
            || start + name.len() + value.len() > u32::MAX as usize
        {
            return;
        }
        if known.is_none() {
            self.bytes.extend_from_slice(name);
        }
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        // Nothing is cut off: the sum was checked.
        let [start, value_at, name_len, value_len] =
            [start, value_at, name.len(), value.len()].map(|n| n as u32);
        self.entries.push(Entry {
            start,
            value_at,
            name_len,
            value_len,
            known,
            sensitive,
            removed: false,
        });
        self.live += 1;
        self.size += name.len() + value.len() + 32;
        if let Some(slot) = known.and_then(|k| self.slots.get_mut(k as usize))
            && *slot == 0
        {
            *slot = u16::try_from(self.entries.len()).unwrap_or(0);
        }
    }

    /// The first value of a known name.
    #[must_use]
    #[inline]
    pub fn get(&self, known: Known) -> Option<&[u8]> {
        let slot = usize::from(*self.slots.get(known as usize)?);
        let entry = self.entries.get(slot.checked_sub(1)?)?;
        Some(self.value_of(entry))
    }

    /// Whether a known name is there.
    #[must_use]
    #[inline]
    pub fn has(&self, known: Known) -> bool {
        self.slots
            .get(known as usize)
            .is_some_and(|slot| *slot != 0)
    }

    /// All values of a known name, in order.
    pub fn all(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        let first = self
            .slots
            .get(known as usize)
            .map_or(0, |slot| usize::from(*slot));
        let rest = if first == 0 {
            &[]
        } else {
            self.entries.get(first - 1..).unwrap_or(&[])
        };
        rest.iter()
            .filter(move |e| !e.removed && e.known == Some(known))
            .map(|e| self.value_of(e))
    }

    /// The first value of any name (lower case).
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        match Known::of(name) {
            Some(known) => self.get(known),
            None => self.iter().find(|f| f.name == name).map(|f| f.value),
        }
    }

    /// All values of any name (lower case), in order.
    pub fn find_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |f| f.name == name).map(|f| f.value)
    }

    /// All fields in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.entries.iter().filter(|e| !e.removed).map(|e| Field {
            name: self.name_of(e),
            value: self.value_of(e),
            known: e.known,
            sensitive: e.sensitive,
        })
    }

    /// Replaces all fields of a known name by one with this value, in the place of the first.
    pub fn set(&mut self, known: Known, value: &[u8]) {
        let slot = self
            .slots
            .get(known as usize)
            .map_or(0, |slot| usize::from(*slot));
        let (Some(index), Ok(start), Ok(value_len)) = (
            slot.checked_sub(1),
            u32::try_from(self.bytes.len()),
            u32::try_from(value.len()),
        ) else {
            self.push_known(known, value);
            return;
        };
        for entry in self
            .entries
            .iter_mut()
            .skip(index + 1)
            .filter(|e| !e.removed && e.known == Some(known))
        {
            entry.removed = true;
            self.live -= 1;
            self.size -= entry.name_len as usize + entry.value_len as usize + 32;
        }
        if let Some(entry) = self.entries.get_mut(index) {
            self.size = self.size - entry.value_len as usize + value.len();
            if value_len <= entry.value_len {
                entry.value_len = value_len;
                let at = entry.value_at as usize;
                if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
                    place.copy_from_slice(value);
                }
            } else {
                self.bytes.extend_from_slice(value);
                entry.value_at = start;
                entry.value_len = value_len;
            }
        }
    }

    /// Replaces all fields of a name (lower case) by one with this value.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        match Known::of(name) {
            Some(known) => self.set(known, value),
            None => {
                self.remove_name(name);
                self.push(name, value);
            }
        }
    }

    /// Removes all fields of a known name; says whether there was one.
    pub fn remove(&mut self, known: Known) -> bool {
        let Some(slot) = self
            .slots
            .get_mut(known as usize)
            .filter(|slot| **slot != 0)
        else {
            return false;
        };
        let first = usize::from(std::mem::take(slot)) - 1;
        self.remove_where(first, |e, _| e.known == Some(known))
    }

    /// Removes all fields of a name (lower case); says whether there was one.
    pub fn remove_name(&mut self, name: &[u8]) -> bool {
        match Known::of(name) {
            Some(known) => self.remove(known),
            None => self.remove_where(0, |_, n| n == name),
        }
    }

    /// Keeps the fields that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        let mut gone = Vec::new();
        for (i, e) in self.entries.iter().enumerate().filter(|(_, e)| !e.removed) {
            let field = Field {
                name: self.name_of(e),
                value: self.value_of(e),
                known: e.known,
                sensitive: e.sensitive,
            };
            if !keep(field) {
                gone.push(i);
            }
        }
        for i in &gone {
            if let Some(e) = self.entries.get_mut(*i) {
                e.removed = true;
                self.live -= 1;
                self.size -= e.name_len as usize + e.value_len as usize + 32;
            }
        }
        if !gone.is_empty() {
            self.slots = [0; SLOTS];
            for (i, e) in self
                .entries
                .iter()
                .enumerate()
                .rev()
                .filter(|(_, e)| !e.removed)
            {
                if let Some(slot) = e.known.and_then(|k| self.slots.get_mut(k as usize)) {
                    *slot = u16::try_from(i + 1).unwrap_or(0);
                }
            }
        }
    }

    fn remove_where(&mut self, from: usize, gone: impl Fn(&Entry, &[u8]) -> bool) -> bool {
        let mut any = false;
        for e in self.entries.iter_mut().skip(from).filter(|e| !e.removed) {
            if gone(e, name_of(&self.bytes, e)) {
                e.removed = true;
                any = true;
                self.live -= 1;
                self.size -= e.name_len as usize + e.value_len as usize + 32;
            }
        }
        any
    }

    #[inline]
    fn name_of(&self, e: &Entry) -> &[u8] {
        name_of(&self.bytes, e)
    }

    #[inline]
    fn value_of(&self, e: &Entry) -> &[u8] {
        let at = e.value_at as usize;
        self.bytes
            .get(at..at + e.value_len as usize)
            .unwrap_or_default()
    }
}

#[inline]
fn name_of<'a>(bytes: &'a [u8], e: &Entry) -> &'a [u8] {
    let at = e.start as usize;
    match e.known {
        Some(known) => known.name().as_bytes(),
        None => bytes.get(at..at + e.name_len as usize).unwrap_or_default(),
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> Extend<(&'a [u8], &'a [u8])> for Headers {
    fn extend<T: IntoIterator<Item = (&'a [u8], &'a [u8])>>(&mut self, fields: T) {
        for (name, value) in fields {
            self.push(name, value);
        }
    }
}
