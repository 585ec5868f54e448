//! A zstd archive of several frames in a regular file, of which those are decoded that are needed.
//!
//! What is passed over isn't decoded, and so damage in it isn't found; its headers are read, so that whatever is read lies
//! where it does in the whole stream.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::mem;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use super::buffered::Buffered;
use super::raw::{FromStart, Watched};
use super::stream::ANY_RATIO;
use super::{Reading, Refusal, Way, read_through, read_up_to};
use crate::compress::{Decode, FoundFrames, Frame, Hops, decode_frame, decoder_between};
use crate::error::Result;
use crate::tar::Source;
use crate::watch::Watch;

/// How much content has to be passed over before threads are worth their start.
const WORTH_THREADS: u64 = 128 << 20;
/// How many of them there are at most.
const MAX_WORKERS: usize = 16;

/// How many frames are kept for whoever reads the archive again: half a terabyte of them, or 4 MiB of memory.
const MAX_KNOWN: usize = 128 << 10;

/// A frame, and where its content begins and ends in the stream.
#[derive(Clone, Copy)]
struct Placed {
    frame: Frame,
    from: u64,
    to: u64,
}

/// The first frames of an archive without a gap, as far as somebody has gone. Whoever goes on from there adds to them.
type Known = Arc<Mutex<Vec<Placed>>>;

/// A tar stream in frames.
pub(crate) struct SeekInput {
    file: Arc<File>,
    /// How long the file is.
    len: u64,
    hops: Hops,
    /// What several threads have found, once much is passed over.
    found: Option<FoundFrames>,
    known: Known,
    /// The frame that was found last, and how many are before it.
    at: Placed,
    index: usize,
    /// Its content, once it was needed, and memory for the next one's.
    content: Option<Vec<u8>>,
    spare: Vec<u8>,
    /// Where the next byte is in the stream.
    position: u64,
    /// What decodes the rest, from where it comes to what is no frame of a moderate size.
    rest: Option<Buffered<Watched<Box<dyn Decode<'static>>>>>,
    watch: Watch,
    max_ratio: u64,
}

impl SeekInput {
    /// Reads the archive from its beginning. None if its first frame isn't one of a moderate size.
    pub(super) fn new(file: &Arc<File>, len: u64, reading: &Reading) -> io::Result<Option<Self>> {
        let mut hops = Hops::default();
        let Some(frame) = hops.frame(&**file, 0)?.filter(|frame| frame.end <= len) else {
            return Ok(None);
        };
        let at = Placed::new(frame, 0);
        let known = Arc::new(Mutex::new(vec![at]));
        Ok(Some(Self {
            file: Arc::clone(file),
            len,
            hops,
            found: None,
            known,
            at,
            index: 0,
            content: None,
            spare: Vec::new(),
            position: 0,
            rest: None,
            watch: reading.watch.clone(),
            max_ratio: reading.max_ratio,
        }))
    }

    /// The same archive from its beginning. The frames that one of the two finds, the other needn't look for.
    pub(super) fn again(&self) -> Self {
        let first = self.known().first().copied();
        Self {
            file: Arc::clone(&self.file),
            len: self.len,
            hops: Hops::default(),
            found: None,
            known: Arc::clone(&self.known),
            at: first.unwrap_or(self.at),
            index: 0,
            content: None,
            spare: Vec::new(),
            position: 0,
            rest: None,
            watch: self.watch.clone(),
            max_ratio: self.max_ratio,
        }
    }

    fn known(&self) -> MutexGuard<'_, Vec<Placed>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has several threads look for the frames that are still to come. None of it is needed.
    fn look_for_frames(&mut self) {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        if self.found.is_none() && cores > 1 {
            let workers = cores.min(MAX_WORKERS);
            let found = FoundFrames::look(&*self.file, self.len, workers, &self.watch);
            self.found = Some(found);
        }
    }

    /// Goes on to the next frame. False if there is no further one of a moderate size: what there is comes from the rest.
    fn next_frame(&mut self) -> io::Result<bool> {
        self.watch.check()?;
        let known = self.known().get(self.index + 1).copied();
        let next = match known {
            Some(next) => next,
            None => match self.find_next()? {
                Some(next) => next,
                None => {
                    self.begin_rest(self.at.frame.end, self.at.to, 0)?;
                    return Ok(false);
                }
            },
        };
        self.go_to(self.index + 1, next);
        Ok(true)
    }

    /// Looks for the frame behind this one, which nobody has found yet.
    fn find_next(&mut self) -> io::Result<Option<Placed>> {
        let start = self.at.frame.end;
        let found = self.found.as_ref().and_then(|found| found.at(start));
        let next = match found {
            Some(frame) => Some(frame),
            None => self.hops.frame(&*self.file, start)?,
        };
        let Some(frame) = next.filter(|frame| frame.end <= self.len) else {
            return Ok(None);
        };
        let next = Placed::new(frame, self.at.to);
        let mut known = self.known();
        if known.len() == self.index + 1 && known.len() < MAX_KNOWN {
            known.push(next);
        }
        drop(known);
        Ok(Some(next))
    }

