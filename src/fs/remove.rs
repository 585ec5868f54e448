//! Removing a tree, with a bounded number of descriptors and without leaving the tree or its mount.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::listing::Listing;
use super::node::{Node, is_directory};
use super::{Identity, Name};
use crate::error::{Called as _, Context as _, Error, Result};
use crate::sys::{Timestamp, mount_id};

/// How many levels keep their descriptors open; those above are reopened through `..` on the way back.
const OPEN_LEVELS: usize = 16;

/// How often one directory is read anew because it wasn't empty at the end. Somebody who goes on filling it wins
/// after as many turns: the removal ends with ENOTEMPTY.
const PASSES: u32 = 64;

/// What a removal leaves alone.
pub(crate) trait Keep {
    /// Whether the object `name` in `directory` stays. Of a directory that stays, the content is still looked at.
    fn keeps(&self, directory: Identity, name: &Name) -> bool;

    /// Whether `directory` stays because something below it does.
    fn leads_to_kept(&self, directory: Identity) -> bool;
}

/// Keeps nothing.
pub(crate) struct KeepNothing;

impl Keep for KeepNothing {
    fn keeps(&self, _: Identity, _: &Name) -> bool {
        false
    }

    fn leads_to_kept(&self, _: Identity) -> bool {
        false
    }
}

/// Removes the object `name` in `parent`, a directory with all its content, but for what `keep` names.
///
/// Nothing is followed. Other mounts are never entered: one that is met is EBUSY, and what was removed before stays
/// removed. Directories that stay keep their times. An object that isn't there counts as removed.
pub(crate) fn remove_tree(parent: impl AsFd, name: &Name, keep: &dyn Keep) -> Result<()> {
    let parent = parent.as_fd();
    let identity = Identity::of(parent)?;
    if keep.keeps(identity, name) && !is_directory_at(parent, name)? {
        return Ok(());
    }
    if unlink(parent, name)? {
        return Ok(());
    }
    let mount = mount_id(parent).called(|| "statx")?;
    let mut removal = Removal {
        mount,
        keep,
        levels: Vec::new(),
        visited: HashSet::new(),
    };
    removal.enter(parent, identity, name)?;
    removal.run(parent)
}

/// A removal under way: the directories from the top of the tree down to the one being emptied.
struct Removal<'k> {
    mount: u64,
    keep: &'k dyn Keep,
    levels: Vec<Level>,
    /// The directories that stay and are done with. A level that is read anew would find them again.
    visited: HashSet<Identity>,
}

struct Level {
    name: Name,
    identity: Identity,
    stays: bool,
    times: (Timestamp, Timestamp),
    passes: u32,
    /// Nothing while too many deeper levels are open.
    open: Option<(OwnedFd, Listing)>,
}

