//! Reading the memory of processes.

#![forbid(unsafe_code)]

use std::io::Write;
use std::ops::Range;

use super::memory::{Backing, MOST, Owner, find, read_piece};
use super::{Inspection, Mapping};
use crate::error::{self, Called as _, Error, Kind, Result};

/// A piece of a process's memory.
#[derive(Debug)]
pub struct MemoryChunk<'c> {
    /// Where it begins.
    pub address: u64,
    /// What is there.
    pub bytes: &'c [u8],
    /// The mapping that it is in, if it is in one.
    pub mapping: Option<&'c Mapping>,
}

/// Why memory can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("process {0} is not in the checkpoint")]
    NoProcess(u32),
    #[error("process {0} has nothing mapped at 0x{1:x}")]
    Unmapped(u32, u64),
    #[error("0x{0:x} is in a file that is mapped unchanged: its content isn't in the checkpoint")]
    File(u64),
    #[error("0x{0:x} is in a page that went to a server for lazy pages")]
    Lazy(u64),
    #[error("0x{0:x} is in the previous checkpoint, which isn't there")]
    Missing(u64),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        Kind::NotInArchive
    }
}

impl Inspection {
    /// Reads memory of the process `pid` from `address` on, as it was when the process was checkpointed: memory that was
    /// mapped and never written is zeros. Returns how many bytes were read: fewer than the buffer has room for if what
    /// follows isn't mapped, or can't be read.
    ///
    /// # Errors
    ///
    /// ENODATA if there is no such process, nothing is mapped there, or the content isn't in the checkpoint (a file that
    /// is mapped unchanged; a page of a previous checkpoint that isn't there); EBADMSG for pages that are damaged;
    /// EOPNOTSUPP for an archive that came through a pipe.
    pub fn read_memory(&mut self, pid: u32, address: u64, buffer: &mut [u8]) -> Result<usize> {
        self.copy_memory(pid, address, buffer.len(), &mut &mut *buffer)
    }

    /// Writes `len` bytes of a process's memory to `to`, as [`read_memory`](Self::read_memory) reads them. They are never
    /// in memory all at once.
    ///
    /// # Errors
    ///
    /// As [`read_memory`](Self::read_memory); what writing fails with.
    pub fn copy_memory(
        &mut self,
        pid: u32,
        address: u64,
        len: usize,
        to: &mut dyn Write,
    ) -> Result<usize> {
        if self.process(pid).is_none() {
            return Err(Refusal::NoProcess(pid).into());
        }
        let mut copied = 0;
        while copied < len {
            let Some(at) = address.checked_add(copied as u64) else {
                break;
            };
            let most = MOST.min((len - copied) as u64);
            match self.read_some(pid, at, most) {
                Ok(bytes) => {
                    to.write_all(&bytes).called(|| "write")?;
                    copied += bytes.len();
                }
                // What was read is told; who asks for what follows hears why it isn't there.
                Err(error) if copied > 0 && error.kind() == Kind::NotInArchive => break,
                Err(error) => return Err(error),
            }
        }
        Ok(copied)
    }

    fn read_some(&mut self, pid: u32, at: u64, most: u64) -> Result<Vec<u8>> {
        let end = at.saturating_add(most);
        let mapping = self.mapping_at(pid, at).map(|mapping| {
            let shared = mapping
                .shared_memory
                .map(|id| (id, mapping.offset.saturating_add(at - mapping.start)));
            (mapping.end, mapping.kind == "file", shared)
        });
        let end = mapping.map_or(end, |(mapped, ..)| end.min(mapped));
        match self.find(pid, at, end) {
            (_, Backing::Stored(generation, pages, piece)) => self.piece(generation, pages, &piece),
            (_, Backing::Lazy(_)) => Err(Refusal::Lazy(at).into()),
            (_, Backing::Missing(_)) => Err(Refusal::Missing(at).into()),
            (_, Backing::Nothing(until)) => match mapping {
                None => Err(Refusal::Unmapped(pid, at).into()),
                Some((_, true, _)) => Err(Refusal::File(at).into()),
                Some(_) => {
                    let len = usize::try_from(until.min(end) - at).unwrap_or(usize::MAX);
                    Ok(vec![0; len])
                }
            },
        }
    }

