//! Finding changes: the list, the options, and the two detectors.

use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::ptr;

use super::argument::{self, paths};
use super::change::CRChange;
use super::error::CRError;
use super::guard::{self, Status};
use crate::changes::{self, CRIO, Change, Options, OverlayXattrs, PODMAN};
use crate::checkpoint;
use crate::error::{Error, Kind, Result};
use crate::{Directory, DirectoryBuf};

/// Leaves out the object itself, not what is below it.
pub const CR_EXCLUDE_EXACT: u32 = 0;
/// Leaves out the object and everything below it, without looking there.
pub const CR_EXCLUDE_SUBTREE: u32 = 1;

/// What podman leaves out: what it mounts or writes itself when it starts a container.
pub const CR_EXCLUDE_PODMAN: u32 = 0;
/// What CRI-O leaves out, beside bind mounts.
pub const CR_EXCLUDE_CRIO: u32 = 1;

/// CR_OVERLAY_USER in a user namespace, else CR_OVERLAY_TRUSTED.
pub const CR_OVERLAY_AUTO: u32 = 0;
/// trusted.overlay.*: the kernel's overlay.
pub const CR_OVERLAY_TRUSTED: u32 = 1;
/// user.overlay.*: the kernel's overlay, mounted with userxattr.
pub const CR_OVERLAY_USER: u32 = 2;
/// fuse-overlayfs, which uses user.fuseoverlayfs.* beside both, and files that begin with ".wh.".
pub const CR_OVERLAY_FUSE: u32 = 3;

const _: () = assert!(CR_OVERLAY_AUTO == OverlayXattrs::Auto as u32);
const _: () = assert!(CR_OVERLAY_TRUSTED == OverlayXattrs::Trusted as u32);
const _: () = assert!(CR_OVERLAY_USER == OverlayXattrs::User as u32);
const _: () = assert!(CR_OVERLAY_FUSE == OverlayXattrs::Fuse as u32);

/// Changes that were found, sorted by the bytes of their paths, each path once.
#[derive(Debug)]
pub struct CRChangeList {
    changes: Vec<CRChange>,
    /// What the paths of the changes point to.
    #[allow(dead_code, reason = "owns what `changes` points to")]
    paths: Vec<CString>,
}

/// How changes are looked for, and which aren't listed.
#[derive(Debug, Default)]
pub struct CRChangesOptions(Options);

impl CRChangeList {
    fn new(found: Vec<Change>) -> Result<Self> {
        let mut list = CRChangeList {
            changes: Vec::with_capacity(found.len()),
            paths: Vec::with_capacity(found.len()),
        };
        for change in found {
            let path = CString::new(change.path.into_vec())
                .map_err(|_| Error::new(Kind::Malformed, "a path holds a NUL byte"))?;
            list.changes.push(CRChange {
                path: path.as_ptr(),
                kind: change.kind as u32,
                flags: 0,
            });
            list.paths.push(path);
        }
        Ok(list)
    }

    fn into_raw(self) -> *mut CRChangeList {
        Box::into_raw(Box::new(self))
    }
}

/// The options that C passes to be changed.
///
/// # Safety
///
/// As for [`argument::object_mut`].
pub(super) unsafe fn changeable<'a>(pointer: *mut CRChangesOptions) -> Result<&'a mut Options> {
    // SAFETY: this function's caller guarantees it.
    let options = unsafe { argument::object_mut("options", pointer) }?;
    Ok(&mut options.0)
}

/// The options that C passes, or those that hold without any.
///
/// # Safety
///
/// `pointer` is NULL, or live options that nobody changes during the call.
pub(super) unsafe fn options(pointer: *const CRChangesOptions) -> Options {
    // SAFETY: this function's caller guarantees it.
    match unsafe { pointer.as_ref() } {
        Some(options) => options.0.clone(),
        None => Options::default(),
    }
}

/// Runs a detector with the options that C passes, or those that hold without any, and hands its
/// list out.
///
/// # Safety
///
/// `options` is NULL, or live options that nobody changes during the call. As for
/// [`argument::out`] for `list`.
pub(super) unsafe fn detect(
    options: *const CRChangesOptions,
    list: *mut *mut CRChangeList,
    find: impl FnOnce(&Options) -> Result<Vec<Change>>,
) -> Result<()> {
    // SAFETY: this function's caller guarantees it.
    let out = unsafe { argument::out("list", list) }?;
    // SAFETY: this function's caller guarantees it.
    let options = unsafe { self::options(options) };
    out.write(CRChangeList::new(find(&options)?)?.into_raw());
    Ok(())
}

/// An error for a number that isn't one of a family of constants.
fn unknown<T>(name: &str, value: u32, family: &str) -> Result<T> {
    let text = format!("{value} is not one of {family}");
    Err(Error::argument(name, text))
}

