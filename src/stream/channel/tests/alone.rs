//! What signals do concerns the whole process: these tests run one named `within_…` in a process of its own, which does
//! nothing elsewhere.

#![forbid(unsafe_code)]

use std::sync::mpsc;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, raise};
use nix::unistd::gettid;

use super::stalled::sleeps;
use super::*;
use crate::fs::testing::{is_alone, run_alone, until};
use crate::sys::testing::{COUNTING, handled, interrupt, set_handler};
use crate::sys::{is_pending, take_pending};

fn run(within: &str) {
    run_alone(&format!("stream::channel::tests::alone::{within}"), &[]);
}

fn sigpipe() -> SigSet {
    SigSet::from_iter([Signal::SIGPIPE])
}

/// Writers of all manners to readers that went away.
fn broken() -> Vec<(String, Channel)> {
    let mut writers = Vec::new();
    for via in Via::ALL {
        for flags in [OFlag::empty(), OFlag::O_NONBLOCK] {
            let (from, to) = via.ends(flags);
            let before = Channel::writer(to.as_fd(), &Watch::new()).unwrap();
            drop(from);
            let what = format!("{via:?} {flags:?}");
            writers.push((format!("{what} before"), before));
            let after = Channel::writer(to.as_fd(), &Watch::new()).unwrap();
            writers.push((format!("{what} after"), after));
            let shared = sharing_writer(&to, &Watch::new());
            writers.push((format!("{what} shared"), shared));
        }
    }
    writers
}

#[test]
fn a_reader_that_went_away_is_an_error_and_no_signal() {
    for within in ["within_the_default", "within_ignorance", "within_a_handler"] {
        run(within);
    }
}

#[test]
fn within_the_default() {
    if is_alone() {
        set_handler(Signal::SIGPIPE, SigHandler::SigDfl);
        everything_broken();
        let found = set_handler(Signal::SIGPIPE, SigHandler::SigIgn);
        assert!(matches!(found, SigHandler::SigDfl));
    }
}

#[test]
fn within_ignorance() {
    if is_alone() {
        set_handler(Signal::SIGPIPE, SigHandler::SigIgn);
        everything_broken();
        let found = set_handler(Signal::SIGPIPE, SigHandler::SigIgn);
        assert!(matches!(found, SigHandler::SigIgn));
    }
}

#[test]
fn within_a_handler() {
    if is_alone() {
        set_handler(Signal::SIGPIPE, COUNTING);
        everything_broken();
        assert_eq!(handled(), 0);
        raise(Signal::SIGPIPE).unwrap();
        assert_eq!(handled(), 1, "the handler is there and counts");

        // One that waited before still does, once.
        sigpipe().thread_block().unwrap();
        raise(Signal::SIGPIPE).unwrap();
        for (what, mut writer) in broken() {
            is_epipe(&what, &mut writer);
            assert_eq!(is_pending(Signal::SIGPIPE), Ok(true), "{what}");
        }
        sigpipe().thread_unblock().unwrap();
        assert_eq!(handled(), 2);
        let found = set_handler(Signal::SIGPIPE, SigHandler::SigIgn);
        assert!(matches!(found, SigHandler::Handler(_)));
    }
}

#[track_caller]
fn is_epipe(what: &str, writer: &mut Channel) {
    let error = writer.write_all(b"nobody reads this").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPIPE), "{what}");
}

/// Every writer, with SIGPIPE blocked and not: the mask and what waits are the same after it as before.
fn everything_broken() {
    for how in [SigmaskHow::SIG_UNBLOCK, SigmaskHow::SIG_BLOCK] {
        let others = SigSet::from_iter([Signal::SIGUSR2]);
        others.thread_block().unwrap();
        sigpipe().thread_swap_mask(how).unwrap();
        let before = SigSet::thread_get_mask().unwrap();
        for (what, mut writer) in broken() {
            is_epipe(&what, &mut writer);
            assert_eq!(SigSet::thread_get_mask().unwrap(), before, "{what}");
            assert_eq!(is_pending(Signal::SIGPIPE), Ok(false), "{what}");
        }
    }
    sigpipe().thread_unblock().unwrap();
}

#[test]
fn what_is_written_leaves_the_mask_as_it_was() {
    run("within_a_good_pipe");
}

#[test]
fn within_a_good_pipe() {
    if is_alone() {
        set_handler(Signal::SIGPIPE, COUNTING);
        for (how, blocked) in [
            (SigmaskHow::SIG_UNBLOCK, false),
            (SigmaskHow::SIG_BLOCK, true),
        ] {
            sigpipe().thread_swap_mask(how).unwrap();
            let (from, to) = Via::Pipe.ends(OFlag::empty());
            let mut writer = Channel::writer(to.as_fd(), &Watch::new()).unwrap();
            let written = writer.write(&much()).unwrap();
            assert!(written < much().len(), "a part of it fits");
            let mask = SigSet::thread_get_mask().unwrap();
            assert_eq!(mask.contains(Signal::SIGPIPE), blocked);
            // One that comes from elsewhere is nobody's to take.
            raise(Signal::SIGPIPE).unwrap();
            assert_eq!(is_pending(Signal::SIGPIPE), Ok(blocked));
            nix::unistd::read(&from, &mut [0; 1 << 16]).unwrap();
            assert!(writer.write(&much()).unwrap() > 0);
            assert_eq!(is_pending(Signal::SIGPIPE), Ok(blocked));
            assert_eq!(handled(), 1);
        }
        assert_eq!(take_pending(Signal::SIGPIPE), Ok(true));
        assert_eq!(take_pending(Signal::SIGPIPE), Ok(false));
    }
}

#[test]
fn other_signals_interrupt_nothing() {
    run("within_interruptions");
}

#[test]
fn within_interruptions() {
    if !is_alone() {
        return;
    }
    set_handler(Signal::SIGUSR1, COUNTING);
    for (number, via) in Via::ALL.into_iter().enumerate() {
        let (from, to) = via.ends(OFlag::empty());
        let (send, receive) = mpsc::channel();
        let reading = thread::spawn(move || {
            let mut channel = Channel::reader(from.as_fd(), &Watch::new()).unwrap();
            send.send(gettid()).unwrap();
            // Once only: whoever reads on after an interruption would hide it.
            let mut read = [0; 4];
            channel.read(&mut read).map(|_| read)
        });
        let reader = receive.recv().unwrap();
        until("the reader waits", || sleeps(reader));
        interrupt(reader, Signal::SIGUSR1);
        until("the signal came", || handled() == number + 1);
        nix::unistd::write(&to, b"data").unwrap();
        assert_eq!(&reading.join().unwrap().unwrap(), b"data");
    }
}
