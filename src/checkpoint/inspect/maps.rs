//! Mappings and what they take, from their images.

#![forbid(unsafe_code)]

use super::files::path_of;
use super::images::Images;
use super::memory::{Generation, Owner};
use super::model::{Mapping, MemoryUse, Process, SharedMemory};
use super::processes::text;
use super::{Problem, RawText, Refusal};
use crate::budget::{Budget, push};
use crate::criu::{MemfdInode, PageSource, Pagemap, Vma, file_type, vma_flags, vma_status};
use crate::error::{Context as _, Result};

/// Gives a process its mappings, and the sums.
pub(super) fn add(
    process: &mut Process,
    images: &Images,
    generation: &Generation,
    prefix: &str,
    budget: &mut Budget,
) -> Result<()> {
    let own = images.mms.get(&process.pid).map(|mm| &mm.mappings);
    let old = images.old_mappings.get(&process.pid);
    let empty = Vec::new();
    let vmas = own.filter(|own| !own.is_empty()).or(old).unwrap_or(&empty);
    let map = generation.map(Owner::Process(process.pid));
    let mut before = 0;
    for vma in vmas {
        if vma.start < before || vma.end < vma.start {
            let name = format!("{prefix}mm-{}.img", process.pid);
            return Err(Refusal::Mappings).at_entry(name.as_bytes());
        }
        before = vma.end;
        let mapping = mapping(vma, images, map);
        let path = mapping
            .path
            .as_ref()
            .map_or(0, |path| path.as_bytes().len());
        budget.take(size_of::<Mapping>() + path)?;
        sum_up(&mut process.memory, vma, &mapping);
        push(&mut process.mappings, mapping)?;
    }
    if let Some(map) = map {
        let memory = &mut process.memory;
        // Of the map, not of the mappings: what is outside of all of them was dumped, too.
        memory.stored = map.stored;
        for run in &map.runs {
            let sum = match run.place {
                PageSource::Here(_) => &mut memory.present,
                PageSource::Parent => &mut memory.parent,
                PageSource::Lazy => &mut memory.lazy,
            };
            *sum = sum.saturating_add(run.len());
            if run.is_compressed() {
                memory.compressed = memory.compressed.saturating_add(run.len());
            }
        }
    }
    Ok(())
}

fn sum_up(memory: &mut MemoryUse, vma: &Vma, mapping: &Mapping) {
    let len = mapping.end - mapping.start;
    memory.mapped = memory.mapped.saturating_add(len);
    let sum = if vma.flags & vma_flags::SHARED != 0 {
        &mut memory.shared
    } else {
        &mut memory.private
    };
    *sum = sum.saturating_add(len);
}

fn mapping(vma: &Vma, images: &Images, map: Option<&Pagemap>) -> Mapping {
    let is_file = vma.status & (vma_status::FILE_PRIVATE | vma_status::FILE_SHARED) != 0;
    let id = u32::try_from(vma.shmid).ok();
    let shared = vma_status::ANON_SHARED | vma_status::SYSV_IPC;
    let memfd = id.filter(|_| vma.status & vma_status::MEMFD != 0);
    let memfd = memfd.and_then(|id| memfd_of(images, id));
    let name = memfd.and_then(name_of_memfd);
    let shared = id.filter(|_| vma.status & shared != 0);
    let mut mapping = Mapping {
        start: vma.start,
        end: vma.end,
        permissions: permissions(vma),
        kind: match memfd {
            Some(_) if name.is_none() => "shared",
            _ => kind(vma),
        },
        path: name.or_else(|| id.filter(|_| is_file).and_then(|id| path_of(images, id))),
        offset: vma.offset,
        shared_memory: memfd.map(|memfd| memfd.shmid).or(shared),
        ..Mapping::default()
    };
    if let Some(map) = map {
        add_pages(&mut mapping, map);
    }
    mapping
}

/// The memfd that a file in files.img is; mappings of one name the file, not the shared memory.
fn memfd_of(images: &Images, file: u32) -> Option<&MemfdInode> {
    let file = images.files.get(&(file_type::MEMFD, file))?;
    images.memfds.get(&file.memfd.as_ref()?.inode_id.into())
}

