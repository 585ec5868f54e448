/* SPDX-License-Identifier: Apache-2.0 */
/* CRCreateFileWithLabel. */

#define _GNU_SOURCE
#include <sys/xattr.h>

#include "check.h"

/* Whether SELinux is there; what a label does where it is enabled depends on its policy. */
static int selinux(void)
{
    return access("/sys/fs/selinux/enforce", F_OK) == 0;
}

static void a_file_is_made_empty_and_private(void)
{
    mode_t before = umask(0);

    CHECK_OK(CRCreateFileWithLabel, files_top, "restore.log", "");
    umask(before);
    CHECK_INT(mode_of("restore.log"), S_IFREG | 0600);
    CHECK_STRING(content("restore.log"), "");
}

static void a_file_that_is_there_is_emptied(void)
{
    make_file("restore.log", "of an earlier restore");
    if (chmod(path("restore.log"), 0640) != 0)
        files_die("chmod");
    CHECK_OK(CRCreateFileWithLabel, files_top, "restore.log", "");
    CHECK_STRING(content("restore.log"), "");
    CHECK_INT(mode_of("restore.log"), S_IFREG | 0640);
}

static void a_label_has_no_effect_without_selinux(void)
{
    char value[256];

    if (selinux()) {
        skip("a label without effect", "SELinux is enabled");
        return;
    }
    CHECK_OK(CRCreateFileWithLabel, files_top, "restore.log", "system_u:object_r:bin_t:s0");
    CHECK_INT(mode_of("restore.log"), S_IFREG | 0600);
    CHECK(getxattr(path("restore.log"), "security.selinux", value, sizeof(value)) < 0);
}

static void a_name_is_one_component(void)
{
    static const char *const names[] = {"", ".", "..", "/", "a/b", "../a", "/a", "a/"};

    make_directory("directory");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRCreateFileWithLabel, path("directory"), names[i],
                    "");
    CHECK(!exists("a") && !exists("directory/a"));
}

static void a_name_may_be_any_bytes(void)
{
    CHECK_OK(CRCreateFileWithLabel, files_top, "na\xffme\n", "");
    CHECK_INT(mode_of("na\xffme\n"), S_IFREG | 0600);
}

static void a_link_is_refused_and_not_followed(void)
{
    make_file("victim", "victim");
    make_link("victim", "link");
    make_link("new", "dangling");
    CHECK_FAILS(ELOOP, CR_ERROR_ESCAPE, CRCreateFileWithLabel, files_top, "link", "");
    CHECK_FAILS(ELOOP, CR_ERROR_ESCAPE, CRCreateFileWithLabel, files_top, "dangling", "");
    CHECK_STRING(content("victim"), "victim");
    CHECK(!exists("new"));
}

static void what_is_no_regular_file_is_refused(void)
{
    make_directory("directory");
    CHECK_FAILS(EISDIR, CR_ERROR_SYSTEM, CRCreateFileWithLabel, files_top, "directory", "");

    /* Nobody reads from the fifo: an open that waits would wait for ever. */
    make_fifo("fifo");
    alarm(60);
    CHECK_FAILS(EPERM, CR_ERROR_ESCAPE, CRCreateFileWithLabel, files_top, "fifo", "");
    alarm(0);
    CHECK(S_ISFIFO(mode_of("fifo")));
}

static void a_directory_that_is_missing_is_an_error(void)
{
    make_file("file", "");
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRCreateFileWithLabel, path("none"), "name", "");
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRCreateFileWithLabel, path("file"), "name", "");
}

int main(void)
{
    RUN(a_file_is_made_empty_and_private);
    RUN(a_file_that_is_there_is_emptied);
    RUN(a_label_has_no_effect_without_selinux);
    RUN(a_name_is_one_component);
    RUN(a_name_may_be_any_bytes);
    RUN(a_link_is_refused_and_not_followed);
    RUN(what_is_no_regular_file_is_refused);
    RUN(a_directory_that_is_missing_is_an_error);
    return check_finish("label");
}
