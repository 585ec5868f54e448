//! Removing a tree, with a bounded number of descriptors and without leaving the tree or its mount.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use once_cell::unsync::OnceCell;

use super::listing::Listing;
use super::node::{Node, is_directory, open_directory_at};
use super::{Identity, Name, RootPath};
use crate::budget::{NoRoom, push};
use crate::error::{self, Called as _, Context as _, Error, Kind, Result, quote};
use crate::sys::{Timestamp, mount_id};
use crate::system::in_user_namespace;
use crate::watch::Watch;

/// How many levels keep their descriptors open; those above are reopened through `..` on the way back.
const OPEN_LEVELS: usize = 16;

/// How deep a tree may be. Somebody who goes on making directories in the deepest one wins at this depth.
const MAX_LEVELS: usize = 100_000;

/// The way down is remembered, and whoever races may go on deepening it.
#[derive(Debug, thiserror::Error)]
#[error("the tree has more than {MAX_LEVELS} levels")]
struct TooDeep;

impl error::Refusal for TooDeep {
    fn kind(&self) -> Kind {
        Kind::Limit
    }
}

/// How many names of one directory are removed before it is read anew, and how often it is, because it wasn't empty
/// at the end. Somebody who goes on filling it wins after as many turns, with ENOTEMPTY; an honest directory would
/// need more than sixty million names.
const NAMES_A_PASS: u32 = 1_000_000;
const PASSES: u32 = 64;

/// How many bytes the names may take that are remembered of directories whose descriptors are closed for a while. A
/// directory with more is read anew for the rest.
const MAX_AHEAD: usize = 32 << 20;
/// What a name takes in memory beside its bytes.
const NAME_OVERHEAD: usize = 48;

/// What a removal leaves alone, by paths without symlinks.
pub(crate) trait Keep {
    /// Whether the object stays. Of a directory that stays, the content is still looked at.
    fn keeps(&self, path: &RootPath) -> bool;

    /// Whether something below the directory stays, and so the directory itself.
    fn keeps_below(&self, directory: &RootPath) -> bool;

    /// Whether all that is in a directory that stays is known to stay, so that nobody needs to look.
    fn keeps_all_below(&self, directory: &RootPath) -> bool {
        let _ = directory;
        false
    }
}

/// Removes the object `name` in `parent`, a directory with all its content.
///
/// Nothing is followed. Other mounts are never entered: one that is met is EBUSY, and what was removed before stays
/// removed. An object that isn't there counts as removed. `watch` is looked at before every name.
pub(crate) fn remove_tree(parent: impl AsFd, name: &Name, watch: &Watch) -> Result<()> {
    remove(parent.as_fd(), name, None, None, watch)
}

/// Like [`remove_tree`] for the object whose path without symlinks is `path`, but leaves alone what `keep` names.
/// Directories that stay keep their times.
pub(crate) fn remove_tree_except(
    parent: impl AsFd,
    name: &Name,
    path: &RootPath,
    keep: &dyn Keep,
    watch: &Watch,
) -> Result<()> {
    remove(parent.as_fd(), name, Some(path.clone()), Some(keep), watch)
}

/// Removes everything in the directory whose path without symlinks is `path`, but for what `keep` names; otherwise
/// like [`remove_tree_except`].
pub(crate) fn clear_directory_except(
    directory: impl AsFd,
    path: &RootPath,
    keep: &dyn Keep,
    watch: &Watch,
) -> Result<()> {
    let fd = reopen_directory(&directory)?;
    let mut removal = Removal::new(directory.as_fd(), Some(keep), watch);
    removal.push(fd, None, Some(path.clone()), true)?;
    removal.run(directory.as_fd())
}

fn remove(
    parent: BorrowedFd<'_>,
    name: &Name,
    path: Option<RootPath>,
    keep: Option<&dyn Keep>,
    watch: &Watch,
) -> Result<()> {
    let mut removal = Removal::new(parent, keep, watch);
    removal.remove_child(parent, path, name)?;
    removal.run(parent)
}

/// A removal under way: the directories from the top of the tree down to the one being emptied.
struct Removal<'k> {
    /// Tells which mount everything is on; asked only when a directory is met.
    on: BorrowedFd<'k>,
    mount: OnceCell<u64>,
    keep: Option<&'k dyn Keep>,
    watch: &'k Watch,
    levels: Vec<Level>,
    /// How many bytes the names take that were read ahead.
    ahead: usize,
}

fn size_of_name(name: &Name) -> usize {
    name.bytes().len() + NAME_OVERHEAD
}

/// What became of a name in a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Child {
    /// It is gone, or goes once its content has.
    Removed,
    Kept,
}

