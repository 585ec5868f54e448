//! The directories that entries are made in.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use once_cell::unsync::OnceCell;

use super::acl::{has_default_acl, strip_inherited_acl};
use super::node::Node;
use super::{Identity, Name, Root, RootPath};
use crate::error::{Called as _, Error, Result};
use crate::sys::mount_id;

/// The permission bits of a directory that no entry describes, whatever the umask.
const IMPLICIT_MODE: u32 = 0o755;

/// Resolves directories below a root, and remembers the last one: entries come in bunches.
///
/// Who removes or replaces a directory or makes a symlink has to [`forget`](Parents::forget), since the same path may
/// then lead elsewhere.
pub(crate) struct Parents<'r> {
    root: &'r Root,
    last: Option<Rc<Parent>>,
}

/// An open directory, by the path that led to it.
pub(crate) struct Parent {
    path: RootPath,
    fd: OwnedFd,
    default_acl: OnceCell<bool>,
    identity: OnceCell<Identity>,
    mount: OnceCell<u64>,
}

impl Parent {
    /// Whether objects that are created here inherit an ACL; asked once.
    pub(crate) fn has_default_acl(&self) -> Result<bool> {
        self.default_acl
            .get_or_try_init(|| has_default_acl(&self.fd))
            .copied()
    }

    pub(crate) fn identity(&self) -> Result<Identity> {
        self.identity
            .get_or_try_init(|| Identity::of(&self.fd))
            .copied()
    }

    /// The number of the mount that the directory is on.
    pub(crate) fn mount(&self) -> Result<u64> {
        let ask = || mount_id(self.fd.as_fd()).called(|| "statx");
        self.mount.get_or_try_init(ask).copied()
    }
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<'r> Parents<'r> {
    pub(crate) fn new(root: &'r Root) -> Self {
        Self { root, last: None }
    }

    /// The directory `path`, symlinks followed inside the root.
    pub(crate) fn get(&mut self, path: &RootPath) -> Result<Rc<Parent>> {
        self.lookup(path, |root| root.directory(path))
    }

    /// The directory `path`; what is missing on the way is made, mode 0755, owner 0:0 where the caller may.
    pub(crate) fn get_or_create(&mut self, path: &RootPath) -> Result<Rc<Parent>> {
        self.lookup(path, |root| match root.directory(path) {
            Err(error) if error.is(Errno::ENOENT) => create(root, path),
            result => result,
        })
    }

    /// Resolves anew next time.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    fn lookup(
        &mut self,
        path: &RootPath,
        open: impl FnOnce(&Root) -> Result<OwnedFd>,
    ) -> Result<Rc<Parent>> {
        if let Some(last) = &self.last
            && last.path == *path
        {
            return Ok(Rc::clone(last));
        }
        let fd = open(self.root)?;
        let parent = Rc::new(Parent {
            path: path.clone(),
            fd,
            default_acl: OnceCell::new(),
            identity: OnceCell::new(),
            mount: OnceCell::new(),
        });
        self.last = Some(Rc::clone(&parent));
        Ok(parent)
    }
}

/// Walks down `path` from the root, and makes what is missing.
fn create(root: &Root, path: &RootPath) -> Result<OwnedFd> {
    let mut at = root.directory(&RootPath::root())?;
    for step in path.steps_down() {
        let Some((_, name)) = step.split() else {
            continue;
        };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        at = match openat(&at, &name, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::ENOENT) => create_one(&at, &name, &step)?,
            // A symlink, which leads elsewhere inside the root or nowhere.
            Err(Errno::ENOTDIR | Errno::ELOOP) => resolve_link(root, path, &step)?,
            Err(errno) => return Err(Error::system(format!("open {}", step.quoted()), errno)),
        };
    }
    Ok(at)
}

/// The directory that the symlink `step` on the way to `path` leads to. Nothing is made through one that leads
/// nowhere: on the way that is EEXIST, as mkdir(2) has it, at the end ENOENT.
fn resolve_link(root: &Root, path: &RootPath, step: &RootPath) -> Result<OwnedFd> {
    root.directory(step).map_err(|error| {
        if error.is(Errno::ENOENT) && step != path {
            Error::system(format!("mkdirat {}", step.quoted()), Errno::EEXIST)
        } else {
            error
        }
    })
}

fn create_one(parent: &OwnedFd, name: &Name, step: &RootPath) -> Result<OwnedFd> {
    match mkdirat(parent, name, Mode::from_bits_truncate(IMPLICIT_MODE)) {
        Ok(()) => adopt(parent, name)?,
        // Somebody else made it just now.
        Err(Errno::EEXIST) => {}
        Err(errno) => return Err(Error::system(format!("mkdirat {}", step.quoted()), errno)),
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty()).called(|| format!("open {}", step.quoted()))
}

/// Gives a directory that was made just now the owner, mode and (absent) ACLs that it would have anywhere.
fn adopt(parent: &OwnedFd, name: &Name) -> Result<()> {
    let node = Node::open_at(parent, name)?;
    let stat = node.stat()?;
    match node.set_owner(&stat, 0, 0) {
        // An unprivileged caller's directories are its own; no entry says otherwise.
        Err(error) if error.is(Errno::EPERM) || error.is(Errno::EINVAL) => {}
        result => result?,
    }
    if has_default_acl(parent)? {
        strip_inherited_acl(&node, &[])?;
    }
    let inherited_setgid = stat.st_mode & Mode::S_ISGID.bits();
    node.set_mode(IMPLICIT_MODE | inherited_setgid)
}
