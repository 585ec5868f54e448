/* SPDX-License-Identifier: Apache-2.0 */

#ifndef CRUTILS_H
#define CRUTILS_H

/* Generated from src/capi and cbindgen.toml by `make header`. Change it there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * libcrutils: imports, applies and creates container checkpoint archives.
 *
 * An engine that restores a container calls, in this order, CRGetRuntimeFromArchive,
 * CRImportCheckpointConfigOnly, CRImportCheckpointWithoutConfig, CRApplyRootFsDiffTar and
 * CRRemoveDeletedFiles; one that checkpoints calls CRCreateRootFsDiffTar.
 *
 * Conventions, which hold for every function below:
 *
 * Results. A function of type int returns 0 on success and a negative errno on failure. Its last
 * argument is where the error goes: on failure a new CRError is stored there, and the caller frees
 * it with CRErrorFree; on success the place is left alone. What was in the place is neither read
 * nor freed, so that it need not be initialized, and an earlier error has to be freed before the
 * place is used again. NULL for the place means that the errno is enough. Other outputs are written
 * only on success.
 *
 *     CRError *error = NULL;
 *     if (CRApplyRootFsDiffTar(bundle, rootfs, &error) < 0) {
 *         fprintf(stderr, "%s\n", CRErrorMessage(error));
 *         CRErrorFree(error);
 *     }
 *
 * Strings. Arguments end with a NUL and are bytes, not necessarily UTF-8. They are the caller's,
 * are not changed, and are not kept after the call. What a function stores through a pointer
 * belongs to the caller and is freed once, with the function that its comment names; a pointer that
 * a function returns is borrowed, but for options, which are made by a function of their own. The
 * functions that free accept NULL.
 *
 * NULL. A pointer argument that is NULL is -EINVAL, and the message names the argument. The
 * exceptions are the place for the error, and those that a function's comment names. Apart from
 * NULL, pointers have to be valid.
 *
 * Errors. Each function names its errors by errno, without the sign. EINVAL for an unusable
 * argument and ENOTRECOVERABLE for a defect of the library may come from any of them. CR_ERROR_*
 * below says what sort of error has which errno; one that a system call gave is that call's own,
 * so that the same number may mean either: CRErrorKind tells them apart.
 *
 * Paths. Symbolic links on the way to what an argument names are followed. A directory that exists
 * may be a relative path; one that is to be made has to be absolute, and so has the root of a
 * container. Nothing outside of the directory named is read, made, changed or removed, whatever an
 * archive holds, and whoever changes that directory meanwhile.
 *
 * Threads and the process. All functions may be called from any thread, at the same time; an error,
 * a string, a list or options may be used and freed by another thread than it came to; options are
 * set by one thread at a time, while no other uses them. The working directory,
 * umask, root, environment and signal dispositions of the process are not touched, and no
 * descriptor is inherited by a child; one of /proc may stay open where openat2 can't be used. Only
 * the two functions that ask a runtime start a process. Calls that work on the same directory at
 * once may fail with ENOENT, EEXIST or ESTALE: whoever makes them keeps them apart.
 *
 * User namespaces. Where the comments say "in a user namespace", they mean a process that isn't
 * root, lacks CAP_SYS_ADMIN, doesn't see all user ids, or is told so by _CONTAINERS_ROOTLESS_UID or
 * _CONTAINERS_USERNS_CONFIGURED in its environment, as engines do.
 *
 * Memory. If an allocation fails, the process is aborted. A panic inside the library prints to
 * stderr and doesn't reach the caller: it becomes ENOTRECOVERABLE.
 */

// The object was there before, and its content, metadata or type is now another.
#define CR_CHANGE_MODIFY 0

// The object is new.
#define CR_CHANGE_ADD 1

// The object is gone. A directory that was deleted and made again is deleted, and its
// new content added.
#define CR_CHANGE_DELETE 2

// Leaves out the object itself, not what is below it.
#define CR_EXCLUDE_EXACT 0

