//! The names of open descriptors below `/proc`.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, access};

/// Where the thread's descriptors have names.
const DESCRIPTORS: &str = "/proc/thread-self/fd";

/// The name below `/proc` that leads to the object of an open descriptor, a symlink's own inode included.
///
/// A call given this name acts on the object itself: the kernel jumps to it without resolving any path that someone
/// else could change meanwhile, and doesn't go on following when the object is a symlink.
pub(crate) fn descriptor_path(fd: BorrowedFd<'_>) -> CString {
    // A decimal number holds no NUL, so the conversion can't fail.
    CString::new(format!("{DESCRIPTORS}/{}", fd.as_raw_fd())).unwrap_or_default()
}

/// Opens the object of an open descriptor again, with other flags.
pub(crate) fn reopen(fd: impl AsFd, flags: OFlag) -> Result<OwnedFd, Errno> {
    let path = descriptor_path(fd.as_fd());
    open(path.as_c_str(), flags | OFlag::O_CLOEXEC, Mode::empty()).map_err(name_missing_proc)
}

/// The names of this thread's open descriptors, for whoever opens many objects again.
pub(crate) struct Descriptors(OwnedFd);

impl Descriptors {
    /// Opens the directory that has them.
    pub(crate) fn open() -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(DESCRIPTORS, flags, Mode::empty())
            .map(Self)
            .map_err(name_missing_proc)
    }

    /// The same as [`reopen`], with fewer names to look up.
    pub(crate) fn reopen(&self, fd: impl AsFd, flags: OFlag) -> Result<OwnedFd, Errno> {
        let name = fd.as_fd().as_raw_fd().to_string();
        openat(
            &self.0,
            name.as_str(),
            flags | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(name_missing_proc)
    }
}

/// Without `/proc` the names of descriptors don't exist; ENOSYS tells that apart from an object that is gone.
pub(super) fn name_missing_proc(errno: Errno) -> Errno {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR if !has_proc() => Errno::ENOSYS,
        other => other,
    }
}

fn has_proc() -> bool {
    access(DESCRIPTORS, AccessFlags::F_OK).is_ok()
}
