//! Threads that leave the host's signals alone.
//!
//! A signal that is sent to a process goes to any of its threads that doesn't block it. A host that waits for its
//! signals, or blocks them in the threads it knows of, would lose them to a thread of this library; so ours block them.

#![forbid(unsafe_code)]

use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use crate::error::{Called as _, Result};

/// What a thread's own fault raises, or a system call filter. Were they blocked, the kernel would kill the process
/// without a look at the host's handlers: a crash reporter, or what answers a filtered call.
const FAULTS: [Signal; 6] = [
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
    Signal::SIGSYS,
    Signal::SIGTRAP,
];

/// Starts a thread that takes no signal of the host's. `name` shows in lists of threads, up to 15 bytes of it.
///
/// # Errors
///
/// The system call's: EAGAIN where there may be no more threads.
pub(crate) fn spawn_quiet<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    quietly(|| Builder::new().name(name.to_owned()).spawn(work))?.called(|| "pthread_create")
}

/// The same with a thread that ends with a scope.
///
/// # Errors
///
/// As those of [`spawn_quiet`].
pub(crate) fn spawn_quiet_in<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 's,
) -> Result<ScopedJoinHandle<'s, T>> {
    quietly(|| {
        Builder::new()
            .name(name.to_owned())
            .spawn_scoped(scope, work)
    })?
    .called(|| "pthread_create")
}

/// Runs `start` while the calling thread blocks all signals but [`FAULTS`]; threads started by it inherit that, from
/// their first instruction on. The mask is then what it was before. Signals that came meanwhile are delivered then.
///
/// # Errors
///
/// The mask can't be set; `start` was not run then.
pub(super) fn quietly<T>(start: impl FnOnce() -> T) -> Result<T> {
    let mut mask = SigSet::all();
    for fault in FAULTS {
        mask.remove(fault);
    }
    let before = mask
        .thread_swap_mask(SigmaskHow::SIG_SETMASK)
        .called(|| "pthread_sigmask")?;
    let _restored = Restore(before);
    Ok(start())
}

/// Gives the thread its mask back, also if what ran meanwhile panics.
struct Restore(SigSet);

impl Drop for Restore {
    fn drop(&mut self) {
        // It fails for a bad argument alone, and the mask is one that the kernel gave.
        let _ = self.0.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a thread of its own, since the mask is the thread's.
    fn with_mask(mask: SigSet, test: impl FnOnce() + Send + 'static) {
        let thread = std::thread::spawn(move || {
            mask.thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap();
            test();
            assert_eq!(SigSet::thread_get_mask().unwrap(), mask, "it is as it was");
        });
        thread.join().unwrap();
    }

    #[test]
    fn a_thread_blocks_all_signals_but_faults_and_its_starter_none() {
        let mut mine = SigSet::empty();
        mine.add(Signal::SIGUSR1);
        with_mask(mine, || {
            let thread = spawn_quiet("quiet", || SigSet::thread_get_mask().unwrap());
            let mask = thread.unwrap().join().unwrap();
            // Nobody can block these two.
            for signal in Signal::iterator() {
                if ![Signal::SIGKILL, Signal::SIGSTOP].contains(&signal) {
                    let faults = "SIGBUS SIGFPE SIGILL SIGSEGV SIGSYS SIGTRAP";
                    let fault = faults.split(' ').any(|name| name == signal.as_str());
                    assert_eq!(mask.contains(signal), !fault, "{signal}");
                }
            }
        });
    }

    #[test]
    fn the_mask_comes_back_after_a_panic() {
        with_mask(SigSet::empty(), || {
            let panic = std::panic::catch_unwind(|| quietly(|| panic!("on purpose")).is_ok());
            panic.unwrap_err();
        });
    }

    #[test]
    fn a_result_comes_through() {
        assert_eq!(quietly(|| 7).unwrap(), 7);
        let thread = spawn_quiet("quiet", || std::thread::current().name().map(str::to_owned));
        assert_eq!(thread.unwrap().join().unwrap().as_deref(), Some("quiet"));
    }
}
