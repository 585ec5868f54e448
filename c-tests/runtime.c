/* SPDX-License-Identifier: Apache-2.0 */
/* CRGetRuntimeFromArchive, and the two functions that ask a runtime what it can do. */

#define _GNU_SOURCE
#include <signal.h>

#include "check.h"
#include "tar.h"

/* An archive whose config.dump is this text. */
static const char *make_archive(const char *config)
{
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "spec.dump", "{}");
    tar_file(tar, "config.dump", config);
    tar_end(tar);
    return path("in.tar");
}

#define CHECK_RUNTIME(config, expected)                                                            \
    do {                                                                                           \
        char *runtime = NULL;                                                                      \
        CHECK_OK_ONCE(CRGetRuntimeFromArchive, make_archive(config), &runtime);                    \
        CHECK_STRING(runtime, expected);                                                           \
        CRStringFree(runtime);                                                                     \
    } while (0)

/* A failure leaves the place for the runtime alone. */
#define CHECK_NO_RUNTIME(number, kind, archive)                                                    \
    do {                                                                                           \
        char untouched[] = "untouched";                                                            \
        char *runtime = untouched;                                                                 \
        CHECK_FAILS(number, kind, CRGetRuntimeFromArchive, archive, &runtime);                     \
        CHECK(runtime == untouched);                                                               \
    } while (0)

static void the_runtime_is_what_config_dump_says(void)
{
    CHECK_RUNTIME("{\"id\":\"1\",\"runtime\":\"crun\"}", "crun");
    CHECK_RUNTIME("{\"runtime\":\"/usr/bin/r\\u00fcnc\"}", "/usr/bin/r\xc3\xbcnc");
}

static void a_config_dump_may_say_nothing(void)
{
    CHECK_RUNTIME("{}", "");
    CHECK_RUNTIME("{\"runtime\":null}", "");
    CHECK_RUNTIME("{\"runtime\":\"\"}", "");
}

static void a_runtime_may_be_asked_for_without_a_place_for_the_error(void)
{
    char *runtime = NULL;

    CHECK_INT(CRGetRuntimeFromArchive(make_archive("{\"runtime\":\"x\"}"), &runtime, NULL), 0);
    CHECK_STRING(runtime, "x");
    CRStringFree(runtime);
}

static void a_config_dump_that_is_wrong_is_malformed(void)
{
    CHECK_NO_RUNTIME(EBADMSG, CR_ERROR_MALFORMED, make_archive("{\"runtime\":7}"));
    CHECK_NO_RUNTIME(EBADMSG, CR_ERROR_MALFORMED, make_archive("{\"runtime\":\"a\\u0000b\"}"));
    CHECK_NO_RUNTIME(EBADMSG, CR_ERROR_MALFORMED, make_archive("{\"runtime\":"));
    CHECK_NO_RUNTIME(EBADMSG, CR_ERROR_MALFORMED, make_archive(""));
    CHECK_NO_RUNTIME(EBADMSG, CR_ERROR_MALFORMED, make_archive("[]"));
}

static void an_archive_without_config_dump_has_no_data(void)
{
    FILE *tar = tar_begin("in.tar");

    tar_file(tar, "sub/config.dump", "{\"runtime\":\"crun\"}");
    tar_end(tar);
    make_file("empty", "");
    CHECK_NO_RUNTIME(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, path("in.tar"));
    CHECK_NO_RUNTIME(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, path("empty"));
}

static void a_config_dump_that_leads_elsewhere_is_refused(void)
{
    FILE *tar = tar_begin("in.tar");

    make_file("secret", "{\"runtime\":\"secret\"}");
    tar_special(tar, "config.dump", '2', path("secret"));
    tar_end(tar);
    CHECK_NO_RUNTIME(EXDEV, CR_ERROR_ESCAPE, path("in.tar"));
}

static void a_config_dump_above_16_mib_is_refused(void)
{
    FILE *tar = tar_begin("in.tar");

    tar_zeros(tar, "config.dump", 16 * 1024 * 1024 + 512);
    tar_end(tar);
    CHECK_NO_RUNTIME(E2BIG, CR_ERROR_LIMIT, path("in.tar"));
}

static void what_is_no_archive_has_no_runtime(void)
{
    char noise[600];

    memset(noise, 'x', sizeof(noise));
    make_bytes("noise", noise, sizeof(noise));
    CHECK_NO_RUNTIME(EBADMSG, CR_ERROR_MALFORMED, path("noise"));
    CHECK_NO_RUNTIME(ENOENT, CR_ERROR_SYSTEM, path("none"));
    CHECK_NO_RUNTIME(EISDIR, CR_ERROR_SYSTEM, files_top);
}

