/* SPDX-License-Identifier: Apache-2.0 */

#ifndef CRUTILS_H
#define CRUTILS_H

/* Generated from src/capi and cbindgen.toml by `make header`. Change it there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * @file crutils.h
 * libcrutils: imports, applies and creates container checkpoint archives.
 *
 * An engine that restores a container opens its archive with CRImportOpen, reads what it tells of the
 * container with CRImportMetadata, sets with CRImportToBundle and CRImportToRoot where the files go, and
 * extracts them with CRImportExtract. An engine that checkpoints a container makes an export with
 * CRExportNew, adds members with CRExportAddBundle and CRExportAddRootFsDiff, and writes the archive with
 * CRExportWrite. The nine functions from CRImportCheckpointWithoutConfig on do the same work step by step.
 *
 * These conventions hold for every function.
 *
 * **Results.** A function of type int returns 0 on success and a negative errno on failure. Its last
 * argument is where the error goes: on failure a new CRError is stored there, which the caller frees with
 * CRErrorFree; on success the place is left alone. What was in the place is neither read nor freed: it
 * need not be initialized, and an earlier error has to be freed before. NULL for the place means that the
 * errno is enough. Other outputs are written only on success.
 *
 *     CRError *error = NULL;
 *     if (CRApplyRootFsDiffTar(bundle, rootfs, &error) < 0) {
 *         fprintf(stderr, "%s\n", CRErrorMessage(error));
 *         CRErrorFree(error);
 *     }
 *
 * **Errors.** Each function lists its own errors by errno. EINVAL for an unusable argument, EMFILE, ENOMEM
 * and the other errors of system calls, and ENOTRECOVERABLE for a defect of the library may come from any
 * of them. The same errno may mean different things; CRErrorKind tells them apart.
 *
 * **Places.** A file or a directory of the host is named as openat(2) has it: by a descriptor of a
 * directory and a path that starts there. (AT_FDCWD, "/run/bundle") is a path; (fd, "rootfs") starts at a
 * descriptor; (fd, "") is what the descriptor itself refers to: a directory, also one that was opened with
 * O_PATH, or, where an archive is meant, a file, a pipe or a socket. AT_FDCWD is in <fcntl.h> (with
 * _POSIX_C_SOURCE 200809L). Symbolic links on the way and at the end are followed. The descriptor stays
 * the caller's, who may close it after the call. Nothing outside of the directory that is named is read,
 * made, changed or removed, whatever an archive holds, and whoever changes that directory meanwhile.
 *
 * **Ownership.** A pointer that a function returns, or stores through a pointer, belongs to the object that
 * it came from, and lives as long as that object unless the comment says otherwise. The caller owns what a
 * function whose name ends with New returns, and the few results whose comment names the function that
 * frees them. Functions that free accept NULL. Arguments stay the caller's and are not kept.
 *
 * **Strings.** They end with a NUL and are bytes, not necessarily UTF-8.
 *
 * **NULL.** A pointer argument that is NULL is EINVAL, and the message names the argument. The exceptions
 * are the place for the error, and arguments whose comment says what NULL means. Apart from NULL, pointers
 * have to be valid.
 *
 * **Numbers.** Each family of constants (CR_ERROR_*, CR_ENGINE_*, ...) begins at 1. 0 is EINVAL where a
 * number is given, and means "unknown" where one is returned. CR_CHANGE_* begins at 0: these are the
 * engines' numbers. An option that the library is too old for is EOPNOTSUPP.
 *
 * **Structures.** Those that the library hands out may grow at their end in later versions; the caller
 * allocates none of them.
 *
 * **Threads and the process.** All functions may be called from any thread, at the same time. Objects may
 * be used and freed by another thread than the one that made them; one thread at a time uses an import, an
 * export or options. The library's own threads compress, and decode what is more than a MiB; they take no
 * signals, call no function of the caller's, and are gone when the call returns. The working directory,
 * umask, root, environment and signal dispositions of the process are not touched, and no descriptor is
 * inherited by a child. Only the two functions that ask a runtime start a process. Calls that work on the
 * same directory at the same time may fail with ENOENT, EEXIST or ESTALE.
 *
 * **User namespaces.** "In a user namespace" means a process that isn't root, lacks CAP_SYS_ADMIN, doesn't
 * see all user ids, or has _CONTAINERS_ROOTLESS_UID or _CONTAINERS_USERNS_CONFIGURED in its environment,
 * as engines set them.
 *
 * **Memory.** Memory that grows with the input is asked for before it is taken: its lack is ENOMEM. What a call
 * takes whatever its input is, some 6 MiB, isn't asked for, and without it the process is aborted. A panic inside
 * the library prints to stderr and becomes ENOTRECOVERABLE.
 */

/**
 * @ingroup library
 * The version that this header belongs to as one number: major * 10000 + minor * 100 + patch.
 */
#define CRUTILS_VERSION \
    (CRUTILS_VERSION_MAJOR * 10000 + CRUTILS_VERSION_MINOR * 100 + CRUTILS_VERSION_PATCH)

/**
 * @ingroup library
 * Whether this header is of this version or of a later one. For the preprocessor.
 */
#define CRUTILS_VERSION_AT_LEAST(major, minor, patch) \
    (CRUTILS_VERSION >= (major) * 10000 + (minor) * 100 + (patch))

/*
 * Hints for compilers that take them: which pointers may not be NULL, and whose results count. Whoever
 * defines CRUTILS_NO_ATTRIBUTES before the header has neither.
 */
#if defined(__GNUC__) && !defined(CRUTILS_NO_ATTRIBUTES)
#define CRUTILS_NONNULL(positions) __attribute__((__nonnull__ positions))
#define CRUTILS_MUST_USE __attribute__((__warn_unused_result__))
#else
#define CRUTILS_NONNULL(positions)
#define CRUTILS_MUST_USE
#endif

/**
 * @defgroup objects Objects
 * What functions make and free. Their content is the library's.
 * @{
 */

/** A list of changes, sorted by the bytes of their paths, each path once. */
typedef struct CRChangeList CRChangeList;

/** How changes are found, and which are left out. */
typedef struct CRChangesOptions CRChangesOptions;

/** Why a function failed. */
typedef struct CRError CRError;

/** A checkpoint that becomes an archive. One thread at a time uses it. */
typedef struct CRExport CRExport;

/**
 * How an export writes its archive. By default it is compressed with zstd on all cores, without a digest,
 * and not synced.
 */
typedef struct CRExportOptions CRExportOptions;

/** A host on which a checkpoint may be restored, as far as it is known. */
typedef struct CRHost CRHost;

/** An image that was written or looked at. */
typedef struct CRImage CRImage;

/** The images of a layout or an oci-archive. */
typedef struct CRImageList CRImageList;

/** How an image is written. By default it has no name, goes into a layout, and isn't synced. */
typedef struct CRImageOptions CRImageOptions;

/** An archive that is open for import. One thread at a time uses it. */
typedef struct CRImport CRImport;

/** What an import heeds. By default it does what the functions without options do. */
typedef struct CRImportOptions CRImportOptions;

/** What an inspection heeds. */
typedef struct CRInspectOptions CRInspectOptions;

/** What a checkpoint holds. One thread at a time uses it. */
typedef struct CRInspection CRInspection;

/**
 * What a checkpoint tells of its container. It comes from the archive: only its form is checked.
 */
typedef struct CRMetadata CRMetadata;

/** Who is told of a work's progress and warnings, and what ends it early. */
typedef struct CRWatch CRWatch;

