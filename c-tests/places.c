/* SPDX-License-Identifier: Apache-2.0 */
/* Places: (AT_FDCWD, path), (descriptor, path), (descriptor, ""), and what is none. */

#define _GNU_SOURCE
#include "check.h"
#include "tar.h"

/* A directory of the test as a descriptor that can't be read from. */
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

/* Three ways to name the test's directory of this name. The descriptor is what the caller closes. */
static CRPlace named(int way, const char *name)
{
    switch (way) {
    case 0:
        return (CRPlace){AT_FDCWD, path(name)};
    case 1:
        return (CRPlace){opened("."), name};
    default:
        return (CRPlace){opened(name), ""};
    }
}

static void released(CRPlace place)
{
    if (place.at >= 0)
        closed(place.at);
}

#define WAYS 3
#define PLACE(place) (place).at, (place).path

static void make_checkpoint(void)
{
    FILE *tar = tar_begin("diff.tar");
    char bytes[8192];
    size_t length;

    tar_file(tar, "added", "added");
    tar_end(tar);
    tar = fopen(path("diff.tar"), "r");
    if (tar == NULL)
        files_die("diff.tar");
    length = fread(bytes, 1, sizeof(bytes), tar);
    fclose(tar);
    tar = tar_begin("in.tar");
    tar_file(tar, "config.dump", "{\"id\":\"4f1c\",\"runtime\":\"crun\"}");
    tar_file(tar, "spec.dump", "{}");
    tar_file(tar, "network.status", "null");
    tar_bytes(tar, "rootfs-diff.tar", bytes, length);
    tar_bytes(tar, "volumes/vol1.tar", bytes, length);
    tar_bytes(tar, "devshm-checkpoint.tar", bytes, length);
    tar_end(tar);
}

/* A file of the test as a place in three ways, of which one is a descriptor of the file itself. */
static CRPlace file_named(int way, const char *name)
{
    CRPlace place = named(way == 2 ? 1 : way, way == 2 ? "." : name);

    if (way != 2)
        return place;
    closed(place.at);
    return (CRPlace){open(path(name), O_RDONLY | O_CLOEXEC), ""};
}

static void the_nine_functions_take_all_three(void)
{
    static const CRChange changes[] = {{"/added", CR_CHANGE_ADD, 0}, {"/gone", CR_CHANGE_DELETE, 0}};
    char **files;

    make_checkpoint();
    make_directory("changed");
    make_file("changed/added", "added");
    for (int way = 0; way < WAYS; way++) {
        CRPlace archive = file_named(way, "in.tar"), changed = named(way, "changed"), bundle, root;

        make_directory("bundle");
        make_directory("root");
        make_file("root/gone", "of the image");
        bundle = named(way, "bundle");
        root = named(way, "root");
        CHECK_OK(CRImportCheckpointConfigOnlyAt, PLACE(bundle), PLACE(archive));
        CHECK_OK(CRImportCheckpointWithoutConfigAt, PLACE(bundle), PLACE(archive));
        CHECK_STRING(content("bundle/spec.dump"), "{}");
        CHECK_STRING(content("bundle/network.status"), "null");
        CHECK_OK_ONCE(CRCreateRootFsDiffTarAt, changes, 2, PLACE(changed), PLACE(bundle), &files);
        CHECK_STRING(files[0], "rootfs-diff.tar");
        CHECK_STRING(files[1], "deleted.files");
        CHECK(files[2] == NULL);
        CRStringArrayFree(files);
        CHECK_OK(CRApplyRootFsDiffTarAt, PLACE(bundle), PLACE(root));
        CHECK_STRING(content("root/added"), "added");
        CHECK(exists("root/gone"));
        CHECK_OK(CRRemoveDeletedFilesAt, "container", PLACE(bundle), PLACE(root));
        CHECK(!exists("root/gone"));
        CHECK_OK(CRCreateFileWithLabelAt, PLACE(bundle), "restore.log", "");
        CHECK_INT(mode_of("bundle/restore.log"), S_IFREG | 0600);
        released(archive);
        released(changed);
        released(bundle);
        released(root);
        files_leave();
        files_enter();
        make_checkpoint();
        make_directory("changed");
        make_file("changed/added", "added");
    }
}

