//! How an archive is written, and what came of it.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;

use crate::archive::Sha256Digest;
use crate::checkpoint::compression::{Compression, EncoderOptions, FrameSize};
use crate::error::{Error, Result};
use crate::fs::{PlaceBuf, RootPath};

/// How an archive is written. The default: zstd, with all cores; no digest; not synced; what has no time of its own is
/// from the epoch.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    pub(super) compression: Compression,
    pub(super) encoder: EncoderOptions,
    pub(super) digest: bool,
    pub(super) sync: bool,
    pub(super) time: i64,
    pub(super) spool_directory: Option<PlaceBuf>,
    pub(super) live: bool,
    pub(super) overlay_xattrs: bool,
    pub(super) excluded: BTreeMap<RootPath, BTreeSet<RootPath>>,
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

    /// At which level it is compressed; none: the compression's default. A level that the compression doesn't have is
    /// EINVAL when the archive is written.
    pub fn level(&mut self, level: Option<i32>) -> &mut Self {
        self.encoder.level = level;
        self
    }

    /// How the archive is cut into frames, where it is compressed with zstd. EINVAL when the archive is written for a
    /// size that isn't permitted.
    pub fn frame_size(&mut self, size: FrameSize) -> &mut Self {
        self.encoder.frame_size = size;
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
        self.encoder.workers = number;
        self
    }

    /// The modification time of members that are made by the export (bytes, nested archives), in seconds from the
    /// epoch.
    pub fn time(&mut self, seconds: i64) -> &mut Self {
        self.time = seconds;
        self
    }

    /// The directory that the unnamed file for nested archives' headers is made in, some 100 bytes and the name for each
    /// object of all of them. None: the directory of the archive; for a descriptor, the one that TMPDIR names,
    /// or else /var/tmp.
    pub fn spool_directory(&mut self, directory: Option<PlaceBuf>) -> &mut Self {
        self.spool_directory = directory;
        self
    }

    /// Whether directories and root file systems may be written to while they are stored. Without it a file in a nested
    /// archive that changes in its owner, mode, xattrs or identity between being measured and being stored, vanishes or
    /// gets shorter is ESTALE. With it the archive is whole all the same, and each of these is a
    /// [`Changed`](crate::watch::WarningKind::Changed) warning:
    ///
    /// - What vanished is left out (a [`Vanished`](crate::watch::WarningKind::Vanished) warning), unless another name of the
    ///   same file has stayed.
    /// - What was replaced, changed its attributes or got shorter is stored as it is now, as far as the room goes that
    ///   the archive has for it; a longer file is cut there.
    /// - A file that got longer is stored with the length it had. One that gets shorter while it is read ends in zeros.
    ///
    /// The members of a bundle have to stay in any case.
    pub fn live(&mut self, wanted: bool) -> &mut Self {
        self.live = wanted;
        self
    }

    /// Whether a rootfs diff has the xattrs in which overlays keep their state (`trusted.overlay.` and its kin), where the
    /// mounted root file system shows any: a container that runs containers has made them. Without it they are left out,
    /// each object with a warning, since the overlay that they are restored onto may refuse them or take them for its own.
    /// Directories that are archives of their own have them in any case.
    pub fn overlay_xattrs(&mut self, wanted: bool) -> &mut Self {
        self.overlay_xattrs = wanted;
        self
    }

    /// Leaves `path` out, with everything below it: of the directory that is the archive `member`, or of the member of a
    /// bundle called `member`. What is left out isn't looked at.
    ///
    /// # Errors
    ///
    /// EINVAL for an empty path, EBADMSG for one with a NUL, E2BIG for one above 4095 bytes. An export that has no
    /// directory of this name is EINVAL, before anything is written.
    pub fn exclude(
        &mut self,
        member: impl AsRef<OsStr>,
        path: impl AsRef<OsStr>,
    ) -> Result<&mut Self> {
        let member = RootPath::clean(member.as_ref().as_bytes())?;
        let path = RootPath::clean(path.as_ref().as_bytes())?;
        for (argument, path) in [("member", &member), ("path", &path)] {
            if path.is_root() {
                return Err(Error::argument(argument, "is empty"));
            }
        }
        self.excluded.entry(member).or_default().insert(path);
        Ok(self)
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
    /// What a restore will need and this archive doesn't have, each with a
    /// [`Incomplete`](crate::watch::WarningKind::Incomplete) warning: `checkpoint/inventory.img`, without which CRIU can't
    /// restore, `checkpoint/parent`, if it leads to a dump that isn't in the archive, and `volumes/NAME.tar` of a volume
    /// that podman's config.dump names.
    pub lacking: Vec<OsString>,
}
