//! What is added to an export.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::argument::{self, paths};
use super::change::{self, CRChange};
use super::changes::{CRChangesOptions, options};
use super::error::CRError;
use super::export::{CRExport, members};
use super::guard::{self, Status};
use crate::checkpoint::{BundleLayout, Presence};
use crate::error::{Error, Result};

/// An export without the member fails.
pub const CR_PRESENCE_REQUIRED: u32 = 0;
/// CRExportMissing tells if the member isn't there, and so does the watch.
pub const CR_PRESENCE_OPTIONAL: u32 = 1;

const _: () = assert!(CR_PRESENCE_REQUIRED == Presence::Required as u32);
const _: () = assert!(CR_PRESENCE_OPTIONAL == Presence::Optional as u32);

/// podman's: artifacts, devshm-checkpoint.tar, config.dump, spec.dump, network.status, stats-dump,
/// ctr.log, checkpoint, pre-checkpoint, rootfs-diff.tar, deleted.files, and what is in volumes.
pub const CR_LAYOUT_PODMAN: u32 = 0;
/// CRI-O's: stats-dump, dump.log, checkpoint, config.dump, spec.dump, bind.mounts, rootfs-diff.tar,
/// deleted.files, io.kubernetes.cri-o.LogPath.
pub const CR_LAYOUT_CRIO: u32 = 1;

const _: () = assert!(CR_LAYOUT_PODMAN == BundleLayout::Podman as u32);
const _: () = assert!(CR_LAYOUT_CRIO == BundleLayout::Crio as u32);

fn presence(number: u32) -> Result<Presence> {
    match number {
        CR_PRESENCE_REQUIRED => Ok(Presence::Required),
        CR_PRESENCE_OPTIONAL => Ok(Presence::Optional),
        other => Err(unknown("presence", other, "CR_PRESENCE_*")),
    }
}

fn layout(number: u32) -> Result<BundleLayout> {
    match number {
        CR_LAYOUT_PODMAN => Ok(BundleLayout::Podman),
        CR_LAYOUT_CRIO => Ok(BundleLayout::Crio),
        other => Err(unknown("layout", other, "CR_LAYOUT_*")),
    }
}

fn unknown(name: &str, number: u32, family: &str) -> Error {
    Error::argument(name, format!("{number} is not one of {family}"))
}

/// The lower directories of an overlay, by their paths.
///
/// # Safety
///
/// As for [`argument::path_array`].
unsafe fn lower_paths<'a>(lower: *const *const c_char, len: usize) -> Result<Vec<&'a Path>> {
    // SAFETY: this function's caller guarantees it.
    unsafe { argument::path_array("lower_directories", lower, len) }
}

/// The lower directories of an overlay, by descriptors.
///
/// # Safety
///
/// As for [`argument::descriptor_array`].
unsafe fn lower_descriptors<'a>(lower: *const c_int, len: usize) -> Result<Vec<BorrowedFd<'a>>> {
    // SAFETY: this function's caller guarantees it.
    unsafe { argument::descriptor_array("lower_directories", lower, len) }
}

/// Adds a file or directory of a bundle; a directory with everything below it that is on the same
/// mount.
///
/// bundle: a directory.
///
/// name: what it is called in the bundle and in the archive. Symbolic links above its last component
/// are followed, and don't lead out of the bundle.
///
/// presence: CR_PRESENCE_REQUIRED or CR_PRESENCE_OPTIONAL.
///
/// Sockets are left out, and the watch is told. What else has no place in a bundle fails the export
/// before anything is written: devices, fifos, and symbolic links but for the "parent" that CRIU makes.
///
/// Errors: ENOENT or ENOTDIR for a bundle that is no directory; EINVAL and E2BIG for the name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddMember(
    checkpoint: *mut CRExport,
    bundle: *const c_char,
    name: *const c_char,
    presence: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are.
        let [bundle, name] = unsafe { paths([("bundle", bundle), ("name", name)]) }?;
        let presence = self::presence(presence)?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_member(bundle, name, presence)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRExportAddMember with a descriptor of the bundle, which stays the caller's. It may have been opened
