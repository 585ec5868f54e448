/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for all functions: NULL, the place for the error, what an error tells, freeing. */

#define _GNU_SOURCE
#include "check.h"

static void null_is_an_answer_for_no_error(void)
{
    CHECK_INT(CRErrorErrno(NULL), 0);
    CHECK_INT(CRErrorKind(NULL), CR_ERROR_NONE);
    CHECK_STRING(CRErrorMessage(NULL), "");
    CHECK(CRErrorEntry(NULL) == NULL);
    CHECK_INT(CRErrorOffset(NULL), -1);
}

static void null_is_freed_without_effect(void)
{
    CRErrorFree(NULL);
    CRStringFree(NULL);
    CRStringArrayFree(NULL);
}

static void the_library_is_of_the_version_of_its_header(void)
{
    char expected[64];

    snprintf(expected, sizeof(expected), "%d.%d.%d", CRUTILS_VERSION_MAJOR, CRUTILS_VERSION_MINOR,
             CRUTILS_VERSION_PATCH);
    CHECK_STRING(CRVersion(), expected);
}

static void the_constants_are_these_numbers(void)
{
    CHECK_INT(CR_CHANGE_MODIFY, 0);
    CHECK_INT(CR_CHANGE_ADD, 1);
    CHECK_INT(CR_CHANGE_DELETE, 2);
    CHECK_INT(CR_ERROR_NONE, 0);
    CHECK_INT(CR_ERROR_SYSTEM, 1);
    CHECK_INT(CR_ERROR_ARGUMENT, 2);
    CHECK_INT(CR_ERROR_MALFORMED, 3);
    CHECK_INT(CR_ERROR_ESCAPE, 4);
    CHECK_INT(CR_ERROR_LIMIT, 5);
    CHECK_INT(CR_ERROR_UNSUPPORTED, 6);
    CHECK_INT(CR_ERROR_NOT_IN_ARCHIVE, 7);
    CHECK_INT(CR_ERROR_CANCELLED, 8);
    CHECK_INT(CR_ERROR_INTERNAL, 9);
}

static void a_change_has_this_layout(void)
{
    CHECK_INT(offsetof(CRChange, path), 0);
    CHECK_INT(offsetof(CRChange, kind), sizeof(char *));
    CHECK_INT(offsetof(CRChange, flags), sizeof(char *) + 4);
    CHECK_INT(sizeof(CRChange), sizeof(char *) + 8);
}

static void a_null_argument_is_refused_by_its_name(void)
{
    const char *any = path("any");
    CRChange change = {"/x", CR_CHANGE_ADD, 0};
    char *runtime = NULL;
    char **files = NULL;

    CHECK_NULL("destination", CRImportCheckpointWithoutConfig, NULL, any);
    CHECK_NULL("input", CRImportCheckpointWithoutConfig, any, NULL);
    CHECK_NULL("destination", CRImportCheckpointConfigOnly, NULL, any);
    CHECK_NULL("input", CRImportCheckpointConfigOnly, any, NULL);
    CHECK_NULL("input", CRGetRuntimeFromArchive, NULL, &runtime);
    CHECK_NULL("runtime", CRGetRuntimeFromArchive, any, NULL);
    CHECK_NULL("changes", CRCreateRootFsDiffTar, NULL, 1, any, any, &files);
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
    CHECK(!CRRuntimeSupportsCheckpointRestore(NULL));
    CHECK(!CRRuntimeSupportsPodCheckpointRestore(NULL));

    CHECK(runtime == NULL);
    CHECK(files == NULL);
    CHECK(!exists("any"));
}

static void a_failure_overwrites_the_place_for_the_error(void)
{
    CRError *error = POISON;

    CHECK_INT(CRImportCheckpointConfigOnly(NULL, "x", &error), -EINVAL);
    CHECK(error != POISON);
    CRErrorFree(error);
}

static void an_error_is_a_new_one_every_time(void)
{
    CRError *first = NULL;
    CRError *second = NULL;

    CHECK_INT(CRImportCheckpointConfigOnly(NULL, "x", &first), -EINVAL);
    CHECK_INT(CRImportCheckpointConfigOnly("x", NULL, &second), -EINVAL);
    CHECK(first != second);
    CHECK(strncmp(CRErrorMessage(first), "destination:", 12) == 0);
    CHECK(strncmp(CRErrorMessage(second), "input:", 6) == 0);
    CRErrorFree(first);
    CHECK_INT(CRErrorErrno(second), EINVAL);
    CRErrorFree(second);
}

static void an_error_about_an_argument_has_no_entry_and_no_offset(void)
{
    CRError *error = NULL;

    CHECK_INT(CRApplyRootFsDiffTar(NULL, "/", &error), -EINVAL);
    CHECK(CRErrorEntry(error) == NULL);
    CHECK_INT(CRErrorOffset(error), -1);
    CHECK(CRErrorMessage(error) == CRErrorMessage(error));
    CRErrorFree(error);
}

static void a_missing_archive_is_the_error_of_the_system_and_named(void)
{
    CRError *error = NULL;

    CHECK_INT(CRImportCheckpointWithoutConfig(path("bundle"), path("no such"), &error), -ENOENT);
    CHECK_INT(CRErrorKind(error), CR_ERROR_SYSTEM);
    CHECK_INT(CRErrorErrno(error), ENOENT);
    CHECK(strstr(CRErrorMessage(error), "no such") != NULL);
    CRErrorFree(error);
    CHECK(!exists("bundle"));
}

static void a_message_is_one_line_without_control_characters(void)
{
    CRError *error = NULL;

    CHECK(CRImportCheckpointConfigOnly(path("bundle"), path("a\nb\033[2J\xff"), &error) < 0);
    for (const char *c = CRErrorMessage(error); *c != '\0'; c++)
        CHECK((unsigned char)*c >= 0x20 && *c != 0x7f && (unsigned char)*c != 0xff);
    CRErrorFree(error);
}

int main(void)
{
    RUN(null_is_an_answer_for_no_error);
    RUN(null_is_freed_without_effect);
    RUN(the_library_is_of_the_version_of_its_header);
    RUN(the_constants_are_these_numbers);
    RUN(a_change_has_this_layout);
    RUN(a_null_argument_is_refused_by_its_name);
    RUN(a_failure_overwrites_the_place_for_the_error);
    RUN(an_error_is_a_new_one_every_time);
    RUN(an_error_about_an_argument_has_no_entry_and_no_offset);
    RUN(a_missing_archive_is_the_error_of_the_system_and_named);
    RUN(a_message_is_one_line_without_control_characters);
    return check_finish("errors");
}