/** @} */

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup errors Errors
 * Why a function failed: an errno, a kind, a message, and what it is about.
 * @{
 */

/** There is no error: the answer for NULL. */
#define CR_ERROR_NONE 0

/** The operating system refused a call. The errno is the call's own. */
#define CR_ERROR_SYSTEM 1

/** An argument is unusable, and nothing was touched. EINVAL. */
#define CR_ERROR_ARGUMENT 2

/** An archive or a JSON file breaks its format, is cut short, or fails its checksum. EBADMSG. */
#define CR_ERROR_MALFORMED 3

/** An archive or a list names something outside of its root, by a path or by a link. EXDEV. */
#define CR_ERROR_ESCAPE 4

/**
 * An archive or a directory holds a type or a name that may not be there, such as a device in a
 * bundle. EPERM; ELOOP for a symbolic link.
 */
#define CR_ERROR_FORBIDDEN 5

/** A documented limit was exceeded. E2BIG. */
#define CR_ERROR_LIMIT 6

/**
 * The input is well-formed but uses something that this library, its build or this system doesn't
 * support; or an option isn't known to this version. EOPNOTSUPP.
 */
#define CR_ERROR_UNSUPPORTED 7

/** The archive lacks the member that was asked for. ENODATA. */
#define CR_ERROR_NOT_IN_ARCHIVE 8

/** The caller cancelled the work. ECANCELED. */
#define CR_ERROR_CANCELLED 9

/** The work's deadline has passed. ETIMEDOUT. */
#define CR_ERROR_DEADLINE 10

/** The library has a defect. ENOTRECOVERABLE. */
#define CR_ERROR_INTERNAL 11

/**
 * Returns the errno of an error: positive, the negative of the failed function's result. 0 for NULL.
 */
int CRErrorErrno(const struct CRError *error);

/**
 * Returns the kind of an error: one of CR_ERROR_*, CR_ERROR_NONE for NULL. Later versions may have
 * more kinds.
 */
uint32_t CRErrorKind(const struct CRError *error);

/**
 * Returns the name of a kind for logs, such as "malformed", or "none" for CR_ERROR_NONE. The string is
 * static; NULL for a number that isn't one of CR_ERROR_*.
 *
 * @param kind One of CR_ERROR_*.
 */
const char *CRErrorKindName(uint32_t kind);

/**
 * Returns the message of an error: one line of UTF-8 that reads like a path through the work, such
 * as `apply rootfs-diff.tar: entry "usr/x": mkdirat "x": ENOSPC (No space left on device)`. Bytes of
 * names that could harm a terminal or a log are escaped. The string belongs to the error. "" for
 * NULL.
 */
const char *CRErrorMessage(const struct CRError *error);

/**
 * Returns the name of the archive member, or of the listed path, that an error is about: its raw
 * bytes up to the first NUL, not escaped. The string belongs to the error. NULL if the error isn't
 * about one, and for NULL.
 */
const char *CRErrorEntry(const struct CRError *error);

/**
 * Returns the offset in the decompressed tar stream, in bytes, at which an error was found. -1 if it
 * wasn't found in one, and for NULL.
 */
int64_t CRErrorOffset(const struct CRError *error);

/** Frees an error and the strings that belong to it. */
void CRErrorFree(struct CRError *error);

/** @} */

/**
 * @defgroup places Places and strings
 * Files and directories in arrays, and the strings that the caller owns.
 * @{
 */

/** A file or a directory of the host, as openat(2) has it. */
typedef struct CRPlace {
    /** AT_FDCWD, or a descriptor that the path starts from. */
    int at;
    /** The path. With "" the descriptor itself is meant. */
    const char *path;
} CRPlace;

/** Frees a string that a function of this library gave the caller. */
void CRStringFree(char *string);

/**
 * Frees a NULL-terminated array of strings that a function of this library gave the caller, and the
 * strings.
 */
void CRStringArrayFree(char **strings);

/** @} */

/**
 * @defgroup nine The nine functions
 * The steps of an import and an export, as podman's Go package crutils has them. Those that take
 * directories exist with places, too: their names end with At.
 * @{
 */

/** The object was there before, and its content, metadata or type differs now. */
#define CR_CHANGE_MODIFY 0

/** The object is new. */
#define CR_CHANGE_ADD 1

/**
 * The object is gone. A directory that was deleted and made again is deleted, and its new content
 * added.
 */
#define CR_CHANGE_DELETE 2

/**
 * A changed object of a container's root file system. The numbers of CR_CHANGE_* are those of the
 * engines, and begin at 0.
 */
typedef struct CRChange {
    /** The path as the container sees it, such as "/etc/hosts". */
    const char *path;
    /** What happened to the object: one of CR_CHANGE_*. */
    uint32_t kind;
    /** 0. Another value is EINVAL. */
    uint32_t flags;
} CRChange;

/**
 * Extracts a checkpoint archive into a bundle, except its members config.dump and spec.dump.
 *
 * Members are regular files, directories, hard links to regular files that came before them in the
 * archive, and the symbolic link "parent" in checkpoint/ or pre-checkpoint/, which leads to
 * "../NAME". Names are taken as below the destination ("/x" and "../x" are "x"), and no symbolic link
 * leads out of it. Owners, modes, times and extended attributes are restored; in a user namespace the
 * attributes that the kernel refuses are left out.
 *
 * After a failure, what was extracted before it stays, but nothing of a file that is incomplete.
 *
 * @param destination The bundle. If it is missing, it and its missing parents are made (mode 0755 less
 * the umask, owner 0:0) once the archive's first header is understood; its path has to be absolute
 * then. A bundle that exists keeps its owner, its mode, and the files that the archive doesn't replace.
 * @param input The path of the archive: a tar stream, plain or compressed with gzip, zstd, xz or bzip2.
 * An empty file is an archive without members. A pipe is waited for.
 *
 * Errors:
 * - EPERM: a member is a device or a fifo, or is named config.json.
 * - EXDEV: a member is any other link, or a file in the place of the destination itself.
 * - EBADMSG: the input is not an archive, or is damaged or cut short.
 * - EOPNOTSUPP: a member has an unknown type, or a global header says something of all members.
 * - E2BIG: a header, a map of holes or a path is longer than the limits; more than 4 million names or
 *   256 MiB of them have to be remembered; a compression window is above 128 MiB.
 * - ENOTDIR: the destination is not a directory.
 */
int CRImportCheckpointWithoutConfig(const char *destination,
                                    const char *input,
                                    struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Extracts the members config.dump and spec.dump of a checkpoint archive, and nothing else.
 *
 * Reading stops once both were found: the images behind them are neither read nor checked. It is no
 * error if one or both of them are missing.
 *
 * @param destination As for CRImportCheckpointWithoutConfig.
 * @param input As for CRImportCheckpointWithoutConfig.
 *
 * Errors:
 * - EXDEV: one of the two is a link or a directory.
 * - EPERM: one of the two is a device or a fifo.
 * - E2BIG: one of the two is larger than 16 MiB; or a header, a path or a window is beyond the limits.
 * - EBADMSG: the input is not an archive, or is damaged or cut short.
 * - EOPNOTSUPP: a member has an unknown type.
 * - ENOTDIR: the destination is not a directory.
 */
int CRImportCheckpointConfigOnly(const char *destination, const char *input, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Finds out which OCI runtime made a checkpoint archive: the value of "runtime" in its config.dump.
 *
 * Works in memory, and stops reading once config.dump was found.
 *
 * @param input The path of the archive.
 * @param runtime Receives the value, which the caller frees with CRStringFree. It is "" if the archive
 * doesn't tell. The archive chooses it, and it may be a path: check it before it is run.
 *
 * Errors:
 * - ENODATA: there is no config.dump.
 * - EBADMSG: config.dump is not JSON, or the value is not a string or holds a NUL; or the input is not
 *   an archive, or is damaged or cut short.
 * - EXDEV: config.dump is a link or a directory.
 * - EPERM: config.dump is a device or a fifo.
 * - E2BIG: config.dump is larger than 16 MiB; or a header, a path or a window is beyond the limits.
 * - EOPNOTSUPP: a member has an unknown type.
 */
int CRGetRuntimeFromArchive(const char *input, char **runtime, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Writes the changes of a container's root file system into two files in a directory: rootfs-diff.tar,
 * with what was added and modified, and deleted.files, a JSON array of the paths that are gone.
 *
 * Both files appear complete, with mode 0600. The files of an earlier call are removed first. After a
 * failure there is neither, unless the changes themselves can't be taken (EINVAL, E2BIG): then nothing
 * is touched.
 *
 * @param changes An array of changes_len changes; it may be NULL if changes_len is 0. An added directory
 * stands for everything below it, a modified one for itself alone. A path that has vanished is left
 * out; one that is listed as deleted and exists again is stored, too.
 * @param mount_point The directory where the container's root file system is mounted. Paths are looked
 * up below it, and no symbolic link leads out of it. Other file systems that are mounted below it are
 * not entered: a mount point is stored as an empty directory. Sockets are not stored, nor
 * security.selinux and the attributes that overlayfs keeps for itself.
 * @param destination An existing directory.
 * @param include_files Receives a NULL-terminated array with the names of the files that were written,
 * "rootfs-diff.tar" before "deleted.files", which the caller frees with CRStringArrayFree. It may be
 * empty, and is never NULL.
 *
 * Errors:
 * - EINVAL: a change has an unknown kind, flags, or no path; or the root itself is deleted.
 * - EXDEV: a path is below another mount.
 * - E2BIG: a path is longer than 4095 bytes.
 * - ESTALE: a file got shorter while it was read.
 */
int CRCreateRootFsDiffTar(const struct CRChange *changes,
                          size_t changes_len,
                          const char *mount_point,
                          const char *destination,
                          char ***include_files,
                          struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((3, 4, 5));

/**
 * Applies rootfs-diff.tar of a bundle to a container's root file system.
 *
 * A member replaces what has its name; a directory in the place of a directory keeps its content. Names
 * and links mean what they mean inside the container; nothing leads out of it. Owners, modes, times,
 * extended attributes and ACLs are restored, but not security.selinux and the attributes that overlayfs
 * keeps for itself. In a user namespace, devices and the attributes that the kernel refuses are left
 * out.
 *
 * After a failure, what was extracted before it stays, but nothing of a file that is incomplete.
 *
 * @param base_directory The directory that has the file, usually the bundle. It is no error if the
 * directory or the file is missing.
 * @param container_root_directory An existing directory, as an absolute path.
 *
 * Errors:
 * - EINVAL: the container's root is not an absolute path.
 * - ENOENT: the container's root is missing, and there is something to apply.
 * - EXDEV: a member other than a directory has the place of the root itself.
 * - ELOOP, EISDIR, EPERM: rootfs-diff.tar is not a regular file.
 * - EBADMSG, EOPNOTSUPP, E2BIG: as for CRImportCheckpointWithoutConfig.
 */
int CRApplyRootFsDiffTar(const char *base_directory,
                         const char *container_root_directory,
                         struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Removes the paths that deleted.files of a bundle lists from a container's root file system:
 * directories with everything below them, symbolic links themselves and not their targets.
 *
 * It is called after CRApplyRootFsDiffTar: what rootfs-diff.tar of the same bundle holds is not
 * removed, and nothing is removed through a symbolic link that it holds. A listed path that is gone
 * already is no error. Directories that something is removed from keep their times.
 *
 * After a failure, what was removed before it stays gone.
 *
 * @param id The container's name, for messages.
 * @param base_directory The directory that has the file, usually the bundle. It is no error if the
 * directory or the file is missing.
 * @param container_root_directory An existing directory, as an absolute path. What is mounted below it
 * is not entered.
 *
 * Errors before anything is removed:
 * - EBADMSG: the list is not a JSON array of strings, or rootfs-diff.tar is damaged.
 * - EXDEV: a listed path means the root itself, or is below another mount.
 * - E2BIG: the list is larger than 64 MiB.
 * - ELOOP, EISDIR, EPERM: the list is not a regular file.
 * - EINVAL: the container's root is not an absolute path.
 * - ENOENT: the container's root is missing, and there is a list.
 *
 * Errors later:
 * - EBUSY: a listed directory has a mount point in it.
 */
int CRRemoveDeletedFiles(const char *id,
                         const char *base_directory,
                         const char *container_root_directory,
                         struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Makes an empty regular file, mode 0600 less the umask, with an SELinux label. A regular file that
 * exists is emptied and keeps its mode.
 *
 * If only the label fails, the file stays.
 *
 * @param directory An existing directory.
 * @param file_name One component, without "/".
 * @param file_label The label as the kernel takes it, or "" for none. Where SELinux is not enabled it
 * has no effect.
 *
 * Errors:
 * - EINVAL: file_name is not one component.
 * - ELOOP, EISDIR, EPERM: something else than a regular file has the name. It is neither followed nor
 *   changed.
 * - EOPNOTSUPP: the library was built without SELinux, and SELinux is enabled. Nothing is made.
 * - ENOENT: the directory is missing.
 */
int CRCreateFileWithLabel(const char *directory,
                          const char *file_name,
                          const char *file_label,
                          struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Answers whether a runtime can checkpoint and restore containers: whether
 * `RUNTIME checkpoint --help` succeeds.
 *
 * The answer comes within 10 seconds; the process group of the runtime is killed then. It is false for
 * NULL, for a runtime that is missing, fails or hangs, and in a process that reaps the library's child.
 *
 * @param runtime_path The runtime, looked up in PATH if it has no "/".
 */
bool CRRuntimeSupportsCheckpointRestore(const char *runtime_path);

/**
 * Answers whether a runtime can restore containers into a pod: whether its command "restore" has the
 * option `--lsm-mount-context`, as runc, crun and youki tell it.
 *
 * @param runtime_path As for CRRuntimeSupportsCheckpointRestore, and so is what makes the answer false.
 */
bool CRRuntimeSupportsPodCheckpointRestore(const char *runtime_path);

/** Extracts as CRImportCheckpointWithoutConfig does, with places. */
int CRImportCheckpointWithoutConfigAt(int destination_at,
                                      const char *destination,
                                      int input_at,
                                      const char *input,
                                      struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 4));

/** Extracts as CRImportCheckpointConfigOnly does, with places. */
int CRImportCheckpointConfigOnlyAt(int destination_at,
                                   const char *destination,
                                   int input_at,
                                   const char *input,
                                   struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 4));

/** Writes what CRCreateRootFsDiffTar writes, with places. */
int CRCreateRootFsDiffTarAt(const struct CRChange *changes,
                            size_t changes_len,
                            int mount_point_at,
                            const char *mount_point,
                            int destination_at,
                            const char *destination,
                            char ***include_files,
                            struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((4, 6, 7));

/** Applies a diff as CRApplyRootFsDiffTar does, with places. */
int CRApplyRootFsDiffTarAt(int base_directory_at,
                           const char *base_directory,
                           int container_root_directory_at,
                           const char *container_root_directory,
                           struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 4));

/** Removes what CRRemoveDeletedFiles removes, with places. */
int CRRemoveDeletedFilesAt(const char *id,
                           int base_directory_at,
                           const char *base_directory,
                           int container_root_directory_at,
                           const char *container_root_directory,
                           struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3, 5));

/** Makes the file that CRCreateFileWithLabel makes, with a place. */
int CRCreateFileWithLabelAt(int directory_at,
                            const char *directory,
                            const char *file_name,
                            const char *file_label,
                            struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 3, 4));

/** @} */

/**
 * @defgroup import Import
 * One session for a whole restore: open, look, set destinations, extract. Each byte of the archive
 * is read once.
 * @{
 */

/**
 * Computes the archive's SHA-256 while it is extracted: 0 or 1. All bytes go through memory then.
 */
#define CR_IMPORT_DIGEST 1

/**
 * Lets CRImportToBundle extract config.dump and spec.dump too: 0 or 1. Otherwise they are left out, since
 * an engine writes its own.
 */
#define CR_IMPORT_CONFIGURATION 2

/**
 * Keeps a bundle that a failed import has made: 0 or 1. Otherwise it is removed. A bundle that existed
 * before stays in either case, with what was extracted.
 */
#define CR_IMPORT_KEEP_FAILED 3

/**
 * Refuses names that are absolute or have a component "..", sources of hard links included (EXDEV):
 * 0 or 1. Otherwise names are taken as below the directory that is extracted into.
 */
#define CR_IMPORT_STRICT_NAMES 4

/**
 * Refuses an archive without an end marker, at its end (EBADMSG): 0 or 1. Otherwise an archive
 * that is cut off right after a member counts as complete, as for tar.
 */
#define CR_IMPORT_END_MARKER 5

/**
 * Lets "./" in a rootfs diff, a volume or /dev/shm set the owner, mode, times and extended attributes of
 * the directory that is extracted into: 0 or 1. Otherwise that directory keeps its own: it may be
 * a mount point of the engine's.
 */
#define CR_IMPORT_ROOT_ATTRIBUTES 6

/**
 * Takes names in a rootfs diff that begin with ".wh." for whiteouts, as in the layers of OCI images:
 * 0 or 1. containerd writes such diffs. Otherwise they are names of files.
 */
#define CR_IMPORT_OCI_WHITEOUTS 7

/**
 * Makes everything belong to the caller: 0 or 1. Setuid and setgid bits and file capabilities are not set
 * then: they would give the caller's rights to the container's programs.
 */
#define CR_IMPORT_IGNORE_OWNERSHIP 8

/**
 * Refuses device nodes everywhere (EPERM): 0 or 1. Otherwise they are refused in a bundle alone.
 */
#define CR_IMPORT_NO_DEVICES 9

/**
 * Refuses names at the top of the archive that neither podman nor CRI-O nor containerd writes (EPERM):
 * 0 or 1. Otherwise any name may be there.
 */
#define CR_IMPORT_KNOWN_NAMES 10

/**
 * Limits the number of members that the archive may have, those of nested archives included. No limit
 * by default: an inode costs the caller no more than was asked for.
 */
#define CR_IMPORT_LIMIT_MEMBERS 11

/**
 * Limits the number of bytes that may be written for all members together, holes left out. No limit by
 * default: only the caller knows how large a container's memory is.
 */
#define CR_IMPORT_LIMIT_TOTAL_BYTES 12

/**
 * Limits the size of one file in bytes, holes included. No limit by default: holes cost nothing here.
 */
#define CR_IMPORT_LIMIT_MEMBER_BYTES 13

/**
 * Limits the length of a path in bytes. 4095 by default, the kernel's limit; a larger value has no effect.
 */
#define CR_IMPORT_LIMIT_PATH_BYTES 14

/**
 * Limits the number of components of a path. 2048 by default, as many as fit into 4095 bytes. Programs
 * that walk trees by recursion may fail at fewer.
 */
#define CR_IMPORT_LIMIT_DEPTH 15

/**
 * Limits the number of bytes that the names and values of a member's extended attributes may have
 * together. 1 MiB by default, as much as a header holds; a larger value has no effect.
 */
#define CR_IMPORT_LIMIT_XATTR_BYTES 16

/**
 * Limits the number of bytes that may come of one byte of a compressed archive, once they are more than
 * 1 MiB. No limit by default: memory is mostly zeros, so that honest archives expand a thousandfold.
 */
#define CR_IMPORT_LIMIT_RATIO 17

/** Syncs the file systems that the import wrote to before CRImportExtract returns: 0 or 1. */
#define CR_IMPORT_SYNC 18

/**
 * Sets what becomes of an extended attribute that can't be set: one of CR_XATTRS_*,
 * CR_XATTRS_SKIP_UNSUPPORTED by default.
 */
#define CR_IMPORT_XATTRS 19

/**
 * Lets a rootfs diff set the extended attributes in which overlays keep their state: 0 or 1. Otherwise they
 * are left out with a warning: below an overlay's upper directory they would change what the overlay shows.
 * In volumes and /dev/shm they are data, and are always set.
 */
#define CR_IMPORT_OVERLAY_XATTRS 20

/**
 * Lets members go into what is mounted below the directories that are extracted into: 0 or 1. Otherwise that
 * is EXDEV: a bind mount leads to a directory of the host. Nothing is removed there in either case.
 */
#define CR_IMPORT_CROSS_MOUNTS 21

/**
 * Refuses a bundle in which a restore would miss something (ENODATA): 0 or 1. That is CRIU's images without
 * inventory.img, and a link "parent" that leads nowhere. Otherwise that is a warning.
 */
#define CR_IMPORT_REQUIRE_COMPLETE 22

/**
 * Gives files and directories modes that their owner can work with, as chmod u+rwX: 0 or 1. Some engines write
 * directories that nobody but root can enter.
 */
#define CR_IMPORT_USABLE_MODES 23

/**
 * An attribute that nobody can have there is left out with a warning: the file system or the type of the
 * object has none, or the kernel refuses it in a user namespace. Any other failure fails the import.
 */
#define CR_XATTRS_SKIP_UNSUPPORTED 1

/**
 * An attribute is left out with a warning for any reason, also if it is malformed or too large, or if the
 * caller lacks the privilege.
 */
#define CR_XATTRS_SKIP_ALL 2

/** An attribute that can't be set fails the import. */
#define CR_XATTRS_FAIL 3

/** A regular file. */
#define CR_MEMBER_REGULAR 1

/** A directory. */
#define CR_MEMBER_DIRECTORY 2

/** A symbolic link. */
#define CR_MEMBER_SYMLINK 3

/** A further name of an earlier member. */
#define CR_MEMBER_HARD_LINK 4

/** A character device. */
#define CR_MEMBER_CHAR_DEVICE 5

/** A block device. */
#define CR_MEMBER_BLOCK_DEVICE 6

/** A named pipe. */
#define CR_MEMBER_FIFO 7

/** None of the other classes. */
#define CR_CLASS_OTHER 1

/** A document about the container: config.dump, spec.dump, network.status and their like. */
#define CR_CLASS_CONFIGURATION 2

/** Memory of processes. */
#define CR_CLASS_MEMORY_PAGES 3

/** Memory of graphics cards. */
#define CR_CLASS_GPU_PAGES 4

/** Another file that CRIU writes. */
#define CR_CLASS_CRIU_IMAGE 5

/** The changes of the root file system: rootfs-diff.tar and deleted.files. */
#define CR_CLASS_ROOTFS_DIFF 6

/** A named volume. */
#define CR_CLASS_VOLUME 7

/** The container's own /dev/shm. */
#define CR_CLASS_SHM 8

/** A log. */
#define CR_CLASS_LOG 9

/** A range of consecutive ids: container, container + 1, ... are host, host + 1, ... outside. */
typedef struct CRIdRange {
    /** The first id in the container. */
    uint32_t container;
    /** The first id outside, as the calling process sees it. */
    uint32_t host;
    /** How many ids there are. */
    uint32_t size;
} CRIdRange;

/** A member of an archive. Later versions may add fields at the end. */
typedef struct CRMember {
    /** Its name as it stands in the archive: any bytes, not cleaned. */
    const char *name;
    /** One of CR_MEMBER_*. Later versions may have more. */
    uint32_t kind;
    /** One of CR_CLASS_*. Later versions may have more. */
    uint32_t member_class;
    /** The size of a regular file in bytes, holes included; otherwise 0. */
    uint64_t size;
    /** How many bytes of data the archive holds for it. */
    uint64_t stored;
    /** Where its first header begins in the tar stream, in bytes. */
    uint64_t offset;
} CRMember;

/** What an extraction has done. Later versions may add fields at the end. */
typedef struct CRImported {
    /** How many members of the archive were read. */
    uint64_t members;
    /** How many bytes of the archive were read, as they are stored. */
    uint64_t bytes;
    /**
     * The archive's SHA-256 as 64 hexadecimal digits; NULL if the options neither asked for it nor
     * expected one.
     */
    const char *digest;
    /** 1 if a rootfs diff was applied, otherwise 0. */
    uint32_t applied_rootfs_diff;
    /** 0. */
    uint32_t flags;
} CRImported;

/** A dump of a chain: the name of its directory in the bundle, and its archive. */
typedef struct CRDump {
    /** The name of the dump's directory: one component. */
    const char *name;
    /** The dump's archive. */
    struct CRPlace archive;
} CRDump;

/** Makes options with the defaults. The caller frees them with CRImportOptionsFree. */
struct CRImportOptions *CRImportOptionsNew(void);

/** Frees options. Imports that were opened with them are not affected. */
void CRImportOptionsFree(struct CRImportOptions *options);

/**
 * Sets an option of an import. When a limit is exceeded, the import fails with E2BIG, the message names
 * the limit, and nothing is touched for the member that exceeds it.
 *
 * @param option One of CR_IMPORT_*.
 * @param value The value, as the option's comment says.
 *
 * Errors:
 * - EINVAL: the option is 0, or doesn't take this value.
 * - EOPNOTSUPP: this version of the library doesn't know the option.
 */
int CRImportOptionsSet(struct CRImportOptions *options,
                       uint32_t option,
                       uint64_t value,
                       struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets the SHA-256 that the archive must have; another digest fails the import with EBADMSG.
 *
 * An archive in a regular file is read for it once before anything else is done. In a pipe or a socket,
 * which can be read only once, a difference is found at the end. A file that is written to after the
 * comparison fails the import, too, as far as its size and modification time tell.
 *
 * @param digest 64 hexadecimal digits.
 *
 * Errors:
 * - EINVAL: the digest is not of this form.
 */
int CRImportOptionsExpectedDigest(struct CRImportOptions *options,
                                  const char *digest,
                                  struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Sets the directory for what precedes the configuration in a pipe or a socket and has to be kept, if it
 * doesn't fit into 32 MiB of memory: an unnamed file there holds it. Without a directory that is E2BIG,
 * since no default directory is sure to hold a container's memory. An oci-archive that is compressed or comes through
 * a pipe is kept there, too, and is E2BIG without it.
 *
 * @param at,directory An existing directory. It is opened when it is needed.
 *
 * Errors:
 * - EMFILE: no descriptor is left.
 */
int CRImportOptionsSpoolDirectory(struct CRImportOptions *options,
                                  int at,
                                  const char *directory,
                                  struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Sets the types that members may have; other members are refused (EPERM). By default all types are
 * allowed, except what a bundle never holds.
 *
 * @param types An array of types_len numbers, each one of CR_MEMBER_*; it may be NULL if types_len is 0.
 *
 * Errors:
 * - EINVAL: a number is not one of CR_MEMBER_*.
 */
int CRImportOptionsTypes(struct CRImportOptions *options,
                         const uint32_t *types,
                         size_t types_len,
                         struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets the names that may be at the top of the archive, with everything below them; other members are
 * refused (EPERM). By default any name is allowed. CR_IMPORT_KNOWN_NAMES sets the names that engines
 * write.
 *
 * @param names An array of names_len strings; it may be NULL if names_len is 0.
 *
 * Errors:
 * - EINVAL: a name means the archive's root.
 */
int CRImportOptionsNames(struct CRImportOptions *options,
                         const char *const *names,
                         size_t names_len,
                         struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets what the ids in a rootfs diff, in volumes and in /dev/shm become on the host: owners, the ids in
 * ACLs, and the root id in file capabilities. An id that isn't in the map fails the import (EOVERFLOW).
 * Without ranges ids stay as they are. What goes into the bundle belongs to the engine, and isn't mapped.
 *
 * @param uids An array of uids_len ranges; it may be NULL if uids_len is 0.
 * @param gids An array of gids_len ranges; it may be NULL if gids_len is 0.
 *
 * Errors:
 * - EINVAL: a range is empty or goes beyond 4294967294; ranges overlap on either side; there are more
 *   than 340 of them.
 */
int CRImportOptionsMapIds(struct CRImportOptions *options,
                          const struct CRIdRange *uids,
                          size_t uids_len,
                          const struct CRIdRange *gids,
                          size_t gids_len,
                          struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Returns the name of a class for people, such as "memory pages". The string is static; NULL for a
 * number that isn't one of CR_CLASS_*.
 *
 * @param member_class One of CR_CLASS_*.
 */
const char *CRClassName(uint32_t member_class);

/**
 * Opens a checkpoint archive for import. It may be plain or compressed with gzip, bzip2, xz or zstd.
 *
 * A regular file is read from its beginning, and a descriptor's offset stays as it is. A pipe or a
 * socket is read from where it is, once, and nobody else should read from it while the import lives.
 *
 * @param at,archive The archive: a file, a pipe or a socket.
 * @param options NULL for the defaults.
 * @param watch NULL for none. It holds for all that is done with the import.
 * @param import Receives the import, which the caller frees with CRImportFree.
 *
 * Errors:
 * - ENOENT: the archive is missing.
 * - EISDIR: it is a directory.
 * - EBADF, EINVAL: the descriptor is not open, or can't be read from.
 */
int CRImportOpen(int at,
                 const char *archive,
                 const struct CRImportOptions *options,
                 const struct CRWatch *watch,
                 struct CRImport **import,
                 struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 5));

/**
 * Frees an import, with its metadata, its list of members and its result. What was extracted stays.
 */
void CRImportFree(struct CRImport *import);

/**
 * Reads what the archive tells of the container.
 *
 * The archive is read up to its config.dump and spec.dump, or to its end if one of them is missing. Later
 * documents are known after CRImportMembers. Of a plain archive in a file only headers are read on the
 * way.
 *
 * @param metadata Receives the metadata. It belongs to the import, and lives until the next call of this
 * function with it.
 *
 * Errors:
 * - EBADMSG: the archive, config.dump or spec.dump is malformed, or one of the two is there twice.
 * - EXDEV, EPERM: one of the two isn't a regular file.
 * - E2BIG: one of the two is larger than 16 MiB; or more has to be kept than
 *   CRImportOptionsSpoolDirectory says.
 */
int CRImportMetadata(struct CRImport *import,
                     const struct CRMetadata **metadata,
                     struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Lists all members of the archive, in the archive's order. Of a plain archive in a file only headers are
 * read; any other archive is read to its end.
 *
 * @param members Receives an array of pointers to the members, which is never NULL. It belongs to the
 * import, with the members, and lives until the next call of this function with it.
 * @param members_len Receives the number of members.
 *
 * Errors:
 * - As for CRImportMetadata.
 * - E2BIG: there are more than 4 million members, or 256 MiB of names.
 */
int CRImportMembers(struct CRImport *import,
                    const struct CRMember *const **members,
                    size_t *members_len,
                    struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Sets the directory into which CRImportExtract extracts every member that has no other destination,
 * except config.dump and spec.dump; with CR_IMPORT_CONFIGURATION those two as well.
 *
 * @param at,bundle The directory. If it is missing, it and its missing parents are made once the
 * archive's first header is understood; its path has to be absolute, or start at a descriptor, then.
 *
 * Errors:
 * - EINVAL: the path is missing and relative; or a bundle was set before.
 */
int CRImportToBundle(struct CRImport *import, int at, const char *bundle, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Sets the directory into which CRImportExtract extracts the members of these names and everything below
 * them; config.dump and spec.dump may be among them. A name that isn't in the archive is ENODATA at the
 * end.
 *
 * @param at,bundle As for CRImportToBundle.
 * @param names An array of names_len names; it may be NULL if names_len is 0.
 *
 * Errors:
 * - EINVAL: as for CRImportToBundle; or a name means the archive's root.
 */
int CRImportToBundleOnly(struct CRImport *import,
                         int at,
                         const char *bundle,
                         const char *const *names,
                         size_t names_len,
                         struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Sets the root directory of the container, to which CRImportExtract applies rootfs-diff.tar straight
 * from the archive, and from which it removes what deleted.files lists after all else. Neither file goes
 * into the bundle then. It is no error if the archive lacks them.
 *
 * @param at,root An existing directory: an absolute path, or one that starts at a descriptor.
 *
 * Errors:
 * - ENOENT, ENOTDIR: there is no such directory.
 * - EINVAL: the path is relative to the working directory; or a root was set before.
 */
int CRImportToRoot(struct CRImport *import, int at, const char *root, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Sets the directory into which CRImportExtract extracts a named volume (volumes/NAME.tar). A volume that
 * isn't in the archive is ENODATA at the end. Volumes without a directory go into the bundle, as they are.
 *
 * @param volume The volume's name: one component.
 * @param at,directory An existing directory.
 *
 * Errors:
 * - ENOENT, ENOTDIR: there is no such directory.
 * - EINVAL: the name has a slash; or the volume's directory was set before.
 */
int CRImportToVolume(struct CRImport *import,
                     const char *volume,
                     int at,
                     const char *directory,
                     struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 4));

/**
 * Sets the directory into which CRImportExtract extracts the container's own /dev/shm
 * (devshm-checkpoint.tar). An archive without it is ENODATA at the end.
 *
 * @param at,directory An existing directory.
 *
 * Errors:
 * - ENOENT, ENOTDIR: there is no such directory.
 * - EINVAL: a directory was set before.
 */
int CRImportToShm(struct CRImport *import, int at, const char *directory, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Extracts every member that has a destination, in one pass over the archive, and then removes what the
 * container had deleted. What CRImportMetadata and CRImportMembers have read isn't read again as long as
 * it is still kept: a pipe is read once.
 *
 * A bundle that this call has made is removed after a failure. In a bundle that existed, and in all other
 * directories, what was done stays, and the message tells how far it came.
 *
 * Errors:
 * - EPERM: the bundle would get config.json, a device or a fifo; or a rule of the options forbids a
 *   member.
 * - EXDEV: the bundle would get a link, except the "parent" that CRIU makes in checkpoint/ and
 *   pre-checkpoint/, and hard links among the archive's own files.
 * - EBADMSG: the archive is malformed, or has another digest than expected.
 * - ENODATA: a member that was named isn't there.
 * - E2BIG: a limit was exceeded.
 * - ESPIPE: a pipe was read before, and what was read isn't kept.
 * - ECANCELED, ETIMEDOUT: the watch ended the work.
 */
int CRImportExtract(struct CRImport *import, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Returns what the last extraction has done. It belongs to the import, and lives until the next
 * extraction. NULL if there was none, or if it failed, and for NULL.
 */
const struct CRImported *CRImportResult(const struct CRImport *import);

/**
 * Extracts a chain of incremental dumps, each into a directory of its own in a bundle: the archives that
 * podman and runc make with a pre-checkpoint. A dump's link "parent" may lead to "../NAME", the directory
 * of an earlier dump, so that CRIU restores from the last one. config.dump and spec.dump stay in the
 * archives.
 *
 * Directories that this call has made are removed after a failure, unless CR_IMPORT_KEEP_FAILED is set.
 *
 * @param at,bundle As for CRImportToBundle.
 * @param dumps An array of dumps_len dumps, the oldest first; it may be NULL if dumps_len is 0.
 * @param options NULL for the defaults.
 * @param watch NULL for none.
 *
 * Errors:
 * - EINVAL: a name is not one component, is there twice, or is that of a configuration file.
 * - ENODATA: a link "parent" leads nowhere.
 * - As for CRImportOpen and CRImportExtract, for each archive.
 */
int CRImportChain(int at,
                  const char *bundle,
                  const struct CRDump *dumps,
                  size_t dumps_len,
                  const struct CRImportOptions *options,
                  const struct CRWatch *watch,
                  struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2));

/** @} */

/**
 * @defgroup export Export
 * One session for a whole checkpoint: add members, write. Each byte is read once and written once.
 * @{
 */

/** Not compressed. */
#define CR_COMPRESSION_NONE 1

/** Compressed with gzip, at a level from 1 to 9; 6 by default. */
#define CR_COMPRESSION_GZIP 2

/** Compressed with zstd, at a level from 1 to 19; 3 by default. */
#define CR_COMPRESSION_ZSTD 3

/**
 * Sets the compression: one of CR_COMPRESSION_*, CR_COMPRESSION_ZSTD by default. The same content becomes
 * the same bytes, on any number of cores.
 */
#define CR_EXPORT_COMPRESSION 1

/**
 * Sets the level of the compression; 0, the default, for the compression's own. A level that the compression
 * doesn't have is EINVAL when the archive is written.
 */
#define CR_EXPORT_LEVEL 2

/**
 * Computes the archive's SHA-256 while it is written: 0 or 1. CRExportResult tells it. An archive that
 * isn't compressed goes through memory then, where the kernel would copy it otherwise; data that the file
 * system clones is still cloned, and read once for the digest.
 */
#define CR_EXPORT_DIGEST 3

/**
 * Syncs the archive and its name before CRExportWrite returns: 0 or 1. A descriptor is never
 * synced.
 */
#define CR_EXPORT_SYNC 4

/** Sets how many threads compress; 0, the default, for as many as the process may use cores. */
#define CR_EXPORT_WORKERS 5

/**
 * Sets the modification time of members that the export makes itself (bytes, and archives within the archive),
 * in seconds since the epoch; 0 by default.
 */
#define CR_EXPORT_TIME 6

/**
 * Allows directories and root file systems to be written to while they are stored: 0 or 1. What vanishes is
 * left out, what is replaced is stored as it is now, and what gets shorter is padded with zeros, each with a
 * warning. Otherwise such a change fails the export (ESTALE). The members of a bundle must not change in
 * any case.
 */
#define CR_EXPORT_LIVE 7

/**
 * Stores the extended attributes in which overlays keep their state in a rootfs diff, where the mounted
 * root file system shows any: 0 or 1. Otherwise they are left out with a warning. Directories that are
 * archives within the archive have them in any case.
 */
#define CR_EXPORT_OVERLAY_XATTRS 8

/**
 * Sets how many bytes of content a frame of zstd holds at most, from 64 KiB to 64 MiB; 0, the default, for
 * a usual size; UINT64_MAX for all content in one frame. Frames are compressed each by itself: several
 * cores decode them at the same time, and a table behind the last one tells where they are.
 */
#define CR_EXPORT_FRAME_SIZE 9

/** An export without the member fails. */
#define CR_PRESENCE_REQUIRED 1

/** CRExportResult lists the member as missing if it doesn't exist. */
#define CR_PRESENCE_OPTIONAL 2

/** What came of an export. Later versions may add fields at the end. */
typedef struct CRExported {
    /** How many bytes the archive has. */
    uint64_t bytes;
    /** How many members the archive has, those of archives within it not counted. */
    uint64_t members;
    /** The archive's SHA-256 as 64 hexadecimal digits; NULL if the options didn't ask for it. */
    const char *digest;
    /**
     * An array of the names of optional members that didn't exist, in the order of the export. Never NULL.
     */
    const char *const *missing;
    /** How many names there are. */
    size_t missing_len;
    /**
     * An array of the names of what a restore will need and the archive doesn't have, each with a warning
     * CR_WARNING_INCOMPLETE: an inventory.img, a "parent" whose dump isn't in the archive, or volumes/NAME.tar of a
     * volume that podman's config.dump names. Never NULL.
     */
    const char *const *lacking;
    /** How many of these names there are. */
    size_t lacking_len;
} CRExported;

/** Makes options with the defaults. The caller frees them with CRExportOptionsFree. */
struct CRExportOptions *CRExportOptionsNew(void);

/** Frees options. */
void CRExportOptionsFree(struct CRExportOptions *options);

/**
 * Sets an option of an export.
 *
 * @param option One of CR_EXPORT_*.
 * @param value The value, as the option's comment says.
 *
 * Errors:
 * - EINVAL: the option is 0, or doesn't take this value.
 * - EOPNOTSUPP: this version of the library doesn't know the option.
 */
int CRExportOptionsSet(struct CRExportOptions *options,
                       uint32_t option,
                       uint64_t value,
                       struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets the directory for the unnamed file that notes what archives within the archive hold, some 100
 * bytes and the name for each object of all of them. By default that is the directory of the file
 * that is written; for a descriptor the directory that TMPDIR names, or else /var/tmp.
 *
 * @param at,directory An existing directory. It is opened when an archive is written.
 *
 * Errors:
 * - EMFILE: no descriptor is left.
 */
int CRExportOptionsSpoolDirectory(struct CRExportOptions *options,
                                  int at,
                                  const char *directory,
                                  struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Leaves a path out of the archive, with everything below it: of a directory that is an archive within the
 * archive, or of a bundle's member. It may be called for any number of paths. What is left out isn't
 * looked at.
 *
 * @param member The member's name, such as "volumes/data.tar" or "checkpoint". A member that the export
 * doesn't have is EINVAL when the archive is written.
 * @param path The path below the member's directory.
 *
 * Errors:
 * - EINVAL: one of the two is empty.
 * - E2BIG: one of the two is longer than 4095 bytes.
 */
int CRExportOptionsExclude(struct CRExportOptions *options,
                           const char *member,
                           const char *path,
                           struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Adds all members that an engine has in its bundle, in the engine's order. A name that is added by
 * itself, before or afterwards, is left out here.
 *
 * | engine | members |
 * | ------ | ------- |
 * | CR_ENGINE_PODMAN | artifacts, devshm-checkpoint.tar, config.dump, spec.dump, network.status, stats-dump, ctr.log, checkpoint, pre-checkpoint, rootfs-diff.tar, deleted.files, the content of volumes |
 * | CR_ENGINE_CRIO | stats-dump, dump.log, checkpoint, config.dump, spec.dump, bind.mounts, rootfs-diff.tar, deleted.files, io.kubernetes.cri-o.LogPath |
 * | CR_ENGINE_CONTAINERD | checkpoint, config.dump, container.log, dump.log, rootfs-diff.tar, spec.dump, stats-dump, status, status.dump |
 *
 * config.dump, spec.dump and checkpoint are required (of podman's checkpoint and pre-checkpoint one of
 * them), and so is containerd's status.dump; all others are optional. An engine that has no config.dump
 * makes one with CRMetadataBuild, and adds it with CRExportAddMetadata.
 *
 * @param at,bundle The bundle's directory.
 * @param engine One of CR_ENGINE_*.
 *
 * Errors:
 * - ENOENT, ENOTDIR: there is no such directory.
 * - EINVAL: a bundle was added before; or the engine is not one of CR_ENGINE_*.
 */
int CRExportAddBundle(struct CRExport *checkpoint,
                      int at,
                      const char *bundle,
                      uint32_t engine,
                      struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Adds a file or a directory of a bundle; a directory with everything below it that is on the same mount.
 * Sockets are left out with a warning. Anything else that has no place in a bundle fails the export before
 * anything is written: devices, fifos, and symbolic links except the "parent" that CRIU makes.
 *
 * @param at,bundle The bundle's directory.
 * @param name The member's name in the bundle and in the archive. Symbolic links above its last component
 * are followed, and don't lead out of the bundle.
 * @param presence One of CR_PRESENCE_*.
 *
 * Errors:
 * - ENOENT, ENOTDIR: there is no such directory.
 * - EINVAL: the name can't be a member's, or was added before.
 * - E2BIG: the name is longer than 4095 bytes.
 */
int CRExportAddMember(struct CRExport *checkpoint,
                      int at,
                      const char *bundle,
                      const char *name,
                      uint32_t presence,
                      struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3, 4));

/**
 * Adds a file of these bytes, which are copied, with mode 0600 and owner 0:0. CR_EXPORT_TIME sets its
 * time.
 *
 * @param name The member's name.
 * @param bytes An array of bytes_len bytes; it may be NULL if bytes_len is 0.
 *
 * Errors:
 * - EINVAL: the name can't be a member's, or was added before.
 * - E2BIG: the name is longer than 4095 bytes.
 */
int CRExportAddBytes(struct CRExport *checkpoint,
                     const char *name,
                     const void *bytes,
                     size_t bytes_len,
                     struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Adds every document that metadata holds (config.dump, spec.dump and their like) as a file of its bytes.
 *
 * Errors:
 * - EINVAL: the name of a document was added before. None is added then.
 */
int CRExportAddMetadata(struct CRExport *checkpoint,
                        const struct CRMetadata *metadata,
                        struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Adds a regular file under a name of its own, with its attributes.
 *
 * @param name The member's name.
 * @param at,file The file. A descriptor keeps its offset: the whole file is meant, wherever that is.
 *
 * Errors:
 * - EINVAL: the name can't be a member's, or was added before; or the file isn't a regular file.
 * - E2BIG: the name is longer than 4095 bytes.
 * - ENOENT: the file is missing.
 */
int CRExportAddFile(struct CRExport *checkpoint,
                    const char *name,
                    int at,
                    const char *file,
                    struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 4));

/**
 * Adds a directory as an archive within the archive, such as volumes/NAME.tar: the directory itself (as
 * "./") and everything below it that is on the same mount, of any type except sockets. The archive within
 * has mode 0600 and owner 0:0.
 *
 * @param name The member's name.
 * @param at,directory The directory.
 *
 * Errors:
 * - EINVAL: the name can't be a member's, or was added before.
 * - E2BIG: the name is longer than 4095 bytes.
 * - ENOENT, ENOTDIR: there is no such directory.
 */
int CRExportAddDirectoryTar(struct CRExport *checkpoint,
                            const char *name,
                            int at,
                            const char *directory,
                            struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 4));

/**
 * Adds the changes of a container's root file system: rootfs-diff.tar and deleted.files, each only if it
 * has content. Both are what CRCreateRootFsDiffTar makes of the changes; neither is on the disk before the
 * archive is.
 *
 * @param changes An array of changes_len changes, which are copied; it may be NULL if changes_len is 0.
 * CRChangesMount, CRChangesOverlay and CRChangesDirectories find them.
 * @param at,root The directory where the container's root file system is mounted.
 *
 * Errors:
 * - EINVAL: a diff was added before; a change has an unknown kind, flags, or no path; or the root itself
 *   is deleted.
 * - E2BIG: a path is longer than 4095 bytes.
 * - ENOENT, ENOTDIR: there is no such directory.
 */
int CRExportAddRootFsDiff(struct CRExport *checkpoint,
                          const struct CRChange *changes,
                          size_t changes_len,
                          int at,
                          const char *root,
                          struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 5));

/**
 * Makes an export without members. The caller frees it with CRExportFree.
 *
 * Members are in the archive in the order in which they were added. Directories and files are opened when
 * they are added, and read when the archive is written, which may be done several times. Names of members
 * are relative, without "." and "..", and at most 4095 bytes long. Each name is there once: adding it
 * again is EINVAL, and so is adding config.json, whose hooks a runtime would run.
 */
struct CRExport *CRExportNew(void);

/** Frees an export and its result. The archives that it has written stay. */
void CRExportFree(struct CRExport *checkpoint);

/**
 * Writes the archive.
 *
 * With a path, the archive takes the place of a regular file or a symbolic link that is there. It has
 * mode 0600 from its beginning, and appears when it is complete; until then, and after a failure, what was
 * there before is untouched. With a descriptor of a pipe, a socket or a regular file, it is written from
 * where that is; after a failure, a part of it has been written.
 *
 * Required members are looked for before anything is written. A file that vanishes before it is looked at
 * is left out with a warning; one that grows while it is read is stored with the size that it had.
 *
 * @param at,archive The file to write, or (descriptor, "").
 * @param options NULL for the defaults.
 * @param watch NULL for none.
 *
 * Errors:
 * - ENOENT: a required member doesn't exist.
 * - EOPNOTSUPP: a required member is a socket.
 * - EPERM, EXDEV: a bundle holds something that no import would take, such as a device.
 * - ESTALE: a file got shorter while it was read, or an object in an archive within the archive changed
 *   after it was measured.
 * - EISDIR: the archive's place is a directory.
 * - EINVAL: the path names a fifo, a socket or a device; or a regular file that is to be stored itself is
 *   written to.
 * - E2BIG: a name, extended attributes or a document are above their limits.
 * - EPIPE: the reader of a pipe went away. There is no signal.
 * - ECANCELED, ETIMEDOUT: the watch ended the work.
 */
int CRExportWrite(struct CRExport *checkpoint,
                  int at,
                  const char *archive,
                  const struct CRExportOptions *options,
                  const struct CRWatch *watch,
                  struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Returns what came of the archive that was written last. It belongs to the export, and lives until the
 * next CRExportWrite. NULL if no archive was written, or if that failed, and for NULL.
 */
const struct CRExported *CRExportResult(const struct CRExport *checkpoint);

/** @} */

/**
 * @defgroup images Images
 * Checkpoints as OCI images: written from exports and archives, and imported.
 * @{
 */

/** An OCI image layout: a directory, which may hold several images. */
#define CR_FORM_LAYOUT 1

/** An oci-archive: a tar of a layout with one image. */
#define CR_FORM_ARCHIVE 2

/** Sets the form: one of CR_FORM_*, CR_FORM_LAYOUT by default. */
#define CR_IMAGE_FORM 1

/**
 * Sets the compression of the layer: CR_COMPRESSION_GZIP or CR_COMPRESSION_ZSTD; 0, the default, for gzip, which every
 * tool reads, unless an archive is a stream of one of the two already: it becomes the layer as it is. A choice
 * holds for such an archive, too. CR_COMPRESSION_NONE is EINVAL when the image is written: a push would compress
 * the layer and change the image's digest.
 */
#define CR_IMAGE_COMPRESSION 2

/** Sets the level of the compression; 0, the default, for the compression's own. */
#define CR_IMAGE_LEVEL 3

/** Sets how many bytes of content a frame of zstd holds at most, as CR_EXPORT_FRAME_SIZE. */
#define CR_IMAGE_FRAME_SIZE 4

/** Sets how many threads compress; 0, the default, for as many as the process may use cores. */
#define CR_IMAGE_WORKERS 5

/** Syncs the image and its names before it is done: 0 or 1. A descriptor is never synced. */
#define CR_IMAGE_SYNC 6

/**
 * Lets the link "parent" of an incremental dump into the image: 0 or 1. Otherwise it is EPERM: the dump that it leads
 * to is in another image, and containerd restores no image with a symbolic link.
 */
#define CR_IMAGE_PARENT_LINKS 7

/** A layer of an image. Later versions may add fields at the end. */
typedef struct CRImageLayer {
    /** The layer's media type. */
    const char *media_type;
    /** The SHA-256 of the layer's bytes, as they are stored, as 64 hexadecimal digits. */
    const char *digest;
    /** The SHA-256 of the layer's content; NULL for an image that containerd's ctr has made. */
    const char *diff_id;
    /** How many bytes are stored. */
    uint64_t size;
} CRImageLayer;

/**
 * What is known of an image. Its texts come from the image. Later versions may add fields at the end.
 */
typedef struct CRImageInfo {
    /**
     * The SHA-256 of the image's manifest, by which registries know it, as 64 hexadecimal digits. Of an image that
     * containerd's ctr has made, that of its index.
     */
    const char *digest;
    /** The image's name in its layout; NULL if it has none. */
    const char *name;
    /**
     * The SHA-256 of the image's config, which is its ID to engines; NULL for an image that containerd's ctr has made.
     */
    const char *config;
    /** The architecture that the image is for in Go's words, such as "amd64"; possibly empty. */
    const char *architecture;
    /** The variant of the architecture; NULL if it has none. */
    const char *variant;
    /** The operating system that the image is for: "linux". */
    const char *os;
    /** When the checkpoint was made, as RFC 3339; NULL if that isn't known. */
    const char *created;
    /** An array of the keys of the manifest's annotations, sorted. Never NULL. */
    const char *const *annotation_keys;
    /** An array of their values, in the same order. Never NULL. */
    const char *const *annotation_values;
    /** How many annotations there are. */
    size_t annotations_len;
    /** An array of pointers to the layers, from the lowest on. Never NULL. */
    const struct CRImageLayer *const *layers;
    /** How many layers there are. */
    size_t layers_len;
    /**
     * How many members the layer of an image that was written has; 0 for an image that was looked at.
     */
    uint64_t members;
    /**
     * 1 if the layer of an image that was written is the archive as it was, byte by byte; otherwise 0.
     */
    uint32_t kept;
    /** 0. */
    uint32_t flags;
} CRImageInfo;

/**
 * An image as the index of its layout lists it: nothing of the image itself was read. Its texts come from the index.
 * Later versions may add fields at the end.
 */
typedef struct CRListedImage {
    /** The image's name in its layout; NULL if it has none. */
    const char *name;
    /**
     * The digest of its manifest or index as it stands in the index: "sha256:" and 64 hexadecimal digits, which
     * CRImageOpen takes as a reference, or what else a writer has put there.
     */
    const char *digest;
    /** The media type of the manifest or index; possibly empty. */
    const char *media_type;
    /** How many bytes the manifest or index has. */
    uint64_t size;
} CRListedImage;

/** Makes options with the defaults. The caller frees them with CRImageOptionsFree. */
struct CRImageOptions *CRImageOptionsNew(void);

/** Frees options. */
void CRImageOptionsFree(struct CRImageOptions *options);

/**
 * Sets an option of an image.
 *
 * @param option One of CR_IMAGE_*.
 * @param value The value, as the option's comment says.
 *
 * Errors:
 * - EINVAL: the option is 0, or doesn't take this value.
 * - EOPNOTSUPP: this version of the library doesn't know the option.
 */
int CRImageOptionsSet(struct CRImageOptions *options,
                      uint32_t option,
                      uint64_t value,
                      struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets the image's name (org.opencontainers.image.ref.name): a tag such as "latest", or a full name such as
 * "registry.example/c/counter:1", which podman load gives the image. Another image of this name in the layout loses
 * it. An image without a name is found if it is the only one.
 *
 * @param name Letters and digits, single separators of -._:@+ between them, and slashes; at most 512 bytes.
 *
 * Errors:
 * - EINVAL: the name has another form.
 */
int CRImageOptionsName(struct CRImageOptions *options, const char *name, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Adds an annotation to the image's manifest, instead of one of the same key that the checkpoint's metadata gives.
 *
 * @param key The key, in UTF-8 and not empty.
 * @param text The value, in UTF-8.
 *
 * Errors:
 * - EINVAL: the key is empty, or one of the two is not UTF-8.
 */
int CRImageOptionsAnnotation(struct CRImageOptions *options,
                             const char *key,
                             const char *text,
                             struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Sets the architecture that the image is for. By default that is the one of CRIU's images, or this machine's.
 *
 * @param architecture The name that Go gives it, such as "amd64"; a variant follows behind a slash, as in "arm/v7".
 *
 * Errors:
 * - EINVAL: it has another form.
 */
int CRImageOptionsArchitecture(struct CRImageOptions *options,
                               const char *architecture,
                               struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Sets when the image was created. By default that is when the checkpoint was made according to config.dump, or else
 * the time of modification of that file, so that the same checkpoint becomes the same bytes.
 *
 * @param time The time as RFC 3339.
 *
 * Errors:
 * - EINVAL: it is no such time.
 */
int CRImageOptionsCreated(struct CRImageOptions *options, const char *time, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Sets the directory for the unnamed file that holds the layer while an oci-archive is written to a pipe or a socket.
 * By default that is the directory that TMPDIR names, or else /var/tmp.
 *
 * @param at,directory An existing directory. It is opened when an image is written.
 *
 * Errors:
 * - EMFILE: no descriptor is left.
 */
int CRImageOptionsSpoolDirectory(struct CRImageOptions *options,
                                 int at,
                                 const char *directory,
                                 struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/** Frees an image. What was written stays. */
void CRImageFree(struct CRImage *image);

/** Returns what is known of an image. It belongs to the image. NULL for NULL. */
const struct CRImageInfo *CRImageGetInfo(const struct CRImage *image);

/**
 * Makes an OCI image of a checkpoint archive. An archive that is a gzip or zstd stream becomes the layer as it is,
 * unless the options choose another compression; where the file system can, the layer shares the archive's blocks.
 * Anything else is compressed on the way. The archive is read once, and the layer written once.
 *
 * A layout is a directory that is made if it is missing. The image appears in its index when all of it is there; until
 * then, and after a failure, the layout has the images that it had. An oci-archive takes the place of a file, as
 * CRExportWrite has it; with a descriptor it is written from where that is, to a pipe or a socket once its layer is
 * complete.
 *
 * The manifest has the annotations by which CRI-O and containerd recognise a checkpoint, those of podman if config.dump
 * is podman's, and others that describe the container.
 *
 * @param at,archive The archive: a file, a pipe or a socket.
 * @param image_at,image The layout's directory, or the file of an oci-archive.
 * @param options NULL for the defaults.
 * @param watch NULL for none.
 * @param written Receives the image, which the caller frees with CRImageFree.
 *
 * Errors:
 * - EINVAL: the directory is neither empty nor a layout; or an option can't be heeded.
 * - EBADMSG: the archive is malformed.
 * - EPERM: the archive has what no bundle may hold, a name that begins with ".wh.", or a link "parent".
 * - EXDEV: it has another link, or a name that is absolute or has a "..".
 * - ENODATA: it has no config.dump.
 * - E2BIG: there are more than 4 MiB of annotations, or of the layout's index.
 * - ECANCELED, ETIMEDOUT: the watch ended the work.
 */
int CRImageFromArchive(int at,
                       const char *archive,
                       int image_at,
                       const char *image,
                       const struct CRImageOptions *options,
                       const struct CRWatch *watch,
                       struct CRImage **written,
                       struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 4, 7));

/**
 * Writes an export as an OCI image, whose one layer is the archive that CRExportWrite would write. Each byte is read once
 * and written once. For the rest, see CRImageFromArchive.
 *
 * @param at,image The layout's directory, or the file of an oci-archive.
 * @param image_options NULL for the defaults.
 * @param options How members are stored; NULL for the defaults. What is said there of compression, threads, digest
 * and sync doesn't count: image_options say it.
 * @param watch NULL for none.
 * @param written Receives the image, which the caller frees with CRImageFree.
 *
 * Errors:
 * - As for CRExportWrite and CRImageFromArchive.
 */
int CRExportWriteImage(const struct CRExport *checkpoint,
                       int at,
                       const char *image,
                       const struct CRImageOptions *image_options,
                       const struct CRExportOptions *options,
                       const struct CRWatch *watch,
                       struct CRImage **written,
                       struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3, 7));

/**
 * Reads what an image says of itself: its manifest and its config, whose digests are verified. Its layers aren't read.
 *
 * @param at,image A layout's directory, or an oci-archive: a file, a pipe or a socket.
 * @param reference The image's name, or "sha256:" and the digest of its manifest; NULL or "" for the only image. Of
 * an index of several platforms the image for this machine is meant.
 * @param options NULL for the defaults. CRImportOptionsSpoolDirectory says where an oci-archive is kept that is
 * compressed or comes through a pipe, and CR_IMPORT_LIMIT_RATIO how much may come of a compressed one.
 * @param watch NULL for none.
 * @param opened Receives the image, which the caller frees with CRImageFree.
 *
 * Errors:
 * - EINVAL: the reference is malformed.
 * - ENOENT: there is no such file or directory.
 * - ENODATA: there is no such image; or there are several, and no reference.
 * - EBADMSG: it is no layout; or a document is malformed, or not as its descriptor says.
 * - E2BIG: a document is larger than 4 MiB, there are more than 127 layers, or indexes are nested deeply; or an
 *   archive has to be kept, and there is no directory for it, or it expands more than is allowed.
 * - EOPNOTSUPP: a layer is encrypted; or a media type or an algorithm of digests isn't supported.
 */
int CRImageOpen(int at,
                const char *image,
                const char *reference,
                const struct CRImportOptions *options,
                const struct CRWatch *watch,
                struct CRImage **opened,
                struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 6));

/**
 * Opens the checkpoint in an OCI image for import. What the image says of itself is verified here; its layers are when
 * CRImportExtract begins, by size, digest and the digest of their content, before anything is made or changed.
 * Several layers are taken in their order, with what they remove of each other. CR_IMPORT_DIGEST and
 * CRImportOptionsExpectedDigest are about the digest of the image's manifest. The index that containerd's ctr makes is
 * read, too.
 *
 * @param at,image As for CRImageOpen.
 * @param reference As for CRImageOpen.
 * @param options NULL for the defaults.
 * @param watch NULL for none. It holds for all that is done with the import.
 * @param import Receives the import, which the caller frees with CRImportFree.
 *
 * Errors:
 * - As for CRImageOpen.
 * - EBADMSG: the image has another digest than expected.
 */
int CRImportOpenImage(int at,
                      const char *image,
                      const char *reference,
                      const struct CRImportOptions *options,
                      const struct CRWatch *watch,
                      struct CRImport **import,
                      struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 6));

/**
 * Returns what the image says of itself that an import is of. It belongs to the import. NULL for an import of an
 * archive, and for NULL.
 */
const struct CRImageInfo *CRImportImageInfo(const struct CRImport *import);

/**
 * Lists the images of a layout or an oci-archive: what its index names, in the index's order. The images themselves aren't
 * read, and an index of several platforms is one image.
 *
 * @param at,image A layout's directory, or an oci-archive: a file, a pipe or a socket.
 * @param options NULL for the defaults. CRImportOptionsSpoolDirectory says where an oci-archive is kept that is
 * compressed or comes through a pipe, and CR_IMPORT_LIMIT_RATIO how much may come of a compressed one.
 * @param watch NULL for none.
 * @param list Receives the images, which the caller frees with CRImageListFree.
 *
 * Errors:
 * - ENOENT: there is no such file or directory.
 * - EBADMSG: it is no layout, or its index is malformed.
 * - E2BIG: the index is larger than 4 MiB; or an archive has to be kept, and there is no directory for
 *   it, or it expands more than is allowed.
 * - ECANCELED, ETIMEDOUT: the watch ended the work.
 */
int CRImageListOpen(int at,
                    const char *image,
                    const struct CRImportOptions *options,
                    const struct CRWatch *watch,
                    struct CRImageList **list,
                    struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 5));

/**
 * Returns the images of a list: an array of pointers, which is never NULL for a list. It belongs to the list, and so do
 * the images. NULL for NULL.
 *
 * @param images_len Receives the number of images; 0 for NULL. It may be NULL.
 */
const struct CRListedImage *const *CRImageListImages(const struct CRImageList *list,
                                                     size_t *images_len);

/** Frees a list and the images that belong to it. */
void CRImageListFree(struct CRImageList *list);

/** @} */

/**
 * @defgroup changes Changes
 * What differs between a container's root file system and its image: the changes that
 * CRCreateRootFsDiffTar and CRExportAddRootFsDiff take.
 * @{
 */

/** CR_OVERLAY_USER in a user namespace, otherwise CR_OVERLAY_TRUSTED. */
#define CR_OVERLAY_AUTO 1

/** trusted.overlay.*: the kernel's overlay. */
#define CR_OVERLAY_TRUSTED 2

/** user.overlay.*: the kernel's overlay, mounted with userxattr. */
#define CR_OVERLAY_USER 3

/**
 * fuse-overlayfs, which uses user.fuseoverlayfs.* besides both, and files that begin with ".wh.".
 */
#define CR_OVERLAY_FUSE 4

/** Leaves out the object itself, not what is below it. */
#define CR_EXCLUDE_EXACT 1

/** Leaves out the object and everything below it, without looking there. */
#define CR_EXCLUDE_SUBTREE 2

/**
 * Lets CRChangesDirectories compare the bytes of two files whose size and modification time agree: 0 or 1.
 * Otherwise such files count as equal.
 */
#define CR_CHANGES_COMPARE_CONTENT 1

/**
 * Lets CRChangesDirectories tell modification times within the same second apart even if one of them has no
 * nanoseconds: 0 or 1. Otherwise they count as equal, since times are often kept in whole seconds.
 */
#define CR_CHANGES_EXACT_TIMES 2

/**
 * Sets the extended attributes in which the overlay keeps its state: one of CR_OVERLAY_*, CR_OVERLAY_AUTO by
 * default. It has to be the right one: a container can set the others itself.
 */
#define CR_CHANGES_OVERLAY_XATTRS 3

/** Makes options with the defaults. The caller frees them with CRChangesOptionsFree. */
struct CRChangesOptions *CRChangesOptionsNew(void);

/** Frees options. */
void CRChangesOptionsFree(struct CRChangesOptions *options);

/**
 * Sets an option of a search for changes.
 *
 * @param option One of CR_CHANGES_*.
 * @param value The value, as the option's comment says.
 *
 * Errors:
 * - EINVAL: the option is 0, or doesn't take this value.
 * - EOPNOTSUPP: this version of the library doesn't know the option.
 */
int CRChangesOptionsSet(struct CRChangesOptions *options,
                        uint32_t option,
                        uint64_t value,
                        struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets the work directory of an overlay that is mounted with an index (index=on or nfs_export=on): a
 * changed file with several names may be there alone.
 *
 * @param at,directory The directory. CRChangesOverlay opens it.
 *
 * Errors:
 * - EMFILE: no descriptor is left.
 */
int CRChangesOptionsWorkDirectory(struct CRChangesOptions *options,
                                  int at,
                                  const char *directory,
                                  struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Leaves a path out of the list. It may be called for any number of paths.
 *
 * An added directory stands for everything below it. If it holds something that is left out, it is listed
 * as modified instead, and its other content name by name.
 *
 * @param path The path as the container sees it, such as "/etc/hosts".
 * @param how One of CR_EXCLUDE_*.
 *
 * Errors:
 * - EINVAL: the path is empty; or how is not one of CR_EXCLUDE_*.
 * - E2BIG: the path is longer than 4095 bytes.
 */
int CRChangesOptionsExclude(struct CRChangesOptions *options,
                            const char *path,
                            uint32_t how,
                            struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Leaves out, each as CR_EXCLUDE_EXACT does, the paths that an engine leaves out of a rootfs diff: what it
 * mounts or writes itself when it starts a container. containerd leaves out nothing.
 *
 * @param engine One of CR_ENGINE_*, such as CRMetadataEngine returns.
 *
 * Errors:
 * - EINVAL: the engine is not one of CR_ENGINE_*.
 */
int CRChangesOptionsExcludeEngine(struct CRChangesOptions *options,
                                  uint32_t engine,
                                  struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Leaves out, each as CR_EXCLUDE_EXACT does, the destinations of a container's bind mounts.
 *
 * @param at,spec The container's OCI runtime specification, such as config.json of a bundle or spec.dump
 * of a checkpoint: a regular file, which is not followed if it is a symbolic link.
 *
 * Errors:
 * - ENOENT: the file is missing.
 * - ELOOP, EISDIR, EPERM: it is not a regular file.
 * - EBADMSG: it is not JSON, or a mount is not as the specification has it.
 * - E2BIG: it is larger than 16 MiB.
 */
int CRChangesOptionsExcludeBindMounts(struct CRChangesOptions *options,
                                      int at,
                                      const char *spec,
                                      struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Finds what the upper directory of an overlay changes in the lower ones. The overlay needn't be mounted,
 * and what didn't change isn't looked at.
 *
 * A directory that hides the one below it is modified, and each name that it hides is deleted. A renamed
 * directory is added, with everything that came along. A file that was copied up is listed if something
 * about it differs, its bytes included, or if it has several names. The directories above what was added
 * or deleted are modified. Nothing outside of the directories is read, whatever they tell about redirects.
 *
 * @param lower_directories An array of lower_directories_len places, the top one first; it may be NULL if
 * lower_directories_len is 0.
 * @param upper_at,upper_directory The directory that was written to.
 * @param options NULL for the defaults. An overlay that is mounted with an index needs its work directory.
 * @param watch NULL for none.
 * @param list Receives the changes, which the caller frees with CRChangeListFree.
 *
 * Errors:
 * - As for CRChangesDirectories.
 * - E2BIG: there are more than 500 lower directories.
 * - EBADMSG: a redirect is malformed; or a file's data should be in a lower directory and is in none.
 */
int CRChangesOverlay(const struct CRPlace *lower_directories,
                     size_t lower_directories_len,
                     int upper_at,
                     const char *upper_directory,
                     const struct CRChangesOptions *options,
                     const struct CRWatch *watch,
                     struct CRChangeList **list,
                     struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((4, 7));

/**
 * Finds what a container changed in its root file system, which is an overlay that is mounted: what
 * CRChangesOverlay finds with the directories that the mount's options tell. They are read from the caller's
 * mount namespace, and their paths are looked up there. An overlay without an upper directory has no changes.
 *
 * @param mount_point_at,mount_point The directory where the overlay is mounted.
 * @param options NULL for the defaults. CR_CHANGES_OVERLAY_XATTRS, if it is not CR_OVERLAY_AUTO, and a work
 * directory are used instead of what the mount tells.
 * @param watch NULL for none.
 * @param list Receives the changes, which the caller frees with CRChangeListFree.
 *
 * Errors:
 * - As for CRChangesOverlay.
 * - EINVAL: nothing is mounted there, or only a part of a file system.
 * - EOPNOTSUPP: it is another file system than the kernel's overlay, such as fuse-overlayfs, which does not
 *   tell its directories; or the overlay has layers of data alone.
 * - ENOENT: the overlay's directories are not where the options tell.
 */
int CRChangesMount(int mount_point_at,
                   const char *mount_point,
                   const struct CRChangesOptions *options,
                   const struct CRWatch *watch,
                   struct CRChangeList **list,
                   struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 5));

/**
 * Finds what differs between two directories, such as the mounted root file system of a container and that
 * of its image.
 *
 * Compared are type, permissions, owner, device number, size, modification time, the target of a symbolic
 * link, and all extended attributes except security.selinux and those that overlayfs keeps for itself. An
 * object of another type than before is modified. The directories above a change are modified, too, and so
 * are all names of a file with several if one of them is listed, or if other names belong to it than
 * before. The directories themselves are never listed. What vanishes meanwhile counts as not there.
 *
 * @param new_at,new_directory What is there now. What is mounted below it is not looked into.
 * @param old_at,old_directory What was there before; a NULL path if nothing was, so that everything is
 * new.
 * @param options NULL for the defaults.
 * @param watch NULL for none.
 * @param list Receives the changes, which the caller frees with CRChangeListFree.
 *
 * Errors:
 * - ENOENT, ENOTDIR: there is no such directory.
 * - EACCES: a directory may not be read.
 * - E2BIG: there are more than 4 million changes, or 256 MiB of them; or a path is longer than 4095 bytes.
 * - ECANCELED, ETIMEDOUT: the watch ended the work.
 */
int CRChangesDirectories(int new_at,
                         const char *new_directory,
                         int old_at,
                         const char *old_directory,
                         const struct CRChangesOptions *options,
                         const struct CRWatch *watch,
                         struct CRChangeList **list,
                         struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 7));

/**
 * Returns the changes of a list: an array that CRCreateRootFsDiffTar and CRExportAddRootFsDiff take as it
 * is. It belongs to the list, and so do the paths. NULL for NULL.
 *
 * @param changes_len Receives the number of changes; 0 for NULL. It may be NULL.
 */
const struct CRChange *CRChangeListChanges(const struct CRChangeList *list, size_t *changes_len);

/** Frees a list and the changes that belong to it. */
void CRChangeListFree(struct CRChangeList *list);

/** @} */

/**
 * @defgroup metadata Metadata
 * What a checkpoint tells of its container, whichever engine wrote it; and the documents for an
 * engine that has none.
 * @{
 */

/** The engine isn't known: the answer where nothing tells it. */
#define CR_ENGINE_UNKNOWN 0

/** podman. */
#define CR_ENGINE_PODMAN 1

/** CRI-O. */
#define CR_ENGINE_CRIO 2

/** containerd. */
#define CR_ENGINE_CONTAINERD 3

/** config.dump: the engine's configuration of the container. */
#define CR_DOCUMENT_CONFIG 1

/** spec.dump: the container's OCI runtime specification. */
#define CR_DOCUMENT_SPEC 2

/** network.status: the container's networks (podman). */
#define CR_DOCUMENT_NETWORK_STATUS 3

/** bind.mounts: the bind mounts from the host (CRI-O). */
#define CR_DOCUMENT_BIND_MOUNTS 4

/** pod.options: the containers of a pod's checkpoint. */
#define CR_DOCUMENT_POD_OPTIONS 5

/** pod.dump: a pod's configuration. */
#define CR_DOCUMENT_POD_DUMP 6

/** status: the container's state (containerd). */
#define CR_DOCUMENT_STATUS 7

/** status.dump: the container's state as the CRI has it (containerd). */
#define CR_DOCUMENT_STATUS_DUMP 8

/** The container's ID. */
#define CR_TEXT_ID 1

/** The container's name as its engine has it. */
#define CR_TEXT_NAME 2

/**
 * The OCI runtime that made the checkpoint, a name or a path. The archive chooses it: see
 * CR_TEXT_RUNTIME_NAME.
 */
#define CR_TEXT_RUNTIME 3

/**
 * The runtime, if it is fit to be looked up among known runtimes: it has no slash, no control character,
 * and no dash at its beginning.
 */
#define CR_TEXT_RUNTIME_NAME 4

/** The image of the root file system, by the name that a person knows. */
#define CR_TEXT_IMAGE_NAME 5

/** The image of the root file system, by an ID or a name with a digest. */
#define CR_TEXT_IMAGE_REF 6

/** The time when the container was created, as RFC 3339 has it. */
#define CR_TEXT_CREATED 7

/** The time when the checkpoint was made, as RFC 3339 has it. */
#define CR_TEXT_CHECKPOINTED 8

/** The time when the container was last restored, as RFC 3339 has it. */
#define CR_TEXT_RESTORED 9

/** The container's name within its pod. */
#define CR_TEXT_CONTAINER_NAME 10

/** The ID of the pod, or of its sandbox. */
#define CR_TEXT_POD_ID 11

/** The name of the pod. */
#define CR_TEXT_POD_NAME 12

/** The namespace of the pod. */
#define CR_TEXT_POD_NAMESPACE 13

/** A bind mount from the host (CRI-O). Later versions may add fields at the end. */
typedef struct CRBindMount {
    /** What was mounted: a path on the host. */
    const char *source;
    /** Where it was mounted, as the container sees it. */
    const char *destination;
    /** "directory" or "file". */
    const char *file_type;
    /** The permission bits of the source. */
    uint32_t permissions;
    /** 0. */
    uint32_t flags;
} CRBindMount;

/** Makes metadata without documents. The caller frees it with CRMetadataFree. */
struct CRMetadata *CRMetadataNew(void);

/**
 * Frees metadata that CRMetadataNew has made. The metadata of an import belongs to the import.
 */
void CRMetadataFree(struct CRMetadata *metadata);

/**
 * Adds a document, such as the config.dump of a bundle, in the place of an earlier one of its kind. What
 * earlier calls have returned for this metadata is no longer valid afterwards.
 *
 * @param metadata Metadata that CRMetadataNew has made.
 * @param document One of CR_DOCUMENT_*.
 * @param bytes An array of bytes_len bytes: the document's JSON text.
 *
 * Errors, after which the metadata is as it was:
 * - EINVAL: the document is not one of CR_DOCUMENT_*.
 * - EBADMSG: a config.dump or spec.dump is malformed.
 * - E2BIG: the document is larger than 16 MiB.
 */
int CRMetadataAdd(struct CRMetadata *metadata,
                  uint32_t document,
                  const void *bytes,
                  size_t bytes_len,
                  struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets a text for CRMetadataBuild. CRMetadataText returns it once it is built.
 *
 * @param metadata Metadata that CRMetadataNew has made.
 * @param which CR_TEXT_ID, CR_TEXT_NAME, CR_TEXT_RUNTIME, CR_TEXT_IMAGE_NAME, CR_TEXT_IMAGE_REF,
 * CR_TEXT_CREATED, CR_TEXT_CHECKPOINTED or CR_TEXT_RESTORED.
 * @param value The text, in UTF-8. An empty one takes away what is known. Times are RFC 3339, such as "2026-05-11T09:08:07Z".
 *
 * Errors:
 * - EINVAL: no config.dump has this text; or the value is not UTF-8, or no time.
 */
int CRMetadataSetText(struct CRMetadata *metadata,
                      uint32_t which,
                      const char *value,
                      struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Sets an annotation of the container's OCI specification for CRMetadataBuild.
 *
 * @param metadata Metadata that CRMetadataNew has made.
 * @param key The annotation's key, in UTF-8.
 * @param value The annotation's value, in UTF-8.
 *
 * Errors:
 * - EINVAL: the key is empty; or one of the two is not UTF-8.
 */
int CRMetadataSetAnnotation(struct CRMetadata *metadata,
                            const char *key,
                            const char *value,
                            struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Makes the documents that an engine reads at a restore: config.dump with the texts that were set (and
 * those that an earlier config.dump told), and spec.dump with the annotations that were set.
 * CRMetadataDocument returns them, and CRExportAddMetadata adds them to an export. What earlier calls have
 * returned for this metadata is no longer valid afterwards.
 *
 * CR_TEXT_ID has to be set, and spec.dump has to be added before: the config.json of the bundle. podman
 * also looks for CR_TEXT_IMAGE_NAME, and for CR_TEXT_IMAGE_REF, which has to be the image's ID. CRI-O has to
 * know one of the two, takes as CR_TEXT_IMAGE_REF only the ID of an image in full (64 hexadecimal digits), and
 * restores the annotations that are in io.kubernetes.cri-o.Annotations: those that were set, unless
 * spec.dump has this annotation. Nothing is added that tells which engine made the checkpoint:
 * CRMetadataEngine returns what the annotations tell.
 *
 * @param metadata Metadata that CRMetadataNew has made.
 * @param engine One of CR_ENGINE_*: the engine that will restore.
 *
 * Errors, after which the metadata is as it was:
 * - EINVAL: the engine is not one of CR_ENGINE_*; or it is CRI-O, and takes no such CR_TEXT_IMAGE_REF.
 * - ENODATA: there is no ID, no spec.dump, or, for CRI-O, no image.
 * - E2BIG: a document is larger than 16 MiB.
 */
int CRMetadataBuild(struct CRMetadata *metadata, uint32_t engine, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Returns the engine that made the checkpoint: one of CR_ENGINE_*. Later versions may have more. It is a
 * hint, since the archive chooses it. CR_ENGINE_UNKNOWN for NULL.
 */
uint32_t CRMetadataEngine(const struct CRMetadata *metadata);

/**
 * Returns the name of an engine, such as "cri-o", or "unknown" for CR_ENGINE_UNKNOWN. The string is
 * static; NULL for a number that isn't one of CR_ENGINE_*.
 *
 * @param engine One of CR_ENGINE_*.
 */
const char *CREngineName(uint32_t engine);

/**
 * Returns a text. It belongs to the metadata. NULL if the checkpoint doesn't tell it, or tells a text with
 * a NUL, which CRMetadataJson shows; and for NULL. A runtime that is there and empty is "".
 *
 * @param which One of CR_TEXT_*.
 */
const char *CRMetadataText(const struct CRMetadata *metadata, uint32_t which);

/**
 * Returns the value of an annotation of the container's OCI specification. It belongs to the metadata.
 * NULL if there is none of this key, or it holds a NUL; and for NULL. Some annotations are the engine's,
 * some may be the container's user's.
 *
 * @param key The annotation's key.
 */
const char *CRMetadataAnnotation(const struct CRMetadata *metadata, const char *key)
    CRUTILS_NONNULL((2));

/**
 * Lists the bind mounts of bind.mounts.
 *
 * @param mounts Receives an array of pointers to the mounts, which is never NULL. It belongs to the
 * metadata, and so do the mounts.
 * @param mounts_len Receives the number of mounts.
 *
 * Errors:
 * - ENODATA: the checkpoint has no bind.mounts.
 * - EBADMSG: bind.mounts is malformed.
 */
int CRMetadataBindMounts(const struct CRMetadata *metadata,
                         const struct CRBindMount *const **mounts,
                         size_t *mounts_len,
                         struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Returns the bytes of a document as they are in the archive, or as CRMetadataBuild has made them.
 *
 * @param document One of CR_DOCUMENT_*.
 * @param bytes Receives the bytes, which belong to the metadata.
 * @param bytes_len Receives the number of bytes.
 *
 * Errors:
 * - EINVAL: the document is not one of CR_DOCUMENT_*.
 * - ENODATA: the checkpoint doesn't have the document, or it wasn't read yet.
 */
int CRMetadataDocument(const struct CRMetadata *metadata,
                       uint32_t document,
                       const void **bytes,
                       size_t *bytes_len,
                       struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3, 4));

/**
 * Returns everything as one JSON object, for a person or a script: what CRMetadataText returns, the engine,
 * annotations, networks, bind mounts, the pod's containers, the status, and the whole config.dump and
 * spec.dump, with the keys that this library doesn't know. The container's environment is in it, with the
 * secrets that it holds.
 *
 * @param json Receives the text, in UTF-8, which the caller frees with CRStringFree.
 */
int CRMetadataJson(const struct CRMetadata *metadata, char **json, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/** @} */

/**
 * @defgroup inspection Inspection
 * What is in a checkpoint: processes, files, sockets, memory; and whether it can be restored on a
 * host.
 * @{
 */

/**
 * Reads arguments and environments of processes, which lie in their memory: 0 or 1, which is the default.
 */
#define CR_INSPECT_TEXT 1

/**
 * Limits how many bytes may come of one byte of a compressed archive, once they are more than 1 MiB. There is no limit by
 * default.
 */
#define CR_INSPECT_LIMIT_RATIO 2

/** The restore fails. */
#define CR_SEVERITY_BLOCKS 1

/** The restore fails unless it is given what is named. */
#define CR_SEVERITY_NEEDS 2

/** It is good to know. */
#define CR_SEVERITY_NOTE 3

/** The checkpoint doesn't tell the state. */
#define CR_TASK_UNKNOWN 0

/** The process ran or slept. */
#define CR_TASK_ALIVE 1

/** The process was stopped by a signal. */
#define CR_TASK_STOPPED 2

/** The process had ended and wasn't waited for yet. */
#define CR_TASK_ZOMBIE 3

/** The process had ended. CRIU stores a zombie that nobody had waited for as this. */
#define CR_TASK_DEAD 4

/** Something that a restore depends on. Later versions may add fields at the end. */
typedef struct CRFinding {
    /** One of CR_SEVERITY_*. Later versions may have more. */
    uint32_t severity;
    /** 0. */
    uint32_t flags;
    /**
     * What it is, in a word for programs, such as "external-mount". docs/inspect.md lists them; later versions may have
     * more.
     */
    const char *code;
    /** What it is about: a member, a mount, an address; or NULL. Any bytes. */
    const char *subject;
    /** What it is, in a sentence for people, without the subject. */
    const char *reason;
} CRFinding;

/** Memory in bytes. Later versions may add fields at the end. */
typedef struct CRMemoryUse {
    /** All mappings. */
    uint64_t mapped;
    /** Mappings that belong to a process alone. */
    uint64_t mapped_private;
    /** Mappings that are shared with other processes, or with files. */
    uint64_t mapped_shared;
    /** Pages that this checkpoint holds. */
    uint64_t present;
    /** Pages that a previous checkpoint holds. */
    uint64_t parent;
    /** Pages that went to a server for lazy pages. */
    uint64_t lazy;
    /** How many bytes the pages that this checkpoint holds take in it. */
    uint64_t stored;
    /** How many bytes of pages are compressed. */
    uint64_t compressed;
} CRMemoryUse;

/** A process of a checkpoint. Later versions may add fields at the end. */
typedef struct CRProcess {
    /** Its number in the container. */
    uint32_t pid;
    /** Its parent's number; 0 for the first process. */
    uint32_t ppid;
    /** Its process group. */
    uint32_t pgid;
    /** Its session. */
    uint32_t sid;
    /** One of CR_TASK_*. Later versions may have more. */
    uint32_t state;
    /** How many threads it has, itself included. */
    uint32_t threads;
    /** The name that the kernel has for it, up to 15 bytes. */
    const char *comm;
    /** The file that it executes; NULL if it isn't known. */
    const char *executable;
    /**
     * Its command line as an array of arguments_len strings; NULL if it wasn't read, or can't be.
     */
    const char *const *arguments;
    /** The number of arguments. */
    size_t arguments_len;
    /** Its memory. */
    const struct CRMemoryUse *memory;
} CRProcess;

/** Makes options with the defaults. The caller frees them with CRInspectOptionsFree. */
struct CRInspectOptions *CRInspectOptionsNew(void);

/** Frees options. Inspections that were made with them are not affected. */
void CRInspectOptionsFree(struct CRInspectOptions *options);

/**
 * Sets an option of an inspection.
 *
 * @param option One of CR_INSPECT_*.
 * @param value The value, as the option's comment says.
 *
 * Errors:
 * - EINVAL: the option is 0, or doesn't take this value.
 * - EOPNOTSUPP: this version of the library doesn't know the option.
 */
int CRInspectOptionsSet(struct CRInspectOptions *options,
                        uint32_t option,
                        uint64_t value,
                        struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Names the previous checkpoint, whose memory this one needs. Called again, it names the one before that. A
 * pre-checkpoint in the same archive or bundle needn't be named.
 *
 * @param at,parent The previous checkpoint, as for CRInspectionOpen.
 *
 * Errors:
 * - EMFILE: there is no descriptor left for a copy of at.
 */
int CRInspectOptionsParent(struct CRInspectOptions *options,
                           int at,
                           const char *parent,
                           struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/**
 * Makes this host, of which nothing is known but its architecture. The caller frees it with CRHostFree.
 */
struct CRHost *CRHostNew(void);

/** Frees a host. Findings that were made with it are not affected. */
void CRHostFree(struct CRHost *host);

/**
 * Sets the architecture of a host, if it isn't this one's.
 *
 * @param architecture The name that uname(1) has for it, such as "x86_64" or "aarch64".
 *
 * Errors:
 * - EINVAL: the architecture is empty, or not UTF-8.
 */
int CRHostArchitecture(struct CRHost *host, const char *architecture, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Sets what `criu --version` says on a host. This library doesn't start it.
 *
 * @param version The text, such as "Version: 3.17.1"; NULL if there is no CRIU.
 *
 * Errors:
 * - EINVAL: the text is not UTF-8.
 */
int CRHostCriu(struct CRHost *host, const char *version, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets whether an OCI runtime can restore, as CRRuntimeSupportsCheckpointRestore tells it. It is installed; of one that
 * isn't, CRHostNoRuntime tells.
 *
 * @param runtime The runtime's name, as CR_TEXT_RUNTIME_NAME has it.
 * @param value 1 if it can, otherwise 0.
 *
 * Errors:
 * - EINVAL: the name is not UTF-8, or the value neither 0 nor 1.
 */
int CRHostRuntime(struct CRHost *host, const char *runtime, uint64_t value, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Sets that an OCI runtime isn't installed on a host.
 *
 * @param runtime The runtime's name, as CR_TEXT_RUNTIME_NAME has it.
 *
 * Errors:
 * - EINVAL: the name is not UTF-8.
 */
int CRHostNoRuntime(struct CRHost *host, const char *runtime, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Inspects a checkpoint where it lies: nothing is unpacked, and of the memory of processes only arguments and
 * environments are read. The checkpoint is an archive, plain or compressed with gzip, bzip2, xz or zstd, as a file, a pipe
 * or a socket; the directory of a bundle; or a directory of CRIU's images. A pipe or a socket is read once.
 *
 * @param at,checkpoint The archive or the directory.
 * @param options NULL for the defaults.
 * @param watch NULL for none. It holds for all that is done with the inspection.
 * @param inspection Receives the inspection, which the caller frees with CRInspectionFree.
 *
 * Errors:
 * - ENOENT: the checkpoint is missing.
 * - EBADF: the descriptor is not open, or can't be read from.
 * - EBADMSG: the archive or an image is malformed; CRErrorEntry returns the image's name.
 * - E2BIG: the images would take more than 256 MiB of memory.
 * - ECANCELED, ETIMEDOUT: the watch ended the work.
 */
int CRInspectionOpen(int at,
                     const char *checkpoint,
                     const struct CRInspectOptions *options,
                     const struct CRWatch *watch,
                     struct CRInspection **inspection,
                     struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((2, 5));

/**
 * Inspects the archive of an import before it is extracted. A pipe or a socket is read once: what it yields is kept until
 * CRImportExtract, up to 32 MiB in memory and the rest in the directory of CRImportOptionsSpoolDirectory.
 *
 * @param options NULL for the defaults.
 * @param inspection Receives the inspection, which the caller frees with CRInspectionFree. It may live longer than the
 * import.
 *
 * Errors:
 * - As for CRInspectionOpen.
 * - E2BIG: a pipe yields more than 32 MiB, and there is no spool directory.
 * - ESPIPE: a pipe was extracted already.
 */
int CRImportInspect(struct CRImport *import,
                    const struct CRInspectOptions *options,
                    struct CRInspection **inspection,
                    struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3));

/** Frees an inspection, and all that was borrowed from it. */
void CRInspectionFree(struct CRInspection *inspection);

/**
 * Returns everything as one JSON object: processes with threads, credentials, open files and mappings; pipes, sockets,
 * deleted files, mounts, statistics, and what is wrong with the checkpoint. docs/inspect.md describes each key, and
 * docs/inspect.schema.json is its schema. Environments are in it, with the secrets that they hold.
 *
 * @param json Receives the text, in UTF-8, which the caller frees with CRStringFree.
 */
int CRInspectionJson(const struct CRInspection *inspection, char **json, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2));

/**
 * Lists the processes in the order of the checkpoint: parents before their children.
 *
 * @param processes Receives an array of pointers to the processes, which is never NULL. It belongs to the inspection, and
 * so do the processes.
 * @param processes_len Receives the number of processes.
 */
int CRInspectionProcesses(const struct CRInspection *inspection,
                          const struct CRProcess *const **processes,
                          size_t *processes_len,
                          struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Returns the memory of all processes, with that which they share counted once, except that mappings count for each
 * process. It belongs to the inspection. NULL for NULL.
 */
const struct CRMemoryUse *CRInspectionMemory(const struct CRInspection *inspection);

/**
 * Reads memory of a process as it was when it was checkpointed, shared memory and previous checkpoints included. Memory
 * that was mapped and never written is zeros.
 *
 * @param pid The process.
 * @param address The first address.
 * @param buffer An array of buffer_len bytes, which receives the memory. After EBADMSG and errors of the system it may
 * hold a part of it.
 * @param read Receives how many bytes were read: fewer than buffer_len if what follows isn't mapped, or can't be read.
 *
 * Errors:
 * - ENODATA: there is no such process, or nothing mapped at the address; or the content isn't in the checkpoint, but in a
 *   file that is mapped unchanged, or in a previous checkpoint that isn't there.
 * - EBADMSG: pages are damaged.
 * - EOPNOTSUPP: the archive came through a pipe or a socket.
 */
int CRInspectionReadMemory(struct CRInspection *inspection,
                           uint32_t pid,
                           uint64_t address,
                           void *buffer,
                           size_t buffer_len,
                           size_t *read,
                           struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 6));

/**
 * Compares a checkpoint with a later one: processes, open files, sockets, sizes of members, and the memory of processes
 * that both have, page by page. Processes are told apart by their numbers: of checkpoints of different containers that
 * says little.
 *
 * @param before,after The two checkpoints, which have to be two inspections.
 * @param json Receives one JSON object, in UTF-8, which the caller frees with CRStringFree. docs/inspect.md describes each
 * key, and docs/compare.schema.json is its schema.
 *
 * Errors:
 * - EINVAL: both are the same inspection.
 * - EBADMSG: pages are damaged.
 * - EOPNOTSUPP: an archive came through a pipe or a socket.
 * - ECANCELED, ETIMEDOUT: a watch of the inspections ended the work.
 */
int CRInspectionCompare(struct CRInspection *before,
                        struct CRInspection *after,
                        char **json,
                        struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 2, 3));

/**
 * Lists what a restore of the checkpoint on a host depends on, the worst first. The checkpoint can't be restored there if
 * a finding has the severity CR_SEVERITY_BLOCKS. That there is none doesn't prove that it can: CRIU finds out for itself.
 *
 * @param host NULL for this host, of which nothing is known but its architecture.
 * @param findings Receives an array of pointers to the findings, which is never NULL. It belongs to the inspection, with
 * the findings, and lives until the next call of this function with it.
 * @param findings_len Receives the number of findings.
 */
int CRInspectionFindings(struct CRInspection *inspection,
                         const struct CRHost *host,
                         const struct CRFinding *const **findings,
                         size_t *findings_len,
                         struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1, 3, 4));

/** @} */

/**
 * @defgroup watch Watch
 * Progress, warnings, cancellation and a deadline for works that take long.
 * @{
 */

/** The archive is read for its members and documents. Bytes are those of the archive. */
#define CR_PHASE_READING 1

/** The archive's digest is compared with the expected one. Bytes are those of the archive. */
#define CR_PHASE_VERIFYING 2

/** Members are extracted. Bytes are those of the archive. */
#define CR_PHASE_EXTRACTING 3

/** What the container had deleted is removed. There are no bytes. */
#define CR_PHASE_DELETING 4

/** Directories or layers are compared. There are no bytes. */
#define CR_PHASE_COMPARING 5

/** The sizes of archives within the archive are measured. There are no bytes. */
#define CR_PHASE_MEASURING 6

/** The archive is written. Bytes are those of its members, before any compression. */
#define CR_PHASE_WRITING 7

/** The archive is synced, if that was asked for, and gets its name. There are no bytes. */
#define CR_PHASE_PUBLISHING 8

/** An object vanished before it was stored, and is left out. */
#define CR_WARNING_VANISHED 1

/** A socket isn't stored, since an archive can't hold one. */
#define CR_WARNING_SOCKET 2

/** A device isn't made, since a user namespace doesn't permit it. */
#define CR_WARNING_DEVICE 3

/**
 * Something in the archive isn't understood and was passed over. Nothing that was asked for depends on it.
 */
#define CR_WARNING_IGNORED 4

/** An object changed while it was stored: it isn't what it was when its size was measured. */
#define CR_WARNING_CHANGED 5

/**
 * An extended attribute is left out: the file system, the type of the object or a user namespace can't
 * have it, or it is an overlay's own state.
 */
#define CR_WARNING_XATTR 6

/**
 * A restore will lack something: an image that CRIU needs, the dump that another one builds on, or a volume of the
 * container.
 */
#define CR_WARNING_INCOMPLETE 7

/** How far a work is. Later versions may add fields at the end. */
typedef struct CRProgress {
    /** One of CR_PHASE_*. Later versions may have more. */
    uint32_t phase;
    /** 0. */
    uint32_t flags;
    /** How many bytes of the phase are done. */
    uint64_t bytes_done;
    /** How many bytes the phase has; UINT64_MAX if that isn't known. */
    uint64_t bytes_total;
    /** The member that is being worked on; "" between members. It lives as long as the call. */
    const char *member;
    /** How long the phase has taken so far, in milliseconds. */
    uint64_t milliseconds;
    /** How many bytes a second were done lately; 0 at the beginning of a phase. */
    uint64_t bytes_per_second;
    /**
     * How long the rest of the phase takes at this rate, in milliseconds; UINT64_MAX if that isn't known.
     */
    uint64_t milliseconds_left;
} CRProgress;

/** A function of the caller's that is told of progress. */
typedef void (*CRProgressFunction)(void *user_data, const struct CRProgress *progress);

/**
 * Something that was left out and doesn't fail the work. Later versions may add fields at the end.
 */
typedef struct CRWarning {
    /** One of CR_WARNING_*. Later versions may have more. */
    uint32_t kind;
    /** 0. */
    uint32_t flags;
    /** The member or object concerned. It lives as long as the call. */
    const char *member;
    /** What happened, in words. It lives as long as the call. */
    const char *message;
} CRWarning;

/** A function of the caller's that is told of a warning. */
typedef void (*CRWarningFunction)(void *user_data, const struct CRWarning *warning);

/**
 * Makes a watch that tells nobody and ends nothing. The caller frees it with CRWatchFree.
 *
 * One watch may serve several works, one after the other or at the same time. All of them end with its
 * cancellation or its deadline; reports of works at the same time mix.
 */
struct CRWatch *CRWatchNew(void);

/** Frees a watch. A work that was begun with it keeps what it needs. */
void CRWatchFree(struct CRWatch *watch);

/**
 * Sets the function that is told of progress: at most 20 times a second, and at the end of each phase.
 * The thread that works calls it, and waits for it. It may call CRWatchCancel; it must neither call a
 * function with an object that is at work nor leave by longjmp.
 *
 * @param function The function; not NULL.
 * @param user_data Is passed to the function.
 */
int CRWatchOnProgress(const struct CRWatch *watch,
                      CRProgressFunction function,
                      void *user_data,
                      struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Sets the function that is told of warnings, each as it comes. The rules for it are those of
 * CRWatchOnProgress.
 *
 * @param function The function; not NULL.
 * @param user_data Is passed to the function.
 */
int CRWatchOnWarning(const struct CRWatch *watch,
                     CRWarningFunction function,
                     void *user_data,
                     struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Ends the works under a watch with ECANCELED at their next step, which is at most 8 MiB of copying away,
 * or 64 MiB of cloning. It can't be taken back. Any thread may call it while the watch lives, and so may a
 * signal handler. NULL is allowed.
 */
void CRWatchCancel(const struct CRWatch *watch);

/**
 * Ends the works under a watch with ETIMEDOUT when a time has passed. A later call sets the time anew.
 *
 * @param milliseconds The time from this call on.
 */
int CRWatchDeadline(const struct CRWatch *watch, uint64_t milliseconds, struct CRError **error)
    CRUTILS_MUST_USE CRUTILS_NONNULL((1));

/**
 * Returns the name of a phase, such as "extracting". The string is static; NULL for a number that isn't
 * one of CR_PHASE_*.
 *
 * @param phase One of CR_PHASE_*.
 */
const char *CRPhaseName(uint32_t phase);

/**
 * Returns the name of a kind of warnings for logs, such as "socket". The string is static; NULL for a
 * number that isn't one of CR_WARNING_*.
 *
 * @param kind One of CR_WARNING_*.
 */
const char *CRWarningName(uint32_t kind);

/** @} */

/**
 * @defgroup library The library
 * Its version, and what this build can do on this system.
 * @{
 */

/** The version that this header belongs to. CRVersion returns that of the library in use. */
#define CRUTILS_VERSION_MAJOR 1

/** See CRUTILS_VERSION_MAJOR. */
#define CRUTILS_VERSION_MINOR 0

/** See CRUTILS_VERSION_MAJOR. */
#define CRUTILS_VERSION_PATCH 0

/**
 * SELinux labels are written. Without it, CRCreateFileWithLabel fails for a label where SELinux is enabled.
 */
#define CR_FEATURE_SELINUX 1

/**
 * Paths are resolved by openat2. Without it, where the kernel lacks it or refuses it, by other calls.
 */
#define CR_FEATURE_OPENAT2 2

/** zstd archives can be written, which takes threads. */
#define CR_FEATURE_ZSTD_THREADS 3

/** Returns the version of the library in use, such as "1.0.0". The string is static. */
const char *CRVersion(void);

/**
 * Answers whether this build has a feature, in this process on this system. False for a feature that this
 * version doesn't know.
 *
 * @param feature One of CR_FEATURE_*.
 */
bool CRHasFeature(uint32_t feature);

/** @} */

#ifdef __cplusplus
}
#endif

#endif /* CRUTILS_H */
