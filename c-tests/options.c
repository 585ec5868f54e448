/* SPDX-License-Identifier: Apache-2.0 */
/* Options: what each family takes; 0 is EINVAL, a number of a later version is EOPNOTSUPP. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

/* A number that no version will have soon. */
#define LATER 4000000000U

/* A wrong value of an option: EINVAL, and the message names the argument `value`. */
#define CHECK_VALUE(function, options, option, wrong) CHECK_NULL("value", function, options, option, wrong)

static void an_import_has_these_options(void)
{
    CRImportOptions *options = CRImportOptionsNew();

    for (uint32_t option = CR_IMPORT_DIGEST; option <= CR_IMPORT_KNOWN_NAMES; option++) {
        CHECK_OK(CRImportOptionsSet, options, option, 1);
        CHECK_OK(CRImportOptionsSet, options, option, 0);
        CHECK_VALUE(CRImportOptionsSet, options, option, 2);
        CHECK_VALUE(CRImportOptionsSet, options, option, UINT64_MAX);
    }
    for (uint32_t option = CR_IMPORT_LIMIT_MEMBERS; option <= CR_IMPORT_LIMIT_RATIO; option++) {
        CHECK_OK(CRImportOptionsSet, options, option, 1);
        CHECK_OK(CRImportOptionsSet, options, option, UINT64_MAX);
    }
    CHECK_NULL("option", CRImportOptionsSet, options, 0, 1);
    CHECK_FAILS(EOPNOTSUPP, CR_ERROR_UNSUPPORTED, CRImportOptionsSet, options, LATER, 1);
    CRImportOptionsFree(options);
}

static void an_export_has_these_options(void)
{
    static const uint32_t truths[] = {CR_EXPORT_DIGEST, CR_EXPORT_SYNC};
    CRExportOptions *options = CRExportOptionsNew();

    for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
        CHECK_OK(CRExportOptionsSet, options, truths[i], 1);
        CHECK_OK(CRExportOptionsSet, options, truths[i], 0);
        CHECK_VALUE(CRExportOptionsSet, options, truths[i], 2);
    }
    for (uint64_t way = CR_COMPRESSION_NONE; way <= CR_COMPRESSION_ZSTD; way++)
        CHECK_OK(CRExportOptionsSet, options, CR_EXPORT_COMPRESSION, way);
    CHECK_VALUE(CRExportOptionsSet, options, CR_EXPORT_COMPRESSION, 0);
    CHECK_VALUE(CRExportOptionsSet, options, CR_EXPORT_COMPRESSION, LATER);
    /* 32 bits of it would be a compression. */
    CHECK_VALUE(CRExportOptionsSet, options, CR_EXPORT_COMPRESSION, (1ULL << 32) + CR_COMPRESSION_NONE);
    CHECK_OK(CRExportOptionsSet, options, CR_EXPORT_LEVEL, 19);
    CHECK_OK(CRExportOptionsSet, options, CR_EXPORT_LEVEL, 0);
    CHECK_VALUE(CRExportOptionsSet, options, CR_EXPORT_LEVEL, UINT64_MAX);
    CHECK_OK(CRExportOptionsSet, options, CR_EXPORT_WORKERS, 2);
    CHECK_OK(CRExportOptionsSet, options, CR_EXPORT_WORKERS, 0);
    CHECK_OK(CRExportOptionsSet, options, CR_EXPORT_TIME, TAR_TIME);
    CHECK_NULL("option", CRExportOptionsSet, options, 0, 1);
    CHECK_FAILS(EOPNOTSUPP, CR_ERROR_UNSUPPORTED, CRExportOptionsSet, options, LATER, 1);
    CRExportOptionsFree(options);
}

static void changes_have_these_options(void)
{
    CRChangesOptions *options = CRChangesOptionsNew();

    CHECK_OK(CRChangesOptionsSet, options, CR_CHANGES_COMPARE_CONTENT, 1);
    CHECK_OK(CRChangesOptionsSet, options, CR_CHANGES_EXACT_TIMES, 1);
    CHECK_VALUE(CRChangesOptionsSet, options, CR_CHANGES_COMPARE_CONTENT, 2);
    CHECK_VALUE(CRChangesOptionsSet, options, CR_CHANGES_EXACT_TIMES, UINT64_MAX);
    for (uint64_t xattrs = CR_OVERLAY_AUTO; xattrs <= CR_OVERLAY_FUSE; xattrs++)
        CHECK_OK(CRChangesOptionsSet, options, CR_CHANGES_OVERLAY_XATTRS, xattrs);
    CHECK_VALUE(CRChangesOptionsSet, options, CR_CHANGES_OVERLAY_XATTRS, 0);
    CHECK_VALUE(CRChangesOptionsSet, options, CR_CHANGES_OVERLAY_XATTRS, LATER);
    CHECK_VALUE(CRChangesOptionsSet, options, CR_CHANGES_OVERLAY_XATTRS, (1ULL << 32) + CR_OVERLAY_AUTO);
    CHECK_NULL("option", CRChangesOptionsSet, options, 0, 1);
    CHECK_FAILS(EOPNOTSUPP, CR_ERROR_UNSUPPORTED, CRChangesOptionsSet, options, LATER, 1);
    CRChangesOptionsFree(options);
}

/* The other options of an image are called beside the images themselves. */
static void an_image_has_a_spool_directory(void)
{
    CRImageOptions *options = CRImageOptionsNew();

    CHECK_OK(CRImageOptionsSpoolDirectory, options, AT_FDCWD, files_top);
    CRImageOptionsFree(options);
}

