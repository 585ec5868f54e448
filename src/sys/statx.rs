//! Which mount an object is on.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Where an object stands among the mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The number of the mount, unique among those that exist at the same time.
    pub(crate) id: u64,
    /// Whether the object is the root of its mount, that is, something is mounted on its name.
    pub(crate) is_root: bool,
}

/// The mount of the object that `fd` (an O_PATH descriptor is enough) stands for.
///
/// st_dev can't tell: subvolumes and layers differ in it without being mounts, and a bind mount doesn't.
/// The mount's number came to statx with Linux 5.8; before, `/proc` has it, without [`Mount::is_root`].
pub(crate) fn mount_of(fd: BorrowedFd<'_>) -> Result<Mount, Errno> {
    let mut buffer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a NUL-terminated literal and `buffer` has room for the one structure the kernel writes.
    let result = unsafe {
        libc::statx(
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT,
            libc::STATX_MNT_ID,
            buffer.as_mut_ptr(),
        )
    };
    Errno::result(result)?;
    // SAFETY: the call succeeded, so the structure is written; where it wasn't, it is zero, valid for all its fields.
    let statx = unsafe { buffer.assume_init() };
    if statx.stx_mask & libc::STATX_MNT_ID == 0 {
        return Ok(Mount {
            id: mount_id_from_proc(fd)?,
            is_root: false,
        });
    }
    let mount_root = u64::from(libc::STATX_ATTR_MOUNT_ROOT.unsigned_abs());
    Ok(Mount {
        id: statx.stx_mnt_id,
        is_root: statx.stx_attributes & mount_root != 0,
    })
}

/// The line `mnt_id:` of the descriptor's entry in `/proc/thread-self/fdinfo`.
fn mount_id_from_proc(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let path = format!("/proc/thread-self/fdinfo/{}", fd.as_raw_fd());
    let info = std::fs::read_to_string(path).map_err(|_| Errno::ENOSYS)?;
    info.lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        .ok_or(Errno::ENOSYS)
}
