//! A file that can't be opened for a while, so that a test can act in the midst of a call.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// `F_SETSIG` of `asm-generic/fcntl.h`.
const F_SETSIG: libc::c_int = 10;
/// How long whoever is to come to the gate may take.
const AMPLE: Duration = Duration::from_secs(60);

/// A write lease on a file: whoever opens it waits until this is dropped. A descriptor of it that only stands for its
/// place (O_PATH) can be had all the same.
pub struct Gate(OwnedFd);

impl Gate {
    /// Closes the file, which nobody may have open; None where there are no leases.
    pub fn close(path: &Path) -> Option<Self> {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let gate = Self(file.into());
        // Whoever comes is told of by a signal that does nothing.
        gate.control(F_SETSIG, libc::SIGWINCH);
        (gate.control(libc::F_SETLEASE, libc::F_WRLCK) == 0).then_some(gate)
    }

    /// Waits until somebody waits at the gate.
    #[track_caller]
    pub fn await_guest(&self) {
        let begin = Instant::now();
        while self.control(libc::F_GETLEASE, 0) == libc::F_WRLCK {
            assert!(begin.elapsed() < AMPLE, "nobody opens the file");
            thread::yield_now();
        }
    }

    /// Cuts the file off behind so many bytes, closed as it is.
    pub fn shorten(&self, len: i64) {
        // SAFETY: the descriptor is open, and the call takes a number.
        assert_eq!(unsafe { libc::ftruncate(self.0.as_raw_fd(), len) }, 0);
    }

    fn control(&self, command: libc::c_int, argument: libc::c_int) -> libc::c_int {
        // SAFETY: the descriptor is open, and all three commands take an integer.
        unsafe { libc::fcntl(self.0.as_raw_fd(), command, argument) }
    }
}

/// Runs `call`; while it waits to open the file `path`, `between` is done.
#[track_caller]
pub fn amid<T: Send>(
    path: &Path,
    call: impl FnOnce() -> T + Send,
    between: impl FnOnce(),
) -> Option<T> {
    let gate = Gate::close(path)?;
    Some(thread::scope(|scope| {
        let called = scope.spawn(call);
        gate.await_guest();
        between();
        drop(gate);
        called.join().unwrap()
    }))
}
