//! Extended attributes of an open object, symlinks and devices included.
//!
//! The f… calls want a real descriptor. Linux has no call that takes an O_PATH one (setxattrat and its kin refuse it
//! with an empty path), so there the descriptor's name below `/proc` serves.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::proc::{descriptor_path, name_missing_proc};

/// A descriptor, and whether it is good for more than O_PATH's few calls.
#[derive(Clone, Copy)]
pub(crate) enum Handle<'fd> {
    /// Opened for reading or writing.
    Full(BorrowedFd<'fd>),
    /// Opened with O_PATH.
    PathOnly(BorrowedFd<'fd>),
}

/// Sets the attribute `name`, made or replaced.
pub(crate) fn set_xattr(handle: Handle<'_>, name: &CStr, value: &[u8]) -> Result<(), Errno> {
    let (name, pointer, len) = (name.as_ptr(), value.as_ptr().cast(), value.len());
    match handle {
        Handle::Full(fd) => {
            // SAFETY: `name` is NUL-terminated and `value` readable for `len` bytes; both are borrowed for the call.
            let result = unsafe { libc::fsetxattr(fd.as_raw_fd(), name, pointer, len, 0) };
            Errno::result(result).map(drop)
        }
        Handle::PathOnly(fd) => {
            let path = descriptor_path(fd);
            // SAFETY: both strings are NUL-terminated and `value` is readable for `len` bytes; all outlive the call.
            let result = unsafe { libc::setxattr(path.as_ptr(), name, pointer, len, 0) };
            Errno::result(result).map(drop).map_err(name_missing_proc)
        }
    }
}

/// Reads the attribute `name` into `buffer`; returns the number of bytes, or those needed if `buffer` is empty.
pub(crate) fn get_xattr(
    handle: Handle<'_>,
    name: &CStr,
    buffer: &mut [u8],
) -> Result<usize, Errno> {
    let (name, pointer, len) = (name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len());
    match handle {
        Handle::Full(fd) => {
            // SAFETY: `name` is NUL-terminated and `buffer` writable for `len` bytes; both are borrowed for the call.
            count(unsafe { libc::fgetxattr(fd.as_raw_fd(), name, pointer, len) })
        }
        Handle::PathOnly(fd) => {
            let path = descriptor_path(fd);
            // SAFETY: both strings are NUL-terminated and `buffer` is writable for `len` bytes; all outlive the call.
            count(unsafe { libc::getxattr(path.as_ptr(), name, pointer, len) })
                .map_err(name_missing_proc)
        }
    }
}

/// Reads the NUL-terminated names into `buffer`; returns the number of bytes, or those needed if `buffer` is empty.
pub(crate) fn list_xattrs(handle: Handle<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (pointer, len) = (buffer.as_mut_ptr().cast::<libc::c_char>(), buffer.len());
    match handle {
        // SAFETY: `buffer` is borrowed for the call and writable for `len` bytes.
        Handle::Full(fd) => count(unsafe { libc::flistxattr(fd.as_raw_fd(), pointer, len) }),
        Handle::PathOnly(fd) => {
            let path = descriptor_path(fd);
            // SAFETY: `path` is NUL-terminated and `buffer` writable for `len` bytes; both outlive the call.
            count(unsafe { libc::listxattr(path.as_ptr(), pointer, len) })
                .map_err(name_missing_proc)
        }
    }
}

/// The number of listxattrat(2), which came with Linux 6.13 and is the same everywhere but on Alpha and MIPS.
#[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
const LISTXATTRAT: libc::c_long = 465;

/// Reads the names of the attributes of `name` in `directory`, which isn't followed, as [`list_xattrs`] does: there is
/// no way through `/proc`. ENOSYS where the kernel doesn't know the call.
#[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
pub(crate) fn list_xattrs_at(
    directory: BorrowedFd<'_>,
    name: &CStr,
    buffer: &mut [u8],
) -> Result<usize, Errno> {
    // SAFETY: `name` is NUL-terminated and `buffer` writable for its length; both are borrowed for the call. A kernel
    // that doesn't know the number does nothing.
    let result = unsafe {
        libc::syscall(
            LISTXATTRAT,
            directory.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    };
    usize::try_from(result).map_err(|_| Errno::last())
}

/// The same where the call has another number.
#[cfg(any(target_arch = "mips", target_arch = "mips64"))]
pub(crate) fn list_xattrs_at(_: BorrowedFd<'_>, _: &CStr, _: &mut [u8]) -> Result<usize, Errno> {
    Err(Errno::ENOSYS)
}

/// Removes the attribute `name`; ENODATA if there is none.
pub(crate) fn remove_xattr(handle: Handle<'_>, name: &CStr) -> Result<(), Errno> {
    match handle {
        Handle::Full(fd) => {
            // SAFETY: `name` is NUL-terminated and borrowed for the call.
            let result = unsafe { libc::fremovexattr(fd.as_raw_fd(), name.as_ptr()) };
            Errno::result(result).map(drop)
        }
        Handle::PathOnly(fd) => {
            let path = descriptor_path(fd);
            // SAFETY: both strings are NUL-terminated and outlive the call.
            let result = unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) };
            Errno::result(result).map(drop).map_err(name_missing_proc)
        }
    }
}

/// The byte count that a call returned, or its errno.
fn count(result: libc::ssize_t) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno::last())
}
