//! The name that a file system has for an object, whatever its paths.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// How long a handle may be (the kernel's MAX_HANDLE_SZ).
const LONGEST: u8 = 128;

/// The kernel's `struct file_handle` with room for the longest handle.
#[repr(C)]
struct Buffer {
    bytes: libc::c_uint,
    kind: libc::c_int,
    handle: [u8; LONGEST as usize],
}

/// The type and the bytes of the handle of the object that `fd` (an O_PATH descriptor is enough) stands for;
/// EOPNOTSUPP where the file system has none.
pub(crate) fn file_handle(fd: BorrowedFd<'_>) -> Result<(i32, Vec<u8>), Errno> {
    let mut buffer = Buffer {
        bytes: libc::c_uint::from(LONGEST),
        kind: 0,
        handle: [0; LONGEST as usize],
    };
    let mut mount: libc::c_int = 0;
    // SAFETY: the path is a NUL-terminated literal; `buffer` has the layout of a file_handle followed by as many bytes as
    // it says, and both places outlive the call.
    let result = unsafe {
        libc::name_to_handle_at(
            fd.as_raw_fd(),
            c"".as_ptr(),
            (&raw mut buffer).cast::<libc::file_handle>(),
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::result(result)?;
    let len = usize::try_from(buffer.bytes).map_err(|_| Errno::EOVERFLOW)?;
    let handle = buffer.handle.get(..len).ok_or(Errno::EOVERFLOW)?;
    Ok((buffer.kind, handle.to_vec()))
}
