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
 * CRRemoveDeletedFiles; one that checkpoints calls CRCreateRootFsDiffTar. Or it leaves the whole to a
 * session: CRImportOpen, CRImportMetadata to see what is in the archive, CRImportToBundle and
 * CRImportToRoot to say where it goes, and CRImportExtract; and CRExportNew, CRExportAddBundle and
 * CRExportAddRootFsDiff, and CRExportToFile or CRExportToDescriptor.
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
 * a function returns is borrowed, but for what a function makes whose name ends with New. The
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
 * Descriptors. They are the caller's, who may close them after the call, whatever the library goes on
 * with. A negative one is EINVAL, one that isn't open is EBADF.
 *
 * Threads and the process. All functions may be called from any thread, at the same time; an error,
 * a string, a list or options may be used and freed by another thread than it came to; options are
 * set by one thread at a time, while no other uses them. Threads of the library's compress, and
 * decode what is more than a MiB; they take no signals, call no function of the caller's, and are
 * gone when the call returns. Where there may be none, the caller's does the work; zstd can't be
 * written then, which is ENOMEM. The working directory, umask, root, environment and signal
 * dispositions of the process are not touched, and no descriptor is inherited by a child; one of
 * /proc may stay open where openat2 can't be used. Only the two functions that ask a runtime start
 * a process. Calls that work on the same directory at once may fail with ENOENT, EEXIST or ESTALE:
 * whoever makes them keeps them apart.
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

// An export without the member fails.
#define CR_PRESENCE_REQUIRED 0

// CRExportMissing tells if the member isn't there, and so does the watch.
#define CR_PRESENCE_OPTIONAL 1

// podman's: artifacts, devshm-checkpoint.tar, config.dump, spec.dump, network.status, stats-dump,
// ctr.log, checkpoint, pre-checkpoint, rootfs-diff.tar, deleted.files, and what is in volumes.
#define CR_LAYOUT_PODMAN 0

// CRI-O's: stats-dump, dump.log, checkpoint, config.dump, spec.dump, bind.mounts, rootfs-diff.tar,
// deleted.files, io.kubernetes.cri-o.LogPath.
#define CR_LAYOUT_CRIO 1

// Not compressed.
#define CR_COMPRESSION_NONE 0

// gzip, with levels from 1 to 9; 6 by default.
#define CR_COMPRESSION_GZIP 1

// zstd, with levels from 1 to 19; 3 by default.
#define CR_COMPRESSION_ZSTD 2

// How many members the archive may have, with those of the archives in it. Without limit if not
// set: an inode costs the caller no more than what it asked for.
#define CR_LIMIT_MEMBERS 0

// How many bytes of data may be written for all members together, holes left out. Without limit if
// not set: only the caller knows how large a container's memory is.
#define CR_LIMIT_TOTAL_BYTES 1

// How large one file may be for its readers, holes included. Without limit if not set: holes cost
// nothing here. Who later copies files without minding holes wants a limit.
#define CR_LIMIT_MEMBER_BYTES 2

// How long a path may be, in bytes. 4095 if not set, as long as the kernel takes it; a larger value
// changes nothing.
#define CR_LIMIT_PATH_BYTES 3

// How many names a path may have. 2048 if not set, as many as fit 4095 bytes. Programs that walk
// trees by recursion die of less.
#define CR_LIMIT_DEPTH 4

// How many bytes the names and values of one member's extended attributes may have together. 1 MiB
// if not set, as much as a header holds; a larger value changes nothing.
#define CR_LIMIT_XATTR_BYTES 5

// How many bytes may come of one byte of a compressed archive, once they are more than 1 MiB.
// Without limit if not set: memory is mostly zeros, so that honest archives expand a thousandfold.
#define CR_LIMIT_RATIO 6

// The archive's SHA-256 is computed while it is extracted; everything is read through memory then.
#define CR_IMPORT_DIGEST 0

// A bundle that an import which failed has made stays. Otherwise it is removed; one that was there
// before stays with what was done.
#define CR_IMPORT_KEEP_FAILED 1

// A member, or a hard link's source, whose name is absolute or has a ".." fails the import (EXDEV).
// Otherwise names are clamped to the directory that is extracted into.
#define CR_IMPORT_STRICT_NAMES 2

// An archive without an end marker fails the import (EBADMSG), at its end. Otherwise one that is cut
// off right after a member passes for a complete one, as tar has it.
#define CR_IMPORT_END_MARKER 3

// "./" in a rootfs diff, a volume or /dev/shm gives the directory that is extracted into its owner,
// mode, times and extended attributes. Otherwise that directory keeps its own: it may be a mount
// point of the engine's.
#define CR_IMPORT_ROOT_ATTRIBUTES 4

// Names that begin with ".wh." in a rootfs diff say what is to be removed, as in the layers of OCI
// images, which is what containerd writes. Otherwise they are files like any other.
#define CR_IMPORT_OCI_WHITEOUTS 5

// Everything belongs to the caller. Setuid and setgid bits and file capabilities aren't set then:
// they would lend the caller's rights to the container's programs.
#define CR_IMPORT_IGNORE_OWNERSHIP 6