// Leaves out the object and everything below it, without looking there.
#define CR_EXCLUDE_SUBTREE 1

// What podman leaves out: what it mounts or writes itself when it starts a container.
#define CR_EXCLUDE_PODMAN 0

// What CRI-O leaves out, beside bind mounts.
#define CR_EXCLUDE_CRIO 1

// CR_OVERLAY_USER in a user namespace, else CR_OVERLAY_TRUSTED.
#define CR_OVERLAY_AUTO 0

// trusted.overlay.*: the kernel's overlay.
#define CR_OVERLAY_TRUSTED 1

// user.overlay.*: the kernel's overlay, mounted with userxattr.
#define CR_OVERLAY_USER 2

// fuse-overlayfs, which uses user.fuseoverlayfs.* beside both, and files that begin with ".wh.".
#define CR_OVERLAY_FUSE 3

// There is no error; the answer for NULL.
#define CR_ERROR_NONE 0

// The operating system refused a call; the errno is the call's own.
#define CR_ERROR_SYSTEM 1

// An argument is unusable, and nothing was touched. EINVAL.
#define CR_ERROR_ARGUMENT 2

// An archive or a JSON file breaks its format, is cut short, or fails its checksum.
// EBADMSG.
#define CR_ERROR_MALFORMED 3

// An archive or a list asks for something that it may not have: a place outside of
// its root (EXDEV), or a link (EXDEV, ELOOP), a device or a protected name (EPERM) where none
// may be.
#define CR_ERROR_ESCAPE 4

// A documented limit was exceeded. E2BIG.
#define CR_ERROR_LIMIT 5

// The input is well-formed but uses something that this library, its build or this
// system doesn't support. EOPNOTSUPP.
#define CR_ERROR_UNSUPPORTED 6

// The archive lacks the member that was asked for. ENODATA.
#define CR_ERROR_NOT_IN_ARCHIVE 7

// The caller cancelled the work. ECANCELED.
#define CR_ERROR_CANCELLED 8

// A defect of this library. ENOTRECOVERABLE.
#define CR_ERROR_INTERNAL 9

// The version that this header belongs to. CRVersion answers that of the library in use.
#define CRUTILS_VERSION_MAJOR 0

// See CRUTILS_VERSION_MAJOR.
#define CRUTILS_VERSION_MINOR 1

// See CRUTILS_VERSION_MAJOR.
#define CRUTILS_VERSION_PATCH 0

// The archive is read for what it says of the container. Bytes are those of the archive.
#define CR_PHASE_READING 0

// The archive's digest is compared with the expected one. Bytes are those of the archive.
#define CR_PHASE_VERIFYING 1

// Members are made. Bytes are those of the archive.
#define CR_PHASE_EXTRACTING 2

// What the container had deleted is removed. There are no bytes.
#define CR_PHASE_DELETING 3

// The sizes of the archives within the archive are found. There are no bytes.
#define CR_PHASE_MEASURING 4

// The archive is written. Bytes are those of its members, before any compression.
#define CR_PHASE_WRITING 5

// The archive is made to last, if asked for, and gets its name. There are no bytes.
#define CR_PHASE_PUBLISHING 6

// An optional member isn't there.
#define CR_WARNING_MISSING 0

// A socket isn't stored, since an archive can't hold one.
#define CR_WARNING_SOCKET 1

// A device isn't made, since a user namespace doesn't permit it.
#define CR_WARNING_DEVICE 2

// Something in the archive isn't understood and was passed over; nothing depends on it.
#define CR_WARNING_IGNORED 3

// A flag that ends works early. Any thread may set it, at any time.
typedef struct CRCancellation CRCancellation;

// Changes that were found, sorted by the bytes of their paths, each path once.
typedef struct CRChangeList CRChangeList;

// How changes are looked for, and which aren't listed.
typedef struct CRChangesOptions CRChangesOptions;

// Why a function failed.
typedef struct CRError CRError;

// Who is told of a work's progress, and what ends it early.
typedef struct CRWatch CRWatch;

