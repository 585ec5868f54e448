/* SPDX-License-Identifier: Apache-2.0 */
/* CRImport: an archive is looked at and extracted in one session, watched and cancelled. */

#define _GNU_SOURCE
#include <pthread.h>

#include "check.h"
#include "tar.h"

/* The SHA-256 of 1024 zero bytes, an archive without members. */
#define DIGEST_OF_NOTHING "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
#define ANOTHER_DIGEST "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6e0"

/* The bytes of a file, for an archive in an archive. */
static void tar_nest(FILE *tar, const char *name, const char *file)
{
    static char bytes[65536];
    FILE *from = fopen(path(file), "r");

    if (from == NULL)
        files_die(file);
    tar_bytes(tar, name, bytes, fread(bytes, 1, sizeof(bytes), from));
    fclose(from);
}

/* An archive with everything that has a destination of its own; it fits into a pipe. */
static void make_checkpoint(const char *name)
{
    FILE *tar = tar_begin("inner.tar");

    tar_directory(tar, "etc/");
    tar_file(tar, "etc/hosts", "changed");
    tar_end(tar);
    tar = tar_begin(name);
    tar_directory(tar, "checkpoint/");
    tar_file(tar, "checkpoint/pages-1.img", "some memory");
    tar_file(tar, "config.dump", "{\"id\":\"4f1c\",\"name\":\"counter\",\"runtime\":\"crun\"}");
    tar_file(tar, "spec.dump", "{}");
    tar_nest(tar, "rootfs-diff.tar", "inner.tar");
    tar_file(tar, "deleted.files", "[\"/gone\"]");
    tar_nest(tar, "volumes/vol1.tar", "inner.tar");
    tar_nest(tar, "devshm-checkpoint.tar", "inner.tar");
    tar_file(tar, "network.status", "null");
    tar_end(tar);
    make_directory("root");
    make_file("root/gone", "of the image");
    make_directory("volume");
    make_directory("shm");
}

/* What make_checkpoint's archive comes to. */
static void check_restored(void)
{
    CHECK_STRING(content("bundle/checkpoint/pages-1.img"), "some memory");
    CHECK_STRING(content("bundle/network.status"), "null");
    CHECK(!exists("bundle/config.dump") && !exists("bundle/rootfs-diff.tar"));
    CHECK(!exists("bundle/deleted.files") && !exists("bundle/volumes/vol1.tar"));
    CHECK(!exists("bundle/devshm-checkpoint.tar"));
    CHECK_STRING(content("root/etc/hosts"), "changed");
    CHECK(!exists("root/gone"));
    CHECK_STRING(content("volume/etc/hosts"), "changed");
    CHECK_STRING(content("shm/etc/hosts"), "changed");
}

static CRImport *open_archive(const char *name, const CRImportOptions *options, const CRWatch *watch)
{
    CRImport *import = NULL;

    CHECK_OK_ONCE(CRImportOpen, path(name), options, watch, &import);
    return import;
}

/* The end of a pipe that has a whole archive in it. */
static int pipe_of(const char *name)
{
    static char bytes[65536];
    FILE *from = fopen(path(name), "r");
    int ends[2];
    size_t length;

    if (from == NULL || pipe(ends) != 0)
        files_die(name);
    length = fread(bytes, 1, sizeof(bytes), from);
    fclose(from);
    if (length == sizeof(bytes) || write(ends[1], bytes, length) != (ssize_t)length)
        files_die(name);
    close(ends[1]);
    return ends[0];
}

static void choose_everything(CRImport *import)
{
    CHECK_OK_ONCE(CRImportToBundle, import, path("bundle"));
    CHECK_OK_ONCE(CRImportToRoot, import, path("root"));
    CHECK_OK_ONCE(CRImportToVolume, import, "vol1", path("volume"));
    CHECK_OK_ONCE(CRImportToShm, import, path("shm"));
}

