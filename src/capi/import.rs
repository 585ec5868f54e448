//! Importing an archive: a session, in which it is looked at and extracted.

use std::ffi::{CString, c_char, c_int};

use super::argument::{self, paths};
use super::error::CRError;
use super::guard::{self, Status};
use super::import_options::{CRImportOptions, options};
use super::members::CRMemberList;
use super::metadata::CRMetadata;
use super::watch::{CRWatch, watch};
use crate::checkpoint::{Import, Sha256Digest};
use crate::error::Result;

/// An archive that is open for import.
pub struct CRImport {
    import: Import,
    /// The archive's digest after an extraction.
    pub(super) digest: Option<CString>,
}

impl CRImport {
    fn into_raw(import: Import) -> *mut CRImport {
        let digest = None;
        Box::into_raw(Box::new(CRImport { import, digest }))
    }

    pub(super) fn extract(&mut self) -> Result<()> {
        let imported = self.import.extract()?;
        self.digest = imported.sha256.map(|digest| hex(&digest));
        Ok(())
    }
}

/// A digest as C takes it.
pub(super) fn hex(digest: &Sha256Digest) -> CString {
    // Its digits are none of them a NUL.
    CString::new(digest.to_string()).unwrap_or_default()
}

/// The import that C passes to work with.
///
/// # Safety
///
/// `pointer` is NULL, or a live import that nobody else uses during `'a`.
pub(super) unsafe fn session<'a>(pointer: *mut CRImport) -> Result<&'a mut Import> {
    // SAFETY: this function's caller guarantees it.
    let import = unsafe { argument::object_mut("import", pointer) }?;
    Ok(&mut import.import)
}

/// Opens a checkpoint archive for import. It may be plain or compressed with gzip, bzip2, xz or zstd.
///
/// input: the path of the archive.
///
/// options: NULL for none. watch: NULL for none; it holds for all that is done with the import.
///
/// import: receives the import, which the caller frees with CRImportFree. One thread at a time uses
/// it.
///
/// Errors: ENOENT if the archive is missing, EISDIR for a directory; the system calls' own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOpen(
    input: *const c_char,
    options: *const CRImportOptions,
    watch: *const CRWatch,
    import: *mut *mut CRImport,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [input] = unsafe { paths([("input", input)]) }?;
        // SAFETY: the caller passes NULL or a place for one import.
        let out = unsafe { argument::out("import", import) }?;
        // SAFETY: the caller passes NULL or options that nobody changes during the call.
        let options = unsafe { self::options(options) };
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { self::watch(watch) };
        out.write(CRImport::into_raw(Import::open(input, &options, &watch)?));
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Opens a checkpoint archive that comes out of a descriptor. A regular file is read from its
/// beginning, and the descriptor's offset stays as it is; a pipe or a socket is read from where it
/// is, once, and nobody else should read from it while the import lives. The descriptor stays the
/// caller's, who may close it after this call.
///
/// Errors: EISDIR for a directory, EBADF for a descriptor that can't be read from.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOpenDescriptor(
    input: c_int,
    options: *const CRImportOptions,
    watch: *const CRWatch,
    import: *mut *mut CRImport,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let input = unsafe { argument::descriptor("input", input) }?;
        // SAFETY: the caller passes NULL or a place for one import.
        let out = unsafe { argument::out("import", import) }?;
        // SAFETY: the caller passes NULL or options that nobody changes during the call.
        let options = unsafe { self::options(options) };
        // SAFETY: the caller passes NULL or a watch that it hasn't freed.
        let watch = unsafe { self::watch(watch) };
        let opened = Import::open_descriptor(input, &options, &watch);
        opened.map(|opened| out.write(CRImport::into_raw(opened)))
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Frees an import. What it has extracted stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportFree(import: *mut CRImport) {
    // SAFETY: the caller passes NULL or an import of this library's, and passes it only once.
    guard::run(|| unsafe { argument::free(import) });
}

