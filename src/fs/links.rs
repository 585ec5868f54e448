//! The symlinks that a path leads through.

#![forbid(unsafe_code)]

use std::os::fd::AsFd as _;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::{Identity, Name, Root, RootPath};
use crate::error::{Error, Result};

/// The components of `path` that are symlinks, each by the directory it is in and its name there. What a symlink leads
/// through itself isn't looked at.
///
/// A step costs one call, or a resolution from the root where it is a symlink, of which the kernel follows 40 at most.
pub(crate) fn links_on_the_way(root: &Root, path: &RootPath) -> Result<Vec<(Identity, Name)>> {
    let mut links = Vec::new();
    let mut at = root.directory(&RootPath::root())?;
    for step in path.steps_down() {
        let Some((_, name)) = step.split() else {
            continue;
        };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        at = match openat(at.as_fd(), &name, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                links.push((Identity::of(&at)?, name));
                root.directory(&step)?
            }
            Err(errno) => return Err(Error::system(format!("open {}", step.quoted()), errno)),
        };
    }
    Ok(links)
}
