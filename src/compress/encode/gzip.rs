//! One gzip member (RFC 1952), compressed in blocks by several threads.
//!
//! Each block is deflated for itself, with the 32 KiB before it as its dictionary, and ends at a byte's boundary; one
//! after the other they are one deflate stream (RFC 1951). `gzp` does the same in another shape: it writes the output
//! from a thread of its own, which is not the one that the caller has made ready for a broken pipe.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::mem;

use flate2::Crc;

use super::super::Compression;
use super::deflate::{Block, Piece, deflate};
use super::labour::{Answer, Labour};
use super::target::EncoderOutput;
use super::{Encode, GzipLevel, Refusal};
use crate::error::{Called as _, Error, Result};

/// How much content a block has. The dictionary costs an eighth of a block's time at most, and an archive of a few MiB
/// still has work for several threads.
const BLOCK: usize = 256 << 10;

/// How far back deflate can look, which is how much of the content before a block is its dictionary.
const WINDOW: usize = 32 << 10;

/// How many blocks a thread may have waiting and at work: one each, so that it finds the next one there.
const BLOCKS_PER_WORKER: usize = 2;

/// The member's header: deflate, no flags, no time, no hint at the level, an unknown system; nothing that would tell
/// one run from another.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// What comes of a piece of the work.
type Outcome = Result<Piece, Refusal>;

/// Those who compress.
type Compressors = Labour<Block, Outcome, fn(Block) -> Outcome>;

pub(super) struct Gzip<'a> {
    level: GzipLevel,
    labour: Compressors,
    /// Whether there was a block already.
    given: bool,
    /// The content that is gathered, behind its dictionary.
    block: Vec<u8>,
    dictionary: usize,
    /// Buffers of blocks that are done: for content, and for what it was deflated to.
    spare: Vec<(Vec<u8>, Vec<u8>)>,
    /// The checksum and length of what was written.
    crc: Crc,
    target: EncoderOutput<'a>,
    begun: bool,
}

impl<'a> Gzip<'a> {
    pub(super) fn new(level: GzipLevel, workers: usize, target: EncoderOutput<'a>) -> Self {
        Gzip {
            level,
            labour: Labour::new(
                "crutils-gzip",
                workers,
                workers * BLOCKS_PER_WORKER,
                deflate,
            ),
            given: false,
            block: Vec::new(),
            dictionary: 0,
            spare: Vec::new(),
            crc: Crc::new(),
            target,
            begun: false,
        }
    }

    /// Has what is gathered deflated, and writes what is ready before it.
    fn submit(&mut self, last: bool) -> io::Result<()> {
        // Room is made first: so many blocks are in memory, and no more.
        while let Some(answer) = self.labour.make_room() {
            self.put(answer)?;
        }
        let block = self.take(last);
        let block = block.map_err(|refusal| self.target.fail(Error::from(refusal)))?;
        let first = !mem::replace(&mut self.given, true);
        if let Some(answer) = self.labour.give(block, first && last) {
            self.put(answer)?;
        }
        while let Some(answer) = self.labour.ready() {
            self.put(answer)?;
        }
        Ok(())
    }

    /// What is gathered, as a block; its end becomes the next one's dictionary.
    fn take(&mut self, last: bool) -> Result<Block, Refusal> {
        let (mut next, deflated) = self.spare.pop().unwrap_or_default();
        next.clear();
        next.try_reserve_exact(WINDOW + BLOCK)
            .map_err(|_| Refusal::Memory(Compression::Gzip))?;
        next.extend_from_slice(&self.block[self.block.len().saturating_sub(WINDOW)..]);
        let next_dictionary = next.len();
        Ok(Block {
            bytes: mem::replace(&mut self.block, next),
            dictionary: mem::replace(&mut self.dictionary, next_dictionary),
            last,
            level: self.level,
            deflated,
        })
    }

    /// Writes the next piece of the member.
    fn put(&mut self, answer: Answer<Result<Piece, Refusal>>) -> io::Result<()> {
        let piece = answer
            .unwrap_or(Err(Refusal::Worker(Compression::Gzip)))
            .map_err(|refusal| self.target.fail(Error::from(refusal)))?;
        if !mem::replace(&mut self.begun, true) {
            self.target.write_all(&HEADER)?;
        }
        self.target.write_all(&piece.deflated)?;
        self.crc.combine(&piece.crc);
        self.spare.push((piece.bytes, piece.deflated));
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.target.check()?;
        self.submit(true)?;
        while let Some(answer) = self.labour.wait() {
            self.put(answer)?;
        }
        // The length is that of RFC 1952, modulo 2^32.
        let trailer = [self.crc.sum(), self.crc.amount()].map(u32::to_le_bytes);
        self.target.write_all(trailer.as_flattened())?;
        self.target.flush()
    }
}

impl Write for Gzip<'_> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.target.check()?;
        let room = (self.dictionary + BLOCK).saturating_sub(self.block.len());
        let taken = content.get(..room).unwrap_or(content);
        self.block.extend_from_slice(taken);
        if self.block.len() == self.dictionary + BLOCK {
            self.submit(false)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

impl Encode for Gzip<'_> {
    fn finish(mut self: Box<Self>) -> Result<()> {
        self.end().called(|| "write")
    }
}
