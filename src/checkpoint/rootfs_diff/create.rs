//! Creating rootfs-diff.tar and deleted.files.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};
use thiserror::Error as ThisError;

use crate::archive::{Creation, Depth, Manner, Sink, Stored, Target};
use crate::changes::{Change, ChangeKind};
use crate::checkpoint::names::{DELETED_FILES, ROOTFS_DIFF_TAR};
use crate::checkpoint::{MAX_DELETED_FILES, deleted_list, file_name};
use crate::error::{self, Context as _, Error, Kind, Result};
use crate::fs::{Output, Place, Quiet, Root, RootPath};
use crate::watch::Watch;

/// Writes the `changes` of the root file system mounted at `mount_point` into the directory `destination`:
/// rootfs-diff.tar with what was added and modified, deleted.files with what was deleted. Returns the names of those
/// written, in this order; what an earlier call left there is removed first.
///
/// An added directory is stored with everything below it, a modified one by itself; a path that is listed as deleted
/// and exists all the same gets an entry, so that a directory which was deleted and made again survives. Objects that
/// aren't there any more, and sockets, are left out. Both files are complete when they appear, with mode 0600, and
/// rootfs-diff.tar is never there without the deleted.files that belongs to it. A process that is killed may leave
/// deleted.files alone, which is no diff then.
///
/// # Errors
///
/// EINVAL for an empty path or a deletion of the root, and E2BIG for a path longer than 4095 bytes, with nothing
/// touched; E2BIG for a list of deleted paths above 64 MiB. EXDEV for a path below a mount point; ESTALE for a file
/// that got shorter while it was read; the system calls' own: no output exists then.
pub fn create_rootfs_diff_tar<'m, 'd>(
    changes: &[Change],
    mount_point: impl Into<Place<'m>>,
    destination: impl Into<Place<'d>>,
) -> Result<Vec<&'static str>> {
    let plan = Plan::new(changes)?;
    let destination = destination.into().open_directory_ambient("destination")?;
    // Whatever fails from here on, nobody takes an earlier call's output for this one's.
    remove_output(&destination, ROOTFS_DIFF_TAR)?;
    remove_output(&destination, DELETED_FILES)?;
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let root = Root::new(mount_point.into().open_directory_ambient("mount_point")?);
    let (tar, stored) =
        write_tar(&plan, &root, &destination).context(|| format!("create {ROOTFS_DIFF_TAR}"))?;
    let deleted = write_deleted(&plan, &stored, &destination)
        .context(|| format!("create {DELETED_FILES}"))?;
    publish(&destination, stored.wanted.then_some(tar), deleted)
}

/// Writes the tar.
fn write_tar<'c>(
    plan: &Plan<'c>,
    root: &Root,
    destination: &OwnedFd,
) -> Result<(Output, StoredDiff<'c>)> {
    let output = Output::create(destination, &file_name(ROOTFS_DIFF_TAR)?)?;
    match fill_tar(plan, root, &output) {
        Ok(stored) => Ok((output, stored)),
        Err(error) => Err(output.abandon(error)),
    }
}

fn fill_tar<'c>(plan: &Plan<'c>, root: &Root, output: &Output) -> Result<StoredDiff<'c>> {
    let watch = Watch::new();
    let mut sink = Sink::into_file(output.file(), &watch);
    let manner = Manner {
        own: &[output.identity()?],
        ..Manner::default()
    };
    let stored = plan.store(root, &mut sink, manner)?;
    sink.finish()?;
    Ok(stored)
}

/// Writes the list of deleted paths, unless there is none.
fn write_deleted(
    plan: &Plan<'_>,
    stored: &StoredDiff<'_>,
    destination: &OwnedFd,
) -> Result<Option<Output>> {
    let Some(json) = plan.deleted_list(stored)? else {
        return Ok(None);
    };
    let output = Output::create(destination, &file_name(DELETED_FILES)?)?;
    match Quiet(output.file()).write_all(&json) {
        Ok(()) => Ok(Some(output)),
        Err(error) => Err(output.abandon(Error::io("write", error))),
    }
}

/// Gives both outputs their names, or neither.
///
/// The tar comes last, as it was the first to be removed: whenever it is there, the list beside it is its own. Whoever
/// kills the process in between leaves no diff, though maybe a list, which is none by itself.
fn publish(
    destination: &OwnedFd,
    tar: Option<Output>,
    deleted: Option<Output>,
) -> Result<Vec<&'static str>> {
    let has_list = deleted.is_some();
    if let Some(list) = deleted {
        let published = list.publish();
        published.context(|| format!("create {DELETED_FILES}"))?;
    }
    let mut names = Vec::new();
    if let Some(tar) = tar {
        if let Err(error) = tar.publish() {
            // What is left to say is why publishing failed.
            let _ = remove_output(destination, DELETED_FILES);
            return Err(error.context(format!("create {ROOTFS_DIFF_TAR}")));
        }
        names.push(ROOTFS_DIFF_TAR);
    }
    names.extend(has_list.then_some(DELETED_FILES));
    Ok(names)
}

/// Removes an earlier call's output; not what a symlink in its place leads to.
fn remove_output(destination: impl AsFd, name: &str) -> Result<()> {
    match unlinkat(destination, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(Error::system(format!("remove the earlier {name}"), errno)),
    }
}

/// A list that no import reads would be missed only when the container is restored.
#[derive(Debug, ThisError)]
#[error(
    "the list of deleted paths takes {0} bytes, more than the {MAX_DELETED_FILES} that are read"
)]
struct ListTooLong(usize);

impl error::Refusal for ListTooLong {
    fn kind(&self) -> Kind {
        Kind::Limit
    }
}

