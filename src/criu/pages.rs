//! Page maps: from an address to the bytes of a page.

#![forbid(unsafe_code)]

use super::{PagemapEntry, Refusal};
use crate::budget::push;

/// The page size of most architectures. A page map doesn't say it.
pub(crate) const PAGE_SIZE: u64 = 4096;

/// The largest block of compressed pages, in bytes: what one block decompresses to stays below.
const MAX_BLOCK: u64 = 4 << 20;

/// Every how many blocks their offset is remembered.
const INDEXED: usize = 64;

/// Flags of an entry.
mod flag {
    pub(super) const PARENT: u32 = 1;
    pub(super) const PRESENT: u32 = 1 << 2;
    pub(super) const ALIGNED: u32 = 1 << 3;
}

/// Where the content of pages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageSource {
    /// In the file of pages, from this offset on.
    Here(u64),
    /// In the previous images.
    Parent,
    /// It went to a server for lazy pages. Pages that are here, too, may be marked as lazy all the same.
    Lazy,
}

/// A run of pages that lie together.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The first address.
    pub(crate) start: u64,
    /// The address behind the last page.
    pub(crate) end: u64,
    /// Where they are.
    pub(crate) place: PageSource,
    /// How many bytes of the file of pages they take.
    pub(crate) stored: u64,
    blocks: Option<Blocks>,
}

/// How the pages of a run are compressed.
#[derive(Clone, Debug)]
struct Blocks {
    /// The size of a block that isn't the last, in bytes.
    size: u64,
    /// The compressed size of each block. 0: zeros; the block's own size: it is stored as it is.
    compressed: Vec<u32>,
    /// How many bytes are stored before every [`INDEXED`]th block.
    before: Vec<u64>,
}

/// The page map of a process or of a shared memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pagemap {
    /// The number in the name of the file of pages.
    pub(crate) pages_id: u32,
    /// In ascending order, without overlaps.
    pub(crate) runs: Vec<Run>,
    /// How long the file of pages has to be.
    pub(crate) stored: u64,
}

/// The part of a stored block that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it begins in the file of pages, and how many bytes it takes there; without any it is zeros.
    pub(crate) offset: u64,
    /// Its size there.
    pub(crate) stored: u64,
    /// Its size when it is decompressed.
    pub(crate) size: u64,
    /// How many bytes at its beginning aren't asked for.
    pub(crate) skip: u64,
    /// How many bytes of it are.
    pub(crate) len: u64,
}

impl Pagemap {
    /// Takes the entries of a page map, whose pages have `page` bytes.
    pub(crate) fn new(
        pages_id: u32,
        entries: Vec<PagemapEntry>,
        page: u64,
    ) -> Result<Self, Refusal> {
        let mut map = Pagemap {
            pages_id,
            runs: Vec::new(),
            stored: 0,
        };
        let mut before = 0;
        for entry in entries {
            let run = map.run(entry, page)?;
            if run.start < before || !run.start.is_multiple_of(page) {
                return Err(Refusal::Pagemap);
            }
            before = run.end;
            if run.end > run.start {
                push(&mut map.runs, run)?;
            }
        }
        Ok(map)
    }

    fn run(&mut self, entry: PagemapEntry, page: u64) -> Result<Run, Refusal> {
        let pages = entry.pages.unwrap_or(u64::from(entry.compat_pages));
        let flags = entry.flags.unwrap_or(match entry.in_parent {
            Some(true) => flag::PARENT,
            _ => flag::PRESENT,
        });
        let len = pages.checked_mul(page).ok_or(Refusal::Pagemap)?;
        let end = entry.address.checked_add(len).ok_or(Refusal::Pagemap)?;
        let mut run = Run {
            start: entry.address,
            end,
            place: PageSource::Lazy,
            stored: 0,
            blocks: None,
        };
        if flags & flag::PRESENT != 0 {
            if flags & flag::ALIGNED != 0 {
                let aligned = self.stored.checked_next_multiple_of(page);
                self.stored = aligned.ok_or(Refusal::Pagemap)?;
            }
            run.place = PageSource::Here(self.stored);
            run.stored = len;
            if !entry.compressed_sizes.is_empty() {
                let (blocks, stored) = Blocks::new(entry, len, page)?;
                run.stored = stored;
                run.blocks = Some(blocks);
            }
            let stored = self.stored.checked_add(run.stored);
            self.stored = stored.ok_or(Refusal::Pagemap)?;
        } else if flags & flag::PARENT != 0 {
            run.place = PageSource::Parent;
        }
        Ok(run)
    }

