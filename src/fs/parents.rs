//! The directories that entries are made in.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::renameat;
use nix::sys::stat::{Mode, mkdirat};
use once_cell::unsync::OnceCell;

use super::acl::{has_default_acl, strip_inherited_acl};
use super::canonical::{Resolved, Steps};
use super::node::{Node, Owner, open_directory_at};
use super::remove::{
    Keep, clear_directory_except, is_directory_at, remove_tree, remove_tree_except,
};
use super::{Name, Root, RootPath};
use crate::error::{Called as _, Error, Result};
use crate::sys::mount_id;
use crate::watch::Watch;

/// The permission bits of a directory that no entry describes, whatever the umask.
const IMPLICIT_MODE: u32 = 0o755;

/// Resolves directories below a root, and remembers the last one: entries come in bunches.
///
/// It also removes and replaces what is in the directories, since the same path may then lead elsewhere.
pub(crate) struct Parents<'r> {
    root: &'r Root,
    last: Option<Rc<Parent>>,
    steps: Steps,
}

/// An open directory, by the path that led to it.
pub(crate) struct Parent {
    path: RootPath,
    resolved: Resolved,
    default_acl: OnceCell<bool>,
    new_owner: OnceCell<Owner>,
    mount: OnceCell<u64>,
}

impl Parent {
    /// The directory's path without symlinks.
    pub(crate) fn canonical(&self) -> &RootPath {
        &self.resolved.canonical
    }

    /// The symlinks that led here, by their paths without symlinks.
    pub(crate) fn links(&self) -> &Rc<[RootPath]> {
        &self.resolved.links
    }

    /// Whether objects that are created here inherit an ACL; asked once.
    pub(crate) fn has_default_acl(&self) -> Result<bool> {
        self.default_acl
            .get_or_try_init(|| has_default_acl(&self.resolved.fd))
            .copied()
    }

    /// Whom `new`, a file that was made here and nothing was done to, belongs to. Only the first one is asked: setgid
    /// on the directory, mount options and the caller's ids decide it for all of them.
    pub(crate) fn owner_of_new(&self, new: &Node) -> Result<Owner> {
        self.new_owner.get_or_try_init(|| new.owner()).copied()
    }

    /// The number of the mount that the directory is on.
    pub(crate) fn mount(&self) -> Result<u64> {
        let ask = || mount_id(self.as_fd()).called(|| "statx");
        self.mount.get_or_try_init(ask).copied()
    }
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.resolved.fd.as_fd()
    }
}

/// Whom a directory belongs to that no entry describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImplicitOwner {
    /// Root, where the caller may.
    Root,
    /// This user and group, or it is an error.
    Exactly(u32, u32),
    /// Whomever the kernel gives it to.
    Caller,
}