// One changed object of a container's root file system. The caller owns it and its path.
typedef struct CRChange {
    // The path as the container sees it, such as "/etc/hosts".
    const char *path;
    // What happened to the object: one of CR_CHANGE_*.
    uint32_t kind;
    // Must be 0.
    uint32_t flags;
} CRChange;

// How far a work is. Later versions may add fields at the end.
typedef struct CRProgress {
    // One of CR_PHASE_*; more may follow.
    uint32_t phase;
    // 0.
    uint32_t flags;
    // How many bytes of the phase are done.
    uint64_t bytes_done;
    // How many there are; UINT64_MAX if that isn't known.
    uint64_t bytes_total;
    // The member that is being worked on; "" between members. It lives as long as the call.
    const char *member;
} CRProgress;

// A function of the caller's that is told of progress.
typedef void (*CRProgressFunction)(void *user_data, const struct CRProgress *progress);

// Something that was left out and doesn't fail the work. Later versions may add fields at the end.
typedef struct CRWarning {
    // One of CR_WARNING_*; more may follow.
    uint32_t kind;
    // 0.
    uint32_t flags;
    // The member concerned. It lives as long as the call.
    const char *member;
    // What happened, in words. It lives as long as the call.
    const char *message;
} CRWarning;

// A function of the caller's that is told of a warning.
typedef void (*CRWarningFunction)(void *user_data, const struct CRWarning *warning);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Finds what differs between two directories, such as the mounted root file system of a container
// and that of its image.
//
// new_directory: what is there now. What is mounted below it is not looked into.
//
// old_directory: what was there before; NULL if nothing was, so that everything is new.
//
// options: NULL for none.
//
// list: receives the changes, which the caller frees with CRChangeListFree.
//
// Compared are type, permissions, owner, device number, size, modification time, the target of a
// symbolic link, and all extended attributes but security.selinux and those that overlayfs keeps
// for itself. An object of another type than before is modified. The directories above a change
// are modified, too, and so are all names of a file with several if one is listed or if other
// names belong to it than before. The directories themselves are never listed. What vanishes
// meanwhile counts as not there.
//
// Errors: ENOTDIR or ENOENT for what is no directory; E2BIG for more than 4 million changes, or
// 256 MiB of them, and for a path above 4095 bytes; and those of the system calls, such as EACCES.
int CRChangesDirectories(const char *new_directory,
                         const char *old_directory,
                         const struct CRChangesOptions *options,
                         struct CRChangeList **list,
                         struct CRError **error);

// Finds what the upper directory of an overlay changes in the lower ones. The overlay needn't be
// mounted, and what didn't change isn't looked at.
//
// lower_directories: an array of lower_directories_len paths, the top one first; it may be NULL
// if lower_directories_len is 0.
//
// upper_directory: what was written to.
//
// options: NULL for none. An overlay that is mounted with an index needs its work directory.
//
// list: receives the changes, which the caller frees with CRChangeListFree.
//
// A directory that hides the one below it is modified, and each name that it hides is deleted. A
// renamed directory is added, with all that came along. A file that was copied up is listed if
// something about it differs, its bytes included, or if it has several names. The directories
// above what was added or deleted are modified. Nothing outside of the directories is read,
// whatever they say about redirects.
//
// Errors: as for CRChangesDirectories; E2BIG for more than 500 lower directories; EBADMSG for a
// redirect that is none, and for a file whose data should be in a lower directory and is in none.
int CRChangesOverlay(const char *const *lower_directories,
                     size_t lower_directories_len,
                     const char *upper_directory,
                     const struct CRChangesOptions *options,
                     struct CRChangeList **list,
                     struct CRError **error);

// Answers the changes of a list: an array of CRChangeListLen changes, which goes into
// CRCreateRootFsDiffTar as it is. It belongs to the list and lives as long as it does, and so do
// the paths. NULL for NULL.
const struct CRChange *CRChangeListChanges(const struct CRChangeList *list);

// Answers how many changes a list has. 0 for NULL.
size_t CRChangeListLen(const struct CRChangeList *list);