static void an_archive_is_looked_at_and_then_extracted(void)
{
    CRMetadata *metadata = NULL;
    CRMemberList *members = NULL;
    CRImport *import;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, NULL);
    CHECK_OK_ONCE(CRImportMetadata, import, &metadata);
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_NAME), "counter");
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_RUNTIME), "crun");
    CHECK_OK_ONCE(CRImportMembers, import, &members);
    choose_everything(import);
    CHECK(!exists("bundle") && exists("root/gone"));
    CHECK_OK_ONCE(CRImportExtract, import);
    check_restored();
    CHECK(CRImportDigest(import) == NULL);

    /* What was answered outlives the import. */
    CRImportFree(import);
    CHECK_INT(CRMemberListLen(members), 9);
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_ID), "4f1c");
    CRMemberListFree(members);
    CRMetadataFree(metadata);
}

static void members_are_listed_as_they_stand_in_the_archive(void)
{
    CRMemberList *members = NULL;
    CRImport *import;
    const CRMember *pages;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, NULL);
    CHECK_OK_ONCE(CRImportMembers, import, &members);
    CRImportFree(import);
    CHECK_INT(CRMemberListAt(members, 0)->kind, CR_MEMBER_DIRECTORY);
    CHECK_INT(CRMemberListAt(members, 0)->offset, 0);
    pages = CRMemberListAt(members, 1);
    CHECK_STRING(pages->name, "checkpoint/pages-1.img");
    CHECK_INT(pages->kind, CR_MEMBER_REGULAR);
    CHECK_INT(pages->member_class, CR_CLASS_MEMORY_PAGES);
    CHECK_INT(pages->size, 11);
    CHECK_INT(pages->stored, 11);
    CHECK_INT(pages->offset, 512);
    CHECK_INT(CRMemberListAt(members, 2)->offset, 512 + 1024);
    CHECK(CRMemberListAt(members, 9) == NULL && CRMemberListAt(members, SIZE_MAX) == NULL);
    CHECK_INT(CRMemberListBytes(members, CR_CLASS_MEMORY_PAGES), 11);
    CHECK_INT(CRMemberListBytes(members, CR_CLASS_GPU_PAGES), 0);
    CHECK_INT(CRMemberListBytes(members, 99), 0);
    CRMemberListFree(members);
}

/* The descriptor is closed before anything is read, and what was looked at is extracted, too. */
static void a_pipe_is_read_once(void)
{
    CRMetadata *metadata = NULL;
    CRImport *import = NULL;
    int input;

    make_checkpoint("in.tar");
    input = pipe_of("in.tar");
    CHECK_OK_ONCE(CRImportOpenDescriptor, input, NULL, NULL, &import);
    close(input);
    CHECK_OK_ONCE(CRImportMetadata, import, &metadata);
    CHECK_STRING(CRMetadataText(metadata, CR_TEXT_NAME), "counter");
    choose_everything(import);
    CHECK_OK_ONCE(CRImportExtract, import);
    check_restored();
    CHECK_FAILS(ESPIPE, CR_ERROR_SYSTEM, CRImportExtract, import);
    CRImportFree(import);
    CRMetadataFree(metadata);
}

static void a_file_is_read_from_its_beginning_and_keeps_its_offset(void)
{
    CRImport *import = NULL;
    int input;

    make_checkpoint("in.tar");
    input = open(path("in.tar"), O_RDONLY | O_CLOEXEC);
    CHECK_INT(lseek(input, 700, SEEK_SET), 700);
    CHECK_OK_ONCE(CRImportOpenDescriptor, input, NULL, NULL, &import);
    choose_everything(import);
    CHECK_OK_ONCE(CRImportExtract, import);
    check_restored();
    CHECK_INT(lseek(input, 0, SEEK_CUR), 700);
    close(input);
    CRImportFree(import);
}

