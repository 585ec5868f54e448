//! How archives and layers are compressed.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use crate::compress::{Encoding, Framing};
use crate::error::Result;

/// How an archive is compressed. The same content becomes the same bytes, on any number of cores.
///
/// The numbers are those of the C ABI (`CR_COMPRESSION_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Compression {
    /// Not at all.
    None = 1,
    /// With gzip, at a level from 1 to 9, 6 by default.
    Gzip = 2,
    /// With zstd, at a level from 1 to 19, 3 by default; podman's default, too.
    #[default]
    Zstd = 3,
}

/// How an archive is cut into frames that are compressed each by itself; with zstd alone. Several cores decode them at the
/// same time, and a reader finds a member without decoding what is before it: a table behind the last frame, in zstd's
/// seekable format, tells it where they are. Data of 1 MiB and more begins with a frame, and another one begins behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameSize {
    /// A size that costs next to nothing.
    #[default]
    Usual,
    /// So many bytes of content at most, from 64 KiB to 64 MiB. What frames of more than 16 MiB hold is decoded by one
    /// core.
    Bytes(u32),
    /// All content in one frame, and no table.
    Whole,
}

/// What is asked of the encoder, whatever the compression.
#[derive(Clone, Debug, Default)]
pub(super) struct EncoderOptions {
    /// None: the compression's default.
    pub(super) level: Option<i32>,
    pub(super) frame_size: FrameSize,
    /// None: as many threads as the process may use cores.
    pub(super) workers: Option<NonZeroUsize>,
}

impl EncoderOptions {
    /// EINVAL for a level or a size of frames that doesn't exist.
    pub(super) fn encoding(&self, compression: Compression) -> Result<Encoding> {
        let framing = match self.frame_size {
            FrameSize::Usual => Framing::default(),
            FrameSize::Bytes(size) => Framing::Sized(size),
            FrameSize::Whole => Framing::One,
        };
        match compression {
            Compression::None => Ok(Encoding::None),
            Compression::Gzip => Encoding::gzip(self.level),
            Compression::Zstd => Encoding::zstd(self.level, framing),
        }
    }

    pub(super) fn number_of_workers(&self) -> NonZeroUsize {
        let all = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.workers.unwrap_or_else(all)
    }
}
