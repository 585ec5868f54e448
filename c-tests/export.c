/* SPDX-License-Identifier: Apache-2.0 */
/* CRExport and CRChangeList: results, what is copied, what a failure leaves. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

static void make_bundle(void)
{
    make_directory("bundle");
    make_file("bundle/config.dump", "{\"runtime\":\"crun\"}");
    make_file("bundle/spec.dump", "{}");
    make_directory("bundle/checkpoint");
    make_file("bundle/checkpoint/inventory.img", "inventory");
}

/* Members that an export makes belong to root, which not everybody may give them to. */
static void imported(const char *archive, const char *bundle)
{
    CRImportOptions *options = CRImportOptionsNew();
    CRImport *import = NULL;

    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_IGNORE_OWNERSHIP, 1);
    CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path(archive), options, NULL, &import);
    CHECK_OK_ONCE(CRImportToBundle, import, AT_FDCWD, path(bundle));
    CHECK_OK_ONCE(CRImportExtract, import);
    CRImportFree(import);
    CRImportOptionsFree(options);
}

static void a_result_is_that_of_the_last_archive(void)
{
    CRExportOptions *options = CRExportOptionsNew();
    CRExport *export = CRExportNew();
    const CRExported *result;

    make_bundle();
    CHECK(CRExportResult(export) == NULL);
    CHECK_OK_ONCE(CRExportAddBundle, export, AT_FDCWD, path("bundle"), CR_ENGINE_CRIO);
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("first"), NULL, NULL);
    result = CRExportResult(export);
    CHECK(result != NULL && CRExportResult(export) == result);
    CHECK_INT(result->bytes, status_of("first").st_size);
    CHECK_INT(result->members, 4);
    CHECK(result->digest == NULL);
    CHECK_INT(result->missing_len, 6);
    CHECK_STRING(result->missing[0], "stats-dump");
    CHECK_STRING(result->missing[5], "io.kubernetes.cri-o.LogPath");

    CHECK_OK(CRExportOptionsSet, options, CR_EXPORT_DIGEST, 1);
    CHECK_OK(CRExportOptionsSet, options, CR_EXPORT_COMPRESSION, CR_COMPRESSION_NONE);
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("second"), options, NULL);
    CRExportOptionsFree(options);
    CHECK_INT(CRExportResult(export)->bytes, status_of("second").st_size);
    CHECK_INT(strlen(CRExportResult(export)->digest), 64);

    /* An archive that fails has none, and what has its name stays. */
    if (unlink(path("bundle/spec.dump")) != 0)
        files_die("unlink");
    make_file("third", "an earlier one");
    CHECK_FAILS_AT(ENOENT, CR_ERROR_SYSTEM, "spec.dump", CRExportWrite, export, AT_FDCWD, path("third"), NULL, NULL);
    CHECK(CRExportResult(export) == NULL);
    CHECK_STRING(content("third"), "an earlier one");
    CRExportFree(export);
}

static void nothing_missing_is_an_empty_array(void)
{
    CRExport *export = CRExportNew();

    CHECK_OK_ONCE(CRExportAddBytes, export, "note", NULL, 0);
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("archive"), NULL, NULL);
    CHECK(CRExportResult(export)->missing != NULL && CRExportResult(export)->missing_len == 0);
    CHECK_INT(CRExportResult(export)->members, 1);
    CRExportFree(export);
}

/* The names, bytes, paths and changes that an export was given may change, or be freed, before it is written. */
static void what_is_added_is_copied(void)
{
    char name[] = "note", bytes[] = "text", changed[] = "/added", root[PATH_MAX];
    CRChange change = {changed, CR_CHANGE_ADD, 0};
    CRExport *export = CRExportNew();

    make_directory("root");
    make_file("root/added", "added");
    strcpy(root, path("root"));
    CHECK_OK_ONCE(CRExportAddBytes, export, name, bytes, 4);
    CHECK_OK_ONCE(CRExportAddRootFsDiff, export, &change, 1, AT_FDCWD, root);
    memset(name, 'x', 4);
    memset(bytes, 'x', 4);
    memset(changed, 'x', 6);
    memset(root, 'x', 6);
    change = (CRChange){NULL, 9, 9};
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("archive"), NULL, NULL);
    CRExportFree(export);
    imported("archive", "restored");
    CHECK_STRING(content("restored/note"), "text");
    make_directory("image");
    CHECK_OK(CRApplyRootFsDiffTar, path("restored"), path("image"));
    CHECK_STRING(content("image/added"), "added");
}

