//! The few host paths that callers name, and the files beside them that an archive may have put there.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};

use super::node::{Node, file_type, is_directory};
use super::{Name, Root, RootPath, open_directory_ambient};
use crate::error::{Called as _, Context as _, Error, Kind, Result, quote};

/// Opens the file that a caller named for reading, symlinks followed. A directory is EISDIR.
pub(crate) fn open_input_ambient(path: &Path) -> Result<File> {
    let call = || format!("open {}", quote(path.as_os_str().as_bytes()));
    let fd = open(
        path,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY,
        Mode::empty(),
    )
    .called(call)?;
    if is_directory(&fstat(&fd).called(|| "fstat")?) {
        return Err(Error::system(call(), Errno::EISDIR));
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

/// Holds the regular file `name` without opening it; anything else of that name is an error.
fn find_regular(directory: impl AsFd, name: &Name) -> Result<Option<Node>> {
    let Some(node) = Node::find_at(directory, name)? else {
        return Ok(None);
    };
    let refused = |why: &str, errno| {
        Error::new(
            Kind::Escape,
            format!("{} is {why}, not a regular file", name.quoted()),
        )
        .with_errno(errno)
    };
    match file_type(&node.stat()?) {
        SFlag::S_IFREG => Ok(Some(node)),
        SFlag::S_IFDIR => Err(Error::system(
            format!("open {}", name.quoted()),
            Errno::EISDIR,
        )),
        SFlag::S_IFLNK => Err(refused("a symlink", Errno::ELOOP)),
        SFlag::S_IFIFO => Err(refused("a fifo", Errno::EPERM)),
        SFlag::S_IFSOCK => Err(refused("a socket", Errno::EPERM)),
        _ => Err(refused("a device", Errno::EPERM)),
    }
}

/// Opens the directory `path`, cleaned lexically, as a root, and makes it first if it is missing and absolute: all
/// missing components with mode 0755 less the umask, owner 0:0 where the caller may.
pub(crate) fn create_directory_ambient(path: &Path, what: &str) -> Result<Root> {
    if !path.is_absolute() {
        return open_directory_ambient(path, what).map(Root::new);
    }
    let clean = RootPath::clean(path.as_os_str().as_bytes())?;
    let mut at = open_directory_ambient(Path::new("/"), what)?;
    for name in clean.components().filter_map(Name::new) {
        let call = || format!("{what} {}", quote(path.as_os_str().as_bytes()));
        at = match open_trusted_at(&at, &name) {
            Err(Errno::ENOENT) => create_one(&at, &name).context(call)?,
            result => result.called(call)?,
        };
    }
    Ok(Root::new(at))
}

/// Opens a directory on the host, a symlink followed: whoever named the path trusts it.
fn open_trusted_at(parent: &OwnedFd, name: &Name) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn create_one(parent: &OwnedFd, name: &Name) -> Result<OwnedFd> {
    let made = match mkdirat(parent, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) => true,
        // Somebody else made it at the same time.
        Err(Errno::EEXIST) => false,
        Err(errno) => return Err(Error::system(format!("mkdirat {}", name.quoted()), errno)),
    };
    let directory = open_trusted_at(parent, name).called(|| format!("open {}", name.quoted()))?;
    if made {
        let node = Node::dot(&directory)?;
        match node.set_owner(&node.stat()?, 0, 0) {
            Err(error) if error.is_any(&[Errno::EPERM, Errno::EINVAL]) => {}
            result => result?,
        }
    }
    Ok(directory)
}
