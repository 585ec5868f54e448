/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that take descriptors of directories do what those do that take paths. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

/* A directory of the test, as a descriptor that can't be read from. */
static int opened(const char *name)
{
    int fd = open(path(name), O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        files_die(name);
    return fd;
}

/* A descriptor stays the caller's: it is still there to be closed. */
static void closed(int fd)
{
    CHECK_INT(close(fd), 0);
}

/* A number that is no open descriptor until the next one is opened. */
static int no_descriptor(void)
{
    int fd = opened(".");

    closed(fd);
    return fd;
}

static void archives_are_imported_into_a_descriptor(void)
{
    FILE *tar = tar_begin("in.tar");
    int bundle, config;

    tar_file(tar, "config.dump", "{\"runtime\":\"crun\"}");
    tar_file(tar, "spec.dump", "{}");
    tar_file(tar, "network.status", "null");
    tar_end(tar);
    make_directory("bundle");
    make_directory("config");
    bundle = opened("bundle");
    config = opened("config");
    CHECK_OK(CRImportCheckpointWithoutConfigAt, bundle, path("in.tar"));
    CHECK_OK(CRImportCheckpointConfigOnlyAt, config, path("in.tar"));
    CHECK_STRING(content("bundle/network.status"), "null");
    CHECK(!exists("bundle/config.dump") && !exists("bundle/spec.dump"));
    CHECK_STRING(content("config/config.dump"), "{\"runtime\":\"crun\"}");
    CHECK_STRING(content("config/spec.dump"), "{}");
    CHECK(!exists("config/network.status"));
    CHECK_NULL("input", CRImportCheckpointWithoutConfigAt, bundle, NULL);
    CHECK_NULL("input", CRImportCheckpointConfigOnlyAt, config, NULL);
    closed(bundle);
    closed(config);
}

static void a_diff_goes_from_root_to_root(void)
{
    static const CRChange changes[] = {
        {"/added", CR_CHANGE_ADD, 0},
        {"/gone", CR_CHANGE_DELETE, 0},
    };
    char **files = NULL;
    int changed, out, image;

    make_directory("changed");
    make_file("changed/added", "added");
    make_directory("image");
    make_file("image/gone", "original");
    make_file("image/kept", "original");
    make_directory("out");
    changed = opened("changed");
    out = opened("out");
    image = opened("image");
    CHECK_OK_ONCE(CRCreateRootFsDiffTarAt, changes, 2, changed, out, &files);
    if (files != NULL) {
        CHECK_STRING(files[0], "rootfs-diff.tar");
        CHECK_STRING(files[1], "deleted.files");
        CHECK(files[2] == NULL);
    }
    CRStringArrayFree(files);
    CHECK_INT(mode_of("out/rootfs-diff.tar"), S_IFREG | 0600);
    CHECK_OK(CRApplyRootFsDiffTarAt, out, image);
    CHECK_STRING(content("image/added"), "added");
    CHECK(exists("image/gone"));
    CHECK_OK(CRRemoveDeletedFilesAt, "container", out, image);
    CHECK(!exists("image/gone"));
    CHECK_STRING(content("image/kept"), "original");
    CHECK_NULL("id", CRRemoveDeletedFilesAt, NULL, out, image);
    CHECK_NULL("changes", CRCreateRootFsDiffTarAt, NULL, 1, changed, out, &files);
    CHECK_NULL("include_files", CRCreateRootFsDiffTarAt, changes, 2, changed, out, NULL);
    closed(changed);
    closed(out);
    closed(image);
}

static void a_descriptor_of_a_moved_directory_is_still_that_directory(void)
{
    int directory;

    make_directory("before");
    directory = opened("before");
    if (rename(path("before"), path("after")) != 0)
        files_die("rename");
    make_directory("before");
    CHECK_OK(CRCreateFileWithLabelAt, directory, "restore.log", "");
    CHECK_INT(mode_of("after/restore.log"), S_IFREG | 0600);
    CHECK(!exists("before/restore.log"));
    CHECK_FAILS(EINVAL, CR_ERROR_ARGUMENT, CRCreateFileWithLabelAt, directory, "../a", "");
    CHECK_NULL("file_name", CRCreateFileWithLabelAt, directory, NULL, "");
    CHECK_NULL("file_label", CRCreateFileWithLabelAt, directory, "a", NULL);
    CHECK(!exists("a") && !exists("after/a"));
    closed(directory);
}

/* The paths of a list. */
static const char *line_of(const CRChangeList *list)
{
    static char line[512];
    const CRChange *changes = CRChangeListChanges(list);

    line[0] = '\0';
    for (size_t i = 0; i < CRChangeListLen(list); i++) {
        strncat(line, &"C\0A\0D\0"[2 * changes[i].kind], 1);
        strncat(line, changes[i].path, sizeof(line) - strlen(line) - 2);
        strcat(line, " ");
    }
    return line;
}

static void changes_of_directories_are_found(void)
{
    CRChangeList *list = NULL;
    int new, old;

    make_directory("old");
    make_directory("new");
    make_file("new/added", "added");
    make_file("old/gone", "deleted");
    new = opened("new");
    old = opened("old");
    CHECK_OK_ONCE(CRChangesDirectoriesAt, new, old, NULL, &list);
    CHECK_STRING(line_of(list), "A/added D/gone ");
    CRChangeListFree(list);
    CHECK_OK_ONCE(CRChangesDirectoriesAt, old, -1, NULL, &list);
    CHECK_STRING(line_of(list), "A/gone ");
    CRChangeListFree(list);
    list = (CRChangeList *)(void *)POISON;
    CHECK_NULL("old_directory", CRChangesDirectoriesAt, new, -2, NULL, &list);
    CHECK_NULL("new_directory", CRChangesDirectoriesAt, -1, old, NULL, &list);
    CHECK(list == (CRChangeList *)(void *)POISON);
    CHECK_NULL("list", CRChangesDirectoriesAt, new, old, NULL, NULL);
    closed(new);
    closed(old);
}

static void changes_of_an_overlay_are_found(void)
{
    CRChangesOptions *options = CRChangesOptionsNew();
    CRChangeList *list = NULL;
    int lower[2], upper, work;

    make_directory("top");
    make_file("top/top", "original");
    make_directory("bottom");
    make_file("bottom/bottom", "original");
    make_directory("upper");
    make_file("upper/bottom", "modified");
    make_file("upper/added", "added");
    make_directory("work");
    lower[0] = opened("top");
    lower[1] = opened("bottom");
    upper = opened("upper");
    work = opened("work");
    CHECK_OK(CRChangesOptionsWorkDirectoryAt, options, work);
    closed(work);
    CHECK_OK_ONCE(CRChangesOverlayAt, lower, 2, upper, options, &list);
    CHECK_STRING(line_of(list), "A/added C/bottom ");
    CRChangeListFree(list);
    /* Without the layer that has it, the file is new. */
    CHECK_OK_ONCE(CRChangesOverlayAt, lower, 1, upper, NULL, &list);
    CHECK_STRING(line_of(list), "A/added A/bottom ");
    CRChangeListFree(list);
    CHECK_NULL("lower_directories", CRChangesOverlayAt, NULL, 1, upper, NULL, &list);
    CHECK_NULL("upper_directory", CRChangesOverlayAt, lower, 2, -1, NULL, &list);
    CHECK_NULL("list", CRChangesOverlayAt, lower, 2, upper, NULL, NULL);
    CHECK_NULL("options", CRChangesOptionsWorkDirectoryAt, NULL, upper);
    CHECK_NULL("work_directory", CRChangesOptionsWorkDirectoryAt, options, -1);
    closed(lower[1]);
    lower[1] = -1;
    CHECK_NULL("lower_directories[1]", CRChangesOverlayAt, lower, 2, upper, NULL, &list);
    closed(lower[0]);
    closed(upper);
    CRChangesOptionsFree(options);
}

static void a_work_directory_is_looked_into(void)
{
    CRChangesOptions *options = CRChangesOptionsNew();
    CRChangeList *list = NULL;
    int file, upper;

    make_directory("upper");
    make_file("file", "");
    upper = opened("upper");
    file = open(path("file"), O_RDONLY | O_CLOEXEC);
    CHECK_OK_ONCE(CRChangesOptionsWorkDirectoryAt, options, file);
    closed(file);
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRChangesOverlayAt, &upper, 1, upper, options, &list);
    CHECK(list == NULL);
    closed(upper);
    CRChangesOptionsFree(options);
}