    /// The run that the address is in, or the first behind it.
    pub(crate) fn at_or_after(&self, address: u64) -> Option<&Run> {
        let index = self.runs.partition_point(|run| run.end <= address);
        self.runs.get(index)
    }

    /// Whether the file of pages has the size that the map says.
    pub(crate) fn check_size(&self, found: u64) -> Result<(), Refusal> {
        if found == self.stored {
            return Ok(());
        }
        Err(Refusal::PagesSize {
            expected: self.stored,
            found,
        })
    }
}

impl Run {
    /// How many bytes of memory the run is.
    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether its pages are compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.blocks.is_some()
    }

    /// The stored piece that begins at `address`, which has to be in the run, up to `most` bytes of it; nothing if the
    /// run isn't in the file of pages.
    pub(crate) fn piece(&self, address: u64, most: u64) -> Option<Piece> {
        let PageSource::Here(offset) = self.place else {
            return None;
        };
        let skip = address.checked_sub(self.start)?;
        let left = self.end.checked_sub(address).filter(|left| *left > 0)?;
        let Some(blocks) = &self.blocks else {
            let len = left.min(most);
            return Some(Piece {
                offset: offset + skip,
                stored: len,
                size: len,
                skip: 0,
                len,
            });
        };
        let index = usize::try_from(skip / blocks.size).ok()?;
        let begins = index as u64 * blocks.size;
        let size = blocks.size.min(self.len() - begins);
        let before = blocks.stored_before(index)?;
        let skip = skip - begins;
        Some(Piece {
            offset: offset + before,
            stored: u64::from(*blocks.compressed.get(index)?),
            size,
            skip,
            len: (size - skip).min(most),
        })
    }
}

impl Piece {
    /// The bytes that were asked for, from those that are stored.
    pub(crate) fn unpack(&self, stored: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let size = usize::try_from(self.size).map_err(|_| Refusal::Lz4)?;
        let whole = if self.stored == 0 {
            vec![0; size]
        } else if self.stored == self.size {
            stored
        } else {
            let mut whole = vec![0; size];
            match lz4_flex::block::decompress_into(&stored, &mut whole) {
                Ok(count) if count == size => whole,
                _ => return Err(Refusal::Lz4),
            }
        };
        let [skip, len] = [self.skip, self.len].map(usize::try_from);
        let (Ok(skip), Ok(len)) = (skip, len) else {
            return Err(Refusal::Lz4);
        };
        let wanted = whole.get(skip..skip + len).ok_or(Refusal::Lz4)?;
        if wanted.len() == whole.len() {
            return Ok(whole);
        }
        Ok(wanted.to_vec())
    }
}

impl Blocks {
    /// The blocks of a run of `len` bytes, and how many bytes they are stored as.
    fn new(entry: PagemapEntry, len: u64, page: u64) -> Result<(Self, u64), Refusal> {
        let pages = u64::from(entry.region_pages.unwrap_or(1));
        let size = pages.checked_mul(page).ok_or(Refusal::Compressed)?;
        if size == 0 || size > MAX_BLOCK {
            return Err(Refusal::Compressed);
        }
        if entry.compressed_sizes.len() as u64 != len.div_ceil(size) {
            return Err(Refusal::Compressed);
        }
        let (mut stored, mut left, mut before) = (0_u64, len, Vec::new());
        for (index, &compressed) in entry.compressed_sizes.iter().enumerate() {
            if index % INDEXED == 0 {
                before.push(stored);
            }
            let block = size.min(left);
            if u64::from(compressed) > block {
                return Err(Refusal::Compressed);
            }
            left -= block;
            // No sum of 32-bit numbers that fits into memory overflows 64 bits.
            stored += u64::from(compressed);
        }
        if entry.total_compressed.is_some_and(|total| total != stored) {
            return Err(Refusal::Compressed);
        }
        let blocks = Blocks {
            size,
            compressed: entry.compressed_sizes,
            before,
        };
        Ok((blocks, stored))
    }

    /// How many bytes are stored before the block `index`.
    fn stored_before(&self, index: usize) -> Option<u64> {
        let indexed = index / INDEXED;
        let rest = self.compressed.get(indexed * INDEXED..index)?;
        let rest: u64 = rest.iter().map(|size| u64::from(*size)).sum();
        Some(self.before.get(indexed)? + rest)
    }
}