/// with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddMemberAt(
    checkpoint: *mut CRExport,
    bundle: c_int,
    name: *const c_char,
    presence: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let bundle = unsafe { argument::descriptor("bundle", bundle) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [name] = unsafe { paths([("name", name)]) }?;
        let presence = self::presence(presence)?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_member(bundle, name, presence)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Adds all members that an engine has in its bundle, in the engine's order. config.dump, spec.dump and
/// checkpoint are required (of podman's checkpoint and pre-checkpoint one of them), all others are
/// optional. A name that is added by itself, before or afterwards, is left out here.
///
/// bundle: a directory.
///
/// layout: CR_LAYOUT_PODMAN or CR_LAYOUT_CRIO.
///
/// Errors: ENOENT or ENOTDIR for what is no directory; EINVAL for a second bundle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddBundle(
    checkpoint: *mut CRExport,
    bundle: *const c_char,
    layout: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [bundle] = unsafe { paths([("bundle", bundle)]) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_bundle(bundle, self::layout(layout)?)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRExportAddBundle with a descriptor of the bundle, which stays the caller's. It may have been opened
/// with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddBundleAt(
    checkpoint: *mut CRExport,
    bundle: c_int,
    layout: u32,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let bundle = unsafe { argument::descriptor("bundle", bundle) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_bundle(bundle, self::layout(layout)?)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Adds a file of these bytes, which are copied, with mode 0600 and owner 0:0; CRExportOptionsTime sets
/// its time.
///
/// bytes: bytes_len bytes; it may be NULL if bytes_len is 0.
///
/// Errors: EINVAL and E2BIG for the name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddBytes(
    checkpoint: *mut CRExport,
    name: *const c_char,
    bytes: *const c_void,
    bytes_len: usize,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [name] = unsafe { paths([("name", name)]) }?;
        // SAFETY: the caller passes an array of this length.
        let bytes = unsafe { argument::array("bytes", bytes.cast::<u8>(), bytes_len) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_bytes(name, bytes)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Adds a regular file under another name, with its own attributes.
///
/// Errors: EINVAL and E2BIG for the name, EINVAL for what isn't a regular file, ENOENT for a file that
/// is missing, and those of the system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddFile(
    checkpoint: *mut CRExport,
    name: *const c_char,
    path: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are.
        let [name, path] = unsafe { paths([("name", name), ("path", path)]) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_file(name, path)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRExportAddFile with a descriptor of the file, which stays the caller's with its offset: the whole
/// file is meant, wherever that is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddFileDescriptor(
    checkpoint: *mut CRExport,
    name: *const c_char,
    file: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [name] = unsafe { paths([("name", name)]) }?;
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let file = unsafe { argument::descriptor("file", file) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_file(name, file)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Adds a directory as an archive within the archive, such as volumes/NAME.tar: the directory itself
/// (as "./") and everything below it that is on the same mount, of any type but sockets. The archive
/// within has mode 0600 and owner 0:0.
///
/// name: its name in the archive.
///
/// Errors: EINVAL and E2BIG for the name; ENOENT or ENOTDIR for what is no directory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddDirectoryTar(
    checkpoint: *mut CRExport,
    name: *const c_char,
    directory: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are.
        let [name, directory] = unsafe { paths([("name", name), ("directory", directory)]) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_directory_tar(name, directory)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRExportAddDirectoryTar with a descriptor of the directory, which stays the caller's. It may have
/// been opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddDirectoryTarAt(
    checkpoint: *mut CRExport,
    name: *const c_char,
    directory: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [name] = unsafe { paths([("name", name)]) }?;
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let directory = unsafe { argument::descriptor("directory", directory) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_directory_tar(name, directory)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Adds the changes of a container's root file system: rootfs-diff.tar and deleted.files, each only if
/// there is anything to put into it. What is said of CRCreateRootFsDiffTar holds for both; neither is
/// on the disk before the archive is.
///
/// changes: an array of changes_len changes, which are copied; it may be NULL if changes_len is 0.
///
/// mount_point: where the container's root file system is mounted.
///
/// Errors: EINVAL for a second diff, for a change of an unknown kind, with flags, or without a path,
/// and for deleting the root; E2BIG for a path above 4095 bytes; ENOENT or ENOTDIR for what is no
/// directory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddRootFsDiff(
    checkpoint: *mut CRExport,
    changes: *const CRChange,
    changes_len: usize,
    mount_point: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length, of changes whose paths are as below.
        let changes = unsafe { change::list(changes, changes_len) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [mount] = unsafe { paths([("mount_point", mount_point)]) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_rootfs_diff(changes, mount)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRExportAddRootFsDiff with a descriptor of the mount point, which stays the caller's. It may have
/// been opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddRootFsDiffAt(
    checkpoint: *mut CRExport,
    changes: *const CRChange,
    changes_len: usize,
    mount_point: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length, of changes whose paths end with a NUL.
        let changes = unsafe { change::list(changes, changes_len) }?;
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let mount = unsafe { argument::descriptor("mount_point", mount_point) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        unsafe { members(checkpoint) }?.add_rootfs_diff(changes, mount)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Adds the changes that the upper directory of an overlay makes to the lower ones, as CRChangesOverlay
/// finds them now and CRExportAddRootFsDiff adds them.
///
/// lower_directories, lower_directories_len, upper_directory, options: as for CRChangesOverlay.
///
/// mount_point: where the overlay is mounted.
///
/// Errors: those of CRChangesOverlay and of CRExportAddRootFsDiff.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddRootFsDiffFromOverlay(
    checkpoint: *mut CRExport,
    lower_directories: *const *const c_char,
    lower_directories_len: usize,
    upper_directory: *const c_char,
    options: *const CRChangesOptions,
    mount_point: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length, of strings as below.
        let lower = unsafe { lower_paths(lower_directories, lower_directories_len) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is.
        let [upper] = unsafe { paths([("upper_directory", upper_directory)]) }?;
        // SAFETY: as for the other string.
        let [mount] = unsafe { paths([("mount_point", mount_point)]) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        let export = unsafe { members(checkpoint) }?;
        // SAFETY: the caller passes NULL or options that nobody changes during the call.
        let options = unsafe { self::options(options) };
        export.add_rootfs_diff_of_overlay(&lower, upper, &options, mount)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRExportAddRootFsDiffFromOverlay with descriptors of the directories, which stay the caller's. They
/// may have been opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRExportAddRootFsDiffFromOverlayAt(
    checkpoint: *mut CRExport,
    lower_directories: *const c_int,
    lower_directories_len: usize,
    upper_directory: c_int,
    options: *const CRChangesOptions,
    mount_point: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length, of descriptors as below.
        let lower = unsafe { lower_descriptors(lower_directories, lower_directories_len) }?;
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let upper = unsafe { argument::descriptor("upper_directory", upper_directory) }?;
        // SAFETY: as for the other descriptor.
        let mount = unsafe { argument::descriptor("mount_point", mount_point) }?;
        // SAFETY: the caller passes NULL or an export that nobody else uses during the call.
        let export = unsafe { members(checkpoint) }?;
        // SAFETY: the caller passes NULL or options that nobody changes during the call.
        let options = unsafe { self::options(options) };
        export.add_rootfs_diff_of_overlay(lower, upper, &options, mount)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
