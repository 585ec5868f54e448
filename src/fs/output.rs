//! A file that appears under its name only when it is complete.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::Name;
use crate::error::{Called as _, Error, Result};
use crate::sys::link_descriptor;

/// How many temporary names are tried before somebody who takes each of them wins.
const ATTEMPTS: u32 = 1000;

/// A file under way to `name` in a directory: mode 0600 from the start, unnamed until it is published where the file
/// system can do that, under a temporary name otherwise. Dropped without being published, it leaves nothing behind.
pub(crate) struct Output {
    directory: OwnedFd,
    name: Name,
    file: File,
    temporary: Option<Name>,
}

impl Output {
    /// Starts a file that will be called `name` in `directory`.
    pub(crate) fn create(directory: impl AsFd, name: &Name) -> Result<Self> {
        let directory = directory.as_fd().try_clone_to_owned();
        let directory = directory.map_err(|error| Error::io("dup", error))?;
        let mode = Mode::from_bits_truncate(0o600);
        let unnamed = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let (fd, temporary) = match openat(&directory, ".", unnamed, mode) {
            Ok(fd) => (fd, None),
            // What file systems and kernels without unnamed files answer.
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => {
                let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
                let (fd, name) = with_temporary_name(name, |candidate| {
                    openat(&directory, candidate, flags | OFlag::O_NOFOLLOW, mode)
                })?;
                (fd, Some(name))
            }
            Err(errno) => return Err(Error::system(format!("create {}", name.quoted()), errno)),
        };
        let output = Self {
            directory,
            name: name.clone(),
            file: File::from(fd),
            temporary,
        };
        // The umask may have taken more away than it should.
        fchmod(&output.file, mode).called(|| "fchmod")?;
        Ok(output)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, in place of whatever file or symlink had it.
    pub(crate) fn publish(mut self) -> Result<()> {
        if self.temporary.is_none() {
            let ((), name) = with_temporary_name(&self.name, |candidate| {
                link_descriptor(self.file.as_fd(), self.directory.as_fd(), candidate)
            })?;
            self.temporary = Some(name);
        }
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        renameat(&self.directory, temporary, &self.directory, &self.name)
            .called(|| format!("rename to {}", self.name.quoted()))?;
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nobody is left to tell; at worst a file with a telling name stays.
            let _ = unlinkat(&self.directory, temporary, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Calls `make` with names that are free as far as one can tell, until one is.
fn with_temporary_name<T>(
    name: &Name,
    make: impl Fn(&Name) -> Result<T, Errno>,
) -> Result<(T, Name)> {
    for attempt in 0..ATTEMPTS {
        let mut candidate = b".".to_vec();
        candidate.extend_from_slice(name.bytes());
        candidate.extend_from_slice(format!(".{}-{attempt}", std::process::id()).as_bytes());
        let Some(candidate) = Name::new(&candidate) else {
            break;
        };
        match make(&candidate) {
            Err(Errno::EEXIST) => {}
            result => {
                let made = result.called(|| format!("create {}", candidate.quoted()))?;
                return Ok((made, candidate));
            }
        }
    }
    Err(Error::system(
        format!("temporary name for {}", name.quoted()),
        Errno::EEXIST,
    ))
}
