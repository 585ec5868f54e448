/* SPDX-License-Identifier: Apache-2.0 */
/* What programs have compiled into them: numbers, layouts, and the header's version. A change here breaks the ABI. */

#define _GNU_SOURCE
#include "check.h"

static void numbers_stay(void)
{
    CHECK_INT(CR_ERROR_NONE, 0);
    CHECK_INT(CR_ERROR_SYSTEM, 1);
    CHECK_INT(CR_ERROR_ARGUMENT, 2);
    CHECK_INT(CR_ERROR_MALFORMED, 3);
    CHECK_INT(CR_ERROR_ESCAPE, 4);
    CHECK_INT(CR_ERROR_FORBIDDEN, 5);
    CHECK_INT(CR_ERROR_LIMIT, 6);
    CHECK_INT(CR_ERROR_UNSUPPORTED, 7);
    CHECK_INT(CR_ERROR_NOT_IN_ARCHIVE, 8);
    CHECK_INT(CR_ERROR_CANCELLED, 9);
    CHECK_INT(CR_ERROR_DEADLINE, 10);
    CHECK_INT(CR_ERROR_INTERNAL, 11);

    CHECK_INT(CR_CHANGE_MODIFY, 0);
    CHECK_INT(CR_CHANGE_ADD, 1);
    CHECK_INT(CR_CHANGE_DELETE, 2);

    CHECK_INT(CR_IMPORT_DIGEST, 1);
    CHECK_INT(CR_IMPORT_CONFIGURATION, 2);
    CHECK_INT(CR_IMPORT_KEEP_FAILED, 3);
    CHECK_INT(CR_IMPORT_STRICT_NAMES, 4);
    CHECK_INT(CR_IMPORT_END_MARKER, 5);
    CHECK_INT(CR_IMPORT_ROOT_ATTRIBUTES, 6);
    CHECK_INT(CR_IMPORT_OCI_WHITEOUTS, 7);
    CHECK_INT(CR_IMPORT_IGNORE_OWNERSHIP, 8);
    CHECK_INT(CR_IMPORT_NO_DEVICES, 9);
    CHECK_INT(CR_IMPORT_KNOWN_NAMES, 10);
    CHECK_INT(CR_IMPORT_LIMIT_MEMBERS, 11);
    CHECK_INT(CR_IMPORT_LIMIT_TOTAL_BYTES, 12);
    CHECK_INT(CR_IMPORT_LIMIT_MEMBER_BYTES, 13);
    CHECK_INT(CR_IMPORT_LIMIT_PATH_BYTES, 14);
    CHECK_INT(CR_IMPORT_LIMIT_DEPTH, 15);
    CHECK_INT(CR_IMPORT_LIMIT_XATTR_BYTES, 16);
    CHECK_INT(CR_IMPORT_LIMIT_RATIO, 17);
    CHECK_INT(CR_IMPORT_SYNC, 18);
    CHECK_INT(CR_IMPORT_XATTRS, 19);
    CHECK_INT(CR_IMPORT_OVERLAY_XATTRS, 20);
    CHECK_INT(CR_IMPORT_CROSS_MOUNTS, 21);
    CHECK_INT(CR_IMPORT_REQUIRE_COMPLETE, 22);
    CHECK_INT(CR_IMPORT_USABLE_MODES, 23);
    CHECK_INT(CR_XATTRS_SKIP_UNSUPPORTED, 1);
    CHECK_INT(CR_XATTRS_SKIP_ALL, 2);
    CHECK_INT(CR_XATTRS_FAIL, 3);

    CHECK_INT(CR_MEMBER_REGULAR, 1);
    CHECK_INT(CR_MEMBER_DIRECTORY, 2);
    CHECK_INT(CR_MEMBER_SYMLINK, 3);
    CHECK_INT(CR_MEMBER_HARD_LINK, 4);
    CHECK_INT(CR_MEMBER_CHAR_DEVICE, 5);
    CHECK_INT(CR_MEMBER_BLOCK_DEVICE, 6);
    CHECK_INT(CR_MEMBER_FIFO, 7);

    CHECK_INT(CR_CLASS_OTHER, 1);
    CHECK_INT(CR_CLASS_CONFIGURATION, 2);
    CHECK_INT(CR_CLASS_MEMORY_PAGES, 3);
    CHECK_INT(CR_CLASS_GPU_PAGES, 4);
    CHECK_INT(CR_CLASS_CRIU_IMAGE, 5);
    CHECK_INT(CR_CLASS_ROOTFS_DIFF, 6);
    CHECK_INT(CR_CLASS_VOLUME, 7);
    CHECK_INT(CR_CLASS_SHM, 8);
    CHECK_INT(CR_CLASS_LOG, 9);

    CHECK_INT(CR_COMPRESSION_NONE, 1);
    CHECK_INT(CR_COMPRESSION_GZIP, 2);
    CHECK_INT(CR_COMPRESSION_ZSTD, 3);

    CHECK_INT(CR_EXPORT_COMPRESSION, 1);
    CHECK_INT(CR_EXPORT_LEVEL, 2);
    CHECK_INT(CR_EXPORT_DIGEST, 3);
    CHECK_INT(CR_EXPORT_SYNC, 4);
    CHECK_INT(CR_EXPORT_WORKERS, 5);
    CHECK_INT(CR_EXPORT_TIME, 6);
    CHECK_INT(CR_EXPORT_LIVE, 7);
    CHECK_INT(CR_EXPORT_OVERLAY_XATTRS, 8);
    CHECK_INT(CR_EXPORT_FRAME_SIZE, 9);

    CHECK_INT(CR_PRESENCE_REQUIRED, 1);
    CHECK_INT(CR_PRESENCE_OPTIONAL, 2);

    CHECK_INT(CR_OVERLAY_AUTO, 1);
    CHECK_INT(CR_OVERLAY_TRUSTED, 2);
    CHECK_INT(CR_OVERLAY_USER, 3);
    CHECK_INT(CR_OVERLAY_FUSE, 4);

    CHECK_INT(CR_EXCLUDE_EXACT, 1);
    CHECK_INT(CR_EXCLUDE_SUBTREE, 2);

    CHECK_INT(CR_CHANGES_COMPARE_CONTENT, 1);
    CHECK_INT(CR_CHANGES_EXACT_TIMES, 2);
    CHECK_INT(CR_CHANGES_OVERLAY_XATTRS, 3);

    CHECK_INT(CR_ENGINE_UNKNOWN, 0);
    CHECK_INT(CR_ENGINE_PODMAN, 1);
    CHECK_INT(CR_ENGINE_CRIO, 2);
    CHECK_INT(CR_ENGINE_CONTAINERD, 3);

    CHECK_INT(CR_DOCUMENT_CONFIG, 1);
    CHECK_INT(CR_DOCUMENT_SPEC, 2);
    CHECK_INT(CR_DOCUMENT_NETWORK_STATUS, 3);
    CHECK_INT(CR_DOCUMENT_BIND_MOUNTS, 4);
    CHECK_INT(CR_DOCUMENT_POD_OPTIONS, 5);
    CHECK_INT(CR_DOCUMENT_POD_DUMP, 6);
    CHECK_INT(CR_DOCUMENT_STATUS, 7);
    CHECK_INT(CR_DOCUMENT_STATUS_DUMP, 8);

    CHECK_INT(CR_TEXT_ID, 1);
    CHECK_INT(CR_TEXT_NAME, 2);
    CHECK_INT(CR_TEXT_RUNTIME, 3);
    CHECK_INT(CR_TEXT_RUNTIME_NAME, 4);
    CHECK_INT(CR_TEXT_IMAGE_NAME, 5);
    CHECK_INT(CR_TEXT_IMAGE_REF, 6);
    CHECK_INT(CR_TEXT_CREATED, 7);
    CHECK_INT(CR_TEXT_CHECKPOINTED, 8);
    CHECK_INT(CR_TEXT_RESTORED, 9);
    CHECK_INT(CR_TEXT_CONTAINER_NAME, 10);
    CHECK_INT(CR_TEXT_POD_ID, 11);
    CHECK_INT(CR_TEXT_POD_NAME, 12);
    CHECK_INT(CR_TEXT_POD_NAMESPACE, 13);

    CHECK_INT(CR_PHASE_READING, 1);
    CHECK_INT(CR_PHASE_VERIFYING, 2);
    CHECK_INT(CR_PHASE_EXTRACTING, 3);
    CHECK_INT(CR_PHASE_DELETING, 4);
    CHECK_INT(CR_PHASE_COMPARING, 5);
    CHECK_INT(CR_PHASE_MEASURING, 6);
    CHECK_INT(CR_PHASE_WRITING, 7);
    CHECK_INT(CR_PHASE_PUBLISHING, 8);

    CHECK_INT(CR_WARNING_VANISHED, 1);
    CHECK_INT(CR_WARNING_SOCKET, 2);
    CHECK_INT(CR_WARNING_DEVICE, 3);
    CHECK_INT(CR_WARNING_IGNORED, 4);
    CHECK_INT(CR_WARNING_CHANGED, 5);
    CHECK_INT(CR_WARNING_XATTR, 6);
    CHECK_INT(CR_WARNING_INCOMPLETE, 7);

    CHECK_INT(CR_FEATURE_SELINUX, 1);
    CHECK_INT(CR_FEATURE_OPENAT2, 2);
    CHECK_INT(CR_FEATURE_ZSTD_THREADS, 3);
}

