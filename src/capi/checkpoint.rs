//! What engines do with a checkpoint archive: the nine functions.

use std::ffi::c_char;

use super::argument::{self, paths};
use super::change::{self, CRChange};
use super::error::CRError;
use super::guard::{self, Status};
use super::string::{owned, owned_array};
use crate::checkpoint;

/// Extracts a checkpoint archive into a bundle, all but its members config.dump and spec.dump.
///
/// destination: the bundle. If it is missing, it and its parents are made (0755 less the umask,
/// root's), once the archive has shown itself to be one; its path has to be absolute then. What is
/// there already stays, unless the archive has a member of that name; its own owner and mode do.
///
/// input: the archive, a tar stream that may be compressed with gzip, zstd, xz or bzip2. An empty
/// file is an archive without members. It may be a pipe, and is waited for then.
///
/// Members are regular files, directories, hard links to regular files that came before them in the
/// archive, and the symbolic link "parent" in checkpoint/ or pre-checkpoint/, which leads to
/// "../NAME". Names are taken as below the destination, whatever they look like ("/x" and "../x"
/// are "x"), and no symbolic link leads out of it. Owners, modes, times and extended attributes are
/// restored; in a user namespace those attributes that the kernel refuses are left out.
///
/// After a failure, what was extracted before it stays, but nothing of a file that is incomplete.
///
/// Errors: EPERM for a member that is a device or a fifo, or that is named config.json; EXDEV for
/// any other link, or for a file in the place of the destination itself; EBADMSG for what is no
/// archive, or is damaged or cut short; EOPNOTSUPP for a member of an unknown type; E2BIG for a
/// header, a map of holes or a path longer than the limits, more names to remember than 4 million or
/// 256 MiB, or a compression window above 128 MiB; ENOTDIR if the destination is no directory; and those of
/// the system calls, such as ENOENT for a missing archive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportCheckpointWithoutConfig(
    destination: *const c_char,
    input: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are during
        // the call.
        let [destination, input] =
            unsafe { paths([("destination", destination), ("input", input)]) }?;
        checkpoint::import_checkpoint_without_config(destination, input)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Extracts the members config.dump and spec.dump of a checkpoint archive, and nothing else.
///
/// destination, input: as for CRImportCheckpointWithoutConfig.
///
/// Reading stops once both were found, so that the images behind them are neither read nor checked.
/// That one of them, or both, are missing is no error.
///
/// Errors: EXDEV if one of them is a link or a directory, EPERM if it is a device or a fifo; E2BIG
/// if it is larger than 16 MiB, or for a header, a path or a window beyond the limits; EBADMSG for
/// what is no archive, or is damaged or cut short; EOPNOTSUPP for a member of an unknown type;
/// ENOTDIR if the destination is no directory; and those of the system calls. Other members are
/// passed over, whatever they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRImportCheckpointConfigOnly(
    destination: *const c_char,
    input: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are during
        // the call.
        let [destination, input] =
            unsafe { paths([("destination", destination), ("input", input)]) }?;
        checkpoint::import_checkpoint_config_only(destination, input)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Finds out which runtime made a checkpoint archive: the value of "runtime" in its member
