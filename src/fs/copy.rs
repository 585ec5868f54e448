//! Moving bytes between files.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;

use crate::error::{Called as _, Error, Result};
use crate::sys::{clone_range, quietly, write_all_at};
use crate::watch::{MAX_CLONED, MAX_COPIED, Watch};

/// The buffer of the copy through user space.
const BUFFER: usize = 1 << 20;

/// What can be cloned are multiples of this. A file system with larger blocks refuses.
const BLOCK: u64 = 4096;

/// Sharing fewer bytes costs more than copying them.
const CLONED_FROM: u64 = 60 << 10;

/// Moves up to `len` bytes from `source` at `from` to `target` at `to`: blocks are shared where the file system can, the
/// rest is copied, inside the kernel where it can be. Returns how many: fewer if `source` ends. `watch` is told of each
/// step.
pub(crate) fn copy_range(
    source: &File,
    from: u64,
    target: &File,
    to: u64,
    len: u64,
    watch: &Watch,
) -> Result<u64> {
    let mut pair = Pair {
        source,
        from,
        target,
        to,
        watch,
    };
    let end = from.saturating_add(len);
    // Only whole blocks can be shared, and only where both files have their boundaries at the same bytes.
    let whole = from.next_multiple_of(BLOCK)..end / BLOCK * BLOCK;
    if from % BLOCK == to % BLOCK && whole.end.saturating_sub(whole.start) >= CLONED_FROM {
        let head = whole.start - from;
        if pair.copy(head)? < head {
            return Ok(pair.from - from);
        }
        pair.clone_up_to(whole.end)?;
    }
    pair.copy(end - pair.from)?;
    Ok(pair.from - from)
}

/// Shares as much of the next `len` bytes as whole blocks can be, from the first on; the rest is left to the caller.
/// Returns how many bytes that are: none where it doesn't go.
pub(crate) fn share_range(
    source: &File,
    from: u64,
    target: &File,
    to: u64,
    len: u64,
    watch: &Watch,
) -> Result<u64> {
    let mut pair = Pair {
        source,
        from,
        target,
        to,
        watch,
    };
    if from.is_multiple_of(BLOCK) && to.is_multiple_of(BLOCK) && len >= CLONED_FROM {
        pair.clone_up_to(from.saturating_add(len) / BLOCK * BLOCK)?;
    }
    Ok(pair.from - from)
}

/// Two files, each at an offset.
struct Pair<'p> {
    source: &'p File,
    from: u64,
    target: &'p File,
    to: u64,
    watch: &'p Watch,
}

impl Pair<'_> {
    fn advance(&mut self, moved: u64) -> Result<()> {
        self.from += moved;
        self.to += moved;
        self.watch.step(moved)
    }

    /// Shares blocks as far as that goes. Why it doesn't go further is of no interest: copying goes on from there, and
    /// knows when it can't. (XFS, for one, may be short of space for references while it has space for data.)
    fn clone_up_to(&mut self, end: u64) -> Result<()> {
        while self.from < end {
            let step = (end - self.from).min(MAX_CLONED);
            let (source, target) = (self.source.as_fd(), self.target.as_fd());
            let clone = || clone_range(source, self.from, target, self.to, step).map(|()| 0);
            if quietly(0, clone).is_err() {
                break;
            }
            self.advance(step)?;
        }
        Ok(())
    }

    /// Copies up to `len` bytes inside the kernel where it can be, through user space elsewhere.
    fn copy(&mut self, len: u64) -> Result<u64> {
        let mut left = len;
        while left > 0 {
            let (mut from, mut to) = (offset(self.from)?, offset(self.to)?);
            let step = usize::try_from(left.min(MAX_COPIED)).unwrap_or(usize::MAX);
            let (source, target) = (self.source, self.target);
            let call = || copy_file_range(source, Some(&mut from), target, Some(&mut to), step);
            let copied = match quietly(step, call) {
                // Some file systems answer 0 for files whose size they don't know: reading decides.
                Ok(0) => return Ok(len - left + self.copy_by_hand(left)?),
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
                ) => return Ok(len - left + self.copy_by_hand(left)?),
                Err(errno) => return Err(Error::system("copy_file_range", errno)),
            };
            left -= copied;
            self.advance(copied)?;
        }
        Ok(len)
    }

    fn copy_by_hand(&mut self, len: u64) -> Result<u64> {
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(BUFFER).min(BUFFER)];
        let mut left = len;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let read = match self.source.read_at(&mut buffer[..want], self.from) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                result => result.called(|| "read")?,
            };
            if read == 0 {
                break;
            }
            write_all_at(self.target, &buffer[..read], self.to).called(|| "write")?;
            left -= read as u64;
            self.advance(read as u64)?;
        }
        Ok(len - left)
    }
}

/// An offset as the kernel takes it.
fn offset(at: u64) -> Result<i64> {
    i64::try_from(at).map_err(|_| Error::system("file offset", Errno::EOVERFLOW))
}