impl Removal<'_> {
    fn run(&mut self, parent: BorrowedFd<'_>) -> Result<()> {
        while let Some(top) = self.levels.len().checked_sub(1) {
            let identity = self.levels[top].identity;
            let Some((fd, mut listing)) = self.levels[top].open.take() else {
                return Err(Error::system("read directory", Errno::EBADF));
            };
            let next = listing.next_name();
            let result = match &next {
                Ok(Some(name)) => self.remove_child(&fd, identity, name),
                _ => Ok(()),
            };
            self.levels[top].open = Some((fd, listing));
            result.context(|| format!("in {}", self.levels[top].name.quoted()))?;
            if next?.is_none() {
                self.leave(parent)?;
            }
        }
        Ok(())
    }

    fn remove_child(&mut self, directory: &OwnedFd, identity: Identity, name: &Name) -> Result<()> {
        if self.keep.keeps(identity, name) && !is_directory_at(directory.as_fd(), name)? {
            return Ok(());
        }
        if unlink(directory.as_fd(), name)? {
            return Ok(());
        }
        self.enter(directory.as_fd(), identity, name)
    }

    /// Goes down into the directory `name`.
    fn enter(&mut self, parent: BorrowedFd<'_>, parent_id: Identity, name: &Name) -> Result<()> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let call = || format!("open {}", name.quoted());
        let fd = match openat(parent, name, flags, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(()),
            result => result.called(call)?,
        };
        if mount_id(fd.as_fd()).called(|| "statx")? != self.mount {
            return Err(Error::system(
                format!("remove mount point {}", name.quoted()),
                Errno::EBUSY,
            ));
        }
        let stat = fstat(&fd).called(|| "fstat")?;
        let identity = Identity::from(&stat);
        if self.visited.contains(&identity) {
            return Ok(());
        }
        let stays = self.keep.keeps(parent_id, name) || self.keep.leads_to_kept(identity);
        let listing = Listing::of(&fd).context(call)?;
        self.levels.push(Level {
            name: name.clone(),
            identity,
            stays,
            times: times_of(&stat),
            passes: 0,
            open: Some((fd, listing)),
        });
        if let Some(above) = self.levels.len().checked_sub(OPEN_LEVELS + 1) {
            self.levels[above].open = None;
        }
        Ok(())
    }

    /// The deepest directory has been read to its end: goes up and removes it, unless it stays.
    fn leave(&mut self, parent: BorrowedFd<'_>) -> Result<()> {
        let Some(mut done) = self.levels.pop() else {
            return Ok(());
        };
        let Some((fd, _)) = done.open.take() else {
            return Ok(());
        };
        let above = match self.levels.last_mut() {
            None => parent,
            Some(level) => reopen_from_below(level, &fd)?,
        };
        if done.stays {
            self.visited.insert(done.identity);
            return Node::from_path_only(fd).set_times(done.times.0, done.times.1);
        }
        let call = || format!("rmdir {}", done.name.quoted());
        match unlinkat(above, &done.name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::ENOTEMPTY | Errno::EEXIST) if done.passes < PASSES => {
                done.passes += 1;
                done.open = Some((
                    fd.try_clone().map_err(|e| Error::io("dup", e))?,
                    Listing::of(&fd)?,
                ));
                self.levels.push(done);
                Ok(())
            }
            Err(errno) => Err(Error::system(call(), errno)),
        }
    }
}

/// The descriptor of `level`, opened again from the directory below it if it was closed.
///
/// Somebody may have moved the lower directory elsewhere meanwhile; then `..` is another directory, and nothing in
/// it may be touched.
fn reopen_from_below<'l>(level: &'l mut Level, below: &OwnedFd) -> Result<BorrowedFd<'l>> {
    if level.open.is_none() {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = openat(below, "..", flags, Mode::empty()).called(|| "open ..")?;
        if Identity::of(&fd)? != level.identity {
            return Err(Error::system(
                "directory was moved during its removal",
                Errno::ESTALE,
            ));
        }
        let listing = Listing::of(&fd)?;
        level.open = Some((fd, listing));
    }
    match &level.open {
        Some((fd, _)) => Ok(fd.as_fd()),
        None => Err(Error::system("open ..", Errno::EBADF)),
    }
}

/// Removes what is no directory. `false`: it is one.
fn unlink(parent: BorrowedFd<'_>, name: &Name) -> Result<bool> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        Err(Errno::EISDIR) => Ok(false),
        // POSIX lets a file system answer EPERM for a directory; for a file it means what it says.
        Err(Errno::EPERM) if is_directory_at(parent, name)? => Ok(false),
        Err(errno) => Err(Error::system(format!("unlink {}", name.quoted()), errno)),
    }
}

fn is_directory_at(parent: BorrowedFd<'_>, name: &Name) -> Result<bool> {
    Ok(match Node::find_at(parent, name)? {
        Some(node) => is_directory(&node.stat()?),
        None => false,
    })
}

/// Access and modification time.
pub(crate) fn times_of(stat: &FileStat) -> (Timestamp, Timestamp) {
    (
        Timestamp {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec,
        },
        Timestamp {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec,
        },
    )
}
