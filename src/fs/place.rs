//! How callers name a file or a directory of the host.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{AT_FDCWD, OFlag, openat, readlink};
use nix::sys::stat::Mode;

use crate::error::{Called as _, Error, Result, quote};

/// A file or a directory of the host, named as openat(2) has it: a path that is relative to a directory's descriptor, or
/// to the working directory if there is no descriptor. With an empty path the descriptor itself is meant, whatever it
/// is: a directory (which may have been opened with O_PATH), a file, a pipe or a socket.
///
/// Symlinks on the way and at the end are followed: who names a place trusts it. The descriptor stays the caller's.
///
/// ```
/// use std::fs::File;
/// use std::os::fd::AsFd;
/// use std::path::Path;
/// use crutils::Place;
///
/// let run = File::open("/")?;
/// let by_path = Place::from("/run/bundle");
/// let below_a_descriptor = Place::at(run.as_fd(), Path::new("run/bundle"));
/// let the_descriptor_itself = Place::from(&run);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    at: Option<BorrowedFd<'p>>,
    path: &'p Path,
}

impl<'p> Place<'p> {
    /// The place that `path` names from the directory `at` on; `at` itself if the path is empty.
    #[must_use]
    pub fn at(at: BorrowedFd<'p>, path: &'p Path) -> Self {
        Place { at: Some(at), path }
    }

    /// The descriptor, if it is what is meant.
    pub(crate) fn descriptor(self) -> Option<BorrowedFd<'p>> {
        self.at.filter(|_| self.path.as_os_str().is_empty())
    }

    /// The path, empty for a descriptor itself.
    #[must_use]
    pub fn path(self) -> &'p Path {
        self.path
    }

    /// Where the path starts if it leads down from there alone: the root directory, or the descriptor. None for a path that
    /// starts at the working directory, for one that climbs from a descriptor, and for a descriptor itself.
    pub(crate) fn start(self) -> Option<Place<'p>> {
        let climbs = || {
            self.path
                .components()
                .any(|one| one == Component::ParentDir)
        };
        match self.at {
            _ if self.path.is_absolute() => Some(Place::from("/")),
            Some(at) if self.descriptor().is_none() && !climbs() => Some(Place::from(at)),
            _ => None,
        }
    }

    /// Whether the path starts at the root directory or at a descriptor, so that nobody can mistake it.
    pub(crate) fn is_anchored(self) -> bool {
        self.at.is_some() || self.path.is_absolute()
    }

    /// EINVAL for a path that isn't absolute, and has no descriptor to start from. A relative one, or an empty one, would
    /// quietly mean some other directory.
    pub(crate) fn check_anchored(self, what: &str) -> Result<()> {
        if self.is_anchored() {
            Ok(())
        } else {
            Err(Error::argument(what, "is not an absolute path"))
        }
    }

    /// EINVAL for a place without a path and without a descriptor; `what` is the argument's name in messages.
    pub(crate) fn check_given(self, what: &str) -> Result<()> {
        if self.path.as_os_str().is_empty() && self.at.is_none() {
            Err(Error::argument(what, "is empty"))
        } else {
            Ok(())
        }
    }

    /// Opens what is there with these flags. The message says neither where nor what for: that is the caller's.
    pub(crate) fn open_unnamed_ambient(self, flags: OFlag) -> Result<OwnedFd> {
        self.open_at(flags).called(|| "open")
    }

    fn open_at(self, flags: OFlag) -> nix::Result<OwnedFd> {
        let flags = flags | OFlag::O_CLOEXEC;
        match self.at {
            Some(at) => openat(at, self.path, flags, Mode::empty()),
            None => openat(AT_FDCWD, self.path, flags, Mode::empty()),
        }
    }

    /// Opens what is there with these flags; `what` is the argument's name in messages. EINVAL for a place without a path
    /// and without a descriptor.
    pub(crate) fn open_ambient(self, what: &str, flags: OFlag) -> Result<OwnedFd> {
        self.check_given(what)?;
        self.open_at(flags).called(|| self.named(what))
    }

    /// Opens the directory, for the names below it alone.
    pub(crate) fn open_directory_ambient(self, what: &str) -> Result<OwnedFd> {
        self.check_given(what)?;
        self.open_as_directory().called(|| self.named(what))
    }

    /// The same, of which the message says neither where nor what for.
    pub(crate) fn open_unnamed_directory_ambient(self) -> Result<OwnedFd> {
        self.open_as_directory().called(|| "open")
    }

    fn open_as_directory(self) -> nix::Result<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        match self.descriptor() {
            Some(fd) => Place::at(fd, Path::new(".")).open_at(flags),
            None => self.open_at(flags),
        }
    }

    /// The directory that the last component is in, and that component; none if the path has no last component, or more
    /// behind it.
    pub(crate) fn split(self) -> Option<(Place<'p>, &'p OsStr)> {
        let bytes = self.path.as_os_str().as_bytes();
        let name = self.path.file_name()?;
        let parent = self.path.parent().unwrap_or(Path::new(""));
        let path = match self.at {
            None if parent.as_os_str().is_empty() => Path::new("."),
            _ => parent,
        };
        let directory = Place { at: self.at, path };
        bytes
            .ends_with(name.as_bytes())
            .then_some((directory, name))
    }

    /// The place as messages name it; `what` is the argument's name.
    pub(crate) fn named(self, what: &str) -> String {
        let path = quote(self.path.as_os_str().as_bytes());
        match self
            .at
            .filter(|_| !self.path.is_absolute())
            .map(target_ambient)
        {
            Some(fd) if self.path.as_os_str().is_empty() => format!("{what} ({fd})"),
            Some(fd) => format!("{what} {path} (from {fd})"),
            None => format!("{what} {path}"),
        }
    }
}

