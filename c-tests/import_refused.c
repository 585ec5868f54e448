/* SPDX-License-Identifier: Apache-2.0 */
/* CRImportCheckpointWithoutConfig and CRImportCheckpointConfigOnly: what they refuse, and how. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

/* An archive of one good member and one of this name and type, and the bundle it may not harm. */
static void make_suspect(const char *name, char type, const char *link)
{
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "first", "first");
    if (type == '0')
        tar_file(tar, name, "suspect");
    else
        tar_special(tar, name, type, link);
    tar_end(tar);
    if (!exists("bundle")) {
        make_directory("bundle");
        make_directory("victim");
        make_file("victim/hello", "hello");
    }
}

#define CHECK_SUSPECT_KIND(number, kind, name, type, link)                                         \
    do {                                                                                           \
        make_suspect(name, type, link);                                                            \
        CHECK_FAILS_AT(number, kind, name, CRImportCheckpointWithoutConfig,                        \
                       path("bundle"), path("in.tar"));                                            \
        CHECK(!exists("bundle/" name));                                                            \
        CHECK_STRING(content("bundle/first"), "first");                                            \
        CHECK_STRING(content("victim/hello"), "hello");                                            \
    } while (0)

#define CHECK_SUSPECT(number, name, type, link)                                                    \
    CHECK_SUSPECT_KIND(number, CR_ERROR_ESCAPE, name, type, link)

static void devices_and_fifos_are_refused(void)
{
    CHECK_SUSPECT(EPERM, "char", '3', "");
    CHECK_SUSPECT(EPERM, "block", '4', "");
    CHECK_SUSPECT(EPERM, "fifo", '6', "");
}

static void a_configuration_for_the_runtime_is_refused(void)
{
    CHECK_SUSPECT(EPERM, "config.json", '0', "");
    CHECK_SUSPECT(EPERM, "config.json", '2', "../pre-checkpoint");

    make_suspect("sub/config.json", '0', "");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK_STRING(content("bundle/sub/config.json"), "suspect");
}

static void symbolic_links_are_refused(void)
{
    CHECK_SUSPECT(EXDEV, "link", '2', "../victim/hello");
    CHECK_SUSPECT(EXDEV, "parent", '2', "../victim");
    CHECK_SUSPECT(EXDEV, "checkpoint/parent", '2', "../../victim");
    CHECK_SUSPECT(EXDEV, "checkpoint/parent", '2', "/etc");
    CHECK_SUSPECT(EXDEV, "checkpoint/parent", '2', "../..");
    CHECK_SUSPECT(EXDEV, "checkpoint/other", '2', "../pre-checkpoint");
}

static void hard_links_to_what_was_not_extracted_are_refused(void)
{
    CHECK_SUSPECT(EXDEV, "hard", '1', "../victim/hello");
    CHECK_SUSPECT(EXDEV, "hard", '1', "missing");
    make_file("bundle/there", "before");
    CHECK_SUSPECT(EXDEV, "hard", '1', "there");
}

static void names_lead_nowhere_else(void)
{
    make_suspect("../victim/hello", '0', "");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK_STRING(content("victim/hello"), "hello");
    CHECK_STRING(content("bundle/victim/hello"), "suspect");

    make_suspect("/absolute", '0', "");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK_STRING(content("bundle/absolute"), "suspect");

    make_suspect("/../config.dump", '0', "");
    CHECK_OK(CRImportCheckpointWithoutConfig, path("bundle"), path("in.tar"));
    CHECK(!exists("bundle/config.dump"));
}

static void links_in_the_bundle_lead_nowhere_else(void)
{
    make_suspect("link/hello", '0', "");
    make_link("../victim", "bundle/link");
    CHECK(CRImportCheckpointWithoutConfig(path("bundle"), path("in.tar"), NULL) < 0);
    CHECK_STRING(content("victim/hello"), "hello");
}

static void a_file_in_the_place_of_the_bundle_is_refused(void)
{
    static const char *const names[] = {"/", "..", "/..", "../"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        make_suspect(names[i], '0', "");
        make_file("bundle/kept", "kept");
        CHECK_FAILS(EXDEV, CR_ERROR_ESCAPE, CRImportCheckpointWithoutConfig, path("bundle"),
                    path("in.tar"));
        CHECK_STRING(content("bundle/kept"), "kept");
    }
}