// Frees a list and the changes that belong to it.
void CRChangeListFree(struct CRChangeList *list);

// Makes options that change nothing yet, which the caller frees with CRChangesOptionsFree.
struct CRChangesOptions *CRChangesOptionsNew(void);

// Frees options.
void CRChangesOptionsFree(struct CRChangesOptions *options);

// Says whether CRChangesDirectories compares the bytes of two files whose size and modification
// time agree.
//
// yes: 0 (as without options) or 1.
//
// Errors: EINVAL alone.
int CRChangesOptionsCompareContent(struct CRChangesOptions *options,
                                   uint32_t yes,
                                   struct CRError **error);

// Says whether CRChangesDirectories tells modification times within the same second apart even
// where one of them has no nanoseconds, as times have that were kept in whole seconds only.
//
// yes: 0 (as without options) or 1.
//
// Errors: EINVAL alone.
int CRChangesOptionsExactTimes(struct CRChangesOptions *options,
                               uint32_t yes,
                               struct CRError **error);

// Says in which extended attributes the overlay keeps its state. It matters that it is these: a
// container can set the others itself.
//
// xattrs: one of CR_OVERLAY_*; without options CR_OVERLAY_AUTO.
//
// Errors: EINVAL alone.
int CRChangesOptionsOverlayXattrs(struct CRChangesOptions *options,
                                  uint32_t xattrs,
                                  struct CRError **error);

// Names the work directory of an overlay that is mounted with an index (index=on or
// nfs_export=on): a file with several names that changed may be there alone.
//
// Errors: EINVAL alone; CRChangesOverlay opens the directory.
int CRChangesOptionsWorkDirectory(struct CRChangesOptions *options,
                                  const char *work_directory,
                                  struct CRError **error);

// Leaves a path out of the list. It may be called for any number of paths.
//
// path: as the container sees it, such as "/etc/hosts". A directory above it that was added is
// listed as modified instead, and its other content name by name, since an added directory stands
// for all that is below it.
//
// how: CR_EXCLUDE_EXACT or CR_EXCLUDE_SUBTREE.
//
// Errors: E2BIG for a path above 4095 bytes.
int CRChangesOptionsExclude(struct CRChangesOptions *options,
                            const char *path,
                            uint32_t how,
                            struct CRError **error);

// Leaves out, each as CR_EXCLUDE_EXACT does, the paths that an engine leaves out of a rootfs diff.
//
// engine: CR_EXCLUDE_PODMAN or CR_EXCLUDE_CRIO.
//
// Errors: EINVAL alone.
int CRChangesOptionsExcludeEngine(struct CRChangesOptions *options,
                                  uint32_t engine,
                                  struct CRError **error);

// Leaves out, each as CR_EXCLUDE_EXACT does, the destinations of a container's bind mounts.
//
// spec: the container's OCI runtime specification, such as config.json of a bundle or spec.dump of
// a checkpoint: a regular file, not followed if it is a symbolic link.
//
// Errors: ENOENT if it is missing; ELOOP, EISDIR or EPERM if it is not a regular file; EBADMSG if
// it is not JSON, or a mount is not as the specification has it; E2BIG above 16 MiB; and those of
// the system calls.
int CRChangesOptionsExcludeBindMounts(struct CRChangesOptions *options,
                                      const char *spec,
                                      struct CRError **error);

