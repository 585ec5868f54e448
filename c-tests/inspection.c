/* SPDX-License-Identifier: Apache-2.0 */
/* CRInspection: what is borrowed from it, what a failure leaves, and what its options and hosts take. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

#include <fcntl.h>

/* inventory.img with the version 2 and no process, as CRIU frames it: a magic number, a length, a message. */
static const unsigned char inventory[] = {0x16, 0x31, 0x31, 0x58, 2, 0, 0, 0, 8, 2};

static CRInspection *inspect(const char *name)
{
    CRInspection *inspection = NULL;

    CHECK_OK_ONCE(CRInspectionOpen, AT_FDCWD, path(name), NULL, NULL, &inspection);
    return inspection;
}

static void make_images(void)
{
    make_directory("images");
    make_bytes("images/inventory.img", inventory, sizeof(inventory));
}

static void an_inspection_of_little_tells_little(void)
{
    CRInspection *inspection;
    const CRProcess *const *processes = NULL;
    const CRFinding *const *findings = NULL;
    size_t processes_len = 9, findings_len = 0;
    char *json = NULL;

    make_images();
    inspection = inspect("images");
    CHECK_OK(CRInspectionProcesses, inspection, &processes, &processes_len);
    CHECK(processes != NULL && processes_len == 0);
    CHECK_INT(CRInspectionMemory(inspection)->present, 0);
    CHECK(CRInspectionMemory(inspection) == CRInspectionMemory(inspection));
    CHECK(CRInspectionMemory(NULL) == NULL);
    CHECK_OK(CRInspectionFindings, inspection, NULL, &findings, &findings_len);
    CHECK_INT(findings_len, 1);
    CHECK_INT(findings[0]->severity, CR_SEVERITY_BLOCKS);
    CHECK_INT(findings[0]->flags, 0);
    CHECK_STRING(findings[0]->code, "no-processes");
    CHECK_STRING(findings[0]->subject, "pstree.img");
    CHECK(strlen(findings[0]->reason) > 0);
    CHECK_OK_ONCE(CRInspectionJson, inspection, &json);
    CHECK(strstr(json, "\"input\":\"images\"") != NULL && strstr(json, "\"image_version\":2") != NULL);
    CRStringFree(json);
    CRInspectionFree(inspection);
    CRInspectionFree(NULL);
}

static void a_failure_leaves_outputs_alone(void)
{
    CRInspection *inspection = (CRInspection *)(void *)&check_failures, *opened;
    char bytes[4] = "abc";
    size_t read = 7;

    make_images();
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRInspectionOpen, AT_FDCWD, path("missing"), NULL, NULL, &inspection);
    make_bytes("images/inventory.img", "no image", 8);
    CHECK_FAILS_AT(EBADMSG, CR_ERROR_MALFORMED, "inventory.img", CRInspectionOpen, AT_FDCWD, path("images"), NULL, NULL,
                   &inspection);
    CHECK(inspection == (CRInspection *)(void *)&check_failures);
    make_bytes("images/inventory.img", inventory, sizeof(inventory));
    opened = inspect("images");
    CHECK_FAILS(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, CRInspectionReadMemory, opened, 1, 4096, bytes, 3, &read);
    CHECK(read == 7 && strcmp(bytes, "abc") == 0);
    CRInspectionFree(opened);
}

/* Two checkpoints, one of them twice, and what no comparison is made of. */
static void checkpoints_are_compared(void)
{
    CRInspection *before, *after;
    char *json = NULL;

    make_images();
    before = inspect("images");
    after = inspect("images");
    CHECK_OK_ONCE(CRInspectionCompare, before, after, &json);
    CHECK(strncmp(json, "{\"schema\":1,", 12) == 0 && strstr(json, "\"members\":[]") != NULL);
    CRStringFree(json);
    json = NULL;
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRInspectionCompare, before, before, &json);
    CHECK(json == NULL);
    CRInspectionFree(before);
    CRInspectionFree(after);
}

static void options_and_hosts_take_what_they_know(void)
{
    CRInspectOptions *options = CRInspectOptionsNew();
    CRHost *host = CRHostNew();

    CHECK_OK(CRInspectOptionsSet, options, CR_INSPECT_TEXT, 0);
    CHECK_OK(CRInspectOptionsSet, options, CR_INSPECT_LIMIT_RATIO, 100);
    CHECK_OK(CRInspectOptionsParent, options, AT_FDCWD, "/missing");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRInspectOptionsSet, options, CR_INSPECT_TEXT, 2);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRInspectOptionsSet, options, 0, 1);
    CHECK_FAILS(EOPNOTSUPP, CR_ERROR_UNSUPPORTED, CRInspectOptionsSet, options, 1000, 1);
    CHECK_OK(CRHostArchitecture, host, "aarch64");
    CHECK_OK(CRHostCriu, host, NULL);
    CHECK_OK(CRHostCriu, host, "Version: 4.2");
    CHECK_OK(CRHostRuntime, host, "runc", 1);
    CHECK_OK(CRHostNoRuntime, host, "crun");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRHostNoRuntime, host, "\xff");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRHostArchitecture, host, "");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRHostCriu, host, "\xff");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRHostRuntime, host, "runc", 2);
    CRHostFree(host);
    CRHostFree(NULL);
    CRInspectOptionsFree(options);
    CRInspectOptionsFree(NULL);
}

/* An inspection outlives the import that it came from, whose extraction needs no second reading. */
static void an_import_is_inspected(void)
{
    CRInspection *inspection = NULL;
    CRImport *import = NULL;
    const CRProcess *const *processes = NULL;
    size_t len = 9;
    FILE *tar = tar_begin("archive.tar");

    tar_file(tar, "config.dump", "{}");
    tar_directory(tar, "checkpoint/");
    tar_bytes(tar, "checkpoint/inventory.img", inventory, sizeof(inventory));
    tar_end(tar);
    CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path("archive.tar"), NULL, NULL, &import);
    CHECK_OK_ONCE(CRImportInspect, import, NULL, &inspection);
    CHECK_OK_ONCE(CRImportToBundle, import, AT_FDCWD, path("bundle"));
    CHECK_OK_ONCE(CRImportExtract, import);
    CRImportFree(import);
    CHECK(exists("bundle/checkpoint/inventory.img"));
    CHECK_OK(CRInspectionProcesses, inspection, &processes, &len);
    CHECK_INT(len, 0);
    CRInspectionFree(inspection);
}

int main(void)
{
    RUN(an_inspection_of_little_tells_little);
    RUN(a_failure_leaves_outputs_alone);
    RUN(checkpoints_are_compared);
    RUN(options_and_hosts_take_what_they_know);
    RUN(an_import_is_inspected);
    return check_finish("inspection");
}
