//! Removing what was deleted from the container's root file system.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use nix::sys::stat::SFlag;
use thiserror::Error as ThisError;

use super::deleted_list::Paths;
use super::held::{Deletions, Held};
use super::names::{DELETED_FILES, ROOTFS_DIFF_TAR};
use super::{CONTAINER_ROOT, file_name, open_in_base_ambient};
use super::{MAX_DELETED_FILES, deleted_list};
use crate::budget::ask_for;
use crate::error::{self, Called as _, Context as _, Kind, Result, quote};
use crate::fs::{
    Name, Node, Parent, Parents, Place, Root, RootPath, file_type, open_regular_at, restore_times,
    stat_at, times_of,
};
use crate::sys::{Timestamp, mount_id};
use crate::watch::Watch;

/// Why a list of deletions is refused as a whole.
#[derive(Debug, ThisError)]
enum Refusal {
    /// Removing the root would remove the container's whole file system.
    #[error("names the root itself")]
    Root,
    /// What is mounted below the root isn't part of the container's file system.
    #[error("is below a mount point")]
    OtherMount,
    /// The list is read into memory whole.
    #[error("is larger than {MAX_DELETED_FILES} bytes")]
    TooLarge,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Root | Self::OtherMount => Kind::Escape,
            Self::TooLarge => Kind::Limit,
        }
    }
}

/// Removes the paths listed in `base_directory`/deleted.files from the root file system below `container_root`, an
/// absolute path; directories with everything in them. `id`, the container's, is for messages. Without the file, or
/// without the base directory, there is nothing to do; a path that isn't there is no error.
///
/// A symlink is removed itself, not what it leads to. What `base_directory`/rootfs-diff.tar holds at or below a listed
/// path stays, and the directories that lead there: they were made anew after the deletion. Nothing is removed through a
/// symlink that it holds either: what was deleted was in a directory that had the symlink's place. Directories that
/// something is removed from keep their times.
///
/// # Errors
///
/// Before anything is removed: EXDEV for a path that means the root or is below a mount point, EBADMSG for a malformed
/// list or rootfs-diff.tar, ENOENT if the container root is missing. EBUSY for a mount point inside a listed directory;
/// the system calls' own. What was removed before stays removed.
pub fn remove_deleted_files<'b, 'r>(
    id: &OsStr,
    base_directory: impl Into<Place<'b>>,
    container_root: impl Into<Place<'r>>,
) -> Result<()> {
    let container_root = container_root.into();
    container_root.check_anchored(CONTAINER_ROOT)?;
    let Some((base, file)) = open_in_base_ambient(base_directory.into(), DELETED_FILES)? else {
        return Ok(());
    };
    let step = || format!("remove deleted files of container {}", quote(id.as_bytes()));
    let listed = DeletedFiles::read(file)
        .context(|| DELETED_FILES)
        .context(step)?;
    let root = Root::new(container_root.open_directory_ambient(CONTAINER_ROOT)?);
    let held = |targets: &Deletions| match open_regular_at(&base, &file_name(ROOTFS_DIFF_TAR)?)? {
        Some(tar) => Held::read(tar, &root, targets).context(|| ROOTFS_DIFF_TAR),
        None => Ok(Held::default()),
    };
    listed.remove(&root, held, &Watch::new()).context(step)
}

/// A list of deleted paths that was read and understood.
pub(super) struct DeletedFiles(Paths);

impl DeletedFiles {
    pub(super) fn read(file: impl Read) -> Result<Self> {
        let mut json = Vec::new();
        let read = file
            .take(MAX_DELETED_FILES + 1)
            .read_to_end(&mut json)
            .called(|| "read")?;
        if read as u64 > MAX_DELETED_FILES {
            return Err(Refusal::TooLarge.into());
        }
        let list = Self(deleted_list::parse(json)?);
        for spelled in list.0.iter() {
            meant(spelled)?;
        }
        Ok(list)
    }

    /// Removes them from the root file system, but for what a diff has put there: `find_held` is asked, if any of them
    /// is there. Nothing is removed before it has answered.
    pub(super) fn remove(
        self,
        root: &Root,
        find_held: impl FnOnce(&Deletions) -> Result<Held>,
        watch: &Watch,
    ) -> Result<()> {
        let targets = self.find_all(root, watch)?;
        if targets.is_empty() {
            return Ok(());
        }
        let mut held = find_held(&targets)?;
        ask_for(targets.len() * size_of::<&[u8]>())?;
        let meant: Vec<&[u8]> = (0..targets.len())
            .filter(|target| !held.leads_elsewhere(&targets, *target))
            .map(|target| self.0.get(targets.listed(target)))
            .collect();
        drop(targets);
        let mut parents = Parents::new(root);
        let mount = mount_id(root.as_fd()).called(|| "statx")?;
        for spelled in &meant {
            watch.check()?;
            check_mount(&mut parents, spelled, mount).at_entry(spelled)?;
        }
        let mut edited = None;
        let removed = meant.into_iter().try_for_each(|spelled| {
            watch.at(spelled);
            watch.step(0)?;
            remove(&mut parents, &mut edited, spelled, &mut held, watch).at_entry(spelled)
        });
        // Also after a failure: what was removed until then is all that shows.
        let restored = edited.map_or(Ok(()), |edited: Edited| edited.restore());
        removed.and(restored)
    }

