//! The memory of processes: from an address to bytes, through the previous images where it must be.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use super::images::RawPagemap;
use super::sets::{PagesKey, Set};
use super::store::{Located, Source, Store};
use super::{Inspection, MemoryUse, Refusal};
use crate::archive::Content;
use crate::criu::{PageSource, Pagemap, Piece};
use crate::error::{Called as _, Context as _, Result};
use crate::fs::FromOffset;
use crate::tar::{Extent, Extents};

/// How much memory is read at once.
pub(super) const MOST: u64 = 256 << 10;

/// Whose memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A process's own.
    Process(u32),
    /// Shared anonymous memory, a memfd or a System V segment; addresses count from its beginning.
    Shared(u32),
}

/// A directory of images in a chain of checkpoints, and what its page maps say.
pub(super) struct Generation {
    pub(super) store: usize,
    pub(super) set: Set,
    maps: BTreeMap<Owner, Pagemap>,
}

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backing {
    /// These bytes of a file of pages, at this generation.
    Stored(usize, u32, Piece),
    /// No page up to this address: zeros, or what a file has there.
    Nothing(u64),
    /// Pages up to this address that went to a server for lazy pages.
    Lazy(u64),
    /// Pages up to this address that are in a checkpoint which isn't there.
    Missing(u64),
}

impl Generation {
    /// Takes the page maps of a directory of images. Which processes count is the newest images' matter.
    pub(super) fn new(store: usize, set: Set, stores: &[Store], page: u64) -> Result<Self> {
        let mut maps = BTreeMap::new();
        let images = stores.get(store).and_then(|store| store.sets.get(&set));
        if let Some(images) = images {
            let build = |prefix: &str, id: u32, raw: &RawPagemap| {
                let name = format!("{}{prefix}{id}.img", set.prefix());
                raw.build(page).at_entry(name.as_bytes())
            };
            for (&pid, raw) in &images.pagemaps {
                maps.insert(Owner::Process(pid), build("pagemap-", pid, raw)?);
            }
            for (&id, raw) in &images.shared_pagemaps {
                maps.insert(Owner::Shared(id), build("pagemap-shmem-", id, raw)?);
            }
        }
        Ok(Self { store, set, maps })
    }

    pub(super) fn map(&self, owner: Owner) -> Option<&Pagemap> {
        self.maps.get(&owner)
    }
}

/// What is at `address`, as far as one piece of it reaches.
pub(super) fn find(generations: &[Generation], owner: Owner, address: u64, end: u64) -> Backing {
    let mut end = end;
    for (index, generation) in generations.iter().enumerate() {
        let missing = |end| match index {
            0 => Backing::Nothing(end),
            _ => Backing::Missing(end),
        };
        let Some(map) = generation.map(owner) else {
            return missing(end);
        };
        let Some(run) = map.at_or_after(address) else {
            return missing(end);
        };
        if run.start > address {
            return missing(end.min(run.start));
        }
        end = end.min(run.end);
        match run.place {
            PageSource::Here(_) => {
                let piece = run.piece(address, (end - address).min(MOST));
                return match piece.filter(|piece| piece.len > 0) {
                    Some(piece) => Backing::Stored(index, map.pages_id, piece),
                    None => Backing::Missing(end),
                };
            }
            PageSource::Lazy => return Backing::Lazy(end),
            // Of each generation the next is asked: the chain has an end.
            PageSource::Parent => {}
        }
    }
    Backing::Missing(end)
}

impl Inspection {
    /// The memory of all processes, with that which they share counted once. What is mapped counts for each process.
    #[must_use]
    pub fn total_memory(&self) -> MemoryUse {
        let mut total = MemoryUse::default();
        let add = |sum: &mut u64, bytes: u64| *sum = sum.saturating_add(bytes);
        for MemoryUse {
            mapped,
            private,
            shared,
            present,
            parent,
            lazy,
            stored,
            compressed,
        } in self.processes().iter().map(|process| process.memory)
        {
            add(&mut total.mapped, mapped);
            add(&mut total.private, private);
            add(&mut total.shared, shared);
            add(&mut total.present, present);
            add(&mut total.parent, parent);
            add(&mut total.lazy, lazy);
            add(&mut total.stored, stored);
            add(&mut total.compressed, compressed);
        }
        for shared in self.shared_memory() {
            add(&mut total.present, shared.present);
            add(&mut total.parent, shared.parent);
            add(&mut total.stored, shared.stored);
        }
        total
    }
}