/// Tells what the archive says of the container. Reads as far as it must, which is to config.dump and
/// spec.dump, and to the end if one of them is missing; documents that come later are known after
/// CRImportMembers. Of a plain archive in a file only headers are read on the way.
///
/// metadata: receives the metadata, which the caller frees with CRMetadataFree.
///
/// Errors: EBADMSG if the archive or one of the two is malformed or there twice; EXDEV or EPERM if
/// one isn't a regular file; E2BIG if it is larger than 16 MiB, and as CRImportOptionsSpoolDirectory
/// says; ECANCELED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportMetadata(
    import: *mut CRImport,
    metadata: *mut *mut CRMetadata,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        let import = unsafe { session(import) }?;
        // SAFETY: the caller passes NULL or a place for the metadata.
        let out = unsafe { argument::out("metadata", metadata) }?;
        out.write(CRMetadata::into_raw(import.metadata()?)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Lists all members of the archive. Of a plain archive in a file only headers are read; anything
/// else is read to its end.
///
/// members: receives the list, which the caller frees with CRMemberListFree.
///
/// Errors: as for CRImportMetadata; E2BIG for more than 4 million members, or 256 MiB of names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportMembers(
    import: *mut CRImport,
    members: *mut *mut CRMemberList,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        let import = unsafe { session(import) }?;
        // SAFETY: the caller passes NULL or a place for the list.
        let out = unsafe { argument::out("members", members) }?;
        out.write(CRMemberList::into_raw(import.members()?)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Has CRImportExtract put all members into a bundle that have no destination of their own, but for
/// config.dump and spec.dump.
///
/// bundle: made, with its missing parents, if it is missing, once the archive's first header is
/// understood.
///
/// Errors: EINVAL for a path that is missing and not absolute.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToBundle(
    import: *mut CRImport,
    bundle: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [bundle] = unsafe { paths([("bundle", bundle)]) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_bundle(bundle)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRImportToBundle with a descriptor of the directory, which stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToBundleAt(
    import: *mut CRImport,
    bundle: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let bundle = unsafe { argument::descriptor("bundle", bundle) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_bundle(bundle)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Has CRImportExtract put the members of these names into a bundle, and everything below them;
/// config.dump and spec.dump may be among them. A name that isn't in the archive is ENODATA at the
/// end.
///
/// names: an array of names_len names; it may be NULL if names_len is 0.
///
/// Errors: as for CRImportToBundle; EINVAL for a name that means the archive's root.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToBundleOnly(
    import: *mut CRImport,
    bundle: *const c_char,
    names: *const *const c_char,
    names_len: usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [bundle] = unsafe { paths([("bundle", bundle)]) }?;
        // SAFETY: the caller passes an array of this length, of such strings.
        let names = unsafe { argument::path_array("names", names, names_len) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_bundle_only(bundle, &names)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRImportToBundleOnly with a descriptor of the directory, which stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToBundleOnlyAt(
    import: *mut CRImport,
    bundle: c_int,
    names: *const *const c_char,
    names_len: usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let bundle = unsafe { argument::descriptor("bundle", bundle) }?;
        // SAFETY: the caller passes an array of this length, of strings that end with a NUL.
        let names = unsafe { argument::path_array("names", names, names_len) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_bundle_only(bundle, &names)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Has CRImportExtract apply rootfs-diff.tar below a container's root directory, straight from the
/// archive, and remove there what deleted.files lists, after all else. Neither goes into the bundle
/// then. An archive without them is no error.
///
/// root: an absolute path.
///
/// Errors: ENOENT or ENOTDIR for what is no directory, EINVAL for a path that isn't absolute.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToRoot(
    import: *mut CRImport,
    root: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [root] = unsafe { paths([("root", root)]) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_root(root)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRImportToRoot with a descriptor of the directory, which stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportToRootAt(
    import: *mut CRImport,
    root: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let root = unsafe { argument::descriptor("root", root) }?;
        // SAFETY: the caller passes NULL or an import that nobody else uses during the call.
        unsafe { session(import) }?.to_root(root)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
