//! Whether two files' bytes differ.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use nix::fcntl::OFlag;

use crate::error::{Called as _, Result};
use crate::fs::{Node, data_extents};
use crate::watch::Watch;

/// How much of each file is read at once.
const BLOCK: usize = 128 << 10;

/// Whether the two regular files, which have the same size, hold different bytes. What is a hole in both isn't read.
pub(super) fn differ(a: &Node, b: &Node, watch: &Watch) -> Result<bool> {
    if a.identity()? == b.identity()? {
        return Ok(false);
    }
    let (a, b) = (open(a)?, open(b)?);
    let size = length(&a)?;
    let mut extents = data_extents(&a, size)?;
    extents.extend(data_extents(&b, size)?);
    extents.sort_unstable();
    let (mut left, mut right) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut at = 0;
    for (start, len) in extents {
        let end = start.saturating_add(len);
        at = at.max(start);
        while at < end {
            watch.check()?;
            let wanted = usize::try_from(end - at).map_or(BLOCK, |rest| rest.min(BLOCK));
            let read = fill(&a, at, &mut left[..wanted])?;
            if read != fill(&b, at, &mut right[..wanted])? || left[..read] != right[..read] {
                return Ok(true);
            }
            if read < wanted {
                // Both end before their length: what couldn't be read may differ.
                return Ok(true);
            }
            at += read as u64;
        }
    }
    // What was a hole because the file had got shorter wasn't read.
    Ok(length(&a)? != size || length(&b)? != size)
}

fn length(file: &File) -> Result<u64> {
    let metadata = file.metadata().called(|| "fstat")?;
    Ok(metadata.len())
}

fn open(node: &Node) -> Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOATIME;
    match node.reopen(flags) {
        // Only a file's owner may leave its access time alone.
        Err(error) if error.is(nix::errno::Errno::EPERM) => {
            node.reopen(OFlag::O_RDONLY).map(File::from)
        }
        result => result.map(File::from),
    }
}

/// Reads from `offset` on until the buffer is full or the file ends.
fn fill(file: &File, offset: u64, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file
            .read_at(&mut buffer[filled..], offset + filled as u64)
            .called(|| "read")?
        {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
