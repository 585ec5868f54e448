/* SPDX-License-Identifier: Apache-2.0 */
/* The nine functions, by paths: what they make and free, and that outputs are left alone on failure. */

#define _GNU_SOURCE
#include "checkpoint.h"

static void an_archive_goes_into_a_bundle_in_two_steps(void)
{
    make_checkpoint("in.tar");
    CHECK_OK(CRImportCheckpointConfigOnly, path("bundle"), path("in.tar"));
    CHECK_STRING(content("bundle/spec.dump"), "{}");
    CHECK(exists("bundle/config.dump") && !exists("bundle/network.status"));
    CHECK_OK(CRImportCheckpointWithoutConfig, path("other"), path("in.tar"));
    CHECK_STRING(content("other/network.status"), "null");
    CHECK(!exists("other/config.dump") && !exists("other/spec.dump"));
    CHECK(exists("other/rootfs-diff.tar") && exists("other/deleted.files"));
    CHECK_OK(CRApplyRootFsDiffTar, path("other"), path("root"));
    CHECK_STRING(content("root/etc/hosts"), "changed");
    CHECK(exists("root/gone"));
    CHECK_OK(CRRemoveDeletedFiles, "container", path("other"), path("root"));
    CHECK(!exists("root/gone"));
}

static void the_runtime_is_a_string_to_free(void)
{
    char untouched[] = "untouched", *runtime = untouched;

    make_checkpoint("in.tar");
    make_file("empty", "");
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRGetRuntimeFromArchive, path("empty"), &runtime);
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRGetRuntimeFromArchive, path("missing"), &runtime);
    CHECK(runtime == untouched);
    CHECK_OK_ONCE(CRGetRuntimeFromArchive, path("in.tar"), &runtime);
    CHECK_STRING(runtime, "crun");
    /* It is the caller's, who may change it. */
    runtime[0] = '\0';
    CRStringFree(runtime);
}

static void the_names_of_a_diff_are_an_array_to_free(void)
{
    static const CRChange changes[] = {{"/added", CR_CHANGE_ADD, 0}, {"/gone", CR_CHANGE_DELETE, 0}};
    char *untouched = NULL, **files = &untouched;

    make_directory("changed");
    make_file("changed/added", "added");
    make_directory("out");
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRCreateRootFsDiffTar, changes, 2, path("none"), path("out"), &files);
    CHECK(files == &untouched);
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, changes, 2, path("changed"), path("out"), &files);
    CHECK_STRING(files[0], "rootfs-diff.tar");
    CHECK_STRING(files[1], "deleted.files");
    CHECK(files[2] == NULL);
    CRStringArrayFree(files);
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, changes + 1, 1, path("changed"), path("out"), &files);
    CHECK_STRING(files[0], "deleted.files");
    CHECK(files[1] == NULL && !exists("out/rootfs-diff.tar"));
    CRStringArrayFree(files);
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, NULL, 0, path("changed"), path("out"), &files);
    CHECK(files != NULL && files[0] == NULL && !exists("out/deleted.files"));
    CRStringArrayFree(files);
}

static void a_file_is_made_with_a_label(void)
{
    CHECK_OK(CRCreateFileWithLabel, files_top, "restore.log", "");
    CHECK_INT(mode_of("restore.log") & ~0077U, S_IFREG | 0600);
    make_link("restore.log", "link");
    CHECK_FAILS(ELOOP, CR_ERROR_FORBIDDEN, CRCreateFileWithLabel, files_top, "link", "");
    CHECK_NULL("file_name", CRCreateFileWithLabel, files_top, "a/b", "");
}

static void a_runtime_is_asked(void)
{
    FILE *file = fopen(path("runtime"), "w");

    if (file == NULL || fputs("#!/bin/sh\ntest \"$*\" = 'checkpoint --help'\n", file) < 0 || fclose(file) != 0 ||
        chmod(path("runtime"), 0755) != 0)
        files_die("runtime");
    CHECK(CRRuntimeSupportsCheckpointRestore(path("runtime")));
    CHECK(!CRRuntimeSupportsPodCheckpointRestore(path("runtime")));
    CHECK(!CRRuntimeSupportsCheckpointRestore(path("none")));
    CHECK(!CRRuntimeSupportsCheckpointRestore(""));
}

int main(void)
{
    RUN(an_archive_goes_into_a_bundle_in_two_steps);
    RUN(the_runtime_is_a_string_to_free);
    RUN(the_names_of_a_diff_are_an_array_to_free);
    RUN(a_file_is_made_with_a_label);
    RUN(a_runtime_is_asked);
    return check_finish("nine");
}