// Device nodes are refused (EPERM) everywhere. Otherwise they are in a bundle alone.
#define CR_IMPORT_NO_DEVICES 7

// Names at the top of the archive that neither podman nor CRI-O nor containerd writes are refused
// (EPERM). Otherwise any name may be there.
#define CR_IMPORT_KNOWN_NAMES 8

// A regular file.
#define CR_MEMBER_REGULAR 0

// A directory.
#define CR_MEMBER_DIRECTORY 1

// A symbolic link.
#define CR_MEMBER_SYMLINK 2

// A further name of an earlier member.
#define CR_MEMBER_HARD_LINK 3

// A character device.
#define CR_MEMBER_CHAR_DEVICE 4

// A block device.
#define CR_MEMBER_BLOCK_DEVICE 5

// A named pipe.
#define CR_MEMBER_FIFO 6

// None of the others.
#define CR_CLASS_OTHER 0

// What describes the container: config.dump, spec.dump, network.status and their like.
#define CR_CLASS_CONFIGURATION 1

// Memory of processes.
#define CR_CLASS_MEMORY_PAGES 2

// Memory of graphics cards.
#define CR_CLASS_GPU_PAGES 3

// What else CRIU writes.
#define CR_CLASS_CRIU_IMAGE 4

// The changes of the root file system: rootfs-diff.tar and deleted.files.
#define CR_CLASS_ROOTFS_DIFF 5

// Named volumes.
#define CR_CLASS_VOLUME 6

// The container's own /dev/shm.
#define CR_CLASS_SHM 7

// Logs.
#define CR_CLASS_LOG 8

// Nothing tells which engine made the checkpoint.
#define CR_ENGINE_UNKNOWN 0

// podman.
#define CR_ENGINE_PODMAN 1

// CRI-O.
#define CR_ENGINE_CRIO 2

// containerd.
#define CR_ENGINE_CONTAINERD 3

// config.dump: what the engine wrote about the container.
#define CR_DOCUMENT_CONFIG 1

// spec.dump: the container's OCI runtime specification.
#define CR_DOCUMENT_SPEC 2

// network.status: the container's networks (podman).
#define CR_DOCUMENT_NETWORK_STATUS 3

// bind.mounts: what was mounted from the host (CRI-O).
#define CR_DOCUMENT_BIND_MOUNTS 4

// pod.options: the containers of a pod's checkpoint.
#define CR_DOCUMENT_POD_OPTIONS 5

// pod.dump: a pod's configuration.
#define CR_DOCUMENT_POD_DUMP 6

// status: how the container was doing (containerd).
#define CR_DOCUMENT_STATUS 7

// status.dump: the same as the engine told its clients (containerd).
#define CR_DOCUMENT_STATUS_DUMP 8

// The container's ID.
#define CR_TEXT_ID 1

// The container's name as its engine has it.
#define CR_TEXT_NAME 2

// The OCI runtime that made the checkpoint, a name or a path. It comes from the archive: see
// CR_TEXT_RUNTIME_NAME.
#define CR_TEXT_RUNTIME 3

// The same if it is fit to be looked up among runtimes that are known: it has no slash, no control
// character, and no dash at its beginning.
#define CR_TEXT_RUNTIME_NAME 4

// The image that the root file system comes from, by the name that a person knows.
#define CR_TEXT_IMAGE_NAME 5

// The same image, by an ID or a name with a digest.
#define CR_TEXT_IMAGE_REF 6

// When the container was created, as RFC 3339 has it; so with the two that follow.
#define CR_TEXT_CREATED 7

// When the checkpoint was made.
#define CR_TEXT_CHECKPOINTED 8

// When the container was last restored.
#define CR_TEXT_RESTORED 9

// The container's name within its pod.
#define CR_TEXT_CONTAINER_NAME 10

// The ID of the pod, or of its sandbox.
#define CR_TEXT_POD_ID 11

// The name of the pod.
#define CR_TEXT_POD_NAME 12

// The namespace of the pod.
#define CR_TEXT_POD_NAMESPACE 13

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

// A checkpoint that is going to be an archive.
typedef struct CRExport CRExport;

// How an export writes its archive. Without changes: compressed with zstd on all cores, with no
// digest, not synced; what has no time of its own is from the epoch.
typedef struct CRExportOptions CRExportOptions;

// An archive that is open for import.
typedef struct CRImport CRImport;

// What an import heeds. Without changes it does what the functions do that take no options.
typedef struct CRImportOptions CRImportOptions;

// The members of an archive, in the archive's order.
typedef struct CRMemberList CRMemberList;

// What a checkpoint says of its container. It comes from the archive: nothing but its form is
// checked.
typedef struct CRMetadata CRMetadata;

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

// A named volume and the directory that its content goes to.
typedef struct CRVolume {
    // The volume's name: volumes/NAME.tar in the archive.
    const char *name;
    // A directory that is there.
    const char *directory;
} CRVolume;