static void an_import_takes_all_three(void)
{
    for (int way = 0; way < WAYS; way++) {
        CRPlace archive, bundle, root, volume, shm, spool;
        CRImportOptions *options = CRImportOptionsNew();
        CRImport *import = NULL;

        make_checkpoint();
        make_directory("bundle");
        make_directory("root");
        make_directory("volume");
        make_directory("shm");
        archive = file_named(way, "in.tar");
        bundle = named(way, "bundle");
        root = named(way, "root");
        volume = named(way, "volume");
        shm = named(way, "shm");
        spool = named(way, ".");
        CHECK_OK(CRImportOptionsSpoolDirectory, options, PLACE(spool));
        CHECK_OK_ONCE(CRImportOpen, PLACE(archive), options, NULL, &import);
        CHECK_OK_ONCE(CRImportToBundle, import, PLACE(bundle));
        CHECK_OK_ONCE(CRImportToRoot, import, PLACE(root));
        CHECK_OK_ONCE(CRImportToVolume, import, "vol1", PLACE(volume));
        CHECK_OK_ONCE(CRImportToShm, import, PLACE(shm));
        /* The descriptors aren't needed any more. */
        released(archive);
        released(bundle);
        released(root);
        released(volume);
        released(shm);
        released(spool);
        CHECK_OK_ONCE(CRImportExtract, import);
        CHECK_STRING(content("bundle/network.status"), "null");
        CHECK_STRING(content("root/added"), "added");
        CHECK_STRING(content("volume/added"), "added");
        CHECK_STRING(content("shm/added"), "added");
        CRImportFree(import);
        CRImportOptionsFree(options);
        files_leave();
        files_enter();
    }
}

static void an_export_takes_all_three(void)
{
    for (int way = 0; way < WAYS; way++) {
        CRPlace bundle, root, file, here, archive;
        CRExportOptions *options = CRExportOptionsNew();
        CRExport *export = CRExportNew();
        CRImportOptions *import_options = CRImportOptionsNew();
        CRImport *import = NULL;

        make_directory("bundle");
        make_directory("bundle/checkpoint");
        make_file("bundle/config.dump", "{}");
        make_file("bundle/spec.dump", "{}");
        make_file("bundle/note", "note");
        make_directory("root");
        make_file("file", "some content");
        bundle = named(way, "bundle");
        root = named(way, "root");
        here = named(way, ".");
        file = file_named(way, "file");
        CHECK_OK_ONCE(CRExportAddBundle, export, PLACE(bundle), CR_ENGINE_CRIO);
        CHECK_OK_ONCE(CRExportAddMember, export, PLACE(bundle), "note", CR_PRESENCE_REQUIRED);
        CHECK_OK_ONCE(CRExportAddFile, export, "file", PLACE(file));
        CHECK_OK_ONCE(CRExportAddDirectoryTar, export, "volumes/vol1.tar", PLACE(root));
        CHECK_OK_ONCE(CRExportAddRootFsDiff, export, NULL, 0, PLACE(root));
        CHECK_OK(CRExportOptionsSpoolDirectory, options, PLACE(here));
        released(bundle);
        released(root);
        released(file);
        released(here);
        archive = named(way == 2 ? 1 : way, way == 2 ? "." : "out.tar");
        if (way == 2) {
            closed(archive.at);
            archive = (CRPlace){open(path("out.tar"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), ""};
        }
        CHECK_OK_ONCE(CRExportWrite, export, PLACE(archive), options, NULL);
        released(archive);
        CRExportFree(export);
        CRExportOptionsFree(options);
        /* The nested archive belongs to root. */
        CHECK_OK(CRImportOptionsSet, import_options, CR_IMPORT_IGNORE_OWNERSHIP, 1);
        CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path("out.tar"), import_options, NULL, &import);
        CRImportOptionsFree(import_options);
        CHECK_OK_ONCE(CRImportToBundle, import, AT_FDCWD, path("restored"));
        CHECK_OK_ONCE(CRImportExtract, import);
        CHECK_STRING(content("restored/note"), "note");
        CHECK_STRING(content("restored/file"), "some content");
        CHECK(exists("restored/volumes/vol1.tar"));
        CRImportFree(import);
        files_leave();
        files_enter();
    }
}

/* The paths of a list, which is freed. */
static const char *line_of(CRChangeList *list)
{
    static char line[512];
    size_t len;
    const CRChange *changes = CRChangeListChanges(list, &len);

    line[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        size_t used = strlen(line);

        snprintf(line + used, sizeof(line) - used, "%c%s ", "CAD"[changes[i].kind], changes[i].path);
        CHECK_INT(changes[i].flags, 0);
    }
    CRChangeListFree(list);
    return line;
}