/// Reads a piece of a file of pages.
pub(super) fn read_piece(store: &mut Store, key: PagesKey, piece: &Piece) -> Result<Vec<u8>> {
    let name = format!("{}pages-{}.img", key.0.prefix(), key.1);
    let stored = stored(store, key, piece.offset, piece.stored);
    let unpacked = stored.and_then(|stored| Ok(piece.unpack(stored)?));
    unpacked.at_entry(name.as_bytes())
}

fn stored(store: &mut Store, key: PagesKey, offset: u64, len: u64) -> Result<Vec<u8>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    if let Some(bytes) = kept(store, key, offset, len) {
        return Ok(bytes);
    }
    store.reading.watch.check()?;
    let located = store.pages.get(&key).ok_or(Refusal::NoPages)?;
    let images = store.sets.get(&key.0);
    let size = images.and_then(|images| images.pages.get(&key.1));
    let size = *size.ok_or(Refusal::NoPages)?;
    if offset.saturating_add(len) > size {
        return Err(Refusal::ShortPages.into());
    }
    match (located, &mut store.source) {
        (Located::File(file), _) => read_at(file, offset, len),
        (Located::At(begins, None), Source::Plain(file)) => read_at(file, begins + offset, len),
        (Located::At(begins, Some(extents)), Source::Plain(file)) => {
            read_sparse(file, *begins, extents, size, offset, len)
        }
        (Located::Member(index), Source::Compressed(cursors)) => cursors.read(*index, offset, len),
        _ => Err(Refusal::Gone.into()),
    }
}

/// What was kept of the pages when they came past.
fn kept(store: &Store, key: PagesKey, offset: u64, len: u64) -> Option<Vec<u8>> {
    let (start, bytes) = store.kept.get(&key)?.range(..=offset).next_back()?;
    let from = usize::try_from(offset - start).ok()?;
    let to = from.checked_add(usize::try_from(len).ok()?)?;
    bytes.get(from..to).map(<[u8]>::to_vec)
}

fn read_at(file: &File, offset: u64, len: u64) -> Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(|_| Refusal::TooLong)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset).called(|| "read")?;
    Ok(bytes)
}

/// Reads from a sparse member of a plain archive, whose extents lie one behind the other from `begins` on.
fn read_sparse(
    file: &File,
    begins: u64,
    extents: &[Extent],
    size: u64,
    offset: u64,
    len: u64,
) -> Result<Vec<u8>> {
    // Those before the offset are left out: they would be read.
    let first = extents.partition_point(|extent| extent.offset + extent.len <= offset);
    let (before, after) = extents.split_at(first);
    let stored: u64 = before.iter().map(|extent| extent.len).sum();
    let data = FromOffset::new(file, begins + stored);
    let start = after.first().map_or(offset, |extent| extent.offset);
    let start = start.min(offset);
    let shifted = after.iter().map(|extent| Extent {
        offset: extent.offset - start,
        len: extent.len,
    });
    let mut content = Content::new(&Extents::sparse(shifted.collect(), size - start)?, data);
    let mut skipped = (&mut content).take(offset - start);
    io::copy(&mut skipped, &mut io::sink()).called(|| "read")?;
    let mut bytes = Vec::new();
    content
        .take(len)
        .read_to_end(&mut bytes)
        .called(|| "read")?;
    Ok(bytes)
}

/// How many bytes of an owner's memory are in a previous checkpoint that isn't there.
pub(super) fn missing(generations: &[Generation], owner: Owner) -> u64 {
    let Some(map) = generations
        .first()
        .and_then(|generation| generation.map(owner))
    else {
        return 0;
    };
    let mut missing = 0_u64;
    for run in map
        .runs
        .iter()
        .filter(|run| run.place == PageSource::Parent)
    {
        let mut at = run.start;
        // Every turn goes to the end of a run of some generation, or of a piece.
        while at < run.end {
            at = match find(generations, owner, at, run.end) {
                Backing::Stored(_, _, piece) => at + piece.len,
                Backing::Nothing(end) | Backing::Lazy(end) => end,
                Backing::Missing(end) => {
                    missing = missing.saturating_add(end - at);
                    end
                }
            };
        }
    }
    missing
}
