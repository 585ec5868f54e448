//! Importing an archive: volumes, /dev/shm, and the extraction itself.

use std::ffi::{OsStr, c_char, c_int};
use std::ptr;

use super::argument::{self, paths};
use super::error::CRError;
use super::guard::{self, Status};
use super::import::{CRImport, session};
use super::import_options::{CRImportOptions, options};
use super::watch::{CRWatch, watch};
use crate::Directory;
use crate::checkpoint::{Files, import_files};
use crate::error::Result;

/// A named volume and the directory that its content goes to.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CRVolume {
    /// The volume's name: volumes/NAME.tar in the archive.
    pub name: *const c_char,
    /// A directory that is there.
    pub directory: *const c_char,
}

/// Has CRImportExtract extract a named volume (volumes/NAME.tar) into a directory that is there. A
/// volume that isn't in the archive is ENODATA at the end. Volumes without a directory go into the
/// bundle, as they are.
///
/// Errors: ENOENT or ENOTDIR for what is no directory, EINVAL for a name with a slash, or one that
/// has a directory already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToVolume(
    import: *mut CRImport,
    name: *const c_char,
    directory: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are.
        let [name, directory] = unsafe { paths([("name", name), ("directory", directory)]) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_volume(name, directory)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRImportToVolume with a descriptor of the directory, which stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToVolumeAt(
    import: *mut CRImport,
    name: *const c_char,
    directory: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [name] = unsafe { paths([("name", name)]) }?;
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let directory = unsafe { argument::descriptor("directory", directory) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_volume(name, directory)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Has CRImportExtract extract the container's own /dev/shm (devshm-checkpoint.tar) into a directory
/// that is there. ENODATA at the end if the archive has none.
///
/// Errors: ENOENT or ENOTDIR for what is no directory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToShm(
    import: *mut CRImport,
    directory: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [directory] = unsafe { paths([("directory", directory)]) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_shm(directory)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRImportToShm with a descriptor of the directory, which stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToShmAt(
    import: *mut CRImport,
    directory: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let directory = unsafe { argument::descriptor("directory", directory) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_shm(directory)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Extracts everything that has a destination, in one pass over the archive, and then removes what
/// the container had deleted. Goes on where looking at the archive stopped, if what it saw is still
/// there: a pipe is read once.
///
/// Errors: for the bundle, EPERM for config.json, devices and fifos, EXDEV for links other than those
/// CRIU makes (checkpoint/parent) and hard links among the archive's own files. EBADMSG for a
/// malformed archive, and for another digest than expected; ENODATA for what was asked for and isn't
/// there; E2BIG for a limit; ECANCELED; ESPIPE for a pipe that was read already; and those of the
/// system calls. A bundle that this call has made is removed again; in one that was there, and in all
/// other directories, what was done stays, and the message says how far it came.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportExtract(
    import: *mut CRImport,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { argument::object_mut("import", import) }?.extract()
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Answers the SHA-256 of the archive as 64 hexadecimal digits, after CRImportExtract and if the
/// options asked for it or expected one; otherwise NULL. It lives as long as the import, up to the
/// next extraction.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportDigest(import: *const CRImport) -> *const c_char {
    // SAFETY: the caller passes NULL or an import that nobody changes during the call.
    let digest = || unsafe { import.as_ref() }.and_then(|import| import.digest.as_ref());
    guard::value(ptr::null(), || {
        Ok(digest().map_or(ptr::null(), |digest| digest.as_ptr()))
    })
}

/// Restores all files of a container: the bundle without config.dump and spec.dump, the changes of
/// the root file system applied and deletions made, volumes and /dev/shm, in one pass over the
/// archive.
///
/// input: the path of the archive.
///
/// bundle: made if it is missing. root: an absolute path. shm: a directory. Each of them may be NULL
/// and is left out then; the members go into the bundle, as they are.
///
/// volumes: an array of volumes_len volumes; it may be NULL if volumes_len is 0.
///
/// options: NULL for none. watch: NULL for none.
///
/// Errors: as for CRImportOpen, CRImportToVolume and CRImportExtract.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportFiles(
    input: *const c_char,
    bundle: *const c_char,
    root: *const c_char,
    volumes: *const CRVolume,
    volumes_len: usize,
    shm: *const c_char,
    options: *const CRImportOptions,
    watch: *const CRWatch,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [input] = unsafe { paths([("input", input)]) }?;
        // SAFETY: the caller passes an array of this length, with such strings.
        let volumes = unsafe { volume_array(volumes, volumes_len) }?;
        // SAFETY: the caller passes NULL or such strings.
        let files = unsafe { files([bundle, root, shm], &volumes) };
        // SAFETY: the caller passes NULL or options that nobody changes during the call.
        let options = unsafe { self::options(options) };
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { self::watch(watch) };
        import_files(input, &files, &options, &watch).map(drop)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Where the files of a container go.
///
/// # Safety
///
/// As for [`argument::optional_path`], for each of the directories.
unsafe fn files<'f>(
    directories: [*const c_char; 3],
    volumes: &'f [(&'f OsStr, Directory<'f>)],
) -> Files<'f> {
    // SAFETY: this function's caller guarantees it.
    let directory = |path| unsafe { argument::optional_path(path) }.map(Directory::Path);
    let [bundle, root, shm] = directories.map(directory);
    Files {
        bundle,
        root,
        shm,
        volumes,
    }
}

/// The names of volumes, and their directories.
///
/// # Safety
///
/// As for [`argument::array`], and as for [`argument::string`] for each string.
unsafe fn volume_array<'a>(
    volumes: *const CRVolume,
    len: usize,
) -> Result<Vec<(&'a OsStr, Directory<'a>)>> {
    // SAFETY: this function's caller guarantees it.
    let volumes = unsafe { argument::array("volumes", volumes, len) }?;
    let volume = |(index, volume): (usize, &CRVolume)| {
        let (name, directory) = (
            format!("volumes[{index}].name"),
            format!("volumes[{index}].directory"),
        );
        // SAFETY: this function's caller guarantees it.
        let [name, directory] = unsafe {
            paths([
                (name.as_str(), volume.name),
                (directory.as_str(), volume.directory),
            ])
        }?;
        Ok((name.as_os_str(), Directory::Path(directory)))
    };
    volumes.iter().enumerate().map(volume).collect()
}
