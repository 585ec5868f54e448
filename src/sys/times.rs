//! Setting access and modification times without following.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::Handle;
use super::proc::{descriptor_path, name_missing_proc};

/// A point in time: seconds since the epoch, and 0 to 999,999,999 nanoseconds after them.
pub(crate) type Timestamp = libc::timespec;

/// Sets the times of the object that `handle` stands for.
pub(crate) fn set_times(
    handle: Handle<'_>,
    accessed: Timestamp,
    modified: Timestamp,
) -> Result<(), Errno> {
    let times = [accessed, modified];
    match handle {
        Handle::Full(fd) => {
            // SAFETY: `times` is an array of two that lives until after the call.
            Errno::result(unsafe { libc::futimens(fd.as_raw_fd(), times.as_ptr()) }).map(drop)
        }
        Handle::PathOnly(fd) => with_empty_path(fd, &times),
    }
}

/// utimensat takes an empty path since Linux 5.8; before, the descriptor's name below `/proc` serves.
fn with_empty_path(fd: BorrowedFd<'_>, times: &[Timestamp; 2]) -> Result<(), Errno> {
    // SAFETY: the path is a NUL-terminated literal and `times` an array of two that lives until after the call.
    let result = unsafe {
        libc::utimensat(
            fd.as_raw_fd(),
            c"".as_ptr(),
            times.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    match Errno::result(result) {
        Err(Errno::EINVAL | Errno::ENOENT) => through_proc(fd, times),
        result => result.map(drop),
    }
}

fn through_proc(fd: BorrowedFd<'_>, times: &[Timestamp; 2]) -> Result<(), Errno> {
    let path = descriptor_path(fd);
    // SAFETY: `path` is a NUL-terminated string and `times` an array of two; both live until after the call.
    let result = unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) };
    Errno::result(result).map(drop).map_err(name_missing_proc)
}
