//! Two checkpoints beside each other.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::memory::{Backing, Owner, find};
use super::{Descriptor, Inspection, Mapping, Process, RawText, Socket, json};
use crate::error::Result;

/// How much memory of two processes is compared at once.
const PIECE: u64 = 256 << 10;

/// What differs between two checkpoints. Processes are told apart by their numbers: of checkpoints of different containers
/// that says little.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Processes that only the second checkpoint has.
    pub new_processes: Vec<ProcessName>,
    /// Processes that only the first checkpoint has.
    pub gone_processes: Vec<ProcessName>,
    /// Processes that both have.
    pub processes: Vec<ProcessComparison>,
    /// Sockets that only the second checkpoint has.
    pub new_sockets: Vec<String>,
    /// Sockets that only the first checkpoint has.
    pub gone_sockets: Vec<String>,
    /// The members of which the two have different sizes, or that one lacks.
    pub members: Vec<MemberComparison>,
}

/// A process, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProcessName {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub comm: RawText,
}

/// A process that two checkpoints have.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ProcessComparison {
    /// Its number.
    pub pid: u32,
    /// Its name in the second checkpoint.
    pub comm: RawText,
    /// What of it changed besides memory and files: `comm`, `arguments`, `executable`, `state`, `threads`, `credentials`.
    pub changed: Vec<&'static str>,
    /// Open files that only the second checkpoint has.
    pub new_files: Vec<String>,
    /// Open files that only the first checkpoint has.
    pub gone_files: Vec<String>,
    /// Its memory.
    pub memory: MemoryComparison,
    /// The mappings of the second checkpoint with a difference.
    pub mappings: Vec<MappingComparison>,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryComparison {
    /// Pages that are the same.
    pub same: u64,
    /// Pages with another content.
    pub changed: u64,
    /// Pages that only the second checkpoint holds.
    pub new: u64,
    /// Pages that only the first checkpoint holds.
    pub gone: u64,
    /// Pages that couldn't be compared: they are in a previous checkpoint that isn't there.
    pub unknown: u64,
}

/// A mapping with a difference.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MappingComparison {
    /// Its first address.
    pub start: u64,
    /// The address behind it.
    pub end: u64,
    /// What it is.
    pub kind: &'static str,
    /// The file that is mapped.
    pub path: Option<RawText>,
    /// What differs in it.
    pub memory: MemoryComparison,
}

/// A member of which two checkpoints have different sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemberComparison {
    /// Its name.
    pub name: RawText,
    /// Its size in the first checkpoint.
    pub before: Option<u64>,
    /// Its size in the second checkpoint.
    pub after: Option<u64>,
}

/// The version of the document; see the inspection's.
const SCHEMA: u32 = 1;

impl Comparison {
    /// The comparison as a JSON document, which docs/compare.schema.json describes. Keys may be added under the same
    /// `schema`.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub fn to_json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Document<'c> {
            schema: u32,
            #[serde(flatten)]
            comparison: &'c Comparison,
        }
        json::document(&Document {
            schema: SCHEMA,
            comparison: self,
        })
    }
}

impl Inspection {
    /// What differs between this checkpoint and a later one. The memory of processes that both have is compared page by
    /// page.
    ///
    /// # Errors
    ///
    /// As [`each_chunk`](Self::each_chunk).
    pub fn compare(&mut self, later: &mut Inspection) -> Result<Comparison> {
        let [before, after] = [&*self, &*later].map(|one| {
            let names = one.processes().iter();
            names
                .map(|process| (process.pid, process.comm.clone()))
                .collect::<BTreeMap<_, _>>()
        });
        let only = |own: &BTreeMap<u32, RawText>, other: &BTreeMap<u32, RawText>| {
            let only = own.iter().filter(|(pid, _)| !other.contains_key(pid));
            only.map(|(pid, comm)| ProcessName {
                pid: *pid,
                comm: comm.clone(),
            })
            .collect()
        };
        let mut comparison = Comparison {
            new_processes: only(&after, &before),
            gone_processes: only(&before, &after),
            members: members(self, later),
            ..Comparison::default()
        };
        let sockets = [&*self, &*later].map(|one| one.sockets().iter().map(socket).collect());
        let [own, theirs]: [BTreeSet<String>; 2] = sockets;
        comparison.new_sockets = theirs.difference(&own).cloned().collect();
        comparison.gone_sockets = own.difference(&theirs).cloned().collect();
        for pid in after.keys().filter(|pid| before.contains_key(pid)) {
            comparison
                .processes
                .extend(self.compare_process(later, *pid)?);
        }
        Ok(comparison)
    }

