/* SPDX-License-Identifier: Apache-2.0 */
/* CRCreateRootFsDiffTar and CRApplyRootFsDiffTar. */

#define _GNU_SOURCE
#include <stdint.h>
#include <sys/xattr.h>

#include "check.h"
#include "tar.h"

/* A root file system that has changed since its image, the image, and a place to write to. */
static void make_world(void)
{
    static const struct timespec times[2] = {{1500000000, 0}, {1500000000, 123456789}};

    make_directory("changed");
    make_directory("changed/etc");
    make_file("changed/etc/hosts", "modified");
    make_directory("changed/opt");
    make_directory("changed/opt/app");
    make_file("changed/opt/app/run", "added");
    make_link("/etc/hosts", "changed/opt/link");
    if (chmod(path("changed/opt/app/run"), 04711) != 0 || chmod(path("changed/etc"), 0700) != 0 ||
        utimensat(AT_FDCWD, path("changed/opt/app/run"), times, 0) != 0)
        files_die("changed");

    make_directory("image");
    make_directory("image/etc");
    make_file("image/etc/hosts", "original");
    make_file("image/etc/gone", "original");
    make_file("image/etc/kept", "original");
    make_directory("out");
}

static const CRChange changes[] = {
    {"/etc", CR_CHANGE_MODIFY, 0},     {"/etc/hosts", CR_CHANGE_MODIFY, 0},
    {"/etc/gone", CR_CHANGE_DELETE, 0}, {"/opt", CR_CHANGE_ADD, 0},
};
static const size_t changes_len = sizeof(changes) / sizeof(changes[0]);

static void the_changes_are_written_and_named(void)
{
    char **files = NULL;

    make_world();
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, changes, changes_len, path("changed"), path("out"),
                  &files);
    if (files != NULL) {
        CHECK_STRING(files[0], "rootfs-diff.tar");
        CHECK_STRING(files[1], "deleted.files");
        CHECK(files[2] == NULL);
    }
    CRStringArrayFree(files);
    CHECK_INT(mode_of("out/rootfs-diff.tar"), S_IFREG | 0600);
    CHECK_INT(mode_of("out/deleted.files"), S_IFREG | 0600);
    CHECK_STRING(content("out/deleted.files"), "[\n  \"/etc/gone\"\n]");
}

static void what_was_written_makes_the_image_the_changed_root(void)
{
    char **files = NULL;

    make_world();
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, changes, changes_len, path("changed"), path("out"),
                  &files);
    CRStringArrayFree(files);
    CHECK_OK(CRApplyRootFsDiffTar, path("out"), path("image"));
    CHECK_OK(CRRemoveDeletedFiles, "container", path("out"), path("image"));
    CHECK_STRING(content("image/etc/hosts"), "modified");
    CHECK_STRING(content("image/etc/kept"), "original");
    CHECK(!exists("image/etc/gone"));
    CHECK_INT(mode_of("image/etc"), S_IFDIR | 0700);
    CHECK_STRING(content("image/opt/app/run"), "added");
    CHECK_INT(mode_of("image/opt/app/run"), S_IFREG | 04711);
    CHECK_STRING(target("image/opt/link"), "/etc/hosts");
    CHECK_INT(status_of("image/opt/app/run").st_mtim.tv_sec, 1500000000);
    CHECK_INT(status_of("image/opt/app/run").st_mtim.tv_nsec, 123456789);
}

static void extended_attributes_come_along(void)
{
    static const CRChange change = {"/etc/hosts", CR_CHANGE_MODIFY, 0};
    char **files = NULL;
    char value[8] = {0};

    make_world();
    if (setxattr(path("changed/etc/hosts"), "user.test", "a\0b", 3, 0) != 0) {
        skip("extended attributes", "the file system of the temp directory has none");
        return;
    }
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, &change, 1, path("changed"), path("out"), &files);
    CRStringArrayFree(files);
    CHECK_OK(CRApplyRootFsDiffTar, path("out"), path("image"));
    CHECK_INT(getxattr(path("image/etc/hosts"), "user.test", value, sizeof(value)), 3);
    CHECK(memcmp(value, "a\0b", 3) == 0);
}

