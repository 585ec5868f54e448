//! A directory that paths may not leave.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;
use once_cell::sync::OnceCell;
use pathrs::error::ErrorKind;
use pathrs::flags::ResolverFlags;

use super::Place;
use super::RootPath;
use crate::error::{Called as _, Error, Kind, Result};
use crate::sys;

/// How often a resolution that lost a race against a rename is tried again. The kernel asks for it only when a
/// `..` in a symlink met a rename anywhere on the system, so an attacker can force no more than this many turns.
const RACE_RETRIES: usize = 128;

/// An open directory below which paths are resolved as chroot(2) would: absolute symlinks and `..` stay inside.
pub(crate) struct Root(OwnedFd);

impl Root {
    /// Takes an open directory for a root.
    pub(crate) fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// An O_PATH descriptor of the directory `path`, every symlink on the way and the last one followed inside
    /// the root.
    pub(crate) fn directory(&self, path: &RootPath) -> Result<OwnedFd> {
        self.open(path, Links::Followed)
    }

    /// Like [`Root::directory`], but ELOOP if there is any symlink on the way or at the end.
    pub(crate) fn directory_without_links(&self, path: &RootPath) -> Result<OwnedFd> {
        self.open(path, Links::Refused)
    }

    fn open(&self, path: &RootPath, links: Links) -> Result<OwnedFd> {
        if path.is_root() {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            return openat(&self.0, ".", flags, Mode::empty()).called(|| "open the root");
        }
        let relative = path.as_os_str();
        if openat2_works() {
            let fd = self.resolve_in_kernel(relative, links);
            return fd.called(|| format!("openat2 {}", path.quoted()));
        }
        self.resolve_in_steps(relative, path, links)
    }

    fn resolve_in_kernel(&self, path: &OsStr, links: Links) -> Result<OwnedFd, Errno> {
        let resolve = match links {
            Links::Followed => ResolveFlag::empty(),
            Links::Refused => ResolveFlag::RESOLVE_NO_SYMLINKS,
        };
        let how = || {
            OpenHow::new()
                .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
                .resolve(
                    resolve | ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS,
                )
        };
        let mut result = openat2(&self.0, path, how());
        for _ in 0..RACE_RETRIES {
            if !matches!(result, Err(Errno::EAGAIN)) {
                break;
            }
            result = openat2(&self.0, path, how());
        }
        result
    }

    /// Where openat2 is missing or blocked, libpathrs walks the path with O_PATH descriptors, one component a step.
    fn resolve_in_steps(&self, relative: &OsStr, path: &RootPath, links: Links) -> Result<OwnedFd> {
        let call = || format!("resolve {}", path.quoted());
        let flags = match links {
            Links::Followed => ResolverFlags::empty(),
            Links::Refused => ResolverFlags::NO_SYMLINKS,
        };
        let root = pathrs::RootRef::from_fd(self.0.as_fd()).with_resolver_flags(flags);
        let mut result = root.resolve(Path::new(relative));
        // A directory that is renamed meanwhile isn't where it was found, which looks like an escape.
        for _ in 0..RACE_RETRIES {
            match &result {
                Err(error) if matches!(error.kind(), ErrorKind::SafetyViolation) => {}
                _ => break,
            }
            result = root.resolve(Path::new(relative));
        }
        let handle = result.map_err(|error| match error.kind() {
            ErrorKind::OsError(Some(code)) => Error::system(call(), Errno::from_raw(code)),
            ErrorKind::SafetyViolation => Error::new(Kind::Escape, format!("{}: {error}", call())),
            _ => Error::new(Kind::Unsupported, format!("{}: {error}", call())),
        })?;
        // The dot makes the kernel check that it is a directory.
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(&handle, ".", flags, Mode::empty()).called(call)
    }
}

/// What a resolution does with symlinks.
#[derive(Clone, Copy)]
enum Links {
    Followed,
    Refused,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the kernel has openat2 and lets this process use it; asked once.
pub(crate) fn openat2_works() -> bool {
    static WORKS: OnceCell<bool> = OnceCell::new();
    *WORKS.get_or_init(|| {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        match openat2(nix::fcntl::AT_FDCWD, "/", how) {
            Ok(_) => true,
            Err(errno) => !sys::is_missing(errno),
        }
    })
}

/// Opens the directory that the host path `path` names, symlinks followed; `what` is the argument's name in messages.
pub(crate) fn open_directory_ambient(path: &Path, what: &str) -> Result<OwnedFd> {
    Place::from(path).open_directory_ambient(what)
}
