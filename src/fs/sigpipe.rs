//! Writing without the signal that a broken pipe sends.

#![forbid(unsafe_code)]

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use crate::sys;

/// Has `call` write `len` bytes to what may be a pipe. If nobody reads it any more that is EPIPE, and no SIGPIPE:
/// whatever the process does on the signal isn't done, and the calling thread's mask and pending signals are what they
/// were.
pub(super) fn quietly(
    len: usize,
    call: impl FnOnce() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let held = Held::new()?;
    let result = call();
    if result != Ok(len) {
        // A pipe that loses its reader halfway may give a short count, and the signal all the same.
        held.discard();
    }
    result
}

/// SIGPIPE, kept from the calling thread as long as this lives.
struct Held {
    /// Whether the caller kept it off already.
    was_blocked: bool,
    /// Whether one waited already; it stays, and a second of its kind is no other.
    was_pending: bool,
}

impl Held {
    fn new() -> Result<Self, Errno> {
        let before = sigpipe().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let mut held = Self {
            was_blocked: before.contains(Signal::SIGPIPE),
            was_pending: false,
        };
        // One that isn't blocked doesn't wait.
        if held.was_blocked {
            held.was_pending = sys::is_pending(Signal::SIGPIPE)?;
        }
        Ok(held)
    }

    /// Takes the signal that has come meanwhile, if one has.
    fn discard(&self) {
        if !self.was_pending {
            // The call fails for bad arguments only.
            let _ = sys::take_pending(Signal::SIGPIPE);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.was_blocked {
            // As above.
            let _ = sigpipe().thread_unblock();
        }
    }
}

fn sigpipe() -> SigSet {
    SigSet::from_iter([Signal::SIGPIPE])
}
