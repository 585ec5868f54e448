//! Looking into a checkpoint: its processes, files, sockets and memory, where they lie.
//!
//! Nothing is unpacked. Images other than pages are decoded as they come past; of pages only those are read that hold
//! arguments and environments, until somebody asks for more. In a plain archive every byte of memory is one read away.

#![forbid(unsafe_code)]

mod compare;
mod copy;
mod cursor;
mod files;
mod images;
mod json;
mod maps;
mod memory;
mod model;
mod options;
mod processes;
mod read;
mod restore;
mod sets;
mod sockets;
mod store;
mod system;
mod text;
mod text_pages;
mod texts;
mod tree;
mod under_way;

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use serde::Serialize;
use thiserror::Error as ThisError;

pub use compare::{
    Comparison, MappingComparison, MemberComparison, MemoryComparison, ProcessComparison,
    ProcessName,
};
pub use copy::copy_member;
pub use model::*;
pub use options::InspectOptions;
pub use read::MemoryChunk;
pub use restore::{CriuVersion, Finding, Host, Severity};
pub use text::RawText;
pub use tree::TreeEntry;

use crate::archive::{ArchiveOrigin, Peer, Reading};
use crate::budget::Budget;
use crate::checkpoint::import::MemberInfo;
use crate::checkpoint::metadata::Metadata;
use crate::criu::Items;
use crate::error::{self, Called as _, Context as _, Kind, Result};
use crate::fs::{Place, open_input_ambient};
use crate::stream::Channel;
use crate::watch::{Cancellation, Watch};
use files::Opened;
use images::Images;
use memory::Generation;
use sets::Set;
use store::{Source, Store};

/// Why a checkpoint isn't inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
enum Refusal {
    /// Whoever asks for a process by its number would get one of two.
    #[error("process {0} is there twice")]
    TwicePid(u32),
    /// Whoever walks from a process to its ancestors would never end.
    #[error("process {0} is its own ancestor")]
    Cycle(u32),
    /// Mappings that overlap or descend give an address two contents.
    #[error("its mappings overlap or aren't sorted")]
    Mappings,
    /// What is read now belongs to other images than those that were read before.
    #[error("the archive isn't what it was when it was opened")]
    Changed,
    /// An image of pages that a process has, and the archive hasn't.
    #[error("is not there")]
    NoPages,
    /// What lies behind its end belongs to another file.
    #[error("is shorter than its page map says")]
    ShortPages,
    /// A pipe is read once, and memory is no place for all pages of a container.
    #[error("came through a pipe and is gone")]
    Gone,
    /// More than the address space holds.
    #[error("is too long")]
    TooLong,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::NoPages => Kind::NotInArchive,
            Self::Gone => Kind::Unsupported,
            Self::TooLong => Kind::Limit,
            _ => Kind::Malformed,
        }
    }
}

/// What a checkpoint was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum InputKind {
    /// A plain archive in a regular file.
    Plain,
    /// A compressed archive in a regular file.
    Compressed,
    /// An archive out of a pipe or a socket.
    Pipe,
    /// The directory of a bundle.
    Bundle,
    /// A directory of images.
    Images,
}

/// A namespace that isn't the container's own: a restore has to be given it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExternalNamespace {
    /// `pid` or `net`.
    pub kind: &'static str,
    /// The name under which it has to be given.
    pub key: RawText,
}

/// A network device of the container's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NetworkDevice {
    /// Its name.
    pub name: RawText,
    /// Its largest packet.
    pub mtu: u32,
    /// Its hardware address.
    pub address: Option<String>,
}

/// What is in a checkpoint.
///
/// It is read when it is opened, but for the memory of processes, which [`read_memory`](Self::read_memory) and
/// [`each_chunk`](Self::each_chunk) read when they are asked. All texts come from the checkpoint: nothing but their form is
/// checked.
pub struct Inspection {
    stores: Vec<Store>,
    generations: Vec<Generation>,
    page_size: u64,
    input: InputKind,
    criu: CriuInfo,
    processes: Vec<Process>,
    pipes: Vec<Pipe>,
    sockets: Vec<Socket>,
    ghost_files: Vec<GhostFile>,
    shared_memory: Vec<SharedMemory>,
    mounts: Vec<MountPoint>,
    external_namespaces: Vec<ExternalNamespace>,
    network_devices: Vec<NetworkDevice>,
    host_name: Option<RawText>,
    dump_statistics: Option<DumpStatistics>,
    restore_statistics: Option<RestoreStatistics>,
    descriptors: Vec<String>,
    problems: Vec<Problem>,
}

