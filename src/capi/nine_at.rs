//! Those of the nine that take directories, with places.

use std::ffi::c_char;

use super::argument::{Array, At, Out, Text};
use super::change::CRChange;
use super::guard::{self, Slot, Status};
use super::nine::create_diff;
use crate::checkpoint;

/// Extracts as CRImportCheckpointWithoutConfig does, with places.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportCheckpointWithoutConfigAt(
    destination_at: At,
    destination: Text,
    input_at: At,
    input: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let destination = destination.place(destination_at, "destination")?;
        checkpoint::import_checkpoint_without_config(destination, input.place(input_at, "input")?)
    })
}

/// Extracts as CRImportCheckpointConfigOnly does, with places.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportCheckpointConfigOnlyAt(
    destination_at: At,
    destination: Text,
    input_at: At,
    input: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let destination = destination.place(destination_at, "destination")?;
        checkpoint::import_checkpoint_config_only(destination, input.place(input_at, "input")?)
    })
}

/// Writes what CRCreateRootFsDiffTar writes, with places.
#[unsafe(no_mangle)]
pub extern "C" fn CRCreateRootFsDiffTarAt(
    changes: Array<CRChange>,
    changes_len: usize,
    mount_point_at: At,
    mount_point: Text,
    destination_at: At,
    destination: Text,
    include_files: Out<*mut *mut c_char>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let mount_point = mount_point.place(mount_point_at, "mount_point")?;
        let destination = destination.place(destination_at, "destination")?;
        create_diff(
            &changes,
            changes_len,
            mount_point,
            destination,
            &include_files,
        )
    })
}

/// Applies a diff as CRApplyRootFsDiffTar does, with places.
#[unsafe(no_mangle)]
pub extern "C" fn CRApplyRootFsDiffTarAt(
    base_directory_at: At,
    base_directory: Text,
    container_root_directory_at: At,
    container_root_directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let base = base_directory.place(base_directory_at, "base_directory")?;
        let root = container_root_directory;
        let root = root.place(container_root_directory_at, "container_root_directory")?;
        checkpoint::apply_rootfs_diff_tar(base, root)
    })
}

/// Removes what CRRemoveDeletedFiles removes, with places.
#[unsafe(no_mangle)]
pub extern "C" fn CRRemoveDeletedFilesAt(
    id: Text,
    base_directory_at: At,
    base_directory: Text,
    container_root_directory_at: At,
    container_root_directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let id = id.os_str("id")?;
        let base = base_directory.place(base_directory_at, "base_directory")?;
        let root = container_root_directory;
        let root = root.place(container_root_directory_at, "container_root_directory")?;
        checkpoint::remove_deleted_files(id, base, root)
    })
}

/// Makes the file that CRCreateFileWithLabel makes, with a place.
#[unsafe(no_mangle)]
pub extern "C" fn CRCreateFileWithLabelAt(
    directory_at: At,
    directory: Text,
    file_name: Text,
    file_label: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let directory = directory.place(directory_at, "directory")?;
        let file_name = file_name.os_str("file_name")?;
        checkpoint::create_file_with_label(directory, file_name, file_label.c_str("file_label")?)
    })
}