static void what_is_left_out_is_copied(void)
{
    char member[] = "volumes/v.tar", left_out[] = "out";
    CRExportOptions *options = CRExportOptionsNew();
    CRExport *export = CRExportNew();

    make_directory("volume");
    make_file("volume/out", "out");
    make_file("volume/in", "in");
    CHECK_OK(CRExportOptionsExclude, options, member, left_out);
    memset(member, 'x', 4);
    memset(left_out, 'x', 3);
    CHECK_OK_ONCE(CRExportAddDirectoryTar, export, "volumes/v.tar", AT_FDCWD, path("volume"));
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("archive"), options, NULL);
    CRExportFree(export);
    CRExportOptionsFree(options);
}

static void a_list_of_changes_outlives_what_it_was_made_of(void)
{
    CRChangesOptions *options = CRChangesOptionsNew();
    CRExport *export = CRExportNew();
    CRChangeList *list = NULL;
    const CRChange *changes;
    size_t len;

    make_directory("old");
    make_file("old/gone", "deleted");
    make_directory("new");
    make_file("new/added", "added");
    CHECK_OK(CRChangesOptionsExclude, options, "/none", CR_EXCLUDE_SUBTREE);
    CHECK_OK_ONCE(CRChangesDirectories, AT_FDCWD, path("new"), AT_FDCWD, path("old"), options, NULL, &list);
    CRChangesOptionsFree(options);
    changes = CRChangeListChanges(list, &len);
    CHECK(CRChangeListChanges(list, NULL) == changes);
    CHECK_INT(len, 2);
    CHECK_STRING(changes[0].path, "/added");
    CHECK_INT(changes[0].kind, CR_CHANGE_ADD);
    CHECK_INT(changes[0].flags, 0);
    CHECK_STRING(changes[1].path, "/gone");
    CHECK_INT(changes[1].kind, CR_CHANGE_DELETE);
    CHECK_OK_ONCE(CRExportAddRootFsDiff, export, changes, len, AT_FDCWD, path("new"));
    CRChangeListFree(list);
    CHECK_OK_ONCE(CRExportWrite, export, AT_FDCWD, path("archive"), NULL, NULL);
    CHECK_INT(CRExportResult(export)->members, 2);
    CRExportFree(export);

    CHECK_OK_ONCE(CRChangesDirectories, AT_FDCWD, path("new"), AT_FDCWD, path("new"), NULL, NULL, &list);
    CHECK(CRChangeListChanges(list, &len) != NULL && len == 0);
    CRChangeListFree(list);
}

static void a_failed_search_leaves_the_list_alone(void)
{
    CRChangeList *untouched = (CRChangeList *)(void *)&untouched, *list = untouched;
    const CRPlace lower = {AT_FDCWD, path("none")};

    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRChangesDirectories, AT_FDCWD, path("none"), AT_FDCWD, NULL, NULL, NULL,
                &list);
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRChangesOverlay, &lower, 1, AT_FDCWD, files_top, NULL, NULL, &list);
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRChangesMount, AT_FDCWD, path("none"), NULL, NULL, &list);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesMount, AT_FDCWD, files_top, NULL, NULL, &list);
    CHECK_FAILS(EOPNOTSUPP, CR_ERROR_UNSUPPORTED, CRChangesMount, AT_FDCWD, "/proc", NULL, NULL, &list);
    CHECK(list == untouched);
}

/* The engine of a checkpoint is the engine whose paths are left out: one family of numbers. */
static void an_engine_is_the_same_number_everywhere(void)
{
    static const char podman[] = "{\"annotations\":{\"io.container.manager\":\"libpod\"}}";
    CRChangesOptions *options = CRChangesOptionsNew();
    CRMetadata *metadata = CRMetadataNew();
    CRChangeList *list = NULL;
    size_t len;

    make_directory("new");
    make_directory("new/etc");
    make_file("new/etc/hosts", "podman's, where CRI-O mounts its own");
    CHECK_OK(CRMetadataAdd, metadata, CR_DOCUMENT_SPEC, podman, strlen(podman));
    CHECK_INT(CRMetadataEngine(metadata), CR_ENGINE_PODMAN);
    CHECK_OK(CRChangesOptionsExcludeEngine, options, CRMetadataEngine(metadata));
    CHECK_OK_ONCE(CRChangesDirectories, AT_FDCWD, path("new"), AT_FDCWD, NULL, options, NULL, &list);
    for (const CRChange *change = CRChangeListChanges(list, &len); len > 0; change++, len--)
        CHECK(strcmp(change->path, "/etc/hosts") != 0);
    CRChangeListFree(list);
    CRMetadataFree(metadata);
    CRChangesOptionsFree(options);
}

int main(void)
{
    RUN(a_result_is_that_of_the_last_archive);
    RUN(nothing_missing_is_an_empty_array);
    RUN(what_is_added_is_copied);
    RUN(what_is_left_out_is_copied);
    RUN(a_list_of_changes_outlives_what_it_was_made_of);
    RUN(a_failed_search_leaves_the_list_alone);
    RUN(an_engine_is_the_same_number_everywhere);
    return check_finish("export");
}
