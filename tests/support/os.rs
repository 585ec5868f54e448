//! The few system calls that the standard library lacks, for preparing and inspecting trees.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// A path as C wants it.
pub fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path without NUL")
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn length(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The number behind a key of a file in /proc, such as `rchar:` of /proc/self/io.
pub fn number_in(path: &str, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How much of the processor's time this process has taken until now.
pub fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` outlives the call, which writes it.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    check(result).expect("a clock of the process");
    let seconds = u64::try_from(time.tv_sec).unwrap();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap())
}

/// All extended attributes of an object, symlinks not followed. Where there are none to be had, none.
pub fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let c = c_path(path);
    let mut names = vec![0u8; 1 << 16];
    // SAFETY: `c` ends in NUL and `names` is as long as is said; both outlive the call.
    let listed = unsafe { libc::llistxattr(c.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    let listed = match length(listed) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => 0,
        other => other?,
    };
    let mut found = BTreeMap::new();
    for name in names[..listed]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        if let Some(value) = xattr(path, name)? {
            found.insert(name.to_vec(), value);
        }
    }
    Ok(found)
}

/// One extended attribute of an object, symlinks not followed; None if it hasn't got it.
pub fn xattr(path: &Path, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let (c, c_name) = (c_path(path), CString::new(name)?);
    let mut value = vec![0u8; 1 << 16];
    // SAFETY: both strings end in NUL and `value` is as long as is said; all outlive the call.
    let got = unsafe {
        libc::lgetxattr(
            c.as_ptr(),
            c_name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    match length(got) {
        Ok(got) => {
            value.truncate(got);
            Ok(Some(value))
        }
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENODATA | libc::EOPNOTSUPP)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Sets an extended attribute, symlinks not followed.
pub fn set_xattr(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    let (c, c_name) = (c_path(path), CString::new(name)?);
    // SAFETY: both strings end in NUL and `value` is as long as is said; all outlive the call.
    check(unsafe {
        libc::lsetxattr(
            c.as_ptr(),
            c_name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    })
}

/// Sets both times of an object, as seconds and nanoseconds; symlinks not followed.
pub fn set_times(path: &Path, atime: (i64, i64), mtime: (i64, i64)) -> io::Result<()> {
    let c = c_path(path);
    let times = [atime, mtime].map(|(tv_sec, tv_nsec)| libc::timespec { tv_sec, tv_nsec });
    // SAFETY: `c` ends in NUL, `times` holds the two elements that the call reads; both outlive it.
    check(unsafe {
        libc::utimensat(
            libc::AT_FDCWD,
            c.as_ptr(),
            times.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
        )
    })
}

/// Makes a fifo, a device node or an empty file.
pub fn mknod(path: &Path, mode: u32, major: u32, minor: u32) -> io::Result<()> {
    let c = c_path(path);
    // SAFETY: `c` ends in NUL and outlives the call.
    check(unsafe { libc::mknod(c.as_ptr(), mode, libc::makedev(major, minor)) })
}

/// Changes the owner, symlinks not followed.
pub fn chown(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
}

/// Where a file has data: pairs of start and end.
pub fn data_map(file: &File, size: u64) -> io::Result<Vec<(u64, u64)>> {
    let mut map = Vec::new();
    let mut at = 0;
    while at < size {
        let Some(start) = seek(file, at, libc::SEEK_DATA)? else {
            break;
        };
        let end = seek(file, start, libc::SEEK_HOLE)?.unwrap_or(size);
        map.push((start, end));
        at = end;
    }
    Ok(map)
}

fn seek(file: &File, at: u64, whence: libc::c_int) -> io::Result<Option<u64>> {
    // SAFETY: lseek touches no memory of this process; the descriptor is `file`'s own.
    let found = unsafe {
        libc::lseek(
            file.as_raw_fd(),
            i64::try_from(at).expect("an offset"),
            whence,
        )
    };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            error => Err(error),
        },
    }
}

/// Whether the process is the system's root, with all that root may do: what mounting and mknod need.
pub fn is_real_root() -> bool {
    // SAFETY: geteuid touches no memory.
    let uid = unsafe { libc::geteuid() };
    let whole =
        std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.contains("4294967295"));
    uid == 0 && whole
}

/// The effective user id.
pub fn uid() -> u32 {
    // SAFETY: geteuid touches no memory.
    unsafe { libc::geteuid() }
}

/// Makes a directory with `levels` directories below it, each in the one before.
pub fn make_deep(path: &Path, levels: usize) -> io::Result<()> {
    std::fs::create_dir(path)?;
    let mut at = File::open(path)?;
    for _ in 0..levels {
        // SAFETY: the name ends in NUL, and the descriptor is open.
        check(unsafe { libc::mkdirat(at.as_raw_fd(), c"d".as_ptr(), 0o755) })?;
        // SAFETY: as above.
        let next = unsafe {
            libc::openat(
                at.as_raw_fd(),
                c"d".as_ptr(),
                libc::O_RDONLY | libc::O_CLOEXEC,
            )
        };
        check(next)?;
        // SAFETY: the descriptor is new, and nobody else's.
        at = unsafe { File::from_raw_fd(next) };
    }
    Ok(())
}
