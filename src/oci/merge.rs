//! Several layers as one tar stream, in which what a later layer replaces or removes isn't.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read};

use super::Blob;
use crate::archive::{ArchiveOrigin, Hash, Input, Peer, Reading};
use crate::budget::Budget;
use crate::error::{Context as _, Result};
use crate::fs::RootPath;
use crate::tar::{END_OF_ARCHIVE, Extents, Member, MemberKind, Reader, Time, encode, padding};
use crate::watch::Cancellation;

/// What a name begins with that says that something is removed.
const WHITEOUT: &[u8] = b".wh.";
/// What all of a directory is removed by, of the layers before.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// A part of the stream.
#[derive(Clone)]
pub(crate) enum Part {
    /// The members of a layer.
    Layer {
        blob: Blob,
        /// The directory that they come into, with its slash; empty for none.
        below: Vec<u8>,
        /// Which members aren't in the stream, by their number.
        dropped: BTreeSet<u64>,
    },
    /// A member whose data is a blob.
    File(Vec<u8>, Blob),
    /// A member whose data is this.
    Bytes(Vec<u8>, Vec<u8>),
}

/// Finds what of each layer isn't there once all are applied, in order: whiteouts, and what they or later members
/// remove.
pub(crate) fn plan(layers: &[Blob], reading: &Reading) -> Result<Vec<Part>> {
    let mut plan = Plan {
        dropped: vec![BTreeSet::new(); layers.len()],
        ..Plan::default()
    };
    for (layer, blob) in layers.iter().enumerate() {
        let mut reader = members(blob, reading)?;
        let mut number = 0;
        while let Some(member) = reader.next_member()? {
            plan.see(layer, number, &member).at_entry(&member.path)?;
            number += 1;
        }
        reader.finish()?;
    }
    let parts = layers.iter().zip(plan.dropped);
    Ok(parts
        .map(|(blob, dropped)| Part::Layer {
            blob: blob.clone(),
            below: Vec::new(),
            dropped,
        })
        .collect())
}

#[derive(Default)]
struct Plan {
    /// The members that are there so far, by path: layer, number, and whether it is a directory.
    seen: BTreeMap<Vec<u8>, Vec<(usize, u64, bool)>>,
    dropped: Vec<BTreeSet<u64>>,
    budget: Budget,
}

impl Plan {
    fn see(&mut self, layer: usize, number: u64, member: &Member) -> Result<()> {
        let path = RootPath::clean(&member.path)?;
        let Some((directory, name)) = path.split() else {
            return Ok(());
        };
        if name.bytes().starts_with(WHITEOUT) {
            self.drop_member(layer, number);
            if name.bytes() == OPAQUE {
                self.remove_below(directory.as_bytes(), layer);
            } else if let Some(removed) = name.bytes().strip_prefix(WHITEOUT) {
                let parts = [directory.as_bytes(), removed];
                let start = usize::from(directory.is_root());
                let removed = parts[start..].join(&b'/');
                self.remove(&removed, layer, false);
                self.remove_below(&removed, layer);
            }
            return Ok(());
        }
        let is_directory = member.kind == MemberKind::Directory;
        self.remove(path.as_bytes(), layer, is_directory);
        if !is_directory {
            self.remove_below(path.as_bytes(), layer);
        }
        self.budget.take(path.as_bytes().len())?;
        let seen = self.seen.entry(path.as_bytes().to_vec()).or_default();
        seen.push((layer, number, is_directory));
        Ok(())
    }

    fn drop_member(&mut self, layer: usize, number: u64) {
        if let Some(dropped) = self.dropped.get_mut(layer) {
            dropped.insert(number);
        }
    }

    /// Drops what earlier layers have at a path; directories only if they don't become one again.
    fn remove(&mut self, path: &[u8], layer: usize, keeps_directories: bool) {
        let Some(seen) = self.seen.get_mut(path) else {
            return;
        };
        let goes = |&(its, _, is_directory): &(usize, u64, bool)| {
            its < layer && !(keeps_directories && is_directory)
        };
        let gone: Vec<_> = seen.iter().copied().filter(goes).collect();
        seen.retain(|one| !goes(one));
        for (its, number, _) in gone {
            self.drop_member(its, number);
        }
    }

    fn remove_below(&mut self, directory: &[u8], layer: usize) {
        let mut first = directory.to_vec();
        if !first.is_empty() {
            first.push(b'/');
        }
        let below = self.seen.range(first.clone()..);
        let paths: Vec<Vec<u8>> = below
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&first))
            .cloned()
            .collect();
        for path in paths {
            self.remove(&path, layer, false);
            if self.seen.get(&path).is_some_and(Vec::is_empty) {
                self.seen.remove(&path);
                self.budget.give_back(path.len());
            }
        }
    }
}

/// The members of a layer, from the first on.
fn members(blob: &Blob, reading: &Reading) -> Result<Reader<Input<'static>>> {
    let peer = Peer {
        reader: blob.reader(),
        abandoned: Cancellation::new(),
    };
    let input = ArchiveOrigin::Stream(Some(peer)).read(reading, Hash::Never, None)?;
    Ok(Reader::new(input))
}

