//! What changed in a container's root file system since its image.

#![forbid(unsafe_code)]

use std::ffi::OsString;

/// One changed object of a root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path as the container sees it, such as `/etc/hosts`; any bytes but NUL.
    pub path: OsString,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to an object of a root file system. The numbers are those of the C ABI (`CR_CHANGE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ChangeKind {
    /// It was there before and is now different, in content, metadata or type.
    Modify = 0,
    /// It is new.
    Add = 1,
    /// It is gone. (A directory that was deleted and made again is deleted, and its new content added.)
    Delete = 2,
}
