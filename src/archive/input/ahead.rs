//! A stream that is decoded ahead of whoever takes it.
//!
//! Decoding keeps a processor busy, and so does making files of what comes out: a thread of ours does the one while the
//! caller's does the other. What is decoded goes from one to the other in pieces, of which there are a few. A piece is
//! the same whoever fills it, and so is the error that takes one's place: where there may be no thread, the caller's does
//! both, with the same result.
//!
//! A zstd stream of several frames keeps more processors busy: the thread finds where they end, further ones decode them,
//! and they are taken in their order. What a single thread would make of the stream comes out, and the same error.

#![forbid(unsafe_code)]

mod filler;
mod gate;

use std::io;
use std::mem;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use super::raw::Tally;
use crate::compress::{Decode, spawn_quiet};
use crate::watch::{Cancellation, Watch};
use filler::{Filler, Piece, Unit, workers};
use gate::{Gate, Pass, Use};

/// How much is taken at once at most: handing it over costs nothing in comparison, and a few of them fit into a
/// processor's cache.
const PIECE: usize = 1 << 20;

/// How many pieces there are that aren't frames: one at each end, and two between them that even out who is faster for a
/// while.
const PIECES: usize = 4;

/// Whether decoding ahead gains time. With two cores a gzip stream or a single zstd frame takes a sixth less, and many
/// frames two fifths; with one core nothing is gained.
pub(super) fn gains_time() -> bool {
    workers() > 1
}

/// A decoder with what it reads from, which any thread may use.
pub(super) struct Decoding {
    pub(super) reader: Box<dyn Decode<'static>>,
    /// Who watches.
    pub(super) watch: Watch,
    /// Set once nobody waits for the reader any longer: whatever it waits for itself looks at this.
    pub(super) abandoned: Cancellation,
}

/// What is decoded ahead.
pub(super) struct Ahead {
    labour: Labour,
    /// What was decoded, how much of that there is, how much of it counts as there, and how much was taken.
    bytes: Vec<u8>,
    whole: usize,
    len: usize,
    taken: usize,
    /// How many bytes of the archive were read for it and all before it.
    read: u64,
    pass: Option<Pass>,
}

/// Who decodes.
enum Labour {
    /// A thread of ours, and others for frames.
    Thread(Thread),
    /// Whoever takes the pieces.
    Here(Filler),
}

/// A thread that decodes until it comes to an end. Dropping it waits for it.
struct Thread {
    units: Receiver<(Unit, Option<Filler>)>,
    thread: Option<JoinHandle<()>>,
    gate: Arc<Gate>,
    abandoned: Cancellation,
}

impl Ahead {
    /// Goes on with a reader, in a thread of ours if there may be one. `tally` counts what the reader reads.
    pub(super) fn new(decoding: Decoding, tally: &Arc<Tally>) -> Self {
        let filler = Filler::new(decoding.reader, tally);
        Self::with(Thread::start(filler, &decoding.watch, decoding.abandoned))
    }

    fn with(labour: Labour) -> Self {
        Self {
            labour,
            bytes: Vec::new(),
            whole: 0,
            len: 0,
            taken: 0,
            read: 0,
            pass: None,
        }
    }

    /// What is left of what is there.
    pub(super) fn left(&self) -> &[u8] {
        self.bytes.get(self.taken..self.len).unwrap_or_default()
    }

    /// Takes some of what is left.
    pub(super) fn consume(&mut self, amount: usize) {
        self.taken = self.len.min(self.taken + amount);
    }

    /// Goes on. Returns how many bytes are there then, none at the end, and how many bytes of the archive were read for
    /// them and all before them.
    pub(super) fn advance(&mut self) -> io::Result<(usize, u64)> {
        if self.len == self.whole {
            self.next()?;
        }
        let before = self.len;
        self.len = self.whole.min(before + PIECE);
        Ok((self.len - before, self.read))
    }

    /// Waits for what comes next. Every turn but the last has frames without content behind it.
    fn next(&mut self) -> io::Result<()> {
        loop {
            (self.whole, self.len, self.taken) = (0, 0, 0);
            let used = mem::take(&mut self.bytes);
            self.pass = None;
            let (piece, filler, is_frames) = match &mut self.labour {
                Labour::Thread(thread) => thread.exchange(used),
                Labour::Here(filler) => (filler.fill(used), None, false),
            };
            let has_rest = piece.rest.is_some();
            if let Some(reader) = piece.rest {
                self.labour = Labour::Here(Filler::new(reader, &Tally::new(false)));
            } else if let Some(filler) = filler {
                self.labour = Labour::Here(filler);
            }
            (self.bytes, self.pass) = (piece.bytes, piece.pass);
            if !has_rest {
                self.read = piece.read.max(self.read);
            }
            self.whole = piece.filled?;
            if self.whole > 0 || !(is_frames || has_rest) {
                return Ok(());
            }
        }
    }
}

impl Thread {
    fn start(filler: Filler, watch: &Watch, abandoned: Cancellation) -> Labour {
        let (answer, units) = mpsc::channel();
        // What a thread that can't be started was given is lost: the filler follows once there is one.
        let (hand_over, begin) = mpsc::channel::<Filler>();
        // One frame is taken, and for each thread there is one at work and one that waits for its turn.
        let gate = Gate::new((2 * workers() + 1).max(PIECES));
        let inner = Arc::clone(&gate);
        let work = move || {
            if let Ok(filler) = begin.recv() {
                fill_all(filler, &inner, &answer);
            }
        };
        let Ok(thread) = spawn_quiet("crutils-decode", work) else {
            return Labour::Here(filler);
        };
        let filler = filler.with_threads(&gate, watch, &abandoned);
        if let Err(mpsc::SendError(filler)) = hand_over.send(filler) {
            return Labour::Here(filler.alone());
        }
        Labour::Thread(Thread {
            units,
            thread: Some(thread),
            gate,
            abandoned,
        })
    }

    /// Gives memory back, and waits for what comes next: whether that is frames, and who has decoded it if it is the last.
    fn exchange(&mut self, used: Vec<u8>) -> (Piece, Option<Filler>, bool) {
        self.gate.keep(Use::Content, used);
        match self.units.recv() {
            Ok((Unit::Piece(piece), None)) => (piece, None, false),
            Ok((Unit::Piece(piece), filler)) => {
                self.join();
                (piece, filler, false)
            }
            Ok((Unit::Later(later), _)) => {
                let died = |_| Piece::failed("a thread that decodes died");
                (later.recv().unwrap_or_else(died), None, true)
            }
            Err(_) => {
                self.join();
                let piece = Piece::failed("the thread that decodes ended early");
                (piece, None, false)
            }
        }
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
        self.gate.close();
        // Nobody waits for what it may have died of.
        let _ = thread.join();
    }
}

/// What the thread does.
fn fill_all(mut filler: Filler, gate: &Arc<Gate>, answer: &Sender<(Unit, Option<Filler>)>) {
    while let Some(unit) = filler.next(gate) {
        let is_last = match &unit {
            Unit::Piece(piece) => !matches!(piece.filled, Ok(1..)) && piece.rest.is_none(),
            Unit::Later(_) => false,
        };
        // If nobody is there to take it, the gate is closed.
        if is_last {
            let _ = answer.send((unit, Some(filler.alone())));
            return;
        }
        let _ = answer.send((unit, None));
    }
}

#[cfg(test)]
mod tests;
