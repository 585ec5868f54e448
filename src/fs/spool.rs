//! Files for what has to be kept for a moment.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fchmod;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::output::{PRIVATE, create_named, create_unnamed};
use super::{Name, Place};
use crate::error::{Called as _, Context as _, Error, Result};

/// Where a spool goes if nobody says where.
const DEFAULT: &str = "/var/tmp";

/// A new file for reading and writing that has no name and can't be given one: it is gone with its last descriptor. Only
/// its owner could open it (mode 0600).
///
/// It is made in `directory` (an O_PATH descriptor is enough). Without one it goes to the directory that TMPDIR names,
/// if that is an absolute path, and to /var/tmp otherwise. A spool may be as large as an archive, for which memory isn't
/// there, and /tmp often is memory. Only where /var/tmp is missing or can't be written is the spool kept in memory.
pub(crate) fn spool_ambient(directory: Option<BorrowedFd<'_>>) -> Result<File> {
    match directory {
        Some(directory) => spool_at(directory),
        None => spool_by(std::env::var_os("TMPDIR").as_deref(), Path::new(DEFAULT)),
    }
    .context(|| "spool")
}

/// A spool in the directory that `chosen` names, or else in `default`, or else in memory.
fn spool_by(chosen: Option<&OsStr>, default: &Path) -> Result<File> {
    if let Some(chosen) = chosen.map(Path::new).filter(|path| path.is_absolute()) {
        return spool_at(&Place::from(chosen).open_directory_ambient("TMPDIR")?);
    }
    let default = Place::from(default).open_directory_ambient("directory");
    match default.and_then(spool_at) {
        Err(error)
            if error.is_any(&[
                Errno::ENOENT,
                Errno::ENOTDIR,
                Errno::EACCES,
                Errno::EPERM,
                Errno::EROFS,
            ]) =>
        {
            in_memory()
        }
        result => result,
    }
}

fn spool_at(directory: impl AsFd) -> Result<File> {
    // O_EXCL: nobody gives it a name later.
    match create_unnamed(&directory, OFlag::O_EXCL).called(|| "create an unnamed file")? {
        Some(file) => Ok(file),
        None => named_for_a_moment(directory),
    }
}

/// For file systems without unnamed files.
fn named_for_a_moment(directory: impl AsFd) -> Result<File> {
    let name = Name::new(b"crutils-spool")
        .ok_or_else(|| Error::system("name of the spool", Errno::EINVAL))?;
    let (file, name) = create_named(&directory, &name)?;
    unlinkat(directory, &name, UnlinkatFlags::NoRemoveDir)
        .called(|| format!("unlink {}, which stays", name.quoted()))?;
    Ok(file)
}

fn in_memory() -> Result<File> {
    let plain = MFdFlags::MFD_CLOEXEC;
    // Where programs in memory are forbidden, only a file that promises to be none is allowed; the promise came with
    // Linux 6.3.
    let promising = plain | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    let fd = match memfd_create(c"crutils-spool", promising) {
        Err(Errno::EINVAL) => memfd_create(c"crutils-spool", plain),
        result => result,
    };
    let file = File::from(fd.called(|| "memfd_create")?);
    fchmod(&file, PRIVATE).called(|| "fchmod")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::PathBuf;

    use super::*;
    use crate::fs::testing::{Scratch, is_alone, run_alone};
    use crate::sys::link_descriptor;

    /// Where the kernel says that a file is.
    fn place(file: &File) -> PathBuf {
        std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
    }

    /// Sees that a file is a spool: it keeps what is written, and has no name.
    #[track_caller]
    fn is_spool(mut file: File) {
        file.write_all(b"kept").unwrap();
        file.rewind().unwrap();
        let mut read = String::new();
        file.read_to_string(&mut read).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!((read.as_str(), metadata.nlink()), ("kept", 0));
        assert_eq!(metadata.mode() & 0o7777, 0o600);
        let place = place(&file);
        assert!(place.to_string_lossy().ends_with(" (deleted)"), "{place:?}");
    }

    #[test]
    fn a_spool_has_no_name_and_gets_none() {
        let scratch = Scratch::new();
        let directory = scratch.directory();
        let file = spool_ambient(Some(directory.as_fd())).unwrap();
        assert!(place(&file).starts_with(scratch.path()));
        let linked = link_descriptor(file.as_fd(), directory.as_fd(), c"name");
        assert_eq!(linked, Err(Errno::ENOENT));
        is_spool(file);
        assert_eq!(scratch.names(), [""; 0]);
    }

    #[test]
    fn a_spool_that_had_a_name_has_lost_it() {
        let scratch = Scratch::new();
        let file = named_for_a_moment(scratch.directory()).unwrap();
        assert!(place(&file).starts_with(scratch.path()));
        assert_eq!(scratch.names(), [""; 0]);
        is_spool(file);
    }

    #[test]
    fn tmpdir_chooses_the_place_if_it_is_absolute() {
        let (chosen, other) = (Scratch::new(), Scratch::new());
        let file = spool_by(Some(chosen.path().as_os_str()), other.path()).unwrap();
        assert!(place(&file).starts_with(chosen.path()));
        for useless in [None, Some(""), Some("relative")] {
            let file = spool_by(useless.map(OsStr::new), other.path()).unwrap();
            assert!(place(&file).starts_with(other.path()), "{useless:?}");
            is_spool(file);
        }
    }

    #[test]
    fn the_environment_is_asked() {
        let scratch = Scratch::new();
        let within = "fs::spool::tests::within_a_chosen_directory";
        run_alone(within, &[("TMPDIR", scratch.path())]);
    }

    #[test]
    fn within_a_chosen_directory() {
        if is_alone() {
            let file = spool_ambient(None).unwrap();
            assert!(place(&file).starts_with(std::env::var_os("TMPDIR").unwrap()));
        }
    }

    #[test]
    fn a_tmpdir_that_is_missing_is_an_error() {
        let scratch = Scratch::new();
        let missing = scratch.join("missing");
        let error = spool_by(Some(missing.as_os_str()), scratch.path()).unwrap_err();
        assert_eq!(error.errno(), libc::ENOENT);
        assert!(error.to_string().contains("TMPDIR"), "{error}");
    }

    #[test]
    fn memory_serves_where_no_directory_does() {
        // Nobody makes files in /proc.
        for useless in ["/no/such/directory", "/dev/null", "/proc"] {
            let file = spool_by(None, Path::new(useless)).unwrap();
            assert!(place(&file).starts_with("/memfd:crutils-spool (deleted)"));
            is_spool(file);
        }
    }

    #[test]
    fn a_directory_that_was_named_has_to_serve() {
        let proc = File::open("/proc").unwrap();
        let error = spool_ambient(Some(proc.as_fd())).unwrap_err();
        assert!(error.to_string().starts_with("spool: create"), "{error}");
    }
}