#define FIELD(type, field, offset, size)                                                           \
    do {                                                                                           \
        CHECK_INT(offsetof(type, field), offset);                                                  \
        CHECK_INT(sizeof(((type *)NULL)->field), size);                                            \
    } while (0)

/* Sizes and offsets are in bytes. Pointers and lengths have 8 of them on the machines that are tested. */
#define P sizeof(char *)

static void a_place_keeps_its_layout(void)
{
    FIELD(CRPlace, at, 0, 4);
    FIELD(CRPlace, path, P, P);
    CHECK_INT(sizeof(CRPlace), 2 * P);

    FIELD(CRDump, name, 0, P);
    FIELD(CRDump, archive, P, 2 * P);
    CHECK_INT(sizeof(CRDump), 3 * P);
}

static void a_change_keeps_its_layout(void)
{
    FIELD(CRChange, path, 0, P);
    FIELD(CRChange, kind, P, 4);
    FIELD(CRChange, flags, P + 4, 4);
    CHECK_INT(sizeof(CRChange), P + 8);
}

static void a_range_of_ids_keeps_its_layout(void)
{
    FIELD(CRIdRange, container, 0, 4);
    FIELD(CRIdRange, host, 4, 4);
    FIELD(CRIdRange, size, 8, 4);
    CHECK_INT(sizeof(CRIdRange), 12);
}

