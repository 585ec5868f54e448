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

static void a_refusal_names_the_entry_and_where_it_is(void)
{
    CRError *error = NULL;
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "first", "first");
    tar_special(tar, "device", '3', "");
    tar_end(tar);
    CHECK_FAILS_AT(EPERM, CR_ERROR_FORBIDDEN, "device", CRImportCheckpointWithoutConfig, path("bundle"),
                   path("in.tar"));
    tar = tar_begin("in.tar");
    tar_file(tar, "first", "first");
    tar_special(tar, "link", '2', "../victim");
    tar_end(tar);
    CHECK_FAILS_AT(EXDEV, CR_ERROR_ESCAPE, "link", CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    tar = tar_begin("in.tar");
    tar_file(tar, "first", "first");
    tar_header(tar, "second", '0', 0600, "", 4096);
    tar_cut(tar);
    CHECK_INT(CRImportCheckpointWithoutConfig(path("bundle"), path("in.tar"), &error), -EBADMSG);
    CHECK_INT(CRErrorKind(error), CR_ERROR_MALFORMED);
    CHECK_STRING(CRErrorEntry(error), "second");
    CHECK(CRErrorOffset(error) >= 1024 && CRErrorOffset(error) <= 1024 + 512);
    CRErrorFree(error);
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

/* Names are bytes, and so are the strings that tell of them. */
static void names_need_not_be_utf_8(void)
{
    static const CRChange change = {"/na\xffme", CR_CHANGE_DELETE, 0};
    char **files = NULL;

    make_directory("root");
    make_file("root/na\xffme", "gone");
    make_directory("out");
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, &change, 1, path("out"), path("out"), &files);
    CRStringArrayFree(files);
    CHECK_OK(CRRemoveDeletedFiles, "container", path("out"), path("root"));
    CHECK(!exists("root/na\xffme"));
}

/* What an engine gave away: the directory of real archives, if the caller has one. */
static void real_archives_are_imported(void)
{
    static const char *const names[] = {"plain.tar.zst", "plain.tar.gz"};
    const char *data = getenv("CRUTILS_TEST_DATA");
    char archive[PATH_MAX];

    if (data == NULL || geteuid() != 0) {
        skip("real archives", data == NULL ? "CRUTILS_TEST_DATA doesn't name their directory" : "their owner is root");
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *runtime = NULL;

        snprintf(archive, sizeof(archive), "%s/%s", data, names[i]);
        CHECK_OK_ONCE(CRGetRuntimeFromArchive, archive, &runtime);
        CHECK_STRING(runtime, "runc");
        CRStringFree(runtime);
        CHECK_OK(CRImportCheckpointWithoutConfig, path(i == 0 ? "zstd" : "gzip"), archive);
        CHECK_OK(CRImportCheckpointConfigOnly, path(i == 0 ? "zstd-c" : "gzip-c"), archive);
    }
    CHECK(S_ISREG(mode_of("zstd/checkpoint/inventory.img")) && !exists("zstd/config.dump"));
    CHECK(S_ISREG(mode_of("gzip/checkpoint/inventory.img")) && !exists("gzip/spec.dump"));
    CHECK(S_ISREG(mode_of("zstd-c/config.dump")) && S_ISREG(mode_of("gzip-c/spec.dump")));
    CHECK(!exists("zstd-c/checkpoint") && !exists("gzip-c/checkpoint"));
}

int main(void)
{
    RUN(an_archive_goes_into_a_bundle_in_two_steps);
    RUN(a_refusal_names_the_entry_and_where_it_is);
    RUN(the_runtime_is_a_string_to_free);
    RUN(the_names_of_a_diff_are_an_array_to_free);
    RUN(a_file_is_made_with_a_label);
    RUN(a_runtime_is_asked);
    RUN(names_need_not_be_utf_8);
    RUN(real_archives_are_imported);
    return check_finish("nine");
}
