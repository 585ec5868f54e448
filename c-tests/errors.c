/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: the place where they go, what they tell, and that they are freed. */

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
    CRImportOptionsFree(NULL);
    CRImportFree(NULL);
    CRExportOptionsFree(NULL);
    CRExportFree(NULL);
    CRChangesOptionsFree(NULL);
    CRChangeListFree(NULL);
    CRMetadataFree(NULL);
    CRWatchFree(NULL);
    CRWatchCancel(NULL);
}

static void null_is_an_answer_for_no_object(void)
{
    size_t len = 7;

    CHECK(CRImportResult(NULL) == NULL);
    CHECK(CRExportResult(NULL) == NULL);
    CHECK(CRChangeListChanges(NULL, &len) == NULL);
    CHECK_INT(len, 0);
    CHECK(CRChangeListChanges(NULL, NULL) == NULL);
    CHECK_INT(CRMetadataEngine(NULL), CR_ENGINE_UNKNOWN);
    CHECK(CRMetadataText(NULL, CR_TEXT_ID) == NULL);
    CHECK(CRMetadataAnnotation(NULL, "key") == NULL);
    CHECK(!CRRuntimeSupportsCheckpointRestore(NULL));
    CHECK(!CRRuntimeSupportsPodCheckpointRestore(NULL));
}

static void numbers_have_names(void)
{
    CHECK_STRING(CRErrorKindName(CR_ERROR_MALFORMED), "malformed");
    CHECK_STRING(CREngineName(CR_ENGINE_CRIO), "cri-o");
    CHECK_STRING(CRClassName(CR_CLASS_MEMORY_PAGES), "memory pages");
    CHECK_STRING(CRPhaseName(CR_PHASE_EXTRACTING), "extracting");
    CHECK_STRING(CRWarningName(CR_WARNING_SOCKET), "socket");
    CHECK(CRErrorKindName(1000) == NULL && CREngineName(1000) == NULL && CRClassName(0) == NULL);
    CHECK(CRClassName(1000) == NULL && CRPhaseName(0) == NULL && CRPhaseName(1000) == NULL);
    CHECK(CRWarningName(0) == NULL && CRWarningName(1000) == NULL);
    /* They are static: the same at every call, and nobody's to free. */
    CHECK(CRPhaseName(CR_PHASE_WRITING) == CRPhaseName(CR_PHASE_WRITING));
    CHECK(CRVersion() == CRVersion());
    CHECK(!CRHasFeature(0) && !CRHasFeature(1000));
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
    RUN(null_is_an_answer_for_no_object);
    RUN(numbers_have_names);
    RUN(a_failure_overwrites_the_place_for_the_error);
    RUN(an_error_is_a_new_one_every_time);
    RUN(an_error_about_an_argument_has_no_entry_and_no_offset);
    RUN(a_missing_archive_is_the_error_of_the_system_and_named);
    RUN(a_message_is_one_line_without_control_characters);
    return check_finish("errors");
}
