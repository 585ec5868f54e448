//! What an object is, and which mount it is on.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::stat::fstat;

/// What one call tells of an object.
pub(crate) struct Status {
    /// What fstat(2) would tell.
    pub(crate) stat: libc::stat,
    /// The number of the mount that it is on; see [`mount_id`].
    pub(crate) mount: u64,
    /// When it was made, in nanoseconds from the epoch; 0 where the file system doesn't say.
    pub(crate) born: u64,
}

/// What the object of `fd` (an O_PATH descriptor is enough) is.
pub(crate) fn status(fd: BorrowedFd<'_>) -> Result<Status, Errno> {
    let wanted = libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID;
    let statx = match statx(fd, wanted) {
        // Linux 4.11 brought the call.
        Err(Errno::ENOSYS) => {
            return Ok(Status {
                stat: fstat(fd)?,
                mount: mount_id_from_proc(fd)?,
                born: 0,
            });
        }
        result => result?,
    };
    let born =
        i128::from(statx.stx_btime.tv_sec) * 1_000_000_000 + i128::from(statx.stx_btime.tv_nsec);
    Ok(Status {
        stat: stat(&statx),
        mount: mount_of(&statx, fd)?,
        born: u64::try_from(born).unwrap_or(0),
    })
}

/// The number of the mount that the object of `fd` (an O_PATH descriptor is enough) is on, unique among the mounts that
/// exist at the same time.
///
/// st_dev can't tell: subvolumes and layers differ in it without being mounts, and a bind mount doesn't.
/// The mount's number came to statx with Linux 5.8; before, `/proc` has it.
pub(crate) fn mount_id(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    match statx(fd, libc::STATX_MNT_ID) {
        Err(Errno::ENOSYS) => mount_id_from_proc(fd),
        result => mount_of(&result?, fd),
    }
}

fn mount_of(statx: &libc::statx, fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    if statx.stx_mask & libc::STATX_MNT_ID == 0 {
        return mount_id_from_proc(fd);
    }
    Ok(statx.stx_mnt_id)
}

fn statx(fd: BorrowedFd<'_>, wanted: libc::c_uint) -> Result<libc::statx, Errno> {
    let mut buffer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a NUL-terminated literal and `buffer` has room for the one structure the kernel writes.
    let result = unsafe {
        libc::statx(
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT,
            wanted,
            buffer.as_mut_ptr(),
        )
    };
    Errno::result(result)?;
    // SAFETY: the call succeeded, so the structure is written; where it wasn't, it is zero, valid for all its fields.
    Ok(unsafe { buffer.assume_init() })
}

/// The same in the older structure.
fn stat(statx: &libc::statx) -> libc::stat {
    // SAFETY: all fields are integers, for which zero is valid.
    let mut stat: libc::stat = unsafe { MaybeUninit::zeroed().assume_init() };
    stat.st_dev = libc::makedev(statx.stx_dev_major, statx.stx_dev_minor);
    stat.st_ino = statx.stx_ino;
    stat.st_mode = statx.stx_mode.into();
    stat.st_nlink = statx.stx_nlink.into();
    stat.st_uid = statx.stx_uid;
    stat.st_gid = statx.stx_gid;
    stat.st_rdev = libc::makedev(statx.stx_rdev_major, statx.stx_rdev_minor);
    stat.st_size = statx.stx_size.cast_signed();
    stat.st_blocks = statx.stx_blocks.cast_signed();
    (stat.st_atime, stat.st_atime_nsec) = time(statx.stx_atime);
    (stat.st_mtime, stat.st_mtime_nsec) = time(statx.stx_mtime);
    (stat.st_ctime, stat.st_ctime_nsec) = time(statx.stx_ctime);
    stat
}

fn time(time: libc::statx_timestamp) -> (i64, i64) {
    (time.tv_sec, time.tv_nsec.into())
}

/// The line `mnt_id:` of the descriptor's entry in `/proc/thread-self/fdinfo`.
fn mount_id_from_proc(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let path = format!("/proc/thread-self/fdinfo/{}", fd.as_raw_fd());
    let info = std::fs::read_to_string(path).map_err(|_| Errno::ENOSYS)?;
    info.lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        .ok_or(Errno::ENOSYS)
}