struct Level {
    /// Nothing for the directory that is only to be cleared.
    name: Option<Name>,
    /// Nothing if no path can be that long, so that nothing is kept from here on.
    path: Option<RootPath>,
    identity: Identity,
    stays: bool,
    times: (Timestamp, Timestamp),
    passes: u32,
    /// What is in it, stays and is done with. It would be found again when the directory is read anew.
    done: HashSet<Name>,
    /// How many names this pass has removed.
    names: u32,
    /// Names that were read before the descriptor was closed, and that nothing was done about yet: what is in a
    /// directory is read once, however many deep ones are in it.
    ahead: Vec<Name>,
    /// Whether those are all that are left.
    all_ahead: bool,
    /// Nothing while too many deeper levels are open.
    open: Option<Open>,
}

struct Open {
    fd: OwnedFd,
    /// Nothing if all names that are left were read ahead.
    listing: Option<Listing>,
}

impl Level {
    /// Closes the descriptor until the levels below are done. Reads the names that are left first, if they take no more
    /// than `room` bytes; how many they take.
    fn close(&mut self, room: usize) -> Result<usize> {
        let mut taken = 0;
        let open = self.open.take();
        let Some(mut listing) = open.and_then(|open| open.listing) else {
            return Ok(taken);
        };
        while taken < room {
            let Some(name) = listing.next_name()? else {
                self.all_ahead = true;
                break;
            };
            taken += size_of_name(&name);
            push(&mut self.ahead, name)?;
        }
        Ok(taken)
    }

    fn quoted(&self) -> String {
        match &self.name {
            Some(name) => name.quoted(),
            None => quote(b"."),
        }
    }
}

impl<'k> Removal<'k> {
    /// Of objects on the mount that `on` is on.
    fn new(on: BorrowedFd<'k>, keep: Option<&'k dyn Keep>, watch: &'k Watch) -> Self {
        Self {
            on,
            mount: OnceCell::new(),
            keep,
            watch,
            levels: Vec::new(),
            ahead: 0,
        }
    }

    fn mount(&self) -> Result<u64> {
        let ask = || mount_id(self.on).called(|| "statx");
        self.mount.get_or_try_init(ask).copied()
    }

    fn run(&mut self, parent: BorrowedFd<'_>) -> Result<()> {
        while let Some(top) = self.levels.len().checked_sub(1) {
            self.watch.check()?;
            let limited = self.levels[top].names >= NAMES_A_PASS;
            let next = if limited { None } else { self.next_name(top)? };
            let Some(name) = next else {
                self.leave(parent, limited)?;
                continue;
            };
            let level = &mut self.levels[top];
            let path = level.path.as_ref();
            let path = path.and_then(|path| path.join(&name).ok());
            let Some(open) = level.open.take() else {
                return Err(Error::system("read directory", Errno::EBADF));
            };
            let result = self.remove_child(open.fd.as_fd(), path, &name);
            self.levels[top].open = Some(open);
            let child = result.context(|| format!("in {}", self.levels[top].quoted()))?;
            if child == Child::Removed {
                self.levels[top].names += 1;
            }
            self.close_above()?;
        }
        Ok(())
    }

    /// The next name in the deepest directory, `None` after the last.
    fn next_name(&mut self, top: usize) -> Result<Option<Name>> {
        let level = &mut self.levels[top];
        if let Some(name) = level.ahead.pop() {
            self.ahead = self.ahead.saturating_sub(size_of_name(&name));
            return Ok(Some(name));
        }
        let Some(open) = &mut level.open else {
            return Ok(None);
        };
        if open.listing.is_none() && !level.all_ahead {
            open.listing = Some(Listing::of(&open.fd)?);
        }
        match &mut open.listing {
            Some(listing) => listing.next_name(),
            None => Ok(None),
        }
    }

    /// Closes the descriptor of the directory that has become too many levels higher than the deepest one.
    fn close_above(&mut self) -> Result<()> {
        let above = self.levels.len().checked_sub(OPEN_LEVELS + 1);
        if let Some(level) = above.and_then(|above| self.levels.get_mut(above)) {
            let room = MAX_AHEAD.saturating_sub(self.ahead);
            self.ahead += level
                .close(room)
                .context(|| format!("in {}", level.quoted()))?;
        }
        Ok(())
    }

    /// Removes what is no directory, and goes down into what is one.
    fn remove_child(
        &mut self,
        directory: BorrowedFd<'_>,
        path: Option<RootPath>,
        name: &Name,
    ) -> Result<Child> {
        let kept = self.keeps(path.as_ref(), |keep, path| keep.keeps(path));
        if kept && !is_directory_at(directory, name)? {
            return Ok(Child::Kept);
        }
        if unlink(directory, name)? {
            return Ok(Child::Removed);
        }
        let stays = kept || self.keeps(path.as_ref(), |keep, path| keep.keeps_below(path));
        if stays && self.keeps(path.as_ref(), |keep, path| keep.keeps_all_below(path)) {
            return Ok(Child::Kept);
        }
        // Where nothing stays nobody asks for paths, whose length would be paid for with every name.
        self.enter(directory, path.filter(|_| stays), name, stays)?;
        Ok(if stays { Child::Kept } else { Child::Removed })
    }