// Extracts a checkpoint archive into a bundle, all but its members config.dump and spec.dump.
//
// destination: the bundle. If it is missing, it and its parents are made (0755 less the umask,
// root's), once the archive has shown itself to be one; its path has to be absolute then. What is
// there already stays, unless the archive has a member of that name; its own owner and mode do.
//
// input: the archive, a tar stream that may be compressed with gzip, zstd, xz or bzip2. An empty
// file is an archive without members. It may be a pipe, and is waited for then.
//
// Members are regular files, directories, hard links to regular files that came before them in the
// archive, and the symbolic link "parent" in checkpoint/ or pre-checkpoint/, which leads to
// "../NAME". Names are taken as below the destination, whatever they look like ("/x" and "../x"
// are "x"), and no symbolic link leads out of it. Owners, modes, times and extended attributes are
// restored; in a user namespace those attributes that the kernel refuses are left out.
//
// After a failure, what was extracted before it stays.
//
// Errors: EPERM for a member that is a device or a fifo, or that is named config.json; EXDEV for
// any other link, or for a file in the place of the destination itself; EBADMSG for what is no
// archive, or is damaged or cut short; EOPNOTSUPP for a member of an unknown type; E2BIG for a
// header, a map of holes or a path longer than the limits, more names to remember than 4 million or
// 256 MiB, or a compression window above 128 MiB; ENOTDIR if the destination is no directory; and those of
// the system calls, such as ENOENT for a missing archive.
int CRImportCheckpointWithoutConfig(const char *destination,
                                    const char *input,
                                    struct CRError **error);

// Extracts the members config.dump and spec.dump of a checkpoint archive, and nothing else.
//
// destination, input: as for CRImportCheckpointWithoutConfig.
//
// Reading stops once both were found, so that the images behind them are neither read nor checked.
// That one of them, or both, are missing is no error.
//
// Errors: EXDEV if one of them is a link or a directory, EPERM if it is a device or a fifo; E2BIG
// if it is larger than 16 MiB, or for a header, a path or a window beyond the limits; EBADMSG for
// what is no archive, or is damaged or cut short; EOPNOTSUPP for a member of an unknown type;
// ENOTDIR if the destination is no directory; and those of the system calls. Other members are
// passed over, whatever they are.
int CRImportCheckpointConfigOnly(const char *destination,
                                 const char *input,
                                 struct CRError **error);

// Finds out which runtime made a checkpoint archive: the value of "runtime" in its member
// config.dump.
//
// runtime: receives the value, which the caller frees with CRStringFree. It is "" if the archive
// doesn't say. It is what the archive claims, and may be a path: check it before you run it.
//
// Works in memory, and stops reading once config.dump was found.
//
// Errors: ENODATA if there is no config.dump; EBADMSG if it is not JSON, or the value is not a
// string, or holds a NUL; EXDEV if it is a link or a directory, EPERM if it is a device or a fifo;
// E2BIG if it is larger than 16 MiB, or for a header, a path or a window beyond the limits; EBADMSG
// and EOPNOTSUPP for an archive as for CRImportCheckpointConfigOnly; and those of the system calls.
int CRGetRuntimeFromArchive(const char *input, char **runtime, struct CRError **error);

// Writes what changed in a container's root file system into two files in destination:
// rootfs-diff.tar, with what was added and modified, and deleted.files, a JSON array of the paths
// that are gone.
//
// changes: an array of changes_len changes; it may be NULL if changes_len is 0. An added directory
// stands for all that is below it, a modified one for itself alone. A path that has vanished
// meanwhile is left out; one listed as deleted that is there again is stored, too.
//
// mount_point: where the container's root file system is mounted. Paths are looked up below it,
// and no symbolic link leads out of it. Other file systems that are mounted below it are not
// entered: a mount point is stored as an empty directory. Sockets are not stored, nor
// security.selinux and the attributes that overlayfs keeps for itself.
//
// destination: an existing directory. What an earlier call left there is removed first. Both files
// appear whole, with mode 0600; after a failure there is neither, unless the changes themselves
// could not be taken (EINVAL, E2BIG), when nothing is touched.
//
// include_files: receives a NULL-terminated array with the names of the files written,
// "rootfs-diff.tar" before "deleted.files", which the caller frees with CRStringArrayFree. It may
// be empty, and is never NULL.
//
// Errors: EINVAL for a change of an unknown kind, with flags, or without a path, and for deleting
// the root; EXDEV for a path below another mount; E2BIG for a path above 4095 bytes; ESTALE for
// a file that got shorter while it was read; and those of the system calls.
int CRCreateRootFsDiffTar(const struct CRChange *changes,
                          size_t changes_len,
                          const char *mount_point,
                          const char *destination,
                          char ***include_files,
                          struct CRError **error);

