//! Changing permissions without following.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::is_missing;
use super::proc::{descriptor_path, name_missing_proc};

/// Sets the permission bits of the object that `fd` (an O_PATH descriptor is enough) stands for.
///
/// fchmodat2 came with Linux 6.6; before it, the descriptor's name below `/proc` serves.
pub(crate) fn change_mode(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    match fchmodat2(fd, mode) {
        Err(errno) if is_missing(errno) => chmod_through_proc(fd, mode),
        result => result,
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