static void what_is_no_descriptor_of_a_directory_is_told(void)
{
    static const CRChange change = {"/a", CR_CHANGE_ADD, 0};
    int top = opened("."), file, bad;
    char **files = NULL;

    make_file("file", "");
    file = open(path("file"), O_RDONLY | O_CLOEXEC);
    bad = no_descriptor();
    CHECK_FAILS(EBADF, CR_ERROR_SYSTEM, CRCreateFileWithLabelAt, bad, "a", "");
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRCreateFileWithLabelAt, file, "a", "");
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRApplyRootFsDiffTarAt, file, top);
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRRemoveDeletedFilesAt, "container", file, top);
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRImportCheckpointWithoutConfigAt, file, path("file"));
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRCreateRootFsDiffTarAt, &change, 1, file, top, &files);
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRCreateRootFsDiffTarAt, &change, 1, top, file, &files);
    CHECK(files == NULL);
    CHECK_NULL("directory", CRCreateFileWithLabelAt, -1, "a", "");
    CHECK_NULL("base_directory", CRApplyRootFsDiffTarAt, -1, top);
    CHECK_NULL("container_root_directory", CRApplyRootFsDiffTarAt, top, -1);
    CHECK_NULL("base_directory", CRRemoveDeletedFilesAt, "container", -1, top);
    CHECK_NULL("container_root_directory", CRRemoveDeletedFilesAt, "container", top, -1);
    CHECK_NULL("destination", CRImportCheckpointWithoutConfigAt, -1, path("file"));
    CHECK_NULL("destination", CRImportCheckpointConfigOnlyAt, -1, path("file"));
    CHECK_NULL("mount_point", CRCreateRootFsDiffTarAt, &change, 1, -1, top, &files);
    CHECK_NULL("destination", CRCreateRootFsDiffTarAt, &change, 1, top, -1, &files);
    closed(file);
    closed(top);
}

int main(void)
{
    RUN(archives_are_imported_into_a_descriptor);
    RUN(a_diff_goes_from_root_to_root);
    RUN(a_descriptor_of_a_moved_directory_is_still_that_directory);
    RUN(changes_of_directories_are_found);
    RUN(changes_of_an_overlay_are_found);
    RUN(a_work_directory_is_looked_into);
    RUN(what_is_no_descriptor_of_a_directory_is_told);
    return check_finish("at");
}
