//! Objects below a root, made into a tar stream.
//!
//! A [`Creation`] finds and describes them. Its [`Target`] is the stream itself, or the measuring of one that is going
//! to be nested in another and has to say its size first (`measure`), which is written afterwards (`replay`).

#![forbid(unsafe_code)]

mod describe;
mod file;
mod find;
mod living;
mod measure;
mod record;
mod replay;
mod sink;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::vec::IntoIter;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};
use thiserror::Error as ThisError;

use crate::budget::{Budget, NoRoom};
use crate::error::{self, Context as _, Kind, Result};
use crate::fs::{
    Identity, Name, Node, OverlayState, Root, RootPath, file_type, is_directory, sorted_names,
};
use crate::sys::Status;
use crate::tar::{Extents, Member, MemberKind};
use find::Finder;

pub(crate) use describe::type_of;
pub(crate) use file::OpenFile;
pub(crate) use measure::{Measure, Measured};
pub(crate) use record::Mark;
pub(crate) use sink::{Finished, Sink};

/// How much of a directory is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Its own entry.
    Alone,
    /// Its own entry and those of everything below it that is on the same mount.
    Recursive,
}

/// What was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The object isn't there.
    Nothing,
    /// Nothing either: the object is a socket.
    Socket,
    /// Something that has nothing below it: no directory, or a mount point.
    Object,
    /// A directory by itself.
    Directory,
    /// A directory with everything in it.
    Tree,
}

/// Why an object can't be stored.
#[derive(Debug, ThisError)]
pub(crate) enum Refusal {
    /// What is mounted below a root isn't part of it: storing it would copy foreign data into the archive.
    #[error("is below a mount point")]
    OtherMount,
    /// An object of another type can't be made again.
    #[error("unknown file type")]
    Type,
    /// Cut to 32 bits, it would be another device's.
    #[error("device number too large")]
    DeviceNumber,
    /// What is missing of it would come back as zeros.
    #[error("got shorter while it was looked at")]
    Shrank,
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::OtherMount => Kind::Escape,
            Self::Type | Self::DeviceNumber => Kind::Unsupported,
            Self::Shrank => Kind::System,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Shrank => Errno::ESTALE,
            _ => self.kind().errno(),
        }
    }
}

/// What takes the members that a [`Creation`] finds, in their order.
pub(crate) trait Target {
    /// Takes a member that has no data.
    fn take(&mut self, member: &Member) -> Result<()>;
    /// Takes a regular file with data, which is open as `file`; `mark` tells it from others.
    fn take_file(&mut self, member: &Member, file: &File, mark: Mark) -> Result<()>;
    /// Is told of what isn't stored.
    fn leave_out(&mut self, path: &[u8], why: LeftOut);
    /// Whether what is stored lives, so that nothing of it can be relied on to stay.
    fn lives(&self) -> bool;
}

/// Why an object, or something of it, isn't stored, which is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// It is stored without the xattrs that an overlay would take for its own.
    OverlayXattrs,
    /// It is a socket, which no archive can hold.
    Socket,
    /// It isn't there any more.
    Gone,
}

/// Whether a member may be stored under this path; an error if not.
pub(crate) type Judge<'j> = dyn Fn(&RootPath, &Member) -> Result<()> + 'j;

/// What is stored in which way.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner<'m> {
    /// Whether names begin with `./`, as in an archive of a whole directory.
    pub dotted: bool,
    /// Whether what is mounted on an added path is stored, rather than an empty place for it.
    pub crosses_first_mount: bool,
    /// What isn't stored, with everything below it, when it is met in a directory.
    pub except: Option<&'m BTreeSet<RootPath>>,
    /// Files that aren't stored: those that the archive is being written to, which may have names there.
    pub own: &'m [Identity],
    /// What becomes of the xattrs that overlays keep their state in.
    pub overlay: OverlayState,
    /// Who is asked about each member.
    pub judge: Option<&'m Judge<'m>>,
}