static void the_runtime_of_a_real_archive_is_found(void)
{
    const char *data = getenv("CRUTILS_TEST_DATA");
    char archive[PATH_MAX];
    char *runtime = NULL;

    if (data == NULL) {
        skip("a real archive", "CRUTILS_TEST_DATA doesn't name its directory");
        return;
    }
    snprintf(archive, sizeof(archive), "%s/plain.tar.zst", data);
    CHECK_OK_ONCE(CRGetRuntimeFromArchive, archive, &runtime);
    CHECK_STRING(runtime, "runc");
    CRStringFree(runtime);
}

/* A runtime that is a shell script. */
static const char *make_runtime(const char *script)
{
    FILE *file = fopen(path("runtime"), "w");

    if (file == NULL || fprintf(file, "#!/bin/sh\n%s\n", script) < 0 || fclose(file) != 0)
        files_die("runtime");
    if (chmod(path("runtime"), 0755) != 0)
        files_die("runtime");
    return path("runtime");
}

static void a_runtime_that_knows_checkpoint_supports_it(void)
{
    CHECK(CRRuntimeSupportsCheckpointRestore(make_runtime("test \"$*\" = 'checkpoint --help'")));
    CHECK(!CRRuntimeSupportsCheckpointRestore(make_runtime("exit 1")));
    CHECK(!CRRuntimeSupportsCheckpointRestore(make_runtime("kill -9 $$")));
}

static void a_runtime_that_knows_the_option_supports_pods(void)
{
    const char *only_then = "test \"$*\" = 'restore --lsm-mount-context' || exit 1\n";
    static const char *const words[] = {
        "echo 'flag needs an argument: -lsm-mount-context' >&2; exit 1",
        "echo \"option '--lsm-mount-context' requires an argument\" >&2; exit 64",
        "echo 'error: a value is required for --lsm-mount-context <X>' >&2; exit 2",
    };
    char script[512];

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        snprintf(script, sizeof(script), "%s%s", only_then, words[i]);
        CHECK(CRRuntimeSupportsPodCheckpointRestore(make_runtime(script)));
    }
    CHECK(!CRRuntimeSupportsPodCheckpointRestore(make_runtime("echo unknown option; exit 1")));
    CHECK(!CRRuntimeSupportsPodCheckpointRestore(make_runtime("exit 0")));
}

static void no_runtime_supports_nothing(void)
{
    make_file("plain", "#!/bin/sh\nexit 0\n");
    make_directory("directory");
    CHECK(!CRRuntimeSupportsCheckpointRestore(NULL));
    CHECK(!CRRuntimeSupportsCheckpointRestore(""));
    CHECK(!CRRuntimeSupportsCheckpointRestore(path("none")));
    CHECK(!CRRuntimeSupportsCheckpointRestore(path("plain")));
    CHECK(!CRRuntimeSupportsCheckpointRestore(path("directory")));
    CHECK(!CRRuntimeSupportsCheckpointRestore("no-such-runtime-in-path"));
    CHECK(!CRRuntimeSupportsPodCheckpointRestore(NULL));
    CHECK(!CRRuntimeSupportsPodCheckpointRestore(""));
    CHECK(!CRRuntimeSupportsPodCheckpointRestore(path("none")));
}

static void a_host_that_reaps_children_gets_false(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;

    if (sigaction(SIGCHLD, &ignore, &before) != 0)
        files_die("sigaction");
    CHECK(!CRRuntimeSupportsCheckpointRestore(make_runtime("exit 0")));
    sigaction(SIGCHLD, &before, NULL);
}

int main(void)
{
    RUN(the_runtime_is_what_config_dump_says);
    RUN(a_config_dump_may_say_nothing);
    RUN(a_runtime_may_be_asked_for_without_a_place_for_the_error);
    RUN(a_config_dump_that_is_wrong_is_malformed);
    RUN(an_archive_without_config_dump_has_no_data);
    RUN(a_config_dump_that_leads_elsewhere_is_refused);
    RUN(a_config_dump_above_16_mib_is_refused);
    RUN(what_is_no_archive_has_no_runtime);
    RUN(the_runtime_of_a_real_archive_is_found);
    RUN(a_runtime_that_knows_checkpoint_supports_it);
    RUN(a_runtime_that_knows_the_option_supports_pods);
    RUN(no_runtime_supports_nothing);
    RUN(a_host_that_reaps_children_gets_false);
    return check_finish("runtime");
}
