//! Moving bytes through memory.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, Read};

use crate::error::{Called as _, Result};
use crate::sys::write_all_at;

/// Writes the next `len` bytes to `target` at offset `at`, as they lie in memory. Returns how many there were.
pub(super) fn copy_through(
    reader: &mut (impl BufRead + ?Sized),
    target: &File,
    at: u64,
    len: u64,
) -> Result<u64> {
    let mut done = 0;
    while done < len {
        let there = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.called(|| "read the archive")?,
        };
        let count = there
            .len()
            .min(usize::try_from(len - done).unwrap_or(usize::MAX));
        if count == 0 {
            break;
        }
        write_all_at(target, &there[..count], at + done).called(|| "write")?;
        reader.consume(count);
        done += count as u64;
    }
    Ok(done)
}

/// What [`Read::read`] is to a reader that has bytes in memory.
pub(super) fn read_through(reader: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let count = reader.fill_buf()?.read(buffer)?;
    reader.consume(count);
    Ok(count)
}

/// Fills a buffer until it has as many bytes at `least`, or the reader has no more. Returns how many it has, and what
/// has ended it.
pub(super) fn read_up_to(
    reader: &mut dyn Read,
    least: usize,
    buffer: &mut [u8],
) -> (usize, io::Result<()>) {
    let mut filled = 0;
    while filled < least.min(buffer.len()) {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(()))
}
