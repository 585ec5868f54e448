//! Reading a file by its offsets: the descriptor's own may be somebody else's.

#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::ops::Deref;
use std::os::unix::fs::FileExt;

/// Reads a file from an offset on, and leaves its descriptor's own offset where it is.
pub(crate) struct FromOffset<F> {
    file: F,
    at: u64,
}

impl<F> FromOffset<F> {
    /// Reads `file` from the offset `at` on.
    pub(crate) fn new(file: F, at: u64) -> Self {
        Self { file, at }
    }
}

impl<F: Deref<Target: FileExt>> Read for FromOffset<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
