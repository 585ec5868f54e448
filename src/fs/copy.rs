//! Moving bytes between files.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;

use crate::error::{Error, Result};
use crate::watch::{MAX_COPIED, Watch};

/// The buffer of the copy through user space.
const BUFFER: usize = 256 << 10;

/// Copies up to `len` bytes from `source` at `from` to `target` at `to`, inside the kernel where it can be (which
/// file systems with reflinks answer by sharing blocks). Returns the bytes copied: fewer if `source` ends. `watch` is
/// told of each step.
pub(crate) fn copy_range(
    source: &File,
    mut from: u64,
    target: &File,
    mut to: u64,
    len: u64,
    watch: &Watch,
) -> Result<u64> {
    let mut left = len;
    while left > 0 {
        let (mut source_at, mut target_at) = (offset(from)?, offset(to)?);
        let step = usize::try_from(left.min(MAX_COPIED)).unwrap_or(usize::MAX);
        let copied = copy_file_range(
            source,
            Some(&mut source_at),
            target,
            Some(&mut target_at),
            step,
        );
        let copied = match copied {
            // Some file systems answer 0 for files whose size they don't know: reading decides.
            Ok(0) => return Ok(len - left + copy_by_hand(source, from, target, to, left, watch)?),
            Ok(copied) => copied as u64,
            Err(Errno::EINTR) => continue,
            // Different file systems on older kernels, or one that lacks the call.
            Err(
                Errno::EXDEV
                | Errno::EINVAL
                | Errno::EOPNOTSUPP
                | Errno::ENOSYS
                | Errno::EPERM
                | Errno::ETXTBSY,
            ) => return Ok(len - left + copy_by_hand(source, from, target, to, left, watch)?),
            Err(errno) => return Err(Error::system("copy_file_range", errno)),
        };
        left -= copied;
        from += copied;
        to += copied;
        watch.step(copied)?;
    }
    Ok(len)
}

fn copy_by_hand(
    source: &File,
    mut from: u64,
    target: &File,
    mut to: u64,
    len: u64,
    watch: &Watch,
) -> Result<u64> {
    let mut buffer = vec![0; usize::try_from(len).unwrap_or(BUFFER).min(BUFFER)];
    let mut left = len;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
        let read = match source.read_at(&mut buffer[..want], from) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            result => result.map_err(|error| Error::io("read", error))?,
        };
        if read == 0 {
            break;
        }
        target
            .write_all_at(&buffer[..read], to)
            .map_err(|error| Error::io("write", error))?;
        left -= read as u64;
        from += read as u64;
        to += read as u64;
        watch.step(read as u64)?;
    }
    Ok(len - left)
}

/// An offset as the kernel takes it.
fn offset(at: u64) -> Result<i64> {
    i64::try_from(at).map_err(|_| Error::system("file offset", Errno::EOVERFLOW))
}
