//! How an export writes its archive.

use std::num::NonZeroUsize;

use super::argument::{At, New, ObjectMut, Owned, Text, member_of, truth, unknown_option};
use super::guard::{self, Slot, Status};
use crate::PlaceBuf;
use crate::checkpoint::{Compression, ExportOptions, FrameSize};
use crate::error::{Error, Result};

/// Not compressed.
pub const CR_COMPRESSION_NONE: u32 = 1;
/// Compressed with gzip, at a level from 1 to 9; 6 by default.
pub const CR_COMPRESSION_GZIP: u32 = 2;
/// Compressed with zstd, at a level from 1 to 19; 3 by default.
pub const CR_COMPRESSION_ZSTD: u32 = 3;

const _: () = assert!(CR_COMPRESSION_NONE == Compression::None as u32);
const _: () = assert!(CR_COMPRESSION_GZIP == Compression::Gzip as u32);
const _: () = assert!(CR_COMPRESSION_ZSTD == Compression::Zstd as u32);

const COMPRESSIONS: [(u32, Compression); 3] = [
    (CR_COMPRESSION_NONE, Compression::None),
    (CR_COMPRESSION_GZIP, Compression::Gzip),
    (CR_COMPRESSION_ZSTD, Compression::Zstd),
];

/// Sets the compression: one of CR_COMPRESSION_*, CR_COMPRESSION_ZSTD by default. The same content becomes
/// the same bytes, on any number of cores.
pub const CR_EXPORT_COMPRESSION: u32 = 1;
/// Sets the level of the compression; 0, the default, for the compression's own. A level that the compression
/// doesn't have is EINVAL when the archive is written.
pub const CR_EXPORT_LEVEL: u32 = 2;
/// Computes the archive's SHA-256 while it is written: 0 or 1. CRExportResult tells it. An archive that
/// isn't compressed goes through memory then, where the kernel would copy it otherwise; data that the file
/// system clones is still cloned, and read once for the digest.
pub const CR_EXPORT_DIGEST: u32 = 3;
/// Syncs the archive and its name before CRExportWrite returns: 0 or 1. A descriptor is never
/// synced.
pub const CR_EXPORT_SYNC: u32 = 4;
/// Sets how many threads compress; 0, the default, for as many as the process may use cores.
pub const CR_EXPORT_WORKERS: u32 = 5;
/// Sets the modification time of members that the export makes itself (bytes, and archives within the archive),
/// in seconds since the epoch; 0 by default.
pub const CR_EXPORT_TIME: u32 = 6;
/// Allows directories and root file systems to be written to while they are stored: 0 or 1. What vanishes is
/// left out, what is replaced is stored as it is now, and what gets shorter is padded with zeros, each with a
/// warning. Otherwise such a change fails the export (ESTALE). The members of a bundle must not change in
/// any case.
pub const CR_EXPORT_LIVE: u32 = 7;
/// Stores the extended attributes in which overlays keep their state in a rootfs diff, where the mounted
/// root file system shows any: 0 or 1. Otherwise they are left out with a warning. Directories that are
/// archives within the archive have them in any case.
pub const CR_EXPORT_OVERLAY_XATTRS: u32 = 8;
/// Sets how many bytes of content a frame of zstd holds at most, from 64 KiB to 64 MiB; 0, the default, for
/// a usual size; UINT64_MAX for all content in one frame. Frames are compressed each by itself: several
/// cores decode them at the same time, and a table behind the last one tells where they are.
pub const CR_EXPORT_FRAME_SIZE: u32 = 9;

/// How an export writes its archive. By default it is compressed with zstd on all cores, without a digest,
/// and not synced.
#[derive(Debug, Default)]
pub struct CRExportOptions(pub(super) ExportOptions);