impl Inspection {
    /// Inspects a checkpoint: an archive, plain or compressed with gzip, bzip2, xz or zstd, as a file, a pipe or a socket;
    /// the directory of a bundle; or a directory of CRIU's images. A pipe or a socket is read once: what of processes'
    /// memory isn't read then can't be read later.
    ///
    /// # Errors
    ///
    /// ENOENT if it is missing; EBADF for a descriptor that can't be read from; EBADMSG for an archive or an image that
    /// is malformed, with the image's name; E2BIG for images that would take more than 256 MiB of memory; ECANCELED;
    /// ETIMEDOUT; the system calls' own.
    pub fn open<'p>(
        checkpoint: impl Into<Place<'p>>,
        options: &InspectOptions,
        watch: &Watch,
    ) -> Result<Self> {
        let reading = options.reading(watch);
        let mut items = Items::default();
        let store = open_store(checkpoint.into(), &reading, &mut items)?;
        Self::of(store, options, &reading, items)
    }

    /// Inspects what was read of a checkpoint, with the previous ones that the options name.
    fn of(
        store: Store,
        options: &InspectOptions,
        reading: &Reading,
        mut items: Items,
    ) -> Result<Self> {
        let mut stores = vec![store];
        for parent in options.parents() {
            stores.push(open_store(parent.get(), reading, &mut items)?);
        }
        Self::assemble(stores, options)
    }

    fn assemble(stores: Vec<Store>, options: &InspectOptions) -> Result<Self> {
        let step = stores.first().map(|store| store.step.clone());
        let assembled = Self::assembled(stores, options);
        assembled.context(|| step.unwrap_or_default())
    }

    fn assembled(mut stores: Vec<Store>, options: &InspectOptions) -> Result<Self> {
        let empty = Images::default();
        let mut problems = Vec::new();
        let mut budget = Budget::default();
        let (set, images) = stores.first().map_or((Set::Itself, &empty), main_images);
        let prefix = set.prefix();
        let page_size = images.page_size();
        let generations = chain(&stores, set, page_size)?;
        let pstree = format!("{prefix}pstree.img");
        let mut processes = processes::processes(images, prefix, &mut problems, &mut budget)
            .at_entry(pstree.as_bytes())?;
        let mut opened = Opened::default();
        for process in &mut processes {
            opened.add(process, images, &mut budget)?;
            if let Some(generation) = generations.first() {
                maps::add(process, images, generation, prefix, &mut budget)?;
            }
        }
        let mut shared_memory = Vec::new();
        if let Some(generation) = generations.first() {
            maps::check_sizes(&processes, images, generation, prefix, &mut problems);
            shared_memory = maps::shared(images, generation);
        }
        let mut criu = system::criu(images, page_size);
        criu.parents_found = generations.len().saturating_sub(1);
        let namespaces = processes
            .first()
            .and_then(|first| first.namespaces.as_ref());
        let first = stores.first();
        let mut inspection = Self {
            page_size,
            input: first.map_or(InputKind::Images, input_kind),
            criu,
            pipes: opened.pipes,
            sockets: opened.sockets,
            ghost_files: files::ghosts(images),
            shared_memory,
            mounts: system::mounts(images),
            external_namespaces: system::external_namespaces(images),
            network_devices: system::devices(images),
            host_name: system::host_name(images, namespaces),
            dump_statistics: first.and_then(system::dump_statistics),
            restore_statistics: first.and_then(system::restore_statistics),
            descriptors: images.descriptors.clone().unwrap_or_default(),
            processes,
            generations,
            problems,
            stores: Vec::new(),
        };
        if let Some(store) = first {
            let told = store.problems.iter().map(|(member, problem)| Problem {
                member: member.as_slice().into(),
                problem: problem.clone(),
            });
            inspection.problems.extend(told);
        }
        if options.reads_text() {
            texts::read(&mut inspection, &mut stores, set)?;
        }
        inspection.stores = stores;
        Ok(inspection)
    }

    /// What the input was.
    #[must_use]
    pub fn input(&self) -> InputKind {
        self.input
    }

    /// What the engine says of the container.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.stores.first().map(|store| &store.metadata)
    }

    /// The members of the archive, or the files of the directory that are of interest.
    #[must_use]
    pub fn members(&self) -> &[MemberInfo] {
        self.stores.first().map_or(&[], |store| &store.members)
    }

    /// How CRIU made the checkpoint.
    #[must_use]
    pub fn criu(&self) -> &CriuInfo {
        &self.criu
    }

    /// All processes, in the order of the images.
    #[must_use]
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The process `pid`.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.processes.iter().find(|process| process.pid == pid)
    }

    /// Pipes that processes have open.
    #[must_use]
    pub fn pipes(&self) -> &[Pipe] {
        &self.pipes
    }

    /// Sockets that processes have open.
    #[must_use]
    pub fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// Files that are open and whose names are gone.
    #[must_use]
    pub fn ghost_files(&self) -> &[GhostFile] {
        &self.ghost_files
    }

    /// Memory that processes share.
    #[must_use]
    pub fn shared_memory(&self) -> &[SharedMemory] {
        &self.shared_memory
    }

    /// Mounts, as CRIU saw them.
    #[must_use]
    pub fn mounts(&self) -> &[MountPoint] {
        &self.mounts
    }

    /// Namespaces that a restore has to be given.
    #[must_use]
    pub fn external_namespaces(&self) -> &[ExternalNamespace] {
        &self.external_namespaces
    }

    /// Network devices of the container's own network namespaces, but for the loopback device.
    #[must_use]
    pub fn network_devices(&self) -> &[NetworkDevice] {
        &self.network_devices
    }

    /// The host name that the container had.
    #[must_use]
    pub fn host_name(&self) -> Option<&RawText> {
        self.host_name.as_ref()
    }

    /// What the dump took, if the checkpoint says so.
    #[must_use]
    pub fn dump_statistics(&self) -> Option<&DumpStatistics> {
        self.dump_statistics.as_ref()
    }

    /// What the last restore took, if the checkpoint says so.
    #[must_use]
    pub fn restore_statistics(&self) -> Option<&RestoreStatistics> {
        self.restore_statistics.as_ref()
    }

    /// What the standard descriptors of the first process were, as the runtime has noted it.
    #[must_use]
    pub fn standard_descriptors(&self) -> &[String] {
        &self.descriptors
    }

    /// What is wrong with the checkpoint, though it could be inspected.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn input_kind(store: &Store) -> InputKind {
    match store.source {
        Source::Plain(_) => InputKind::Plain,
        Source::Compressed(_) => InputKind::Compressed,
        Source::Spent => InputKind::Pipe,
        Source::Directory if store.sets.contains_key(&Set::Itself) => InputKind::Images,
        Source::Directory => InputKind::Bundle,
    }
}

