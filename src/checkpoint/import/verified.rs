//! Whether an archive is still what its digest was computed of.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use crate::archive::Sha256Digest;
use crate::error::{Called as _, Result};

/// An archive whose digest was compared before anything was done with it.
#[derive(Clone, Copy)]
pub(super) struct Verified {
    pub(super) digest: Sha256Digest,
    pub(super) stamp: Stamp,
}

/// What changes when somebody writes to a file, unless he sets it back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) len: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(file: &File) -> Result<Self> {
        let metadata = file.metadata().called(|| "fstat")?;
        Ok(Self {
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}
