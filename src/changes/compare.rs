//! Whether two objects of one type differ.

#![forbid(unsafe_code)]

use std::os::fd::BorrowedFd;

use nix::fcntl::readlinkat;
use nix::sys::stat::{FileStat, SFlag};

use super::content;
use super::layers::Object;
use crate::error::{Called as _, Result};
use crate::fs::{Name, Node, file_type, surely_lacks_travelling_xattrs, travelling_xattrs};
use crate::watch::Watch;

/// How closely is looked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison<'w> {
    /// Whether a time without nanoseconds differs from one with them in the same second.
    pub(super) exact_times: bool,
    pub(super) content: ContentCheck,
    /// Ends the reading of large files.
    pub(super) watch: &'w Watch,
}

/// Whether two files with the same metadata may differ in their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentCheck {
    /// Size and modification time vouch for them.
    Trusted,
    /// They are read.
    Compared,
}

/// Where the two objects are.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) new: BorrowedFd<'a>,
    pub(super) old: BorrowedFd<'a>,
    pub(super) name: &'a Name,
}

impl Comparison<'_> {
    /// Whether the two, which are of the same type and are found `at` these places, if that is known, differ in anything
    /// that a restore brings back.
    pub(super) fn differ(self, new: &Object, old: &Object, at: Option<At<'_>>) -> Result<bool> {
        let (a, b) = (&new.stat, &old.stat);
        if (a.st_mode, a.st_uid, a.st_gid) != (b.st_mode, b.st_uid, b.st_gid)
            || !self.same_time(a, b)
        {
            return Ok(true);
        }
        let differ = match file_type(a) {
            SFlag::S_IFREG => a.st_size != b.st_size,
            SFlag::S_IFCHR | SFlag::S_IFBLK => a.st_rdev != b.st_rdev,
            SFlag::S_IFLNK => target(&new.node)? != target(&old.node)?,
            _ => false,
        };
        if differ {
            return Ok(true);
        }
        // Most objects have none, and to ask for those of an object that is held takes as long as all else.
        let lack = at.is_some_and(|at| {
            surely_lacks_travelling_xattrs(at.new, at.name)
                && surely_lacks_travelling_xattrs(at.old, at.name)
        });
        if !lack && travelling_xattrs(&new.node)? != travelling_xattrs(&old.node)? {
            return Ok(true);
        }
        if file_type(a) == SFlag::S_IFREG && self.content == ContentCheck::Compared {
            return content::differ(new.data()?, old.data()?, self.watch);
        }
        Ok(false)
    }

    /// Whether two directories have the same attributes but for their times.
    pub(super) fn differ_in_times_alone(new: &Object, old: &Object) -> Result<bool> {
        let (a, b) = (&new.stat, &old.stat);
        Ok(
            (a.st_mode, a.st_uid, a.st_gid) == (b.st_mode, b.st_uid, b.st_gid)
                && travelling_xattrs(&new.node)? == travelling_xattrs(&old.node)?,
        )
    }

    fn same_time(self, a: &FileStat, b: &FileStat) -> bool {
        let whole = |stat: &FileStat| !self.exact_times && stat.st_mtime_nsec == 0;
        a.st_mtime == b.st_mtime && (a.st_mtime_nsec == b.st_mtime_nsec || whole(a) || whole(b))
    }
}

fn target(node: &Node) -> Result<Vec<u8>> {
    use std::os::fd::AsFd as _;
    use std::os::unix::ffi::OsStringExt as _;
    let target = readlinkat(node.as_fd(), c"").called(|| "readlinkat")?;
    Ok(target.into_vec())
}
