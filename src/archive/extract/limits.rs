//! How much an archive may ask for, and how much of it is used up.

#![forbid(unsafe_code)]

use std::cell::Cell;

use thiserror::Error as ThisError;

use crate::error::{self, Kind};
use crate::fs::RootPath;
use crate::tar::Member;

/// The longest path that the kernel takes, without its terminator.
const PATH_BYTES: u64 = 4095;
/// How many names the longest path can have.
const DEPTH: u64 = 2048;
/// How long a member's special headers may be, which hold its xattrs.
const XATTR_BYTES: u64 = 1 << 20;

/// How much an archive may ask for. Where one is exceeded, nothing is touched for the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How many members an archive, with those nested in it, may have, whatever becomes of them. By default any
    /// number: a disk without room is an error like any other, and what is remembered of members has limits of its own.
    pub(crate) members: u64,
    /// How many bytes of data may be written for all members together, holes left out. By default any number:
    /// checkpoints hold a container's memory, and only the caller knows how large that is.
    pub(crate) total_bytes: u64,
    /// How large one regular file may be for its readers, holes included. By default of any size, since holes cost
    /// nothing here; who hands files on to programs that fill holes wants a limit.
    pub(crate) member_bytes: u64,
    /// How long the path of a member, or of a hard link's source, may be after cleaning, in bytes. By default 4095,
    /// as long as the kernel takes it; more than that is refused in any case.
    pub(crate) path_bytes: u64,
    /// How many names such a path may have. By default 2048, as many as fit a path of 4095 bytes. Programs that walk
    /// trees by recursion may die of less.
    pub(crate) depth: u64,
    /// How many bytes the names and values of one member's xattrs may have together. By default 1 MiB, more than
    /// which the headers of a member can't hold; file systems keep some KiB.
    pub(crate) xattr_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: u64::MAX,
            total_bytes: u64::MAX,
            member_bytes: u64::MAX,
            path_bytes: PATH_BYTES,
            depth: DEPTH,
            xattr_bytes: XATTR_BYTES,
        }
    }
}

/// Which limit is exceeded, with its value.
#[derive(Debug, ThisError, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// Millions of empty members take the inodes of a file system, and hours.
    #[error("more members than the limit members of {0}")]
    Members(u64),
    /// A small archive that unpacks to a large one fills the disk.
    #[error("more bytes of data than the limit total_bytes of {0}")]
    TotalBytes(u64),
    /// One file, of holes even, fills the disk of whoever copies it.
    #[error("the file is larger than the limit member_bytes of {0}")]
    MemberBytes(u64),
    /// A path that is too long for whoever handles it later can't be removed by them either.
    #[error("the path is longer than the limit path_bytes of {0}")]
    PathBytes(u64),
    /// A tree that is too deep overflows the stack of whoever walks it by recursion.
    #[error("the path has more names than the limit depth of {0}")]
    Depth(u64),
    /// Xattrs are kept in inodes and blocks that quotas don't show as data.
    #[error("the xattrs have more bytes than the limit xattr_bytes of {0}")]
    XattrBytes(u64),
}

impl error::Refusal for Exceeded {
    fn kind(&self) -> Kind {
        Kind::Limit
    }
}

impl Limits {
    /// Whether `path`, a member's or that of a hard link's source, is short enough.
    pub(super) fn check_path(&self, path: &RootPath) -> Result<(), Exceeded> {
        if path.as_bytes().len() as u64 > self.path_bytes {
            return Err(Exceeded::PathBytes(self.path_bytes));
        }
        if path.components().count() as u64 > self.depth {
            return Err(Exceeded::Depth(self.depth));
        }
        Ok(())
    }

    /// Whether a member is small enough by itself.
    pub(super) fn check_member(&self, member: &Member) -> Result<(), Exceeded> {
        if member.size() > self.member_bytes {
            return Err(Exceeded::MemberBytes(self.member_bytes));
        }
        let xattrs = member.xattrs.iter();
        let bytes: usize = xattrs.map(|own| own.name.len() + own.value.len()).sum();
        if bytes as u64 > self.xattr_bytes {
            return Err(Exceeded::XattrBytes(self.xattr_bytes));
        }
        Ok(())
    }
}

/// What an archive, with those nested in it, has used up of its [`Limits`]: one for all the extractions of an import.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    members: Cell<u64>,
    bytes: Cell<u64>,
}

impl Meter {
    /// Counts one more member, whatever becomes of it.
    pub(crate) fn count_member(&self, limits: &Limits) -> Result<(), Exceeded> {
        let within = add(&self.members, 1, limits.members);
        within
            .then_some(())
            .ok_or(Exceeded::Members(limits.members))
    }

    /// Counts the data of a member that is about to be made.
    pub(crate) fn count_data(&self, member: &Member, limits: &Limits) -> Result<(), Exceeded> {
        let within = add(&self.bytes, member.stored(), limits.total_bytes);
        within
            .then_some(())
            .ok_or(Exceeded::TotalBytes(limits.total_bytes))
    }
}

/// Adds to the counter what stays within the limit; `false`: it doesn't.
fn add(counter: &Cell<u64>, more: u64, limit: u64) -> bool {
    let sum = counter.get().checked_add(more).filter(|&sum| sum <= limit);
    counter.set(sum.unwrap_or(counter.get()));
    sum.is_some()
}