static void changes_take_all_three(void)
{
    make_directory("new");
    make_directory("old");
    make_directory("bottom");
    make_directory("work");
    make_file("new/added", "added");
    make_file("new/below", "modified");
    make_file("old/gone", "deleted");
    make_file("bottom/below", "original");
    make_file("spec", "{\"mounts\":[{\"destination\":\"/below\",\"type\":\"bind\"}]}");
    for (int way = 0; way < WAYS; way++) {
        CRPlace lower[2] = {named(way, "old"), named(way, "bottom")}, new = named(way, "new");
        CRPlace work = named(way, "work"), spec = file_named(way == 2 ? 1 : way, "spec");
        CRChangesOptions *options = CRChangesOptionsNew();
        CRChangeList *list = NULL;

        CHECK_OK_ONCE(CRChangesDirectories, PLACE(new), PLACE(lower[0]), NULL, NULL, &list);
        CHECK_STRING(line_of(list), "A/added A/below D/gone ");
        CHECK_OK_ONCE(CRChangesDirectories, PLACE(new), AT_FDCWD, NULL, NULL, NULL, &list);
        CHECK_STRING(line_of(list), "A/added A/below ");
        CHECK_OK_ONCE(CRChangesOverlay, lower, 2, PLACE(new), NULL, NULL, &list);
        CHECK_STRING(line_of(list), "A/added C/below ");
        CHECK_OK_ONCE(CRChangesOverlay, NULL, 0, PLACE(new), NULL, NULL, &list);
        CHECK_STRING(line_of(list), "A/added A/below ");
        CHECK_OK(CRChangesOptionsWorkDirectory, options, PLACE(work));
        CHECK_OK(CRChangesOptionsExcludeBindMounts, options, PLACE(spec));
        released(work);
        released(spec);
        CHECK_OK_ONCE(CRChangesOverlay, lower, 2, PLACE(new), options, NULL, &list);
        CHECK_STRING(line_of(list), "A/added ");
        released(lower[0]);
        released(lower[1]);
        released(new);
        CRChangesOptionsFree(options);
    }
}

static void a_descriptor_of_a_moved_directory_is_still_that_directory(void)
{
    int directory;

    make_directory("before");
    directory = opened("before");
    if (rename(path("before"), path("after")) != 0)
        files_die("rename");
    make_directory("before");
    CHECK_OK(CRCreateFileWithLabelAt, directory, "", "restore.log", "");
    CHECK_INT(mode_of("after/restore.log"), S_IFREG | 0600);
    CHECK(!exists("before/restore.log"));
    closed(directory);
}

/* The message names the path's argument: a place is one thing, and that is its name. */
static void a_negative_descriptor_is_refused(void)
{
    static const CRChange change = {"/x", CR_CHANGE_ADD, 0};
    const CRPlace lower = {-1, "x"};
    CRImportOptions *import_options = CRImportOptionsNew();
    CRExportOptions *export_options = CRExportOptionsNew();
    CRChangesOptions *options = CRChangesOptionsNew();
    CRExport *export = CRExportNew();
    CRChangeList *list = NULL;
    CRImport *import = NULL;
    char **files = NULL;

    tar_end(tar_begin("in.tar"));
#define HERE AT_FDCWD, files_top
#define WRONG(way) ((way) == 0 ? -1 : -5), ((way) == 0 ? "" : files_top)
    for (int way = 0; way < 2; way++) {
        CHECK_NULL("destination", CRImportCheckpointWithoutConfigAt, WRONG(way), HERE);
        CHECK_NULL("input", CRImportCheckpointWithoutConfigAt, HERE, WRONG(way));
        CHECK_NULL("destination", CRImportCheckpointConfigOnlyAt, WRONG(way), HERE);
        CHECK_NULL("input", CRImportCheckpointConfigOnlyAt, HERE, WRONG(way));
        CHECK_NULL("mount_point", CRCreateRootFsDiffTarAt, &change, 1, WRONG(way), HERE, &files);
        CHECK_NULL("destination", CRCreateRootFsDiffTarAt, &change, 1, HERE, WRONG(way), &files);
        CHECK_NULL("base_directory", CRApplyRootFsDiffTarAt, WRONG(way), HERE);
        CHECK_NULL("container_root_directory", CRApplyRootFsDiffTarAt, HERE, WRONG(way));
        CHECK_NULL("base_directory", CRRemoveDeletedFilesAt, "id", WRONG(way), HERE);
        CHECK_NULL("container_root_directory", CRRemoveDeletedFilesAt, "id", HERE, WRONG(way));
        CHECK_NULL("directory", CRCreateFileWithLabelAt, WRONG(way), "x", "");
        CHECK_NULL("directory", CRImportOptionsSpoolDirectory, import_options, WRONG(way));
        CHECK_NULL("archive", CRImportOpen, WRONG(way), NULL, NULL, &import);
        CHECK_NULL("directory", CRExportOptionsSpoolDirectory, export_options, WRONG(way));
        CHECK_NULL("bundle", CRExportAddBundle, export, WRONG(way), CR_ENGINE_PODMAN);
        CHECK_NULL("bundle", CRExportAddMember, export, WRONG(way), "x", CR_PRESENCE_OPTIONAL);
        CHECK_NULL("file", CRExportAddFile, export, "x", WRONG(way));
        CHECK_NULL("directory", CRExportAddDirectoryTar, export, "x", WRONG(way));
        CHECK_NULL("root", CRExportAddRootFsDiff, export, NULL, 0, WRONG(way));
        CHECK_NULL("archive", CRExportWrite, export, WRONG(way), NULL, NULL);
        CHECK_NULL("directory", CRChangesOptionsWorkDirectory, options, WRONG(way));
        CHECK_NULL("spec", CRChangesOptionsExcludeBindMounts, options, WRONG(way));
        CHECK_NULL("upper_directory", CRChangesOverlay, NULL, 0, WRONG(way), NULL, NULL, &list);
        CHECK_NULL("mount_point", CRChangesMount, WRONG(way), NULL, NULL, &list);
        CHECK_NULL("new_directory", CRChangesDirectories, WRONG(way), HERE, NULL, NULL, &list);
        CHECK_NULL("old_directory", CRChangesDirectories, HERE, WRONG(way), NULL, NULL, &list);
    }
    CHECK_NULL("lower_directories[0]", CRChangesOverlay, &lower, 1, HERE, NULL, NULL, &list);
    CHECK(import == NULL && list == NULL && files == NULL && !exists("x"));
    CHECK_OK_ONCE(CRImportOpen, AT_FDCWD, path("in.tar"), NULL, NULL, &import);
    CHECK_NULL("bundle", CRImportToBundle, import, WRONG(0));
    CHECK_NULL("bundle", CRImportToBundleOnly, import, WRONG(0), NULL, 0);
    CHECK_NULL("root", CRImportToRoot, import, WRONG(0));
    CHECK_NULL("directory", CRImportToVolume, import, "x", WRONG(0));
    CHECK_NULL("directory", CRImportToShm, import, WRONG(0));
    CRImportFree(import);
    CRExportFree(export);
    CRChangesOptionsFree(options);
    CRExportOptionsFree(export_options);
    CRImportOptionsFree(import_options);
}

