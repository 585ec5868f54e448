//! The nine documented functions.

use std::ffi::c_char;

use super::argument::{Array, OptionalText, Out, Text};
use super::change::CRChange;
use super::guard::{self, Slot, Status};
use super::string;
use crate::Place;
use crate::checkpoint;
use crate::error::Result;

/// Extracts a checkpoint archive into a bundle, except its members config.dump and spec.dump.
///
/// Members are regular files, directories, hard links to regular files that came before them in the
/// archive, and the symbolic link "parent" in checkpoint/ or pre-checkpoint/, which leads to
/// "../NAME". Names are taken as below the destination ("/x" and "../x" are "x"), and no symbolic link
/// leads out of it. Owners, modes, times and extended attributes are restored; in a user namespace the
/// attributes that the kernel refuses are left out.
///
/// After a failure, what was extracted before it stays, but nothing of a file that is incomplete.
///
/// @param destination The bundle. If it is missing, it and its missing parents are made (mode 0755 less
/// the umask, owner 0:0) once the archive's first header is understood; its path has to be absolute
/// then. A bundle that exists keeps its owner, its mode, and the files that the archive doesn't replace.
/// @param input The path of the archive: a tar stream, plain or compressed with gzip, zstd, xz or bzip2.
/// An empty file is an archive without members. A pipe is waited for.
///
/// Errors:
/// - EPERM: a member is a device or a fifo, or is named config.json.
/// - EXDEV: a member is any other link, or a file in the place of the destination itself.
/// - EBADMSG: the input is not an archive, or is damaged or cut short.
/// - EOPNOTSUPP: a member has an unknown type, or a global header says something of all members.
/// - E2BIG: a header, a map of holes or a path is longer than the limits; more than 4 million names or
///   256 MiB of them have to be remembered; a compression window is above 128 MiB.
/// - ENOTDIR: the destination is not a directory.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportCheckpointWithoutConfig(
    destination: Text,
    input: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let destination = destination.path("destination")?;
        checkpoint::import_checkpoint_without_config(destination, input.path("input")?)
    })
}

/// Extracts the members config.dump and spec.dump of a checkpoint archive, and nothing else.
///
/// Reading stops once both were found: the images behind them are neither read nor checked. It is no
/// error if one or both of them are missing.
///
/// @param destination As for CRImportCheckpointWithoutConfig.
/// @param input As for CRImportCheckpointWithoutConfig.
///
/// Errors:
/// - EXDEV: one of the two is a link or a directory.
/// - EPERM: one of the two is a device or a fifo.
/// - E2BIG: one of the two is larger than 16 MiB; or a header, a path or a window is beyond the limits.
/// - EBADMSG: the input is not an archive, or is damaged or cut short.
/// - EOPNOTSUPP: a member has an unknown type.
/// - ENOTDIR: the destination is not a directory.
#[unsafe(no_mangle)]
pub extern "C" fn CRImportCheckpointConfigOnly(
    destination: Text,
    input: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let destination = destination.path("destination")?;
        checkpoint::import_checkpoint_config_only(destination, input.path("input")?)
    })
}

/// Finds out which OCI runtime made a checkpoint archive: the value of "runtime" in its config.dump.
///
/// Works in memory, and stops reading once config.dump was found.
///
/// @param input The path of the archive.
/// @param runtime Receives the value, which the caller frees with CRStringFree. It is "" if the archive
/// doesn't tell. The archive chooses it, and it may be a path: check it before it is run.
///
/// Errors:
/// - ENODATA: there is no config.dump.
/// - EBADMSG: config.dump is not JSON, or the value is not a string or holds a NUL; or the input is not
///   an archive, or is damaged or cut short.
/// - EXDEV: config.dump is a link or a directory.
/// - EPERM: config.dump is a device or a fifo.
/// - E2BIG: config.dump is larger than 16 MiB; or a header, a path or a window is beyond the limits.
/// - EOPNOTSUPP: a member has an unknown type.
#[unsafe(no_mangle)]
pub extern "C" fn CRGetRuntimeFromArchive(
    input: Text,
    runtime: Out<*mut c_char>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let input = input.path("input")?;
        let out = runtime.check("runtime")?;
        let found = checkpoint::runtime_from_archive(input)?;
        string::owned("runtime", found).map(|found| out.write(found))
    })
}

