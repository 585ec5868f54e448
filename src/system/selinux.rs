//! SELinux: whether it is enabled, and the label of a file.

#![forbid(unsafe_code)]

use std::ffi::{CStr, OsString};
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statfs::{SELINUX_MAGIC, statfs};
use nix::sys::statvfs::FsFlags;
use once_cell::sync::OnceCell;

use crate::error::{self, Kind, Result};

/// A file without its label is one that a confined process can't read.
#[derive(Debug, thiserror::Error)]
#[error("this build can't write SELinux labels")]
pub(crate) struct NoLabels;

impl error::Refusal for NoLabels {
    fn kind(&self) -> Kind {
        Kind::Unsupported
    }
}

/// Whether this build can set labels: whether [`set_label`] is more than a refusal.
pub(crate) const CAN_LABEL: bool = cfg!(feature = "selinux");

/// Whether SELinux is enabled: a writable selinuxfs is mounted, and the calling thread has a label of its own.
///
/// A container whose selinuxfs is hidden or read-only counts as disabled. The answer is found once and kept, as the
/// label of a thread says nothing of the system that another thread's wouldn't. A failure to find out counts as what it
/// looks like: an unreadable selinuxfs as none, an unreadable label as one.
pub(crate) fn is_enabled() -> bool {
    static ENABLED: OnceCell<bool> = OnceCell::new();
    *ENABLED.get_or_init(|| {
        has_writable_selinuxfs()
            && !fs::read("/proc/thread-self/attr/current").is_ok_and(|label| is_kernel(&label))
    })
}

/// Gives the open file `file` the label `label`, in the kernel's own form, untranslated. It is stored with its NUL, as
/// all of libselinux's tools do.
///
/// # Errors
///
/// The kernel's errno: EOPNOTSUPP from a file system without labels, EINVAL for a label that the policy doesn't know,
/// EPERM, EACCES, EROFS. [`Kind::Unsupported`](crate::Kind::Unsupported) from a build without the feature `selinux`.
#[cfg(feature = "selinux")]
pub(crate) fn set_label(file: BorrowedFd<'_>, label: &CStr) -> Result<()> {
    use selinux::SecurityContext;
    use selinux::errors::Error as Failure;

    let context = SecurityContext::from_c_str(label, true);
    loop {
        let errno = match context.set_for_file(&file) {
            Ok(()) => return Ok(()),
            Err(Failure::IO { source, .. }) => {
                source.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
            }
            Err(_) => Errno::EIO,
        };
        if errno != Errno::EINTR {
            return Err(crate::Error::system("fsetxattr security.selinux", errno));
        }
    }
}

/// Refuses: this build has no libselinux.
///
/// # Errors
///
/// [`Kind::Unsupported`].
#[cfg(not(feature = "selinux"))]
pub(crate) fn set_label(_file: BorrowedFd<'_>, _label: &CStr) -> Result<()> {
    Err(NoLabels.into())
}

/// A thread that no policy has labelled yet bears this name.
fn is_kernel(label: &[u8]) -> bool {
    label.strip_suffix(b"\0").unwrap_or(label) == b"kernel"
}

fn has_writable_selinuxfs() -> bool {
    if is_writable_selinuxfs(Path::new("/sys/fs/selinux")) {
        return true;
    }
    // Mounts may be many; a kernel without SELinux is told by a look at the file systems it knows.
    fs::read("/proc/filesystems").is_ok_and(|list| lists_selinuxfs(&list))
        && fs::read("/proc/self/mountinfo").is_ok_and(|mounts| {
            selinuxfs_mounts(&mounts).any(|mount| is_writable_selinuxfs(&mount))
        })
}