/// config.dump.
///
/// runtime: receives the value, which the caller frees with CRStringFree. It is "" if the archive
/// doesn't say. It is what the archive claims, and may be a path: check it before you run it.
///
/// Works in memory, and stops reading once config.dump was found.
///
/// Errors: ENODATA if there is no config.dump; EBADMSG if it is not JSON, or the value is not a
/// string, or holds a NUL; EXDEV if it is a link or a directory, EPERM if it is a device or a fifo;
/// E2BIG if it is larger than 16 MiB, or for a header, a path or a window beyond the limits; EBADMSG
/// and EOPNOTSUPP for an archive as for CRImportCheckpointConfigOnly; and those of the system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRGetRuntimeFromArchive(
    input: *const c_char,
    runtime: *mut *mut c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is during
        // the call.
        let [input] = unsafe { paths([("input", input)]) }?;
        // SAFETY: the caller passes NULL or a place for one string.
        let out = unsafe { argument::out("runtime", runtime) }?;
        out.write(owned("runtime", checkpoint::runtime_from_archive(input)?)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Writes what changed in a container's root file system into two files in destination:
/// rootfs-diff.tar, with what was added and modified, and deleted.files, a JSON array of the paths
/// that are gone.
///
/// changes: an array of changes_len changes; it may be NULL if changes_len is 0. An added directory
/// stands for all that is below it, a modified one for itself alone. A path that has vanished
/// meanwhile is left out; one listed as deleted that is there again is stored, too.
///
/// mount_point: where the container's root file system is mounted. Paths are looked up below it,
/// and no symbolic link leads out of it. Other file systems that are mounted below it are not
/// entered: a mount point is stored as an empty directory. Sockets are not stored, nor
/// security.selinux and the attributes that overlayfs keeps for itself.
///
/// destination: an existing directory. What an earlier call left there is removed first. Both files
/// appear whole, with mode 0600; after a failure there is neither, unless the changes themselves
/// could not be taken (EINVAL, E2BIG), when nothing is touched.
///
/// include_files: receives a NULL-terminated array with the names of the files written,
/// "rootfs-diff.tar" before "deleted.files", which the caller frees with CRStringArrayFree. It may
/// be empty, and is never NULL.
///
/// Errors: EINVAL for a change of an unknown kind, with flags, or without a path, and for deleting
/// the root; EXDEV for a path below another mount; E2BIG for a path above 4095 bytes; ESTALE for
/// a file that got shorter while it was read; and those of the system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRCreateRootFsDiffTar(
    changes: *const CRChange,
    changes_len: usize,
    mount_point: *const c_char,
    destination: *const c_char,
    include_files: *mut *mut *mut c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes an array of this length, of changes whose paths are as below.
        let changes = unsafe { change::list(changes, changes_len) }?;
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are during
        // the call.
        let [mount, destination] =
            unsafe { paths([("mount_point", mount_point), ("destination", destination)]) }?;
        // SAFETY: the caller passes NULL or a place for one array.
        let out = unsafe { argument::out("include_files", include_files) }?;
        let names = checkpoint::create_rootfs_diff_tar(&changes, mount, destination)?;
        out.write(owned_array("include_files", names)?);
        Ok(())
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Extracts rootfs-diff.tar, if base_directory has one, into a container's root file system.
///
/// base_directory: where the file is, usually the bundle. That it or the file is missing is no
/// error.
///
/// container_root_directory: an existing directory, as an absolute path. Links and names mean what
/// they mean inside the container; nothing leads out of it. A member replaces what has its name; a
/// directory in the place of a directory keeps what is in it. Owners, modes, times, extended
/// attributes and ACLs are restored, but not security.selinux and the attributes that overlayfs
/// keeps for itself. In a user namespace devices, and the attributes that the kernel refuses, are
/// left out.
///
/// After a failure, what was extracted before it stays, but nothing of a file that is incomplete.
///
/// Errors: EINVAL for a container root that is not absolute; ENOENT for one that is missing while
/// there is something to apply; EXDEV for a member other than a directory in the place of the root itself; ELOOP, EISDIR or EPERM if
/// rootfs-diff.tar is not a regular file; EBADMSG, EOPNOTSUPP and E2BIG as for
/// CRImportCheckpointWithoutConfig; and those of the system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRApplyRootFsDiffTar(
    base_directory: *const c_char,
    container_root_directory: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let strings = [
            ("base_directory", base_directory),
            ("container_root_directory", container_root_directory),
        ];
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are during
        // the call.
        let [base, root] = unsafe { paths(strings) }?;
        checkpoint::apply_rootfs_diff_tar(base, root)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Removes the paths listed in deleted.files, if base_directory has one, from a container's root
/// file system: directories with all that is below them, symbolic links themselves and not what
/// they lead to.
///
/// Call it after CRApplyRootFsDiffTar: what rootfs-diff.tar in the same base_directory has put
/// there is not removed, and nothing through a symbolic link that it has put there. A listed path that is gone already is no error. Directories that something
/// is removed from keep their times.
///
/// id: the container's name, for messages.
///
/// base_directory: where the file is, usually the bundle. That it or the file is missing is no
/// error.
///
/// container_root_directory: an existing directory, as an absolute path; nothing outside of it is
/// removed. What is mounted below it is not entered.
///
/// After a failure, what was removed before it stays gone.
///
/// Errors, all before anything is removed: EBADMSG for a list that is not a JSON array of strings,
/// or for a damaged rootfs-diff.tar; EXDEV for a listed path that means the root itself, or is
/// below another mount; E2BIG for a list above 64 MiB; ELOOP, EISDIR or EPERM for a list that is
/// not a regular file; EINVAL for a container root that is not absolute; ENOENT for one that is
/// missing while there is a list. Later: EBUSY for a mount point in a listed directory; and those of the system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRRemoveDeletedFiles(
    id: *const c_char,
    base_directory: *const c_char,
    container_root_directory: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        let strings = [
            ("base_directory", base_directory),
            ("container_root_directory", container_root_directory),
        ];
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are during
        // the call.
        let [id] = unsafe { paths([("id", id)]) }?;
        // SAFETY: as for the id.
        let [base, root] = unsafe { paths(strings) }?;
        checkpoint::remove_deleted_files(id.as_os_str(), base, root)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Makes an empty regular file, mode 0600 less the umask, with an SELinux label. If the file is
/// there already, it is emptied and keeps its mode.
///
/// directory: an existing directory.
///
/// file_name: one component, without "/". Nothing is made or emptied if it is a symbolic link, a
/// fifo, or anything else but a regular file.
///
/// file_label: the label as the kernel takes it, or "" for none. Where SELinux is not enabled it
/// has no effect.
///
/// If only the label fails, the file stays.
///
/// Errors: EINVAL for a file_name that is not one component; ELOOP for one that is a symbolic link,
/// EISDIR for a directory, EPERM for anything else that is not a regular file; EOPNOTSUPP, with
/// nothing made, for a label on a system with SELinux enabled if the library was built without
/// SELinux; and those of the system calls, such as ENOENT for a missing directory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRCreateFileWithLabel(
    directory: *const c_char,
    file_name: *const c_char,
    file_label: *const c_char,
    error: *mut *mut CRError,
) -> Status {
    let work = || {
        // SAFETY: the caller passes NULL or strings that end with a NUL and stay as they are during
        // the call.
        let [directory, name] =
            unsafe { paths([("directory", directory), ("file_name", file_name)]) }?;
        // SAFETY: as for the other strings.
        let label = unsafe { argument::string("file_label", file_label) }?;
        checkpoint::create_file_with_label(directory, name.as_os_str(), label)
    };
    // SAFETY: the caller passes NULL or a place for one error.
    unsafe { guard::status(error, work) }
}

