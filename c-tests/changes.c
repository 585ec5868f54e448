/* SPDX-License-Identifier: Apache-2.0 */
/* CRChangesDirectories, CRChangesOverlay, their options and their list. */

#define _GNU_SOURCE
#include <stdint.h>

#include "check.h"

/* An image, and the root file system of a container that has changed since. */
static void make_world(void)
{
    make_directory("old");
    make_directory("new");
    make_directory("new/etc");
    make_file("new/etc/hosts", "added");
    make_file("new/a", "added");
    make_file("old/gone", "deleted");
    make_file("old/same", "same");
    make_file("new/same", "now longer");
}

/* The list as one line. */
static const char *line_of(const CRChangeList *list)
{
    static char line[512];
    const CRChange *changes = CRChangeListChanges(list);

    line[0] = '\0';
    for (size_t i = 0; i < CRChangeListLen(list); i++) {
        strncat(line, &"C\0A\0D\0"[2 * changes[i].kind], 1);
        strncat(line, changes[i].path, sizeof(line) - strlen(line) - 2);
        strcat(line, " ");
        CHECK_INT(changes[i].flags, 0);
    }
    return line;
}

/* What is found with these options. */
static const char *found(const CRChangesOptions *options)
{
    static char line[512];
    CRChangeList *list = NULL;

    CHECK_OK_ONCE(CRChangesDirectories, path("new"), path("old"), options, &list);
    strcpy(line, line_of(list));
    CRChangeListFree(list);
    return line;
}

static void changes_of_directories_are_listed_in_order(void)
{
    CRChangeList *list = NULL;

    make_world();
    CHECK_STRING(found(NULL), "A/a A/etc A/etc/hosts D/gone C/same ");
    CHECK_OK_ONCE(CRChangesDirectories, path("old"), NULL, NULL, &list);
    CHECK_STRING(line_of(list), "A/gone A/same ");
    CRChangeListFree(list);
}

static void changes_of_an_overlay_are_listed_in_order(void)
{
    CRChangeList *list = NULL;
    const char *lower[2];

    make_world();
    make_directory("below");
    make_file("below/same", "hidden");
    make_file("below/a", "same content, another time");
    lower[0] = strdup(path("old"));
    lower[1] = strdup(path("below"));
    CHECK_OK_ONCE(CRChangesOverlay, lower, 2, path("new"), NULL, &list);
    CHECK_STRING(line_of(list), "C/a A/etc A/etc/hosts C/same ");
    CRChangeListFree(list);
    CHECK_OK_ONCE(CRChangesOverlay, NULL, 0, path("new"), NULL, &list);
    CHECK_STRING(line_of(list), "A/a A/etc A/etc/hosts A/same ");
    CRChangeListFree(list);
    free((char *)lower[0]);
    free((char *)lower[1]);
}

static void a_list_goes_into_a_diff_as_it_is(void)
{
    CRChangeList *list = NULL;
    char **files = NULL;

    make_world();
    make_directory("out");
    CHECK_OK_ONCE(CRChangesDirectories, path("new"), path("old"), NULL, &list);
    CHECK_OK_ONCE(CRCreateRootFsDiffTar, CRChangeListChanges(list), CRChangeListLen(list),
                  path("new"), path("out"), &files);
    CRChangeListFree(list);
    CRStringArrayFree(files);
    CHECK_OK(CRApplyRootFsDiffTar, path("out"), path("old"));
    CHECK_OK(CRRemoveDeletedFiles, "container", path("out"), path("old"));
    CHECK_STRING(content("old/etc/hosts"), "added");
    CHECK_STRING(content("old/same"), "now longer");
    CHECK(!exists("old/gone"));
    CHECK_STRING(found(NULL), "");
}

static void an_empty_list_is_a_list(void)
{
    CRChangeList *list = NULL;

    make_world();
    CHECK_OK_ONCE(CRChangesDirectories, path("new"), path("new"), NULL, &list);
    CHECK(list != NULL);
    CHECK_INT(CRChangeListLen(list), 0);
    CRChangeListFree(list);
}

