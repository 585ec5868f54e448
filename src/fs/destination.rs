//! A directory that is made if it is missing, and removed again if what was to go into it didn't.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::node::Node;
use super::{Identity, Name, Place, Root, RootPath, remove_tree};
use crate::error::{Called as _, Context as _, Error, Result};
use crate::watch::Watch;

/// How many descriptors are held back: enough to remove a shallow tree with. That a deeper one stays is told.
const RESERVE: usize = 6;

/// A directory that something is extracted into.
pub(crate) struct Destination {
    root: Root,
    /// What was made for it, from the top down: each with where it is.
    made: Vec<(Root, Name)>,
    /// Descriptors to remove it again with, when there are no others.
    reserve: Vec<OwnedFd>,
}

impl Destination {
    /// EINVAL for a path that [`open_or_make_ambient`](Self::open_or_make_ambient) would refuse: one that is missing is
    /// only made where nobody can mistake it.
    pub(crate) fn check_ambient(place: Place<'_>, what: &str) -> Result<()> {
        if place.is_anchored() {
            return Ok(());
        }
        if place.path().as_os_str().is_empty() {
            return Err(Error::argument(what, "is empty"));
        }
        if !place.path().exists() {
            let why = "is missing, and not an absolute path to make";
            return Err(Error::argument(what, why));
        }
        Ok(())
    }

    /// Opens the directory. A path that is absolute or starts at a descriptor is cleaned lexically, and made if it is
    /// missing: all missing components with mode 0755 less the umask, owner 0:0 where the caller may.
    pub(crate) fn open_or_make_ambient(place: Place<'_>, what: &str) -> Result<Self> {
        place.check_given(what)?;
        Self::open_or_make_unnamed_ambient(place).context(|| place.named(what))
    }

    /// The same, of which the message says neither where nor what for.
    pub(crate) fn open_or_make_unnamed_ambient(place: Place<'_>) -> Result<Self> {
        let start = place.start();
        let mut destination = Self {
            root: Root::new(start.unwrap_or(place).open_unnamed_directory_ambient()?),
            made: Vec::new(),
            reserve: Vec::new(),
        };
        let made = match start {
            Some(_) => destination.walk_down(place),
            None => Ok(()),
        };
        match made {
            Ok(()) => Ok(destination),
            Err(error) => Err(destination.abandon(error)),
        }
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Removes what was made, as [`remove_made`](Self::remove_made) does, or says that it stays in the error for which it
    /// is removed.
    pub(crate) fn abandon(self, error: Error) -> Error {
        let name = self.made.first().map(|(_, name)| name.quoted());
        match (self.remove_made(), name) {
            (Err(stays), Some(name)) => {
                error.context(format!("{name}, which was made, stays ({stays})"))
            }
            _ => error,
        }
    }

    /// Removes the directory with everything in it, if it was made for this destination and is still in its place, and
    /// the directories that were made on the way to it, if nobody else has put anything there. Whoever has cancelled the
    /// work.
    fn remove_made(mut self) -> Result<()> {
        self.reserve.clear();
        let Some((parent, name)) = self.made.pop() else {
            return Ok(());
        };
        let there = Node::find_at(&parent, &name)?.map(|node| node.identity());
        if there.transpose()? != Some(Identity::of(&self.root)?) {
            return Ok(());
        }
        remove_tree(&parent, &name, &Watch::new())?;
        for (parent, name) in self.made.into_iter().rev() {
            match unlinkat(&parent, &name, UnlinkatFlags::RemoveDir) {
                Ok(()) => {}
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => break,
                Err(errno) => return Err(Error::system(format!("rmdir {}", name.quoted()), errno)),
            }
        }
        Ok(())
    }

    fn walk_down(&mut self, place: Place<'_>) -> Result<()> {
        let clean = RootPath::clean(place.path().as_os_str().as_bytes())?;
        for name in clean.components().filter_map(Name::new) {
            self.step_down(name)?;
        }
        self.take_reserve()
    }

    /// Holds some descriptors back if there is something to remove.
    fn take_reserve(&mut self) -> Result<()> {
        while !self.made.is_empty() && self.reserve.len() < RESERVE {
            let spare = self.root.as_fd().try_clone_to_owned();
            self.reserve.push(spare.called(|| "dup")?);
        }
        Ok(())
    }

    fn step_down(&mut self, name: Name) -> Result<()> {
        match open_trusted_at(&self.root, &name) {
            Err(Errno::ENOENT) => {
                let is_ours = make_one(&self.root, &name)?;
                let made =
                    open_trusted_at(&self.root, &name).called(|| format!("open {}", name.quoted()));
                let made = match made {
                    Err(error) if is_ours => return Err(remove_unopened(&self.root, &name, error)),
                    made => Root::new(made?),
                };
                let parent = std::mem::replace(&mut self.root, made);
                if is_ours {
                    self.made.push((parent, name));
                    adopt(&self.root)?;
                }
            }
            result => self.root = Root::new(result.called(|| format!("open {}", name.quoted()))?),
        }
        Ok(())
    }
}

/// Removes a directory that was made just now and can't be opened, or says in the error that it stays.
fn remove_unopened(parent: &Root, name: &Name, error: Error) -> Error {
    match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
        Ok(()) => error,
        Err(errno) => {
            let name = name.quoted();
            error.context(format!("{name}, which was made, stays ({errno:?})"))
        }
    }
}

/// Opens a directory on the host, a symlink followed: whoever named the path trusts it.
fn open_trusted_at(parent: &Root, name: &Name) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Makes a directory, and says whether it was this call that made it.
fn make_one(parent: &Root, name: &Name) -> Result<bool> {
    match mkdirat(parent, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) => Ok(true),
        // Somebody else made it at the same time.
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(Error::system(format!("mkdirat {}", name.quoted()), errno)),
    }
}

/// Gives a directory that was made just now the owner that it would have in any parent, setgid or not.
fn adopt(directory: &Root) -> Result<()> {
    let node = Node::dot(directory)?;
    match node.set_owner(node.owner()?, (0, 0)) {
        Err(error) if error.is_any(&[Errno::EPERM, Errno::EINVAL]) => Ok(()),
        result => result,
    }
}
