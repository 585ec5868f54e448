//! Objects below a root, made into a tar stream.

#![forbid(unsafe_code)]

mod describe;
mod stream;

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::rc::Rc;
use std::vec::IntoIter;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag};
use thiserror::Error as ThisError;

use crate::error::{Called as _, Context as _, Error, Kind, Result};
use crate::fs::Budget;
use crate::fs::{
    Identity, Name, Node, Parent, Parents, Root, RootPath, file_type, is_directory, sorted_names,
};
use crate::sys::mount_id;
use crate::tar::{Member, MemberKind};
use stream::Stream;

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
    /// A file that gets shorter while it is read would leave the archive with another file's bytes in its place.
    #[error("got shorter while it was read: {0} bytes are missing")]
    Shrank(u64),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::OtherMount => Error::new(Kind::Escape, text),
            Refusal::Shrank(_) => Error::new(Kind::System, text).with_errno(Errno::ESTALE),
        }
    }
}

/// A tar stream being written from objects below a root.
///
/// Sockets are left out, since an archive can't hold them. The order is the caller's; below a directory it is the
/// byte order of the names. An object that vanishes before it is looked at is left out as well.
pub(crate) struct Creation<'r> {
    parents: Parents<'r>,
    /// The root's mount; others aren't entered.
    mount: u64,
    stream: Stream<'r>,
    /// Whether what is being stored may meet directories of the same name where it is extracted.
    merges: bool,
    /// Under which path a file with several names was stored first.
    links: HashMap<Identity, RootPath>,
    budget: Budget,
}

/// A directory being walked: the names that are still to come.
struct Level {
    path: RootPath,
    names: IntoIter<Name>,
}

