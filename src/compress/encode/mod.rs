//! How a stream is compressed as it is written, with all cores and the same bytes whatever their number.
//!
//! The caller's thread alone writes the output; threads of ours only compress what they are handed, and take no signals.
//! What decides over the bytes is the content and the level: the content is cut where its length says, or the caller, not
//! where writes end, and threads share no state that would reach the output.

#![forbid(unsafe_code)]

mod deflate;
mod frames;
mod gzip;
mod labour;
mod target;
mod zstd;

use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use nix::errno::Errno;

use super::Compression;
use crate::error::{self, Error, Kind, Result};
use target::EncoderOutput;

/// More threads than this would cost memory (each some 5 MiB with zstd's default level), and win no time: the one thread
/// that reads the content and writes the result is no faster.
const MAX_WORKERS: usize = 32;

/// How a stream is to be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    None,
    /// One gzip member.
    Gzip(GzipLevel),
    /// zstd frames.
    Zstd(ZstdLevel, Framing),
}

/// How a zstd stream is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Each has so much content at most, and is compressed by itself; behind them is a table of them.
    Sized(u32),
    /// All content is in one frame.
    One,
}

/// How much content a frame may be asked to have.
const FRAME_SIZES: RangeInclusive<u32> = 64 << 10..=64 << 20;

impl Default for Framing {
    /// What was measured to cost next to nothing in size, and to keep all cores at work.
    fn default() -> Self {
        Framing::Sized(4 << 20)
    }
}

/// 1 (fastest) to 9 (smallest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GzipLevel(u8);

/// 1 (fastest) to 19 (smallest). Higher ones need windows above 8 MiB, which would burden every reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ZstdLevel(u8);

impl Encoding {
    /// gzip with the given level, from 1 to 9, or with level 6.
    ///
    /// # Errors
    ///
    /// EINVAL: there is no such level.
    pub(crate) fn gzip(level: Option<i32>) -> Result<Self> {
        Ok(Encoding::Gzip(GzipLevel(checked(level, 6, 9)?)))
    }

    /// zstd with the given level, from 1 to 19, or with level 3.
    ///
    /// # Errors
    ///
    /// EINVAL: there is no such level, or its window would be larger than 8 MiB; frames of a size that isn't in
    /// [`FRAME_SIZES`].
    pub(crate) fn zstd(level: Option<i32>, framing: Framing) -> Result<Self> {
        let level = ZstdLevel(checked(level, 3, 19)?);
        match framing {
            Framing::Sized(size) if !FRAME_SIZES.contains(&size) => Err(Error::argument(
                "frame_size",
                format_args!(
                    "{size} is not between {} and {}",
                    FRAME_SIZES.start(),
                    FRAME_SIZES.end()
                ),
            )),
            _ => Ok(Encoding::Zstd(level, framing)),
        }
    }
}

fn checked(level: Option<i32>, default: u8, max: u8) -> Result<u8> {
    let Some(level) = level else {
        return Ok(default);
    };
    match u8::try_from(level) {
        Ok(level) if (1..=max).contains(&level) => Ok(level),
        _ => Err(Error::argument(
            "level",
            format_args!("{level} is not between 1 and {max}"),
        )),
    }
}

/// A stream that is compressed while it is written.
///
/// [`Write::flush`] flushes the output, and nothing that is still inside: it would make the bytes depend on when it is
/// called. An error of the output comes out of whichever of the functions meets it, as it went in. From then on each of
/// them fails the same way, with the kind, errno, message and offset of the first error.
///
/// Dropping it before [`finish`](Encode::finish) abandons the stream: nothing more is written, and no thread is left
/// behind. That takes until the threads have compressed what they were handed.
pub(crate) trait Encode: Write + Send {
    /// Says that whoever reads may want what comes from here on without what was before, or the other way round.
    ///
    /// # Errors
    ///
    /// As those of a write.
    fn cut(&mut self) -> Result<()> {
        Ok(())
    }

    /// Compresses what is left, and writes all of it and the stream's end to the output, which is flushed.
    ///
    /// # Errors
    ///
    /// Those of the output; a failure of a write before.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A writer that compresses what it is given into `output`, which only the thread that writes or finishes touches.
///
/// `workers` threads compress, or fewer where there may be no more; up to [`MAX_WORKERS`]. They don't change a byte.
/// At the default level and with two workers all of it takes less than 64 MiB.
///
/// # Errors
///
/// ENOMEM where the encoder finds no memory. The threads are started by a write: the caller's compresses where there may
/// be none; with all of zstd's content in one frame that write fails with ENOMEM.
pub(crate) fn encoder<'a>(
    encoding: Encoding,
    workers: NonZeroUsize,
    output: Box<dyn Write + Send + 'a>,
) -> Result<Box<dyn Encode + 'a>> {
    let workers = workers.get().min(MAX_WORKERS);
    let target = EncoderOutput::new(output);
    Ok(match encoding {
        Encoding::None => Box::new(target),
        Encoding::Gzip(level) => Box::new(gzip::Gzip::new(level, workers, target)),
        Encoding::Zstd(level, Framing::One) => Box::new(zstd::Zstd::new(level, workers, target)?),
        Encoding::Zstd(level, Framing::Sized(size)) => {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            Box::new(frames::Frames::new(level, size, workers, target))
        }
    })
}

/// Why a stream isn't compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    /// The host has no memory for the encoder, or no thread; what was written so far is no whole stream.
    #[error("no memory or no thread for the {0} encoder")]
    Memory(Compression),
    /// A thread died with what it was compressing: the stream would have a gap.
    #[error("a thread of the {0} encoder died")]
    Worker(Compression),
    /// The codec fails where it can't: the rest of the stream would be a guess.
    #[error("the {0} encoder failed: {1}")]
    Codec(Compression, &'static str),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Memory(_) => Kind::System,
            Self::Worker(_) | Self::Codec(..) => Kind::Internal,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Memory(_) => Errno::ENOMEM,
            _ => self.kind().errno(),
        }
    }
}
