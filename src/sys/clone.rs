//! Sharing blocks between files.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::errno::Errno;

/// `struct file_clone_range` of `linux/fs.h`.
#[repr(C)]
struct FileCloneRange {
    src_fd: i64,
    src_offset: u64,
    src_length: u64,
    dest_offset: u64,
}

nix::ioctl_write_ptr!(
    /// FICLONERANGE (`ioctl_ficlonerange(2)`).
    ficlonerange,
    0x94,
    13,
    FileCloneRange
);

/// Lets `target` have the `len` bytes of `source` at `from` as its own at `to`, without moving them: the blocks are
/// shared until one of the files is written to. What of `source` isn't on disk yet is written there first.
///
/// All numbers have to be multiples of the file system's block size. A file system that can't, or two of them, answers
/// with an error, and nothing has happened.
pub(crate) fn clone_range(
    source: BorrowedFd<'_>,
    from: u64,
    target: BorrowedFd<'_>,
    to: u64,
    len: u64,
) -> Result<(), Errno> {
    let range = FileCloneRange {
        src_fd: source.as_raw_fd().into(),
        src_offset: from,
        src_length: len,
        dest_offset: to,
    };
    // SAFETY: both descriptors are open while they are borrowed, and the kernel only reads the structure, which has the
    // layout that the request number stands for.
    unsafe { ficlonerange(target.as_raw_fd(), &raw const range) }.map(drop)
}
