//! Reading members of an archive that is read in order, at any offset.

#![forbid(unsafe_code)]

use std::io::Read;

use super::Refusal;
use crate::archive::{ArchiveOrigin, Content, Hash, Input, Reading};
use crate::error::{Called as _, Result};
use crate::tar::{Member, Reader, Source as _};

/// How many places of an archive are read at a time: a process's pages, its parent's, shared memory, and one to spare.
const MOST: usize = 4;

/// How much is read at once where it is only passed over.
const PIECE: u64 = 64 << 10;

/// Places in an archive that can be read from its beginning as often as need be. Each goes forward alone.
pub(super) struct Cursors {
    origin: ArchiveOrigin,
    /// An input of it, whose beginning is reached without looking for its frames again.
    known: Option<Box<Input<'static>>>,
    reading: Reading,
    /// The one that was used last stands at the end.
    cursors: Vec<Cursor>,
}

struct Cursor {
    reader: Reader<Input<'static>>,
    /// How many members were begun.
    begun: usize,
    member: Option<Member>,
    /// How far its content was read.
    at: u64,
}

impl Cursors {
    /// Reads what `input` reads, too.
    pub(super) fn new(origin: ArchiveOrigin, input: &Input<'static>, reading: Reading) -> Self {
        Self {
            origin,
            known: input.again().map(Box::new),
            reading,
            cursors: Vec::new(),
        }
    }

    /// Reads `len` bytes of the member `index` from `offset` on. What lies behind the last place that was read is
    /// reached without beginning again.
    pub(super) fn read(&mut self, index: usize, offset: u64, len: u64) -> Result<Vec<u8>> {
        let mut cursor = self.nearest(index, offset)?;
        let bytes = cursor.read(index, offset, len);
        // One that has failed is of no further use, nor one within a sparse file, whose extents are counted from its beginning.
        let file = cursor.member.as_ref().and_then(Member::extents);
        if bytes.is_ok() && file.is_none_or(|file| file.ranges().is_none()) {
            self.cursors.push(cursor);
        }
        bytes
    }

    /// The cursor from which the place is the shortest way: one in the same member, or any if there are many.
    fn nearest(&mut self, index: usize, offset: u64) -> Result<Cursor> {
        let place = (index + 1, offset);
        let here = |cursor: &Cursor| cursor.begun == place.0 && cursor.at <= offset;
        if let Some(found) = self.cursors.iter().position(here) {
            return Ok(self.cursors.remove(found));
        }
        if self.cursors.len() < MOST {
            return self.begin();
        }
        let before = |cursor: &Cursor| (cursor.begun, cursor.at) <= place;
        match self.cursors.iter().position(before) {
            Some(found) => Ok(self.cursors.remove(found)),
            None => {
                self.cursors.remove(0);
                self.begin()
            }
        }
    }

    /// A cursor at the archive's beginning.
    fn begin(&mut self) -> Result<Cursor> {
        let input = match self.known.as_ref().and_then(|known| known.again()) {
            Some(input) => input,
            None => self.origin.look(&self.reading, Hash::Never, None)?,
        };
        Ok(Cursor::new(input))
    }
}

impl Cursor {
    fn new(input: Input<'static>) -> Self {
        Self {
            reader: Reader::new(input),
            begun: 0,
            member: None,
            at: 0,
        }
    }

    fn read(&mut self, index: usize, offset: u64, len: u64) -> Result<Vec<u8>> {
        while self.begun <= index {
            self.member = self.reader.next_member()?;
            self.begun += 1;
            self.at = 0;
            if self.member.is_none() {
                break;
            }
        }
        let file = self.member.as_ref().and_then(Member::extents);
        let file = file.ok_or(Refusal::Changed)?;
        let mut data = self.reader.data();
        if file.ranges().is_none() {
            if offset.saturating_add(len) > file.size() {
                return Err(Refusal::Changed.into());
            }
            skip(&mut data, offset - self.at)?;
            self.at = offset + len;
            return take(data, len);
        }
        let mut content = Content::new(file, data);
        let mut left = offset;
        while left > 0 {
            let part = left.min(PIECE);
            take(&mut content, part)?;
            left -= part;
        }
        take(&mut content, len)
    }
}

fn skip(data: &mut crate::tar::Data<'_, Input<'static>>, bytes: u64) -> Result<()> {
    data.source().skip(bytes).called(|| "read the archive")?;
    data.consumed(bytes);
    Ok(())
}

fn take(reader: impl Read, len: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader
        .take(len)
        .read_to_end(&mut bytes)
        .called(|| "read the archive")?;
    if (read as u64) < len {
        return Err(Refusal::Changed.into());
    }
    Ok(bytes)
}
