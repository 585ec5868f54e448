//! How callers name a directory.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::open_directory_ambient;
use crate::error::{Called as _, Error, Result, quote};

/// A directory of the host: by a path, whose symlinks are followed, or by a descriptor, which may have been opened
/// with O_PATH and stays the caller's.
#[derive(Clone, Copy, Debug)]
pub enum Directory<'d> {
    /// By its path.
    Path(&'d Path),
    /// By a descriptor.
    Descriptor(BorrowedFd<'d>),
}

impl Directory<'_> {
    /// Opens the directory; `what` is the argument's name in messages.
    pub(crate) fn open_ambient(self, what: &str) -> Result<OwnedFd> {
        match self {
            Directory::Path(path) => open_directory_ambient(path, what),
            Directory::Descriptor(fd) => {
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                openat(fd.as_fd(), ".", flags, Mode::empty()).called(|| what)
            }
        }
    }

    /// The directory as messages name it; `what` is the argument's name.
    pub(crate) fn named(self, what: &str) -> String {
        match self {
            Directory::Path(path) => format!("{what} {}", quote(path.as_os_str().as_bytes())),
            Directory::Descriptor(_) => what.to_owned(),
        }
    }

    /// EINVAL for a path that isn't absolute. A relative one, or an empty one, would quietly mean some other directory;
    /// a descriptor means what it means.
    pub(crate) fn check_absolute(self, what: &str) -> Result<()> {
        match self {
            Directory::Path(path) if !path.is_absolute() => {
                Err(Error::argument(what, "is not an absolute path"))
            }
            _ => Ok(()),
        }
    }
}

/// A [`Directory`] that is remembered: a path that is opened later, or a descriptor that is held.
#[derive(Clone, Debug)]
pub enum DirectoryBuf {
    /// By its path.
    Path(PathBuf),
    /// By a descriptor of its own.
    Descriptor(Arc<OwnedFd>),
}

impl DirectoryBuf {
    /// Remembers a directory; a descriptor is duplicated, and the caller's stays the caller's.
    ///
    /// # Errors
    ///
    /// EMFILE if there is no descriptor left.
    pub fn new<'d>(directory: impl Into<Directory<'d>>) -> Result<Self> {
        match directory.into() {
            Directory::Path(path) => Ok(Self::Path(path.to_owned())),
            Directory::Descriptor(fd) => {
                let fd = fd.try_clone_to_owned();
                let fd = fd.map_err(|error| Error::io("dup", error))?;
                Ok(Self::Descriptor(Arc::new(fd)))
            }
        }
    }

    /// The directory.
    #[must_use]
    pub fn get(&self) -> Directory<'_> {
        match self {
            DirectoryBuf::Path(path) => Directory::Path(path),
            DirectoryBuf::Descriptor(fd) => Directory::Descriptor(fd.as_fd()),
        }
    }
}

impl<'d> From<&'d Path> for Directory<'d> {
    fn from(path: &'d Path) -> Self {
        Directory::Path(path)
    }
}

impl<'d> From<&'d PathBuf> for Directory<'d> {
    fn from(path: &'d PathBuf) -> Self {
        Directory::Path(path)
    }
}

impl<'d> From<&&'d Path> for Directory<'d> {
    fn from(path: &&'d Path) -> Self {
        Directory::Path(path)
    }
}

impl<'d> From<&'d OsStr> for Directory<'d> {
    fn from(path: &'d OsStr) -> Self {
        Directory::Path(Path::new(path))
    }
}

impl<'d> From<&'d str> for Directory<'d> {
    fn from(path: &'d str) -> Self {
        Directory::Path(Path::new(path))
    }
}

impl<'d> From<BorrowedFd<'d>> for Directory<'d> {
    fn from(fd: BorrowedFd<'d>) -> Self {
        Directory::Descriptor(fd)
    }
}

impl<'d> From<&'d OwnedFd> for Directory<'d> {
    fn from(fd: &'d OwnedFd) -> Self {
        Directory::Descriptor(fd.as_fd())
    }
}
