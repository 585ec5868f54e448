//! Which object a descriptor stands for.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use nix::sys::stat::{FileStat, fstat};

use crate::error::{Called as _, Result};

/// Device and inode: two descriptors with the same identity are open on the same object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(fd: impl AsFd) -> Result<Self> {
        fstat(fd).map(|stat| Self::from(&stat)).called(|| "fstat")
    }
}

impl From<&FileStat> for Identity {
    fn from(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}