    fn keeps(&self, path: Option<&RootPath>, ask: fn(&dyn Keep, &RootPath) -> bool) -> bool {
        match (self.keep, path) {
            (Some(keep), Some(path)) => ask(keep, path),
            _ => false,
        }
    }

    /// Goes down into the directory `name`.
    fn enter(
        &mut self,
        parent: BorrowedFd<'_>,
        path: Option<RootPath>,
        name: &Name,
        stays: bool,
    ) -> Result<()> {
        let call = || format!("open {}", name.quoted());
        let fd = match open_directory_at(parent, name) {
            Err(Errno::ENOENT) => return Ok(()),
            result => result.called(call)?,
        };
        if mount_id(fd.as_fd()).called(|| "statx")? != self.mount()? {
            return Err(Error::system(
                format!("remove mount point {}", name.quoted()),
                Errno::EBUSY,
            ));
        }
        let level = self.levels.last();
        if level.is_some_and(|level| level.done.contains(name)) {
            return Ok(());
        }
        if self.levels.len() >= MAX_LEVELS {
            return Err(TooDeep.into());
        }
        self.push(fd, Some(name.clone()), path, stays).context(call)
    }

    /// Makes the directory `fd` the deepest one.
    fn push(
        &mut self,
        fd: OwnedFd,
        name: Option<Name>,
        path: Option<RootPath>,
        stays: bool,
    ) -> Result<()> {
        let stat = fstat(&fd).called(|| "fstat")?;
        let listing = Listing::of(&fd)?;
        self.levels.push(Level {
            name,
            path,
            identity: Identity::from(&stat),
            stays,
            times: times_of(&stat),
            passes: 0,
            done: HashSet::new(),
            names: 0,
            ahead: Vec::new(),
            all_ahead: false,
            open: Some(Open {
                fd,
                listing: Some(listing),
            }),
        });
        Ok(())
    }

    /// The deepest directory has been read to its end, or as far as one pass goes if that is `limited`: goes up and
    /// removes it, unless it stays.
    fn leave(&mut self, parent: BorrowedFd<'_>, limited: bool) -> Result<()> {
        let Some(mut done) = self.levels.pop() else {
            return Ok(());
        };
        let Some(Open { fd, .. }) = done.open.take() else {
            return Ok(());
        };
        let forgotten: usize = done.ahead.drain(..).map(|name| size_of_name(&name)).sum();
        self.ahead = self.ahead.saturating_sub(forgotten);
        let above = match self.levels.last_mut() {
            None => parent,
            Some(level) => reopen_from_below(level, &fd)?,
        };
        if done.stays && !limited {
            if let Some(level) = self.levels.last_mut() {
                level.done.try_reserve(1).map_err(|_| NoRoom)?;
                level.done.extend(done.name);
            }
            return restore_times(&Node::from_path_only(fd), done.times);
        }
        let removed = match &done.name {
            Some(name) if !done.stays => unlinkat(above, name, UnlinkatFlags::RemoveDir),
            _ => Err(Errno::ENOTEMPTY),
        };
        match removed {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::ENOTEMPTY | Errno::EEXIST) if done.passes < PASSES => {
                let listing = Some(Listing::of(&fd)?);
                (done.passes, done.names) = (done.passes + 1, 0);
                (done.all_ahead, done.open) = (false, Some(Open { fd, listing }));
                self.levels.push(done);
                Ok(())
            }
            Err(errno) => Err(Error::system(format!("rmdir {}", done.quoted()), errno)),
        }
    }
}

/// The descriptor of `level`, opened again from the directory below it if it was closed.
///
/// Somebody may have moved the lower directory elsewhere meanwhile; then `..` is another directory, and nothing in
/// it may be touched. The lower directory's descriptor keeps the inode of the one above in memory, and so its number.
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
        level.open = Some(Open { fd, listing: None });
    }
    match &level.open {
        Some(open) => Ok(open.fd.as_fd()),
        None => Err(Error::system("open ..", Errno::EBADF)),
    }
}

/// A descriptor of the directory that isn't the caller's.
fn reopen_directory(directory: impl AsFd) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(directory, ".", flags, Mode::empty()).called(|| "open directory")
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

pub(super) fn is_directory_at(parent: impl AsFd, name: &Name) -> Result<bool> {
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

/// Gives a directory the times back that it had before something in it was changed. Whoever may write into a
/// directory without owning it can't: outside of a user namespace that is an error.
pub(crate) fn restore_times(directory: &Node, times: (Timestamp, Timestamp)) -> Result<()> {
    match directory.set_times(times.0, times.1) {
        Err(error) if error.is(Errno::EPERM) && in_user_namespace() => Ok(()),
        result => result,
    }
}
