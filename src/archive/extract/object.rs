//! Making objects: files, directories, symlinks, fifos and devices, in place of whatever has their name.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, makedev, mkdirat, mknodat};
use nix::unistd::symlinkat;

use super::metadata::Origin;
use super::{Extraction, Input, Place, changed_meanwhile};
use crate::error::{Called as _, Error, Kind, Result};
use crate::fs::{KeepNothing, Name, Node, Parent, RootPath, file_type, remove_tree};
use crate::tar::{Data, Extent, Member};

/// How often an object that is in the way is removed. Somebody who puts it back each time wins after as many turns.
const REPLACE_ATTEMPTS: u32 = 16;

impl Extraction<'_> {
    pub(super) fn make_file(
        &mut self,
        place: &Place<'_>,
        data: &mut Data<'_, Input>,
    ) -> Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        // Nobody else may read the content or run the file before its owner is set.
        let private = Mode::from_bits_truncate(0o600);
        let fd = self.replace("create", &place.parent, &place.name, || {
            openat(
                &place.parent,
                &place.name,
                flags | OFlag::O_CLOEXEC,
                private,
            )
        })?;
        let file = File::from(fd);
        write_data(place.member, data, &file)?;
        let node = Node::from_open(OwnedFd::from(file));
        self.remember_file(node.identity()?)?;
        self.describe(&node, place.member, self.created_in(&place.parent)?)
    }

    pub(super) fn make_directory(&mut self, place: &Place<'_>) -> Result<()> {
        let (parent, name) = (&place.parent, &place.name);
        let make = || mkdirat(parent, name, Mode::S_IRWXU);
        let (node, origin) = match make() {
            Ok(()) => (open_directory(parent, name)?, self.created_in(parent)?),
            Err(Errno::EEXIST) => match open_directory(parent, name) {
                Ok(node) => (node, Origin::Merged),
                Err(error) if error.is(Errno::ENOTDIR) || error.is(Errno::ELOOP) => {
                    self.replace("mkdirat", parent, name, make)?;
                    (open_directory(parent, name)?, self.created_in(parent)?)
                }
                Err(error) => return Err(error),
            },
            Err(errno) => return Err(Error::system(format!("mkdirat {}", name.quoted()), errno)),
        };
        self.describe_directory(&node, place.member, &place.path, origin)
    }

    /// Gives the root itself the attributes of a member that names it.
    pub(super) fn describe_root(&mut self, member: &Member) -> Result<()> {
        let node = Node::from_path_only(self.root.directory(&RootPath::root())?);
        self.describe_directory(&node, member, &RootPath::root(), Origin::Merged)
    }

    pub(super) fn make_symlink(&mut self, place: &Place<'_>) -> Result<()> {
        let (parent, name) = (&place.parent, &place.name);
        let target = place.member.link.as_slice();
        self.replace("symlinkat", parent, name, || {
            symlinkat(target, parent, name)
        })?;
        self.parents.forget();
        let node = open_made(parent, name, SFlag::S_IFLNK)?;
        self.describe(&node, place.member, Origin::Symlink)
    }

    pub(super) fn make_node(&mut self, place: &Place<'_>, kind: SFlag) -> Result<()> {
        let (parent, name, member) = (&place.parent, &place.name, place.member);
        let device = match kind {
            SFlag::S_IFIFO => 0,
            _ => makedev(u64::from(member.major), u64::from(member.minor)),
        };
        let private = Mode::from_bits_truncate(0o600);
        self.replace("mknodat", parent, name, || {
            mknodat(parent, name, kind, private, device)
        })?;
        let node = open_made(parent, name, kind)?;
        self.describe(&node, member, self.created_in(parent)?)
    }

    /// Calls `make` for the object `name`, and removes what has that name if there is something.
    pub(super) fn replace<T>(
        &mut self,
        call: &str,
        parent: &Parent,
        name: &Name,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T> {
        for _ in 0..REPLACE_ATTEMPTS {
            match make() {
                Err(Errno::EEXIST) => remove_tree(parent, name, &KeepNothing)?,
                result => return result.called(|| format!("{call} {}", name.quoted())),
            }
            self.parents.forget();
        }
        Err(Error::system(
            format!("{call} {}", name.quoted()),
            Errno::EEXIST,
        ))
    }

    fn created_in(&self, parent: &Parent) -> Result<Origin> {
        Ok(Origin::Created {
            inherits_acl: parent.has_default_acl()?,
        })
    }
}

/// Writes a regular file's data: extents where they belong, and holes by not writing them.
fn write_data(member: &Member, data: &mut Data<'_, Input>, file: &File) -> Result<()> {
    let whole = [Extent {
        offset: 0,
        len: member.size,
    }];
    for extent in member.sparse.as_deref().unwrap_or(&whole) {
        let copied = data.source().copy_to(file, extent.offset, extent.len)?;
        data.consumed(copied);
        if copied < extent.len {
            let missing = extent.len - copied;
            let why = format!("archive is cut short: {missing} bytes of data are missing");
            return Err(Error::new(Kind::Malformed, why));
        }
    }
    if member.sparse.is_some() {
        file.set_len(member.size)
            .map_err(|error| Error::io(format!("ftruncate to {}", member.size), error))?;
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

/// Holds the object that was made a moment ago, unless it is of another type by now.
fn open_made(parent: &Parent, name: &Name, kind: SFlag) -> Result<Node> {
    let node = Node::open_at(parent, name)?;
    if file_type(&node.stat()?) == kind {
        Ok(node)
    } else {
        Err(changed_meanwhile(name))
    }
}
