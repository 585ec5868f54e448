//! Exporting a checkpoint: the export itself, where its archive goes, and what came of it.

use std::ffi::{CString, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;
use std::ptr;

use super::argument::{self, paths};
use super::error::CRError;
use super::export_options::{CRExportOptions, options};
use super::guard::{self, Status};
use super::import::hex;
use super::string::owned_array;
use super::watch::{CRWatch, watch};
use crate::checkpoint::{Export, Exported};
use crate::error::{Error, Result};

/// A checkpoint that is going to be an archive.
#[derive(Default)]
pub struct CRExport {
    export: Export,
    /// What came of the last export; none if it failed.
    written: Option<Written>,
}

/// An archive that was written, as C asks for it.
struct Written {
    bytes: u64,
    members: u64,
    digest: Option<CString>,
    missing: Vec<OsString>,
}

impl CRExport {
    /// Has the archive written, and remembers what came of it.
    fn write(&mut self, write: impl FnOnce(&Export) -> Result<Exported>) -> Result<()> {
        // Whatever fails from here on, nobody takes an earlier archive's digest for this one's.
        self.written = None;
        let exported = write(&self.export)?;
        self.written = Some(Written {
            bytes: exported.bytes,
            members: exported.members,
            digest: exported.sha256.map(|digest| hex(&digest)),
            missing: exported.missing,
        });
        Ok(())
    }

    /// The names of the optional members that weren't there.
    fn missing(&self) -> Result<Vec<Vec<u8>>> {
        let unwritten = || Error::argument("checkpoint", "has not written an archive");
        let written = self.written.as_ref().ok_or_else(unwritten)?;
        let names = written.missing.iter().cloned();
        Ok(names.map(OsString::into_vec).collect())
    }
}

/// The export that C passes to be added to.
///
/// # Safety
///
/// `pointer` is NULL, or a live export that nobody else uses during `'a`.
pub(super) unsafe fn members<'a>(pointer: *mut CRExport) -> Result<&'a mut Export> {
    // SAFETY: this function's caller guarantees it.
    let export = unsafe { argument::object_mut("checkpoint", pointer) }?;
    Ok(&mut export.export)
}

/// The last archive of the export that C passes, if there is one.
///
/// # Safety
///
/// `pointer` is NULL, or a live export that nobody changes during `'a`.
unsafe fn written<'a>(pointer: *const CRExport) -> Option<&'a Written> {
    // SAFETY: this function's caller guarantees it.
    unsafe { pointer.as_ref() }?.written.as_ref()
}

/// Makes an export without members, which the caller frees with CRExportFree. One thread at a time
/// uses it.
///
/// Members are in the archive in the order in which they were added. Directories and files are opened
/// when they are added, and read when the archive is written, which may be done several times. Names
/// of members are relative, without "." and "..", and at most 4095 bytes long; each is there once: the
/// same again is EINVAL, and so is config.json, whose hooks a runtime would run.
#[unsafe(no_mangle)]
pub extern "C" fn CRExportNew() -> *mut CRExport {
    guard::value(ptr::null_mut(), || Ok(Box::into_raw(Box::default())))
}

/// Frees an export. What it has written stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportFree(checkpoint: *mut CRExport) {
    // SAFETY: the caller passes NULL or an export of this library's, and passes it only once.
    guard::run(|| unsafe { argument::free(checkpoint) });
}

