//! The bytes that wait to be written.

/// Keep this much of an empty buffer's memory.
const KEPT: usize = 256 * 1024;

/// Slide the waiting bytes to the front where more than this is written and waits to be dropped.
const SLIDE: usize = 64 * 1024;

/// The buffer, and a count of the frames in it that the peer made us send.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    written: usize,
    /// Bytes appended and then written since the beginning.
    total_written: u64,
    /// Control frames that lie before `mark`, as a position since the beginning, and those that may lie after it. When
    /// all before the mark is written, it moves to the end: so the count is never too low, and too high by one
    /// generation at most.
    before_mark: u32,
    mark: u64,
    after_mark: u32,
}

impl Output {
    /// The buffer to append to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// A frame that the peer made us send was appended.
    pub(crate) fn count_control(&mut self) {
        if self.before_mark == 0 {
            self.before_mark = 1;
            self.mark = self.end();
        } else {
            self.after_mark += 1;
        }
    }

    /// How many such frames wait.
    pub(crate) fn control_frames(&self) -> u32 {
        self.before_mark + self.after_mark
    }

    pub(crate) fn advance(&mut self, n: usize) {
        let n = n.min(self.len());
        self.written += n;
        self.total_written += n as u64;
        if self.total_written >= self.mark {
            self.before_mark = std::mem::take(&mut self.after_mark);
            self.mark = self.end();
        }
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
            self.before_mark = 0;
            self.bytes.shrink_to(KEPT);
        } else if self.written >= SLIDE && self.written * 2 >= self.bytes.len() {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Gives back the memory of an empty buffer.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    fn end(&self) -> u64 {
        self.total_written + self.len() as u64
    }
}
