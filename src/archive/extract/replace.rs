//! Putting a new object in the place of an old one.

#![forbid(unsafe_code)]

use std::os::fd::AsFd as _;

use nix::errno::Errno;
use nix::fcntl::renameat;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Extraction, Place};
use crate::error::{Called as _, Error, Result};
use crate::fs::{Name, remove_tree};

/// How many temporary names are tried before somebody who takes each of them wins.
const ATTEMPTS: u32 = 64;

impl Extraction<'_> {
    /// Calls `make` for the member's name. If something has that name already, the new object is made under a
    /// temporary one first: only when it exists is the old one removed, so that nothing is lost where nothing can
    /// be made, and so that a hard link's source may lie in the very directory that goes.
    pub(super) fn replace<T>(
        &mut self,
        call: &str,
        place: &Place<'_>,
        make: impl Fn(&Name) -> Result<T, Errno>,
    ) -> Result<T> {
        let (parent, name) = (&place.parent, &place.name);
        match make(name) {
            Err(Errno::EEXIST) => {}
            result => return result.called(|| format!("{call} {}", name.quoted())),
        }
        let (made, temporary) = make_under_free_name(call, make)?;
        let replaced = self.remove_old(place).and_then(|()| {
            renameat(parent.as_fd(), &temporary, parent.as_fd(), name)
                .called(|| format!("rename to {}", name.quoted()))
        });
        // Still there if something failed, or if both names are of one inode, which rename leaves as they are. What
        // has to be known is the failure before.
        let _ = match unlinkat(parent.as_fd(), &temporary, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => unlinkat(parent.as_fd(), &temporary, UnlinkatFlags::RemoveDir),
            result => result,
        };
        replaced.map(|()| made)
    }

    /// Removes what is in the member's place, and forgets what was known of it.
    pub(super) fn remove_old(&mut self, place: &Place<'_>) -> Result<()> {
        self.parents.forget();
        self.directories.forget(&place.canonical()?);
        remove_tree(&*place.parent, &place.name)
    }
}

/// Calls `make` with unlikely names until one is free.
fn make_under_free_name<T>(
    call: &str,
    make: impl Fn(&Name) -> Result<T, Errno>,
) -> Result<(T, Name)> {
    for attempt in 0..ATTEMPTS {
        let candidate = format!(".crutils-new-{}-{attempt}", std::process::id());
        let Some(candidate) = Name::new(candidate.as_bytes()) else {
            break;
        };
        match make(&candidate) {
            Err(Errno::EEXIST) => {}
            result => {
                let made = result.called(|| format!("{call} under a temporary name"))?;
                return Ok((made, candidate));
            }
        }
    }
    Err(Error::system(
        format!("{call} under a temporary name"),
        Errno::EEXIST,
    ))
}