static void a_member_keeps_its_layout(void)
{
    FIELD(CRMember, name, 0, P);
    FIELD(CRMember, kind, P, 4);
    FIELD(CRMember, member_class, P + 4, 4);
    FIELD(CRMember, size, P + 8, 8);
    FIELD(CRMember, stored, P + 16, 8);
    FIELD(CRMember, offset, P + 24, 8);
    CHECK_INT(sizeof(CRMember), P + 32);
}

static void what_was_imported_keeps_its_layout(void)
{
    FIELD(CRImported, members, 0, 8);
    FIELD(CRImported, bytes, 8, 8);
    FIELD(CRImported, digest, 16, P);
    FIELD(CRImported, applied_rootfs_diff, P + 16, 4);
    FIELD(CRImported, flags, P + 20, 4);
    CHECK_INT(sizeof(CRImported), P + 24);
}

static void what_was_exported_keeps_its_layout(void)
{
    FIELD(CRExported, bytes, 0, 8);
    FIELD(CRExported, members, 8, 8);
    FIELD(CRExported, digest, 16, P);
    FIELD(CRExported, missing, P + 16, P);
    FIELD(CRExported, missing_len, 2 * P + 16, P);
    FIELD(CRExported, lacking, 3 * P + 16, P);
    FIELD(CRExported, lacking_len, 4 * P + 16, P);
    CHECK_INT(sizeof(CRExported), 5 * P + 16);
    FIELD(CRImageLayer, media_type, 0, P);
    FIELD(CRImageLayer, digest, P, P);
    FIELD(CRImageLayer, diff_id, 2 * P, P);
}

