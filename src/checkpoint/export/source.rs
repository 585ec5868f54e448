//! How callers name a file.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::{Mode, SFlag};

use super::Refusal;
use crate::archive::OpenFile;
use crate::error::{Called as _, Error, Result, quote};
use crate::fs::{Node, file_type};

/// A regular file of the host: by a path, whose symlinks are followed, or by a descriptor, which stays the caller's
/// with its offset. The whole file is meant, wherever the offset is.
#[derive(Clone, Copy, Debug)]
pub enum FileSource<'f> {
    /// By its path.
    Path(&'f Path),
    /// By a descriptor.
    Descriptor(BorrowedFd<'f>),
}

impl<'f> From<&'f Path> for FileSource<'f> {
    fn from(path: &'f Path) -> Self {
        FileSource::Path(path)
    }
}

impl<'f> From<&'f PathBuf> for FileSource<'f> {
    fn from(path: &'f PathBuf) -> Self {
        FileSource::Path(path)
    }
}

impl<'f> From<&'f str> for FileSource<'f> {
    fn from(path: &'f str) -> Self {
        FileSource::Path(Path::new(path))
    }
}

impl<'f> From<BorrowedFd<'f>> for FileSource<'f> {
    fn from(fd: BorrowedFd<'f>) -> Self {
        FileSource::Descriptor(fd)
    }
}

impl<'f> From<&'f OwnedFd> for FileSource<'f> {
    fn from(fd: &'f OwnedFd) -> Self {
        FileSource::Descriptor(fd.as_fd())
    }
}

impl<'f> From<&'f File> for FileSource<'f> {
    fn from(file: &'f File) -> Self {
        FileSource::Descriptor(file.as_fd())
    }
}

impl FileSource<'_> {
    /// Opens the file for reading. What isn't a regular file is EINVAL, and isn't opened.
    pub(super) fn open_ambient(self) -> Result<OpenFile> {
        match self {
            FileSource::Path(path) => open_path(path),
            FileSource::Descriptor(fd) => open_descriptor(fd),
        }
    }
}

fn open_path(path: &Path) -> Result<OpenFile> {
    let call = || format!("open {}", quote(path.as_os_str().as_bytes()));
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let node = Node::from_path_only(open(path, flags, Mode::empty()).called(call)?);
    check_regular(&node)?;
    let fd = node.reopen(OFlag::O_RDONLY)?;
    Ok(OpenFile::own(File::from(fd)))
}

fn open_descriptor(fd: BorrowedFd<'_>) -> Result<OpenFile> {
    let copy = || {
        fd.try_clone_to_owned()
            .map_err(|error| Error::io("dup", error))
    };
    let node = Node::from_path_only(copy()?);
    check_regular(&node)?;
    let flags = fcntl(fd, FcntlArg::F_GETFL).called(|| "fcntl")?;
    let flags = OFlag::from_bits_retain(flags);
    match node.reopen(OFlag::O_RDONLY) {
        Ok(fd) => Ok(OpenFile::own(File::from(fd))),
        // Whoever opened it might, and this process mightn't: then the caller's description has to do.
        Err(error) => match flags & (OFlag::O_PATH | OFlag::O_ACCMODE) {
            OFlag::O_RDONLY | OFlag::O_RDWR => copy().map(|fd| OpenFile::shared(File::from(fd))),
            _ => Err(error),
        },
    }
}

fn check_regular(node: &Node) -> Result<()> {
    if file_type(&node.stat()?) == SFlag::S_IFREG {
        Ok(())
    } else {
        Err(Refusal::NotRegular.into())
    }
}
