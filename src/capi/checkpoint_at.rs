//! What engines do with a checkpoint archive, in directories that C has descriptors of.

use std::ffi::{c_char, c_int};

use super::argument::{self, descriptors, paths};
use super::change::{self, CRChange};
use super::error::CRError;
use super::guard::{self, Status};
use super::string::owned_array;
use crate::checkpoint;

/// CRImportCheckpointWithoutConfig with a descriptor of the destination, which stays the caller's. It
/// may have been opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportCheckpointWithoutConfigAt(
    destination: c_int,
    input: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let destination = unsafe { argument::descriptor("destination", destination) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is during
        // the call.
        let [input] = unsafe { paths([("input", input)]) }?;
        checkpoint::import_checkpoint_without_config(destination, input)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRImportCheckpointConfigOnly with a descriptor of the destination, which stays the caller's. It may
/// have been opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportCheckpointConfigOnlyAt(
    destination: c_int,
    input: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let destination = unsafe { argument::descriptor("destination", destination) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is during
        // the call.
        let [input] = unsafe { paths([("input", input)]) }?;
        checkpoint::import_checkpoint_config_only(destination, input)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRCreateRootFsDiffTar with descriptors of the directories, which stay the caller's. They may have
/// been opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRCreateRootFsDiffTarAt(
    changes: *const CRChange,
    changes_len: usize,
    mount_point: c_int,
    destination: c_int,
    include_files: *mut *mut *mut c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length, of changes whose paths end with a NUL.
        let changes = unsafe { change::list(changes, changes_len) }?;
        let [mount, destination] = [("mount_point", mount_point), ("destination", destination)];
        // SAFETY: the caller passes descriptors that stay open during the call.
        let [mount, destination] = unsafe { descriptors([mount, destination]) }?;
        // SAFETY: the caller passes NULL or a place for one array.
        let out = unsafe { argument::out("include_files", include_files) }?;
        let names = checkpoint::create_rootfs_diff_tar(&changes, mount, destination)?;
        out.write(owned_array("include_files", names)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRApplyRootFsDiffTar with descriptors of the directories, which stay the caller's. They may have
/// been opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRApplyRootFsDiffTarAt(
    base_directory: c_int,
    container_root_directory: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let fds = [
            ("base_directory", base_directory),
            ("container_root_directory", container_root_directory),
        ];
        // SAFETY: the caller passes descriptors that stay open during the call.
        let [base, root] = unsafe { descriptors(fds) }?;
        checkpoint::apply_rootfs_diff_tar(base, root)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRRemoveDeletedFiles with descriptors of the directories, which stay the caller's. They may have
/// been opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRRemoveDeletedFilesAt(
    id: *const c_char,
    base_directory: c_int,
    container_root_directory: c_int,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let fds = [
            ("base_directory", base_directory),
            ("container_root_directory", container_root_directory),
        ];
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is during
        // the call.
        let [id] = unsafe { paths([("id", id)]) }?;
        // SAFETY: the caller passes descriptors that stay open during the call.
        let [base, root] = unsafe { descriptors(fds) }?;
        checkpoint::remove_deleted_files(id.as_os_str(), base, root)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// CRCreateFileWithLabel with a descriptor of the directory, which stays the caller's. It may have been
/// opened with O_PATH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRCreateFileWithLabelAt(
    directory: c_int,
    file_name: *const c_char,
    file_label: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes a descriptor that stays open during the call.
        let directory = unsafe { argument::descriptor("directory", directory) }?;
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is during
        // the call.
        let [name] = unsafe { paths([("file_name", file_name)]) }?;
        // SAFETY: as for the other string.
        let label = unsafe { argument::string("file_label", file_label) }?;
        checkpoint::create_file_with_label(directory, name.as_os_str(), label)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}