/// The stream.
pub(crate) struct Merge {
    parts: VecDeque<Part>,
    reading: Reading,
    current: Current,
    /// What comes next: headers, padding, the end.
    pending: Vec<u8>,
    done: usize,
    /// How long the stream is so far.
    position: u64,
    ended: bool,
}

enum Current {
    Nothing,
    Layer {
        reader: Box<Reader<Input<'static>>>,
        below: Vec<u8>,
        dropped: BTreeSet<u64>,
        number: u64,
        /// How much of the member's data is left, and how much padding comes behind it.
        left: u64,
        padding: usize,
    },
    File {
        reader: Box<dyn Read + Send>,
        left: u64,
        padding: usize,
    },
}

impl Merge {
    /// The stream of these parts, in their order.
    pub(crate) fn new(parts: Vec<Part>, reading: &Reading) -> Self {
        Self {
            parts: parts.into(),
            reading: reading.clone(),
            current: Current::Nothing,
            pending: Vec::new(),
            done: 0,
            position: 0,
            ended: false,
        }
    }

    fn push(&mut self, member: &Member) -> Result<()> {
        encode(member, self.position, &mut self.pending)
    }

    /// Goes on to what comes next. False at the end.
    fn advance(&mut self) -> Result<bool> {
        self.reading.watch.check()?;
        match &mut self.current {
            Current::Layer {
                reader,
                below,
                dropped,
                number,
                left,
                padding: behind,
            } => {
                self.pending.resize(*behind, 0);
                *behind = 0;
                let next = reader.next_member()?;
                let Some(mut member) = next else {
                    reader.finish()?;
                    self.current = Current::Nothing;
                    return Ok(true);
                };
                let is_dropped = dropped.contains(number);
                *number += 1;
                if is_dropped {
                    return Ok(true);
                }
                place_below(&mut member, below)?;
                *left = member.stored();
                *behind = padding(member.stored());
                let at = self.position + self.pending.len() as u64;
                encode(&member, at, &mut self.pending)?;
                Ok(true)
            }
            Current::File { padding, .. } => {
                self.pending.resize(*padding, 0);
                self.current = Current::Nothing;
                Ok(true)
            }
            Current::Nothing => self.next_part(),
        }
    }

    fn next_part(&mut self) -> Result<bool> {
        match self.parts.pop_front() {
            Some(Part::Layer {
                blob,
                below,
                dropped,
            }) => {
                self.current = Current::Layer {
                    reader: Box::new(members(&blob, &self.reading)?),
                    below,
                    dropped,
                    number: 0,
                    left: 0,
                    padding: 0,
                };
            }
            Some(Part::File(name, blob)) => {
                self.push(&regular(&name, blob.len))?;
                self.current = Current::File {
                    reader: blob.reader(),
                    left: blob.len,
                    padding: padding(blob.len),
                };
            }
            Some(Part::Bytes(name, bytes)) => {
                self.push(&regular(&name, bytes.len() as u64))?;
                let behind = padding(bytes.len() as u64);
                self.pending.extend_from_slice(&bytes);
                self.pending.resize(self.pending.len() + behind, 0);
            }
            None if self.ended => return Ok(false),
            None => {
                self.pending.extend_from_slice(&END_OF_ARCHIVE);
                self.ended = true;
            }
        }
        Ok(true)
    }

    /// Reads some of the current member's data; none if all was read.
    fn read_data(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (left, count) = match &mut self.current {
            Current::Nothing => return Ok(0),
            Current::Layer { reader, left, .. } => {
                let want = most(buffer, *left);
                let count = reader.data().read(&mut buffer[..want])?;
                (left, count)
            }
            Current::File { reader, left, .. } => {
                let want = most(buffer, *left);
                let count = reader.read(&mut buffer[..want])?;
                (left, count)
            }
        };
        *left -= count as u64;
        if count == 0 && *left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(count)
    }
}

impl Read for Merge {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(rest) = self
                .pending
                .get(self.done..)
                .filter(|rest| !rest.is_empty())
            {
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                self.done += count;
                self.position += count as u64;
                return Ok(count);
            }
            self.pending.clear();
            self.done = 0;
            let count = self.read_data(buffer)?;
            self.position += count as u64;
            if count > 0 {
                return Ok(count);
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}

fn most(buffer: &[u8], left: u64) -> usize {
    buffer
        .len()
        .min(usize::try_from(left).unwrap_or(usize::MAX))
}

/// Puts a member into a directory; a hard link's source is there, too.
fn place_below(member: &mut Member, below: &[u8]) -> Result<()> {
    if below.is_empty() {
        return Ok(());
    }
    let path = RootPath::clean(&member.path)?;
    member.path = [below, path.as_bytes()].concat();
    if let MemberKind::HardLink { source } = &mut member.kind {
        let link = RootPath::clean(source)?;
        *source = [below, link.as_bytes()].concat();
    }
    Ok(())
}

/// A regular file that is made here.
pub(super) fn regular(path: &[u8], len: u64) -> Member {
    let kind = MemberKind::Regular(Extents::whole(len));
    Member::made(path, kind, Time::default())
}
