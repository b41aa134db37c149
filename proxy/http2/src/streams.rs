//! The open streams: a slab of rows, and an index from numbers to rows.

use crate::StreamId;
use crate::stream::Stream;

/// The rows. Freed ones are used again, so nothing is allocated once as many streams were open before.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    rows: Vec<Stream>,
    free: Vec<u32>,
    index: Index,
}

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    pub(crate) fn memory(&self) -> usize {
        self.rows.capacity() * size_of::<Stream>()
            + self.free.capacity() * size_of::<u32>()
            + self.index.cells.capacity() * size_of::<Cell>()
    }

    #[inline]
    pub(crate) fn get(&self, id: StreamId) -> Option<&Stream> {
        self.rows
            .get(id.slot as usize)
            .filter(|row| row.number == id.number)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.rows
            .get_mut(id.slot as usize)
            .filter(|row| row.number == id.number)
    }

    #[inline]
    pub(crate) fn find(&self, number: u32) -> Option<StreamId> {
        self.index
            .find(number)
            .map(|slot| StreamId { number, slot })
    }

    pub(crate) fn insert(&mut self, stream: Stream) -> StreamId {
        let number = stream.number;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.rows.push(Stream::FREE);
                u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(row) = self.rows.get_mut(slot as usize) {
            *row = stream;
        }
        self.index.insert(number, slot, self.rows.len());
        StreamId { number, slot }
    }

    /// Frees a row and says what was in it.
    pub(crate) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let row = self.get_mut(id)?;
        let was = std::mem::replace(row, Stream::FREE);
        self.index.remove(id.number);
        self.free.push(id.slot);
        Some(was)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, &Stream)> {
        self.rows
            .iter()
            .zip(0..)
            .filter(|(row, _)| row.number != 0)
            .map(|(row, slot)| {
                let number = row.number;
                (StreamId { number, slot }, row)
            })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamId, &mut Stream)> {
        self.rows
            .iter_mut()
            .zip(0..)
            .filter(|(row, _)| row.number != 0)
            .map(|(row, slot)| {
                let number = row.number;
                (StreamId { number, slot }, row)
            })
    }

    /// The first stream at or after a slot with a number above `last`.
    pub(crate) fn above(&self, last: u32, from_slot: u32) -> Option<StreamId> {
        self.rows
            .iter()
            .zip(0..)
            .skip(from_slot as usize)
            .find(|(row, _)| row.number > last)
            .map(|(row, slot)| StreamId {
                number: row.number,
                slot,
            })
    }

    /// Gives back memory when no stream is open.
    pub(crate) fn shrink(&mut self) {
        if self.len() == 0 {
            *self = Streams::default();
        }
    }
}

/// A number and its row; the number 0 in a cell that is empty.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    number: u32,
    slot: u32,
}

/// A hash table with linear probing, at most half full. A peer that chooses its numbers so that they collide gains probes
/// no longer than the number of streams it may open.
#[derive(Debug, Default)]
struct Index {
    /// A power of two, or none.
    cells: Vec<Cell>,
}

impl Index {
    /// Where a number belongs: Fibonacci hashing spreads numbers that follow each other.
    #[inline]
    fn home(&self, number: u32) -> usize {
        let bits = self.cells.len().trailing_zeros();
        let hash = (number >> 1).wrapping_mul(0x9e37_79b9);
        (hash >> (32 - bits.clamp(1, 31))) as usize
    }

    #[inline]
    fn find(&self, number: u32) -> Option<u32> {
        let mask = self.cells.len().wrapping_sub(1);
        let mut at = self.home(number);
        loop {
            let cell = self.cells.get(at)?;
            if cell.number == number {
                return Some(cell.slot);
            }
            if cell.number == 0 {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    fn insert(&mut self, number: u32, slot: u32, rows: usize) {
        if rows * 2 > self.cells.len() {
            let grown = vec![Cell::default(); (rows * 2).next_power_of_two().max(16)];
            let old = std::mem::replace(&mut self.cells, grown);
            for cell in old.into_iter().filter(|cell| cell.number != 0) {
                self.place(cell);
            }
        }
        self.place(Cell { number, slot });
    }

    fn place(&mut self, new: Cell) {
        let mask = self.cells.len().wrapping_sub(1);
        let mut at = self.home(new.number);
        while let Some(cell) = self.cells.get_mut(at) {
            if cell.number == 0 {
                *cell = new;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Empties a number's cell and moves up those behind it that had to give way.
    fn remove(&mut self, number: u32) {
        let mask = self.cells.len().wrapping_sub(1);
        let mut hole = self.home(number);
        while let Some(cell) = self.cells.get(hole) {
            if cell.number == number {
                break;
            }
            if cell.number == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some(cell) = self.cells.get(at).copied() else {
                return;
            };
            if cell.number == 0 {
                break;
            }
            let from_home = at.wrapping_sub(self.home(cell.number)) & mask;
            let from_hole = at.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                if let Some(empty) = self.cells.get_mut(hole) {
                    *empty = cell;
                }
                hole = at;
            }
        }
        if let Some(empty) = self.cells.get_mut(hole) {
            *empty = Cell::default();
        }
    }
}
