/* SPDX-License-Identifier: Apache-2.0 */
/* CRRemoveDeletedFiles. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

static void make_world(const char *list)
{
    make_directory("base");
    make_file("base/deleted.files", list);
    make_directory("root");
    make_file("root/kept", "kept");
    make_file("root/gone", "gone");
    make_directory("root/tree");
    make_directory("root/tree/below");
    make_file("root/tree/below/file", "gone");
}

static void listed_paths_are_removed_and_no_others(void)
{
    make_world("[\"/gone\", \"/tree\", \"/never/there\", \"/kept/not/below/a/file\"]");
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    CHECK(!exists("root/gone"));
    CHECK(!exists("root/tree"));
    CHECK_STRING(content("root/kept"), "kept");
}

static void a_link_goes_and_what_it_leads_to_stays(void)
{
    make_world("[\"/link\", \"/loop\"]");
    make_link("kept", "root/link");
    make_link("loop", "root/loop");
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    CHECK(!exists("root/link"));
    CHECK(!exists("root/loop"));
    CHECK_STRING(content("root/kept"), "kept");
}

static void links_on_the_way_mean_what_they_mean_in_the_container(void)
{
    make_world("[\"/way/file\"]");
    make_link("/tree/below", "root/way");
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    CHECK(!exists("root/tree/below/file"));
    CHECK(exists("root/way"));
}

static void nothing_outside_of_the_root_is_removed(void)
{
    make_world("[\"/../victim\", \"out/victim\"]");
    make_file("victim", "victim");
    make_link("..", "root/out");
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    CHECK_STRING(content("victim"), "victim");
}

static void a_path_that_means_the_root_is_refused_before_anything_goes(void)
{
    static const char *const lists[] = {
        "[\"/gone\", \"/\"]", "[\"/gone\", \"\"]",      "[\"/gone\", \".\"]",
        "[\"/gone\", null]",  "[\"/gone\", \"../..\"]", "[\"/gone\", \"/tree/..\"]",
    };

    make_world("");
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        make_file("base/deleted.files", lists[i]);
        CHECK_FAILS(EXDEV, CR_ERROR_ESCAPE, CRRemoveDeletedFiles, "container", path("base"),
                    path("root"));
        CHECK_STRING(content("root/gone"), "gone");
        CHECK_STRING(content("root/kept"), "kept");
    }
}

static void a_list_that_is_no_list_is_malformed(void)
{
    static const char *const lists[] = {
        "", "[", "{}", "\"/gone\"", "[7]", "[\"/gone\"] and more", "\xef\xbb\xbf[]",
    };

    make_world("");
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        make_file("base/deleted.files", lists[i]);
        CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRRemoveDeletedFiles, "container", path("base"),
                    path("root"));
    }
    CHECK_STRING(content("root/gone"), "gone");
}

static void an_empty_list_and_no_list_are_successes(void)
{
    make_world("[]");
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    make_file("base/deleted.files", "null");
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    unlink(path("base/deleted.files"));
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    CHECK_OK(CRRemoveDeletedFiles, "container", path("none"), path("root"));
    CHECK_OK(CRRemoveDeletedFiles, "", path("none"), path("root"));
    CHECK_STRING(content("root/gone"), "gone");
}

static void what_the_diff_holds_stays(void)
{
    FILE *tar;

    make_world("[\"/tree\", \"/gone\"]");
    tar = tar_begin("base/rootfs-diff.tar");
    tar_file(tar, "tree/fresh", "fresh");
    tar_end(tar);
    CHECK_OK(CRApplyRootFsDiffTar, path("base"), path("root"));
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    CHECK_STRING(content("root/tree/fresh"), "fresh");
    CHECK(!exists("root/tree/below"));
    CHECK(!exists("root/gone"));
}

static void a_damaged_diff_is_an_error_before_anything_goes(void)
{
    char noise[600];

    make_world("[\"/gone\"]");
    memset(noise, 'x', sizeof(noise));
    make_bytes("base/rootfs-diff.tar", noise, sizeof(noise));
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRRemoveDeletedFiles, "container", path("base"),
                path("root"));
    CHECK_STRING(content("root/gone"), "gone");
}

static void names_are_bytes(void)
{
    const CRChange change = {"/na\xffme", CR_CHANGE_DELETE, 0};
    char **files = NULL;

    make_world("[]");
    make_file("root/na\xffme", "gone");
    make_directory("empty");
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, &change, 1, path("empty"), path("base"), &files);
    CRStringArrayFree(files);
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    CHECK(!exists("root/na\xffme"));
    CHECK_STRING(content("root/kept"), "kept");
}

static void directories_keep_their_times(void)
{
    static const struct timespec times[2] = {{1400000000, 5}, {1400000000, 5}};

    make_world("[\"/tree/below/file\"]");
    if (utimensat(AT_FDCWD, path("root/tree/below"), times, 0) != 0)
        files_die("utimensat");
    CHECK_OK(CRRemoveDeletedFiles, "container", path("base"), path("root"));
    CHECK(!exists("root/tree/below/file"));
    CHECK_INT(status_of("root/tree/below").st_mtim.tv_sec, 1400000000);
    CHECK_INT(status_of("root/tree/below").st_mtim.tv_nsec, 5);
}

static void a_list_that_can_not_be_read_is_an_error(void)
{
    make_world("[]");
    unlink(path("base/deleted.files"));
    make_directory("base/deleted.files");
    CHECK_FAILS(EISDIR, CR_ERROR_SYSTEM, CRRemoveDeletedFiles, "container", path("base"),
                path("root"));
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRRemoveDeletedFiles, "container", path("root/kept"),
                path("root"));
    rmdir(path("base/deleted.files"));

    /* Nobody writes to the fifo: an open that waits would wait for ever. */
    make_fifo("base/deleted.files");
    alarm(60);
    CHECK_FAILS(EPERM, CR_ERROR_ESCAPE, CRRemoveDeletedFiles, "container", path("base"),
                path("root"));
    alarm(0);
}

static void a_list_above_64_mib_is_refused(void)
{
    make_world("[]");
    if (truncate(path("base/deleted.files"), 64L * 1024 * 1024 + 1) != 0)
        files_die("truncate");
    CHECK_FAILS(E2BIG, CR_ERROR_LIMIT, CRRemoveDeletedFiles, "container", path("base"),
                path("root"));
}

static void a_root_is_an_absolute_path_that_exists(void)
{
    make_world("[\"/gone\"]");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRRemoveDeletedFiles, "container", path("base"), "");
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRRemoveDeletedFiles, "container", path("base"), "root");
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRRemoveDeletedFiles, "container", path("base"),
                path("none"));
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRRemoveDeletedFiles, "container", path("base"),
                path("root/kept"));
}

int main(void)
{
    RUN(listed_paths_are_removed_and_no_others);
    RUN(a_link_goes_and_what_it_leads_to_stays);
    RUN(links_on_the_way_mean_what_they_mean_in_the_container);
    RUN(nothing_outside_of_the_root_is_removed);
    RUN(a_path_that_means_the_root_is_refused_before_anything_goes);
    RUN(a_list_that_is_no_list_is_malformed);
    RUN(an_empty_list_and_no_list_are_successes);
    RUN(what_the_diff_holds_stays);
    RUN(a_damaged_diff_is_an_error_before_anything_goes);
    RUN(names_are_bytes);
    RUN(directories_keep_their_times);
    RUN(a_list_that_can_not_be_read_is_an_error);
    RUN(a_list_above_64_mib_is_refused);
    RUN(a_root_is_an_absolute_path_that_exists);
    return check_finish("deleted_files");
}
