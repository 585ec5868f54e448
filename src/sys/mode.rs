//! Changing permissions without following.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::proc::{descriptor_path, name_missing_proc};
use super::{Handle, is_missing};

/// Sets the permission bits of the object that `handle` stands for.
///
/// With O_PATH that takes fchmodat2, which came with Linux 6.6; before it, the descriptor's name below `/proc` serves.
pub(crate) fn change_mode(handle: Handle<'_>, mode: u32) -> Result<(), Errno> {
    match handle {
        Handle::Full(fd) => {
            // SAFETY: the arguments are integers, and the descriptor is borrowed for the whole call.
            Errno::result(unsafe { libc::fchmod(fd.as_raw_fd(), mode) }).map(drop)
        }
        Handle::PathOnly(fd) => match fchmodat2(fd, mode) {
            Err(errno) if is_missing(errno) => chmod_through_proc(fd, mode),
            result => result,
        },
    }
}

fn fchmodat2(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // SAFETY: the path is a NUL-terminated literal; the other arguments are integers, and the descriptor is borrowed
    // for the whole call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_fchmodat2,
            fd.as_raw_fd(),
            c"".as_ptr(),
            mode,
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::result(result).map(drop)
}

fn chmod_through_proc(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let path = descriptor_path(fd);
    // SAFETY: `path` is a NUL-terminated string that lives until after the call.
    let result = unsafe { libc::chmod(path.as_ptr(), mode) };
    Errno::result(result).map(drop).map_err(name_missing_proc)
}