fn exclude(options: &mut Options, path: &Path, how: u32) -> Result<()> {
    match how {
        CR_EXCLUDE_EXACT => options.exclude.exact(path),
        CR_EXCLUDE_SUBTREE => options.exclude.subtree(path),
        other => unknown("how", other, "CR_EXCLUDE_EXACT, CR_EXCLUDE_SUBTREE"),
    }
}

fn exclude_engine(options: &mut Options, engine: u32) -> Result<()> {
    match engine {
        CR_EXCLUDE_PODMAN => options.exclude.all_exact(PODMAN),
        CR_EXCLUDE_CRIO => options.exclude.all_exact(CRIO),
        other => unknown("engine", other, "CR_EXCLUDE_PODMAN, CR_EXCLUDE_CRIO"),
    }
}

fn overlay_xattrs(which: u32) -> Result<OverlayXattrs> {
    match which {
        CR_OVERLAY_AUTO => Ok(OverlayXattrs::Auto),
        CR_OVERLAY_TRUSTED => Ok(OverlayXattrs::Trusted),
        CR_OVERLAY_USER => Ok(OverlayXattrs::User),
        CR_OVERLAY_FUSE => Ok(OverlayXattrs::Fuse),
        other => unknown("xattrs", other, "CR_OVERLAY_*"),
    }
}

/// Finds what differs between two directories, such as the mounted root file system of a container
/// and that of its image.
///
/// new_directory: what is there now. What is mounted below it is not looked into.
///
/// old_directory: what was there before; NULL if nothing was, so that everything is new.
///
/// options: NULL for none.
///
/// list: receives the changes, which the caller frees with CRChangeListFree.
///
/// Compared are type, permissions, owner, device number, size, modification time, the target of a
/// symbolic link, and all extended attributes but security.selinux and those that overlayfs keeps
/// for itself. An object of another type than before is modified. The directories above a change
/// are modified, too, and so are all names of a file with several if one is listed or if other
/// names belong to it than before. The directories themselves are never listed. What vanishes
/// meanwhile counts as not there.
///
/// Errors: ENOTDIR or ENOENT for what is no directory; E2BIG for more than 4 million changes, or
/// 256 MiB of them, and for a path above 4095 bytes; and those of the system calls, such as EACCES.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesDirectories(
    new_directory: *const c_char,
    old_directory: *const c_char,
    options: *const CRChangesOptions,
    list: *mut *mut CRChangeList,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [new] = unsafe { paths([("new_directory", new_directory)]) }?;
        // SAFETY: as for the other string.
        let old = unsafe { argument::optional_path(old_directory) }.map(Directory::Path);
        let find = |options: &Options| changes::directories_ambient(new, old, options);
        // SAFETY: the caller passes NULL or a place for one list, and NULL or options that it doesn't
        // change during the call.
        unsafe { detect(options, list, find) }
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Finds what the upper directory of an overlay changes in the lower ones. The overlay needn't be
/// mounted, and what didn't change isn't looked at.
///
/// lower_directories: an array of lower_directories_len paths, the top one first; it may be NULL
/// if lower_directories_len is 0.
///
/// upper_directory: what was written to.
///
/// options: NULL for none. An overlay that is mounted with an index needs its work directory.
///
/// list: receives the changes, which the caller frees with CRChangeListFree.
///
/// A directory that hides the one below it is modified, and each name that it hides is deleted. A
/// renamed directory is added, with all that came along. A file that was copied up is listed if
/// something about it differs, its bytes included, or if it has several names. The directories
/// above what was added or deleted are modified. Nothing outside of the directories is read,
/// whatever they say about redirects.
///
/// Errors: as for CRChangesDirectories; E2BIG for more than 500 lower directories; EBADMSG for a
/// redirect that is none, and for a file whose data should be in a lower directory and is in none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOverlay(
    lower_directories: *const *const c_char,
    lower_directories_len: usize,
    upper_directory: *const c_char,
    options: *const CRChangesOptions,
    list: *mut *mut CRChangeList,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let (lower, len) = (lower_directories, lower_directories_len);
        // SAFETY: the caller passes an array of this length, of strings as below.
        let lower = unsafe { argument::path_array("lower_directories", lower, len) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [upper] = unsafe { paths([("upper_directory", upper_directory)]) }?;
        let find = |options: &Options| changes::overlay_ambient(&lower, upper, options);
        // SAFETY: the caller passes NULL or a place for one list, and NULL or options that it doesn't
        // change during the call.
        unsafe { detect(options, list, find) }
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Answers the changes of a list: an array of CRChangeListLen changes, which goes into
/// CRCreateRootFsDiffTar as it is. It belongs to the list and lives as long as it does, and so do
/// the paths. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangeListChanges(list: *const CRChangeList) -> *const CRChange {
    // SAFETY: the caller passes NULL or a list that it hasn't freed, and doesn't free it while it
    // uses the array.
    let list = || unsafe { list.as_ref() };
    guard::value(ptr::null(), || {
        Ok(list().map_or(ptr::null(), |list| list.changes.as_ptr()))
    })
}