// Extracts rootfs-diff.tar, if base_directory has one, into a container's root file system.
//
// base_directory: where the file is, usually the bundle. That it or the file is missing is no
// error.
//
// container_root_directory: an existing directory, as an absolute path. Links and names mean what
// they mean inside the container; nothing leads out of it. A member replaces what has its name; a
// directory in the place of a directory keeps what is in it. Owners, modes, times, extended
// attributes and ACLs are restored, but not security.selinux and the attributes that overlayfs
// keeps for itself. In a user namespace devices, and the attributes that the kernel refuses, are
// left out.
//
// After a failure, what was extracted before it stays.
//
// Errors: EINVAL for a container root that is not absolute; ENOENT for one that is missing while
// there is something to apply; EXDEV for a member other than a directory in the place of the root itself; ELOOP, EISDIR or EPERM if
// rootfs-diff.tar is not a regular file; EBADMSG, EOPNOTSUPP and E2BIG as for
// CRImportCheckpointWithoutConfig; and those of the system calls.
int CRApplyRootFsDiffTar(const char *base_directory,
                         const char *container_root_directory,
                         struct CRError **error);

// Removes the paths listed in deleted.files, if base_directory has one, from a container's root
// file system: directories with all that is below them, symbolic links themselves and not what
// they lead to.
//
// Call it after CRApplyRootFsDiffTar: what rootfs-diff.tar in the same base_directory has put
// there is not removed, and nothing through a symbolic link that it has put there. A listed path that is gone already is no error. Directories that something
// is removed from keep their times.
//
// id: the container's name, for messages.
//
// base_directory: where the file is, usually the bundle. That it or the file is missing is no
// error.
//
// container_root_directory: an existing directory, as an absolute path; nothing outside of it is
// removed. What is mounted below it is not entered.
//
// After a failure, what was removed before it stays gone.
//
// Errors, all before anything is removed: EBADMSG for a list that is not a JSON array of strings,
// or for a damaged rootfs-diff.tar; EXDEV for a listed path that means the root itself, or is
// below another mount; E2BIG for a list above 64 MiB; ELOOP, EISDIR or EPERM for a list that is
// not a regular file; EINVAL for a container root that is not absolute; ENOENT for one that is
// missing while there is a list. Later: EBUSY for a mount point in a listed directory; and those of the system calls.
int CRRemoveDeletedFiles(const char *id,
                         const char *base_directory,
                         const char *container_root_directory,
                         struct CRError **error);

// Makes an empty regular file, mode 0600 less the umask, with an SELinux label. If the file is
// there already, it is emptied and keeps its mode.
//
// directory: an existing directory.
//
// file_name: one component, without "/". Nothing is made or emptied if it is a symbolic link, a
// fifo, or anything else but a regular file.
//
// file_label: the label as the kernel takes it, or "" for none. Where SELinux is not enabled it
// has no effect.
//
// If only the label fails, the file stays.
//
// Errors: EINVAL for a file_name that is not one component; ELOOP for one that is a symbolic link,
// EISDIR for a directory, EPERM for anything else that is not a regular file; EOPNOTSUPP, with
// nothing made, for a label on a system with SELinux enabled if the library was built without
// SELinux; and those of the system calls, such as ENOENT for a missing directory.
int CRCreateFileWithLabel(const char *directory,
                          const char *file_name,
                          const char *file_label,
                          struct CRError **error);

// Answers whether a runtime can checkpoint and restore containers: whether "RUNTIME checkpoint
// --help" succeeds.
//
// runtime_path: the runtime, looked up in PATH if it has no "/".
//
// Any failure is false: NULL, a missing or hanging runtime (the answer comes within 10 seconds, and its process group is killed), a host
// process that reaps the library's child.
bool CRRuntimeSupportsCheckpointRestore(const char *runtime_path);