// Consecutive ids: container, container + 1, ... are host, host + 1, ... outside.
typedef struct CRIdRange {
    // The first id in the container.
    uint32_t container;
    // The first id outside, as the calling process sees it.
    uint32_t host;
    // How many there are.
    uint32_t size;
} CRIdRange;

// A member of an archive. Later versions may add fields at the end; CRMemberListAt answers one.
typedef struct CRMember {
    // Its name as it stands in the archive: any bytes, not cleaned. It belongs to the list.
    const char *name;
    // One of CR_MEMBER_*; more may follow.
    uint32_t kind;
    // One of CR_CLASS_*; more may follow.
    uint32_t member_class;
    // The size of a regular file in bytes, holes included; otherwise 0.
    uint64_t size;
    // How many bytes of data the archive holds of it.
    uint64_t stored;
    // Where its first header begins in the tar stream, in bytes.
    uint64_t offset;
} CRMember;

// What was mounted into a container from the host (CRI-O). The strings belong to the caller, who
// frees each with CRStringFree.
typedef struct CRBindMount {
    // What was mounted, a path on the host.
    char *source;
    // Where it was mounted, as the container sees it.
    char *destination;
    // "directory" or "file".
    char *file_type;
    // The source's permission bits.
    uint32_t permissions;
} CRBindMount;

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

// CRChangesDirectories with descriptors of the directories, which stay the caller's. They may have
// been opened with O_PATH.
//
// old_directory: -1 if nothing was there, so that everything is new.
int CRChangesDirectoriesAt(int new_directory,
                           int old_directory,
                           const struct CRChangesOptions *options,
                           struct CRChangeList **list,
                           struct CRError **error);

// CRChangesOverlay with descriptors of the directories, which stay the caller's. They may have been
// opened with O_PATH.
int CRChangesOverlayAt(const int *lower_directories,
                       size_t lower_directories_len,
                       int upper_directory,
                       const struct CRChangesOptions *options,
                       struct CRChangeList **list,
                       struct CRError **error);

