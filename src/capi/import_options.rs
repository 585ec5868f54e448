//! What an import is asked to heed.

use std::ffi::{c_char, c_int};
use std::ptr;

use super::argument::{self, paths};
use super::error::CRError;
use super::guard::{self, Status};
use crate::DirectoryBuf;
use crate::checkpoint::{IdRange, ImportOptions, KNOWN_MEMBERS, Limit, MemberType};
use crate::error::{Error, Result};

/// How many members the archive may have, with those of the archives in it. Without limit if not
/// set: an inode costs the caller no more than what it asked for.
pub const CR_LIMIT_MEMBERS: u32 = 0;
/// How many bytes of data may be written for all members together, holes left out. Without limit if
/// not set: only the caller knows how large a container's memory is.
pub const CR_LIMIT_TOTAL_BYTES: u32 = 1;
/// How large one file may be for its readers, holes included. Without limit if not set: holes cost
/// nothing here. Who later copies files without minding holes wants a limit.
pub const CR_LIMIT_MEMBER_BYTES: u32 = 2;
/// How long a path may be, in bytes. 4095 if not set, as long as the kernel takes it; a larger value
/// changes nothing.
pub const CR_LIMIT_PATH_BYTES: u32 = 3;
/// How many names a path may have. 2048 if not set, as many as fit 4095 bytes. Programs that walk
/// trees by recursion die of less.
pub const CR_LIMIT_DEPTH: u32 = 4;
/// How many bytes the names and values of one member's extended attributes may have together. 1 MiB
/// if not set, as much as a header holds; a larger value changes nothing.
pub const CR_LIMIT_XATTR_BYTES: u32 = 5;
/// How many bytes may come of one byte of a compressed archive, once they are more than 1 MiB.
/// Without limit if not set: memory is mostly zeros, so that honest archives expand a thousandfold.
pub const CR_LIMIT_RATIO: u32 = 6;

const LIMITS: [Limit; 7] = [
    Limit::Members,
    Limit::TotalBytes,
    Limit::MemberBytes,
    Limit::PathBytes,
    Limit::Depth,
    Limit::XattrBytes,
    Limit::Ratio,
];
const _: () = assert!(CR_LIMIT_MEMBERS == Limit::Members as u32);
const _: () = assert!(CR_LIMIT_TOTAL_BYTES == Limit::TotalBytes as u32);
const _: () = assert!(CR_LIMIT_MEMBER_BYTES == Limit::MemberBytes as u32);
const _: () = assert!(CR_LIMIT_PATH_BYTES == Limit::PathBytes as u32);
const _: () = assert!(CR_LIMIT_DEPTH == Limit::Depth as u32);
const _: () = assert!(CR_LIMIT_XATTR_BYTES == Limit::XattrBytes as u32);
const _: () = assert!(CR_LIMIT_RATIO == Limit::Ratio as u32);

/// The archive's SHA-256 is computed while it is extracted; everything is read through memory then.
pub const CR_IMPORT_DIGEST: u32 = 0;
/// A bundle that an import which failed has made stays. Otherwise it is removed; one that was there
/// before stays with what was done.
pub const CR_IMPORT_KEEP_FAILED: u32 = 1;
/// A member, or a hard link's source, whose name is absolute or has a ".." fails the import (EXDEV).
/// Otherwise names are clamped to the directory that is extracted into.
pub const CR_IMPORT_STRICT_NAMES: u32 = 2;
/// An archive without an end marker fails the import (EBADMSG), at its end. Otherwise one that is cut
/// off right after a member passes for a complete one, as tar has it.
pub const CR_IMPORT_END_MARKER: u32 = 3;
/// "./" in a rootfs diff, a volume or /dev/shm gives the directory that is extracted into its owner,
/// mode, times and extended attributes. Otherwise that directory keeps its own: it may be a mount
/// point of the engine's.
pub const CR_IMPORT_ROOT_ATTRIBUTES: u32 = 4;
/// Names that begin with ".wh." in a rootfs diff say what is to be removed, as in the layers of OCI
/// images, which is what containerd writes. Otherwise they are files like any other.
pub const CR_IMPORT_OCI_WHITEOUTS: u32 = 5;
/// Everything belongs to the caller. Setuid and setgid bits and file capabilities aren't set then:
/// they would lend the caller's rights to the container's programs.
pub const CR_IMPORT_IGNORE_OWNERSHIP: u32 = 6;
/// Device nodes are refused (EPERM) everywhere. Otherwise they are in a bundle alone.
pub const CR_IMPORT_NO_DEVICES: u32 = 7;
/// Names at the top of the archive that neither podman nor CRI-O nor containerd writes are refused
/// (EPERM). Otherwise any name may be there.
pub const CR_IMPORT_KNOWN_NAMES: u32 = 8;

