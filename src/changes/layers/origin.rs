//! Which lower file an upper one was copied from.

#![forbid(unsafe_code)]

use std::os::fd::AsFd as _;

use nix::errno::Errno;

use crate::error::{Called as _, Result};
use crate::fs::Node;
use crate::sys::file_handle;

/// The first bytes of the kernel's `struct ovl_fb`: version, magic, length, flags, type of the handle; then the file
/// system's UUID, 16 bytes, and the handle.
const HEADER: usize = 5;
const UUID: usize = 16;
const VERSION_AND_MAGIC: [u8; 2] = [0, 0xfb];

/// A file of a lower layer, by what its file system calls it. Two file systems may call different files the same; that
/// makes a file look changed that isn't, not the reverse.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::changes) struct Origin(Vec<u8>);

impl Origin {
    /// The file that the overlay has noted; nothing if the note isn't understood.
    pub(super) fn noted(value: &[u8]) -> Option<Self> {
        let kind = *value.get(HEADER - 1)?;
        let handle = value.get(HEADER + UUID..)?;
        let known = value.starts_with(&VERSION_AND_MAGIC)
            && value.get(2).copied().map(usize::from) == Some(value.len());
        known.then(|| Self::new(kind, handle))
    }

    /// The file itself; nothing if its file system has no such names.
    pub(in crate::changes) fn of(node: &Node) -> Result<Option<Self>> {
        match file_handle(node.as_fd()) {
            Ok((kind, handle)) => Ok(u8::try_from(kind).ok().map(|kind| Self::new(kind, &handle))),
            Err(Errno::EOPNOTSUPP | Errno::EOVERFLOW) => Ok(None),
            Err(errno) => Err(errno).called(|| "name_to_handle_at"),
        }
    }

    fn new(kind: u8, handle: &[u8]) -> Self {
        Self([&[kind], handle].concat())
    }
}
