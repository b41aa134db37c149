//! Decoding of header blocks.

use headers::{Field, Headers, Known};

use crate::dynamic_table::{DynamicTable, Name};
use crate::{DEFAULT_TABLE_SIZE, Error, huffman, integer, static_table};

/// What one field section may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of names and values, each field counting 32 more (SETTINGS_MAX_HEADER_LIST_SIZE).
    pub max_list_size: usize,
    /// The most fields.
    pub max_fields: usize,
}

/// How a section compares with its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All fields are in the list.
    Complete,
    /// The list holds the fields up to the first that went beyond the limits. The block was decoded to its end, so the
    /// next one can be.
    TooLarge,
}

/// Keep this much of the memory for Huffman-coded strings from block to block.
const KEPT_SCRATCH: usize = 1024;

/// One direction's decoding state. Its memory is bounded by four times the table's size, and while decoding by four times
/// the block's.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// The table size that our SETTINGS allow.
    allowed: usize,
    /// The next block must start with an update to at most this, for `allowed` was reduced below the table's size.
    due: Option<usize>,
    /// Where Huffman-coded strings are decoded to.
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(DEFAULT_TABLE_SIZE)
    }
}

impl Decoder {
    /// A decoder whose table may have up to `max_table_size` bytes: [`DEFAULT_TABLE_SIZE`] until the peer has
    /// acknowledged other SETTINGS.
    #[must_use]
    pub fn new(max_table_size: usize) -> Self {
        Decoder {
            table: DynamicTable::new(max_table_size),
            allowed: max_table_size,
            due: None,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// The peer acknowledged SETTINGS with this SETTINGS_HEADER_TABLE_SIZE. Where that is less than the table has, the
    /// peer must start its next block with a size update (RFC 7541, 4.2).
    pub fn set_max_table_size(&mut self, max_table_size: usize) {
        self.allowed = max_table_size;
        if max_table_size < self.table.max_size() {
            self.due = Some(
                self.due
                    .map_or(max_table_size, |due| due.min(max_table_size)),
            );
        }
    }

    /// Bytes of memory in use.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.table.memory() + self.name.capacity() + self.value.capacity()
    }

    /// Decodes one header block and appends its fields to `out`.
    ///
    /// # Errors
    /// The block is broken: no other block can be decoded after it.
    pub fn decode(
        &mut self,
        block: &[u8],
        out: &mut Headers,
        limits: Limits,
    ) -> Result<Outcome, Error> {
        let mut input = block;
        let mut section = Section {
            out,
            list_left: limits.max_list_size,
            fields_left: limits.max_fields,
            outcome: Outcome::Complete,
        };
        self.size_updates(&mut input)?;
        while let Some(&first) = input.first() {
            if first & 0x80 != 0 {
                let index = integer::decode(&mut input, 7)?;
                match static_table::get(index) {
                    Some(entry) => section.push(entry.name, entry.value, entry.known, false),
                    None => {
                        let entry = dynamic(&self.table, index)?;
                        section.push(entry.name, entry.value, entry.known, false);
                    }
                }
            } else if first & 0xe0 == 0x20 {
                return Err(Error::MisplacedSizeUpdate);
            } else {
                self.literal(first, &mut input, &mut section)?;
            }
        }
        self.name.shrink_to(KEPT_SCRATCH);
        self.value.shrink_to(KEPT_SCRATCH);
        Ok(section.outcome)
    }

    /// Takes the table size updates that a block starts with (RFC 7541, 4.2 and 6.3).
    fn size_updates(&mut self, input: &mut &[u8]) -> Result<(), Error> {
        while input.first().is_some_and(|first| first & 0xe0 == 0x20) {
            let size = integer::decode(input, 5)?;
            if size > self.allowed {
                return Err(Error::ExcessiveSizeUpdate);
            }
            if self.due.is_some_and(|due| size <= due) {
                self.due = None;
            }
            self.table.set_max_size(size);
        }
        match self.due {
            Some(_) => Err(Error::MissingSizeUpdate),
            None => Ok(()),
        }
    }

    /// Takes a literal field (RFC 7541, 6.2).
    #[inline]
    fn literal(
        &mut self,
        first: u8,
        input: &mut &[u8],
        section: &mut Section<'_>,
    ) -> Result<(), Error> {
        let indexed = first & 0xc0 == 0x40;
        let sensitive = first & 0xf0 == 0x10;
        let index = integer::decode(input, if indexed { 6 } else { 4 })?;
        let (name, known) = if index == 0 {
            let name = string(input, &mut self.name)?;
            (name, Known::of(name))
        } else if let Some(entry) = static_table::get(index) {
            (entry.name, entry.known)
        } else {
            return self.literal_of_dynamic_name(index, indexed, sensitive, input, section);
        };
        let value = string(input, &mut self.value)?;
        section.push(name, value, known, sensitive);
        if indexed {
            let name = Name::Bytes(name, known);
            self.table.insert(name, value).ok_or(Error::InvalidIndex)?;
        }
        Ok(())
    }

    /// Takes the value of a literal field whose name is in the dynamic table.
    fn literal_of_dynamic_name(
        &mut self,
        index: usize,
        indexed: bool,
        sensitive: bool,
        input: &mut &[u8],
        section: &mut Section<'_>,
    ) -> Result<(), Error> {
        let value = string(input, &mut self.value)?;
        let entry = dynamic(&self.table, index)?;
        section.push(entry.name, value, entry.known, sensitive);
        if indexed {
            let name = Name::Entry(index - static_table::LEN - 1);
            self.table.insert(name, value).ok_or(Error::InvalidIndex)?;
        }
        Ok(())
    }
}

/// The entry of an index in the address space of both tables (RFC 7541, 2.3.3) that is not in the static one.
#[inline]
fn dynamic(table: &DynamicTable, index: usize) -> Result<Field<'_>, Error> {
    index
        .checked_sub(static_table::LEN + 1)
        .and_then(|index| table.get(index))
        .ok_or(Error::InvalidIndex)
}

/// Takes a string (RFC 7541, 5.2): from the block itself, or decoded into `scratch`.
#[inline]
fn string<'a, 'b: 'a>(input: &mut &'b [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
    let huffman = input.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer::decode(input, 7)?;
    let (bytes, rest) = input.split_at_checked(len).ok_or(Error::Truncated)?;
    *input = rest;
    if !huffman {
        return Ok(bytes);
    }
    scratch.clear();
    huffman::decode(bytes, scratch)?;
    Ok(scratch)
}

/// A section on its way into a list.
struct Section<'a> {
    out: &'a mut Headers,
    list_left: usize,
    fields_left: usize,
    outcome: Outcome,
}

impl Section<'_> {
    #[inline]
    fn push(&mut self, name: &[u8], value: &[u8], known: Option<Known>, sensitive: bool) {
        let size = name.len() + value.len() + 32;
        match (
            self.list_left.checked_sub(size),
            self.fields_left.checked_sub(1),
        ) {
            (Some(list), Some(fields)) if self.outcome == Outcome::Complete => {
                self.list_left = list;
                self.fields_left = fields;
                self.out.push_field(Field {
                    name,
                    value,
                    known,
                    sensitive,
                });
            }
            _ => self.outcome = Outcome::TooLarge,
        }
    }
}
