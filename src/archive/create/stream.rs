//! The stream as it is written.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use super::Refusal;
use crate::error::{Error, Result};
use crate::fs::copy_range;
use crate::tar::{self, END_OF_ARCHIVE, Extent, Member};
use crate::watch::Watch;

/// Up to this size data is gathered with the headers around it, beyond it the kernel copies it.
const GATHERED: u64 = 64 << 10;
/// How much is gathered before it is written.
const BUFFER: usize = 256 << 10;

/// A tar stream into a file, gathered in large writes.
pub(super) struct Stream<'f> {
    output: &'f File,
    /// What of the stream is in the file.
    written: u64,
    /// What comes after it.
    gathered: Vec<u8>,
}

impl<'f> Stream<'f> {
    pub(super) fn new(output: &'f File) -> Self {
        Self {
            output,
            written: 0,
            gathered: Vec::new(),
        }
    }

    pub(super) fn header(&mut self, member: &Member) -> Result<()> {
        tar::encode(member, &mut self.gathered)?;
        self.write_if_full()
    }

    /// The data that the header of `member` has announced: a file that grew meanwhile gives the bytes it had.
    pub(super) fn data(&mut self, member: &Member, file: &File) -> Result<()> {
        let whole = [Extent {
            offset: 0,
            len: member.size,
        }];
        for extent in member.sparse.as_deref().unwrap_or(&whole) {
            let copied = if extent.len <= GATHERED {
                self.gather(file, *extent)?
            } else {
                self.write()?;
                let copied = copy_range(
                    file,
                    extent.offset,
                    self.output,
                    self.written,
                    extent.len,
                    &Watch::new(),
                )?;
                self.written += copied;
                copied
            };
            if copied < extent.len {
                return Err(Refusal::Shrank(extent.len - copied).into());
            }
        }
        self.gathered
            .resize(self.gathered.len() + tar::padding(member.stored), 0);
        self.write_if_full()
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.gathered.extend_from_slice(&END_OF_ARCHIVE);
        self.write()
    }

    fn gather(&mut self, file: &File, extent: Extent) -> Result<u64> {
        let mut at = At {
            file,
            offset: extent.offset,
        };
        let read = (&mut at).take(extent.len).read_to_end(&mut self.gathered);
        let read = read.map_err(|error| Error::io("read", error))?;
        self.write_if_full()?;
        Ok(read as u64)
    }

    fn write_if_full(&mut self) -> Result<()> {
        if self.gathered.len() >= BUFFER {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> Result<()> {
        let result = self.output.write_all_at(&self.gathered, self.written);
        result.map_err(|error| Error::io("write", error))?;
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }
}

/// Reads a file from an offset on, whatever its descriptor's own is.
struct At<'f> {
    file: &'f File,
    offset: u64,
}

impl std::io::Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