    fn compare_process(
        &mut self,
        later: &mut Inspection,
        pid: u32,
    ) -> Result<Option<ProcessComparison>> {
        let (Some(before), Some(after)) = (self.process(pid), later.process(pid)) else {
            return Ok(None);
        };
        let files = |one: &Process| one.descriptors.iter().map(file).collect();
        let (own, theirs): (BTreeSet<String>, BTreeSet<String>) = (files(before), files(after));
        let threads = |one: &Process| {
            one.threads
                .iter()
                .map(|thread| thread.tid)
                .collect::<Vec<_>>()
        };
        // What can't be read of one of them isn't known to differ.
        let arguments = match (&before.arguments, &after.arguments) {
            (Some(own), Some(theirs)) => own != theirs,
            _ => false,
        };
        let is_read = before.text_problem.is_none() && after.text_problem.is_none();
        let differs = [
            ("comm", before.comm != after.comm),
            ("arguments", is_read && arguments),
            ("executable", before.executable != after.executable),
            ("state", before.state != after.state),
            ("threads", threads(before) != threads(after)),
            ("credentials", before.credentials != after.credentials),
        ];
        let mut comparison = ProcessComparison {
            pid,
            comm: after.comm.clone(),
            changed: differs
                .iter()
                .filter(|one| one.1)
                .map(|one| one.0)
                .collect(),
            new_files: theirs.difference(&own).cloned().collect(),
            gone_files: own.difference(&theirs).cloned().collect(),
            memory: MemoryComparison::default(),
            mappings: Vec::new(),
        };
        let mut places = MappingDifferences(
            after
                .mappings
                .iter()
                .map(|one| (one.clone(), <_>::default()))
                .collect(),
        );
        self.compare_memory(later, pid, &mut comparison.memory, &mut places)?;
        let differing = |memory: &MemoryComparison| memory.changed + memory.new + memory.gone > 0;
        let mappings = places.0.into_iter().filter(|(_, memory)| differing(memory));
        comparison.mappings = mappings
            .map(|(mapping, memory)| MappingComparison {
                start: mapping.start,
                end: mapping.end,
                kind: mapping.kind,
                path: mapping.path,
                memory,
            })
            .collect();
        Ok(Some(comparison))
    }

    fn compare_memory(
        &mut self,
        later: &mut Inspection,
        pid: u32,
        sum: &mut MemoryComparison,
        places: &mut MappingDifferences,
    ) -> Result<()> {
        let mut at = 0;
        // Every turn goes to a higher address.
        loop {
            let [own, theirs] = [self.next_pages(pid, at), later.next_pages(pid, at)];
            let next = |pages: &Option<Pages>| pages.map_or(u64::MAX, |pages| pages.start);
            let start = next(&own).min(next(&theirs));
            if start == u64::MAX {
                return Ok(());
            }
            // As far as both have pages of one sort, or none.
            let reach = |pages: &Option<Pages>| match pages {
                Some(pages) if pages.start > start => pages.start,
                Some(pages) => pages.end,
                None => u64::MAX,
            };
            let end = reach(&own)
                .min(reach(&theirs))
                .min(start.saturating_add(PIECE));
            let here = |pages: Option<Pages>| pages.filter(|pages| pages.start <= start);
            let mut part = MemoryComparison::default();
            match (here(own), here(theirs)) {
                (Some(own), Some(theirs)) if own.readable && theirs.readable => {
                    self.compare_bytes(later, pid, start..end, &mut part)?;
                }
                (Some(_), Some(_)) => part.unknown = end - start,
                (Some(_), None) => part.gone = end - start,
                (None, _) => part.new = end - start,
            }
            sum.add(&part);
            places.add(start, &part);
            at = end;
        }
    }