static void other_families_refuse_0_and_what_they_do_not_have(void)
{
    static const uint32_t wrong[] = {0, LATER}, some[] = {CR_MEMBER_REGULAR, 0};
    CRImportOptions *import = CRImportOptionsNew();
    CRChangesOptions *options = CRChangesOptionsNew();
    CRExport *export = CRExportNew();
    CRMetadata *metadata = CRMetadataNew();
    const void *bytes;
    size_t len;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_NULL("types", CRImportOptionsTypes, import, &wrong[i], 1);
        CHECK_NULL("engine", CRExportAddBundle, export, AT_FDCWD, files_top, wrong[i]);
        CHECK_NULL("presence", CRExportAddMember, export, AT_FDCWD, files_top, "a", wrong[i]);
        CHECK_NULL("how", CRChangesOptionsExclude, options, "/x", wrong[i]);
        CHECK_NULL("engine", CRChangesOptionsExcludeEngine, options, wrong[i]);
        CHECK_NULL("document", CRMetadataAdd, metadata, wrong[i], "{}", 2);
        CHECK_NULL("document", CRMetadataDocument, metadata, wrong[i], &bytes, &len);
        CHECK_NULL("which", CRMetadataSetText, metadata, wrong[i], "x");
        CHECK_NULL("engine", CRMetadataBuild, metadata, wrong[i]);
        CHECK(CRMetadataText(metadata, wrong[i]) == NULL);
        CHECK(!CRHasFeature(wrong[i]));
    }
    CHECK_NULL("types", CRImportOptionsTypes, import, some, 2);
    CRMetadataFree(metadata);
    CRExportFree(export);
    CRChangesOptionsFree(options);
    CRImportOptionsFree(import);
}

/* CR_CHANGE_* are the engines' numbers, of which 0 is one. */
static void a_change_has_one_of_three_kinds_and_no_flags(void)
{
    const CRChange kind = {"/etc", 3, 0}, flags = {"/etc", CR_CHANGE_ADD, 1}, root = {"/", CR_CHANGE_DELETE, 0};
    const CRChange none = {"", CR_CHANGE_MODIFY, 0}, good = {"/none", CR_CHANGE_MODIFY, 0};
    const CRChange *const wrong[] = {&kind, &flags, &root, &none};
    CRExport *export = CRExportNew();
    char **files = NULL;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRCreateRootFsDiffTar, wrong[i], 1, files_top, files_top, &files);
        CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRExportAddRootFsDiff, export, wrong[i], 1, AT_FDCWD, files_top);
    }
    CHECK(files == NULL);
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, &good, 1, files_top, files_top, &files);
    CRStringArrayFree(files);
    CHECK_OK_ONCE(CRExportAddRootFsDiff, export, &good, 1, AT_FDCWD, files_top);
    CRExportFree(export);
}

static void what_is_no_array_is_refused(void)
{
    const CRChange good = {"/etc", CR_CHANGE_ADD, 0};
    const uint32_t type = CR_MEMBER_REGULAR;
    const void *unaligned = (const char *)&good + 1;
    CRImportOptions *options = CRImportOptionsNew();
    char **files = NULL;

    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRCreateRootFsDiffTar, &good, SIZE_MAX, files_top, files_top, &files);
    CHECK_NULL("changes_len", CRCreateRootFsDiffTar, &good, SIZE_MAX / sizeof(good), files_top, files_top, &files);
    CHECK_NULL("changes", CRCreateRootFsDiffTar, unaligned, 1, files_top, files_top, &files);
    CHECK_NULL("types_len", CRImportOptionsTypes, options, &type, SIZE_MAX / 2);
    CHECK_OK(CRImportOptionsTypes, options, NULL, 0);
    CHECK_OK(CRImportOptionsNames, options, NULL, 0);
    CHECK_OK(CRImportOptionsMapIds, options, NULL, 0, NULL, 0);
    CHECK(files == NULL);
    CRImportOptionsFree(options);
}

static void lists_of_an_import_are_checked(void)
{
    static const CRIdRange empty = {0, 0, 0}, beyond = {4294967290, 0, 10};
    static const CRIdRange overlapping[] = {{0, 1000, 10}, {10, 1009, 1}}, good[] = {{0, 1000, 10}, {10, 2000, 1}};
    static const char *const top[] = {"/"}, *const names[] = {"checkpoint", "./config.dump"};
    static const char digest[] = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    CRImportOptions *options = CRImportOptionsNew();

    CHECK_OK(CRImportOptionsExpectedDigest, options, digest);
    CHECK_NULL("digest", CRImportOptionsExpectedDigest, options, digest + 1);
    CHECK_NULL("digest", CRImportOptionsExpectedDigest, options, "");
    CHECK_OK(CRImportOptionsNames, options, names, 2);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsNames, options, top, 1);
    CHECK_OK(CRImportOptionsMapIds, options, good, 2, good, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsMapIds, options, &empty, 1, NULL, 0);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsMapIds, options, NULL, 0, &beyond, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportOptionsMapIds, options, overlapping, 2, NULL, 0);
    CRImportOptionsFree(options);
}

int main(void)
{
    RUN(an_import_has_these_options);
    RUN(an_export_has_these_options);
    RUN(changes_have_these_options);
    RUN(an_image_has_a_spool_directory);
    RUN(other_families_refuse_0_and_what_they_do_not_have);
    RUN(a_change_has_one_of_three_kinds_and_no_flags);
    RUN(what_is_no_array_is_refused);
    RUN(lists_of_an_import_are_checked);
    return check_finish("options");
}
