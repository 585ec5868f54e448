//! How an archive is written, and what came of it.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use crate::archive::Sha256Digest;
use crate::compress::{Encoding, Framing};
use crate::error::Result;
use crate::fs::DirectoryBuf;

/// How an archive is compressed. The same content becomes the same bytes, on any number of cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// With gzip, at this level from 1 to 9, or at level 6.
    Gzip(Option<i32>),
    /// With zstd, at this level from 1 to 19, or at level 3.
    Zstd(Option<i32>),
}

impl Default for Compression {
    /// zstd at its own default level, as podman has it.
    fn default() -> Self {
        Compression::Zstd(None)
    }
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

/// How an archive is written. The default: zstd, with all cores; no digest; not synced; what has no time of its own is
/// from the epoch.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    pub(super) compression: Compression,
    pub(super) frame_size: FrameSize,
    pub(super) digest: bool,
    pub(super) sync: bool,
    pub(super) workers: Option<NonZeroUsize>,
    pub(super) time: i64,
    pub(super) spool_directory: Option<DirectoryBuf>,
}

impl ExportOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How the archive is compressed.
    pub fn compression(&mut self, compression: Compression) -> &mut Self {
        self.compression = compression;
        self
    }

    /// How the archive is cut into frames, where it is compressed with zstd. EINVAL when the archive is written for a
    /// size that isn't permitted.
    pub fn frame_size(&mut self, size: FrameSize) -> &mut Self {
        self.frame_size = size;
        self
    }

    /// Whether the archive's SHA-256 digest is computed as it is written. Without compression that takes data through
    /// memory which the kernel would copy otherwise; what a file system clones all the same is read once for it.
    pub fn digest(&mut self, wanted: bool) -> &mut Self {
        self.digest = wanted;
        self
    }

    /// Whether the archive is on the disk, and has its name there, before the export is done. Not for descriptors,
    /// which the caller may sync.
    pub fn sync(&mut self, wanted: bool) -> &mut Self {
        self.sync = wanted;
        self
    }

    /// How many threads compress. None: as many as the process may use cores.
    pub fn workers(&mut self, number: Option<NonZeroUsize>) -> &mut Self {
        self.workers = number;
        self
    }

    /// The modification time of members that are made by the export (bytes, nested archives), in seconds from the
    /// epoch.
    pub fn time(&mut self, seconds: i64) -> &mut Self {
        self.time = seconds;
        self
    }

    /// The directory that unnamed files for nested archives' headers are made in, some 100 bytes and the name for each
    /// object of the larger of them. None: the directory of the archive; for a descriptor, the one that TMPDIR names,
    /// or else /var/tmp.
    pub fn spool_directory(&mut self, directory: Option<DirectoryBuf>) -> &mut Self {
        self.spool_directory = directory;
        self
    }

    /// EINVAL for a level or a size of frames that doesn't exist.
    pub(super) fn encoding(&self) -> Result<Encoding> {
        let framing = match self.frame_size {
            FrameSize::Usual => Framing::default(),
            FrameSize::Bytes(size) => Framing::Sized(size),
            FrameSize::Whole => Framing::One,
        };
        match self.compression {
            Compression::None => Ok(Encoding::None),
            Compression::Gzip(level) => Encoding::gzip(level),
            Compression::Zstd(level) => Encoding::zstd(level, framing),
        }
    }

    pub(super) fn number_of_workers(&self) -> NonZeroUsize {
        let all = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.workers.unwrap_or_else(all)
    }
}

/// An archive that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// How long the archive is, in bytes.
    pub bytes: u64,
    /// How many members it has, those in nested archives not counted.
    pub members: u64,
    /// Its digest, if that was wanted.
    pub sha256: Option<Sha256Digest>,
    /// The optional members that weren't there, in the order of the export.
    pub missing: Vec<OsString>,
}
