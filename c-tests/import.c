/* SPDX-License-Identifier: Apache-2.0 */
/* CRImportCheckpointWithoutConfig, CRImportCheckpointConfigOnly: what becomes of good archives. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

/* An archive such as an engine makes, in little. */
static void make_checkpoint(const char *name)
{
    FILE *tar = tar_begin(name);

    tar_file(tar, "config.dump", "{\"runtime\":\"crun\"}");
    tar_file(tar, "spec.dump", "{}");
    tar_file(tar, "network.status", "null");
    tar_directory(tar, "checkpoint/");
    tar_file(tar, "checkpoint/inventory.img", "inventory");
    tar_special(tar, "checkpoint/parent", '2', "../pre-checkpoint");
    tar_special(tar, "checkpoint/again.img", '1', "checkpoint/inventory.img");
    tar_file(tar, "config.dumpster", "a neighbour");
    tar_end(tar);
}

static void an_import_leaves_only_the_configuration_out(void)
{
    make_checkpoint("in.tar");
    make_directory("bundle");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK(!exists("bundle/config.dump"));
    CHECK(!exists("bundle/spec.dump"));
    CHECK_STRING(content("bundle/config.dumpster"), "a neighbour");
    CHECK_STRING(content("bundle/network.status"), "null");
    CHECK_STRING(content("bundle/checkpoint/inventory.img"), "inventory");
    CHECK_STRING(target("bundle/checkpoint/parent"), "../pre-checkpoint");
    CHECK(status_of("bundle/checkpoint/inventory.img").st_ino ==
          status_of("bundle/checkpoint/again.img").st_ino);
}

static void modes_and_times_are_the_members(void)
{
    make_checkpoint("in.tar");
    make_directory("bundle");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK_INT(mode_of("bundle/network.status"), S_IFREG | 0640);
    CHECK_INT(mode_of("bundle/checkpoint"), S_IFDIR | 0750);
    CHECK_INT(status_of("bundle/network.status").st_mtime, TAR_TIME);
    CHECK_INT(status_of("bundle/checkpoint").st_mtime, TAR_TIME);
}

static void a_missing_absolute_destination_is_made(void)
{
    mode_t before = umask(027);

    make_checkpoint("in.tar");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("new/bundle"), path("in.tar"));
    CHECK_OK(CRImportCheckpointConfigOnly, path("other/config"), path("in.tar"));
    umask(before);
    CHECK_STRING(content("new/bundle/network.status"), "null");
    CHECK_STRING(content("other/config/spec.dump"), "{}");
    CHECK_INT(mode_of("new/bundle"), S_IFDIR | 0750);
    CHECK_INT(mode_of("other"), S_IFDIR | 0750);
}

static void a_destination_may_be_relative_if_it_exists(void)
{
    char before[PATH_MAX];

    make_checkpoint("in.tar");
    make_directory("bundle");
    if (getcwd(before, sizeof(before)) == NULL || chdir(files_top) != 0)
        files_die("chdir");
    CHECK_OK(CRImportCheckpointConfigOnly, "bundle", "in.tar");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportCheckpointConfigOnly, "missing", "in.tar");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportCheckpointWithoutConfig, "missing", "in.tar");
    if (chdir(before) != 0)
        files_die("chdir");
    CHECK_STRING(content("bundle/config.dump"), "{\"runtime\":\"crun\"}");
    CHECK(!exists("missing"));
}

static void a_destination_may_be_a_link_to_a_directory(void)
{
    make_checkpoint("in.tar");
    make_directory("real");
    make_link("real", "bundle");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK_STRING(content("real/network.status"), "null");
}

static void what_the_archive_does_not_name_stays(void)
{
    make_checkpoint("in.tar");
    make_directory("bundle");
    make_file("bundle/config.json", "the engine's");
    make_file("bundle/network.status", "old");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK_STRING(content("bundle/config.json"), "the engine's");
    CHECK_STRING(content("bundle/network.status"), "null");
}

static void an_empty_file_is_an_archive_without_members(void)
{
    make_file("empty", "");
    make_directory("bundle");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("empty"));
    CHECK_OK(CRImportCheckpointConfigOnly, path("bundle"), path("empty"));
    CHECK(rmdir(path("bundle")) == 0);
    make_directory("bundle");
}

