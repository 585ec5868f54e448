//! The names in a directory.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use nix::dir::{Dir, OwningIter};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::Name;
use crate::budget::{Growth, push};
use crate::error::{Called as _, Result};

/// One pass over the names in a directory, without `.` and `..`, in the file system's order.
pub(crate) struct Listing(OwningIter);

impl Listing {
    /// Starts with the first name of the directory that `directory` (O_PATH is enough) stands for.
    pub(crate) fn of(directory: impl AsFd) -> Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = openat(directory, ".", flags, Mode::empty()).called(|| "open directory")?;
        let dir = Dir::from_fd(fd).called(|| "fdopendir")?;
        Ok(Self(dir.into_iter()))
    }

    /// The next name; `None` at the end.
    pub(crate) fn next_name(&mut self) -> Result<Option<Name>> {
        for entry in self.0.by_ref() {
            let entry = entry.called(|| "getdents")?;
            // The kernel gives single components, so only the two dots are dropped here.
            if let Some(name) = Name::new(entry.file_name().to_bytes()) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// Whether nothing is in the directory.
pub(crate) fn is_empty_directory(directory: impl AsFd) -> Result<bool> {
    Ok(Listing::of(directory)?.next_name()?.is_none())
}

/// All names in a directory, in byte order. A directory that is gone meanwhile is empty.
pub(crate) fn sorted_names(directory: impl AsFd) -> Result<Vec<Name>> {
    let mut listing = match Listing::of(directory) {
        Err(error) if error.is(Errno::ENOENT) => return Ok(Vec::new()),
        result => result?,
    };
    let (mut names, mut growth) = (Vec::new(), Growth::default());
    while let Some(name) = listing.next_name()? {
        growth.by(name.bytes().len())?;
        push(&mut names, name)?;
    }
    names.sort_unstable();
    Ok(names)
}
