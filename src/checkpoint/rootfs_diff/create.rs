//! Creating rootfs-diff.tar and deleted.files.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::plan::{Plan, StoredDiff};
use crate::archive::{Manner, Sink};
use crate::changes::Change;
use crate::checkpoint::file_name;
use crate::checkpoint::names::{DELETED_FILES, ROOTFS_DIFF_TAR};
use crate::error::{Context as _, Error, Result};
use crate::fs::{Output, Place, Root};
use crate::sys::Quiet;
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
    let plan = Plan::new(changes.iter().cloned())?;
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
fn write_tar<'p>(
    plan: &'p Plan,
    root: &Root,
    destination: &OwnedFd,
) -> Result<(Output, StoredDiff<'p>)> {
    let output = Output::create(destination, &file_name(ROOTFS_DIFF_TAR)?)?;
    match fill_tar(plan, root, &output) {
        Ok(stored) => Ok((output, stored)),
        Err(error) => Err(output.abandon(error)),
    }
}

fn fill_tar<'p>(plan: &'p Plan, root: &Root, output: &Output) -> Result<StoredDiff<'p>> {
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
    plan: &Plan,
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
