//! What an archive holds, member by member.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::checkpoint::MemberClass;
use crate::error::Result;
use crate::fs::{Budget, RootPath};
use crate::tar::{Member, MemberKind};

/// The type of a member. The numbers are those of the C ABI (`CR_MEMBER_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum MemberType {
    /// A regular file.
    Regular = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A further name of an earlier member.
    HardLink = 4,
    /// A character device.
    CharDevice = 5,
    /// A block device.
    BlockDevice = 6,
    /// A named pipe.
    Fifo = 7,
}

impl MemberType {
    /// All of them, in the order of their numbers.
    pub const ALL: [MemberType; 7] = [
        MemberType::Regular,
        MemberType::Directory,
        MemberType::Symlink,
        MemberType::HardLink,
        MemberType::CharDevice,
        MemberType::BlockDevice,
        MemberType::Fifo,
    ];
}

impl From<MemberKind> for MemberType {
    fn from(kind: MemberKind) -> Self {
        match kind {
            MemberKind::Regular => MemberType::Regular,
            MemberKind::Directory => MemberType::Directory,
            MemberKind::Symlink => MemberType::Symlink,
            MemberKind::Hardlink => MemberType::HardLink,
            MemberKind::CharDevice => MemberType::CharDevice,
            MemberKind::BlockDevice => MemberType::BlockDevice,
            MemberKind::Fifo => MemberType::Fifo,
        }
    }
}

impl From<MemberType> for MemberKind {
    fn from(kind: MemberType) -> Self {
        match kind {
            MemberType::Regular => MemberKind::Regular,
            MemberType::Directory => MemberKind::Directory,
            MemberType::Symlink => MemberKind::Symlink,
            MemberType::HardLink => MemberKind::Hardlink,
            MemberType::CharDevice => MemberKind::CharDevice,
            MemberType::BlockDevice => MemberKind::BlockDevice,
            MemberType::Fifo => MemberKind::Fifo,
        }
    }
}

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberInfo {
    /// Its name as it stands in the archive: any bytes, not cleaned.
    pub name: OsString,
    /// Its type.
    pub kind: MemberType,
    /// What it is to a checkpoint.
    pub class: MemberClass,
    /// The size of a regular file in bytes, holes included; else 0.
    pub size: u64,
    /// How many bytes of data the archive holds of it.
    pub stored: u64,
    /// Where its first header begins in the tar stream, in bytes.
    pub offset: u64,
}

/// The members of an archive that were seen so far, in the archive's order.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) members: Vec<MemberInfo>,
    budget: Budget,
}

impl Contents {
    pub(super) fn add(&mut self, member: &Member, path: &RootPath) -> Result<()> {
        self.budget.take(member.path.len())?;
        self.members.push(MemberInfo {
            name: OsString::from_vec(member.path.clone()),
            kind: member.kind.into(),
            class: MemberClass::of(path.as_bytes()),
            size: member.size,
            stored: member.stored,
            offset: member.offset,
        });
        Ok(())
    }
}