static void what_a_place_is_not_is_the_error_of_the_system(void)
{
    CRImport *import = NULL;
    CRChangeList *list = NULL;
    int file, directory = open(path("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC), gone, unread, named_only;

    make_file("file", "");
    unread = open(path("file"), O_WRONLY | O_CLOEXEC);
    named_only = open(path("file"), O_PATH | O_CLOEXEC);
    file = open(path("file"), O_RDONLY | O_CLOEXEC);
    gone = opened(".");
    closed(gone);
    CHECK_FAILS(EBADF, CR_ERROR_SYSTEM, CRCreateFileWithLabelAt, gone, "", "a", "");
    CHECK_FAILS(EBADF, CR_ERROR_SYSTEM, CRImportOpen, gone, "", NULL, NULL, &import);
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRCreateFileWithLabelAt, file, "", "a", "");
    CHECK_FAILS(ENOTDIR, CR_ERROR_SYSTEM, CRChangesDirectories, file, "", AT_FDCWD, NULL, NULL, NULL, &list);
    CHECK_INT(CRImportOpen(directory, "", NULL, NULL, &import, NULL), -EISDIR);
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImportOpen, directory, "none", NULL, NULL, &import);
    CHECK_FAILS(ENOENT, CR_ERROR_SYSTEM, CRImportOpen, AT_FDCWD, path("none"), NULL, NULL, &import);
    CHECK(CRImportOpen(unread, "", NULL, NULL, &import, NULL) < 0);
    CHECK(CRImportOpen(named_only, "", NULL, NULL, &import, NULL) < 0);
    CHECK(import == NULL && list == NULL);
    closed(unread);
    closed(named_only);
    closed(file);
    closed(directory);
}

/* The working directory isn't a descriptor: "" means nothing there. */
static void an_empty_path_needs_a_descriptor(void)
{
    CRImport *import = NULL;
    CRExport *export = CRExportNew();

    CHECK(CRImportOpen(AT_FDCWD, "", NULL, NULL, &import, NULL) < 0);
    CHECK(CRExportAddBundle(export, AT_FDCWD, "", CR_ENGINE_PODMAN, NULL) < 0);
    CHECK(CRCreateFileWithLabelAt(AT_FDCWD, "", "x", "", NULL) < 0);
    CHECK(import == NULL && access("x", F_OK) != 0);
    CRExportFree(export);
}

int main(void)
{
    RUN(the_nine_functions_take_all_three);
    RUN(an_import_takes_all_three);
    RUN(an_export_takes_all_three);
    RUN(changes_take_all_three);
    RUN(a_descriptor_of_a_moved_directory_is_still_that_directory);
    RUN(a_negative_descriptor_is_refused);
    RUN(what_a_place_is_not_is_the_error_of_the_system);
    RUN(an_empty_path_needs_a_descriptor);
    return check_finish("places");
}