    /// Goes to a frame.
    fn go_to(&mut self, index: usize, to: Placed) {
        if let Some(content) = self.content.take() {
            self.spare = content;
        }
        (self.index, self.at) = (index, to);
        self.watch.reach(to.frame.end);
    }

    /// Goes to the last frame that is known and doesn't begin behind `target`, if that is further on than here.
    fn go_towards(&mut self, target: u64) {
        let known = self.known();
        let behind = known.partition_point(|placed| placed.from <= target);
        let last = behind.checked_sub(1);
        let last = last.and_then(|index| Some((index, *known.get(index)?)));
        drop(known);
        if let Some((index, placed)) = last.filter(|(index, _)| *index > self.index) {
            self.go_to(index, placed);
            self.position = placed.from;
        }
    }

    /// Goes on with a decoder from a frame on, of whose content so much was read already.
    fn begin_rest(&mut self, start: u64, from: u64, read: usize) -> io::Result<()> {
        let file = FromStart::at(Arc::clone(&self.file), start, self.len);
        let input = Box::new(Buffered::new(file));
        let rest = Watched::new(decoder_between(input, &self.watch)?, &self.watch);
        let mut rest = Buffered::new(rest);
        let mut again = vec![0; read];
        let (_, result) = read_up_to(&mut rest, read, &mut again);
        result?;
        self.position = from + read as u64;
        self.rest = Some(rest);
        Ok(())
    }

    /// Has the content of the frame that the next byte is in, unless there is none: at the end, or where the rest begins.
    fn decode(&mut self) -> io::Result<()> {
        while self.position >= self.at.to {
            if !self.next_frame()? {
                return Ok(());
            }
        }
        if self.content.is_none() {
            self.watch.check()?;
            self.content = decode_frame(&*self.file, self.at.frame, mem::take(&mut self.spare))?;
            if self.content.is_none() {
                // The decoder yields what comes before the damage, and then says what it is.
                let read = usize::try_from(self.position - self.at.from).unwrap_or(usize::MAX);
                self.begin_rest(self.at.frame.start, self.at.from, read)?;
            }
        }
        Ok(())
    }

    /// How much may be yielded by now.
    fn allowed(&self) -> u64 {
        // Where the rest is in the file isn't known here.
        let behind = if self.rest.is_some() {
            self.len
        } else {
            self.at.frame.end
        };
        behind.saturating_mul(self.max_ratio).max(ANY_RATIO)
    }

    fn check(&self) -> Result<()> {
        if self.position > self.allowed() {
            return Err(Refusal::Ratio(self.max_ratio).into());
        }
        Ok(())
    }
}

impl Placed {
    fn new(frame: Frame, from: u64) -> Self {
        let to = from.saturating_add(frame.content);
        Self { frame, from, to }
    }
}

impl Way for SeekInput {
    fn consumed(&self) -> u64 {
        self.at.frame.start
    }

    fn is_void(&self) -> bool {
        self.position == 0
    }
}

impl Source for SeekInput {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let target = self.position.checked_add(bytes);
        let target = target.ok_or(io::ErrorKind::UnexpectedEof)?;
        if self.rest.is_none() {
            self.go_towards(target);
            if target.saturating_sub(self.at.to) >= WORTH_THREADS {
                self.look_for_frames();
            }
        }
        // Each turn goes on by a frame, or takes some of the rest.
        while self.position < target {
            if self.rest.is_none() && (self.position < self.at.to || self.next_frame()?) {
                self.position = target.min(self.at.to);
                self.check()?;
                continue;
            }
            let left = usize::try_from(target - self.position).unwrap_or(usize::MAX);
            match self.fill_buf()?.len().min(left) {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.consume(count),
            }
        }
        Ok(())
    }

    /// Goes on to the end of the file, which has to be the end of a frame.
    fn drain(&mut self) -> io::Result<()> {
        while self.rest.is_none() && self.next_frame()? {}
        loop {
            match self.fill_buf()?.len() {
                0 => return Ok(()),
                count => self.consume(count),
            }
        }
    }
}

impl Read for SeekInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_through(self, buffer)
    }
}

impl BufRead for SeekInput {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_none() {
            self.decode()?;
        }
        let room = usize::try_from(self.allowed().saturating_sub(self.position));
        let room = room.unwrap_or(usize::MAX);
        let there = match (&mut self.rest, &self.content) {
            (Some(rest), _) => rest.fill_buf()?,
            (None, Some(content)) => {
                let at = usize::try_from(self.position - self.at.from).unwrap_or(usize::MAX);
                content.get(at..).unwrap_or_default()
            }
            (None, None) => &[],
        };
        if room == 0 && !there.is_empty() {
            return Err(Refusal::Ratio(self.max_ratio).into());
        }
        Ok(&there[..there.len().min(room)])
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
        if let Some(rest) = &mut self.rest {
            rest.consume(amount);
        }
    }
}

#[cfg(test)]
mod tests;
