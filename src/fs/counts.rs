//! Which file systems can be believed in how many names a file has.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use nix::sys::statfs::{FsType, fstatfs};

use crate::error::{Called as _, Result};

/// FUSE_SUPER_MAGIC of `linux/magic.h`.
const FUSE: FsType = FsType(0x6573_5546);

/// Whether link counts on the file system of `fd` (an O_PATH descriptor is enough) are those of all names.
///
/// A file system in user space may count the names that were looked up since it was mounted: fuse-overlayfs says 1 of a
/// file with two names until both were seen.
pub(crate) fn counts_all_names(fd: impl AsFd) -> Result<bool> {
    let found = fstatfs(fd).called(|| "fstatfs")?;
    Ok(found.filesystem_type() != FUSE)
}