/// Writes the changes of a container's root file system into two files in a directory: rootfs-diff.tar,
/// with what was added and modified, and deleted.files, a JSON array of the paths that are gone.
///
/// Both files appear complete, with mode 0600. The files of an earlier call are removed first. After a
/// failure there is neither, unless the changes themselves can't be taken (EINVAL, E2BIG): then nothing
/// is touched.
///
/// @param changes An array of changes_len changes; it may be NULL if changes_len is 0. An added directory
/// stands for everything below it, a modified one for itself alone. A path that has vanished is left
/// out; one that is listed as deleted and exists again is stored, too.
/// @param mount_point The directory where the container's root file system is mounted. Paths are looked
/// up below it, and no symbolic link leads out of it. Other file systems that are mounted below it are
/// not entered: a mount point is stored as an empty directory. Sockets are not stored, nor
/// security.selinux and the attributes that overlayfs keeps for itself.
/// @param destination An existing directory.
/// @param include_files Receives a NULL-terminated array with the names of the files that were written,
/// "rootfs-diff.tar" before "deleted.files", which the caller frees with CRStringArrayFree. It may be
/// empty, and is never NULL.
///
/// Errors:
/// - EINVAL: a change has an unknown kind, flags, or no path; or the root itself is deleted.
/// - EXDEV: a path is below another mount.
/// - E2BIG: a path is longer than 4095 bytes.
/// - ESTALE: a file got shorter while it was read.
#[unsafe(no_mangle)]
pub extern "C" fn CRCreateRootFsDiffTar(
    changes: Array<CRChange>,
    changes_len: usize,
    mount_point: Text,
    destination: Text,
    include_files: Out<*mut *mut c_char>,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let mount_point = mount_point.path("mount_point")?.into();
        let destination = destination.path("destination")?.into();
        create_diff(
            &changes,
            changes_len,
            mount_point,
            destination,
            &include_files,
        )
    })
}

/// The work of [`CRCreateRootFsDiffTar`] and of its form with descriptors.
pub(super) fn create_diff(
    changes: &Array<CRChange>,
    changes_len: usize,
    mount_point: Place<'_>,
    destination: Place<'_>,
    include_files: &Out<*mut *mut c_char>,
) -> Result<()> {
    let changes = changes.changes(changes_len)?;
    let out = include_files.check("include_files")?;
    let files = checkpoint::create_rootfs_diff_tar(&changes, mount_point, destination)?;
    string::owned_array("include_files", files).map(|files| out.write(files))
}

/// Applies rootfs-diff.tar of a bundle to a container's root file system.
///
/// A member replaces what has its name; a directory in the place of a directory keeps its content. Names
/// and links mean what they mean inside the container; nothing leads out of it. Owners, modes, times,
/// extended attributes and ACLs are restored, but not security.selinux and the attributes that overlayfs
/// keeps for itself. In a user namespace, devices and the attributes that the kernel refuses are left
/// out.
///
/// After a failure, what was extracted before it stays, but nothing of a file that is incomplete.
///
/// @param base_directory The directory that has the file, usually the bundle. It is no error if the
/// directory or the file is missing.
/// @param container_root_directory An existing directory, as an absolute path.
///
/// Errors:
/// - EINVAL: the container's root is not an absolute path.
/// - ENOENT: the container's root is missing, and there is something to apply.
/// - EXDEV: a member other than a directory has the place of the root itself.
/// - ELOOP, EISDIR, EPERM: rootfs-diff.tar is not a regular file.
/// - EBADMSG, EOPNOTSUPP, E2BIG: as for CRImportCheckpointWithoutConfig.
#[unsafe(no_mangle)]
pub extern "C" fn CRApplyRootFsDiffTar(
    base_directory: Text,
    container_root_directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let base = base_directory.path("base_directory")?;
        let root = container_root_directory.path("container_root_directory")?;
        checkpoint::apply_rootfs_diff_tar(base, root)
    })
}