static void destinations_may_be_descriptors(void)
{
    static const char *const directories[] = {"bundle", "root", "volume", "shm"};
    int at[4];
    CRImport *import;

    make_checkpoint("in.tar");
    make_directory("bundle");
    for (int i = 0; i < 4; i++)
        at[i] = open(path(directories[i]), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    import = open_archive("in.tar", NULL, NULL);
    CHECK_OK_ONCE(CRImportToBundleAt, import, at[0]);
    CHECK_OK_ONCE(CRImportToRootAt, import, at[1]);
    CHECK_OK_ONCE(CRImportToVolumeAt, import, "vol1", at[2]);
    CHECK_OK_ONCE(CRImportToShmAt, import, at[3]);
    for (int i = 0; i < 4; i++)
        CHECK(fcntl(at[i], F_GETFD) >= 0 && close(at[i]) == 0);
    CHECK_OK_ONCE(CRImportExtract, import);
    check_restored();
    CRImportFree(import);
}

static void only_what_is_named_is_put_into_a_bundle(void)
{
    static const char *const names[] = {"checkpoint", "config.dump"}, *const missing[] = {"nowhere"};
    static const char *const root[] = {"./"};
    CRImport *import;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, NULL);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportToBundleOnly, import, path("bundle"), root, 1);
    CHECK_OK_ONCE(CRImportToBundleOnly, import, path("bundle"), names, 2);
    CHECK_OK_ONCE(CRImportExtract, import);
    CHECK_STRING(content("bundle/checkpoint/pages-1.img"), "some memory");
    CHECK(exists("bundle/config.dump") && !exists("bundle/spec.dump"));
    CHECK(!exists("bundle/network.status") && !exists("bundle/volumes"));

    CHECK_OK_ONCE(CRImportToBundleOnly, import, path("other"), missing, 1);
    CHECK_FAILS_AT(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, "nowhere", CRImportExtract, import);
    CHECK(!exists("other"));
    CRImportFree(import);
}

static void all_files_are_restored_by_one_call(void)
{
    char directory[PATH_MAX];
    const CRVolume volume = {"vol1", directory}, nowhere = {"vol2", directory}, half = {"vol1", NULL};

    snprintf(directory, sizeof(directory), "%s", path("volume"));
    make_checkpoint("in.tar");
    CHECK_OK(CRImportFiles, path("in.tar"), path("bundle"), path("root"), &volume, 1, path("shm"), NULL, NULL);
    check_restored();
    CHECK_OK(CRImportFiles, path("in.tar"), path("plain"), NULL, NULL, 0, NULL, NULL, NULL);
    CHECK(exists("plain/rootfs-diff.tar") && exists("plain/volumes/vol1.tar"));
    CHECK_FAILS_AT(ENODATA, CR_ERROR_NOT_IN_ARCHIVE, "volumes/vol2.tar", CRImportFiles, path("in.tar"), NULL, NULL,
                   &nowhere, 1, NULL, NULL, NULL);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportFiles, path("in.tar"), NULL, NULL, &half, 1, NULL, NULL, NULL);
    CHECK_NULL("input", CRImportFiles, NULL, path("b"), NULL, NULL, 0, NULL, NULL, NULL);
    CHECK_NULL("volumes", CRImportFiles, path("in.tar"), path("b"), NULL, NULL, 1, NULL, NULL, NULL);
    CHECK(!exists("b"));
}

static void destinations_are_checked_when_they_are_chosen(void)
{
    CRImport *import;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, NULL);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportToBundle, import, "missing-and-relative");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportToRoot, import, "relative");
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImportToRoot, import, path("missing"));
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImportToShm, import, path("missing"));
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRImportToVolume, import, "vol1", path("in.tar"));
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportToVolume, import, "a/b", path("volume"));
    CHECK_OK_ONCE(CRImportToVolume, import, "vol1", path("volume"));
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportToVolume, import, "vol1", path("shm"));
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRImportToRootAt, import, -1);
    CRImportFree(import);
}

/* Who was told what. */
struct told {
    unsigned phases, warnings;
    char warned[64];
    CRCancellation *cancel;
};

static void on_progress(void *user_data, const CRProgress *progress)
{
    struct told *told = user_data;

    told->phases |= 1U << progress->phase;
    CHECK(progress->member != NULL && progress->flags == 0);
    CHECK(progress->bytes_total == UINT64_MAX || progress->bytes_done <= progress->bytes_total);
    CRCancellationCancel(told->cancel);
}

static void on_warning(void *user_data, const CRWarning *warning)
{
    struct told *told = user_data;

    told->warnings |= 1U << warning->kind;
    snprintf(told->warned, sizeof(told->warned), "%s", warning->member);
    CHECK(strlen(warning->message) > 0);
}