static void a_bind_mount_keeps_its_layout(void)
{
    FIELD(CRBindMount, source, 0, P);
    FIELD(CRBindMount, destination, P, P);
    FIELD(CRBindMount, file_type, 2 * P, P);
    FIELD(CRBindMount, permissions, 3 * P, 4);
    FIELD(CRBindMount, flags, 3 * P + 4, 4);
    CHECK_INT(sizeof(CRBindMount), 3 * P + 8);
}

static void progress_keeps_its_layout(void)
{
    FIELD(CRProgress, phase, 0, 4);
    FIELD(CRProgress, flags, 4, 4);
    FIELD(CRProgress, bytes_done, 8, 8);
    FIELD(CRProgress, bytes_total, 16, 8);
    FIELD(CRProgress, member, 24, P);
    FIELD(CRProgress, milliseconds, P + 24, 8);
    FIELD(CRProgress, bytes_per_second, P + 32, 8);
    FIELD(CRProgress, milliseconds_left, P + 40, 8);
    CHECK_INT(sizeof(CRProgress), P + 48);
}

static void a_warning_keeps_its_layout(void)
{
    FIELD(CRWarning, kind, 0, 4);
    FIELD(CRWarning, flags, 4, 4);
    FIELD(CRWarning, member, 8, P);
    FIELD(CRWarning, message, P + 8, P);
    CHECK_INT(sizeof(CRWarning), 2 * P + 8);
}

static void versions_are_ordered(void)
{
    char beginning[64];

    CHECK_INT(CRUTILS_VERSION, CRUTILS_VERSION_MAJOR * 10000 + CRUTILS_VERSION_MINOR * 100 + CRUTILS_VERSION_PATCH);
    CHECK(CRUTILS_VERSION_AT_LEAST(1, 0, 0));
    CHECK(!CRUTILS_VERSION_AT_LEAST(CRUTILS_VERSION_MAJOR, CRUTILS_VERSION_MINOR, CRUTILS_VERSION_PATCH + 1));
    CHECK(!CRUTILS_VERSION_AT_LEAST(CRUTILS_VERSION_MAJOR, CRUTILS_VERSION_MINOR + 1, 0));
    CHECK(!CRUTILS_VERSION_AT_LEAST(CRUTILS_VERSION_MAJOR + 1, 0, 0));
    /* The library may be a release candidate of the header's version. */
    snprintf(beginning, sizeof(beginning), "%d.%d.%d", CRUTILS_VERSION_MAJOR, CRUTILS_VERSION_MINOR,
             CRUTILS_VERSION_PATCH);
    CHECK(strncmp(CRVersion(), beginning, strlen(beginning)) == 0);
}

int main(void)
{
    RUN(numbers_stay);
    RUN(a_place_keeps_its_layout);
    RUN(a_change_keeps_its_layout);
    RUN(a_range_of_ids_keeps_its_layout);
    RUN(a_member_keeps_its_layout);
    RUN(what_was_imported_keeps_its_layout);
    RUN(what_was_exported_keeps_its_layout);
    RUN(a_bind_mount_keeps_its_layout);
    RUN(progress_keeps_its_layout);
    RUN(a_warning_keeps_its_layout);
    RUN(versions_are_ordered);
    return check_finish("layout");
}