static void nothing_changed_is_an_empty_array_and_no_files(void)
{
    char **files = NULL;

    make_world();
    make_file("out/rootfs-diff.tar", "stale");
    make_file("out/deleted.files", "stale");
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, NULL, 0, path("changed"), path("out"), &files);
    CHECK(files != NULL && files[0] == NULL);
    CRStringArrayFree(files);
    CHECK(!exists("out/rootfs-diff.tar"));
    CHECK(!exists("out/deleted.files"));
}

static void only_what_is_written_is_named(void)
{
    static const CRChange gone = {"/etc/gone", CR_CHANGE_DELETE, 0};
    char **files = NULL;

    make_world();
    make_file("out/rootfs-diff.tar", "stale");
    CHECK_INT(CRCreateRootFsDiffTar(&gone, 1, path("changed"), path("out"), &files, NULL), 0);
    CHECK(files != NULL && files[0] != NULL && files[1] == NULL);
    if (files != NULL)
        CHECK_STRING(files[0], "deleted.files");
    CRStringArrayFree(files);
    CHECK(!exists("out/rootfs-diff.tar"));
}

static void outputs_replace_links_and_do_not_follow_them(void)
{
    char **files = NULL;

    make_world();
    make_file("victim", "victim");
    make_link("../victim", "out/rootfs-diff.tar");
    make_link("../victim", "out/deleted.files");
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, changes, changes_len, path("changed"), path("out"),
                  &files);
    CRStringArrayFree(files);
    CHECK_STRING(content("victim"), "victim");
    CHECK(S_ISREG(mode_of("out/rootfs-diff.tar")));
    CHECK(S_ISREG(mode_of("out/deleted.files")));
}

/* A failure leaves the place for the names alone, and no output. */
#define CHECK_NO_DIFF(number, kind, list, len, mount, out)                                         \
    do {                                                                                           \
        char *untouched = NULL;                                                                    \
        char **files = &untouched;                                                                 \
        CHECK_FAILS(number, kind, CRCreateRootFsDiffTar, list, len, mount, out, &files);           \
        CHECK(files == &untouched);                                                                \
        CHECK(!exists("out/rootfs-diff.tar") && !exists("out/deleted.files"));                     \
    } while (0)

static void a_change_that_means_nothing_is_refused(void)
{
    const CRChange kind = {"/etc", 3, 0}, flags = {"/etc", CR_CHANGE_ADD, 1};
    const CRChange none = {NULL, CR_CHANGE_ADD, 0}, good = {"/etc", CR_CHANGE_ADD, 0};
    const CRChange root = {"/", CR_CHANGE_DELETE, 0};
    const void *unaligned = (const char *)&good + 1;

    make_world();
    CHECK_NO_DIFF(EINVAL, CR_ERROR_ARGUMENT, &kind, 1, path("changed"), path("out"));
    CHECK_NO_DIFF(EINVAL, CR_ERROR_ARGUMENT, &flags, 1, path("changed"), path("out"));
    CHECK_NO_DIFF(EINVAL, CR_ERROR_ARGUMENT, &none, 1, path("changed"), path("out"));
    CHECK_NO_DIFF(EINVAL, CR_ERROR_ARGUMENT, &root, 1, path("changed"), path("out"));
    CHECK_NO_DIFF(EINVAL, CR_ERROR_ARGUMENT, NULL, 1, path("changed"), path("out"));
    CHECK_NO_DIFF(EINVAL, CR_ERROR_ARGUMENT, &good, SIZE_MAX, path("changed"), path("out"));
    CHECK_NO_DIFF(EINVAL, CR_ERROR_ARGUMENT, &good, SIZE_MAX / sizeof(good), path("changed"),
                  path("out"));
    CHECK_NO_DIFF(EINVAL, CR_ERROR_ARGUMENT, unaligned, 1, path("changed"), path("out"));
}

static void directories_that_are_missing_are_errors(void)
{
    make_world();
    make_file("file", "");
    CHECK_NO_DIFF(ENOENT, CR_ERROR_SYSTEM, changes, changes_len, path("none"), path("out"));
    CHECK_NO_DIFF(ENOTDIR, CR_ERROR_SYSTEM, changes, changes_len, path("file"), path("out"));
    CHECK_NO_DIFF(ENOENT, CR_ERROR_SYSTEM, changes, changes_len, path("changed"), path("none"));
    CHECK_NO_DIFF(ENOTDIR, CR_ERROR_SYSTEM, changes, changes_len, path("changed"), path("file"));
}

