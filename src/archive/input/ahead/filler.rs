//! Who decodes a stream, in pieces or in frames.

#![forbid(unsafe_code)]

use std::io::{self, Read as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::available_parallelism;

use super::gate::{BUDGET, Gate, Pass, Use};
use super::{PIECE, PIECES};
use crate::archive::input::raw::{Tally, Watched};
use crate::budget::NoRoom;
use crate::compress::{Decode, Decoded, Died, Frames, Next, Splitter, Threads};
use crate::error::{Error, Kind};
use crate::watch::{Cancellation, Watch};

/// More threads than this find no work: so many frames are not in memory.
const MAX_WORKERS: usize = 16;
/// How many frames may wait for a thread. The gate lets in fewer.
const WAITING: usize = 1024;

/// Decodes what comes.
pub(super) struct Filler {
    way: Way,
    tally: Arc<Tally>,
    hands: Hands,
}

enum Way {
    /// One piece after the other.
    Reader(Box<dyn Decode<'static>>),
    /// Frames that several threads decode.
    Frames(Splitter<'static>),
}

/// Who decodes frames.
enum Hands {
    /// Nobody but the reader.
    None,
    /// Threads, once there is a frame.
    Possible(Plan),
    Threads(Threads<Job, Piece>, Plan),
}

/// What threads have in common.
#[derive(Clone)]
struct Plan {
    gate: Arc<Gate>,
    watch: Watch,
    abandoned: Cancellation,
    workers: usize,
}

struct Job {
    frames: Frames,
    /// Memory for what comes of them. The thread that gives the jobs gets all of it: an allocator that keeps a store for
    /// each thread would keep what is given back in as many places.
    content: Vec<u8>,
    read: u64,
    pass: Pass,
}

/// What was decoded.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// How many of the bytes are filled, as a reader says it.
    pub(super) filled: io::Result<usize>,
    /// How many bytes of the archive were read by then.
    pub(super) read: u64,
    /// What comes behind it, if that is a refusal.
    pub(super) rest: Option<Box<dyn Decode<'static>>>,
    /// What it costs until it is taken.
    pub(super) pass: Option<Pass>,
}

/// What comes next.
pub(super) enum Unit {
    Piece(Piece),
    /// Frames that are being decoded. They may hold nothing.
    Later(Receiver<Piece>),
}

/// How many threads may decode frames.
pub(super) fn workers() -> usize {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    cores.min(MAX_WORKERS)
}

impl Piece {
    pub(super) fn failed(why: &str) -> Self {
        Piece {
            bytes: Vec::new(),
            filled: Err(Error::new(Kind::Internal, why).into()),
            read: 0,
            rest: None,
            pass: None,
        }
    }
}

impl Filler {
    /// One that decodes in the thread that asks it.
    pub(super) fn new(reader: Box<dyn Decode<'static>>, tally: &Arc<Tally>) -> Self {
        Filler {
            way: Way::Reader(reader),
            tally: Arc::clone(tally),
            hands: Hands::None,
        }
    }

    /// Lets threads decode frames.
    pub(super) fn with_threads(
        mut self,
        gate: &Arc<Gate>,
        watch: &Watch,
        abandoned: &Cancellation,
    ) -> Self {
        if let Way::Reader(reader) = &mut self.way {
            reader.pause_at_frames();
        }
        self.hands = Hands::Possible(Plan {
            gate: Arc::clone(gate),
            watch: watch.clone(),
            abandoned: abandoned.clone(),
            workers: workers(),
        });
        self
    }

    /// Lets no threads decode any longer, and waits for those that do.
    pub(super) fn alone(mut self) -> Self {
        self.hands = Hands::None;
        self
    }

    /// Fills a piece with what one read yields, and waits for no more than that, as if the reader were asked directly.
    pub(super) fn fill(&mut self, mut bytes: Vec<u8>) -> Piece {
        if bytes.len() < PIECE {
            if bytes.try_reserve_exact(PIECE - bytes.len()).is_err() {
                return Piece {
                    filled: Err(Error::from(NoRoom).into()),
                    ..Piece::failed("")
                };
            }
            bytes.resize(PIECE, 0);
        }
        let filled = match &mut self.way {
            Way::Reader(reader) => loop {
                match reader.read(&mut bytes[..PIECE]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result,
                }
            },
            Way::Frames(_) => return Piece::failed("frames are no piece"),
        };
        Piece {
            bytes,
            filled,
            read: self.tally.bytes(),
            rest: None,
            pass: None,
        }
    }

    /// What comes next, once the gate lets it in. None once nobody waits for it.
    pub(super) fn next(&mut self, gate: &Arc<Gate>) -> Option<Unit> {
        self.begin_frames();
        if let Way::Frames(splitter) = &mut self.way {
            match splitter.next(gate.spare(Use::Compressed)) {
                Next::Frames(frames) => return self.give(frames, gate),
                Next::Rest => {
                    if let Err(error) = self.end_frames() {
                        return Some(Unit::Piece(Piece {
                            filled: Err(error.into()),
                            ..Piece::failed("")
                        }));
                    }
                }
            }
        }
        let pass = gate.enter(BUDGET / PIECES)?;
        let piece = self.fill(gate.spare(Use::Content));
        Some(Unit::Piece(Piece {
            pass: Some(pass),
            ..piece
        }))
    }

    /// Goes on in frames, if that is possible here.
    fn begin_frames(&mut self) {
        if let (Hands::Possible(_) | Hands::Threads(..), Way::Reader(reader)) =
            (&self.hands, &mut self.way)
            && let Some(input) = reader.take_frames()
        {
            self.way = Way::Frames(Splitter::new(input));
        }
    }

    /// Goes on with a reader. It is read from before it is asked for frames: it has what is none.
    fn end_frames(&mut self) -> Result<(), Error> {
        let nothing = Way::Reader(Box::new(Nothing));
        let (Hands::Possible(plan) | Hands::Threads(_, plan)) = &self.hands else {
            return Ok(());
        };
        if let Way::Frames(splitter) = std::mem::replace(&mut self.way, nothing) {
            let mut reader = Watched::new(splitter.into_decoder(&plan.watch)?, &plan.watch);
            reader.pause_at_frames();
            self.way = Way::Reader(Box::new(reader));
        }
        Ok(())
    }

    fn give(&mut self, frames: Frames, gate: &Arc<Gate>) -> Option<Unit> {
        let (compressed, content) = frames.cost();
        let pass = gate.enter(compressed + content)?;
        let job = Job {
            content: frames.room(gate.spare(Use::Content)),
            frames,
            read: self.tally.bytes(),
            pass,
        };
        if let Hands::Possible(plan) = &self.hands {
            let (plan, work) = (plan.clone(), plan.clone());
            let work = move |job| work.decode(job);
            match Threads::start("crutils-zstd", plan.workers, WAITING, work) {
                Ok(threads) => self.hands = Hands::Threads(threads, plan),
                // This thread does it, and what comes after.
                Err(_) => return Some(Unit::Piece(plan.decode(job))),
            }
        }
        Some(match &self.hands {
            Hands::Threads(threads, _) => match threads.give(job) {
                Ok(later) => Unit::Later(later),
                Err(Died) => Unit::Piece(Piece::failed("the threads that decode ended early")),
            },
            Hands::None | Hands::Possible(_) => {
                Unit::Piece(Piece::failed("there is no thread for frames"))
            }
        })
    }
}

impl Plan {
    fn decode(&self, mut job: Job) -> Piece {
        if self.abandoned.is_cancelled() {
            return Piece::failed("nobody waits for it");
        }
        let Decoded {
            content: bytes,
            refused,
            compressed,
        } = job.frames.decode(job.content, &self.watch);
        self.gate.keep(Use::Compressed, compressed);
        job.pass.reduce_to(bytes.capacity());
        Piece {
            filled: Ok(bytes.len()),
            bytes,
            read: job.read,
            rest: refused,
            pass: Some(job.pass),
        }
    }
}

/// Yields nothing.
struct Nothing;

impl io::Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Decode<'_> for Nothing {}