    /// The listed objects that are there.
    fn find_all(&self, root: &Root, watch: &Watch) -> Result<Deletions> {
        let (mut parents, mut targets) = (Parents::new(root), Deletions::default());
        for (number, spelled) in self.0.iter().enumerate() {
            watch.check()?;
            find_target(&mut parents, &mut targets, number, spelled).at_entry(spelled)?;
        }
        targets.sort()?;
        Ok(targets)
    }
}

/// Adds what a line of the list names, if it is there.
fn find_target(
    parents: &mut Parents<'_>,
    targets: &mut Deletions,
    number: usize,
    spelled: &[u8],
) -> Result<()> {
    let Some((parent, name, _)) = find(parents, &meant(spelled)?)? else {
        return Ok(());
    };
    targets.add(number, &parent.canonical().join(&name)?, parent.links())
}

/// The path that is meant by one as it is listed.
fn meant(spelled: &[u8]) -> Result<RootPath> {
    let path = RootPath::clean(spelled).at_entry(spelled)?;
    if path.is_root() {
        return Err(Refusal::Root).at_entry(spelled);
    }
    Ok(path)
}

/// What is mounted below the root isn't part of the container's file system.
fn check_mount(parents: &mut Parents<'_>, spelled: &[u8], mount: u64) -> Result<()> {
    let path = meant(spelled)?;
    let Some((parent, name)) = parent_of(parents, &path)? else {
        return Ok(());
    };
    // Asked once a directory. Whether the object is there matters only on another mount.
    if parent.mount()? != mount && stat_at(&*parent, &name)?.is_some() {
        return Err(Refusal::OtherMount.into());
    }
    Ok(())
}

/// The directory that `path` is in, and its name there; nothing if there is no such directory.
fn parent_of(parents: &mut Parents<'_>, path: &RootPath) -> Result<Option<(Rc<Parent>, Name)>> {
    let Some((parent, name)) = path.split() else {
        return Ok(None);
    };
    match parents.get(&parent) {
        // Nothing is behind symlinks that lead round in a circle, either.
        Err(error) if error.is_absent() => Ok(None),
        result => Ok(Some((result?, name))),
    }
}

/// Where `path` is, and its type; a path that ends early isn't there.
fn find(parents: &mut Parents<'_>, path: &RootPath) -> Result<Option<(Rc<Parent>, Name, SFlag)>> {
    let Some((parent, name)) = parent_of(parents, path)? else {
        return Ok(None);
    };
    let stat = stat_at(&*parent, &name)?;
    Ok(stat.map(|stat| (parent, name, file_type(&stat))))
}

/// A directory that something is being removed from. Its times come back once for all that is removed in a row: they are
/// asked for and set once a directory, not once a file.
struct Edited {
    parent: Rc<Parent>,
    directory: Node,
    times: (Timestamp, Timestamp),
}

impl Edited {
    fn begin(parent: &Rc<Parent>) -> Result<Self> {
        let directory = Node::dot(&**parent)?;
        Ok(Self {
            parent: Rc::clone(parent),
            times: times_of(&directory.stat()?),
            directory,
        })
    }

    fn restore(self) -> Result<()> {
        let (_, modified) = times_of(&self.directory.stat()?);
        if (modified.tv_sec, modified.tv_nsec) == (self.times.1.tv_sec, self.times.1.tv_nsec) {
            return Ok(());
        }
        restore_times(&self.directory, self.times)
    }
}

fn remove(
    parents: &mut Parents<'_>,
    edited: &mut Option<Edited>,
    spelled: &[u8],
    held: &mut Held,
    watch: &Watch,
) -> Result<()> {
    let Some((parent, name, kind)) = find(parents, &meant(spelled)?)? else {
        return Ok(());
    };
    let canonical = parent.canonical().join(&name)?;
    if held.is_cleared(&canonical) {
        return Ok(());
    }
    let same = |last: &Edited| last.parent.canonical() == parent.canonical();
    if !edited.as_ref().is_some_and(same) {
        if let Some(last) = edited.take() {
            last.restore()?;
        }
        *edited = Some(Edited::begin(&parent)?);
    }
    parents.remove_except(&parent, &name, held, watch)?;
    if kind == SFlag::S_IFDIR {
        held.remember_cleared(canonical);
    }
    Ok(())
}
