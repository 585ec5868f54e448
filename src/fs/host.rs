//! The few host paths that callers name, and the files beside them that an archive may have put there.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::node::{Node, file_type, is_directory};
use super::{Name, Place};
use crate::error::{self, Called as _, Error, Kind, Result};

/// Opens the file that a caller named for reading, symlinks followed, without waiting for anything: neither a fifo's
/// writer nor a device. A directory is EISDIR. The message doesn't name the file.
pub(crate) fn open_input_ambient(place: Place<'_>) -> Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let fd = place.open_unnamed_ambient(flags)?;
    if is_directory(&fstat(&fd).called(|| "fstat")?) {
        return Err(Error::system("open", Errno::EISDIR));
    }
    Ok(File::from(fd))
}

/// Opens the regular file `name` in `directory` for reading; `None` if it isn't there.
///
/// The directory's content may come from an archive: a symlink (ELOOP) isn't followed, a fifo doesn't block, a device
/// isn't opened.
pub(crate) fn open_regular_at(directory: impl AsFd, name: &Name) -> Result<Option<File>> {
    let Some(node) = find_regular(directory, name)? else {
        return Ok(None);
    };
    node.reopen(OFlag::O_RDONLY).map(|fd| Some(File::from(fd)))
}

/// Makes the regular file `name` in `directory` with mode 0600 less the umask, or empties the one that is there; what
/// else may be there is treated as [`open_regular_at`] does.
pub(crate) fn create_empty_at(directory: impl AsFd, name: &Name) -> Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let create = || {
        openat(
            &directory,
            name,
            flags | OFlag::O_CLOEXEC,
            Mode::from_bits_truncate(0o600),
        )
        .called(|| format!("create {}", name.quoted()))
    };
    match create() {
        Err(error) if error.is(Errno::EEXIST) => {}
        result => return result.map(File::from),
    }
    match find_regular(&directory, name)? {
        Some(node) => node
            .reopen(OFlag::O_WRONLY | OFlag::O_TRUNC)
            .map(File::from),
        // Removed since; who races on goes on to be an error.
        None => create().map(File::from),
    }
}

/// A symlink leads to any file of the host, opening a fifo waits for ever, and opening a device has effects.
#[derive(Debug, thiserror::Error)]
#[error("{0} is {1}, not a regular file")]
struct NotRegular(String, &'static str, Errno);

impl error::Refusal for NotRegular {
    fn kind(&self) -> Kind {
        Kind::Forbidden
    }

    fn errno(&self) -> Errno {
        self.2
    }
}

/// Holds the regular file `name` without opening it; anything else of that name is an error.
fn find_regular(directory: impl AsFd, name: &Name) -> Result<Option<Node>> {
    let Some(node) = Node::find_at(directory, name)? else {
        return Ok(None);
    };
    let refused = |what, errno| Err(NotRegular(name.quoted(), what, errno).into());
    match file_type(&node.stat()?) {
        SFlag::S_IFREG => Ok(Some(node)),
        SFlag::S_IFDIR => Err(Error::system(
            format!("open {}", name.quoted()),
            Errno::EISDIR,
        )),
        SFlag::S_IFLNK => refused("a symlink", Errno::ELOOP),
        SFlag::S_IFIFO => refused("a fifo", Errno::EPERM),
        SFlag::S_IFSOCK => refused("a socket", Errno::EPERM),
        _ => refused("a device", Errno::EPERM),
    }
}