static CRWatch *watch_telling(struct told *told)
{
    CRWatch *watch = CRWatchNew();

    CHECK_OK_ONCE(CRWatchOnProgress, watch, on_progress, told);
    CHECK_OK_ONCE(CRWatchOnWarning, watch, on_warning, told);
    return watch;
}

static void progress_and_warnings_are_told(void)
{
    struct told told = {0};
    CRMemberList *members = NULL;
    CRWatch *watch = watch_telling(&told);
    CRImport *import;
    FILE *tar;

    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, watch);
    CHECK_OK_ONCE(CRImportMembers, import, &members);
    CHECK_INT(told.phases, 1U << CR_PHASE_READING);
    choose_everything(import);
    CHECK_OK_ONCE(CRImportExtract, import);
    CHECK_INT(told.phases, 1U << CR_PHASE_READING | 1U << CR_PHASE_EXTRACTING | 1U << CR_PHASE_DELETING);
    CHECK_INT(told.warnings, 0);
    CRMemberListFree(members);
    CRImportFree(import);

    tar = tar_begin("odd.tar");
    tar_directory(tar, "network.status/");
    tar_end(tar);
    import = open_archive("odd.tar", NULL, watch);
    CRWatchFree(watch);
    CHECK_OK_ONCE(CRImportMembers, import, &members);
    CHECK_INT(told.warnings, 1U << CR_WARNING_IGNORED);
    CHECK_STRING(told.warned, "network.status");
    CRMemberListFree(members);
    CRImportFree(import);
}

static void a_cancelled_import_leaves_no_new_bundle(void)
{
    struct told told = {.cancel = CRCancellationNew()};
    CRWatch *watch = watch_telling(&told);
    CRMemberList *members = NULL;
    CRImport *import;

    CHECK_OK_ONCE(CRWatchCancelledBy, watch, told.cancel);
    make_checkpoint("in.tar");
    import = open_archive("in.tar", NULL, watch);
    CRWatchFree(watch);
    choose_everything(import);
    /* The end of the first phase is told, and cancels what comes then. */
    CHECK_OK_ONCE(CRImportMembers, import, &members);
    CHECK_FAILS(ECANCELED, CR_ERROR_CANCELLED, CRImportExtract, import);
    CHECK(!exists("bundle") && exists("root/gone") && !exists("volume/etc"));
    CRMemberListFree(members);
    CRCancellationFree(told.cancel);
    CRImportFree(import);
}

static void *cancel(void *cancellation)
{
    CRCancellationCancel(cancellation);
    return NULL;
}

/* Nothing is ever written into the pipe: only a cancellation, or the deadline, ends the wait. */
static void waiting_for_a_pipe_ends_when_it_is_cancelled_or_too_late(void)
{
    CRCancellation *cancellation = CRCancellationNew();
    CRMetadata *metadata = NULL;
    CRImport *import = NULL;
    CRWatch *watch = CRWatchNew();
    CRError *error = NULL;
    pthread_t thread;
    int ends[2];

    if (pipe(ends) != 0)
        files_die("pipe");
    CHECK_OK_ONCE(CRWatchCancelledBy, watch, cancellation);
    CHECK_OK_ONCE(CRImportOpenDescriptor, ends[0], NULL, watch, &import);
    if (pthread_create(&thread, NULL, cancel, cancellation) != 0)
        files_die("pthread_create");
    CHECK_INT(CRImportMetadata(import, &metadata, NULL), -ECANCELED);
    pthread_join(thread, NULL);
    CRImportFree(import);
    CRWatchFree(watch);
    CRCancellationFree(cancellation);

    watch = CRWatchNew();
    CHECK_OK_ONCE(CRWatchDeadline, watch, 20);
    CHECK_OK_ONCE(CRImportOpenDescriptor, ends[0], NULL, watch, &import);
    CHECK_INT(CRImportMetadata(import, &metadata, &error), -ECANCELED);
    CHECK_INT(CRErrorKind(error), CR_ERROR_CANCELLED);
    CRErrorFree(error);
    CHECK(metadata == NULL);
    CRImportFree(import);
    CRWatchFree(watch);
    close(ends[0]);
    close(ends[1]);
}

