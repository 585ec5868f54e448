//! A member's content as readers of the file see it.

#![forbid(unsafe_code)]

use std::io::{self, Read};

use crate::tar::{Extent, Extents};

/// Reads the content of a regular file's member: its data, with zeros for its holes.
pub(crate) struct Content<R> {
    data: R,
    /// The extents that are still to come, in order; the first may have been read in part.
    extents: std::vec::IntoIter<Extent>,
    next: Option<Extent>,
    position: u64,
    size: u64,
}

impl<R> Content<R> {
    /// The content of a file, whose stored bytes are what `data` yields.
    pub(crate) fn new(file: &Extents, data: R) -> Self {
        let extents: Vec<Extent> = file.iter().collect();
        let mut extents = extents.into_iter();
        Self {
            data,
            next: extents.next(),
            extents,
            position: 0,
            size: file.size(),
        }
    }

    /// How many bytes from here on are all data or all hole, and which.
    fn ahead(&mut self) -> (u64, bool) {
        // Every turn takes an extent.
        while let Some(extent) = self.next {
            // The map was validated: no end is beyond the size, which fits 63 bits.
            let end = extent.offset + extent.len;
            if self.position < extent.offset {
                return (extent.offset - self.position, false);
            }
            if self.position < end {
                return (end - self.position, true);
            }
            self.next = self.extents.next();
        }
        (self.size.saturating_sub(self.position), false)
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (ahead, is_data) = self.ahead();
        let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
        let part = buffer.len().min(ahead);
        let buffer = &mut buffer[..part];
        let count = if is_data {
            self.data.read(buffer)?
        } else {
            buffer.fill(0);
            part
        };
        self.position += count as u64;
        Ok(count)
    }
}