/// Removes the paths that deleted.files of a bundle lists from a container's root file system:
/// directories with everything below them, symbolic links themselves and not their targets.
///
/// It is called after CRApplyRootFsDiffTar: what rootfs-diff.tar of the same bundle holds is not
/// removed, and nothing is removed through a symbolic link that it holds. A listed path that is gone
/// already is no error. Directories that something is removed from keep their times.
///
/// After a failure, what was removed before it stays gone.
///
/// @param id The container's name, for messages.
/// @param base_directory The directory that has the file, usually the bundle. It is no error if the
/// directory or the file is missing.
/// @param container_root_directory An existing directory, as an absolute path. What is mounted below it
/// is not entered.
///
/// Errors before anything is removed:
/// - EBADMSG: the list is not a JSON array of strings, or rootfs-diff.tar is damaged.
/// - EXDEV: a listed path means the root itself, or is below another mount.
/// - E2BIG: the list is larger than 64 MiB.
/// - ELOOP, EISDIR, EPERM: the list is not a regular file.
/// - EINVAL: the container's root is not an absolute path.
/// - ENOENT: the container's root is missing, and there is a list.
///
/// Errors later:
/// - EBUSY: a listed directory has a mount point in it.
#[unsafe(no_mangle)]
pub extern "C" fn CRRemoveDeletedFiles(
    id: Text,
    base_directory: Text,
    container_root_directory: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let id = id.os_str("id")?;
        let base = base_directory.path("base_directory")?;
        let root = container_root_directory.path("container_root_directory")?;
        checkpoint::remove_deleted_files(id, base, root)
    })
}

/// Makes an empty regular file, mode 0600 less the umask, with an SELinux label. A regular file that
/// exists is emptied and keeps its mode.
///
/// If only the label fails, the file stays.
///
/// @param directory An existing directory.
/// @param file_name One component, without "/".
/// @param file_label The label as the kernel takes it, or "" for none. Where SELinux is not enabled it
/// has no effect.
///
/// Errors:
/// - EINVAL: file_name is not one component.
/// - ELOOP, EISDIR, EPERM: something else than a regular file has the name. It is neither followed nor
///   changed.
/// - EOPNOTSUPP: the library was built without SELinux, and SELinux is enabled. Nothing is made.
/// - ENOENT: the directory is missing.
#[unsafe(no_mangle)]
pub extern "C" fn CRCreateFileWithLabel(
    directory: Text,
    file_name: Text,
    file_label: Text,
    error: Slot,
) -> Status {
    guard::status(error, || {
        let directory = directory.path("directory")?;
        let file_name = file_name.os_str("file_name")?;
        checkpoint::create_file_with_label(directory, file_name, file_label.c_str("file_label")?)
    })
}

/// Answers whether a runtime can checkpoint and restore containers: whether
/// `RUNTIME checkpoint --help` succeeds.
///
/// The answer comes within 10 seconds; the process group of the runtime is killed then. It is false for
/// NULL, for a runtime that is missing, fails or hangs, and in a process that reaps the library's child.
///
/// @param runtime_path The runtime, looked up in PATH if it has no "/".
#[unsafe(no_mangle)]
pub extern "C" fn CRRuntimeSupportsCheckpointRestore(runtime_path: OptionalText) -> bool {
    guard::value(false, || {
        let runtime = runtime_path.path();
        Ok(runtime.is_some_and(checkpoint::runtime_supports_checkpoint_restore))
    })
}

/// Answers whether a runtime can restore containers into a pod: whether its command "restore" has the
/// option `--lsm-mount-context`, as runc, crun and youki tell it.
///
/// @param runtime_path As for CRRuntimeSupportsCheckpointRestore, and so is what makes the answer false.
#[unsafe(no_mangle)]
pub extern "C" fn CRRuntimeSupportsPodCheckpointRestore(runtime_path: OptionalText) -> bool {
    guard::value(false, || {
        let runtime = runtime_path.path();
        Ok(runtime.is_some_and(checkpoint::runtime_supports_pod_checkpoint_restore))
    })
}
