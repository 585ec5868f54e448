//! Signals that are blocked and wait.

use std::ptr;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};

/// Whether `signal` is blocked and waits, for the calling thread or for the whole process.
pub(crate) fn is_pending(signal: Signal) -> Result<bool, Errno> {
    let mut pending = *SigSet::empty().as_ref();
    // SAFETY: the call writes the one set it is given, which lives here.
    let result = unsafe { libc::sigpending(&raw mut pending) };
    Errno::result(result)?;
    // SAFETY: `pending` was made by sigemptyset and written by sigpending; the call reads it.
    let member = unsafe { libc::sigismember(&raw const pending, signal as libc::c_int) };
    Ok(member == 1)
}

/// Takes `signal`, which has to be blocked, if it waits, so that it is never delivered. Whether it was there; one that
/// waits for the calling thread goes before one that waits for the whole process.
pub(crate) fn take_pending(signal: Signal) -> Result<bool, Errno> {
    let mut wanted = SigSet::empty();
    wanted.add(signal);
    let no_time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the set and the time are read and outlive the call; it takes a null pointer for what nobody asks for.
    let result =
        unsafe { libc::sigtimedwait(wanted.as_ref(), ptr::null_mut(), &raw const no_time) };
    match Errno::result(result) {
        Err(Errno::EAGAIN) => Ok(false),
        result => result.map(|_| true),
    }
}