static void the_configuration_is_all_that_config_only_extracts(void)
{
    FILE *tar;

    make_checkpoint("in.tar");
    make_directory("config");
    CHECK_OK(CRImportCheckpointConfigOnly, path("config"), path("in.tar"));
    CHECK_STRING(content("config/config.dump"), "{\"runtime\":\"crun\"}");
    CHECK_STRING(content("config/spec.dump"), "{}");
    CHECK(!exists("config/network.status"));
    CHECK(!exists("config/checkpoint"));
    CHECK(!exists("config/config.dumpster"));

    /* What it doesn't extract, it doesn't mind. */
    tar = tar_begin("odd.tar");
    tar_special(tar, "device", '3', "");
    tar_file(tar, "config.json", "{}");
    tar_special(tar, "link", '2', "/etc/passwd");
    tar_file(tar, "sub/config.dump", "not this one");
    tar_file(tar, "./spec.dump", "{\"odd\":1}");
    tar_end(tar);
    make_directory("odd");
    CHECK_OK(CRImportCheckpointConfigOnly, path("odd"), path("odd.tar"));
    CHECK_STRING(content("odd/spec.dump"), "{\"odd\":1}");
    CHECK(!exists("odd/device") && !exists("odd/config.json") && !exists("odd/link"));
    CHECK(!exists("odd/sub") && !exists("odd/config.dump"));
}

static void config_only_does_not_look_behind_what_it_needs(void)
{
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "config.dump", "{}");
    tar_file(tar, "spec.dump", "{}");
    tar_file(tar, "config.dump", "a later one");
    fputs("this is no header", tar);
    tar_cut(tar);
    make_directory("config");
    CHECK_OK(CRImportCheckpointConfigOnly, path("config"), path("in.tar"));
    CHECK_STRING(content("config/config.dump"), "{}");
}

static void an_archive_may_end_in_whatever_was_there_before(void)
{
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "network.status", "null");
    fwrite((char[1024]){0}, 1024, 1, tar);
    fputs("the rest of a longer file", tar);
    tar_cut(tar);
    make_directory("bundle");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK_STRING(content("bundle/network.status"), "null");
}

/* What an engine gave away: the directory of real archives, if the caller has one. */
static void real_archives_are_imported(void)
{
    static const char *const names[] = {"plain.tar.zst", "plain.tar.gz"};
    const char *data = getenv("CRUTILS_TEST_DATA");
    char archive[PATH_MAX];

    if (data == NULL) {
        skip("real archives", "CRUTILS_TEST_DATA doesn't name their directory");
        return;
    }
    if (geteuid() != 0) {
        skip("real archives", "their owner is root, who this is not");
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(archive, sizeof(archive), "%s/%s", data, names[i]);
        CHECK_OK(CRImportCheckpointWithoutConfig, path(i == 0 ? "zstd" : "gzip"), archive);
        CHECK_OK(CRImportCheckpointConfigOnly, path(i == 0 ? "zstd-c" : "gzip-c"), archive);
    }
    CHECK(S_ISREG(mode_of("zstd/checkpoint/inventory.img")));
    CHECK(S_ISREG(mode_of("gzip/checkpoint/inventory.img")));
    CHECK(!exists("zstd/config.dump") && !exists("zstd/spec.dump"));
    CHECK(S_ISREG(mode_of("zstd-c/config.dump")) && S_ISREG(mode_of("gzip-c/spec.dump")));
    CHECK(!exists("zstd-c/checkpoint") && !exists("gzip-c/checkpoint"));
}

int main(void)
{
    RUN(an_import_leaves_only_the_configuration_out);
    RUN(modes_and_times_are_the_members);
    RUN(a_missing_absolute_destination_is_made);
    RUN(a_destination_may_be_relative_if_it_exists);
    RUN(a_destination_may_be_a_link_to_a_directory);
    RUN(what_the_archive_does_not_name_stays);
    RUN(an_empty_file_is_an_archive_without_members);
    RUN(the_configuration_is_all_that_config_only_extracts);
    RUN(config_only_does_not_look_behind_what_it_needs);
    RUN(an_archive_may_end_in_whatever_was_there_before);
    RUN(real_archives_are_imported);
    return check_finish("import");
}