static void what_is_no_archive_is_malformed_and_makes_no_destination(void)
{
    char noise[600];

    memset(noise, 'x', sizeof(noise));
    make_bytes("noise", noise, sizeof(noise));
    make_bytes("short", noise, 100);
    make_file("gzip", "\x1f\x8b\x08 and then nothing that gzip knows");
    for (int i = 0; i < 3; i++) {
        const char *input = path(i == 0 ? "noise" : i == 1 ? "short" : "gzip");

        CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportCheckpointWithoutConfig, path("new"),
                    input);
        CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportCheckpointConfigOnly, path("new"), input);
        CHECK(!exists("new"));
    }
}

static void a_cut_archive_is_malformed(void)
{
    CRError *error = NULL;
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "first", "first");
    tar_header(tar, "second", '0', 0600, "", 4096);
    fputs("only this", tar);
    tar_cut(tar);
    make_directory("bundle");
    CHECK_FAILS_AT(EBADMSG, CR_ERROR_MALFORMED, "second", CRImportCheckpointWithoutConfig,
                   path("bundle"), path("in.tar"));
    CHECK_INT(CRImportCheckpointWithoutConfig(path("bundle"), path("in.tar"), &error), -EBADMSG);
    CHECK(CRErrorOffset(error) >= 1024 && CRErrorOffset(error) <= 1024 + 512 + 9);
    CRErrorFree(error);
    CHECK_STRING(content("bundle/first"), "first");
}

static void an_unknown_type_is_refused_and_removes_nothing(void)
{
    make_suspect("first", 'Z', "");
    CHECK_FAILS_AT(EOPNOTSUPP, CR_ERROR_UNSUPPORTED, "first", CRImportCheckpointWithoutConfig,
                   path("bundle"), path("in.tar"));
    CHECK_STRING(content("bundle/first"), "first");
}

static void a_configuration_that_is_no_regular_file_is_refused(void)
{
    make_suspect("config.dump", '2', "../victim/hello");
    CHECK_FAILS_AT(EXDEV, CR_ERROR_ESCAPE, "config.dump", CRImportCheckpointConfigOnly,
                   path("bundle"), path("in.tar"));
    make_suspect("spec.dump", '1', "first");
    CHECK_FAILS_AT(EXDEV, CR_ERROR_ESCAPE, "spec.dump", CRImportCheckpointConfigOnly,
                   path("bundle"), path("in.tar"));
    CHECK(!exists("bundle/config.dump") && !exists("bundle/spec.dump"));
}

static void a_configuration_above_16_mib_is_refused(void)
{
    FILE *tar = tar_begin("in.tar");

    tar_zeros(tar, "config.dump", 16 * 1024 * 1024 + 512);
    tar_end(tar);
    make_directory("config");
    CHECK_FAILS_AT(E2BIG, CR_ERROR_LIMIT, "config.dump", CRImportCheckpointConfigOnly,
                   path("config"), path("in.tar"));
}

static void what_can_not_be_opened_is_the_error_of_the_system(void)
{
    make_suspect("second", '0', "");
    make_file("file", "");
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImportCheckpointConfigOnly, path("new"), path("none"));
    CHECK_FAILS(EISDIR, CR_ERROR_SYSTEM, CRImportCheckpointConfigOnly, path("new"), path("victim"));
    CHECK_FAILS(EISDIR, CR_ERROR_SYSTEM, CRImportCheckpointWithoutConfig, path("new"),
                path("victim"));
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRImportCheckpointWithoutConfig, path("file"),
                path("in.tar"));
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRImportCheckpointConfigOnly, path("file"),
                path("in.tar"));
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportCheckpointConfigOnly, "", path("in.tar"));
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportCheckpointWithoutConfig, "", path("in.tar"));
    CHECK(!exists("new"));
}

int main(void)
{
    RUN(devices_and_fifos_are_refused);
    RUN(a_configuration_for_the_runtime_is_refused);
    RUN(symbolic_links_are_refused);
    RUN(hard_links_to_what_was_not_extracted_are_refused);
    RUN(names_lead_nowhere_else);
    RUN(links_in_the_bundle_lead_nowhere_else);
    RUN(a_file_in_the_place_of_the_bundle_is_refused);
    RUN(what_is_no_archive_is_malformed_and_makes_no_destination);
    RUN(a_cut_archive_is_malformed);
    RUN(an_unknown_type_is_refused_and_removes_nothing);
    RUN(a_configuration_that_is_no_regular_file_is_refused);
    RUN(a_configuration_above_16_mib_is_refused);
    RUN(what_can_not_be_opened_is_the_error_of_the_system);
    return check_finish("import_refused");
}