static void nothing_to_apply_is_a_success(void)
{
    make_world();
    CHECK_OK(CRApplyRootFsDiffTar, path("out"), path("image"));
    CHECK_OK(CRApplyRootFsDiffTar, path("none"), path("image"));
    make_file("out/rootfs-diff.tar", "");
    CHECK_OK(CRApplyRootFsDiffTar, path("out"), path("image"));
    CHECK_STRING(content("image/etc/hosts"), "original");
}

static void an_apply_stays_below_the_root(void)
{
    FILE *tar;

    make_world();
    make_directory("victim");
    make_file("victim/hello", "hello");
    tar = tar_begin("out/rootfs-diff.tar");
    tar_special(tar, "out", '2', "../victim");
    tar_file(tar, "../victim/hello", "clamped");
    tar_end(tar);
    CHECK_OK(CRApplyRootFsDiffTar, path("out"), path("image"));
    CHECK_STRING(content("image/victim/hello"), "clamped");
    CHECK_STRING(content("victim/hello"), "hello");

    tar = tar_begin("out/rootfs-diff.tar");
    tar_special(tar, "leak", '1', "../victim/secret");
    tar_end(tar);
    make_file("victim/secret", "secret");
    CHECK_FAILS_AT(ENOENT, CR_ERROR_SYSTEM, "leak", CRApplyRootFsDiffTar, path("out"),
                   path("image"));
    CHECK(!exists("image/leak"));
}

static void a_file_in_the_place_of_the_root_is_refused(void)
{
    FILE *tar;

    make_world();
    tar = tar_begin("out/rootfs-diff.tar");
    tar_file(tar, "..", "a root");
    tar_end(tar);
    CHECK_FAILS_AT(EXDEV, CR_ERROR_ESCAPE, "..", CRApplyRootFsDiffTar, path("out"), path("image"));
    CHECK_STRING(content("image/etc/kept"), "original");
}

static void what_is_no_diff_is_an_error(void)
{
    char noise[600];

    make_world();
    memset(noise, 'x', sizeof(noise));
    make_bytes("out/rootfs-diff.tar", noise, sizeof(noise));
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRApplyRootFsDiffTar, path("out"), path("image"));
    unlink(path("out/rootfs-diff.tar"));
    make_directory("out/rootfs-diff.tar");
    CHECK_FAILS(EISDIR, CR_ERROR_SYSTEM, CRApplyRootFsDiffTar, path("out"), path("image"));
    rmdir(path("out/rootfs-diff.tar"));

    /* Nobody writes to the fifo: an open that waits would wait for ever. */
    make_fifo("out/rootfs-diff.tar");
    alarm(60);
    CHECK_FAILS(EPERM, CR_ERROR_ESCAPE, CRApplyRootFsDiffTar, path("out"), path("image"));
    alarm(0);
}

static void a_root_is_an_absolute_path_that_exists(void)
{
    FILE *tar;

    make_world();
    make_file("file", "");
    tar = tar_begin("out/rootfs-diff.tar");
    tar_file(tar, "new", "new");
    tar_end(tar);
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRApplyRootFsDiffTar, path("out"), path("none"));
    CHECK(!exists("none"));
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRApplyRootFsDiffTar, path("out"), path("file"));
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRApplyRootFsDiffTar, path("out"), "");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRApplyRootFsDiffTar, path("out"), "image");
}

int main(void)
{
    RUN(the_changes_are_written_and_named);
    RUN(what_was_written_makes_the_image_the_changed_root);
    RUN(extended_attributes_come_along);
    RUN(nothing_changed_is_an_empty_array_and_no_files);
    RUN(only_what_is_written_is_named);
    RUN(outputs_replace_links_and_do_not_follow_them);
    RUN(a_change_that_means_nothing_is_refused);
    RUN(directories_that_are_missing_are_errors);
    RUN(nothing_to_apply_is_a_success);
    RUN(an_apply_stays_below_the_root);
    RUN(a_file_in_the_place_of_the_root_is_refused);
    RUN(what_is_no_diff_is_an_error);
    RUN(a_root_is_an_absolute_path_that_exists);
    return check_finish("rootfs_diff");
}
