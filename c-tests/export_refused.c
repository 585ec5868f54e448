/* SPDX-License-Identifier: Apache-2.0 */
/* CRExport: what is refused before anything is written. */

#define _GNU_SOURCE
#include "check.h"

static void members_that_no_import_takes_are_refused(void)
{
    CRExport *export = CRExportNew();

    make_directory("bundle");
    CHECK_OK_ONCE(CRExportAddBytes, export, "note", "text", 4);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportAddBytes, export, "note", "text", 4);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportAddBytes, export, "config.json", "{}", 2);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportAddBytes, export, "../note", "text", 4);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportAddFile, export, "file", path("bundle"));
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRExportAddFile, export, "file", path("missing"));
    CHECK_NULL("presence", CRExportAddMember, export, path("bundle"), "a", 2);
    CHECK_NULL("layout", CRExportAddBundle, export, path("bundle"), 2);
    CRExportFree(export);
}

static void null_is_refused_by_its_name(void)
{
    CRExport *export = CRExportNew();
    CRExportOptions *options = CRExportOptionsNew();
    char **names;

    CHECK_NULL("checkpoint", CRExportAddMember, NULL, files_top, "a", CR_PRESENCE_OPTIONAL);
    CHECK_NULL("bundle", CRExportAddMember, export, NULL, "a", CR_PRESENCE_OPTIONAL);
    CHECK_NULL("name", CRExportAddMember, export, files_top, NULL, CR_PRESENCE_OPTIONAL);
    CHECK_NULL("bundle", CRExportAddMemberAt, export, -1, "a", CR_PRESENCE_OPTIONAL);
    CHECK_NULL("bundle", CRExportAddBundle, export, NULL, CR_LAYOUT_CRIO);
    CHECK_NULL("bundle", CRExportAddBundleAt, export, -1, CR_LAYOUT_CRIO);
    CHECK_NULL("name", CRExportAddBytes, export, NULL, "", 1);
    CHECK_NULL("bytes", CRExportAddBytes, export, "a", NULL, 1);
    CHECK_NULL("path", CRExportAddFile, export, "a", NULL);
    CHECK_NULL("file", CRExportAddFileDescriptor, export, "a", -1);
    CHECK_NULL("directory", CRExportAddDirectoryTar, export, "a", NULL);
    CHECK_NULL("directory", CRExportAddDirectoryTarAt, export, "a", -1);
    CHECK_NULL("changes", CRExportAddRootFsDiff, export, NULL, 1, files_top);
    CHECK_NULL("mount_point", CRExportAddRootFsDiff, export, NULL, 0, NULL);
    CHECK_NULL("mount_point", CRExportAddRootFsDiffAt, export, NULL, 0, -1);
    CHECK_NULL("lower_directories", CRExportAddRootFsDiffFromOverlay, export, NULL, 1, files_top,
               NULL, files_top);
    CHECK_NULL("upper_directory", CRExportAddRootFsDiffFromOverlay, export, NULL, 0, NULL, NULL,
               files_top);
    CHECK_NULL("upper_directory", CRExportAddRootFsDiffFromOverlayAt, export, NULL, 0, -1, NULL, 0);
    CHECK_NULL("checkpoint", CRExportToFile, NULL, path("archive"), NULL, NULL);
    CHECK_NULL("path", CRExportToFile, export, NULL, NULL, NULL);
    CHECK_NULL("directory", CRExportToFileAt, export, -1, "archive", NULL, NULL);
    CHECK_NULL("name", CRExportToFileAt, export, 0, NULL, NULL, NULL);
    CHECK_NULL("output", CRExportToDescriptor, export, -1, NULL, NULL);
    CHECK_NULL("checkpoint", CRExportMissing, NULL, &names);
    CHECK_NULL("names", CRExportMissing, export, NULL);
    CHECK_NULL("options", CRExportOptionsCompression, NULL, CR_COMPRESSION_NONE, 0);
    CHECK_NULL("options", CRExportOptionsDigest, NULL, 1);
    CHECK_NULL("options", CRExportOptionsSync, NULL, 1);
    CHECK_NULL("options", CRExportOptionsWorkers, NULL, 1);
    CHECK_NULL("options", CRExportOptionsTime, NULL, 1);
    CHECK_NULL("directory", CRExportOptionsSpoolDirectory, options, NULL);
    CHECK_NULL("directory", CRExportOptionsSpoolDirectoryAt, options, -1);
    CHECK(!exists("archive"));
    CHECK(CRExportBytes(NULL) == 0 && CRExportMembers(NULL) == 0 && CRExportDigest(NULL) == NULL);
    CRExportFree(NULL);
    CRExportOptionsFree(NULL);
    CRExportOptionsFree(options);
    CRExportFree(export);
}

int main(void)
{
    RUN(members_that_no_import_takes_are_refused);
    RUN(null_is_refused_by_its_name);
    return check_finish("export_refused");
}