/// Finds objects below a root and gives them to a target as members of a tar stream.
///
/// Sockets are left out, since an archive can't hold them. The order is the caller's; below a directory it is the
/// byte order of the names. An object that vanishes before it is looked at is left out as well.
pub(crate) struct Creation<'c, T> {
    finder: Finder<'c>,
    target: &'c mut T,
    manner: Manner<'c>,
    /// Whether what is being stored may meet directories of the same name where it is extracted.
    merges: bool,
    /// Under which path a file with several names was stored first.
    links: HashMap<Mark, RootPath>,
    budget: Budget,
}

/// What calls say of a held object that is gone.
const GONE: [Errno; 2] = [Errno::ENOENT, Errno::ESTALE];

/// A directory being walked: the names that are still to come.
struct Level {
    path: RootPath,
    names: IntoIter<Name>,
}

impl<'c, T: Target> Creation<'c, T> {
    /// Begins to store what is below `root`.
    pub(crate) fn new(root: &'c Root, target: &'c mut T, manner: Manner<'c>) -> Result<Self> {
        Ok(Self {
            finder: Finder::new(root)?,
            target,
            manner,
            merges: false,
            links: HashMap::new(),
            budget: Budget::default(),
        })
    }

    /// Stores the object `path`, and with [`Depth::Recursive`] everything below it.
    ///
    /// `merges` says that the archive may be extracted where there are directories of the same names already: their
    /// xattrs are then those stored here and no others.
    pub(crate) fn add(&mut self, path: &RootPath, depth: Depth, merges: bool) -> Result<Stored> {
        self.merges = merges;
        let Some(node) = self.find_first(path)? else {
            return Ok(Stored::Nothing);
        };
        match (self.store(path, &node)?, depth) {
            (Walk::Over, _) => Ok(Stored::Socket),
            (Walk::Past, _) => Ok(Stored::Object),
            (Walk::Into, Depth::Alone) => Ok(Stored::Directory),
            (Walk::Into, Depth::Recursive) => self.walk(path).map(|()| Stored::Tree),
        }
    }

    /// Stores everything below the directory `path`, but not itself. Nothing, if it is no directory.
    pub(crate) fn add_content(&mut self, path: &RootPath) -> Result<()> {
        match self.find_first(path)? {
            Some(node) if is_directory(&node.stat()?) => self.walk(path),
            _ => Ok(()),
        }
    }

    /// An error if `path` is below a mount point, so that nothing but what is mounted there can be meant.
    pub(crate) fn check_mount(&mut self, path: &RootPath) -> Result<()> {
        self.finder.parent_of(path).map(drop)
    }

    /// Tells the target that `path` isn't there any more.
    pub(crate) fn tell_gone(&mut self, path: &RootPath) {
        self.target.leave_out(path.as_bytes(), LeftOut::Gone);
    }

    fn find_first(&mut self, path: &RootPath) -> Result<Option<Node>> {
        if self.manner.crosses_first_mount {
            self.finder.find_and_stay(path)
        } else {
            self.finder.find(path)
        }
    }

