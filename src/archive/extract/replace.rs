//! Putting a new object in the place of an old one.

#![forbid(unsafe_code)]

use std::os::fd::AsFd as _;

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Extraction, Location};
use crate::error::{Called as _, Error, Result};
use crate::fs::{Name, with_temporary_name};

impl Extraction<'_> {
    /// Calls `make` for the member's name, and then `complete` with what was made and its name.
    ///
    /// If something has the member's name already, the new object is made and completed under a temporary one, and
    /// takes the old one's place only then: nothing is lost where nothing can be made or the disk is full, and a hard
    /// link's source may lie in the very directory that goes.
    pub(super) fn replace<T>(
        &mut self,
        call: &str,
        place: &Location<'_>,
        make: impl Fn(&Name) -> Result<T, Errno>,
        complete: impl FnOnce(&mut Self, T, &Name) -> Result<()>,
    ) -> Result<()> {
        let (parent, name) = (place.parent.as_fd(), &place.name);
        match make(name) {
            Err(Errno::EEXIST) => {}
            result => {
                let made = result.called(|| format!("{call} {}", name.quoted()))?;
                return complete(self, made, name);
            }
        }
        self.forget(&place.canonical()?);
        let call = |_: &Name| format!("{call} under a temporary name");
        let (made, temporary) = with_temporary_name(b".crutils-new-", call, make)?;
        let replaced = complete(self, made, &temporary).and_then(|()| {
            self.parents
                .replace(&place.parent, &temporary, name, self.policy.terms.watch)
        });
        // Still there if something failed, or if both names are of one inode, which rename leaves as they are.
        let removed = match unlinkat(parent, &temporary, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR) => unlinkat(parent, &temporary, UnlinkatFlags::RemoveDir),
            result => result,
        };
        tell_what_stays(&temporary, replaced, removed)
    }

    /// Removes what is in the member's place, and forgets what was known of it.
    pub(super) fn remove_old(&mut self, place: &Location<'_>) -> Result<()> {
        self.forget(&place.canonical()?);
        let watch = self.policy.terms.watch;
        self.parents.remove(&place.parent, &place.name, watch)
    }
}

/// Says that `name` stays in its directory, if it couldn't be removed: from an append-only directory nobody removes
/// anything.
pub(super) fn tell_what_stays(
    name: &Name,
    result: Result<()>,
    removed: Result<(), Errno>,
) -> Result<()> {
    match (result, removed) {
        (result, Ok(()) | Err(Errno::ENOENT)) => result,
        (Ok(()), Err(errno)) => Err(Error::system(format!("unlink {}", name.quoted()), errno)),
        (Err(error), Err(errno)) => {
            Err(error.context(format!("{} stays, unlink: {errno:?}", name.quoted())))
        }
    }
}
