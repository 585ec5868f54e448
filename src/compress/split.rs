//! Takes a zstd stream apart into frames that several threads can decode at the same time.
//!
//! What comes of it is what one decoder makes of the stream, byte by byte, and so is the error: a frame that doesn't decode
//! at once is decoded again, block by block, by the one decoder, and so is all that is no frame of a moderate size.

#![forbid(unsafe_code)]

use std::io::{self, BufRead as _, Read};

use zstd::zstd_safe::DCtx;

use super::frame::{Unfit, Walk};
use super::put_back::PutBack;
use super::reader::{Decode, Decoder};
use super::{Refusal, zstd::Zstd};
use crate::watch::Watch;
use crate::{Error, Result};

/// How much a frame may hold, and how long it may be: several of them are in memory.
pub(crate) const MOST: usize = 16 << 20;
/// Up to how much small frames are gathered, if they are there already: each by itself would be more talk than work.
const GATHERED: u64 = 2 << 20;

/// A zstd stream behind the end of a frame, or at its beginning.
pub(crate) struct Splitter<'a> {
    input: PutBack<'a>,
    /// What was taken of the input: whole frames, and a part of one.
    bytes: Vec<u8>,
    /// How long the whole frames are, and how much comes of them at most.
    whole: usize,
    bound: u64,
    walk: Walk,
    /// How much of the input is there at once.
    there: usize,
}

/// What comes next in a stream.
pub(crate) enum Next {
    /// Frames that can be decoded by themselves.
    Frames(Frames),
    /// Something else, which a decoder knows.
    Rest,
}

/// Whole frames, one after the other.
pub(crate) struct Frames {
    compressed: Vec<u8>,
    /// How much comes of them at most.
    bound: usize,
}

/// What came of frames.
pub(crate) struct Decoded {
    pub(crate) content: Vec<u8>,
    /// What repeats the refusal that came behind the content.
    pub(crate) refused: Option<Box<dyn Decode<'static>>>,
    /// The memory of what was decoded, to be used again.
    pub(crate) compressed: Vec<u8>,
}

impl<'a> Splitter<'a> {
    pub(crate) fn new(input: PutBack<'a>) -> Self {
        Splitter {
            input,
            bytes: Vec::new(),
            whole: 0,
            bound: 0,
            walk: Walk::new(),
            there: 0,
        }
    }

    /// Waits for the next frames; `buffer` is memory that can be used. An error of the input is part of the rest: the
    /// decoder meets it where one would have met it.
    pub(crate) fn next(&mut self, buffer: Vec<u8>) -> Next {
        // Only what is no whole frame is left, and nothing behind it.
        let part = std::mem::replace(&mut self.bytes, buffer);
        self.bytes.clear();
        self.bytes.extend_from_slice(&part);
        // What ends it is found again with the rest.
        let (Ok(()) | Err(Unfit)) = self.gather();
        if self.whole == 0 {
            return Next::Rest;
        }
        let rest = self.bytes.split_off(self.whole);
        let frames = Frames {
            compressed: std::mem::replace(&mut self.bytes, rest),
            bound: usize::try_from(self.bound).unwrap_or(MOST),
        };
        (self.whole, self.bound) = (0, 0);
        Next::Frames(frames)
    }

    /// Gathers whole frames: one, and small ones behind it that are there already.
    fn gather(&mut self) -> Result<(), Unfit> {
        loop {
            let is_between = self.bytes.len() == self.whole;
            let length = self.walk.length().map(|length| length.compressed);
            let wanted = match (self.walk.wants(), length) {
                (Some((at, len)), _) => at.checked_add(len as u64),
                (None, length) => length,
            };
            let wanted = wanted.and_then(|wanted| usize::try_from(wanted).ok());
            let wanted = wanted.filter(|wanted| *wanted <= MOST).ok_or(Unfit)?;
            let missing = (self.whole + wanted).saturating_sub(self.bytes.len());
            if missing == 0 {
                self.look(wanted)?;
                continue;
            }
            let is_much = self.bound.max(self.whole as u64) >= GATHERED;
            if is_between && self.whole > 0 && (is_much || self.there == 0) {
                return Ok(());
            }
            self.take(missing)?;
        }
    }

