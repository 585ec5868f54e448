//! What tests of other floors need, and only unsafe calls give.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::Pid;

/// How often [`COUNTING`] was called.
static HANDLED: AtomicUsize = AtomicUsize::new(0);

/// Counts, and does nothing else.
pub(crate) const COUNTING: SigHandler = SigHandler::Handler(count);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// How often [`COUNTING`] was called, in the whole process.
pub(crate) fn handled() -> usize {
    HANDLED.load(Ordering::SeqCst)
}

/// What happens on `signal` from now on, in the whole process; returns what happened before.
pub(crate) fn set_handler(signal: Signal, handler: SigHandler) -> SigHandler {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the one function that is ever set adds to an atomic number, which a handler may do.
    unsafe { sigaction(signal, &action) }.unwrap().handler()
}

/// Sends `signal` to the thread `thread` of this process.
pub(crate) fn interrupt(thread: Pid, signal: Signal) {
    let process = libc::c_long::from(std::process::id());
    let thread = libc::c_long::from(thread.as_raw());
    // SAFETY: the arguments are integers; a signal has no other effect than its handler's.
    let result = unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            process,
            thread,
            libc::c_long::from(signal as libc::c_int),
        )
    };
    Errno::result(result).unwrap();
}

/// The two ends of a new terminal, the controlling one first.
pub(crate) fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut controlling, mut terminal) = (-1, -1);
    // SAFETY: the call writes two descriptors, which live here, and takes null pointers for what nobody asks for.
    let result = unsafe {
        libc::openpty(
            &raw mut controlling,
            &raw mut terminal,
            ptr::null_mut(),
            ptr::null(),
            ptr::null(),
        )
    };
    Errno::result(result).unwrap();
    // SAFETY: the call succeeded, so the descriptor is open, and nobody else knows it.
    let controlling = unsafe { OwnedFd::from_raw_fd(controlling) };
    // SAFETY: as above.
    (controlling, unsafe { OwnedFd::from_raw_fd(terminal) })
}
