//! zstd frames (RFC 8878) that are compressed each by itself, and a seek table behind them.
//!
//! Every frame says how much content it has, and has a checksum of it. One after the other they are a stream that every
//! reader of zstd's takes; one that knows more decodes several at a time, or finds a place without what is before it.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::mem;

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{CCtx, CParameter, ErrorCode, compress_bound, get_error_name, is_error_kind};

use super::super::Compression;
use super::super::seek_table::SeekTable;
use super::labour::{Answer, Labour};
use super::target::EncoderOutput;
use super::{Encode, Refusal, ZstdLevel};
use crate::error::{Called as _, Error, Result};

/// How much content a block has at most: a byte less than it may have. libzstd (from 1.5.7 on) cuts full blocks at places
/// where the content changes, and never smaller ones. The cuts save half a percent of the size and make two and a half
/// times as many blocks, each of which costs whoever looks for a place in an archive a system call.
const BLOCK: u32 = (128 << 10) - 1;

/// What comes of a piece of the work.
type Outcome = Result<Frame, Refusal>;

/// Those who compress.
type Compressors = Labour<Job, Outcome, fn(Job) -> Outcome>;

pub(super) struct Frames<'a> {
    /// How much content a frame has at most.
    size: usize,
    labour: Compressors,
    level: ZstdLevel,
    /// The content that is gathered.
    content: Vec<u8>,
    /// Buffers of frames that are done: for content, and for what it was compressed to.
    spare: Vec<(Vec<u8>, Vec<u8>)>,
    table: SeekTable,
    given: bool,
    target: EncoderOutput<'a>,
}

/// Content on its way to a thread.
struct Job {
    level: ZstdLevel,
    content: Vec<u8>,
    /// A buffer for the result. What is in it doesn't matter.
    compressed: Vec<u8>,
}

/// What became of it.
struct Frame {
    /// The content, whose memory can be used again.
    content: Vec<u8>,
    compressed: Vec<u8>,
}

impl<'a> Frames<'a> {
    pub(super) fn new(
        level: ZstdLevel,
        size: usize,
        workers: usize,
        target: EncoderOutput<'a>,
    ) -> Self {
        // One more than there are threads, so that the next one that is free finds work.
        let most = workers + 1;
        Frames {
            size,
            labour: Labour::new("crutils-zstd", workers, most, compress),
            level,
            content: Vec::new(),
            spare: Vec::new(),
            table: SeekTable::default(),
            given: false,
            target,
        }
    }

    /// Has what is gathered compressed, and writes what is ready before it.
    fn submit(&mut self, last: bool) -> io::Result<()> {
        while let Some(answer) = self.labour.make_room() {
            self.put(answer)?;
        }
        let (next, compressed) = self.spare.pop().unwrap_or_default();
        let job = Job {
            level: self.level,
            content: mem::replace(&mut self.content, next),
            compressed,
        };
        self.content.clear();
        let first = !mem::replace(&mut self.given, true);
        if let Some(answer) = self.labour.give(job, first && last) {
            self.put(answer)?;
        }
        while let Some(answer) = self.labour.ready() {
            self.put(answer)?;
        }
        Ok(())
    }

    /// Writes the next frame.
    fn put(&mut self, answer: Answer<Result<Frame, Refusal>>) -> io::Result<()> {
        let frame = answer
            .unwrap_or(Err(Refusal::Worker(Compression::Zstd)))
            .map_err(|refusal| self.target.fail(Error::from(refusal)))?;
        self.target.write_all(&frame.compressed)?;
        self.table.add(frame.compressed.len(), frame.content.len());
        self.spare.push((frame.content, frame.compressed));
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.target.check()?;
        // No content is a frame, too.
        if !self.content.is_empty() || !self.given {
            self.submit(true)?;
        }
        while let Some(answer) = self.labour.wait() {
            self.put(answer)?;
        }
        if let Some(table) = mem::take(&mut self.table).finish() {
            self.target.write_all(&table)?;
        }
        self.target.flush()
    }
}

/// Compresses one frame. The context is new each time: one that is used again may find other matches, depending on what
/// it had before, and that depends on the number of threads.
fn compress(job: Job) -> Result<Frame, Refusal> {
    let mut frame = Frame {
        content: job.content,
        compressed: job.compressed,
    };
    let mut context = CCtx::try_create().ok_or(Refusal::Memory(Compression::Zstd))?;
    for parameter in [
        CParameter::CompressionLevel(i32::from(job.level.0)),
        CParameter::ChecksumFlag(true),
    ] {
        context.set_parameter(parameter).map_err(refusal)?;
    }
    // A libzstd that doesn't know it doesn't cut blocks either.
    let _ = context.set_parameter(CParameter::MaxBlockSize(BLOCK));
    frame.compressed.clear();
    frame
        .compressed
        .try_reserve_exact(compress_bound(frame.content.len()))
        .map_err(|_| Refusal::Memory(Compression::Zstd))?;
    context
        .compress2(&mut frame.compressed, &frame.content)
        .map_err(refusal)?;
    Ok(frame)
}

pub(super) fn refusal(code: ErrorCode) -> Refusal {
    if is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        Refusal::Memory(Compression::Zstd)
    } else {
        Refusal::Codec(Compression::Zstd, get_error_name(code))
    }
}

impl Write for Frames<'_> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.target.check()?;
        // A full frame waits for what follows, so that a single one is known as such.
        if self.content.len() >= self.size && !content.is_empty() {
            self.submit(false)?;
        }
        let room = self.size.saturating_sub(self.content.len());
        let taken = content.get(..room).unwrap_or(content);
        // A short stream takes no more than twice its length; a long one gets all of a frame at once.
        let reserved = if self.content.len() + taken.len() < self.size / 8 {
            self.content.try_reserve(taken.len())
        } else {
            self.content.try_reserve_exact(room)
        };
        if reserved.is_err() {
            let refusal = Refusal::Memory(Compression::Zstd);
            return Err(self.target.fail(Error::from(refusal)));
        }
        self.content.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

impl Encode for Frames<'_> {
    fn cut(&mut self) -> Result<()> {
        let cut = |frames: &mut Self| {
            frames.target.check()?;
            match frames.content.is_empty() {
                true => Ok(()),
                false => frames.submit(false),
            }
        };
        cut(self).called(|| "write")
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.end().called(|| "write")
    }
}