/// The images that are inspected: those of the checkpoint, or of a pre-checkpoint if there is nothing else.
fn main_images(store: &Store) -> (Set, &Images) {
    static EMPTY: std::sync::OnceLock<Images> = std::sync::OnceLock::new();
    match store.sets.first_key_value() {
        Some((set, images)) => (*set, images),
        None => (Set::Checkpoint, EMPTY.get_or_init(Images::default)),
    }
}

/// The directories of images from the newest to the oldest: those of an input, and then those of the inputs that were
/// named as its previous checkpoints, in order.
fn chain(stores: &[Store], first: Set, page: u64) -> Result<Vec<Generation>> {
    let mut generations = Vec::new();
    for (index, store) in stores.iter().enumerate() {
        let skipped = |set: &&Set| index == 0 && **set < first;
        for set in store.sets.keys().skip_while(skipped) {
            generations.push(Generation::new(index, *set, stores, page)?);
        }
    }
    Ok(generations)
}

fn open_store(place: Place<'_>, reading: &Reading, items: &mut Items) -> Result<Store> {
    place.check_given("checkpoint")?;
    let step = place.named("inspect");
    let mut open = || {
        let named = match place.descriptor() {
            Some(fd) => fstat(fd),
            None => fstat(place.open_unnamed_ambient(OFlag::O_PATH)?),
        };
        if crate::fs::is_directory(&named.called(|| "fstat")?) {
            let directory = place.open_unnamed_directory_ambient()?;
            return Store::directory(&step, directory, reading, items);
        }
        match place.descriptor() {
            Some(fd) => store_of(fd, &step, reading, items),
            None => {
                let file = open_input_ambient(place)?;
                store_of(file.as_fd(), &step, reading, items)
            }
        }
    };
    open().context(|| step.clone())
}

fn store_of(
    input: BorrowedFd<'_>,
    step: &str,
    reading: &Reading,
    items: &mut Items,
) -> Result<Store> {
    Store::archive(step, origin(input, reading)?, reading, items)
}

/// The archive that comes out of a descriptor.
fn origin(input: BorrowedFd<'_>, reading: &Reading) -> Result<ArchiveOrigin> {
    let abandoned = Cancellation::new();
    let channel = Channel::reader(input, &reading.watch.until(&abandoned))?;
    Ok(if channel.is_regular() {
        ArchiveOrigin::File(Arc::new(channel.into_file()))
    } else {
        let reader = Box::new(channel);
        ArchiveOrigin::Stream(Some(Peer { reader, abandoned }))
    })
}