/// Answers whether a runtime can checkpoint and restore containers: whether "RUNTIME checkpoint
/// --help" succeeds.
///
/// runtime_path: the runtime, looked up in PATH if it has no "/".
///
/// Any failure is false: NULL, a missing or hanging runtime (the answer comes within 10 seconds, and its process group is killed), a host
/// process that reaps the library's child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRRuntimeSupportsCheckpointRestore(runtime_path: *const c_char) -> bool {
    guard::value(false, || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is during
        // the call.
        let [runtime] = unsafe { paths([("runtime_path", runtime_path)]) }?;
        Ok(checkpoint::runtime_supports_checkpoint_restore(runtime))
    })
}

/// Answers whether a runtime can restore containers into a pod: whether it knows the option
/// --lsm-mount-context of its command "restore", as runc, crun and youki tell it.
///
/// runtime_path: as for CRRuntimeSupportsCheckpointRestore, and so is what makes the answer false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CRRuntimeSupportsPodCheckpointRestore(
    runtime_path: *const c_char,
) -> bool {
    guard::value(false, || {
        // SAFETY: the caller passes NULL or a string that ends with a NUL and stays as it is during
        // the call.
        let [runtime] = unsafe { paths([("runtime_path", runtime_path)]) }?;
        Ok(checkpoint::runtime_supports_pod_checkpoint_restore(runtime))
    })
}
