//! An archive that comes in order: the output of a decoder, a pipe, or the data of another archive's member.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::Refusal;
use super::raw::Tally;
use super::record::Record;
use crate::error::{Error, Result};
use crate::tar::Source;

/// The buffer between a stream and the files made from it.
pub(super) const BUFFER: usize = 256 << 10;
/// Up to how many bytes a stream may expand to whatever its ratio: a few blocks of zeros say nothing.
const ANY_RATIO: u64 = 1 << 20;

/// A tar stream, decompressed on the way if need be.
pub(crate) struct StreamInput<'a> {
    reader: Box<dyn Read + Send + 'a>,
    buffer: Vec<u8>,
    record: Record,
    /// How many bytes the stream has yielded.
    yielded: u64,
    /// What was read for it.
    tally: Arc<Tally>,
    /// How many bytes may come of one byte of the archive.
    max_ratio: u64,
}

impl<'a> StreamInput<'a> {
    pub(super) fn new(
        reader: Box<dyn Read + Send + 'a>,
        record: Record,
        tally: Arc<Tally>,
        max_ratio: u64,
    ) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            record,
            yielded: 0,
            tally,
            max_ratio,
        }
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Begins again with the first byte, if all that was yielded is still there; nothing is kept from now on.
    pub(super) fn rewind(&mut self) -> bool {
        self.record.rewind()
    }

    pub(super) fn copy_to(&mut self, target: &File, at: u64, len: u64) -> Result<u64> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let copied = copy_through(self, &mut buffer, target, at, len);
        self.buffer = buffer;
        copied
    }

    fn check_ratio(&self) -> Result<(), Refusal> {
        let allowed = self.tally.bytes().saturating_mul(self.max_ratio);
        if self.yielded > allowed.max(ANY_RATIO) {
            return Err(Refusal::Ratio(self.max_ratio));
        }
        Ok(())
    }
}

impl Source for StreamInput<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.take(bytes), &mut io::sink())?;
        if skipped < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl Read for StreamInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(count) = self.record.replay(buffer)? {
            return Ok(count);
        }
        let count = self.reader.read(buffer)?;
        self.yielded = self.yielded.saturating_add(count as u64);
        self.check_ratio().map_err(Error::from)?;
        self.record.keep(&buffer[..count])?;
        Ok(count)
    }
}

/// Writes the next `len` bytes of `reader` to `target` at offset `at`. Returns how many there were.
pub(super) fn copy_through(
    reader: &mut impl Read,
    buffer: &mut Vec<u8>,
    target: &File,
    mut at: u64,
    len: u64,
) -> Result<u64> {
    let size = usize::try_from(len).unwrap_or(BUFFER).min(BUFFER);
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let mut left = len;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(BUFFER).min(buffer.len());
        let read = match reader.read(&mut buffer[..want]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(|error| Error::io("read the archive", error))?,
        };
        if read == 0 {
            break;
        }
        target
            .write_all_at(&buffer[..read], at)
            .map_err(|error| Error::io("write", error))?;
        left -= read as u64;
        at += read as u64;
    }
    Ok(len - left)
}
