//! Where the objects to be stored are found.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::rc::Rc;

use nix::fcntl::OFlag;
use once_cell::unsync::OnceCell;

use super::Refusal;
use crate::error::{Called as _, Result};
use crate::fs::{Node, Parent, Parents, Root, RootPath, counts_all_names};
use crate::sys::{Descriptors, Status, mount_id};

/// Finds objects below a root, without following the last name and without leaving a mount.
pub(super) struct Finder<'r> {
    parents: Parents<'r>,
    /// The mount; others aren't entered.
    mount: u64,
    /// Whether link counts there are those of all names.
    counts_all_names: bool,
    /// Opened with the first file.
    descriptors: OnceCell<Descriptors>,
}

impl<'r> Finder<'r> {
    /// Stays on the root's own mount.
    pub(super) fn new(root: &'r Root) -> Result<Self> {
        let directory = root.directory(&RootPath::root())?;
        let mount = mount_id(directory.as_fd()).called(|| "statx")?;
        let counts_all_names = counts_all_names(&directory)?;
        let parents = Parents::new(root);
        Ok(Self {
            parents,
            mount,
            counts_all_names,
            descriptors: OnceCell::new(),
        })
    }

    /// The object `path`, unless it is gone. Below a mount point it is refused.
    pub(super) fn find(&mut self, path: &RootPath) -> Result<Option<Node>> {
        let Some((_, name)) = path.split() else {
            let directory = self.parents.get(path)?;
            return Node::dot(&*directory).map(Some);
        };
        match self.parent_of(path)? {
            Some(parent) => Node::find_at(&*parent, &name),
            None => Ok(None),
        }
    }

    /// The same, but wherever it is mounted: from now on that is the mount which isn't left.
    pub(super) fn find_and_stay(&mut self, path: &RootPath) -> Result<Option<Node>> {
        let Some((parent, name)) = path.split() else {
            return self.find(path);
        };
        let found = match self.parents.get(&parent) {
            Ok(parent) => Node::find_at(&*parent, &name)?,
            Err(error) if error.is_absent() => None,
            Err(error) => return Err(error),
        };
        if let Some(node) = &found {
            self.mount = mount_id(node.as_fd()).called(|| "statx")?;
            self.counts_all_names = counts_all_names(node)?;
        }
        Ok(found)
    }

    /// The directory `path`, unless it is gone.
    pub(super) fn directory(&mut self, path: &RootPath) -> Result<Option<Rc<Parent>>> {
        match self.parents.get(path) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The directory that holds `path`, unless it is gone. Below a mount point it is refused.
    pub(super) fn parent_of(&mut self, path: &RootPath) -> Result<Option<Rc<Parent>>> {
        let Some((parent, _)) = path.split() else {
            return Ok(None);
        };
        match self.directory(&parent)? {
            Some(parent) if parent.mount()? == self.mount => Ok(Some(parent)),
            Some(_) => Err(Refusal::OtherMount.into()),
            None => Ok(None),
        }
    }

    /// Whether the link counts of the mount's files are those of all their names.
    pub(super) fn counts_all_names(&self) -> bool {
        self.counts_all_names
    }

    /// Whether something else is mounted on the object.
    pub(super) fn is_mounted_on(&self, object: &Status) -> bool {
        object.mount != self.mount
    }

    /// The same object, opened for reading; only for regular files.
    pub(super) fn reopen(&self, node: &Node) -> Result<File> {
        let reopened = self
            .descriptors
            .get_or_try_init(Descriptors::open)
            .and_then(|descriptors| descriptors.reopen(node, OFlag::O_RDONLY));
        reopened
            .map(File::from)
            .called(|| "open through /proc/thread-self/fd")
    }
}
