//! Which compression a stream has, how to undo it, and how to apply it.
//!
//! Everything is decoded and encoded in the process, so that the answer doesn't depend on what is installed. A stream may
//! consist of several members (gzip's word; the others say streams or frames), which are decoded one after the other.
//! Zeros may follow the last one and nothing else, whatever the compression; the .xz format counts them in fours, and allows
//! them between streams, too. Skippable frames of zstd are frames: they may lie anywhere. What is written with gzip is one
//! member; with zstd it is frames, each by itself, and a table of them.

#![forbid(unsafe_code)]

mod bzip2;
mod encode;
mod frame;
mod frame_file;
mod gzip;
mod pool;
mod put_back;
mod reader;
mod room;
mod seek_table;
mod split;
mod worker;
mod xz;
mod zstd;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::BufRead;

use nix::errno::Errno;

use crate::error::{self, Kind, Result};
use crate::watch::Watch;
pub(crate) use encode::{Encode, Encoding, Framing, encoder};
pub(crate) use frame_file::{
    FoundFrames, Frame, Hops, decode_frame, decoder_between, has_seek_table,
};
pub(crate) use pool::{Died, Threads};
pub(crate) use put_back::PutBack;
pub(crate) use reader::Decode;
use reader::Decoder;
pub(crate) use split::{Decoded, Frames, Next, Splitter};
pub(crate) use worker::{spawn_quiet, spawn_quiet_in};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all, or in no way that [`detect`] knows.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// The .xz format; neither .lzma nor .lz.
    Xz,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
        })
    }
}

/// Whether zstd compresses with several threads, which a library of the system may have been built without.
pub(crate) fn has_zstd_threads() -> bool {
    let mut context = ::zstd::zstd_safe::CCtx::create();
    let workers = ::zstd::zstd_safe::CParameter::NbWorkers(1);
    context.set_parameter(workers).is_ok()
}

/// How many bytes from the beginning of a stream [`detect`] needs at most.
pub(crate) const MAGIC_LEN: usize = 10;

/// The largest zstd window or xz dictionary that is decoded, in bytes. The memory a decoder holds follows from it.
const MAX_WINDOW: u32 = 128 << 20;

/// Tells the compression from the first bytes of a stream: [`MAGIC_LEN`] of them, or all if there are fewer.
///
/// The magic numbers are those of RFC 1952 (with deflate as the method), RFC 8878 (a skippable frame may come first), the
/// .xz file format and bzip2.
pub(crate) fn detect(first_bytes: &[u8]) -> Compression {
    if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] = first_bytes {
        return Compression::Zstd;
    }
    const MAGIC: [(&[u8], Compression); 4] = [
        (b"\x1f\x8b\x08", Compression::Gzip),
        (b"BZh", Compression::Bzip2),
        (b"\xfd7zXZ\0", Compression::Xz),
        (b"\x28\xb5\x2f\xfd", Compression::Zstd),
    ];
    MAGIC
        .iter()
        .find(|(magic, _)| first_bytes.starts_with(magic))
        .map_or(Compression::None, |&(_, found)| found)
}

/// A reader of what the stream `input` holds once its compression is undone; `input` still begins with its magic.
///
/// At most one layer is undone. The reader holds the stream's window (128 MiB at most) and no more than a few MiB
/// besides, whatever the stream claims. It looks at the watch between two members.
///
/// # Errors
///
/// ECANCELED. ENOMEM where the decoder finds no memory. The reader's errors carry an [`Error`]: a stream that is cut short,
/// fails a checksum or has other bytes behind its end is [`Kind::Malformed`], a window above 128 MiB [`Kind::Limit`].
/// A failed read of `input` passes through as it is. After an error of its own the reader only repeats it.
pub(crate) fn decoder<'a>(
    compression: Compression,
    input: Box<dyn BufRead + Send + 'a>,
    watch: &Watch,
) -> Result<Box<dyn Decode<'a> + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(PutBack::new(input)),
        Compression::Gzip => Box::new(Decoder::new(input, gzip::Gzip::new()?, watch)),
        Compression::Bzip2 => Box::new(Decoder::new(input, bzip2::Bzip2::new(), watch)),
        Compression::Xz => Box::new(Decoder::new(input, xz::Xz::new()?, watch)),
        Compression::Zstd => Box::new(Decoder::new(input, zstd::Zstd::new()?, watch)),
    })
}

/// Why a compressed stream is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    /// The input ends inside a member. What was decoded so far would pass for the whole.
    #[error("the {0} stream is cut short")]
    Truncated(Compression),
    /// The bytes break the format or fail a checksum: the content is not what was compressed.
    #[error("the {0} stream is corrupt")]
    Corrupt(Compression),
    /// After the last member come bytes that belong to none: a damaged member would otherwise go unnoticed.
    #[error("bytes that are no {0} stream follow its end")]
    Trailing(Compression),
    /// A few bytes of header ask for more memory than a host should spend on them.
    #[error("the {0} stream needs a window of more than {limit} MiB", limit = MAX_WINDOW >> 20)]
    Window(Compression),
    /// The stream uses an option, a filter or a checksum that this build of the decoder lacks; reading on would mean
    /// to trust content that nothing verifies.
    #[error("the {0} stream uses an option that this build doesn't support")]
    Unsupported(Compression),
    /// The window is within the limit, but the host has no memory for it.
    #[error("no memory for the {0} decoder")]
    Memory(Compression),
}

impl error::Refusal for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Truncated(_) | Self::Corrupt(_) | Self::Trailing(_) => Kind::Malformed,
            Self::Window(_) => Kind::Limit,
            Self::Unsupported(_) => Kind::Unsupported,
            Self::Memory(_) => Kind::System,
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::Memory(_) => Errno::ENOMEM,
            _ => self.kind().errno(),
        }
    }
}
