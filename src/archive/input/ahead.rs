//! A stream that is decoded ahead of whoever takes it.
//!
//! Decoding keeps a processor busy, and so does making files of what comes out: a thread of ours does the one while the
//! caller's does the other. What is decoded goes from one to the other in pieces, of which there are a few. A piece is
//! the same whoever fills it, and so is the error that takes one's place: where there may be no thread, the caller's does
//! both, with the same result.

#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::mem;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use super::raw::Tally;
use crate::compress::spawn_quiet;
use crate::error::{Error, Kind};
use crate::watch::Cancellation;

/// How much a piece holds at most: handing it over costs nothing in comparison, and a few of them fit into a
/// processor's cache.
const PIECE: usize = 1 << 20;

/// How many pieces there are: one at each end, and two between them that even out who is faster for a while.
const PIECES: usize = 4;

/// A decoder with what it reads from, which any thread may use.
pub(super) struct Decoding {
    pub(super) reader: Box<dyn Read + Send>,
    /// Set once nobody waits for the reader any longer: whatever it waits for itself looks at this.
    pub(super) abandoned: Cancellation,
}

/// What is decoded ahead.
pub(super) struct Ahead {
    labour: Labour,
    /// The piece that is being taken, how much it holds, and how much of that was taken.
    bytes: Vec<u8>,
    len: usize,
    taken: usize,
}

/// Who fills the pieces.
enum Labour {
    /// A thread of ours.
    Thread(Thread),
    /// Whoever takes them.
    Here(Filler),
}

struct Filler {
    reader: Box<dyn Read + Send>,
    tally: Arc<Tally>,
}

struct Piece {
    bytes: Vec<u8>,
    /// How many of the bytes are filled, as a reader says it.
    filled: io::Result<usize>,
    /// How many bytes of the archive were read by then.
    read: u64,
}

/// A thread that fills pieces until it comes to an end. Dropping it waits for it.
struct Thread {
    /// What it fills next; it ends when this is gone.
    spare: Option<Sender<Vec<u8>>>,
    filled: Receiver<Filled>,
    thread: Option<JoinHandle<()>>,
    abandoned: Cancellation,
}

/// A piece, and who has filled it if it is the last one.
type Filled = (Piece, Option<Filler>);

impl Ahead {
    /// Goes on with a reader, in a thread of ours if there may be one. `tally` counts what the reader reads.
    pub(super) fn new(decoding: Decoding, tally: &Arc<Tally>) -> Self {
        let filler = Filler {
            reader: decoding.reader,
            tally: Arc::clone(tally),
        };
        Self::with(Thread::start(filler, decoding.abandoned))
    }

    fn with(labour: Labour) -> Self {
        Self {
            labour,
            bytes: Vec::new(),
            len: 0,
            taken: 0,
        }
    }

    /// Whether nothing is left of the piece that is being taken.
    pub(super) fn is_empty(&self) -> bool {
        self.taken >= self.len
    }

    /// Takes what is left of the piece, or its next `most` bytes.
    pub(super) fn take(&mut self, most: usize) -> &[u8] {
        let start = self.taken;
        self.taken += most.min(self.len - start);
        self.bytes.get(start..self.taken).unwrap_or_default()
    }

    /// Goes on to the next piece. Returns how many bytes it has, none at the end, and how many bytes of the archive were
    /// read for it and all before it.
    pub(super) fn advance(&mut self) -> io::Result<(usize, u64)> {
        (self.len, self.taken) = (0, 0);
        let used = mem::take(&mut self.bytes);
        let (piece, filler) = match &mut self.labour {
            Labour::Thread(thread) => thread.exchange(used),
            Labour::Here(filler) => (filler.fill(used), None),
        };
        if let Some(filler) = filler {
            self.labour = Labour::Here(filler);
        }
        self.bytes = piece.bytes;
        self.len = piece.filled?;
        Ok((self.len, piece.read))
    }
}

impl Filler {
    /// Fills a piece with what one read yields, and waits for no more than that, as if the reader were asked directly.
    fn fill(&mut self, mut bytes: Vec<u8>) -> Piece {
        if bytes.is_empty() {
            bytes = vec![0; PIECE];
        }
        let filled = loop {
            match self.reader.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let read = self.tally.bytes();
        Piece {
            bytes,
            filled,
            read,
        }
    }
}

impl Thread {
    fn start(filler: Filler, abandoned: Cancellation) -> Labour {
        let (spare, to_fill) = mpsc::channel();
        let (answer, filled) = mpsc::channel();
        // What a thread that can't be started was given is lost: the filler follows once there is one.
        let (hand_over, begin) = mpsc::channel();
        let work = move || {
            if let Ok(filler) = begin.recv() {
                fill_all(filler, &to_fill, &answer);
            }
        };
        let Ok(thread) = spawn_quiet("crutils-decode", work) else {
            return Labour::Here(filler);
        };
        if let Err(mpsc::SendError(filler)) = hand_over.send(filler) {
            return Labour::Here(filler);
        }
        let thread = Thread {
            spare: Some(spare),
            filled,
            thread: Some(thread),
            abandoned,
        };
        // The last one comes with the first exchange.
        for _ in 1..PIECES {
            thread.give(Vec::new());
        }
        Labour::Thread(thread)
    }

    fn give(&self, spare: Vec<u8>) {
        if let Some(sender) = &self.spare {
            // A thread that is at its end needs none; what it had to say is still to be received.
            let _ = sender.send(spare);
        }
    }

    /// Gives a piece's memory back for the next one that is filled.
    fn exchange(&mut self, used: Vec<u8>) -> Filled {
        self.give(used);
        let filled = self.filled.recv();
        if !matches!(filled, Ok((_, None))) {
            self.join();
        }
        filled.unwrap_or_else(|_| {
            let error = Error::new(Kind::Internal, "the thread that decodes ended early");
            let piece = Piece {
                bytes: Vec::new(),
                filled: Err(error.into()),
                read: 0,
            };
            (piece, None)
        })
    }

    /// Waits for the thread, which is at its end. If it has panicked, so does the caller's, as if that had done the work.
    fn join(&mut self) {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.abandoned.cancel();
        self.spare = None;
        // Nobody waits for what it may have died of.
        let _ = thread.join();
    }
}

/// What the thread does.
fn fill_all(mut filler: Filler, spare: &Receiver<Vec<u8>>, answer: &Sender<Filled>) {
    while let Ok(bytes) = spare.recv() {
        let piece = filler.fill(bytes);
        // If nobody is there to take it, there is no spare one either.
        if !matches!(piece.filled, Ok(1..)) {
            let _ = answer.send((piece, Some(filler)));
            return;
        }
        let _ = answer.send((piece, None));
    }
}

#[cfg(test)]
mod tests;
