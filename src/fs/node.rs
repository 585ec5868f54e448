//! One open object of a file system, whatever its type.

#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{Gid, Uid, close, fchownat};

use super::{Identity, Name};
use crate::error::{Called as _, Result};
use crate::sys::{self, Handle, Status, Timestamp};

/// How many bytes of an attribute, or of a list of them, are asked for at first.
const SMALL: usize = 256;

/// A user id and a group id.
pub(crate) type Owner = (u32, u32);

/// An object held by a descriptor. Everything acts on the object itself: neither a symlink nor somebody who renames
/// things meanwhile leads it elsewhere.
pub(crate) struct Node {
    fd: OwnedFd,
    path_only: bool,
}

impl Node {
    /// Holds the object `name` in `parent` without opening it; a symlink is not followed, a fifo doesn't block.
    pub(crate) fn open_at(parent: impl AsFd, name: &Name) -> Result<Self> {
        Self::try_open_at(parent, name).called(|| format!("open {}", name.quoted()))
    }

    /// Like [`Node::open_at`]; what isn't there, or is below something that is no directory, is `None`.
    pub(crate) fn find_at(parent: impl AsFd, name: &Name) -> Result<Option<Self>> {
        match Self::try_open_at(parent, name) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            result => result
                .map(Some)
                .called(|| format!("open {}", name.quoted())),
        }
    }

    fn try_open_at(parent: impl AsFd, name: &Name) -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(parent, name, flags, Mode::empty()).map(Self::from_path_only)
    }

    /// Holds the directory that `directory` is open on.
    pub(crate) fn dot(directory: impl AsFd) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(directory, ".", flags, Mode::empty())
            .map(Self::from_path_only)
            .called(|| "open directory")
    }

    /// Takes a descriptor that was opened with O_PATH.
    pub(crate) fn from_path_only(fd: OwnedFd) -> Self {
        Self {
            fd,
            path_only: true,
        }
    }

    /// Takes a descriptor that was opened for reading or writing.
    pub(crate) fn from_open(fd: OwnedFd) -> Self {
        Self {
            fd,
            path_only: false,
        }
    }

    pub(crate) fn stat(&self) -> Result<FileStat> {
        fstat(&self.fd).called(|| "fstat")
    }

    /// What it is, which mount it is on and when it was made, in one call.
    pub(crate) fn status(&self) -> Result<Status> {
        sys::status(self.fd.as_fd()).called(|| "statx")
    }

    /// The number of the mount that it is on.
    pub(crate) fn mount(&self) -> Result<u64> {
        sys::mount_id(self.fd.as_fd()).called(|| "statx")
    }

    pub(crate) fn identity(&self) -> Result<Identity> {
        Identity::of(&self.fd)
    }

    /// The same object, opened for reading.
    ///
    /// Only sensible for regular files and directories: reopening a device would act on it.
    pub(crate) fn reopen(&self, flags: OFlag) -> Result<OwnedFd> {
        sys::reopen(&self.fd, flags).called(|| "open through /proc/thread-self/fd")
    }

    pub(crate) fn owner(&self) -> Result<Owner> {
        self.stat().map(|stat| (stat.st_uid, stat.st_gid))
    }

    /// Changes the owner, unless the one it has is right already.
    pub(crate) fn set_owner(&self, has: Owner, (uid, gid): Owner) -> Result<()> {
        if has == (uid, gid) {
            return Ok(());
        }
        let (owner, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        fchownat(
            &self.fd,
            c"",
            Some(owner),
            Some(group),
            AtFlags::AT_EMPTY_PATH,
        )
        .called(|| format!("fchownat to {uid}:{gid}"))
    }

    /// Sets the permission bits, setuid, setgid and sticky included. Not for symlinks, which have none.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        sys::change_mode(self.handle(), mode).called(|| format!("chmod to {mode:04o}"))
    }

    pub(crate) fn set_times(&self, accessed: Timestamp, modified: Timestamp) -> Result<()> {
        sys::set_times(self.handle(), accessed, modified).called(|| "utimensat")
    }

    pub(crate) fn set_xattr(&self, name: &CStr, value: &[u8]) -> Result<(), Errno> {
        sys::set_xattr(self.handle(), name, value)
    }

    pub(crate) fn remove_xattr(&self, name: &CStr) -> Result<(), Errno> {
        sys::remove_xattr(self.handle(), name)
    }

    /// The names of all extended attributes that the caller may see, sorted; none where there is no support for any.
    pub(crate) fn xattr_names(&self) -> Result<Vec<CString>> {
        let list = match read_growing(|buffer| sys::list_xattrs(self.handle(), buffer)) {
            Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
            result => result.called(|| "listxattr")?,
        };
        let names = list
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty());
        let mut names: Vec<CString> = names.filter_map(|name| CString::new(name).ok()).collect();
        names.sort();
        Ok(names)
    }

    /// The value of the extended attribute `name`; `None` if it isn't there.
    pub(crate) fn xattr(&self, name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
        match read_growing(|buffer| sys::get_xattr(self.handle(), name, buffer)) {
            Err(Errno::ENODATA) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Closes the descriptor, and tells what close(2) says: see [`check_close`](super::check_close).
    pub(crate) fn close(self) -> Result<()> {
        close(self.fd).called(|| "close")
    }

    fn handle(&self) -> Handle<'_> {
        if self.path_only {
            Handle::PathOnly(self.fd.as_fd())
        } else {
            Handle::Full(self.fd.as_fd())
        }
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Node> for OwnedFd {
    fn from(node: Node) -> Self {
        node.fd
    }
}

/// What the object `name` in `parent` is, itself and not what it leads to; nothing if it isn't there.
pub(crate) fn stat_at(parent: impl AsFd, name: &Name) -> Result<Option<FileStat>> {
    let flags = AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_NO_AUTOMOUNT;
    match fstatat(parent, name, flags) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        result => result
            .map(Some)
            .called(|| format!("fstatat {}", name.quoted())),
    }
}

/// An O_PATH descriptor of the directory `name` in `parent`; ENOTDIR or ELOOP if it is something else.
pub(super) fn open_directory_at(parent: impl AsFd, name: &Name) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// The file type bits of a mode.
pub(crate) fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

/// Whether the object is a directory.
pub(crate) fn is_directory(stat: &FileStat) -> bool {
    file_type(stat) == SFlag::S_IFDIR
}

/// Calls `read` with a buffer that most fit into, and with a large enough one if need be: asks for the size, and again
/// if it grew meanwhile. Linux caps attributes and their lists at 64 KiB, so that they can't grow for more than a few
/// turns.
fn read_growing(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; SMALL];
    match read(&mut small) {
        Err(Errno::ERANGE) => {}
        result => return Ok(small[..result?].to_vec()),
    }
    for _ in 0..16 {
        let needed = read(&mut [])?;
        let mut buffer = vec![0; needed];
        if needed == 0 {
            return Ok(buffer);
        }
        match read(&mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            Err(Errno::ERANGE) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::ERANGE)
}
