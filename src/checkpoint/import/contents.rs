//! What an archive holds, member by member.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::budget::{Budget, push};
use crate::checkpoint::MemberClass;
use crate::error::Result;
use crate::fs::RootPath;
use crate::tar::{Member, MemberType};

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
        let info = MemberInfo {
            name: OsString::from_vec(member.path.clone()),
            kind: member.kind.member_type(),
            class: MemberClass::of(path.as_bytes()),
            size: member.size(),
            stored: member.stored(),
            offset: member.offset,
        };
        Ok(push(&mut self.members, info)?)
    }
}
