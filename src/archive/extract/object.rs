//! Making objects: files, directories, symlinks, fifos and devices, in place of whatever has their name.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, mkdirat, mknodat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::metadata::Provenance;
use super::replace::tell_what_stays;
use super::{Extraction, Input, Location, Refusal, changed_meanwhile};
use crate::error::{Called as _, Error, Result};
use crate::fs::{Name, Node, Parent, RootPath, file_type};
use crate::sys::set_len;
use crate::tar::{Data, Extents, Member};
use crate::watch::WarningKind;

impl Extraction<'_> {
    pub(super) fn make_file(
        &mut self,
        place: &Location<'_>,
        extents: &Extents,
        data: &mut Data<'_, Input>,
    ) -> Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        // Nobody else may read the content or run the file before its owner is set.
        let private = Mode::from_bits_truncate(0o600);
        let make = |name: &Name| openat(&place.parent, name, flags | OFlag::O_CLOEXEC, private);
        self.replace("create", place, make, |this, fd, name| {
            let completed = this.complete_file(place, extents, data, fd);
            if completed.is_ok() {
                return completed;
            }
            // Half a file isn't what was extracted before the failure.
            let removed = unlinkat(&place.parent, name, UnlinkatFlags::NoRemoveDir);
            tell_what_stays(name, completed, removed)
        })
    }

    fn complete_file(
        &mut self,
        place: &Location<'_>,
        extents: &Extents,
        data: &mut Data<'_, Input>,
        fd: OwnedFd,
    ) -> Result<()> {
        let file = File::from(fd);
        write_data(extents, data, &file)?;
        let node = Node::from_open(OwnedFd::from(file));
        if self.policy.own_sources_only {
            self.remember_file(place, node.identity()?)?;
        }
        let owner = place.parent.owner_of_new(&node)?;
        self.describe_made(&node, owner, place.member, self.created_in(&place.parent)?)?;
        // Some file systems tell only now that they couldn't keep the data.
        node.close()
    }

    pub(super) fn make_directory(&mut self, place: &Location<'_>) -> Result<()> {
        let (parent, name) = (&place.parent, &place.name);
        match open_directory(parent, name) {
            Ok(node) => {
                // What is mounted there has attributes of its own.
                if self.mount.is_some() && self.mount != Some(node.mount()?) {
                    return Err(Refusal::OtherMount.into());
                }
                self.describe_directory(&node, place.member, place.canonical()?, Provenance::Merged)
            }
            // It isn't there, or is something else.
            Err(error) if error.is_absent() => {
                let make = |name: &Name| mkdirat(parent, name, Mode::S_IRWXU);
                self.replace("mkdirat", place, make, |this, (), name| {
                    let (node, origin) = (open_directory(parent, name)?, this.created_in(parent)?);
                    this.describe_directory(&node, place.member, place.canonical()?, origin)
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the root itself the attributes of a member that names it.
    pub(super) fn describe_root(&mut self, member: &Member) -> Result<()> {
        let node = Node::from_path_only(self.parents.root_to_change()?);
        self.describe_directory(&node, member, RootPath::root(), Provenance::Merged)
    }

    pub(super) fn make_symlink(&mut self, place: &Location<'_>, target: &[u8]) -> Result<()> {
        let parent = &place.parent;
        let make = |name: &Name| symlinkat(target, parent, name);
        self.replace("symlinkat", place, make, |this, (), name| {
            let node = open_made(parent, name, SFlag::S_IFLNK, 0)?;
            this.describe(&node, place.member, Provenance::Symlink)
        })
    }

    pub(super) fn make_node(
        &mut self,
        place: &Location<'_>,
        kind: SFlag,
        device: u64,
    ) -> Result<()> {
        let parent = &place.parent;
        let private = Mode::from_bits_truncate(0o600);
        let make = |name: &Name| mknodat(parent, name, kind, private, device);
        self.replace("mknodat", place, make, |this, (), name| {
            let node = open_made(parent, name, kind, device)?;
            this.describe(&node, place.member, this.created_in(parent)?)
        })
    }

    /// In a user namespace the kernel doesn't let anyone make a device. What it would have replaced goes all the same,
    /// and so do hard links to it.
    pub(super) fn skip_device(&mut self, place: &Location<'_>) -> Result<()> {
        let why = "is a device, which a user namespace doesn't permit: left out";
        self.warn(WarningKind::Device, place.member, why);
        self.remove_old(place)?;
        self.skipped_devices.insert(place.canonical()?, (), 0)
    }

    fn created_in(&self, parent: &Parent) -> Result<Provenance> {
        Ok(Provenance::Created {
            inherits_acl: parent.has_default_acl()?,
        })
    }
}

/// Writes a regular file's data: extents where they belong, and holes by not writing them.
fn write_data(extents: &Extents, data: &mut Data<'_, Input>, file: &File) -> Result<()> {
    for extent in extents.iter() {
        let copied = data.source().copy_to(file, extent.offset, extent.len)?;
        data.consumed(copied);
        if copied < extent.len {
            return Err(Refusal::CutShort(extent.len - copied).into());
        }
    }
    if extents.ranges().is_some() {
        set_len(file, extents.size()).called(|| format!("ftruncate to {}", extents.size()))?;
    }
    Ok(())
}

/// Opens the directory `name`: ENOTDIR or ELOOP if it is something else.
fn open_directory(parent: &Parent, name: &Name) -> Result<Node> {
    let open = |flags| {
        let flags = flags | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(parent, name, flags, Mode::empty())
    };
    match open(OFlag::O_RDONLY) {
        Ok(fd) => Ok(Node::from_open(fd)),
        // A directory that was there before may be unreadable for an unprivileged caller who owns it.
        Err(Errno::EACCES) => open(OFlag::O_PATH)
            .map(Node::from_path_only)
            .called(|| format!("open {}", name.quoted())),
        Err(errno) => Err(Error::system(format!("open {}", name.quoted()), errno)),
    }
}

/// Holds the object that was made a moment ago, unless somebody has put another in its place, which must not get the
/// member's owner and mode.
fn open_made(parent: &Parent, name: &Name, kind: SFlag, device: u64) -> Result<Node> {
    let node = Node::open_at(parent, name)?;
    let stat = node.stat()?;
    if file_type(&stat) == kind && stat.st_rdev == device && stat.st_nlink == 1 {
        Ok(node)
    } else {
        Err(changed_meanwhile(name))
    }
}