/// What a descriptor is of, as /proc tells it: a path, or the like of "pipe:[4711]". Its number where /proc tells nothing.
fn target_ambient(fd: BorrowedFd<'_>) -> String {
    let number = fd.as_raw_fd();
    match readlink(format!("/proc/self/fd/{number}").as_str()) {
        Ok(target) => format!("a descriptor of {}", quote(target.as_bytes())),
        Err(_) => format!("descriptor {number}"),
    }
}

/// A [`Place`] that is remembered: its path, and a descriptor of its own.
#[derive(Clone, Debug)]
pub struct PlaceBuf {
    at: Option<Arc<OwnedFd>>,
    path: PathBuf,
}

impl PlaceBuf {
    /// Remembers a place. Its descriptor is duplicated; the caller's may be closed afterwards.
    ///
    /// # Errors
    ///
    /// EMFILE if there is no descriptor left.
    pub fn new<'p>(place: impl Into<Place<'p>>) -> Result<Self> {
        let place = place.into();
        let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(Arc::new);
        let at = place.at.map(own).transpose();
        Ok(Self {
            at: at.called(|| "dup")?,
            path: place.path.to_owned(),
        })
    }

    /// The place.
    #[must_use]
    pub fn get(&self) -> Place<'_> {
        Place {
            at: self.at.as_ref().map(|fd| fd.as_fd()),
            path: &self.path,
        }
    }
}

impl<'p> From<&'p Path> for Place<'p> {
    fn from(path: &'p Path) -> Self {
        Place { at: None, path }
    }
}

impl<'p> From<&'p PathBuf> for Place<'p> {
    fn from(path: &'p PathBuf) -> Self {
        Place::from(path.as_path())
    }
}

impl<'p> From<&&'p Path> for Place<'p> {
    fn from(path: &&'p Path) -> Self {
        Place::from(*path)
    }
}

impl<'p> From<&'p OsStr> for Place<'p> {
    fn from(path: &'p OsStr) -> Self {
        Place::from(Path::new(path))
    }
}

impl<'p> From<&'p str> for Place<'p> {
    fn from(path: &'p str) -> Self {
        Place::from(Path::new(path))
    }
}

impl<'p> From<BorrowedFd<'p>> for Place<'p> {
    fn from(fd: BorrowedFd<'p>) -> Self {
        Place::at(fd, Path::new(""))
    }
}

impl<'p> From<&'p OwnedFd> for Place<'p> {
    fn from(fd: &'p OwnedFd) -> Self {
        Place::from(fd.as_fd())
    }
}

impl<'p> From<&'p File> for Place<'p> {
    fn from(file: &'p File) -> Self {
        Place::from(file.as_fd())
    }
}

impl<'p> From<&'p PlaceBuf> for Place<'p> {
    fn from(place: &'p PlaceBuf) -> Self {
        place.get()
    }
}
