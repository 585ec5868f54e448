//! Which mount an object is on.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// The number of the mount that the object of `fd` (an O_PATH descriptor is enough) is on, unique among the mounts that
/// exist at the same time.
///
/// st_dev can't tell: subvolumes and layers differ in it without being mounts, and a bind mount doesn't.
/// The mount's number came to statx with Linux 5.8; before, `/proc` has it.
pub(crate) fn mount_id(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
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
    match Errno::result(result) {
        Err(Errno::ENOSYS) => return mount_id_from_proc(fd),
        result => drop(result?),
    }
    // SAFETY: the call succeeded, so the structure is written; where it wasn't, it is zero, valid for all its fields.
    let statx = unsafe { buffer.assume_init() };
    if statx.stx_mask & libc::STATX_MNT_ID == 0 {
        return mount_id_from_proc(fd);
    }
    Ok(statx.stx_mnt_id)
}

/// The line `mnt_id:` of the descriptor's entry in `/proc/thread-self/fdinfo`.
fn mount_id_from_proc(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let path = format!("/proc/thread-self/fdinfo/{}", fd.as_raw_fd());
    let info = std::fs::read_to_string(path).map_err(|_| Errno::ENOSYS)?;
    info.lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        .ok_or(Errno::ENOSYS)
}
