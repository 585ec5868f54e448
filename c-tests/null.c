/* SPDX-License-Identifier: Apache-2.0 */
/* NULL for each pointer that may not be NULL: EINVAL, and a message with the argument's name in the prototype. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

#define HERE AT_FDCWD, files_top

static void the_nine_functions(void)
{
    const char *any = path("any");
    const CRChange change = {"/x", CR_CHANGE_ADD, 0}, no_path = {NULL, CR_CHANGE_ADD, 0};
    char *runtime = NULL;
    char **files = NULL;

    CHECK_NULL("destination", CRImportCheckpointWithoutConfig, NULL, any);
    CHECK_NULL("input", CRImportCheckpointWithoutConfig, any, NULL);
    CHECK_NULL("destination", CRImportCheckpointConfigOnly, NULL, any);
    CHECK_NULL("input", CRImportCheckpointConfigOnly, any, NULL);
    CHECK_NULL("input", CRGetRuntimeFromArchive, NULL, &runtime);
    CHECK_NULL("runtime", CRGetRuntimeFromArchive, any, NULL);
    CHECK_NULL("changes", CRCreateRootFsDiffTar, NULL, 1, any, any, &files);
    CHECK_NULL("changes[0].path", CRCreateRootFsDiffTar, &no_path, 1, any, any, &files);
    CHECK_NULL("mount_point", CRCreateRootFsDiffTar, &change, 1, NULL, any, &files);
    CHECK_NULL("destination", CRCreateRootFsDiffTar, &change, 1, any, NULL, &files);
    CHECK_NULL("include_files", CRCreateRootFsDiffTar, &change, 1, any, any, NULL);
    CHECK_NULL("base_directory", CRApplyRootFsDiffTar, NULL, any);
    CHECK_NULL("container_root_directory", CRApplyRootFsDiffTar, any, NULL);
    CHECK_NULL("id", CRRemoveDeletedFiles, NULL, any, any);
    CHECK_NULL("base_directory", CRRemoveDeletedFiles, "id", NULL, any);
    CHECK_NULL("container_root_directory", CRRemoveDeletedFiles, "id", any, NULL);
    CHECK_NULL("directory", CRCreateFileWithLabel, NULL, "name", "");
    CHECK_NULL("file_name", CRCreateFileWithLabel, any, NULL, "");
    CHECK_NULL("file_label", CRCreateFileWithLabel, any, "name", NULL);
    CHECK(runtime == NULL && files == NULL && !exists("any"));
}

static void the_nine_functions_with_places(void)
{
    const CRChange change = {"/x", CR_CHANGE_ADD, 0};
    char **files = NULL;

    CHECK_NULL("destination", CRImportCheckpointWithoutConfigAt, AT_FDCWD, NULL, HERE);
    CHECK_NULL("input", CRImportCheckpointWithoutConfigAt, HERE, AT_FDCWD, NULL);
    CHECK_NULL("destination", CRImportCheckpointConfigOnlyAt, AT_FDCWD, NULL, HERE);
    CHECK_NULL("input", CRImportCheckpointConfigOnlyAt, HERE, AT_FDCWD, NULL);
    CHECK_NULL("changes", CRCreateRootFsDiffTarAt, NULL, 1, HERE, HERE, &files);
    CHECK_NULL("mount_point", CRCreateRootFsDiffTarAt, &change, 1, AT_FDCWD, NULL, HERE, &files);
    CHECK_NULL("destination", CRCreateRootFsDiffTarAt, &change, 1, HERE, AT_FDCWD, NULL, &files);
    CHECK_NULL("include_files", CRCreateRootFsDiffTarAt, &change, 1, HERE, HERE, NULL);
    CHECK_NULL("base_directory", CRApplyRootFsDiffTarAt, AT_FDCWD, NULL, HERE);
    CHECK_NULL("container_root_directory", CRApplyRootFsDiffTarAt, HERE, AT_FDCWD, NULL);
    CHECK_NULL("id", CRRemoveDeletedFilesAt, NULL, HERE, HERE);
    CHECK_NULL("base_directory", CRRemoveDeletedFilesAt, "id", AT_FDCWD, NULL, HERE);
    CHECK_NULL("container_root_directory", CRRemoveDeletedFilesAt, "id", HERE, AT_FDCWD, NULL);
    CHECK_NULL("directory", CRCreateFileWithLabelAt, AT_FDCWD, NULL, "name", "");
    CHECK_NULL("file_name", CRCreateFileWithLabelAt, HERE, NULL, "");
    CHECK_NULL("file_label", CRCreateFileWithLabelAt, HERE, "name", NULL);
    CHECK(files == NULL && !exists("name"));
}

static void the_options_of_an_import(void)
{
    const char *const no_name[] = {"a", NULL};
    CRImportOptions *options = CRImportOptionsNew();

    CHECK_NULL("options", CRImportOptionsSet, NULL, CR_IMPORT_DIGEST, 1);
    CHECK_NULL("options", CRImportOptionsExpectedDigest, NULL, "");
    CHECK_NULL("digest", CRImportOptionsExpectedDigest, options, NULL);
    CHECK_NULL("options", CRImportOptionsSpoolDirectory, NULL, HERE);
    CHECK_NULL("directory", CRImportOptionsSpoolDirectory, options, AT_FDCWD, NULL);
    CHECK_NULL("options", CRImportOptionsTypes, NULL, NULL, 0);
    CHECK_NULL("types", CRImportOptionsTypes, options, NULL, 1);
    CHECK_NULL("options", CRImportOptionsNames, NULL, NULL, 0);
    CHECK_NULL("names", CRImportOptionsNames, options, NULL, 1);
    CHECK_NULL("names[1]", CRImportOptionsNames, options, no_name, 2);
    CHECK_NULL("options", CRImportOptionsMapIds, NULL, NULL, 0, NULL, 0);
    CHECK_NULL("uids", CRImportOptionsMapIds, options, NULL, 1, NULL, 0);
    CHECK_NULL("gids", CRImportOptionsMapIds, options, NULL, 0, NULL, 1);
    CRImportOptionsFree(options);
}

static void an_import(void)
{
    const char *const no_name[] = {NULL};
    const CRMetadata *metadata = NULL;
    const CRMember *const *members = NULL;
    CRImport *import = NULL;
    size_t len = 7;

    tar_end(tar_begin("in.tar"));
    CHECK_NULL("archive", CRImportOpen, AT_FDCWD, NULL, NULL, NULL, &import);
    CHECK_NULL("import", CRImportOpen, AT_FDCWD, path("in.tar"), NULL, NULL, NULL);
    CHECK(import == NULL);
    CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path("in.tar"), NULL, NULL, &import);
    CHECK_NULL("import", CRImportMetadata, NULL, &metadata);
    CHECK_NULL("metadata", CRImportMetadata, import, NULL);
    CHECK_NULL("import", CRImportMembers, NULL, &members, &len);
    CHECK_NULL("members", CRImportMembers, import, NULL, &len);
    CHECK_NULL("members_len", CRImportMembers, import, &members, NULL);
    CHECK_NULL("import", CRImportToBundle, NULL, HERE);
    CHECK_NULL("bundle", CRImportToBundle, import, AT_FDCWD, NULL);
    CHECK_NULL("import", CRImportToBundleOnly, NULL, HERE, NULL, 0);
    CHECK_NULL("bundle", CRImportToBundleOnly, import, AT_FDCWD, NULL, NULL, 0);
    CHECK_NULL("names", CRImportToBundleOnly, import, HERE, NULL, 1);
    CHECK_NULL("names[0]", CRImportToBundleOnly, import, HERE, no_name, 1);
    CHECK_NULL("import", CRImportToRoot, NULL, HERE);
    CHECK_NULL("root", CRImportToRoot, import, AT_FDCWD, NULL);
    CHECK_NULL("import", CRImportToVolume, NULL, "vol1", HERE);
    CHECK_NULL("volume", CRImportToVolume, import, NULL, HERE);
    CHECK_NULL("directory", CRImportToVolume, import, "vol1", AT_FDCWD, NULL);
    CHECK_NULL("import", CRImportToShm, NULL, HERE);
    CHECK_NULL("directory", CRImportToShm, import, AT_FDCWD, NULL);
    CHECK_NULL("import", CRImportExtract, NULL);
    CHECK(metadata == NULL && members == NULL && len == 7);
    CRImportFree(import);
}

static void an_export(void)
{
    CRExportOptions *options = CRExportOptionsNew();
    CRExport *export = CRExportNew();
    CRMetadata *metadata = CRMetadataNew();

    CHECK_NULL("options", CRExportOptionsSet, NULL, CR_EXPORT_DIGEST, 1);
    CHECK_NULL("options", CRExportOptionsSpoolDirectory, NULL, HERE);
    CHECK_NULL("directory", CRExportOptionsSpoolDirectory, options, AT_FDCWD, NULL);
    CHECK_NULL("checkpoint", CRExportAddBundle, NULL, HERE, CR_ENGINE_PODMAN);
    CHECK_NULL("bundle", CRExportAddBundle, export, AT_FDCWD, NULL, CR_ENGINE_PODMAN);
    CHECK_NULL("checkpoint", CRExportAddMember, NULL, HERE, "a", CR_PRESENCE_OPTIONAL);
    CHECK_NULL("bundle", CRExportAddMember, export, AT_FDCWD, NULL, "a", CR_PRESENCE_OPTIONAL);
    CHECK_NULL("name", CRExportAddMember, export, HERE, NULL, CR_PRESENCE_OPTIONAL);
    CHECK_NULL("checkpoint", CRExportAddBytes, NULL, "a", "", 1);
    CHECK_NULL("name", CRExportAddBytes, export, NULL, "", 1);
    CHECK_NULL("bytes", CRExportAddBytes, export, "a", NULL, 1);
    CHECK_NULL("checkpoint", CRExportAddMetadata, NULL, metadata);
    CHECK_NULL("metadata", CRExportAddMetadata, export, NULL);
    CHECK_NULL("checkpoint", CRExportAddFile, NULL, "a", HERE);
    CHECK_NULL("name", CRExportAddFile, export, NULL, HERE);
    CHECK_NULL("file", CRExportAddFile, export, "a", AT_FDCWD, NULL);
    CHECK_NULL("checkpoint", CRExportAddDirectoryTar, NULL, "a", HERE);
    CHECK_NULL("name", CRExportAddDirectoryTar, export, NULL, HERE);
    CHECK_NULL("directory", CRExportAddDirectoryTar, export, "a", AT_FDCWD, NULL);
    CHECK_NULL("checkpoint", CRExportAddRootFsDiff, NULL, NULL, 0, HERE);
    CHECK_NULL("changes", CRExportAddRootFsDiff, export, NULL, 1, HERE);
    CHECK_NULL("root", CRExportAddRootFsDiff, export, NULL, 0, AT_FDCWD, NULL);
    CHECK_NULL("checkpoint", CRExportWrite, NULL, AT_FDCWD, path("archive"), NULL, NULL);
    CHECK_NULL("archive", CRExportWrite, export, AT_FDCWD, NULL, NULL, NULL);
    CHECK(!exists("archive") && CRExportResult(export) == NULL);
    CRMetadataFree(metadata);
    CRExportFree(export);
    CRExportOptionsFree(options);
}

static void images(void)
{
    CRImageOptions *options = CRImageOptionsNew();
    CRExport *export = CRExportNew();
    CRImageList *list = NULL;
    CRImport *import = NULL;
    CRImage *image = NULL;

    tar_end(tar_begin("in.tar"));
    CHECK_NULL("options", CRImageOptionsSet, NULL, CR_IMAGE_SYNC, 1);
    CHECK_NULL("options", CRImageOptionsName, NULL, "a");
    CHECK_NULL("name", CRImageOptionsName, options, NULL);
    CHECK_NULL("options", CRImageOptionsAnnotation, NULL, "a", "b");
    CHECK_NULL("key", CRImageOptionsAnnotation, options, NULL, "b");
    CHECK_NULL("text", CRImageOptionsAnnotation, options, "a", NULL);
    CHECK_NULL("options", CRImageOptionsArchitecture, NULL, "arm64");
    CHECK_NULL("architecture", CRImageOptionsArchitecture, options, NULL);
    CHECK_NULL("options", CRImageOptionsCreated, NULL, "2026-11-02T03:04:05Z");
    CHECK_NULL("time", CRImageOptionsCreated, options, NULL);
    CHECK_NULL("options", CRImageOptionsSpoolDirectory, NULL, HERE);
    CHECK_NULL("directory", CRImageOptionsSpoolDirectory, options, AT_FDCWD, NULL);
    CHECK_NULL("archive", CRImageFromArchive, AT_FDCWD, NULL, AT_FDCWD, path("layout"), NULL, NULL, &image);
    CHECK_NULL("image", CRImageFromArchive, AT_FDCWD, path("in.tar"), AT_FDCWD, NULL, NULL, NULL, &image);
    CHECK_NULL("written", CRImageFromArchive, AT_FDCWD, path("in.tar"), AT_FDCWD, path("layout"), NULL, NULL, NULL);
    CHECK_NULL("checkpoint", CRExportWriteImage, NULL, AT_FDCWD, path("layout"), NULL, NULL, NULL, &image);
    CHECK_NULL("image", CRExportWriteImage, export, AT_FDCWD, NULL, NULL, NULL, NULL, &image);
    CHECK_NULL("written", CRExportWriteImage, export, AT_FDCWD, path("layout"), NULL, NULL, NULL, NULL);
    CHECK_NULL("image", CRImageOpen, AT_FDCWD, NULL, NULL, NULL, NULL, &image);
    CHECK_NULL("opened", CRImageOpen, HERE, NULL, NULL, NULL, NULL);
    CHECK_NULL("image", CRImageListOpen, AT_FDCWD, NULL, NULL, NULL, &list);
    CHECK_NULL("list", CRImageListOpen, HERE, NULL, NULL, NULL);
    CHECK_NULL("image", CRImportOpenImage, AT_FDCWD, NULL, NULL, NULL, NULL, &import);
    CHECK_NULL("import", CRImportOpenImage, HERE, NULL, NULL, NULL, NULL);
    CHECK(image == NULL && list == NULL && import == NULL && !exists("layout"));
    CRExportFree(export);
    CRImageOptionsFree(options);
}

static void changes(void)
{
    CRChangesOptions *options = CRChangesOptionsNew();
    const CRPlace lower = {HERE}, no_path = {AT_FDCWD, NULL};
    CRChangeList *list = NULL;

    CHECK_NULL("options", CRChangesOptionsSet, NULL, CR_CHANGES_EXACT_TIMES, 1);
    CHECK_NULL("options", CRChangesOptionsWorkDirectory, NULL, HERE);
    CHECK_NULL("directory", CRChangesOptionsWorkDirectory, options, AT_FDCWD, NULL);
    CHECK_NULL("options", CRChangesOptionsExclude, NULL, "/x", CR_EXCLUDE_EXACT);
    CHECK_NULL("path", CRChangesOptionsExclude, options, NULL, CR_EXCLUDE_EXACT);
    CHECK_NULL("options", CRChangesOptionsExcludeEngine, NULL, CR_ENGINE_CRIO);
    CHECK_NULL("options", CRChangesOptionsExcludeBindMounts, NULL, HERE);
    CHECK_NULL("spec", CRChangesOptionsExcludeBindMounts, options, AT_FDCWD, NULL);
    CHECK_NULL("lower_directories", CRChangesOverlay, NULL, 1, HERE, NULL, NULL, &list);
    CHECK_NULL("lower_directories[0]", CRChangesOverlay, &no_path, 1, HERE, NULL, NULL, &list);
    CHECK_NULL("upper_directory", CRChangesOverlay, &lower, 1, AT_FDCWD, NULL, NULL, NULL, &list);
    CHECK_NULL("list", CRChangesOverlay, &lower, 1, HERE, NULL, NULL, NULL);
    CHECK_NULL("mount_point", CRChangesMount, AT_FDCWD, NULL, NULL, NULL, &list);
    CHECK_NULL("list", CRChangesMount, HERE, NULL, NULL, NULL);
    CHECK_NULL("new_directory", CRChangesDirectories, AT_FDCWD, NULL, HERE, NULL, NULL, &list);
    CHECK_NULL("list", CRChangesDirectories, HERE, HERE, NULL, NULL, NULL);
    CHECK(list == NULL);
    CRChangesOptionsFree(options);
}

static void metadata(void)
{
    CRMetadata *metadata = CRMetadataNew();
    const CRBindMount *const *mounts = NULL;
    const void *bytes = NULL;
    char *json = NULL;
    size_t len = 7;

    CHECK_NULL("metadata", CRMetadataAdd, NULL, CR_DOCUMENT_SPEC, "{}", 2);
    CHECK_NULL("bytes", CRMetadataAdd, metadata, CR_DOCUMENT_SPEC, NULL, 2);
    CHECK_NULL("metadata", CRMetadataSetText, NULL, CR_TEXT_ID, "x");
    CHECK_NULL("value", CRMetadataSetText, metadata, CR_TEXT_ID, NULL);
    CHECK_NULL("metadata", CRMetadataSetAnnotation, NULL, "key", "x");
    CHECK_NULL("key", CRMetadataSetAnnotation, metadata, NULL, "x");
    CHECK_NULL("value", CRMetadataSetAnnotation, metadata, "key", NULL);
    CHECK_NULL("metadata", CRMetadataBuild, NULL, CR_ENGINE_CRIO);
    CHECK_NULL("metadata", CRMetadataBindMounts, NULL, &mounts, &len);
    CHECK_NULL("mounts", CRMetadataBindMounts, metadata, NULL, &len);
    CHECK_NULL("mounts_len", CRMetadataBindMounts, metadata, &mounts, NULL);
    CHECK_NULL("metadata", CRMetadataDocument, NULL, CR_DOCUMENT_SPEC, &bytes, &len);
    CHECK_NULL("bytes", CRMetadataDocument, metadata, CR_DOCUMENT_SPEC, NULL, &len);
    CHECK_NULL("bytes_len", CRMetadataDocument, metadata, CR_DOCUMENT_SPEC, &bytes, NULL);
    CHECK_NULL("metadata", CRMetadataJson, NULL, &json);
    CHECK_NULL("json", CRMetadataJson, metadata, NULL);
    CHECK(CRMetadataAnnotation(metadata, NULL) == NULL);
    CHECK(mounts == NULL && bytes == NULL && json == NULL && len == 7);
    CRMetadataFree(metadata);
}

static void on_progress(void *user_data, const CRProgress *progress)
{
    (void)user_data, (void)progress;
}

static void on_warning(void *user_data, const CRWarning *warning)
{
    (void)user_data, (void)warning;
}

static void a_watch(void)
{
    CRWatch *watch = CRWatchNew();

    CHECK_NULL("watch", CRWatchOnProgress, NULL, on_progress, NULL);
    CHECK_NULL("function", CRWatchOnProgress, watch, NULL, NULL);
    CHECK_NULL("watch", CRWatchOnWarning, NULL, on_warning, NULL);
    CHECK_NULL("function", CRWatchOnWarning, watch, NULL, NULL);
    CHECK_NULL("watch", CRWatchDeadline, NULL, 1);
    CRWatchFree(watch);
}

int main(void)
{
    RUN(the_nine_functions);
    RUN(the_nine_functions_with_places);
    RUN(the_options_of_an_import);
    RUN(an_import);
    RUN(an_export);
    RUN(images);
    RUN(changes);
    RUN(metadata);
    RUN(a_watch);
    return check_finish("null");
}