static void options_leave_out_and_look_closer(void)
{
    static const char spec[] = "{\"mounts\":[{\"destination\":\"/same\",\"type\":\"bind\"},"
                               "{\"destination\":\"/a\",\"type\":\"tmpfs\"}]}";
    static const struct timespec times[2] = {{7, 0}, {7, 0}};
    CRChangesOptions *options = CRChangesOptionsNew();

    make_world();
    make_file("config.json", spec);
    CHECK_OK(CRChangesOptionsExcludeEngine, options, CR_EXCLUDE_PODMAN);
    CHECK_STRING(found(options), "A/a C/etc D/gone C/same ");
    CHECK_OK(CRChangesOptionsExcludeBindMounts, options, path("config.json"));
    CHECK_STRING(found(options), "A/a C/etc D/gone ");
    CHECK_OK(CRChangesOptionsExclude, options, "/gone", CR_EXCLUDE_EXACT);
    CHECK_OK(CRChangesOptionsExclude, options, "/etc", CR_EXCLUDE_SUBTREE);
    CHECK_STRING(found(options), "A/a ");
    CRChangesOptionsFree(options);

    make_file("old/content", "one");
    make_file("new/content", "two");
    if (utimensat(AT_FDCWD, path("old/content"), times, 0) != 0 ||
        utimensat(AT_FDCWD, path("new/content"), times, 0) != 0)
        files_die("content");
    options = CRChangesOptionsNew();
    CHECK_OK(CRChangesOptionsExclude, options, "/etc", CR_EXCLUDE_SUBTREE);
    CHECK_STRING(found(options), "A/a D/gone C/same ");
    CHECK_OK(CRChangesOptionsCompareContent, options, 1);
    CHECK_STRING(found(options), "A/a C/content D/gone C/same ");
    CHECK_OK(CRChangesOptionsExactTimes, options, 1);
    CHECK_OK(CRChangesOptionsOverlayXattrs, options, CR_OVERLAY_FUSE);
    CHECK_OK(CRChangesOptionsWorkDirectory, options, "work");
    CRChangesOptionsFree(options);
}

static void what_means_nothing_is_refused(void)
{
    CRChangesOptions *options = CRChangesOptionsNew();
    CRChangeList *untouched = (CRChangeList *)(void *)&untouched, *list = untouched;
    const char *none = NULL;

    make_world();
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesDirectories, NULL, NULL, NULL, &list);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesDirectories, path("new"), NULL, NULL, NULL);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOverlay, &none, 1, path("new"), NULL, &list);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOverlay, NULL, 1, path("new"), NULL, &list);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOverlay, NULL, 0, NULL, NULL, &list);
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRChangesDirectories, path("none"), NULL, NULL, &list);
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRChangesOverlay, NULL, 0, path("new/a"), NULL, &list);
    CHECK(list == untouched);

    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsCompareContent, NULL, 1);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsCompareContent, options, 2);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsExactTimes, options, UINT32_MAX);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsOverlayXattrs, options, 4);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsWorkDirectory, options, NULL);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsExclude, options, "/x", 2);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsExclude, options, "", 0);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsExclude, options, NULL, 0);
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRChangesOptionsExcludeEngine, options, 2);
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRChangesOptionsExcludeBindMounts, options, path("none"));
    CHECK_FAILS(EISDIR, CR_ERROR_SYSTEM, CRChangesOptionsExcludeBindMounts, options, path("new"));
    CHECK_FAILS(EBADMSG, CR_ERROR_MALFORMED, CRChangesOptionsExcludeBindMounts, options,
                path("new/a"));
    make_link("new/a", "link");
    CHECK_FAILS(ELOOP, CR_ERROR_ESCAPE, CRChangesOptionsExcludeBindMounts, options, path("link"));
    CRChangesOptionsFree(options);
}

static void null_has_an_answer(void)
{
    CHECK(CRChangeListChanges(NULL) == NULL);
    CHECK_INT(CRChangeListLen(NULL), 0);
    CRChangeListFree(NULL);
    CRChangesOptionsFree(NULL);
}

int main(void)
{
    RUN(changes_of_directories_are_listed_in_order);
    RUN(changes_of_an_overlay_are_listed_in_order);
    RUN(a_list_goes_into_a_diff_as_it_is);
    RUN(an_empty_list_is_a_list);
    RUN(options_leave_out_and_look_closer);
    RUN(what_means_nothing_is_refused);
    RUN(null_has_an_answer);
    return check_finish("changes");
}