impl<'r> Creation<'r> {
    /// Starts a stream into `output`, from its beginning on.
    pub(crate) fn new(root: &'r Root, output: &'r File) -> Result<Self> {
        let directory = root.directory(&RootPath::root())?;
        let mount = mount_id(directory.as_fd()).called(|| "statx")?;
        let (parents, stream) = (Parents::new(root), Stream::new(output));
        Ok(Self {
            parents,
            mount,
            stream,
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
        match (self.store(path)?, depth) {
            (None, _) => Ok(Stored::Nothing),
            (Some(Walk::Over), _) => Ok(Stored::Socket),
            (Some(Walk::Past), _) => Ok(Stored::Object),
            (Some(Walk::Into), Depth::Alone) => Ok(Stored::Directory),
            (Some(Walk::Into), Depth::Recursive) => self.walk(path).map(|()| Stored::Tree),
        }
    }

    /// An error if `path` is below a mount point, so that nothing but what is mounted there can be meant.
    pub(crate) fn check_mount(&mut self, path: &RootPath) -> Result<()> {
        self.parent_of(path).map(drop)
    }

    /// Ends the stream.
    pub(crate) fn finish(self) -> Result<()> {
        self.stream.finish()
    }

    /// Stores everything below the directory `top`, which has been stored itself.
    fn walk(&mut self, top: &RootPath) -> Result<()> {
        let mut levels = vec![self.level(top.clone())?];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.next() else {
                levels.pop();
                continue;
            };
            let path = level
                .path
                .join(&name)
                .map_err(Error::from)
                .at_entry(level.path.as_bytes())?;
            if self.store(&path).at_entry(path.as_bytes())? == Some(Walk::Into) {
                levels.push(self.level(path)?);
            }
        }
        Ok(())
    }

    fn level(&mut self, path: RootPath) -> Result<Level> {
        let names = match self.parents.get(&path) {
            Ok(directory) => sorted_names(&*directory).at_entry(path.as_bytes())?,
            Err(error) if vanished(&error) => Vec::new(),
            Err(error) => return Err(error.at_entry(path.as_bytes())),
        };
        Ok(Level {
            path,
            names: names.into_iter(),
        })
    }

    /// Stores one object. `None`: it isn't there.
    fn store(&mut self, path: &RootPath) -> Result<Option<Walk>> {
        let Some(node) = self.find(path)? else {
            return Ok(None);
        };
        let stat = node.stat()?;
        let mounted_on = mount_id(node.as_fd()).called(|| "statx")? != self.mount;
        match file_type(&stat) {
            SFlag::S_IFSOCK => return Ok(Some(Walk::Over)),
            // What is mounted on a name hides the file that the root has there; a place for it is what is kept.
            SFlag::S_IFREG if mounted_on => {
                let member = describe::member(path, &node, &stat, MemberKind::Regular)?;
                self.stream.header(&Member {
                    size: 0,
                    stored: 0,
                    ..member
                })?;
            }
            SFlag::S_IFREG => self.store_file(path, &node)?,
            _ => self.store_other(path, &node)?,
        }
        let walk = is_directory(&stat) && !mounted_on;
        Ok(Some(if walk { Walk::Into } else { Walk::Past }))
    }

    fn find(&mut self, path: &RootPath) -> Result<Option<Node>> {
        let Some((_, name)) = path.split() else {
            let directory = self.parents.get(path)?;
            return Node::dot(&*directory).map(Some);
        };
        match self.parent_of(path)? {
            Some(parent) => Node::find_at(&*parent, &name),
            None => Ok(None),
        }
    }

    /// The directory that holds `path`, unless it is gone. Below a mount point it is refused.
    fn parent_of(&mut self, path: &RootPath) -> Result<Option<Rc<Parent>>> {
        let Some((parent, _)) = path.split() else {
            return Ok(None);
        };
        match self.parents.get(&parent) {
            Ok(parent) if parent.mount()? == self.mount => Ok(Some(parent)),
            Ok(_) => Err(Refusal::OtherMount.into()),
            Err(error) if vanished(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a regular file with its data, or as a hard link to where it was stored before.
    fn store_file(&mut self, path: &RootPath, node: &Node) -> Result<()> {
        let file = File::from(node.reopen(OFlag::O_RDONLY)?);
        let node = Node::from_open(file.try_clone().map_err(|e| Error::io("dup", e))?.into());
        let stat = node.stat()?;
        if let Some(first) = self.first_name(path, &stat)? {
            return self
                .stream
                .header(&describe::hard_link(path, &stat, &first));
        }
        let member = describe::member(path, &node, &stat, MemberKind::Regular)?;
        let member = describe::with_holes(member, &file)?;
        self.stream.header(&member)?;
        self.stream.data(&member, &file)
    }

    /// Stores what has no data: a directory, a symlink, a fifo or a device.
    fn store_other(&mut self, path: &RootPath, node: &Node) -> Result<()> {
        let stat = node.stat()?;
        let kind = match file_type(&stat) {
            SFlag::S_IFDIR => MemberKind::Directory,
            SFlag::S_IFLNK => MemberKind::Symlink,
            SFlag::S_IFCHR => MemberKind::CharDevice,
            SFlag::S_IFBLK => MemberKind::BlockDevice,
            SFlag::S_IFIFO => MemberKind::Fifo,
            _ => return Err(Error::new(Kind::Unsupported, "unknown file type")),
        };
        if kind != MemberKind::Directory
            && let Some(first) = self.first_name(path, &stat)?
        {
            return self
                .stream
                .header(&describe::hard_link(path, &stat, &first));
        }
        let member = describe::member(path, node, &stat, kind)?;
        let xattrs_complete = self.merges && kind == MemberKind::Directory;
        self.stream.header(&Member {
            xattrs_complete,
            ..member
        })
    }

    /// The path under which this file with several names was stored already; otherwise it is this one from now on.
    fn first_name(&mut self, path: &RootPath, stat: &FileStat) -> Result<Option<RootPath>> {
        if stat.st_nlink < 2 {
            return Ok(None);
        }
        if let Some(first) = self.links.get(&Identity::from(stat)) {
            return Ok(Some(first.clone()));
        }
        self.budget.take(path.as_bytes().len())?;
        self.links.insert(Identity::from(stat), path.clone());
        Ok(None)
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

/// Whether the error says that a path isn't there any more.
fn vanished(error: &Error) -> bool {
    error.is_any(&[Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP])
}
