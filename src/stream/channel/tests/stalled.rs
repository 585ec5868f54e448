//! A peer that stalls holds nobody up who wants to end the work.

#![forbid(unsafe_code)]

use std::sync::mpsc::channel;

use nix::unistd::{Pid, gettid};

use super::*;
use crate::fs::testing::{AMPLE, until};

/// Whether a thread of this process sleeps in a call.
pub(super) fn sleeps(thread: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.starts_with('S')
}

fn is_ready(fd: impl AsFd, events: PollFlags) -> bool {
    let mut wanted = [PollFd::new(fd.as_fd(), events)];
    poll(&mut wanted, PollTimeout::ZERO).unwrap() > 0
}

/// Works in a thread until it sleeps and is `stuck`, cancels then, and sees that the thread ends and why.
#[track_caller]
fn ends_when_cancelled(
    work: impl FnOnce(&Watch) -> io::Result<()> + Send + 'static,
    stuck: impl Fn() -> bool,
) {
    let watch = Watch::new();
    let working = watch.clone();
    let (send, receive) = channel();
    let (send_thread, receive_thread) = channel();
    thread::spawn(move || {
        send_thread.send(gettid()).unwrap();
        send.send(work(&working)).unwrap();
    });
    let thread = receive_thread.recv().unwrap();
    until("stalled", || stuck() && sleeps(thread));
    watch.cancel();
    let result = receive.recv_timeout(AMPLE).expect("it ends");
    let error = Error::io("move", result.unwrap_err());
    assert_eq!(
        (error.kind(), error.errno()),
        (Kind::Cancelled, libc::ECANCELED)
    );
}

#[test]
fn a_read_that_waits_for_a_writer_can_be_cancelled() {
    for via in Via::ALL {
        for flags in [OFlag::empty(), OFlag::O_NONBLOCK] {
            let (from, to) = via.ends(flags);
            nix::unistd::write(&to, b"begin").unwrap();
            let own = from.try_clone().unwrap();
            ends_when_cancelled(
                move |watch| {
                    let mut channel = Channel::reader(own.as_fd(), watch).unwrap();
                    channel.read_exact(&mut [0; 6])
                },
                || !is_ready(&from, PollFlags::POLLIN),
            );
            drop(to);
        }
    }
}

#[test]
fn a_write_that_waits_for_a_reader_can_be_cancelled() {
    let makers = [sharing_writer, |fd: &OwnedFd, watch: &Watch| {
        Channel::writer(fd.as_fd(), watch).unwrap()
    }];
    for (via, make) in Via::ALL
        .into_iter()
        .flat_map(|via| makers.map(|make| (via, make)))
    {
        for flags in [OFlag::empty(), OFlag::O_NONBLOCK] {
            let (from, to) = via.ends(flags);
            let own = to.try_clone().unwrap();
            ends_when_cancelled(
                move |watch| make(&own, watch).write_all(&much()),
                || !is_ready(&to, PollFlags::POLLOUT),
            );
            drop(from);
        }
    }
}

#[test]
fn a_write_to_a_terminal_that_nobody_reads_can_be_cancelled() {
    let (controlling, terminal) = terminal();
    let own = terminal.try_clone().unwrap();
    ends_when_cancelled(
        move |watch| {
            Channel::writer(own.as_fd(), watch)
                .unwrap()
                .write_all(&vec![b'x'; 1 << 20])
        },
        || !is_ready(&terminal, PollFlags::POLLOUT),
    );
    drop(controlling);
}

#[test]
fn a_read_of_a_fifo_that_has_no_writer_yet_waits_for_it() {
    let scratch = Scratch::new();
    let path = scratch.join("fifo");
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let from = open(&path, flags, Mode::empty()).unwrap();
    let (send_thread, receive_thread) = channel();
    let reading = thread::spawn(move || {
        let mut channel = Channel::reader(from.as_fd(), &Watch::new()).unwrap();
        send_thread.send(gettid()).unwrap();
        let mut read = Vec::new();
        channel.read_to_end(&mut read).unwrap();
        read
    });
    let thread = receive_thread.recv().unwrap();
    until("the reader waits", || {
        reading.is_finished() || sleeps(thread)
    });
    fs::write(&path, "late").unwrap();
    assert_eq!(reading.join().unwrap(), b"late");
}