static void a_digest_is_told_and_compared(void)
{
    CRImportOptions *options = CRImportOptionsNew();
    CRImport *import = NULL;
    int input;

    tar_end(tar_begin("in.tar"));
    CHECK_OK(CRImportOptionsSet, options, CR_IMPORT_DIGEST, 1);
    import = open_archive("in.tar", options, NULL);
    CHECK(CRImportDigest(import) == NULL);
    CHECK_OK_ONCE(CRImportToBundle, import, path("bundle"));
    CHECK_OK_ONCE(CRImportExtract, import);
    CHECK_STRING(CRImportDigest(import), DIGEST_OF_NOTHING);
    CRImportFree(import);

    CHECK_OK(CRImportOptionsExpectedDigest, options, DIGEST_OF_NOTHING);
    CHECK_OK(CRImportFiles, path("in.tar"), path("bundle"), NULL, NULL, 0, NULL, options, NULL);
    CHECK_OK(CRImportOptionsExpectedDigest, options, ANOTHER_DIGEST);
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportFiles, path("in.tar"), path("bundle"), NULL, NULL, 0, NULL,
                options, NULL);

    /* Before anything is made of a file; at the end of a pipe, whose bundle is removed again. */
    make_checkpoint("full.tar");
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRImportFiles, path("full.tar"), path("new"), path("root"), NULL, 0, NULL,
                options, NULL);
    CHECK(!exists("new") && exists("root/gone") && !exists("root/etc"));
    input = pipe_of("full.tar");
    CHECK_OK_ONCE(CRImportOpenDescriptor, input, options, NULL, &import);
    close(input);
    CRImportOptionsFree(options);
    CHECK_OK_ONCE(CRImportToBundle, import, path("new"));
    CHECK_INT(CRImportExtract(import, NULL), -EBADMSG);
    CHECK(!exists("new") && CRImportDigest(import) == NULL);
    CRImportFree(import);
}

static void *use(void *argument)
{
    CRMetadata *metadata = NULL;

    CHECK_OK_ONCE(CRImportMetadata, argument, &metadata);
    choose_everything(argument);
    CHECK_OK_ONCE(CRImportExtract, argument);
    return metadata;
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
    CRMetadataFree(metadata);
}

static void what_an_import_was_given_may_be_freed_before_it_is_used(void)
{
    CRImportOptions *options = CRImportOptionsNew();
    CRCancellation *cancellation = CRCancellationNew();
    CRWatch *watch = CRWatchNew();
    CRImport *import;

    make_checkpoint("in.tar");
    CHECK_OK(CRWatchCancelledBy, watch, cancellation);
    import = open_archive("in.tar", options, watch);
    CRCancellationFree(cancellation);
    CRWatchFree(watch);
    CRImportOptionsFree(options);
    if (unlink(path("in.tar")) != 0)
        files_die("in.tar");
    choose_everything(import);
    CHECK_OK_ONCE(CRImportExtract, import);
    check_restored();
    CRImportFree(import);
}

int main(void)
{
    RUN(an_archive_is_looked_at_and_then_extracted);
    RUN(members_are_listed_as_they_stand_in_the_archive);
    RUN(a_pipe_is_read_once);
    RUN(a_file_is_read_from_its_beginning_and_keeps_its_offset);
    RUN(destinations_may_be_descriptors);
    RUN(only_what_is_named_is_put_into_a_bundle);
    RUN(all_files_are_restored_by_one_call);
    RUN(destinations_are_checked_when_they_are_chosen);
    RUN(progress_and_warnings_are_told);
    RUN(a_cancelled_import_leaves_no_new_bundle);
    RUN(waiting_for_a_pipe_ends_when_it_is_cancelled_or_too_late);
    RUN(a_digest_is_told_and_compared);
    RUN(a_session_may_change_threads);
    RUN(what_an_import_was_given_may_be_freed_before_it_is_used);
    return check_finish("session");
}