    /// Calls `take` for all memory of the process `pid` that the checkpoint and its previous ones hold, in ascending
    /// order, until it returns `false`. `addresses` is what is of interest; `..` stands for all. Returns how many bytes
    /// were passed over, since they are in a previous checkpoint that isn't there, or went to a server for lazy pages.
    ///
    /// # Errors
    ///
    /// As [`read_memory`](Self::read_memory); what `take` returns.
    pub fn each_chunk(
        &mut self,
        pid: u32,
        addresses: Range<u64>,
        mut take: impl FnMut(&MemoryChunk<'_>) -> Result<bool>,
    ) -> Result<u64> {
        if self.process(pid).is_none() {
            return Err(Refusal::NoProcess(pid).into());
        }
        let mut passed_over = 0_u64;
        let mut at = addresses.start;
        while at < addresses.end {
            let end = match self.mapping_at(pid, at) {
                Some(mapping) => mapping.end.min(addresses.end),
                None => self
                    .next_mapping(pid, at)
                    .unwrap_or(addresses.end)
                    .min(addresses.end),
            };
            match self.find(pid, at, end) {
                (_, Backing::Stored(generation, pages, piece)) => {
                    let bytes = self.piece(generation, pages, &piece)?;
                    let chunk = MemoryChunk {
                        address: at,
                        bytes: &bytes,
                        mapping: self.mapping_at(pid, at),
                    };
                    if !take(&chunk)? {
                        return Ok(passed_over);
                    }
                    at += bytes.len() as u64;
                }
                (_, Backing::Nothing(until)) => at = until,
                (_, Backing::Lazy(until) | Backing::Missing(until)) => {
                    passed_over = passed_over.saturating_add(until - at);
                    at = until;
                }
            }
        }
        Ok(passed_over)
    }

    /// What is at an address of a process: in its own memory or, if that has no page there, in the shared memory that is
    /// mapped. Ends of runs are addresses of the process.
    fn find(&self, pid: u32, at: u64, end: u64) -> (Owner, Backing) {
        let own = Owner::Process(pid);
        let found = find(&self.generations, own, at, end);
        let Backing::Nothing(until) = found else {
            return (own, found);
        };
        let mapping = self.mapping_at(pid, at);
        let shared = mapping.and_then(|mapping| Some((mapping, mapping.shared_memory?)));
        let Some((mapping, id)) = shared else {
            return (own, found);
        };
        let owner = Owner::Shared(id);
        let Some(offset) = mapping.offset.checked_add(at - mapping.start) else {
            return (own, found);
        };
        let until = until.min(mapping.end);
        let last = offset.saturating_add(until - at);
        // Where the shared memory has a page, this address has it: addresses of the two differ by this much.
        let back = |end: u64| at.saturating_add(end - offset);
        let found = match find(&self.generations, owner, offset, last) {
            Backing::Nothing(end) => Backing::Nothing(back(end)),
            Backing::Lazy(end) => Backing::Lazy(back(end)),
            Backing::Missing(end) => Backing::Missing(back(end)),
            stored => stored,
        };
        (owner, found)
    }

    pub(super) fn piece(
        &mut self,
        generation: usize,
        pages: u32,
        piece: &crate::criu::Piece,
    ) -> Result<Vec<u8>> {
        let gone = || Error::new(Kind::Internal, "a generation of a chain is gone");
        let generation = self.generations.get(generation).ok_or_else(gone)?;
        let store = self.stores.get_mut(generation.store).ok_or_else(gone)?;
        read_piece(store, (generation.set, pages), piece)
    }

    /// The mapping that an address is in.
    fn mapping_at(&self, pid: u32, at: u64) -> Option<&Mapping> {
        let mappings = &self.process(pid)?.mappings;
        let index = mappings.partition_point(|mapping| mapping.end <= at);
        mappings.get(index).filter(|mapping| mapping.start <= at)
    }

    /// Where the first mapping behind an address begins.
    fn next_mapping(&self, pid: u32, at: u64) -> Option<u64> {
        let mappings = &self.process(pid)?.mappings;
        let index = mappings.partition_point(|mapping| mapping.start <= at);
        mappings.get(index).map(|mapping| mapping.start)
    }

    /// The size of a page of the checkpoint's host.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.page_size
    }
}