fn is_writable_selinuxfs(path: &Path) -> bool {
    loop {
        match statfs(path) {
            Ok(found) => {
                return found.filesystem_type() == SELINUX_MAGIC
                    && !found.flags().contains(FsFlags::ST_RDONLY);
            }
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Whether `/proc/filesystems` (proc(5)) lists selinuxfs: a line each, the name behind a tab.
fn lists_selinuxfs(filesystems: &[u8]) -> bool {
    filesystems
        .split(|&byte| byte == b'\n')
        .any(|line| line.rsplit(|&byte| byte == b'\t').next() == Some(b"selinuxfs"))
}

/// The mount points of all selinuxfs in `/proc/self/mountinfo` (proc(5)): fields between single spaces, the fifth the
/// mount point, and the type behind a field `-` that ends the optional ones.
fn selinuxfs_mounts(mountinfo: &[u8]) -> impl Iterator<Item = PathBuf> {
    mountinfo.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let mount_point = fields.nth(4)?;
        // The mount options come between; they are never a lone dash.
        fields.find(|&field| field == b"-")?;
        (fields.next()? == b"selinuxfs")
            .then(|| PathBuf::from(OsString::from_vec(unescape(mount_point))))
    })
}

/// Undoes the kernel's escapes in `/proc/self/mountinfo`: a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (
                b'\\',
                [
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    behind @ ..,
                ],
            ) => Some(((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), behind)),
            _ => None,
        };
        let (byte, behind) = escaped.unwrap_or((first, tail));
        plain.push(byte);
        rest = behind;
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::Kind;

    fn mounts(mountinfo: &[u8]) -> Vec<PathBuf> {
        selinuxfs_mounts(mountinfo).collect()
    }

    #[test]
    fn the_list_of_file_systems_is_read_by_whole_names() {
        assert!(lists_selinuxfs(b"nodev\tsysfs\nnodev\tselinuxfs\n\text4\n"));
        assert!(lists_selinuxfs(b"\tselinuxfs"));
        assert!(!lists_selinuxfs(
            b"nodev\tsysfs\nnodev\tselinuxfs2\nnodev\tmyselinuxfs\n"
        ));
        assert!(!lists_selinuxfs(b"selinuxfs\tnodev\n"));
        assert!(!lists_selinuxfs(b""));
    }

    #[test]
    fn every_mount_of_selinuxfs_is_found() {
        let mountinfo = b"22 28 0:21 / /proc rw,nosuid shared:14 - proc proc rw\n\
            27 23 0:24 / /sys/fs/selinux rw,nosuid shared:9 master:2 - selinuxfs selinuxfs rw\n\
            30 28 0:24 / /mnt/a\\040b\\134c\\011d\\012e rw - selinuxfs none rw\n\
            31 28 0:25 / /selinuxfs rw - tmpfs selinuxfs rw\n\
            32 28 0:25 / /x rw - selinuxfs2 selinuxfs rw\n";
        let expected = ["/sys/fs/selinux", "/mnt/a b\\c\td\ne"].map(PathBuf::from);
        assert_eq!(mounts(mountinfo), expected);
    }

    #[test]
    fn broken_lines_of_mountinfo_name_no_mount() {
        for line in [
            &b""[..],
            b"\n\n",
            b"27 23 0:24 / /a",
            b"27 23 0:24 / /a rw -",
            b"- selinuxfs x",
            b"1 2 3 4 /a rw selinuxfs",
        ] {
            assert!(mounts(line).is_empty(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn only_three_octal_digits_are_an_escape() {
        assert_eq!(
            unescape(br"\040\377\400\04\\134\8\"),
            b" \xff\\400\\04\\\\\\8\\"
        );
    }

    #[test]
    fn the_label_kernel_is_none_of_a_policy() {
        assert!(is_kernel(b"kernel\0"));
        assert!(is_kernel(b"kernel"));
        for label in [
            &b"kernel\0\0"[..],
            b"kernel\n",
            b"kernel_t",
            b"",
            b"system_u:system_r:kernel_t:s0\0",
        ] {
            assert!(!is_kernel(label));
        }
    }

    #[test]
    fn other_file_systems_and_missing_paths_are_no_selinuxfs() {
        for path in ["/proc", "/", "/no/such/path", ""] {
            assert!(!is_writable_selinuxfs(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_label_that_cannot_be_set_is_an_error_of_its_own_kind() {
        // A pipe is on no file system that a label could be stored in; all that varies is which check comes first.
        let (pipe, _other) = std::io::pipe().unwrap();
        let error = set_label(pipe.as_fd(), c"system_u:object_r:bin_t:s0").unwrap_err();
        if cfg!(feature = "selinux") {
            assert_eq!(error.kind(), Kind::System, "{error}");
            assert!(
                [libc::EOPNOTSUPP, libc::EPERM, libc::EACCES, libc::EINVAL]
                    .contains(&error.errno()),
                "{error}"
            );
            assert!(
                error
                    .to_string()
                    .starts_with("fsetxattr security.selinux: E"),
                "{error}"
            );
        } else {
            assert_eq!(
                (error.kind(), error.errno()),
                (Kind::Unsupported, libc::EOPNOTSUPP)
            );
        }
    }

    #[cfg(feature = "selinux")]
    #[test]
    fn a_label_is_set_as_it_is() {
        use std::os::unix::fs::OpenOptionsExt;

        // A file without a name is gone with its descriptor.
        let unnamed = fs::OpenOptions::new()
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE)
            .open(std::env::temp_dir());
        let file = unnamed.unwrap();
        match set_label(file.as_fd(), c"system_u:object_r:tmp_t:s0") {
            Ok(()) => {
                let context = selinux::SecurityContext::of_file(&file, true)
                    .unwrap()
                    .unwrap();
                assert_eq!(
                    context.to_c_string().unwrap().unwrap().as_ref(),
                    c"system_u:object_r:tmp_t:s0"
                );
            }
            // Not root, or no labels on this file system, or a policy that doesn't know this one.
            Err(error) => assert!(
                [libc::EPERM, libc::EACCES, libc::EOPNOTSUPP, libc::EINVAL]
                    .contains(&error.errno()),
                "{error}"
            ),
        }
    }
}
