/* SPDX-License-Identifier: Apache-2.0 */
/* CRImport: what is borrowed from it and until when, its result. */

#define _GNU_SOURCE
#include <pthread.h>

#include "checkpoint.h"

/* The SHA-256 of 1024 zero bytes, an archive without members. */
#define DIGEST_OF_NOTHING "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

static void answers_live_until_they_are_asked_for_anew(void)
{
    const CRMetadata *metadata = NULL;
    const CRMember *const *members = NULL, *const *again = NULL;
    size_t len = 0;
    CRImport *import;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, NULL);
    CHECK_OK_ONCE(CRImportMetadata, import, &metadata);
    CHECK_OK_ONCE(CRImportMembers, import, &members, &len);
    choose_everything(import);
    CHECK(!exists("bundle") && exists("root/gone"));
    CHECK_OK_ONCE(CRImportExtract, import);
    check_restored();
    /* Neither the list nor the extraction has touched what was answered before. */
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_NAME), "counter");
    CHECK_INT(len, CHECKPOINT_MEMBERS);
    CHECK_STRING(members[len - 1]->name, "network.status");
    CHECK_OK_ONCE(CRImportMembers, import, &again, &len);
    CHECK_STRING(again[0]->name, "checkpoint/");
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_ID), "4f1c");
    CHECK_OK_ONCE(CRImportMetadata, import, &metadata);
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_ID), "4f1c");
    CRImportFree(import);
}

static void a_member_is_told_as_it_stands_in_the_archive(void)
{
    const CRMember *const *members = NULL;
    size_t len = 0;
    CRImport *import;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, NULL);
    CHECK_OK_ONCE(CRImportMembers, import, &members, &len);
    CHECK_INT(len, CHECKPOINT_MEMBERS);
    CHECK_INT(members[0]->kind, CR_MEMBER_DIRECTORY);
    CHECK_INT(members[0]->offset, 0);
    CHECK_STRING(members[2]->name, "checkpoint/pages-1.img");
    CHECK_INT(members[2]->kind, CR_MEMBER_REGULAR);
    CHECK_INT(members[2]->member_class, CR_CLASS_MEMORY_PAGES);
    CHECK_INT(members[2]->size, 11);
    CHECK_INT(members[2]->stored, 11);
    CHECK_INT(members[2]->offset, 512 + 1024);
    CHECK_INT(members[3]->member_class, CR_CLASS_CONFIGURATION);
    CHECK_INT(members[3]->offset, 512 + 2 * 1024);
    CRImportFree(import);
}

static void an_archive_without_members_has_an_empty_array(void)
{
    const CRMember *const *members = NULL;
    size_t len = 7;
    CRImport *import;

    tar_end(tar_begin("in.tar"));
    import = open_archive("in.tar", NULL, NULL);
    CHECK_OK_ONCE(CRImportMembers, import, &members, &len);
    CHECK(members != NULL && len == 0);
    CRImportFree(import);
}

static void a_result_is_that_of_the_last_extraction(void)
{
    CRImportOptions *options = CRImportOptionsNew();
    const CRImported *result;
    CRImport *import;

    make_checkpoint("in.tar");
    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_DIGEST, 1);
    import = open_archive("in.tar", options, NULL);
    CHECK(CRImportResult(import) == NULL);
    choose_everything(import);
    CHECK_OK_ONCE(CRImportExtract, import);
    result = CRImportResult(import);
    CHECK(result != NULL && CRImportResult(import) == result);
    CHECK_INT(result->members, CHECKPOINT_MEMBERS);
    CHECK_INT(result->bytes, status_of("in.tar").st_size);
    CHECK_INT(strlen(result->digest), 64);
    CHECK_INT(result->applied_rootfs_diff, 1);
    CHECK_INT(result->flags, 0);
    /* An extraction that fails leaves none. */
    CHECK_OK_ONCE(CRImportToVolume, import, "vol2", AT_FDCWD, path("volume"));
    CHECK_FAILS_AT(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, "volumes/vol2.tar", CRImportExtract, import);
    CHECK(CRImportResult(import) == NULL);
    CRImportFree(import);

    tar_end(tar_begin("empty.tar"));
    import = open_archive("empty.tar", options, NULL);
    CHECK_OK_ONCE(CRImportExtract, import);
    CHECK_STRING(CRImportResult(import)->digest, DIGEST_OF_NOTHING);
    CHECK_INT(CRImportResult(import)->members, 0);
    CHECK_INT(CRImportResult(import)->applied_rootfs_diff, 0);
    CRImportFree(import);
    CRImportOptionsFree(options);

    import = open_archive("empty.tar", NULL, NULL);
    CHECK_OK_ONCE(CRImportExtract, import);
    CHECK(CRImportResult(import)->digest == NULL);
    CRImportFree(import);
}