/// Answers how many changes a list has. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangeListLen(list: *const CRChangeList) -> usize {
    // SAFETY: the caller passes NULL or a list that it hasn't freed.
    let list = || unsafe { list.as_ref() };
    guard::value(0, || Ok(list().map_or(0, |list| list.changes.len())))
}

/// Frees a list and the changes that belong to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangeListFree(list: *mut CRChangeList) {
    // SAFETY: the caller passes NULL or a list of this library's, and passes it only once.
    guard::run(|| unsafe { argument::free(list) });
}

/// Makes options that change nothing yet, which the caller frees with CRChangesOptionsFree.
#[unsafe(no_mangle)]
pub extern "C" fn CRChangesOptionsNew() -> *mut CRChangesOptions {
    guard::value(ptr::null_mut(), || Ok(Box::into_raw(Box::default())))
}

/// Frees options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsFree(options: *mut CRChangesOptions) {
    // SAFETY: the caller passes NULL or options of this library's, and passes them only once.
    guard::run(|| unsafe { argument::free(options) });
}

/// Says whether CRChangesDirectories compares the bytes of two files whose size and modification
/// time agree.
///
/// yes: 0 (as without options) or 1.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsCompareContent(
    options: *mut CRChangesOptions,
    yes: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.compare_content = argument::truth("yes", yes)?;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Says whether CRChangesDirectories tells modification times within the same second apart even
/// where one of them has no nanoseconds, as times have that were kept in whole seconds only.
///
/// yes: 0 (as without options) or 1.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsExactTimes(
    options: *mut CRChangesOptions,
    yes: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.exact_times = argument::truth("yes", yes)?;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Says in which extended attributes the overlay keeps its state. It matters that it is these: a
/// container can set the others itself.
///
/// xattrs: one of CR_OVERLAY_*; without options CR_OVERLAY_AUTO.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsOverlayXattrs(
    options: *mut CRChangesOptions,
    xattrs: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.overlay_xattrs = overlay_xattrs(xattrs)?;
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Names the work directory of an overlay that is mounted with an index (index=on or
/// nfs_export=on): a file with several names that changed may be there alone.
///
/// Errors: EINVAL alone; CRChangesOverlay opens the directory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsWorkDirectory(
    options: *mut CRChangesOptions,
    work_directory: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [directory] = unsafe { paths([("work_directory", work_directory)]) }?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        unsafe { changeable(options) }?.work_directory = Some(DirectoryBuf::new(directory)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Leaves a path out of the list. It may be called for any number of paths.
///
/// path: as the container sees it, such as "/etc/hosts". A directory above it that was added is
/// listed as modified instead, and its other content name by name, since an added directory stands
/// for all that is below it.
///
/// how: CR_EXCLUDE_EXACT or CR_EXCLUDE_SUBTREE.
///
/// Errors: E2BIG for a path above 4095 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsExclude(
    options: *mut CRChangesOptions,
    path: *const c_char,
    how: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [path] = unsafe { paths([("path", path)]) }?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        exclude(unsafe { changeable(options) }?, path, how)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Leaves out, each as CR_EXCLUDE_EXACT does, the paths that an engine leaves out of a rootfs diff.
///
/// engine: CR_EXCLUDE_PODMAN or CR_EXCLUDE_CRIO.
///
/// Errors: EINVAL alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsExcludeEngine(
    options: *mut CRChangesOptions,
    engine: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        exclude_engine(unsafe { changeable(options) }?, engine)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Leaves out, each as CR_EXCLUDE_EXACT does, the destinations of a container's bind mounts.
///
/// spec: the container's OCI runtime specification, such as config.json of a bundle or spec.dump of
/// a checkpoint: a regular file, not followed if it is a symbolic link.
///
/// Errors: ENOENT if it is missing; ELOOP, EISDIR or EPERM if it is not a regular file; EBADMSG if
/// it is not JSON, or a mount is not as the specification has it; E2BIG above 16 MiB; and those of
/// the system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRChangesOptionsExcludeBindMounts(
    options: *mut CRChangesOptions,
    spec: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [spec] = unsafe { paths([("spec", spec)]) }?;
        // SAFETY: the caller passes NULL or options that nobody else uses during the call.
        let options = unsafe { changeable(options) }?;
        let destinations = checkpoint::bind_destinations(spec)?;
        options.exclude.all_exact(destinations)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
