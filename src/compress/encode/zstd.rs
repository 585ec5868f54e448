//! One zstd frame, compressed by libzstd's own threads.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use super::super::Compression;
use super::super::worker::quietly;
use super::frames::refusal;
use super::target::EncoderOutput;
use super::{Encode, Refusal, ZstdLevel};
use crate::error::{Called as _, Result};

/// How much content a thread compresses at once. The 8 MiB that libzstd would choose at the default level take three times
/// the memory and a sixth more of the processors, for a quarter of a percent in size.
const JOB: u32 = 2 << 20;

/// How much of the frame is written at once, at most.
const BUFFER: usize = 128 << 10;

pub(super) struct Zstd<'a> {
    level: ZstdLevel,
    workers: usize,
    context: CCtx<'static>,
    /// Whether libzstd has begun the frame, with all that it needs for it.
    begun: bool,
    buffer: Box<[u8]>,
    target: EncoderOutput<'a>,
}

impl<'a> Zstd<'a> {
    pub(super) fn new(level: ZstdLevel, workers: usize, target: EncoderOutput<'a>) -> Result<Self> {
        Ok(Zstd {
            level,
            workers,
            context: context(level, workers)?,
            begun: false,
            buffer: vec![0; BUFFER].into(),
            target,
        })
    }

    /// Gives libzstd some of `content`, and writes what it has ready. Returns how much it took, and whether it has
    /// more to write, for what it was asked.
    fn step(&mut self, content: &[u8], ask: ZSTD_EndDirective) -> io::Result<(usize, bool)> {
        let result = if self.begun {
            self.compress(content, ask)
        } else {
            self.begin(content, ask)
        };
        let step = result.map_err(|error| self.target.fail(error))?;
        self.target.write_all(&self.buffer[..step.ready])?;
        Ok((step.taken, step.left))
    }

    /// The first [`compress`](Self::compress) of the frame: libzstd starts its threads in it.
    fn begin(&mut self, content: &[u8], ask: ZSTD_EndDirective) -> Result<Step> {
        let mut result = quietly(|| self.compress(content, ask))?;
        if result.is_err() && self.workers > 1 {
            // There is no telling a thread that can't be started from memory that isn't there. One does the same.
            self.context = context(self.level, 1)?;
            result = quietly(|| self.compress(content, ask))?;
        }
        self.begun = result.is_ok();
        result
    }

    fn compress(&mut self, content: &[u8], ask: ZSTD_EndDirective) -> Result<Step> {
        let mut source = InBuffer::around(content);
        let mut ready = OutBuffer::around(&mut *self.buffer);
        let left = self
            .context
            .compress_stream2(&mut ready, &mut source, ask)
            .map_err(refusal)?;
        Ok(Step {
            taken: source.pos(),
            ready: ready.pos(),
            left: left > 0,
        })
    }
}

/// What libzstd did: bytes of content it took, bytes of the frame in the buffer, and whether there are more.
struct Step {
    taken: usize,
    ready: usize,
    left: bool,
}

/// A context that has nothing but its parameters yet.
fn context(level: ZstdLevel, workers: usize) -> Result<CCtx<'static>> {
    let mut context = CCtx::try_create().ok_or(Refusal::Memory(Compression::Zstd))?;
    let mut set = |parameter| context.set_parameter(parameter);
    set(CParameter::CompressionLevel(i32::from(level.0))).map_err(refusal)?;
    set(CParameter::ChecksumFlag(true)).map_err(refusal)?;
    // A thread even if there is but one core: without any, libzstd cuts frames in another way. A libzstd that is built
    // without threads refuses, and compresses in the caller's: slower, and the same bytes each time too. How far a job
    // looks back into the one before is left to libzstd, which derives it from the level alone.
    let workers = u32::try_from(workers).unwrap_or(u32::MAX);
    if set(CParameter::NbWorkers(workers)).is_ok() {
        set(CParameter::JobSize(JOB)).map_err(refusal)?;
    }
    Ok(context)
}

impl Write for Zstd<'_> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.target.check()?;
        if content.is_empty() {
            return Ok(0);
        }
        // libzstd waits for its threads where it could do neither, so that each turn takes or gives something. It is told
        // of the end only without content: otherwise a short content's header would depend on how it was written.
        loop {
            let (taken, _) = self.step(content, ZSTD_EndDirective::ZSTD_e_continue)?;
            if taken > 0 {
                return Ok(taken);
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

impl Encode for Zstd<'_> {
    fn finish(mut self: Box<Self>) -> Result<()> {
        let end = |zstd: &mut Self| {
            zstd.target.check()?;
            while zstd.step(&[], ZSTD_EndDirective::ZSTD_e_end)?.1 {}
            zstd.target.flush()
        };
        end(&mut self).called(|| "write")
    }
}