    /// Stores everything below the directory `top`.
    fn walk(&mut self, top: &RootPath) -> Result<()> {
        let mut levels = vec![self.level(top.clone())?];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.next() else {
                levels.pop();
                continue;
            };
            let path = level.path.join(&name).at_entry(level.path.as_bytes())?;
            if self
                .manner
                .except
                .is_some_and(|except| except.contains(&path))
            {
                continue;
            }
            if self.store_found(&path).at_entry(path.as_bytes())? {
                levels.push(self.level(path)?);
            }
        }
        Ok(())
    }

    fn level(&mut self, path: RootPath) -> Result<Level> {
        let names = self.finder.directory(&path).and_then(|found| {
            found.map_or_else(|| Ok(Vec::new()), |directory| sorted_names(&*directory))
        });
        let names = names.at_entry(path.as_bytes())?.into_iter();
        Ok(Level { path, names })
    }

    /// Stores one object that a directory has listed. Whether it is to be walked into.
    fn store_found(&mut self, path: &RootPath) -> Result<bool> {
        let stored = match self.finder.find(path)? {
            Some(node) => self.store(path, &node).map(Some),
            None => Ok(None),
        };
        match stored {
            Ok(Some(walk)) => Ok(walk == Walk::Into),
            Ok(None) => {
                self.tell_gone(path);
                Ok(false)
            }
            // Network and user-space file systems don't keep what is held.
            Err(error) if self.target.lives() && error.is_any(&GONE) => {
                self.tell_gone(path);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Stores one object.
    fn store(&mut self, path: &RootPath, node: &Node) -> Result<Walk> {
        let status = node.status()?;
        let (stat, mounted_on) = (status.stat, self.finder.is_mounted_on(&status));
        if self.manner.own.contains(&Identity::from(&stat)) {
            return Ok(Walk::Over);
        }
        match file_type(&stat) {
            SFlag::S_IFSOCK => {
                self.target.leave_out(path.as_bytes(), LeftOut::Socket);
                return Ok(Walk::Over);
            }
            // What is mounted on a name hides the file that the root has there; a place for it is what is kept.
            SFlag::S_IFREG if mounted_on => {
                let mut member = self.describe(path, node, &stat)?;
                member.kind = MemberKind::Regular(Extents::whole(0));
                self.give(path, member, None)?;
            }
            SFlag::S_IFREG => self.store_file(path, node, &status)?,
            _ => self.store_other(path, node, &status)?,
        }
        let walk = is_directory(&stat) && !mounted_on;
        Ok(if walk { Walk::Into } else { Walk::Past })
    }

    /// Stores a regular file with its data, or as a hard link to where it was stored before.
    fn store_file(&mut self, path: &RootPath, node: &Node, status: &Status) -> Result<()> {
        let stat = &status.stat;
        if let Some(first) = self.first_name(path, status)? {
            return self.give(path, describe::hard_link(path, stat, &first), None);
        }
        let node = Node::from_open(self.finder.reopen(node)?.into());
        let mut member = self.describe(path, &node, stat)?;
        let file = File::from(OwnedFd::from(node));
        let extents = describe::extents(&file, member.size(), self.target.lives())?;
        member.kind = MemberKind::Regular(extents);
        self.give(path, member, Some((&file, Mark::from(status))))
    }

    /// Stores what has no data: a directory, a symlink, a fifo or a device.
    fn store_other(&mut self, path: &RootPath, node: &Node, status: &Status) -> Result<()> {
        let stat = &status.stat;
        let is_directory = is_directory(stat);
        if !is_directory && let Some(first) = self.first_name(path, status)? {
            return self.give(path, describe::hard_link(path, stat, &first), None);
        }
        let mut member = self.describe(path, node, stat)?;
        member.xattrs_complete = self.merges && is_directory;
        self.give(path, member, None)
    }

    fn describe(&mut self, path: &RootPath, node: &Node, stat: &FileStat) -> Result<Member> {
        let (member, left_out) = describe::member(path, node, stat, self.manner.overlay)?;
        if left_out {
            self.target
                .leave_out(path.as_bytes(), LeftOut::OverlayXattrs);
        }
        Ok(member)
    }

    fn give(
        &mut self,
        path: &RootPath,
        mut member: Member,
        file: Option<(&File, Mark)>,
    ) -> Result<()> {
        if let Some(judge) = self.manner.judge {
            judge(path, &member)?;
        }
        if self.manner.dotted {
            describe::put_dots(&mut member);
        }
        match file {
            Some((file, mark)) if member.stored() > 0 => self.target.take_file(&member, file, mark),
            _ => self.target.take(&member),
        }
    }

    /// The path under which this file with several names was stored already; otherwise it is this one from now on.
    ///
    /// A file system that counts the names it has seen says 1 of the first one; by the next one it knows better.
    fn first_name(&mut self, path: &RootPath, status: &Status) -> Result<Option<RootPath>> {
        let several = status.stat.st_nlink > 1;
        if !several && self.finder.counts_all_names() {
            return Ok(None);
        }
        self.links.try_reserve(1).map_err(|_| NoRoom)?;
        match self.links.entry(Mark::from(status)) {
            Entry::Occupied(first) => Ok(several.then(|| first.get().clone())),
            Entry::Vacant(none) => {
                self.budget.take(path.as_bytes().len())?;
                none.insert(path.clone());
                Ok(None)
            }
        }
    }
}

/// Whether what was stored has content of its own to store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walk {
    /// It is a directory.
    Into,
    /// It has none.
    Past,
    /// It wasn't stored itself.
    Over,
}