/* The descriptors stay the caller's, who closes them before anything is read. */
static void a_descriptor_is_needed_during_the_call_alone(void)
{
    const CRMetadata *metadata = NULL;
    CRImport *import = NULL;
    int input;

    make_checkpoint("in.tar");
    input = pipe_of("in.tar");
    CHECK_OK_ONCE(CRImportOpen, input, "", NULL, NULL, &import);
    CHECK_INT(close(input), 0);
    CHECK_OK_ONCE(CRImportMetadata, import, &metadata);
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_NAME), "counter");
    CRImportFree(import);
}

static void names_are_an_array(void)
{
    static const char *const names[] = {"config.dump", "spec.dump"};
    CRImport *import;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, NULL);
    CHECK_OK_ONCE(CRImportToBundleOnly, import, AT_FDCWD, path("two"), names, 2);
    CHECK_OK_ONCE(CRImportExtract, import);
    CHECK(exists("two/config.dump") && exists("two/spec.dump") && !exists("two/checkpoint"));
    CRImportFree(import);
}

static void a_chain_is_an_array_of_places(void)
{
    const CRDump dumps[] = {{"dump-1", {AT_FDCWD, path("1.tar")}}, {"checkpoint", {AT_FDCWD, path("2.tar")}}};
    FILE *tar = tar_begin("1.tar");

    tar_file(tar, "inventory.img", "first");
    tar_end(tar);
    tar = tar_begin("2.tar");
    tar_file(tar, "inventory.img", "second");
    tar_special(tar, "parent", '2', "../dump-1");
    tar_end(tar);
    CHECK_OK_ONCE(CRImportChain, AT_FDCWD, path("chain"), dumps, 2, NULL, NULL);
    CHECK_STRING(content("chain/checkpoint/parent/inventory.img"), "first");
}

static void outputs_are_untouched_on_failure(void)
{
    CRImport *const untouched = (CRImport *)(void *)&check_failures;
    CRImport *out = untouched, *real;
    const CRMetadata *metadata = (CRMetadata *)(void *)&check_failures;
    const CRMember *none = NULL, *const *members = &none;
    size_t len = 7;

    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImportOpen, AT_FDCWD, path("missing"), NULL, NULL, &out);
    CHECK(out == untouched);
    make_file("in.tar", "This is no archive at all, however long one looks at it.");
    real = open_archive("in.tar", NULL, NULL);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportMetadata, real, &metadata);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportMembers, real, &members, &len);
    CHECK((const void *)metadata == (void *)&check_failures && members == &none && len == 7);
    CRImportFree(real);
}

static void what_an_import_was_given_may_be_freed_before_it_is_used(void)
{
    CRImportOptions *options = CRImportOptionsNew();
    CRWatch *watch = CRWatchNew();
    CRImport *import;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", options, watch);
    CRWatchFree(watch);
    CRImportOptionsFree(options);
    if (unlink(path("in.tar")) != 0)
        files_die("in.tar");
    choose_everything(import);
    CHECK_OK_ONCE(CRImportExtract, import);
    check_restored();
    CRImportFree(import);
}

static void *use(void *import)
{
    const CRMetadata *metadata = NULL;

    CHECK_OK_ONCE(CRImportMetadata, import, &metadata);
    choose_everything(import);
    CHECK_OK_ONCE(CRImportExtract, import);
    return (void *)metadata;
}

static void a_session_may_change_threads(void)
{
    CRImport *import;
    pthread_t thread;
    void *metadata;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, NULL);
    if (pthread_create(&thread, NULL, use, import) != 0)
        files_die("pthread_create");
    pthread_join(thread, &metadata);
    check_restored();
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_NAME), "counter");
    CRImportFree(import);
}

int main(void)
{
    RUN(answers_live_until_they_are_asked_for_anew);
    RUN(a_member_is_told_as_it_stands_in_the_archive);
    RUN(an_archive_without_members_has_an_empty_array);
    RUN(a_result_is_that_of_the_last_extraction);
    RUN(a_descriptor_is_needed_during_the_call_alone);
    RUN(names_are_an_array);
    RUN(a_chain_is_an_array_of_places);
    RUN(outputs_are_untouched_on_failure);
    RUN(what_an_import_was_given_may_be_freed_before_it_is_used);
    RUN(a_session_may_change_threads);
    return check_finish("import");
}
