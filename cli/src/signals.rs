//! Ctrl-C and SIGTERM.

#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crutils::watch::Watch;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals as Caught;

/// What was caught so far.
pub(crate) struct Signals {
    /// Ends whatever works under it.
    pub(crate) watch: Watch,
    caught: Arc<AtomicUsize>,
}

impl Signals {
    /// Begins to catch them: the first cancels what is under way, and the second ends the program as if nobody had caught
    /// it.
    pub(crate) fn new() -> io::Result<Self> {
        let watch = Watch::new();
        let caught = Arc::new(AtomicUsize::new(0));
        let again = Arc::new(AtomicBool::new(false));
        // The first of all: a signal that only sets the flag would be lost.
        let mut signals = Caught::new([SIGINT, SIGTERM])?;
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset.
            flag::register_conditional_default(signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
        }
        let (number, cancel) = (Arc::clone(&caught), watch.clone());
        thread::spawn(move || {
            for signal in signals.forever() {
                number.store(
                    usize::try_from(signal).unwrap_or_default(),
                    Ordering::SeqCst,
                );
                cancel.cancel();
            }
        });
        Ok(Self { watch, caught })
    }

    /// The signal that was caught.
    pub(crate) fn caught(&self) -> Option<u8> {
        let number = self.caught.load(Ordering::SeqCst);
        u8::try_from(number).ok().filter(|number| *number > 0)
    }
}