/// What an import heeds. Without changes it does what the functions do that take no options.
#[derive(Debug)]
pub struct CRImportOptions(ImportOptions);

/// Consecutive ids: container, container + 1, ... are host, host + 1, ... outside.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CRIdRange {
    /// The first id in the container.
    pub container: u32,
    /// The first id outside, as the calling process sees it.
    pub host: u32,
    /// How many there are.
    pub size: u32,
}

/// The options that C passes, or those that hold without any.
///
/// # Safety
///
/// `pointer` is NULL, or live options that nobody changes during the call.
pub(super) unsafe fn options(pointer: *const CRImportOptions) -> ImportOptions {
    // SAFETY: this function's caller guarantees it.
    match unsafe { pointer.as_ref() } {
        Some(options) => options.0.clone(),
        None => ImportOptions::new(),
    }
}

/// The options that C passes to be changed.
///
/// # Safety
///
/// As for [`argument::object_mut`].
unsafe fn changeable<'a>(pointer: *mut CRImportOptions) -> Result<&'a mut ImportOptions> {
    // SAFETY: this function's caller guarantees it.
    let options = unsafe { argument::object_mut("options", pointer) }?;
    Ok(&mut options.0)
}

fn set_limit(options: &mut ImportOptions, number: u32, value: u64) -> Result<()> {
    let limit = LIMITS.into_iter().find(|limit| *limit as u32 == number);
    let limit = limit.ok_or_else(|| unknown("limit", number, "CR_LIMIT_*"))?;
    options.limit(limit, value);
    Ok(())
}

fn set(options: &mut ImportOptions, what: u32, yes: bool) -> Result<()> {
    match what {
        CR_IMPORT_DIGEST => options.digest(yes),
        CR_IMPORT_KEEP_FAILED => options.keep_failed(yes),
        CR_IMPORT_STRICT_NAMES => options.strict_names(yes),
        CR_IMPORT_END_MARKER => options.require_end_marker(yes),
        CR_IMPORT_ROOT_ATTRIBUTES => options.root_attributes(yes),
        CR_IMPORT_OCI_WHITEOUTS => options.oci_whiteouts(yes),
        CR_IMPORT_IGNORE_OWNERSHIP => options.ignore_ownership(yes),
        CR_IMPORT_NO_DEVICES => options.devices(!yes),
        CR_IMPORT_KNOWN_NAMES if yes => options.names(&KNOWN_MEMBERS)?,
        CR_IMPORT_KNOWN_NAMES => options.any_names(),
        other => return Err(unknown("what", other, "CR_IMPORT_*")),
    };
    Ok(())
}

fn member_type(number: u32) -> Result<MemberType> {
    let kind = MemberType::ALL
        .into_iter()
        .find(|kind| *kind as u32 == number);
    kind.ok_or_else(|| unknown("types", number, "CR_MEMBER_*"))
}

fn unknown(name: &str, number: u32, family: &str) -> Error {
    Error::argument(name, format!("{number} is not one of {family}"))
}

fn ranges(ranges: &[CRIdRange]) -> Vec<IdRange> {
    let range = |range: &CRIdRange| IdRange {
        container: range.container,
        host: range.host,
        size: range.size,
    };
    ranges.iter().map(range).collect()
}

/// Makes options that change nothing yet, which the caller frees with CRImportOptionsFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportOptionsNew() -> *mut CRImportOptions {
    let new = || {
        Ok(Box::into_raw(Box::new(CRImportOptions(
            ImportOptions::new(),
        ))))
    };
    guard::value(ptr::null_mut(), new)
}

