//! Writing without the signals that a write may send.
//!
//! A pipe that nobody reads any more sends SIGPIPE, a file that would get longer than RLIMIT_FSIZE allows SIGXFSZ, and
//! both end a process that has made no provision. Here they are EPIPE and EFBIG. Everything that is written goes
//! through this module, `copy` or `channel`.

#![forbid(unsafe_code)]

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::ftruncate;

use super::signal;

/// What a write may send.
const SIGNALS: [Signal; 2] = [Signal::SIGPIPE, Signal::SIGXFSZ];

/// Has `call` write `len` bytes. Where that sends a signal it is an error alone: whatever the process does on the signal
/// isn't done, and the calling thread's mask and pending signals are what they were.
pub(crate) fn quietly<E: From<Errno>>(
    len: usize,
    call: impl FnOnce() -> Result<usize, E>,
) -> Result<usize, E> {
    let held = Held::new()?;
    let result = call();
    if !matches!(result, Ok(done) if done == len) {
        // A pipe that loses its reader halfway may give a short count, and the signal all the same.
        held.discard();
    }
    result
}

/// Writes all of `bytes` to `file` at the offset `at`.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match quietly(bytes.len(), || file.write_at(bytes, at)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                at += written as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes `file` as long as `len` says.
pub(crate) fn set_len(file: &File, len: u64) -> io::Result<()> {
    let len = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
    loop {
        match quietly(0, || ftruncate(file, len).map(|()| 0)) {
            Err(Errno::EINTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

/// Writes to a file at its offset.
pub(crate) struct Quiet<F>(pub(crate) F);

impl<F: Borrow<File>> Write for Quiet<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file: &File = self.0.borrow();
        quietly(bytes.len(), || file.write(bytes))
    }

    /// Nothing is held back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The signals, kept from the calling thread as long as this lives.
struct Held {
    /// Those that the caller didn't keep off already.
    newly_blocked: SigSet,
    /// Those that waited already; they stay, and a second of their kind is no other.
    pending: SigSet,
}

impl Held {
    fn new() -> Result<Self, Errno> {
        let signals = SigSet::from_iter(SIGNALS);
        let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let (mut newly_blocked, mut pending) = (SigSet::empty(), SigSet::empty());
        for signal in SIGNALS {
            if !before.contains(signal) {
                // One that isn't blocked doesn't wait.
                newly_blocked.add(signal);
            } else if signal::is_pending(signal)? {
                pending.add(signal);
            }
        }
        Ok(Self {
            newly_blocked,
            pending,
        })
    }

    /// Takes the signals that have come meanwhile.
    fn discard(&self) {
        for signal in SIGNALS {
            if !self.pending.contains(signal) {
                // The call fails for bad arguments only.
                let _ = signal::take_pending(signal);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // As above.
        let _ = self.newly_blocked.thread_unblock();
    }
}
