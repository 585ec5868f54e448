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

/// Fills a buffer with what a file has from the offset `at` on, as far as it goes: one read may yield but a few bytes.
pub(crate) fn fill_from(file: &impl FileExt, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
