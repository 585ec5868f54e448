//! SELinux: whether it is enabled, and the label of a file.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::fs;
use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::statfs::{SELINUX_MAGIC, statfs};
use nix::sys::statvfs::FsFlags;
use once_cell::sync::OnceCell;

use super::mounts::Mount;
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
            Mount::all(&mounts)
                .any(|mount| mount.kind == b"selinuxfs" && is_writable_selinuxfs(&mount.point()))
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::Kind;

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
