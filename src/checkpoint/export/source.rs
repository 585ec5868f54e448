//! Files of the host that go into an export under a name of their own.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::BorrowedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::SFlag;

use super::Refusal;
use crate::archive::OpenFile;
use crate::error::{Called as _, Result};
use crate::fs::{Node, Place, file_type};

/// Opens a regular file of the host for reading. A descriptor stays the caller's with its offset: the whole file is
/// meant, wherever that is. What isn't a regular file is EINVAL, and isn't opened.
pub(super) fn open_source_ambient(place: Place<'_>) -> Result<OpenFile> {
    match place.descriptor() {
        Some(fd) => open_descriptor(fd),
        None => open_path(place),
    }
}

fn open_path(place: Place<'_>) -> Result<OpenFile> {
    let node = Node::from_path_only(place.open_ambient("file", OFlag::O_PATH)?);
    check_regular(&node)?;
    let fd = node.reopen(OFlag::O_RDONLY)?;
    Ok(OpenFile::own(File::from(fd)))
}

fn open_descriptor(fd: BorrowedFd<'_>) -> Result<OpenFile> {
    let copy = || fd.try_clone_to_owned().called(|| "dup");
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
