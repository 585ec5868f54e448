//! What an export is asked to heed.

use std::ffi::{c_char, c_int};
use std::num::NonZeroUsize;
use std::ptr;

use super::argument::{self, paths};
use super::error::CRError;
use super::guard::{self, Status};
use crate::DirectoryBuf;
use crate::checkpoint::{Compression, ExportOptions};
use crate::error::{Error, Result};

/// Not compressed.
pub const CR_COMPRESSION_NONE: u32 = 0;
/// gzip, with levels from 1 to 9; 6 by default.
pub const CR_COMPRESSION_GZIP: u32 = 1;
/// zstd, with levels from 1 to 19; 3 by default.
pub const CR_COMPRESSION_ZSTD: u32 = 2;

/// How an export writes its archive. Without changes: compressed with zstd on all cores, with no
/// digest, not synced; what has no time of its own is from the epoch.
#[derive(Debug, Default)]
pub struct CRExportOptions(ExportOptions);

/// The options that C passes, or those that hold without any.
///
/// # Safety
///
/// `pointer` is NULL, or live options that nobody changes during the call.
pub(super) unsafe fn options(pointer: *const CRExportOptions) -> ExportOptions {
    // SAFETY: this function's caller guarantees it.
    match unsafe { pointer.as_ref() } {
        Some(options) => options.0.clone(),
        None => ExportOptions::default(),
    }
}

/// The options that C passes, to be changed.
///
/// # Safety
///
/// As for [`argument::object_mut`].
unsafe fn changeable<'o>(pointer: *mut CRExportOptions) -> Result<&'o mut ExportOptions> {
    // SAFETY: this function's caller guarantees it.
    let options = unsafe { argument::object_mut("options", pointer) }?;
    Ok(&mut options.0)
}

fn compression(kind: u32, level: i32) -> Result<Compression> {
    let chosen = (level != 0).then_some(level);
    match kind {
        CR_COMPRESSION_NONE if chosen.is_none() => Ok(Compression::None),
        CR_COMPRESSION_NONE => Err(Error::argument(
            "level",
            format!("{level} is not 0, and without compression there are no levels"),
        )),
        CR_COMPRESSION_GZIP => Ok(Compression::Gzip(chosen)),
        CR_COMPRESSION_ZSTD => Ok(Compression::Zstd(chosen)),
        other => Err(Error::argument(
            "kind",
            format!("{other} is not one of CR_COMPRESSION_*"),
        )),
    }
}

/// Makes options that change nothing yet, which the caller frees with CRExportOptionsFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportOptionsNew() -> *mut CRExportOptions {
    guard::value(ptr::null_mut(), || Ok(Box::into_raw(Box::default())))
}

/// Frees options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportOptionsFree(options: *mut CRExportOptions) {
    // SAFETY: the caller passes NULL or options of this library's, and passes them only once.
    guard::run(|| unsafe { argument::free(options) });
}

/// Says how the archive is compressed. The same content becomes the same bytes, on any number of
/// cores.
///
/// kind: one of CR_COMPRESSION_*; without options CR_COMPRESSION_ZSTD.
///
/// level: one of the kind's levels, or 0 for its default.
///
/// Errors: EINVAL alone; a level that the kind doesn't have is EINVAL when the archive is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportOptionsCompression(
    options: *mut CRExportOptions,
    kind: u32,
    level: i32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let compression = compression(kind, level)?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.compression(compression);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Says whether the archive's SHA-256 is computed while it is written; CRExportDigest answers it. An
/// archive that isn't compressed goes through memory then, where the kernel would copy it otherwise;
/// what a file system clones all the same is read once for it.
///
/// yes: 0 (as without options) or 1.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportOptionsDigest(
    options: *mut CRExportOptions,
    yes: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let wanted = argument::truth("yes", yes)?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.digest(wanted);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Says whether the archive is on the disk, and has its name there, before CRExportToFile returns. A
/// descriptor is never synced.
///
/// yes: 0 (as without options) or 1.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportOptionsSync(
    options: *mut CRExportOptions,
    yes: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let wanted = argument::truth("yes", yes)?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.sync(wanted);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Says how many threads compress.
///
/// workers: 0 (as without options) for as many as the process may use cores.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportOptionsWorkers(
    options: *mut CRExportOptions,
    workers: usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let workers = NonZeroUsize::new(workers);
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.workers(workers);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Sets the modification time of members that the export makes itself: those of bytes, and archives
/// within the archive.
///
/// seconds: counted from the epoch; 0 without options.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportOptionsTime(
    options: *mut CRExportOptions,
    seconds: i64,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.time(seconds);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Names the directory for unnamed files with the headers of archives within the archive, some 100
/// bytes and the name for each object of the largest of them. Without it that is the directory of the
/// file that is written; for a descriptor the one that TMPDIR names, or else /var/tmp.
///
/// Errors: EINVAL alone; the directory is opened when an archive is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportOptionsSpoolDirectory(
    options: *mut CRExportOptions,
    directory: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [directory] = unsafe { paths([("directory", directory)]) }?;
        let directory = DirectoryBuf::new(directory)?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.spool_directory(Some(directory));
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRExportOptionsSpoolDirectory with a descriptor of the directory, which stays the caller's. It may
/// have been opened with O_PATH.
///
/// Errors: EINVAL and EBADF for what is no descriptor, EMFILE if there is none left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportOptionsSpoolDirectoryAt(
    options: *mut CRExportOptions,
    directory: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let directory = unsafe { argument::descriptor("directory", directory) }?;
        let directory = DirectoryBuf::new(directory)?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.spool_directory(Some(directory));
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
