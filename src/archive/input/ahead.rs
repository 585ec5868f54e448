//! A stream that is decoded ahead of whoever takes it.
//!
//! Decoding keeps a processor busy, and so does making files of what comes out: a thread of ours does the one while the
//! caller's does the other. What is decoded goes from one to the other in pieces, of which there are a few. A piece is
//! the same whoever fills it, and so is the error behind its last byte: where there may be no thread, the caller's does
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

/// How much a piece holds. Large enough that handing it over costs nothing, small enough to stay in a processor's cache.
const PIECE: usize = 1 << 20;

/// How many pieces there are: one at each end, and two between them that even out who is faster for a while.
const PIECES: usize = 4;

/// A decoder with what it reads from, which any thread may use.
pub(super) struct Decoding {
    pub(super) reader: Box<dyn Read + Send>,
    /// Set once nobody waits for the reader any longer: what it waits for itself must look at this.
    pub(super) abandoned: Cancellation,
}

/// What is decoded ahead.
pub(super) struct Ahead {
    labour: Labour,
    piece: Piece,
    /// How much of the piece was taken.
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

#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    /// How many of the bytes are filled.
    len: usize,
    /// How many bytes of the archive were read by then.
    read: u64,
    /// What follows the bytes if it is no further piece: the end, or an error.
    end: Option<io::Result<()>>,
}

/// A thread that fills pieces until it comes to an end. Dropping it waits for it.
struct Thread {
    /// What it fills next; it ends when this is gone.
    spare: Option<Sender<Vec<u8>>>,
    filled: Receiver<Filled>,
    thread: Option<JoinHandle<()>>,
    abandoned: Cancellation,
}

/// A piece, and behind the last one also who has filled it.
type Filled = (Piece, Option<Filler>);

impl Ahead {
    /// Goes on with a reader, in a thread of ours if there may be one. `tally` counts what the reader reads.
    pub(super) fn new(decoding: Decoding, tally: &Arc<Tally>) -> Self {
        let filler = Filler {
            reader: decoding.reader,
            tally: Arc::clone(tally),
        };
        Self {
            labour: Thread::start(filler, decoding.abandoned),
            piece: Piece::default(),
            taken: 0,
        }
    }

    /// What is left of the piece that is being taken.
    pub(super) fn left(&self) -> &[u8] {
        self.piece
            .bytes
            .get(self.taken..self.piece.len)
            .unwrap_or_default()
    }

    /// Takes as much of it, up to `most` bytes.
    pub(super) fn take(&mut self, most: usize) -> &[u8] {
        let start = self.taken;
        self.taken += most.min(self.left().len());
        self.piece.bytes.get(start..self.taken).unwrap_or_default()
    }

    /// Goes on to the next piece. Returns how many bytes it has, and how many bytes of the archive were read by its end.
    /// A piece without bytes is the end.
    pub(super) fn advance(&mut self) -> io::Result<(usize, u64)> {
        self.taken = 0;
        self.piece.len = 0;
        match self.piece.end.take() {
            Some(Err(error)) => return Err(error),
            Some(Ok(())) => return Ok((0, self.piece.read)),
            None => {}
        }
        let used = mem::take(&mut self.piece.bytes);
        let (piece, filler) = match &mut self.labour {
            Labour::Thread(thread) => thread.exchange(used),
            Labour::Here(filler) => (filler.fill(used), None),
        };
        self.piece = piece;
        if let Some(filler) = filler {
            self.labour = Labour::Here(filler);
        }
        if self.piece.len == 0 && self.piece.end.is_some() {
            return self.advance();
        }
        Ok((self.piece.len, self.piece.read))
    }

    #[cfg(test)]
    pub(super) fn has_thread(&self) -> bool {
        matches!(self.labour, Labour::Thread(_))
    }
}

impl Filler {
    /// Fills a piece, as far as the stream goes.
    fn fill(&mut self, mut bytes: Vec<u8>) -> Piece {
        if bytes.is_empty() {
            bytes = vec![0; PIECE];
        }
        let mut len = 0;
        let end = loop {
            match self.reader.read(&mut bytes[len..]) {
                Ok(0) if len < PIECE => break Some(Ok(())),
                Ok(count) => len += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(Err(error)),
            }
            if len == PIECE {
                break None;
            }
        };
        let read = self.tally.bytes();
        Piece {
            bytes,
            len,
            read,
            end,
        }
    }
}

impl Thread {
    fn start(filler: Filler, abandoned: Cancellation) -> Labour {
        let (send_spare, spare) = mpsc::channel();
        let (send_filled, filled) = mpsc::channel();
        // The filler goes there when the thread does exist: what a thread that can't be started was given is lost.
        let (hand_over, begin) = mpsc::channel();
        let work = move || {
            if let Ok(filler) = begin.recv() {
                fill_all(filler, &spare, &send_filled);
            }
        };
        let Ok(thread) = spawn_quiet("crutils-decode", work) else {
            return Labour::Here(filler);
        };
        if let Err(mpsc::SendError(filler)) = hand_over.send(filler) {
            return Labour::Here(filler);
        }
        for _ in 1..PIECES {
            // If it has died already, that shows where its first piece is missed.
            let _ = send_spare.send(Vec::new());
        }
        Labour::Thread(Thread {
            spare: Some(send_spare),
            filled,
            thread: Some(thread),
            abandoned,
        })
    }

    /// Gives a piece's memory for the next one that is filled.
    fn exchange(&mut self, used: Vec<u8>) -> Filled {
        if let Some(spare) = &self.spare {
            // A thread that came to its end needs no more.
            let _ = spare.send(used);
        }
        let filled = self.filled.recv();
        if !matches!(filled, Ok((_, None))) {
            self.join();
        }
        filled.unwrap_or_else(|_| {
            let error = Error::new(Kind::Internal, "the thread that decodes ended early");
            let piece = Piece {
                end: Some(Err(error.into())),
                ..Piece::default()
            };
            (piece, None)
        })
    }

    /// Waits for the thread, which is at its end. If it has panicked, so does the caller's, as if it had done the work.
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
fn fill_all(mut filler: Filler, spare: &Receiver<Vec<u8>>, filled: &Sender<Filled>) {
    while let Ok(bytes) = spare.recv() {
        let piece = filler.fill(bytes);
        // Nobody is there any longer if it can't be sent; then there is no spare one either.
        if piece.end.is_some() {
            let _ = filled.send((piece, Some(filler)));
            return;
        }
        let _ = filled.send((piece, None));
    }
}