    /// Looks at what is wanted, which is there.
    fn look(&mut self, wanted: usize) -> Result<(), Unfit> {
        if let Some((at, len)) = self.walk.wants() {
            let at = self.whole + usize::try_from(at).map_err(|_| Unfit)?;
            self.walk.see(self.bytes.get(at..at + len).ok_or(Unfit)?)?;
            let bound = self.bound + self.walk.bound();
            return if bound > MOST as u64 {
                Err(Unfit)
            } else {
                Ok(())
            };
        }
        self.bound += self.walk.bound();
        self.whole += wanted;
        self.walk = Walk::new();
        Ok(())
    }

    /// Takes up to `missing` bytes more of the input.
    fn take(&mut self, missing: usize) -> Result<(), Unfit> {
        let input = loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(|_| Unfit)?,
            }
        };
        let taken = input.len().min(missing);
        self.bytes.try_reserve(missing).map_err(|_| Unfit)?;
        self.bytes.extend_from_slice(&input[..taken]);
        self.there = input.len() - taken;
        self.input.consume(taken);
        if taken == 0 { Err(Unfit) } else { Ok(()) }
    }

    /// Goes on with one decoder, after [`Next::Rest`].
    pub(crate) fn into_decoder(self, watch: &Watch) -> Result<Box<dyn Decode<'a> + 'a>> {
        let input = self.input.with(self.bytes);
        Ok(Box::new(Decoder::between(input, Zstd::new()?, watch)))
    }
}

impl Frames {
    /// How many bytes they have, and how many come of them at most.
    pub(crate) fn cost(&self) -> (usize, usize) {
        (self.compressed.len(), self.bound)
    }

    /// Memory for what comes of them: `content`, if that fits. Where there is none, decoding finds that out again.
    pub(crate) fn room(&self, mut content: Vec<u8>) -> Vec<u8> {
        content.clear();
        if content.capacity() / 4 > self.bound || content.capacity() < self.bound {
            // What is kept until it is taken shouldn't be much larger, and what was there need not be copied.
            content = Vec::new();
        }
        let _ = content.try_reserve_exact(self.bound);
        content
    }

    /// Decodes them; `content` is memory for that, as [`Frames::room`] gives it.
    pub(crate) fn decode(self, mut content: Vec<u8>, watch: &Watch) -> Decoded {
        content.clear();
        let at_once = content.try_reserve_exact(self.bound).is_ok()
            && DCtx::try_create().is_some_and(|mut context| {
                context.decompress(&mut content, &self.compressed).is_ok()
            });
        if at_once {
            return Decoded {
                content,
                refused: None,
                compressed: self.compressed,
            };
        }
        self.decode_blocks(content, watch)
    }

    fn decode_blocks(self, mut content: Vec<u8>, watch: &Watch) -> Decoded {
        content.clear();
        let input = PutBack::new(Box::new(io::Cursor::new(self.compressed)));
        let codec = match Zstd::new() {
            Ok(codec) => codec,
            Err(refusal) => {
                return Decoded {
                    content,
                    refused: Some(Box::new(Refusing(refusal))),
                    compressed: Vec::new(),
                };
            }
        };
        let mut decoder = Decoder::between(input, codec, watch);
        let read = decoder.read_to_end(&mut content);
        Decoded {
            content,
            refused: read
                .err()
                .map(|_| Box::new(decoder) as Box<dyn Decode<'static>>),
            compressed: Vec::new(),
        }
    }
}

/// Repeats a refusal.
struct Refusing(Refusal);

impl Read for Refusing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(Error::from(self.0).into())
    }
}

impl Decode<'_> for Refusing {}