    fn compare_bytes(
        &mut self,
        later: &mut Inspection,
        pid: u32,
        range: std::ops::Range<u64>,
        part: &mut MemoryComparison,
    ) -> Result<()> {
        let len = usize::try_from(range.end - range.start).unwrap_or_default();
        let (mut own, mut theirs) = (vec![0; len], vec![0; len]);
        self.read_own(pid, range.start, &mut own)?;
        later.read_own(pid, range.start, &mut theirs)?;
        let page = usize::try_from(self.page_size.max(1)).unwrap_or(usize::MAX);
        for (own, theirs) in own.chunks(page).zip(theirs.chunks(page)) {
            let sum = if own == theirs {
                &mut part.same
            } else {
                &mut part.changed
            };
            *sum += own.len() as u64;
        }
        Ok(())
    }

    /// Fills the buffer with a process's own pages, all of which are there.
    fn read_own(&mut self, pid: u32, address: u64, buffer: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = address + filled as u64;
            let end = address + buffer.len() as u64;
            let Backing::Stored(generation, pages, piece) =
                find(&self.generations, Owner::Process(pid), at, end)
            else {
                return Ok(());
            };
            let bytes = self.piece(generation, pages, &piece)?;
            if let Some(target) = buffer.get_mut(filled..filled + bytes.len()) {
                target.copy_from_slice(&bytes);
            }
            filled += bytes.len();
        }
        Ok(())
    }

    /// The next pages of a process's own memory, from an address on.
    fn next_pages(&self, pid: u32, at: u64) -> Option<Pages> {
        let owner = Owner::Process(pid);
        let map = self.generations.first()?.map(owner)?;
        let run = map.at_or_after(at)?;
        let start = at.max(run.start);
        let (end, readable) = match find(&self.generations, owner, start, run.end) {
            Backing::Stored(_, _, piece) => (start + piece.len, true),
            Backing::Nothing(end) | Backing::Lazy(end) | Backing::Missing(end) => (end, false),
        };
        Some(Pages {
            start,
            end,
            readable,
        })
    }
}

/// Pages that lie together.
#[derive(Clone, Copy)]
struct Pages {
    start: u64,
    end: u64,
    readable: bool,
}

/// Mappings in ascending order, with what differs in each.
struct MappingDifferences(Vec<(Mapping, MemoryComparison)>);

impl MappingDifferences {
    fn add(&mut self, at: u64, part: &MemoryComparison) {
        let index = self.0.partition_point(|(mapping, _)| mapping.end <= at);
        if let Some((_, memory)) = self
            .0
            .get_mut(index)
            .filter(|(mapping, _)| mapping.start <= at)
        {
            memory.add(part);
        }
    }
}

impl MemoryComparison {
    fn add(&mut self, other: &Self) {
        self.same += other.same;
        self.changed += other.changed;
        self.new += other.new;
        self.gone += other.gone;
        self.unknown += other.unknown;
    }
}

fn file(descriptor: &Descriptor) -> String {
    let what = match (&descriptor.path, descriptor.pipe, &descriptor.detail) {
        (Some(path), ..) => path.to_string(),
        (None, Some(pipe), _) => format!("pipe:[{pipe}]"),
        (None, None, Some(detail)) => format!("{} ({detail})", descriptor.kind),
        (None, None, None) => descriptor.kind.to_owned(),
    };
    format!("{}: {what}", descriptor.fd)
}

fn socket(socket: &Socket) -> String {
    let name = match &socket.name {
        Some(name) => name.to_string(),
        None if socket.family == "unix" => format!("inode {}", socket.inode),
        None => socket.ends(),
    };
    format!(
        "{} {} {name} {}",
        socket.family, socket.protocol, socket.state
    )
}

fn members(before: &Inspection, after: &Inspection) -> Vec<MemberComparison> {
    use std::os::unix::ffi::OsStrExt as _;
    let sizes = |one: &Inspection| {
        let members = one.members().iter();
        let named = members.map(|member| (member.name.as_bytes().to_vec(), member.size));
        named.collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (sizes(before), sizes(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let one = |name: &Vec<u8>| {
        let (before, after) = (before.get(name).copied(), after.get(name).copied());
        (before != after).then(|| MemberComparison {
            name: name.as_slice().into(),
            before,
            after,
        })
    };
    names.into_iter().filter_map(one).collect()
}