// CRChangesOptionsWorkDirectory with a descriptor of the directory, which stays the caller's and may be
// closed after this call. It may have been opened with O_PATH.
//
// Errors: EINVAL and EBADF for what is no descriptor, EMFILE if there is none left.
int CRChangesOptionsWorkDirectoryAt(struct CRChangesOptions *options,
                                    int work_directory,
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
// After a failure, what was extracted before it stays, but nothing of a file that is incomplete.
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
// After a failure, what was extracted before it stays, but nothing of a file that is incomplete.
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

// CRImportCheckpointWithoutConfig with a descriptor of the destination, which stays the caller's. It
// may have been opened with O_PATH.
int CRImportCheckpointWithoutConfigAt(int destination,
                                      const char *input,
                                      struct CRError **error);

// CRImportCheckpointConfigOnly with a descriptor of the destination, which stays the caller's. It may
// have been opened with O_PATH.
int CRImportCheckpointConfigOnlyAt(int destination,
                                   const char *input,
                                   struct CRError **error);

// CRCreateRootFsDiffTar with descriptors of the directories, which stay the caller's. They may have
// been opened with O_PATH.
int CRCreateRootFsDiffTarAt(const struct CRChange *changes,
                            size_t changes_len,
                            int mount_point,
                            int destination,
                            char ***include_files,
                            struct CRError **error);

// CRApplyRootFsDiffTar with descriptors of the directories, which stay the caller's. They may have
// been opened with O_PATH.
int CRApplyRootFsDiffTarAt(int base_directory,
                           int container_root_directory,
                           struct CRError **error);

// CRRemoveDeletedFiles with descriptors of the directories, which stay the caller's. They may have
// been opened with O_PATH.
int CRRemoveDeletedFilesAt(const char *id,
                           int base_directory,
                           int container_root_directory,
                           struct CRError **error);

// CRCreateFileWithLabel with a descriptor of the directory, which stays the caller's. It may have been
// opened with O_PATH.
int CRCreateFileWithLabelAt(int directory,
                            const char *file_name,
                            const char *file_label,
                            struct CRError **error);

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

// Makes an export without members, which the caller frees with CRExportFree. One thread at a time
// uses it.
//
// Members are in the archive in the order in which they were added. Directories and files are opened
// when they are added, and read when the archive is written, which may be done several times. Names
// of members are relative, without "." and "..", and at most 4095 bytes long; each is there once: the
// same again is EINVAL, and so is config.json, whose hooks a runtime would run.
struct CRExport *CRExportNew(void);

// Frees an export. What it has written stays.
void CRExportFree(struct CRExport *checkpoint);

// Writes the archive into a file, in place of a regular file or a symbolic link that is there. It has
// mode 0600 from its beginning, and appears when it is whole; until then, and after a failure, what
// was there before is untouched.
//
// options: NULL for none. watch: NULL for none.
//
// All members that have to be there are looked for before anything is written. A file of the bundle
// that vanishes before it is looked at is left out; one that grows while it is read gives the bytes
// it had.
//
// Errors: ENOENT for a required member that isn't there; EOPNOTSUPP for one that is a socket; EPERM
// and EXDEV for what no import would take, such as devices in a bundle; ESTALE for a file that got
// shorter while it was read, or that changed in an archive within the archive after it was measured;
// EISDIR for a directory in the file's place, EINVAL for a fifo, a socket or a device there; E2BIG
// for names, extended attributes and configuration above their limits; ECANCELED; and those of the
// system calls.
int CRExportToFile(struct CRExport *checkpoint,
                   const char *path,
                   const struct CRExportOptions *options,
                   const struct CRWatch *watch,
                   struct CRError **error);

// CRExportToFile with a descriptor of the directory, which stays the caller's, and the file's name
// in it. The directory may have been opened with O_PATH.
//
// name: one component, without "/".
int CRExportToFileAt(struct CRExport *checkpoint,
                     int directory,
                     const char *name,
                     const struct CRExportOptions *options,
                     const struct CRWatch *watch,
                     struct CRError **error);

// Writes the archive to a descriptor: a pipe, a socket, or a regular file from its offset on, where
// what is behind the archive stays. The descriptor stays the caller's, and isn't synced; the offset of
// a file is behind the archive then. After a failure some of the archive has been written.
//
// options: NULL for none. watch: NULL for none.
//
// Errors: as for CRExportToFile; EPIPE if the reader goes away, without a signal.
int CRExportToDescriptor(struct CRExport *checkpoint,
                         int output,
                         const struct CRExportOptions *options,
                         const struct CRWatch *watch,
                         struct CRError **error);

// Answers how many bytes the archive has that was written last. 0 if none was, or if that failed.
uint64_t CRExportBytes(const struct CRExport *checkpoint);

// Answers how many members the archive has that was written last, those of archives within it not
// counted. 0 if none was, or if that failed.
uint64_t CRExportMembers(const struct CRExport *checkpoint);

// Answers the SHA-256 of the archive that was written last as 64 hexadecimal digits. NULL if the
// options didn't ask for it, if none was written, or if that failed. It lives as long as the export,
// up to the next archive.
const char *CRExportDigest(const struct CRExport *checkpoint);

// Tells which optional members weren't there when the last archive was written.
//
// names: receives a NULL-terminated array of their names, in the order of the export, which the
// caller frees with CRStringArrayFree. It may be empty, and is never NULL.
//
// Errors: EINVAL if no archive was written, or if that failed.
int CRExportMissing(const struct CRExport *checkpoint, char ***names, struct CRError **error);

// Adds a file or directory of a bundle; a directory with everything below it that is on the same
// mount.
//
// bundle: a directory.
//
// name: what it is called in the bundle and in the archive. Symbolic links above its last component
// are followed, and don't lead out of the bundle.
//
// presence: CR_PRESENCE_REQUIRED or CR_PRESENCE_OPTIONAL.
//
// Sockets are left out, and the watch is told. What else has no place in a bundle fails the export
// before anything is written: devices, fifos, and symbolic links but for the "parent" that CRIU makes.
//
// Errors: ENOENT or ENOTDIR for a bundle that is no directory; EINVAL and E2BIG for the name.
int CRExportAddMember(struct CRExport *checkpoint,
                      const char *bundle,
                      const char *name,
                      uint32_t presence,
                      struct CRError **error);

// CRExportAddMember with a descriptor of the bundle, which stays the caller's. It may have been opened
// with O_PATH.
int CRExportAddMemberAt(struct CRExport *checkpoint,
                        int bundle,
                        const char *name,
                        uint32_t presence,
                        struct CRError **error);

// Adds all members that an engine has in its bundle, in the engine's order. config.dump, spec.dump and
// checkpoint are required (of podman's checkpoint and pre-checkpoint one of them), all others are
// optional. A name that is added by itself, before or afterwards, is left out here.
//
// bundle: a directory.
//
// layout: CR_LAYOUT_PODMAN or CR_LAYOUT_CRIO.
//
// Errors: ENOENT or ENOTDIR for what is no directory; EINVAL for a second bundle.
int CRExportAddBundle(struct CRExport *checkpoint,
                      const char *bundle,
                      uint32_t layout,
                      struct CRError **error);

// CRExportAddBundle with a descriptor of the bundle, which stays the caller's. It may have been opened
// with O_PATH.
int CRExportAddBundleAt(struct CRExport *checkpoint,
                        int bundle,
                        uint32_t layout,
                        struct CRError **error);

// Adds a file of these bytes, which are copied, with mode 0600 and owner 0:0; CRExportOptionsTime sets
// its time.
//
// bytes: bytes_len bytes; it may be NULL if bytes_len is 0.
//
// Errors: EINVAL and E2BIG for the name.
int CRExportAddBytes(struct CRExport *checkpoint,
                     const char *name,
                     const void *bytes,
                     size_t bytes_len,
                     struct CRError **error);

// Adds a regular file under another name, with its own attributes.
//
// Errors: EINVAL and E2BIG for the name, EINVAL for what isn't a regular file, ENOENT for a file that
// is missing, and those of the system calls.
int CRExportAddFile(struct CRExport *checkpoint,
                    const char *name,
                    const char *path,
                    struct CRError **error);

// CRExportAddFile with a descriptor of the file, which stays the caller's with its offset: the whole
// file is meant, wherever that is.
int CRExportAddFileDescriptor(struct CRExport *checkpoint,
                              const char *name,
                              int file,
                              struct CRError **error);

// Adds a directory as an archive within the archive, such as volumes/NAME.tar: the directory itself
// (as "./") and everything below it that is on the same mount, of any type but sockets. The archive
// within has mode 0600 and owner 0:0.
//
// name: its name in the archive.
//
// Errors: EINVAL and E2BIG for the name; ENOENT or ENOTDIR for what is no directory.
int CRExportAddDirectoryTar(struct CRExport *checkpoint,
                            const char *name,
                            const char *directory,
                            struct CRError **error);

// CRExportAddDirectoryTar with a descriptor of the directory, which stays the caller's. It may have
// been opened with O_PATH.
int CRExportAddDirectoryTarAt(struct CRExport *checkpoint,
                              const char *name,
                              int directory,
                              struct CRError **error);

// Adds the changes of a container's root file system: rootfs-diff.tar and deleted.files, each only if
// there is anything to put into it. What is said of CRCreateRootFsDiffTar holds for both; neither is
// on the disk before the archive is.
//
// changes: an array of changes_len changes, which are copied; it may be NULL if changes_len is 0.
//
// mount_point: where the container's root file system is mounted.
//
// Errors: EINVAL for a second diff, for a change of an unknown kind, with flags, or without a path,
// and for deleting the root; E2BIG for a path above 4095 bytes; ENOENT or ENOTDIR for what is no
// directory.
int CRExportAddRootFsDiff(struct CRExport *checkpoint,
                          const struct CRChange *changes,
                          size_t changes_len,
                          const char *mount_point,
                          struct CRError **error);

// CRExportAddRootFsDiff with a descriptor of the mount point, which stays the caller's. It may have
// been opened with O_PATH.
int CRExportAddRootFsDiffAt(struct CRExport *checkpoint,
                            const struct CRChange *changes,
                            size_t changes_len,
                            int mount_point,
                            struct CRError **error);

// Adds the changes that the upper directory of an overlay makes to the lower ones, as CRChangesOverlay
// finds them now and CRExportAddRootFsDiff adds them.
//
// lower_directories, lower_directories_len, upper_directory, options: as for CRChangesOverlay.
//
// mount_point: where the overlay is mounted.
//
// Errors: those of CRChangesOverlay and of CRExportAddRootFsDiff.
int CRExportAddRootFsDiffFromOverlay(struct CRExport *checkpoint,
                                     const char *const *lower_directories,
                                     size_t lower_directories_len,
                                     const char *upper_directory,
                                     const struct CRChangesOptions *options,
                                     const char *mount_point,
                                     struct CRError **error);

// CRExportAddRootFsDiffFromOverlay with descriptors of the directories, which stay the caller's. They
// may have been opened with O_PATH.
int CRExportAddRootFsDiffFromOverlayAt(struct CRExport *checkpoint,
                                       const int *lower_directories,
                                       size_t lower_directories_len,
                                       int upper_directory,
                                       const struct CRChangesOptions *options,
                                       int mount_point,
                                       struct CRError **error);

// Makes options that change nothing yet, which the caller frees with CRExportOptionsFree.
struct CRExportOptions *CRExportOptionsNew(void);

// Frees options.
void CRExportOptionsFree(struct CRExportOptions *options);

// Says how the archive is compressed. The same content becomes the same bytes, on any number of
// cores.
//
// kind: one of CR_COMPRESSION_*; without options CR_COMPRESSION_ZSTD.
//
// level: one of the kind's levels, or 0 for its default.
//
// Errors: EINVAL alone; a level that the kind doesn't have is EINVAL when the archive is written.
int CRExportOptionsCompression(struct CRExportOptions *options,
                               uint32_t kind,
                               int32_t level,
                               struct CRError **error);

// Says whether the archive's SHA-256 is computed while it is written; CRExportDigest answers it. An
// archive that isn't compressed goes through memory then, where the kernel would copy it otherwise;
// what a file system clones all the same is read once for it.
//
// yes: 0 (as without options) or 1.
//
// Errors: EINVAL alone.
int CRExportOptionsDigest(struct CRExportOptions *options, uint32_t yes, struct CRError **error);

// Says whether the archive is on the disk, and has its name there, before CRExportToFile returns. A
// descriptor is never synced.
//
// yes: 0 (as without options) or 1.
//
// Errors: EINVAL alone.
int CRExportOptionsSync(struct CRExportOptions *options, uint32_t yes, struct CRError **error);

// Says how many threads compress.
//
// workers: 0 (as without options) for as many as the process may use cores.
//
// Errors: EINVAL alone.
int CRExportOptionsWorkers(struct CRExportOptions *options, size_t workers, struct CRError **error);

// Sets the modification time of members that the export makes itself: those of bytes, and archives
// within the archive.
//
// seconds: counted from the epoch; 0 without options.
//
// Errors: EINVAL alone.
int CRExportOptionsTime(struct CRExportOptions *options, int64_t seconds, struct CRError **error);

// Names the directory for unnamed files with the headers of archives within the archive, some 100
// bytes and the name for each object of the largest of them. Without it that is the directory of the
// file that is written; for a descriptor the one that TMPDIR names, or else /var/tmp.
//
// Errors: EINVAL alone; the directory is opened when an archive is written.
int CRExportOptionsSpoolDirectory(struct CRExportOptions *options,
                                  const char *directory,
                                  struct CRError **error);

// CRExportOptionsSpoolDirectory with a descriptor of the directory, which stays the caller's. It may
// have been opened with O_PATH.
//
// Errors: EINVAL and EBADF for what is no descriptor, EMFILE if there is none left.
int CRExportOptionsSpoolDirectoryAt(struct CRExportOptions *options,
                                    int directory,
                                    struct CRError **error);

// Opens a checkpoint archive for import. It may be plain or compressed with gzip, bzip2, xz or zstd.
//
// input: the path of the archive.
//
// options: NULL for none. watch: NULL for none; it holds for all that is done with the import.
//
// import: receives the import, which the caller frees with CRImportFree. One thread at a time uses
// it.
//
// Errors: ENOENT if the archive is missing, EISDIR for a directory; the system calls' own.
int CRImportOpen(const char *input,
                 const struct CRImportOptions *options,
                 const struct CRWatch *watch,
                 struct CRImport **import,
                 struct CRError **error);

// Opens a checkpoint archive that comes out of a descriptor. A regular file is read from its
// beginning, and the descriptor's offset stays as it is; a pipe or a socket is read from where it
// is, once, and nobody else should read from it while the import lives. The descriptor stays the
// caller's, who may close it after this call.
//
// Errors: EISDIR for a directory, EBADF for a descriptor that can't be read from.
int CRImportOpenDescriptor(int input,
                           const struct CRImportOptions *options,
                           const struct CRWatch *watch,
                           struct CRImport **import,
                           struct CRError **error);

// Frees an import. What it has extracted stays.
void CRImportFree(struct CRImport *import);

// Tells what the archive says of the container. Reads as far as it must, which is to config.dump and
// spec.dump, and to the end if one of them is missing; documents that come later are known after
// CRImportMembers. Of a plain archive in a file only headers are read on the way.
//
// metadata: receives the metadata, which the caller frees with CRMetadataFree.
//
// Errors: EBADMSG if the archive or one of the two is malformed or there twice; EXDEV or EPERM if
// one isn't a regular file; E2BIG if it is larger than 16 MiB, and as CRImportOptionsSpoolDirectory
// says; ECANCELED.
int CRImportMetadata(struct CRImport *import,
                     struct CRMetadata **metadata,
                     struct CRError **error);

// Lists all members of the archive. Of a plain archive in a file only headers are read; anything
// else is read to its end.
//
// members: receives the list, which the caller frees with CRMemberListFree.
//
// Errors: as for CRImportMetadata; E2BIG for more than 4 million members, or 256 MiB of names.
int CRImportMembers(struct CRImport *import, struct CRMemberList **members, struct CRError **error);

// Has CRImportExtract put all members into a bundle that have no destination of their own, but for
// config.dump and spec.dump.
//
// bundle: made, with its missing parents, if it is missing, once the archive's first header is
// understood.
//
// Errors: EINVAL for a path that is missing and not absolute.
int CRImportToBundle(struct CRImport *import, const char *bundle, struct CRError **error);

// CRImportToBundle with a descriptor of the directory, which stays the caller's.
int CRImportToBundleAt(struct CRImport *import, int bundle, struct CRError **error);

// Has CRImportExtract put the members of these names into a bundle, and everything below them;
// config.dump and spec.dump may be among them. A name that isn't in the archive is ENODATA at the
// end.
//
// names: an array of names_len names; it may be NULL if names_len is 0.
//
// Errors: as for CRImportToBundle; EINVAL for a name that means the archive's root.
int CRImportToBundleOnly(struct CRImport *import,
                         const char *bundle,
                         const char *const *names,
                         size_t names_len,
                         struct CRError **error);

// CRImportToBundleOnly with a descriptor of the directory, which stays the caller's.
int CRImportToBundleOnlyAt(struct CRImport *import,
                           int bundle,
                           const char *const *names,
                           size_t names_len,
                           struct CRError **error);

// Has CRImportExtract apply rootfs-diff.tar below a container's root directory, straight from the
// archive, and remove there what deleted.files lists, after all else. Neither goes into the bundle
// then. An archive without them is no error.
//
// root: an absolute path.
//
// Errors: ENOENT or ENOTDIR for what is no directory, EINVAL for a path that isn't absolute.
int CRImportToRoot(struct CRImport *import, const char *root, struct CRError **error);

// CRImportToRoot with a descriptor of the directory, which stays the caller's.
int CRImportToRootAt(struct CRImport *import, int root, struct CRError **error);

// Has CRImportExtract extract a named volume (volumes/NAME.tar) into a directory that is there. A
// volume that isn't in the archive is ENODATA at the end. Volumes without a directory go into the
// bundle, as they are.
//
// Errors: ENOENT or ENOTDIR for what is no directory, EINVAL for a name with a slash, or one that
// has a directory already.
int CRImportToVolume(struct CRImport *import,
                     const char *name,
                     const char *directory,
                     struct CRError **error);

// CRImportToVolume with a descriptor of the directory, which stays the caller's.
int CRImportToVolumeAt(struct CRImport *import,
                       const char *name,
                       int directory,
                       struct CRError **error);

// Has CRImportExtract extract the container's own /dev/shm (devshm-checkpoint.tar) into a directory
// that is there. ENODATA at the end if the archive has none.
//
// Errors: ENOENT or ENOTDIR for what is no directory.
int CRImportToShm(struct CRImport *import, const char *directory, struct CRError **error);

// CRImportToShm with a descriptor of the directory, which stays the caller's.
int CRImportToShmAt(struct CRImport *import, int directory, struct CRError **error);

// Extracts everything that has a destination, in one pass over the archive, and then removes what
// the container had deleted. Goes on where looking at the archive stopped, if what it saw is still
// there: a pipe is read once.
//
// Errors: for the bundle, EPERM for config.json, devices and fifos, EXDEV for links other than those
// CRIU makes (checkpoint/parent) and hard links among the archive's own files. EBADMSG for a
// malformed archive, and for another digest than expected; ENODATA for what was asked for and isn't
// there; E2BIG for a limit; ECANCELED; ESPIPE for a pipe that was read already; and those of the
// system calls. A bundle that this call has made is removed again; in one that was there, and in all
// other directories, what was done stays, and the message says how far it came.
int CRImportExtract(struct CRImport *import,
                    struct CRError **error);

// Answers the SHA-256 of the archive as 64 hexadecimal digits, after CRImportExtract and if the
// options asked for it or expected one; otherwise NULL. It lives as long as the import, up to the
// next extraction.
const char *CRImportDigest(const struct CRImport *import);

// Restores all files of a container: the bundle without config.dump and spec.dump, the changes of
// the root file system applied and deletions made, volumes and /dev/shm, in one pass over the
// archive.
//
// input: the path of the archive.
//
// bundle: made if it is missing. root: an absolute path. shm: a directory. Each of them may be NULL
// and is left out then; the members go into the bundle, as they are.
//
// volumes: an array of volumes_len volumes; it may be NULL if volumes_len is 0.
//
// options: NULL for none. watch: NULL for none.
//
// Errors: as for CRImportOpen, CRImportToVolume and CRImportExtract.
int CRImportFiles(const char *input,
                  const char *bundle,
                  const char *root,
                  const struct CRVolume *volumes,
                  size_t volumes_len,
                  const char *shm,
                  const struct CRImportOptions *options,
                  const struct CRWatch *watch,
                  struct CRError **error);

// Makes options that change nothing yet, which the caller frees with CRImportOptionsFree.
struct CRImportOptions *CRImportOptionsNew(void);

// Frees options. Imports that were opened with them keep what they need.
void CRImportOptionsFree(struct CRImportOptions *options);

// Turns one of the options on or off that are off without it.
//
// what: one of CR_IMPORT_*.
//
// yes: 0 or 1.
//
// Errors: EINVAL alone.
int CRImportOptionsSet(struct CRImportOptions *options,
                       uint32_t what,
                       uint32_t yes,
                       struct CRError **error);

// Sets a limit. Exceeding it is E2BIG, the message names the limit, and nothing is touched for the
// member that does.
//
// limit: one of CR_LIMIT_*.
//
// Errors: EINVAL alone.
int CRImportOptionsLimit(struct CRImportOptions *options,
                         uint32_t limit,
                         uint64_t value,
                         struct CRError **error);

// Names the SHA-256 that the archive has to have; otherwise the import fails with EBADMSG. An
// archive in a regular file is read for it once before anything else is done; in a pipe or a socket,
// which can be read but once, the difference is found at the end. So is that a file was written to
// after it was compared, as far as its size and time of modification tell.
//
// digest: 64 hexadecimal digits.
//
// Errors: EINVAL alone.
int CRImportOptionsExpectedDigest(struct CRImportOptions *options,
                                  const char *digest,
                                  struct CRError **error);

// Names the directory for what comes before the configuration in a pipe or a socket, if it is looked
// at and doesn't fit into 32 MiB of memory: an unnamed file there keeps it. Without one that is
// E2BIG, since no default place is sure to hold a container's memory.
//
// Errors: EINVAL alone; the directory is opened when it is needed.
int CRImportOptionsSpoolDirectory(struct CRImportOptions *options,
                                  const char *directory,
                                  struct CRError **error);

// CRImportOptionsSpoolDirectory with a descriptor of the directory, which stays the caller's.
int CRImportOptionsSpoolDirectoryAt(struct CRImportOptions *options,
                                    int directory,
                                    struct CRError **error);

// Names the types that members may have, wherever they go; others are EPERM. All if not set, but
// for what a bundle never has.
//
// types: an array of types_len numbers, CR_MEMBER_*; it may be NULL if types_len is 0.
//
// Errors: EINVAL alone.
int CRImportOptionsTypes(struct CRImportOptions *options,
                         const uint32_t *types,
                         size_t types_len,
                         struct CRError **error);

// Names what may be at the top of the archive, with everything below it; other members are EPERM.
// CR_IMPORT_KNOWN_NAMES names what engines write.
//
// names: an array of names_len strings; it may be NULL if names_len is 0.
//
// Errors: EINVAL for a name that means the archive's root.
int CRImportOptionsNames(struct CRImportOptions *options,
                         const char *const *names,
                         size_t names_len,
                         struct CRError **error);

// Says what the ids in a rootfs diff, in volumes and in /dev/shm are on the host: owners, those in
// ACLs, and the root of a namespace in capabilities. An id that isn't in the map is EOVERFLOW.
// Without ranges ids are as they are. What goes into the bundle is the engine's, and isn't mapped.
//
// uids, gids: arrays of uids_len and gids_len ranges; they may be NULL if that is 0.
//
// Errors: EINVAL for an empty range, ranges that overlap on either side or go beyond 4294967294, and
// more than 340 of them.
int CRImportOptionsMapIds(struct CRImportOptions *options,
                          const struct CRIdRange *uids,
                          size_t uids_len,
                          const struct CRIdRange *gids,
                          size_t gids_len,
                          struct CRError **error);

// Answers how many members a list has. 0 for NULL.
size_t CRMemberListLen(const struct CRMemberList *list);

// Answers a member of a list, which belongs to the list and lives as long as it does. NULL for NULL,
// and for an index that the list doesn't have.
//
// index: counts from 0.
const struct CRMember *CRMemberListAt(const struct CRMemberList *list,
                                      size_t index);

// Answers how many bytes of data the archive holds of all members of one class.
//
// member_class: one of CR_CLASS_*; 0 for others, and for NULL.
uint64_t CRMemberListBytes(const struct CRMemberList *list, uint32_t member_class);

// Frees a list and the members that belong to it.
void CRMemberListFree(struct CRMemberList *list);

// Makes metadata without any documents, which the caller frees with CRMetadataFree.
struct CRMetadata *CRMetadataNew(void);

// Frees metadata.
void CRMetadataFree(struct CRMetadata *metadata);

// Takes in a document that the caller has, such as the config.dump of a bundle, in the place of an
// earlier one of its kind. What earlier calls have answered is no longer valid then.
//
// document: one of CR_DOCUMENT_*.
//
// bytes: an array of bytes_len bytes, the document's JSON text.
//
// Errors: EBADMSG for a config.dump or spec.dump that is malformed; E2BIG above 16 MiB.
int CRMetadataAdd(struct CRMetadata *metadata,
                  uint32_t document,
                  const void *bytes,
                  size_t bytes_len,
                  struct CRError **error);

// Answers which engine made the checkpoint: one of CR_ENGINE_*; more may follow. It is a hint: who
// makes an archive can make it look like any engine's. CR_ENGINE_UNKNOWN for NULL.
uint32_t CRMetadataEngine(const struct CRMetadata *metadata);

// Answers a text, which belongs to the metadata and lives as long as it does; NULL if the checkpoint
// doesn't tell it. A runtime that is there and empty is "".
//
// which: one of CR_TEXT_*; NULL for others, and for NULL.
const char *CRMetadataText(const struct CRMetadata *metadata,
                           uint32_t which);

// Answers the bytes of a document as they came.
//
// document: one of CR_DOCUMENT_*.
//
// bytes: receives the bytes, which belong to the metadata. bytes_len: receives their number.
//
// Errors: ENODATA if the checkpoint doesn't have it, or it wasn't read yet.
int CRMetadataDocument(const struct CRMetadata *metadata,
                       uint32_t document,
                       const void **bytes,
                       size_t *bytes_len,
                       struct CRError **error);

// Answers an annotation of the container's OCI specification. Some are the engine's, some may be the
// container's user's.
//
// value: receives the value, which the caller frees with CRStringFree.
//
// Errors: ENODATA if there is none of this key; EBADMSG for a value with a NUL.
int CRMetadataAnnotation(const struct CRMetadata *metadata,
                         const char *key,
                         char **value,
                         struct CRError **error);

// Answers one of the bind mounts in bind.mounts.
//
// index: counts from 0; ENODATA ends a loop over all of them.
//
// mount: receives the mount, whose strings the caller frees.
//
// Errors: ENODATA if there is none of this index, or no bind.mounts; EBADMSG if it is malformed.
int CRMetadataBindMount(const struct CRMetadata *metadata,
                        size_t index,
                        struct CRBindMount *mount,
                        struct CRError **error);

// Answers everything as one JSON object, for a person or a script: what CRMetadataText tells, the
// engine, annotations, networks, bind mounts, the pod's containers, the status, and the whole
// config.dump and spec.dump, with keys that this library doesn't know.
//
// json: receives the text, in UTF-8, which the caller frees with CRStringFree.
//
// Errors: EINVAL alone.
int CRMetadataJson(const struct CRMetadata *metadata, char **json, struct CRError **error);

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