/// The name of a memfd. CRIU takes anonymous memory that is shared for one, with the name that the kernel shows.
fn name_of_memfd(memfd: &MemfdInode) -> Option<RawText> {
    Some(text(&memfd.name.0)).filter(|name| *name != "/dev/zero")
}

/// Adds up the pages within a mapping. Runs and mappings ascend and don't overlap: each run is looked at once for each
/// mapping that it is in.
fn add_pages(mapping: &mut Mapping, map: &Pagemap) {
    let mut at = mapping.start;
    while at < mapping.end {
        let Some(run) = map.at_or_after(at).filter(|run| run.start < mapping.end) else {
            return;
        };
        let len = run.end.min(mapping.end) - run.start.max(at);
        match run.place {
            PageSource::Here(_) => mapping.present += len,
            PageSource::Parent => mapping.parent += len,
            PageSource::Lazy => mapping.lazy += len,
        }
        at = run.end;
    }
}

fn permissions(vma: &Vma) -> String {
    let bit = |bit: u32, letter| {
        if vma.protection & bit != 0 {
            letter
        } else {
            '-'
        }
    };
    let sharing = if vma.flags & vma_flags::SHARED != 0 {
        's'
    } else {
        'p'
    };
    [bit(1, 'r'), bit(2, 'w'), bit(4, 'x'), sharing]
        .into_iter()
        .collect()
}

fn kind(vma: &Vma) -> &'static str {
    let kinds = [
        (vma_status::VSYSCALL, "vsyscall"),
        (vma_status::VDSO, "vdso"),
        (vma_status::VVAR, "vvar"),
        (vma_status::PLUGIN, "plugin"),
        (vma_status::HEAP, "heap"),
        (vma_status::STACK, "stack"),
        (vma_status::MEMFD, "memfd"),
        (vma_status::SYSV_IPC, "sysv"),
        (vma_status::SOCKET, "socket"),
        (vma_status::AIO_RING, "aio"),
        (vma_status::GUARD, "guard"),
        (vma_status::FILE_PRIVATE | vma_status::FILE_SHARED, "file"),
        (vma_status::ANON_SHARED, "shared"),
    ];
    let found = kinds.iter().find(|(bits, _)| vma.status & bits != 0);
    match found {
        Some((_, kind)) => kind,
        // What grows downwards is the stack of the process, which few versions mark.
        None if vma.flags & vma_flags::GROWS_DOWN != 0 => "stack",
        None => "anonymous",
    }
}

/// Memory that processes share.
pub(super) fn shared(images: &Images, generation: &Generation) -> Vec<SharedMemory> {
    let sum = |map: &Pagemap, wanted: fn(&PageSource) -> bool| {
        let runs = map.runs.iter().filter(|run| wanted(&run.place));
        runs.fold(0_u64, |sum, run| sum.saturating_add(run.len()))
    };
    let one = |&id: &u32| {
        let map = generation.map(Owner::Shared(id))?;
        let memfd = images.memfds.values().find(|memfd| memfd.shmid == id);
        Some(SharedMemory {
            id,
            name: memfd.and_then(name_of_memfd),
            present: sum(map, |place| matches!(place, PageSource::Here(_))),
            parent: sum(map, |place| matches!(place, PageSource::Parent)),
            stored: map.stored,
        })
    };
    images.shared_pagemaps.keys().filter_map(one).collect()
}

/// Compares the files of pages with the page maps of the processes that count: one that is shorter is truncated, and a
/// longer one belongs to another.
pub(super) fn check_sizes(
    processes: &[Process],
    images: &Images,
    generation: &Generation,
    prefix: &str,
    problems: &mut Vec<Problem>,
) {
    let owners = processes.iter().map(|process| Owner::Process(process.pid));
    let shared = images.shared_pagemaps.keys().map(|id| Owner::Shared(*id));
    for map in owners
        .chain(shared)
        .filter_map(|owner| generation.map(owner))
    {
        let problem = match images.pages.get(&map.pages_id) {
            None if map.stored == 0 => continue,
            None => "is missing: a restore needs it".to_owned(),
            Some(size) => match map.check_size(*size) {
                Ok(()) => continue,
                Err(refusal) => refusal.to_string(),
            },
        };
        problems.push(Problem {
            member: format!("{prefix}pages-{}.img", map.pages_id)
                .as_str()
                .into(),
            problem,
        });
    }
}