// Answers whether a runtime can restore containers into a pod: whether it knows the option
// --lsm-mount-context of its command "restore", as runc, crun and youki tell it.
//
// runtime_path: as for CRRuntimeSupportsCheckpointRestore, and so is what makes the answer false.
bool CRRuntimeSupportsPodCheckpointRestore(const char *runtime_path);

// Answers the errno of an error: positive, the negative of what the failed function returned. 0
// for NULL.
int CRErrorErrno(const struct CRError *error);

// Answers what sort of failure an error is: one of CR_ERROR_*, CR_ERROR_NONE for NULL. Later
// versions may answer values that this header doesn't have.
uint32_t CRErrorKind(const struct CRError *error);

// Answers the message of an error: one line of UTF-8 that reads like a path through the work, such
// as "apply rootfs-diff.tar: entry "usr/bin/x": mkdirat "x": ENOSPC (No space left on device)".
// Bytes of names that could harm a terminal or a log are escaped. The string belongs to the error
// and lives as long as it does. "" for NULL.
const char *CRErrorMessage(const struct CRError *error);

// Answers the name of the archive member, or the listed path, that an error is about, or NULL if
// it isn't about one. These are the raw bytes, not escaped, up to the first NUL. The string
// belongs to the error and lives as long as it does. NULL for NULL.
const char *CRErrorEntry(const struct CRError *error);

// Answers how many bytes into the decompressed tar stream an error was found, or -1 if it wasn't
// found in one. -1 for NULL.
int64_t CRErrorOffset(const struct CRError *error);

// Frees an error and the strings that belong to it.
void CRErrorFree(struct CRError *error);

// Frees a string that a function of this library returned.
void CRStringFree(char *string);

// Frees an array of strings that a function of this library returned, and the strings.
void CRStringArrayFree(char **strings);

// Answers the version of the library in use, such as "0.1.0". The string is static.
const char *CRVersion(void);

// Makes a flag that isn't set, which the caller frees with CRCancellationFree.
struct CRCancellation *CRCancellationNew(void);

// Sets the flag, for good: works under it fail with ECANCELED at their next step, which is at most
// 8 MiB of copying away, or 64 MiB of cloning. It may be called while other threads use the flag,
// and from a signal handler. NULL is allowed.
void CRCancellationCancel(const struct CRCancellation *cancellation);

// Frees a flag. Watches that it was given to keep it as it is.
void CRCancellationFree(struct CRCancellation *cancellation);

// Makes a watch that tells nobody and ends nothing yet. The caller frees it with CRWatchFree; a
// work that was begun with it keeps what it needs.
struct CRWatch *CRWatchNew(void);

// Frees a watch.
void CRWatchFree(struct CRWatch *watch);

// Has the progress of works under the watch told to a function: at most 20 times a second, and at
// the end of each phase. The function is called by the thread that works, which waits for it. It
// may set a cancellation; it must neither call a function with an object that is at work nor leave
// by longjmp.
//
// function: must not be NULL.
//
// user_data: is passed on with each call.
//
// Errors: EINVAL alone.
int CRWatchOnProgress(struct CRWatch *watch,
                      CRProgressFunction function,
                      void *user_data,
                      struct CRError **error);

// Has the warnings of works under the watch told to a function, each as it comes. What holds for
// CRWatchOnProgress holds for it.
//
// function: must not be NULL.
//
// user_data: is passed on with each call.
//
// Errors: EINVAL alone.
int CRWatchOnWarning(struct CRWatch *watch,
                     CRWarningFunction function,
                     void *user_data,
                     struct CRError **error);

// Ends works under the watch, with ECANCELED, when a flag is set.
//
// Errors: EINVAL alone.
int CRWatchCancelledBy(struct CRWatch *watch,
                       const struct CRCancellation *cancellation,
                       struct CRError **error);

// Ends works under the watch, with ECANCELED, when a time has passed.
//
// milliseconds: counted from this call on.
//
// Errors: EINVAL alone.
int CRWatchDeadline(struct CRWatch *watch, uint64_t milliseconds, struct CRError **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CRUTILS_H */