/// What is to be stored and listed. Sorted by path, so that a directory that took the place of a file or a symlink
/// comes before what is in it, whatever the order of the changes.
pub(in crate::checkpoint) struct Plan<'c> {
    entries: BTreeMap<RootPath, Listed<'c>>,
    /// In the caller's order, as the caller wrote them.
    deleted: Vec<&'c [u8]>,
}

/// What came of storing the changes.
pub(in crate::checkpoint) struct StoredDiff<'c> {
    /// Whether there is anything to store, be it gone by now.
    pub wanted: bool,
    /// What sockets have replaced, and what is therefore deleted too.
    replaced_by_sockets: Vec<&'c [u8]>,
}

/// What the changes say of one path; several of them may.
struct Listed<'c> {
    /// The path as the caller spelled it first.
    spelled: &'c [u8],
    added: bool,
    modified: bool,
    deleted: bool,
}

impl Listed<'_> {
    /// How much of the object is stored.
    fn depth(&self) -> Depth {
        if self.added {
            Depth::Recursive
        } else {
            Depth::Alone
        }
    }

    /// Whether the object is said to exist, so that there is a tar even if it is gone by now.
    fn exists(&self) -> bool {
        self.added || self.modified
    }
}

impl<'c> Plan<'c> {
    /// EINVAL for an empty path or a deletion of the root, E2BIG for a path that is too long.
    pub(in crate::checkpoint) fn new(changes: &'c [Change]) -> Result<Self> {
        let mut plan = Self {
            entries: BTreeMap::new(),
            deleted: Vec::new(),
        };
        for change in changes {
            let bytes = change.path.as_bytes();
            plan.add(change.kind, bytes).at_entry(bytes)?;
        }
        Ok(plan)
    }

    fn add(&mut self, kind: ChangeKind, bytes: &'c [u8]) -> Result<()> {
        if bytes.is_empty() {
            return Err(Error::argument("changes", "a path is empty"));
        }
        let path = RootPath::clean(bytes)?;
        if kind == ChangeKind::Delete {
            if path.is_root() {
                return Err(Error::argument(
                    "changes",
                    "the root itself can't be deleted",
                ));
            }
            self.deleted.push(bytes);
        }
        let (added, modified, deleted) = (false, false, false);
        let listed = self.entries.entry(path);
        let listed = listed.or_insert(Listed {
            spelled: bytes,
            added,
            modified,
            deleted,
        });
        match kind {
            ChangeKind::Modify => listed.modified = true,
            ChangeKind::Add => listed.added = true,
            ChangeKind::Delete => listed.deleted = true,
        }
        Ok(())
    }

    /// Stores what was added and modified below `root`.
    pub(in crate::checkpoint) fn store<T: Target>(
        &self,
        root: &Root,
        target: &mut T,
        manner: Manner<'_>,
    ) -> Result<StoredDiff<'c>> {
        let mut creation = Creation::new(root, target, manner)?;
        let mut wanted = false;
        let mut covered: Option<&RootPath> = None;
        let mut replaced: Option<&RootPath> = None;
        // Deleted, itself or with a directory above it: the image may have another object of the same name.
        let mut deleted: Option<&RootPath> = None;
        let mut replaced_by_sockets = Vec::new();
        for (path, listed) in &self.entries {
            wanted |= listed.exists();
            let is_within =
                |above: Option<&RootPath>| above.is_some_and(|above| path.is_within(above));
            if !is_within(deleted) {
                deleted = listed.deleted.then_some(path);
            }
            // Stored with the directory above, unless it is on another mount.
            if is_within(covered) {
                creation.check_mount(path).at_entry(listed.spelled)?;
                continue;
            }
            // Gone with the directory that was in the place of what is above now. A symlink there leads to something
            // else.
            if is_within(replaced) && !listed.exists() {
                continue;
            }
            let merges = listed.modified || deleted.is_some() || self.replaces_below(path);
            let stored = creation
                .add(path, listed.depth(), merges)
                .at_entry(listed.spelled)?;
            wanted |= !matches!(stored, Stored::Nothing | Stored::Socket);
            if stored == Stored::Nothing && listed.exists() {
                creation.tell_gone(path);
            }
            if stored == Stored::Socket && listed.modified {
                // Nothing else takes what the image has there away.
                replaced_by_sockets.push(listed.spelled);
            }
            covered = (stored == Stored::Tree).then_some(path);
            if !is_within(replaced) {
                replaced = (stored == Stored::Object).then_some(path);
            }
        }
        Ok(StoredDiff {
            wanted,
            replaced_by_sockets,
        })
    }

    /// The list of deleted paths; `None` if there is none. E2BIG if nobody would read it for its length.
    pub(in crate::checkpoint) fn deleted_list(
        &self,
        stored: &StoredDiff<'_>,
    ) -> Result<Option<Vec<u8>>> {
        if self.deleted.is_empty() && stored.replaced_by_sockets.is_empty() {
            return Ok(None);
        }
        let all = self.deleted.iter().chain(&stored.replaced_by_sockets);
        let json = deleted_list::encode(all.copied());
        if json.len() as u64 > MAX_DELETED_FILES {
            return Err(ListTooLong(json.len()).into());
        }
        Ok(Some(json))
    }

    /// Whether the changes say that the image has something below the path.
    fn replaces_below(&self, path: &RootPath) -> bool {
        let below = self
            .entries
            .range(path..)
            .skip(1)
            .take_while(|(other, _)| other.is_within(path));
        below
            .map(|(_, listed)| listed)
            .any(|listed| listed.modified || listed.deleted)
    }
}