/// Writes the archive into a file, in place of a regular file or a symbolic link that is there. It has
/// mode 0600 from its beginning, and appears when it is whole; until then, and after a failure, what
/// was there before is untouched.
///
/// options: NULL for none. watch: NULL for none.
///
/// All members that have to be there are looked for before anything is written. A file of the bundle
/// that vanishes before it is looked at is left out; one that grows while it is read gives the bytes
/// it had.
///
/// Errors: ENOENT for a required member that isn't there; EOPNOTSUPP for one that is a socket; EPERM
/// and EXDEV for what no import would take, such as devices in a bundle; ESTALE for a file that got
/// shorter while it was read, or that changed in an archive within the archive after it was measured;
/// EISDIR for a directory in the file's place, EINVAL for a fifo, a socket or a device there; E2BIG
/// for names, extended attributes and configuration above their limits; ECANCELED; and those of the
/// system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportToFile(
    checkpoint: *mut CRExport,
    path: *const c_char,
    options: *const CRExportOptions,
    watch: *const CRWatch,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        let export = unsafe { argument::object_mut("checkpoint", checkpoint) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [path] = unsafe { paths([("path", path)]) }?;
        // SAFETY: the caller passes NULL or options that nobody changes during the call.
        let options = unsafe { self::options(options) };
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { self::watch(watch) };
        export.write(|export| export.write_to_path(path, &options, &watch))
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRExportToFile with a descriptor of the directory, which stays the caller's, and the file's name
/// in it. The directory may have been opened with O_PATH.
///
/// name: one component, without "/".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportToFileAt(
    checkpoint: *mut CRExport,
    directory: c_int,
    name: *const c_char,
    options: *const CRExportOptions,
    watch: *const CRWatch,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        let export = unsafe { argument::object_mut("checkpoint", checkpoint) }?;
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let directory = unsafe { argument::descriptor("directory", directory) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [name] = unsafe { paths([("name", name)]) }?;
        // SAFETY: the caller passes NULL or options that nobody changes during the call.
        let options = unsafe { self::options(options) };
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { self::watch(watch) };
        export.write(|export| export.write_at(directory, name, &options, &watch))
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Writes the archive to a descriptor: a pipe, a socket, or a regular file from its offset on, where
/// what is behind the archive stays. The descriptor stays the caller's, and isn't synced; the offset of
/// a file is behind the archive then. After a failure some of the archive has been written.
///
/// options: NULL for none. watch: NULL for none.
///
/// Errors: as for CRExportToFile; EPIPE if the reader goes away, without a signal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportToDescriptor(
    checkpoint: *mut CRExport,
    output: c_int,
    options: *const CRExportOptions,
    watch: *const CRWatch,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        let export = unsafe { argument::object_mut("checkpoint", checkpoint) }?;
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let output = unsafe { argument::descriptor("output", output) }?;
        // SAFETY: the caller passes NULL or options that nobody changes during the call.
        let options = unsafe { self::options(options) };
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { self::watch(watch) };
        export.write(|export| export.write_to_descriptor(output, &options, &watch))
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Answers how many bytes the archive has that was written last. 0 if none was, or if that failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportBytes(checkpoint: *const CRExport) -> u64 {
    // SAFETY: the caller passes NULL or an export that nobody changes during the call.
    let written = || unsafe { written(checkpoint) };
    guard::value(0, || Ok(written().map_or(0, |written| written.bytes)))
}

/// Answers how many members the archive has that was written last, those of archives within it not
/// counted. 0 if none was, or if that failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportMembers(checkpoint: *const CRExport) -> u64 {
    // SAFETY: the caller passes NULL or an export that nobody changes during the call.
    let written = || unsafe { written(checkpoint) };
    guard::value(0, || Ok(written().map_or(0, |written| written.members)))
}

/// Answers the SHA-256 of the archive that was written last as 64 hexadecimal digits. NULL if the
/// options didn't ask for it, if none was written, or if that failed. It lives as long as the export,
/// up to the next archive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportDigest(checkpoint: *const CRExport) -> *const c_char {
    // SAFETY: the caller passes NULL or an export that nobody changes during the call.
    let digest = || unsafe { written(checkpoint) }.and_then(|written| written.digest.as_ref());
    guard::value(ptr::null(), || {
        Ok(digest().map_or(ptr::null(), |digest| digest.as_ptr()))
    })
}

/// Tells which optional members weren't there when the last archive was written.
///
/// names: receives a NULL-terminated array of their names, in the order of the export, which the
/// caller frees with CRStringArrayFree. It may be empty, and is never NULL.
///
/// Errors: EINVAL if no archive was written, or if that failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportMissing(
    checkpoint: *const CRExport,
    names: *mut *mut *mut c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or an export that nobody changes during the call.
        let export = unsafe { argument::object("checkpoint", checkpoint) }?;
        // SAFETY: the caller passes NULL or a place for one array.
        let out = unsafe { argument::out("names", names) }?;
        out.write(owned_array("names", export.missing()?)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