/// Frees options. Imports that were opened with them keep what they need.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsFree(options: *mut CRImportOptions) {
    // SAFETY: the caller passes NULL or options of this library's, and passes them only once.
    guard::run(|| unsafe { argument::free(options) });
}

/// Turns one of the options on or off that are off without it.
///
/// what: one of CR_IMPORT_*.
///
/// yes: 0 or 1.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsSet(
    options: *mut CRImportOptions,
    what: u32,
    yes: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        set(
            unsafe { changeable(options) }?,
            what,
            argument::truth("yes", yes)?,
        )
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Sets a limit. Exceeding it is E2BIG, the message names the limit, and nothing is touched for the
/// member that does.
///
/// limit: one of CR_LIMIT_*.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsLimit(
    options: *mut CRImportOptions,
    limit: u32,
    value: u64,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        set_limit(unsafe { changeable(options) }?, limit, value)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Names the SHA-256 that the archive has to have; otherwise the import fails with EBADMSG. An
/// archive in a regular file is read for it once before anything else is done; in a pipe or a socket,
/// which can be read but once, the difference is found at the end. So is that a file was written to
/// after it was compared, as far as its size and time of modification tell.
///
/// digest: 64 hexadecimal digits.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsExpectedDigest(
    options: *mut CRImportOptions,
    digest: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let digest = unsafe { argument::string("digest", digest) }?;
        let digest = digest.to_string_lossy().parse()?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.expected_digest(digest);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Names the directory for what comes before the configuration in a pipe or a socket, if it is looked
/// at and doesn't fit into 32 MiB of memory: an unnamed file there keeps it. Without one that is
/// E2BIG, since no default place is sure to hold a container's memory.
///
/// Errors: EINVAL alone; the directory is opened when it is needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsSpoolDirectory(
    options: *mut CRImportOptions,
    directory: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [directory] = unsafe { paths([("directory", directory)]) }?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.spool_directory(DirectoryBuf::new(directory)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRImportOptionsSpoolDirectory with a descriptor of the directory, which stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsSpoolDirectoryAt(
    options: *mut CRImportOptions,
    directory: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let directory = unsafe { argument::descriptor("directory", directory) }?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.spool_directory(DirectoryBuf::new(directory)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Names the types that members may have, wherever they go; others are EPERM. All if not set, but
/// for what a bundle never has.
///
/// types: an array of types_len numbers, CR_MEMBER_*; it may be NULL if types_len is 0.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsTypes(
    options: *mut CRImportOptions,
    types: *const u32,
    types_len: usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length.
        let types = unsafe { argument::array("types", types, types_len) }?;
        let types = types.iter().map(|number| member_type(*number));
        let types = types.collect::<Result<Vec<_>>>()?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.types(&types);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Names what may be at the top of the archive, with everything below it; other members are EPERM.
/// CR_IMPORT_KNOWN_NAMES names what engines write.
///
/// names: an array of names_len strings; it may be NULL if names_len is 0.
///
/// Errors: EINVAL for a name that means the archive's root.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsNames(
    options: *mut CRImportOptions,
    names: *const *const c_char,
    names_len: usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length, of strings that end with a NUL.
        let names = unsafe { argument::path_array("names", names, names_len) }?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.names(&names).map(drop)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Says what the ids in a rootfs diff, in volumes and in /dev/shm are on the host: owners, those in
/// ACLs, and the root of a namespace in capabilities. An id that isn't in the map is EOVERFLOW.
/// Without ranges ids are as they are. What goes into the bundle is the engine's, and isn't mapped.
///
/// uids, gids: arrays of uids_len and gids_len ranges; they may be NULL if that is 0.
///
/// Errors: EINVAL for an empty range, ranges that overlap on either side or go beyond 4294967294, and
/// more than 340 of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportOptionsMapIds(
    options: *mut CRImportOptions,
    uids: *const CRIdRange,
    uids_len: usize,
    gids: *const CRIdRange,
    gids_len: usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length.
        let uids = unsafe { argument::array("uids", uids, uids_len) }?;
        // SAFETY: as for the other array.
        let gids = unsafe { argument::array("gids", gids, gids_len) }?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?
            .map_ids(&ranges(uids), &ranges(gids))
            .map(drop)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