/// What is told of a directory before others are made in it (its path without symlinks, and a descriptor), and whom
/// those are to belong to.
pub(crate) type BeforeMaking<'b> =
    dyn FnMut(&RootPath, BorrowedFd<'_>) -> Result<ImplicitOwner> + 'b;

impl<'r> Parents<'r> {
    pub(crate) fn new(root: &'r Root) -> Self {
        Self {
            root,
            last: None,
            steps: Steps::of_a_work(),
        }
    }

    /// The directory `path`, symlinks followed inside the root.
    pub(crate) fn get(&mut self, path: &RootPath) -> Result<Rc<Parent>> {
        if let Some(last) = self.remembered(path) {
            return Ok(last);
        }
        let resolved = self.root.resolve(path, &mut self.steps)?;
        Ok(self.remember(path, resolved))
    }

    /// The directory `path`; what is missing on the way is made, mode 0755. The directory that the first of them is
    /// made in is told to `before`, which says whom all belong to.
    pub(crate) fn get_or_create(
        &mut self,
        path: &RootPath,
        before: &mut BeforeMaking<'_>,
    ) -> Result<Rc<Parent>> {
        match self.get(path) {
            Err(error) if error.is(Errno::ENOENT) => {
                let resolved = self.create(path, before)?;
                Ok(self.remember(path, resolved))
            }
            result => result,
        }
    }

    /// The root itself, for who changes its owner or its ACL: what is made in it may belong to others from now on.
    pub(crate) fn root_to_change(&mut self) -> Result<OwnedFd> {
        self.last = None;
        self.root.directory(&RootPath::root())
    }

    /// Removes the object `name` in `parent`, as [`remove_tree`].
    pub(crate) fn remove(&mut self, parent: &Parent, name: &Name, watch: &Watch) -> Result<()> {
        self.forget_through(&parent.canonical().join(name)?);
        remove_tree(parent, name, watch)
    }

    /// The same, but for what `keep` names, as [`remove_tree_except`].
    pub(crate) fn remove_except(
        &mut self,
        parent: &Parent,
        name: &Name,
        keep: &dyn Keep,
        watch: &Watch,
    ) -> Result<()> {
        let object = parent.canonical().join(name)?;
        self.forget_through(&object);
        remove_tree_except(parent, name, &object, keep, watch)
    }

    /// Removes everything in `directory` but for what `keep` names, as [`clear_directory_except`].
    pub(crate) fn clear_except(
        &mut self,
        directory: &Parent,
        keep: &dyn Keep,
        watch: &Watch,
    ) -> Result<()> {
        self.forget_through(directory.canonical());
        clear_directory_except(directory, directory.canonical(), keep, watch)
    }

    /// Puts the object `new` in `parent` in the place of `name`. What a rename can't replace by itself, a directory, or
    /// anything if `new` is a directory, is removed before.
    pub(crate) fn replace(
        &mut self,
        parent: &Parent,
        new: &Name,
        name: &Name,
        watch: &Watch,
    ) -> Result<()> {
        self.forget_through(&parent.canonical().join(name)?);
        if is_directory_at(parent, name)? || is_directory_at(parent, new)? {
            remove_tree(parent, name, watch)?;
        }
        renameat(parent, new, parent, name).called(|| format!("rename to {}", name.quoted()))
    }

    /// Resolves anew next time, if the directory that is remembered is the object at this path without symlinks, is below
    /// it, or was found through it.
    fn forget_through(&mut self, object: &RootPath) {
        let leads = |path: &RootPath| path.is_within(object);
        let leads_to = |last: &Rc<Parent>| {
            let Resolved {
                canonical,
                links,
                climbed,
                ..
            } = &last.resolved;
            leads(canonical) || links.iter().chain(climbed).any(leads)
        };
        if self.last.as_ref().is_some_and(leads_to) {
            self.last = None;
        }
    }

    fn remembered(&self, path: &RootPath) -> Option<Rc<Parent>> {
        self.last
            .as_ref()
            .filter(|last| last.path == *path)
            .map(Rc::clone)
    }

    fn remember(&mut self, path: &RootPath, resolved: Resolved) -> Rc<Parent> {
        let parent = Rc::new(Parent {
            path: path.clone(),
            resolved,
            default_acl: OnceCell::new(),
            new_owner: OnceCell::new(),
            mount: OnceCell::new(),
        });
        self.last = Some(Rc::clone(&parent));
        parent
    }

    /// Walks down `path` from the root, and makes what is missing.
    fn create(&mut self, path: &RootPath, before: &mut BeforeMaking<'_>) -> Result<Resolved> {
        let mut at = self.root.resolve(&RootPath::root(), &mut self.steps)?;
        let mut making = None;
        for step in path.steps_down() {
            let Some((_, name)) = step.split() else {
                continue;
            };
            let canonical = at.canonical.join(&name)?;
            let fd = match open_directory_at(&at.fd, &name) {
                Ok(directory) => directory,
                Err(Errno::ENOENT) => {
                    let owner = match making {
                        Some(owner) => owner,
                        None => *making.insert(before(&at.canonical, at.fd.as_fd())?),
                    };
                    create_one(&at.fd, &name, &step, owner)?
                }
                // A symlink, which leads elsewhere inside the root or nowhere.
                Err(Errno::ENOTDIR | Errno::ELOOP) => {
                    let resolved = self.root.resolve(&canonical, &mut self.steps);
                    let resolved = resolved.map_err(|error| through_nothing(error, path, &step))?;
                    at = at.then(resolved);
                    continue;
                }
                Err(errno) => return Err(Error::system(format!("open {}", step.quoted()), errno)),
            };
            (at.fd, at.canonical) = (fd, canonical);
        }
        Ok(at)
    }
}

/// Nothing is made through a symlink on the way to `path` that leads nowhere: on the way that is EEXIST, as mkdir(2)
/// has it, at the end ENOENT.
fn through_nothing(error: Error, path: &RootPath, step: &RootPath) -> Error {
    if error.is(Errno::ENOENT) && step != path {
        Error::system(format!("mkdirat {}", step.quoted()), Errno::EEXIST)
    } else {
        error
    }
}

fn create_one(
    parent: &OwnedFd,
    name: &Name,
    step: &RootPath,
    owner: ImplicitOwner,
) -> Result<OwnedFd> {
    let made = match mkdirat(parent, name, Mode::from_bits_truncate(IMPLICIT_MODE)) {
        Ok(()) => true,
        // Somebody else made it just now.
        Err(Errno::EEXIST) => false,
        Err(errno) => return Err(Error::system(format!("mkdirat {}", step.quoted()), errno)),
    };
    let fd = open_directory_at(parent, name).called(|| format!("open {}", step.quoted()))?;
    if made {
        adopt(parent, &fd, owner)?;
    }
    Ok(fd)
}

/// Gives a directory that was made just now the owner, mode and (absent) ACLs that it would have anywhere, whatever its
/// parent hands down.
fn adopt(parent: &OwnedFd, directory: &OwnedFd, owner: ImplicitOwner) -> Result<()> {
    let node = Node::dot(directory)?;
    match owner {
        ImplicitOwner::Root => match node.set_owner(node.owner()?, (0, 0)) {
            // An unprivileged caller's directories are its own; no entry says otherwise.
            Err(error) if error.is_any(&[Errno::EPERM, Errno::EINVAL]) => {}
            result => result?,
        },
        ImplicitOwner::Exactly(uid, gid) => node.set_owner(node.owner()?, (uid, gid))?,
        ImplicitOwner::Caller => {}
    }
    if has_default_acl(parent)? {
        strip_inherited_acl(&node, &[])?;
    }
    node.set_mode(IMPLICIT_MODE)
}