fn set(options: &mut ExportOptions, option: u32, value: u64) -> Result<()> {
    match option {
        CR_EXPORT_COMPRESSION => options.compression(compression(value)?),
        CR_EXPORT_LEVEL => options.level(level(value)?),
        CR_EXPORT_DIGEST => options.digest(truth(value)?),
        CR_EXPORT_SYNC => options.sync(truth(value)?),
        CR_EXPORT_WORKERS => options.workers(NonZeroUsize::new(in_range(value)?)),
        CR_EXPORT_TIME => options.time(in_range(value)?),
        CR_EXPORT_LIVE => options.live(truth(value)?),
        CR_EXPORT_OVERLAY_XATTRS => options.overlay_xattrs(truth(value)?),
        CR_EXPORT_FRAME_SIZE => options.frame_size(frame_size(value)?),
        _ => return Err(unknown_option("CR_EXPORT_", option)),
    };
    Ok(())
}

pub(super) fn compression(value: u64) -> Result<Compression> {
    let number = u32::try_from(value).unwrap_or(u32::MAX);
    member_of("CR_COMPRESSION_", &COMPRESSIONS, number, "value")
}

pub(super) fn frame_size(value: u64) -> Result<FrameSize> {
    match value {
        0 => Ok(FrameSize::Usual),
        u64::MAX => Ok(FrameSize::Whole),
        size => in_range(size).map(FrameSize::Bytes),
    }
}

pub(super) fn level(value: u64) -> Result<Option<i32>> {
    let level = in_range(value)?;
    Ok(Some(level).filter(|level| *level != 0))
}

pub(super) fn in_range<T: TryFrom<u64>>(value: u64) -> Result<T> {
    let too_large = |_| Error::argument("value", format!("{value} is too large"));
    T::try_from(value).map_err(too_large)
}

/// Makes options with the defaults. The caller frees them with CRExportOptionsFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportOptionsNew() -> New<CRExportOptions> {
    guard::value(New::none(), || Ok(New::of(CRExportOptions::default())))
}

/// Frees options.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportOptionsFree(options: Owned<CRExportOptions>) {
    guard::run(|| options.free());
}

/// Sets an option of an export.
///
/// @param option One of CR_EXPORT_*.
/// @param value The value, as the option's comment says.
///
/// Errors:
/// - EINVAL: the option is 0, or doesn't take this value.
/// - EOPNOTSUPP: this version of the library doesn't know the option.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportOptionsSet(
    mut options: ObjectMut<CRExportOptions>,
    option: u32,
    value: u64,
    error: Slot,
) -> Status {
    guard::status(error, || set(&mut options.get("options")?.0, option, value))
}

/// Sets the directory for the unnamed file that notes what archives within the archive hold, some 100
/// bytes and the name for each object of all of them. By default that is the directory of the file
/// that is written; for a descriptor the directory that TMPDIR names, or else /var/tmp.
///
/// @param at, directory An existing directory. It is opened when an archive is written.
///
/// Errors:
/// - EMFILE: no descriptor is left.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportOptionsSpoolDirectory(
    mut options: ObjectMut<CRExportOptions>,
    at: At,
    directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let directory = PlaceBuf::new(directory.place(at, "directory")?)?;
        options.0.spool_directory(Some(directory));
        Ok(())
    })
}

/// Leaves a path out of the archive, with everything below it: of a directory that is an archive within the
/// archive, or of a bundle's member. It may be called for any number of paths. What is left out isn't
/// looked at.
///
/// @param member The member's name, such as "volumes/data.tar" or "checkpoint". A member that the export
/// doesn't have is EINVAL when the archive is written.
/// @param path The path below the member's directory.
///
/// Errors:
/// - EINVAL: one of the two is empty.
/// - E2BIG: one of the two is longer than 4095 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportOptionsExclude(
    mut options: ObjectMut<CRExportOptions>,
    member: Text,
    path: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let options = options.get("options")?;
        let member = member.os_str("member")?;
        options.0.exclude(member, path.os_str("path")?).map(drop)
    })
}
