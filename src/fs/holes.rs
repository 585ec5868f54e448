//! Where a file has data, and where it has holes.

#![forbid(unsafe_code)]

use std::fs::File;

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use crate::error::{Called as _, Result};

/// How many extents are remembered at most. A file with more keeps its larger holes.
const MAX_EXTENTS: usize = 1 << 18;

/// The `(offset, length)` of the data in the first `size` bytes of `file`, in order, with holes between them; one
/// extent over all of it where the file system can't tell. Moves the descriptor's offset.
pub(crate) fn data_extents(file: &File, size: u64) -> Result<Vec<(u64, u64)>> {
    let mut extents: Vec<(u64, u64)> = Vec::new();
    let mut smallest_hole = 1;
    let mut at = 0;
    // Every turn moves `at` forward, by the file system's block size at least.
    while at < size {
        let start = match seek(file, at, Whence::SeekData) {
            Ok(start) if start < size => start.max(at),
            Ok(_) | Err(Errno::ENXIO) => break,
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) => return Ok(vec![(0, size)]),
            Err(errno) => return Err(errno).called(|| "lseek SEEK_DATA"),
        };
        let end = match seek(file, start, Whence::SeekHole) {
            Ok(end) => end.clamp(start, size),
            // It has got shorter just now: whoever reads the data finds that out.
            Err(Errno::ENXIO) => size,
            Err(errno) => return Err(errno).called(|| "lseek SEEK_HOLE"),
        };
        push(&mut extents, start, end - start, smallest_hole);
        while extents.len() >= MAX_EXTENTS {
            smallest_hole *= 2;
            let all = std::mem::take(&mut extents);
            all.into_iter()
                .for_each(|(start, len)| push(&mut extents, start, len, smallest_hole));
        }
        at = end.max(start + 1);
    }
    Ok(extents)
}

/// Adds an extent, or lengthens the last one over a hole that is too small to be kept.
fn push(extents: &mut Vec<(u64, u64)>, start: u64, len: u64, smallest_hole: u64) {
    match extents.last_mut() {
        Some((last, last_len)) if start - (*last + *last_len) < smallest_hole => {
            *last_len = start + len - *last;
        }
        _ if len > 0 => extents.push((start, len)),
        _ => {}
    }
}

fn seek(file: &File, at: u64, whence: Whence) -> Result<u64, Errno> {
    let at = i64::try_from(at).map_err(|_| Errno::EOVERFLOW)?;
    lseek(file, at, whence).map(i64::unsigned_abs)
}
